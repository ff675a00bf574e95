"""A run frame by frame, as text: the frames that were more than plain agreement.

Each has one line: its time, the verdict, the nodes that were wrong or outvoted, the upsets behind
that, and the repairs. The fault-free run decides what is right, not the majority.
"""

from __future__ import annotations

import signal
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from hil.json_values import JsonObject
from hil.record.node_outputs import output_at
from hil.record.queries import (
    COLD_START,
    PREVENTIVE,
    Rows,
    agreed_on_wrong_state,
    repaired_before,
)
from hil.record.reader import Reader
from hil.record.row_values import (
    RecordedAnomaly,
    RecordedFrame,
    RecordedRepair,
    RecordedReply,
    RecordedTransition,
    RecordedUpset,
)
from hil.record.span_rows import (
    anomalies_between,
    answers_between,
    frames_between,
    open_upsets,
    repairs_between,
    replicas_between,
    upsets_between,
    upsets_detected_between,
    vote_changes_between,
)
from hil.redundancy.recovery import NodeState
from hil.redundancy.voting import NodeStatus, VerdictKind
from hil.scenario.console_patterns import CONSOLE_REASON
from hil.scenario.words import SchemeName, UpsetTarget
from hil.views.checker_results import CheckersResult, is_degraded, recorded_checkers
from hil.views.command_changes import CommandChanges
from hil.views.correctness import OUTVOTED, Answered, answer_words, answered
from hil.views.output_values import difference_text, fields_of, rules_in
from hil.views.style import BAD, DIM, GOOD, WARN, Glyphs, duration, flight_time
from hil.views.voter_views import split_texts
from hil.wire.messages import UpsetState

if TYPE_CHECKING:
    from hil.redundancy.field_vote import FieldRule

__all__ = ["ListedMoment", "answer_of", "describe", "inherited_text", "moments", "table"]

_WORDS: Final = {
    "unanimous": "unanimous",
    "majority": "majority",
    "simplex": "simplex",
    "no_majority": "no majority",
    "no_quorum": "no quorum",
}
_ALL: Final = 2**62

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ListedMoment:
    """One notable frame. `held`: it had no voted output, and the last one left the system again,
    which was `held_wrong` in its own frame. `dissent` has a text per node that was wrong, outvoted
    or silent, or whose replica of the voter decided otherwise than most; `upsets` are those of the
    frame, and the earlier ones behind it; `repairs` and `unexplained` are the repairs and the
    anomalies of the frame; `consoles` has the console text of boards that did not answer, unless
    that is in `unexplained`."""

    frame: int
    t_us: int
    verdict: str
    delivered: bool
    correct: bool
    held: bool
    held_wrong: bool
    executions: int
    dissent: tuple[str, ...]
    upsets: tuple[str, ...]
    repairs: tuple[str, ...]
    unexplained: tuple[str, ...]
    consoles: tuple[str, ...]

    @property
    def uneventful(self) -> bool:
        """Return whether the frame shows only agreement, while a node returns."""
        events = self.dissent or self.upsets or self.repairs or self.unexplained
        return self.correct and self.executions == 1 and not events

    def as_json(self) -> JsonObject:
        """Return the moment as an entry of the answer with --json."""
        return asdict(self)


def moments(reader: Reader, first: int = 0, last: int = _ALL) -> Iterator[ListedMoment]:
    """Yield the notable frames from `first` to `last`, both included. Raises: RecordError."""
    names = reader.node_names
    fields = fields_of(reader.scenario) if reader.scenario.votes_by_value else ()
    rules: dict[int, tuple[FieldRule, ...]] = {}  # by the length of the output

    def values(row: RecordedFrame, node: int) -> str:
        """Return the number of a node that differs most from the delivered one."""
        if not fields or not row.value or row.held:
            return ""
        length = len(row.value)
        if length not in rules:
            rules[length] = rules_in(reader.scenario, length)
        own = output_at(reader, node, row.frame) or b""
        return difference_text(fields, own, row.value, rules[length])

    has_primary = reader.scenario.scheme == SchemeName.PRIMARY_MONITORS.value
    commands = CommandChanges(reader) if has_primary else None
    in_force = _InForce(open_upsets(reader, first, last))
    answers = _by_frame((a.frame, a) for a in answers_between(reader, first, last))
    hits = _by_frame((u.frame, u) for u in upsets_between(reader, first, last))
    later = _by_frame((u.detected_frame, u) for u in upsets_detected_between(reader, first, last))
    repairs = _by_frame((r.frame, r) for r in repairs_between(reader, first, last))
    split = {row.frame for row in replicas_between(reader, first, last)}
    edges = _by_frame((e.frame, e) for e in vote_changes_between(reader, first, last))
    anomalies = _by_frame((a.frame, a) for a in anomalies_between(reader, first, last))
    for row in frames_between(reader, first, last):
        frame = row.frame
        replies = answers[frame]
        known = {u.id for u in (*hits[frame], *later[frame])}
        checkers = recorded_checkers(row, replies, reader.scenario.scheme)
        faulty = list(_faulty(row, replies, names, checkers))
        command = commands.text(frame) if commands is not None else ""
        older = [u for u in in_force.at(frame, faulty) if u.id not in known]
        yield ListedMoment(
            frame=frame,
            t_us=row.t_us,
            verdict=row.verdict,
            delivered=row.delivered,
            correct=row.correct,
            held=row.held,
            held_wrong=row.held_wrong,
            executions=1 + max((r.execution for r in replies), default=0),
            dissent=(
                *_dissent(row, replies, names, values, checkers),
                *(split_texts(reader, names, frame, replies) if frame in split else ()),
            ),
            upsets=(
                *(upset_text(u) for u in hits[frame]),
                *(upset_text(u, seen_in=frame) for u in (*later[frame], *older)),
                *_inherited(reader, frame, faulty, (*hits[frame], *later[frame], *older)),
            ),
            repairs=(
                *(_repair_text(r) for r in repairs[frame]),
                *_edge_texts(edges[frame], repairs[frame]),
                *([command] if command else []),
            ),
            unexplained=tuple(anomaly_text(a) for a in anomalies[frame]),
            consoles=tuple(_printed(replies, names, {a.node for a in anomalies[frame]})),
        )


def _by_frame(rows: Iterable[tuple[int | None, T]]) -> defaultdict[int | None, list[T]]:
    out: defaultdict[int | None, list[T]] = defaultdict(list)
    for frame, row in rows:
        out[frame].append(row)
    return out


def signal_name(number: int) -> str:
    """Return the name of a signal: SIGSEGV for 11; its number if it has no name here."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class _InForce:
    """The upsets of earlier frames that are open in later ones; queried frame by frame, in
    order."""

    def __init__(self, upsets: list[RecordedUpset]) -> None:
        self._coming = upsets[::-1]
        self._open: list[RecordedUpset] = []

    def at(self, frame: int, nodes: list[str]) -> list[RecordedUpset]:
        """Return those that are open on one of `nodes` in this frame."""
        while self._coming and self._coming[-1].frame <= frame:
            self._open.append(self._coming.pop())
        self._open = [u for u in self._open if _open_at(u, frame)]
        return [u for u in self._open if u.node in nodes and (not u.dormant or _seen_by(u, frame))]


def _open_at(upset: RecordedUpset, frame: int) -> bool:
    return upset.resolved_frame is None or upset.resolved_frame >= frame


def _seen_by(upset: RecordedUpset, frame: int) -> bool:
    return upset.detected_frame is not None and upset.detected_frame <= frame


def answer_of(
    row: RecordedFrame, reply: RecordedReply, checkers: CheckersResult | None, *, only: bool
) -> Answered:
    """Return the correctness of an answer; `only`: the frame was computed once."""
    if checkers is not None and reply.node:
        return checkers.answer(reply.status, reply.output_digest, reply.state_digest)
    golden = (row.golden_output, row.golden_state)
    return answered(
        reply.status,
        reply.output_digest,
        reply.state_digest,
        golden,
        accepted=only and row.correct and bool(row.agree >> reply.node & 1),
        states_ignored=row.states_ignored,
    )


def _faulty(
    row: RecordedFrame,
    replies: list[RecordedReply],
    names: list[str],
    checkers: CheckersResult | None,
) -> Iterator[str]:
    """Yield the nodes whose first answer was not that of the fault-free run; if there are none and
    no output was delivered, the nodes that were excluded."""
    only = all(r.execution == 0 for r in replies)
    first = {r.node: answer_of(row, r, checkers, only=only) for r in replies if r.execution == 0}
    good = {Answered.RIGHT, Answered.EXCLUDED}
    faulty = [
        name for index, name in enumerate(names) if first.get(index, Answered.RIGHT) not in good
    ]
    if not faulty and not row.delivered:
        faulty = [name for index, name in enumerate(names) if first.get(index) is Answered.EXCLUDED]
    yield from faulty


def _inherited(
    reader: Rows, frame: int, faulty: list[str], known: tuple[RecordedUpset, ...]
) -> Iterator[str]:
    """Yield the wrong state that nodes without an upset of their own received from others."""
    hit = {u.node for u in known}
    for node in faulty:
        text = "" if node in hit else inherited_text(reader, frame, node)
        if text:
            yield text


def inherited_text(record: Rows, frame: int, node: str) -> str:
    """Return the repair that gave a node the state of a wrong majority; empty if there is none."""
    repair = repaired_before(record, frame, node)
    if repair is None or not agreed_on_wrong_state(record, repair.frame):
        return ""
    what = repair.action.replace("_", " ")
    return f"{node} has the state of a wrong majority, by the {what} in frame {repair.frame}"


def _dissent(
    row: RecordedFrame,
    replies: list[RecordedReply],
    names: list[str],
    values: Callable[[RecordedFrame, int], str],
    checkers: CheckersResult | None,
) -> Iterator[str]:
    """Yield the deviation of each node, as its first execution shows it; `values` has that of the
    output of a node, by its index."""
    first = {r.node: r for r in replies if r.execution == 0}
    only = len(first) == len(replies)
    if is_degraded(row, checkers):
        yield "degraded: the output of the checkers"
    for index, name in enumerate(names):
        reply = first.get(index)
        if reply is None:
            continue
        if reply.status == NodeStatus.CRASHED.word:
            yield f"{name} {signal_name(reply.signal) if reply.signal else 'crashed'}"
        elif reply.status not in (NodeStatus.DONE.word, NodeStatus.EXCLUDED.word):
            yield f"{name} {reply.status}"
        else:
            dissents, latent = (bool(mask >> index & 1) for mask in (row.dissent, row.latent))
            words = answer_words(
                answer_of(row, reply, checkers, only=only),
                dissents=dissents,
                latent=latent,
                delivered=row.delivered,
                correct=row.correct,
            )
            if words == OUTVOTED and checkers is not None and index and row.agree & 1:
                words = "accepts it"
            if checkers is not None and not index and dissents:
                words = "refused"
            if words == OUTVOTED and row.verdict == VerdictKind.NO_MAJORITY.word:
                words = "right, but does not command"
            value = values(row, index) if dissents else ""
            if words:
                yield f"{name} {words}" + (f" ({value})" if value else "")


def _printed(replies: list[RecordedReply], names: list[str], explained: set[str]) -> Iterator[str]:
    """Yield the console text that shows why nodes did not answer, except those in `explained`."""
    for reply in replies:
        printed = reply.reason.removeprefix(CONSOLE_REASON)
        name = names[reply.node] if reply.node < len(names) else ""
        if reply.execution == 0 and printed != reply.reason and name not in explained:
            yield f"{name} printed: {printed}"


def upset_text(u: RecordedUpset, *, seen_in: int | None = None) -> str:
    """Return an upset as `#3 c output bit: sdc, corrected`; with `(frame 700)` before the colon if
    it was injected in that frame and its effect is seen in another."""
    what = f"#{u.id} {u.node} {u.target} {u.kind.replace('_', ' ')}"
    if seen_in not in (None, u.frame):
        what += f" (frame {u.frame})"
    if u.state != UpsetState.INJECTED:
        why = f" ({u.detail})" if u.detail else ""
        return f"{what}: {u.state}{why}"
    if u.target == UpsetTarget.STATE and u.detail:
        what += f" ({u.detail})"
    if not u.verified:
        return f"{what}: not verified"
    if not u.effect and not u.outcome:
        return f"{what}: not settled yet"
    effect = u.effect or "its effect was not seen"
    if u.signal:
        effect += f" {signal_name(u.signal)}"
    if u.activation:
        effect += f" ({u.activation.replace('_', ' ')})"
    outcome = u.outcome.replace("_", " ")
    return f"{what}: {effect}, {outcome or 'not settled yet'}"


def _repair_text(r: RecordedRepair) -> str:
    what = f"{r.action.replace('_', ' ')} {r.node}"
    if not r.ok:
        return f"{what} failed: {r.detail}"
    planned = ", preventive" if r.cause == PREVENTIVE else ""
    after = f", {r.detail}" if r.action == COLD_START else ""
    return f"{what}{planned} {duration(r.duration_wall_us)}{after}"


def _edge_texts(edges: list[RecordedTransition], repairs: list[RecordedRepair]) -> Iterator[str]:
    resynced = {r.node for r in repairs if r.ok and r.action == NodeState.RESYNC}
    for edge in edges:
        if edge.after == NodeState.ISOLATED:
            yield f"{edge.node} isolated ({edge.cause})"
        elif edge.node not in resynced:
            yield f"{edge.node} votes again"


def anomaly_text(a: RecordedAnomaly) -> str:
    """Return an anomaly as `c: crash (its agent said ...)`."""
    return f"{a.node}: {a.effect}" + (f" ({a.reason})" if a.reason else "")


def _verdict_text(moment: ListedMoment, glyphs: Glyphs) -> Text:
    word = _WORDS.get(moment.verdict, moment.verdict)
    if moment.held:
        return Text(f"{glyphs.bad} {word}, held{' WRONG' * moment.held_wrong}", style=BAD)
    if not moment.delivered:
        no_output = ", no output" if moment.verdict == VerdictKind.SIMPLEX.word else ""
        return Text(f"{glyphs.bad} {word}{no_output}", style=BAD)
    if not moment.correct:
        return Text(f"{glyphs.bad} {word}, WRONG", style=BAD)
    again = ", redone" if moment.executions > 1 else ""
    if moment.dissent or again:
        return Text(f"{glyphs.warn} {word}{again}", style=WARN)
    return Text(f"{glyphs.ok} {word}", style=GOOD)


def describe(moment: ListedMoment) -> str:
    """Describe one moment in a sentence."""
    parts = [_WORDS.get(moment.verdict, moment.verdict)]
    if moment.delivered and not moment.correct:
        parts = ["a wrong output left the system"]
    elif moment.held:
        wrong = "wrong " * moment.held_wrong
        parts.append(f"the {wrong}output that was voted on last left the system again")
    elif not moment.delivered and moment.verdict == VerdictKind.SIMPLEX.word:
        parts.append("its output was kept back")
    parts += moment.dissent
    text = ", ".join(parts)
    unexplained = (f"unexplained: {text}" for text in moment.unexplained)
    causes = [*moment.upsets, *unexplained, *moment.consoles]
    return f"{text}; {'; '.join(causes)}" if causes else text


def table(listed: Iterable[ListedMoment], glyphs: Glyphs) -> RenderableType:
    """Return all moments as a table; successive frames without anything notable share a line."""
    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=DIM)
    out.add_column("frame", justify="right", no_wrap=True)
    out.add_column("time", justify="right", no_wrap=True)
    out.add_column("verdict", no_wrap=True)
    out.add_column("nodes", min_width=10)
    out.add_column("what happened, and what was done")
    for group in _grouped(listed):
        first, last = group[0], group[-1]
        out.add_row(
            f"{first.frame}" if len(group) == 1 else f"{first.frame}-{last.frame}",
            flight_time(first.t_us),
            _verdict_text(first, glyphs),
            ", ".join(first.dissent),
            _events_text(first, glyphs),
            style=DIM if first.uneventful else "",
        )
    return out


def _grouped(listed: Iterable[ListedMoment]) -> Iterator[list[ListedMoment]]:
    group: list[ListedMoment] = []
    for moment in listed:
        alike = (
            group
            and moment.uneventful
            and group[-1].uneventful
            and moment.frame == group[-1].frame + 1
            and moment.verdict == group[-1].verdict
        )
        if group and not alike:
            yield group
            group = []
        group.append(moment)
    if group:
        yield group


def _events_text(moment: ListedMoment, glyphs: Glyphs) -> Text:
    parts = [
        *(Text(text) for text in moment.upsets),
        *(Text(f"{glyphs.bad} UNEXPLAINED {text}", style=BAD) for text in moment.unexplained),
        *(Text(text) for text in moment.consoles),
        *(Text(f"{glyphs.arrow} {text}") for text in moment.repairs),
    ]
    return Text("  ").join(parts)
