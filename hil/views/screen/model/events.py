"""The events of a run, newest first, from all tables of its record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, Final

from hil.control.commands import EndRun, PauseRun, ResumeRun, SetPace, WriteNote
from hil.control.protocol import recorded_command
from hil.record.event_queries import RecordedEvent, newest_events_of, newest_upsets
from hil.record.limit_orders import AppliedLimits, OrderedLimits
from hil.record.live import LiveRecord
from hil.record.queries import BadOutput, isolated_though_right
from hil.record.record_tables import RecordTable
from hil.record.row_values import (
    RecordedAnomaly,
    RecordedCommand,
    RecordedLimit,
    RecordedLinkEvent,
    RecordedNote,
    RecordedRepair,
    RecordedSlip,
    RecordedTransition,
    RecordedUpset,
)
from hil.redundancy.recovery import NodeState
from hil.redundancy.spares import is_stand_by
from hil.scenario.console_patterns import CONSOLE_EVENT, is_failure
from hil.upsets.words import SystemOutcome
from hil.views.alarm_limits import Level
from hil.views.listing import anomaly_text, upset_text
from hil.views.screen.model.facts import EventLine
from hil.views.screen.model.verdict_strip import Episode, VerdictHistory
from hil.views.style import duration
from hil.wire.messages import Limits, LinkState
from hil.word_enum import Word

__all__ = ["EventKind", "newest_events"]


class EventKind(Word):
    """The kinds of events, in the order in which those of one frame are listed."""

    NOTE = "note"
    STATE = "state"
    REPAIR = "repair"
    FRAME = "frame"
    ANOMALY = "anomaly"
    UPSET = "upset"
    SLIP = "slip"
    LIMIT = "limit"
    LINK = "link"
    COMMAND = "command"


Key = tuple[str, int]
_ORDER: Final[Mapping[str, int]] = {kind: number for number, kind in enumerate(EventKind)}
_Make = Callable[[Any, EventKind], "EventLine | None"]
_SEVERE: Final = frozenset(
    {SystemOutcome.SDC_ESCAPED, SystemOutcome.UNAVAILABLE, SystemOutcome.DETECTED_UNRESOLVED}
)
_HARMLESS: Final = frozenset(
    {
        SystemOutcome.UNKNOWN,
        SystemOutcome.NO_EFFECT,
        SystemOutcome.CORRECTED,
        SystemOutcome.RECOVERED,
    }
)
_ROWS_MAX: Final = 2048
"""The most rows of a table that are read to count the repetitions of an event; if there are more,
the count is shown as `100+`."""


def newest_events(
    source: LiveRecord, history: VerdictHistory, head: int, count: int, node: str = ""
) -> tuple[EventLine, ...]:
    """Return the newest `count` events up to frame `head`, newest first; with `node` only those of
    that node. Equal events in succession are one, with a count that is taken from the record."""
    rows = 2 * count
    while True:
        events, oldest = _read(source, head, rows, node)
        if not node:
            events.extend(_episode(episode) for episode in history.episodes(head, count))
        events.sort(key=lambda event: (-event.frame, _ORDER[event.kind]))
        merged = _merged(events, oldest)[:count]
        if rows >= _ROWS_MAX or not any(e.more and e.kind != EventKind.FRAME for e in merged):
            return tuple(merged)
        rows = min(_ROWS_MAX, 4 * rows)


def _read(source: LiveRecord, head: int, limit: int, node: str) -> tuple[list[EventLine], set[Key]]:
    """Return the newest rows of all tables as events, and the key of the oldest event of each table
    that has older ones."""
    events: list[EventLine] = []
    oldest: set[Key] = set()
    upto = source.upto(head)
    for table, kind, make in _BY_ID:
        if node and table == RecordTable.COMMANDS:
            continue
        rows = newest_events_of(source, table, source.position(table, upto), limit, node)
        _take(rows, kind, make, limit, events, oldest)
        if table == RecordTable.TRANSITIONS:
            events[:] = [_justly(source, event) for event in events]
    upsets = newest_upsets(source, upto, limit, node)
    _take(
        [_by_then(upset, upto) for upset in upsets], EventKind.UPSET, _upset, limit, events, oldest
    )
    return events, oldest


def _justly(source: LiveRecord, event: EventLine) -> EventLine:
    """Return the event; that of an isolation by a wrong majority says so."""
    isolated = event.kind == EventKind.STATE and event.level is Level.BAD
    if not isolated or not isolated_though_right(source, event.frame, event.node):
        return event
    return replace(event, text="ISOLATED though right: a wrong majority outvoted it")


def _take(
    rows: Sequence[RecordedEvent | RecordedUpset],
    kind: EventKind,
    make: _Make,
    limit: int,
    events: list[EventLine],
    oldest: set[Key],
) -> None:
    """Make events of the rows of one table, newest first."""
    last: Key | None = None
    for row in rows:
        event = make(row, kind)
        if event is not None:
            last = (kind, row.id)
            events.append(replace(event, key=last))
    if last is not None and len(rows) == limit:
        oldest.add(last)


def _merged(events: Iterable[EventLine], oldest: AbstractSet[Key]) -> list[EventLine]:
    """Merge equal events in succession, with their number, and equal ones of several nodes in a
    frame. A merged event has the key of the first one. `oldest`: the keys after which there are
    more rows that were not read."""
    out: list[EventLine] = []
    times: Counter[str] = Counter()  # the number of events of each node in the last one
    for event in events:
        last = out[-1] if out else event
        if event.kind == EventKind.FRAME or not out:
            out.append(event)
        elif (last.frame, last.kind, last.text) == (
            event.frame,
            event.kind,
            event.text,
        ) and last.node != event.node:  # a rollback is of all its nodes
            times = times if "," in last.node else Counter({last.node: last.count})
            names = last.node if event.node in times else f"{event.node},{last.node}"
            times[event.node] += 1
            count = max(times.values())
            out[-1] = replace(last, node=names, count=count, key=event.key)
        elif (last.kind, last.node, last.text) == (event.kind, event.node, event.text):
            out[-1] = replace(last, count=last.count + 1, key=event.key)
        else:
            out.append(event)
        if event.key in oldest:
            out[-1] = replace(out[-1], more=True)
    return out


def _state(row: RecordedTransition, kind: EventKind) -> EventLine | None:
    after, cause = row.after, row.cause
    # A resync is over before the next frame.
    if after == NodeState.VOTING and row.before != NodeState.RESYNC:
        return EventLine(row.frame, Level.GOOD, kind, row.node, "votes again")
    if after == NodeState.ISOLATED and is_stand_by(cause):
        return EventLine(row.frame, Level.NOTE, kind, row.node, cause)
    if after == NodeState.ISOLATED:
        return EventLine(row.frame, Level.BAD, kind, row.node, f"ISOLATED: {cause}")
    return None  # the repairs show the states between


def _repair(row: RecordedRepair, kind: EventKind) -> EventLine:
    what = row.action.replace("_", " ")
    if not row.ok:
        return EventLine(row.frame, Level.WARN, kind, row.node, f"{what} FAILED: {row.detail}")
    if row.action == "refresh":  # not a repair of the system under test
        text = "one upset at a time: the bench gave it the fault-free state"
        return EventLine(row.frame, Level.NOTE, kind, row.node, text)
    why = row.cause
    moved = f", {row.bytes_moved} B moved" if row.bytes_moved else ""
    spent = duration(row.duration_wall_us)
    text = f"{why}: {what} done in {spent}{moved}"
    return EventLine(row.frame, Level.WARN, kind, row.node, text)


def _by_then(upset: RecordedUpset, frame: int) -> RecordedUpset:
    """Return an upset as it was known in a frame, without later effects and outcomes."""
    if upset.resolved_frame is None or upset.resolved_frame <= frame:
        return upset
    if upset.detected_frame is not None and upset.detected_frame > frame:
        return replace(upset, outcome="", effect="", signal=0)
    return replace(upset, outcome="")


def _upset(upset: RecordedUpset, kind: EventKind) -> EventLine:
    text = upset_text(upset).replace(f" {upset.node} ", " ", 1)
    level = Level.NOTE
    if upset.outcome in _SEVERE:
        level = Level.BAD
    elif upset.outcome not in _HARMLESS:
        level = Level.WARN
    return EventLine(upset.frame, level, kind, upset.node, text)


def _episode(episode: Episode) -> EventLine:
    text: dict[str, str] = {
        BadOutput.NO_MAJORITY: "NO OUTPUT: no majority",
        BadOutput.NO_QUORUM: "NO OUTPUT: no node was heard",
        BadOutput.SIMPLEX: "NO OUTPUT: one node answered alone",
        BadOutput.HELD: "HELD: the last voted output left the system again",
    }
    return EventLine(
        episode.last,
        Level.BAD,
        EventKind.FRAME,
        "",
        text.get(episode.what, "A WRONG OUTPUT LEFT THE SYSTEM"),
        episode.frames,
        not episode.whole,
        (EventKind.FRAME, episode.first),
        episode.first,
    )


def _anomaly(row: RecordedAnomaly, kind: EventKind) -> EventLine:
    text = anomaly_text(row).removeprefix(f"{row.node}: ")
    return EventLine(row.frame, Level.WARN, kind, row.node, f"unexplained: {text}")


def _slip(row: RecordedSlip, kind: EventKind) -> EventLine:
    late = f" by {duration(row.late_wall_us)}" if row.late_wall_us else ""
    return EventLine(row.frame, Level.WARN, kind, row.node or "", f"slip: {row.detail}{late}")


def _limit(row: RecordedLimit, kind: EventKind) -> EventLine:
    names = AppliedLimits.of(row.applied).refused
    refused = f", refused {', '.join(names)}" if names else ""
    text = f"{row.cause}: {_limit_words(OrderedLimits.of(row.asked).limits)}{refused}"
    level = Level.WARN if refused else Level.NOTE
    return EventLine(row.frame, level, kind, row.node, text)


def _limit_words(limits: Limits | None) -> str:
    """Return the limits of a board in words: `30 % of its speed`. `limits` None: it has no
    power."""
    if limits is None:
        return "power off"
    duty = limits.duty_permille
    speed = "full speed" if duty >= 1000 else f"{duty / 10:g} % of its speed"
    parts = ["suspended" if limits.suspend else speed]
    parts += [f"{limits.cores} cores"] if limits.cores else []
    parts += [f"{limits.clock_khz / 1000:g} MHz"] if limits.clock_khz else []
    parts += [f"mode {limits.mode}"] if limits.mode else []
    return ", ".join(parts)


def _command(row: RecordedCommand, kind: EventKind) -> EventLine | None:
    if row.ok and row.command in _NOTED:
        return None
    command = recorded_command(row.command, row.arguments)
    arguments = {} if command is None else command.as_json()
    words = [row.command.replace("_", " ")]
    words += [f"{key}={value}" for key, value in arguments.items() if key != "node"]
    refusal = "" if row.ok else f" REFUSED: {row.answer}"
    level = Level.NOTE if row.ok else Level.WARN
    node = str(arguments.get("node", ""))
    text = f"{' '.join(words)}, by {row.who}{refusal}"
    return EventLine(row.frame, level, kind, node, text)


def _link(row: RecordedLinkEvent, kind: EventKind) -> EventLine | None:
    printed = row.reason.removeprefix(CONSOLE_EVENT)
    if printed != row.reason:
        level = Level.WARN if is_failure(printed) else Level.NOTE
        return EventLine(row.frame, level, kind, row.node, f"console: {printed}")
    if row.state not in (LinkState.LOST, LinkState.ABSENT):
        return None
    why = f": {row.reason}" if row.reason else ""
    return EventLine(row.frame, Level.WARN, kind, row.node, f"link {row.state}{why}")


def _note(row: RecordedNote, kind: EventKind) -> EventLine:
    return EventLine(row.frame or 0, Level.NOTE, kind, "", row.text)


_NOTED: Final = frozenset(
    kind.command.name for kind in (PauseRun, ResumeRun, SetPace, EndRun, WriteNote)
)
"""Commands that write a note of their own."""

_BY_ID: Final[tuple[tuple[RecordTable, EventKind, _Make], ...]] = (
    (RecordTable.TRANSITIONS, EventKind.STATE, _state),
    (RecordTable.REPAIRS, EventKind.REPAIR, _repair),
    (RecordTable.ANOMALIES, EventKind.ANOMALY, _anomaly),
    (RecordTable.SLIPS, EventKind.SLIP, _slip),
    (RecordTable.LIMITS, EventKind.LIMIT, _limit),
    (RecordTable.LINK_EVENTS, EventKind.LINK, _link),
    (RecordTable.COMMANDS, EventKind.COMMAND, _command),
    (RecordTable.NOTES, EventKind.NOTE, _note),
)
