"""Says how nodes came back after a dissent: in which frame, by which repairs, after how long."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, TypeVar

from hil.record.packed_frames import frames_in_agreement
from hil.record.reader import Reader
from hil.record.row_values import (
    RecordedFrame,
    RecordedRepair,
    RecordedReply,
    RecordedTransition,
)
from hil.record.span_rows import answers_between, open_upsets, repairs_between, vote_changes_between
from hil.record.timeline import recorded_timeline
from hil.redundancy.recovery import NodeState
from hil.views.checker_results import has_checkers, recorded_checkers
from hil.views.correctness import Answered
from hil.views.listing import answer_of
from hil.views.style import duration, plural

__all__ = ["Healer", "Healing", "healing_words"]

_ALL: Final = 2**62
_REPAIRS_NAMED: Final = 3


class _OfNode(Protocol):
    """A row of one node, in one frame."""

    @property
    def node(self) -> str: ...

    @property
    def frame(self) -> int: ...


T = TypeVar("T", bound=_OfNode)


@dataclass(frozen=True, slots=True)
class Healing:
    """The way back of one node after a dissent in `start`. `frame`: the first frame in which it is
    right again and in the vote (of a node that never votes: right); None if there is none up to
    `last_frame`, the last one of the record; `start` itself if that was computed again, and right
    then. `after_us`: simulated time between the two. `outvoted`: the node was right in `start`.
    `repairs`: those of the node from the dissent on, up to then. `isolated`: with this transition
    it was isolated meanwhile. `again`: the number of the upset behind the dissent that is still
    there, and the frame in which the node is wrong next."""

    node: str
    start: int
    frame: int | None
    last_frame: int
    after_us: int
    outvoted: bool
    repairs: Sequence[RecordedRepair]
    isolated: RecordedTransition | None
    again: tuple[int, int] | None


class Healer:
    """Finds the healing of the nodes of a run after each dissent; it reads the record once, when
    it is made. `frames`: those that were more than plain agreement, by number. Raises: RecordError
    if the record cannot be read."""

    def __init__(self, reader: Reader, frames: Mapping[int, RecordedFrame]) -> None:
        self._names = reader.node_names
        nodes = range(len(self._names))
        self._timeline = recorded_timeline(reader, reader.frame_us)
        answers = _wrong_answers(answers_between(reader, 0, _ALL), frames, reader.scenario.scheme)
        self._first_wrong = [answers.first[node] for node in nodes]
        self._wrong = [sorted(answers.last[node]) for node in nodes]
        self._undecided = [sorted(answers.undecided[node]) for node in nodes]
        self._right = frames_in_agreement(reader.blocks(), len(self._names))
        self._last_frame = len(self._right[0]) - 1 if self._right else -1
        for node in nodes:
            for frame in self._wrong[node]:
                if frame <= self._last_frame:
                    self._right[node][frame] = 0
        self._repairs = _by_node(repairs_between(reader, 0, _ALL))
        changes = vote_changes_between(reader, 0, _ALL)
        self._isolated = _by_node(c for c in changes if c.after == NodeState.ISOLATED)
        self._upsets = _by_node(open_upsets(reader, 0, _ALL))

    def healings(self, row: RecordedFrame) -> Iterator[Healing]:
        """Yield the healing of each node that was wrong, silent or outvoted in a frame."""
        for index in range(len(self._names)):
            if row.frame in self._first_wrong[index]:
                yield self._healing(row, index)

    def _healing(self, row: RecordedFrame, index: int) -> Healing:
        name, start = self._names[index], row.frame
        frame: int | None = start
        if _has(self._wrong[index], start):
            frame = self._next_right(index, start)
        # Repairs have the number of the frame after which they were made.
        until = self._last_frame if frame is None else max(start, frame - 1)
        isolated = _between(self._isolated[name], start, until)
        return Healing(
            node=name,
            start=start,
            frame=frame,
            last_frame=self._last_frame,
            after_us=0 if frame is None else self._timeline.t_us(frame) - row.t_us,
            outvoted=not self._first_wrong[index][start],
            repairs=_between(self._repairs[name], start, until),
            isolated=isolated[-1] if isolated else None,
            again=None if frame is None else self._again(index, start, frame),
        )

    def _next_right(self, index: int, start: int) -> int | None:
        """Return the first frame after `start` in which a node is right, and votes. A node that was
        outvoted in it has to agree; one that was wrong can be right where nothing was decided."""
        agreed = self._right[index].find(1, start + 1)
        frames = [agreed] if agreed >= 0 else []
        at = bisect_right(self._undecided[index], start)
        if self._first_wrong[index][start]:
            frames += self._undecided[index][at : at + 1]
        return min(frames, default=None)

    def _again(self, index: int, start: int, frame: int) -> tuple[int, int] | None:
        wrong = self._wrong[index]
        at = bisect_right(wrong, frame)
        if at == len(wrong):
            return None
        for upset in self._upsets[self._names[index]]:
            stays = upset.resolved_frame is None or upset.resolved_frame >= wrong[at]
            if upset.frame <= start and stays and not upset.dormant:
                return upset.id, wrong[at]
        return None


def _by_node(rows: Iterable[T]) -> defaultdict[str, list[T]]:
    out: defaultdict[str, list[T]] = defaultdict(list)
    for row in rows:
        out[row.node].append(row)
    return out


def _between(rows: Sequence[T], first: int, last: int) -> Sequence[T]:
    """Return the rows of frames from `first` to `last`, both included; they are in that order."""
    begin = bisect_left(rows, first, key=lambda row: row.frame)
    return rows[begin : bisect_right(rows, last, key=lambda row: row.frame)]


def _has(frames: Sequence[int], frame: int) -> bool:
    at = bisect_left(frames, frame)
    return at < len(frames) and frames[at] == frame


class _Answers(NamedTuple):
    """By node: the frames in which its first answer was wrong (True), or right and outvoted
    (False); and those in which its last answer was one of both, which is another one where the
    frame was computed again; `undecided`: those without an agreed output in which its last answer
    was right, and it voted."""

    first: defaultdict[int, dict[int, bool]]
    last: defaultdict[int, set[int]]
    undecided: defaultdict[int, set[int]]


def _wrong_answers(
    replies: Sequence[RecordedReply], frames: Mapping[int, RecordedFrame], scheme: str
) -> _Answers:
    out = _Answers(defaultdict(dict), defaultdict(set), defaultdict(set))
    by_frame: defaultdict[int, list[RecordedReply]] = defaultdict(list)
    for reply in replies if has_checkers(scheme) else ():
        by_frame[reply.frame].append(reply)
    again = {reply.frame for reply in replies if reply.execution}
    for reply in replies:  # in the order of executions
        row = frames.get(reply.frame)
        if row is None:
            continue
        only = reply.frame not in again
        checkers = recorded_checkers(row, by_frame[row.frame], scheme)
        answer = answer_of(row, reply, checkers, only=only)
        wrong = answer not in {Answered.RIGHT, Answered.EXCLUDED}
        voted = checkers is None or not reply.node  # checkers that accept are not outvoted
        outvoted = voted and _is_outvoted(row, reply.node, only=only)
        is_right = answer is Answered.RIGHT and not outvoted and row.voters >> reply.node & 1
        _put(out.undecided[reply.node], reply.frame, there=bool(is_right and not row.agree))
        if wrong or (answer is Answered.RIGHT and outvoted):
            out.last[reply.node].add(reply.frame)
            if not reply.execution:
                out.first[reply.node][reply.frame] = wrong
        else:
            out.last[reply.node].discard(reply.frame)
    return out


def _put(frames: set[int], frame: int, *, there: bool) -> None:
    if there:
        frames.add(frame)
    else:
        frames.discard(frame)


def _is_outvoted(row: RecordedFrame, node: int, *, only: bool) -> bool:
    """Return whether a right answer is not what the vote chose. The masks of a frame that was
    computed again (not `only` once) are those of the last execution."""
    wrong_one_left = row.delivered and not row.correct
    return wrong_one_left or (only and bool((row.dissent | row.latent) >> node & 1))


# --- in words -------------------------------------------------------------------------------------


def healing_words(healing: Healing) -> str:
    """Return the healing of a node in words. Plain text."""
    parts = [_repair_words(r) for r in healing.repairs[:_REPAIRS_NAMED]]
    if more := len(healing.repairs) - len(parts):
        parts.append(f"{plural(more, 'more repair')} up to frame {healing.repairs[-1].frame:,}")
    if healing.isolated is not None:
        parts.append(f"isolated in frame {healing.isolated.frame:,} ({healing.isolated.cause})")
    return f"node {healing.node}: {', '.join([*parts, _end_words(healing)])}"


def _repair_words(repair: RecordedRepair) -> str:
    what = f"{repair.action.replace('_', ' ')} after frame {repair.frame:,}"
    if repair.ok:
        return f"{what} in {duration(repair.duration_wall_us)}"
    return f"{what} failed" + (f" ({repair.detail})" if repair.detail else "")


def _end_words(healing: Healing) -> str:
    frame, last = healing.frame, f"frame {healing.last_frame:,}, the last of this run"
    if frame is None:
        if healing.start == healing.last_frame:
            return f"not healed: this is {last}"
        out = healing.outvoted or healing.isolated is not None
        return f"{'not back in the vote' if out else 'not right again'} up to {last}"
    if frame == healing.start:
        return "right when the frame was computed again"
    alone = "" if healing.repairs else " without a repair"
    back = "agrees" if healing.outvoted else "right"
    text = f"{back} again in frame {frame:,}{alone}, {duration(healing.after_us)} later"
    if healing.again is None:
        return text
    upset, wrong = healing.again
    return f"{text}, but not healed: upset #{upset} stays, and shows again in frame {wrong:,}"
