"""The events page: alarms and events. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from hil.views.alarm_limits import Level
from hil.views.screen.model.alarms import Alarm
from hil.views.screen.model.facts import EventLine, Scene
from hil.views.screen.pages.overview.ticker import event_line
from hil.views.screen.pages.style import CURSOR, STYLES, WORDS, Marks, fit, line, rule
from hil.views.style import DIM, WARN, flight_time, plural

__all__ = ["LEVELS", "Filter", "ListedEvents", "events_page", "filtered"]

LEVELS: Final = (Level.GOOD, Level.WARN, Level.BAD)
_LEVEL_WORDS: Final = {Level.GOOD: "all", Level.WARN: "yellow and red", Level.BAD: "red"}
_ALARMS_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Filter:
    """The filter of the event list."""

    least: Level = Level.GOOD
    text: str = ""

    @property
    def hides(self) -> bool:
        """Return whether the filter may hide events."""
        return self.least > Level.GOOD or bool(self.text)

    def words(self) -> str:
        """Return the events that pass the filter, in words."""
        parts = [_LEVEL_WORDS[self.least]] if self.least > Level.GOOD else []
        return ", ".join([*parts, *([f"with `{self.text}`"] if self.text else [])])


@dataclass(frozen=True, slots=True)
class ListedEvents:
    """The events, newest first; their filter, and the row under the cursor (None: there is no
    cursor). `complete`: these are all events of the run, else the newest."""

    events: Sequence[EventLine]
    by: Filter
    cursor: int | None
    complete: bool


def filtered(events: Sequence[EventLine], by: Filter) -> list[EventLine]:
    """Return the events that pass a filter."""
    wanted = by.text.lower()
    return [
        event
        for event in events
        if event.level >= by.least
        and (not wanted or wanted in f"{event.node} {event.kind} {event.text}".lower())
    ]


def events_page(
    scene: Scene,
    alarms: Sequence[Alarm],
    watched_from: int,
    listed: ListedEvents,
    *,
    width: int,
    height: int,
    marks: Marks,
) -> list[Text]:
    """Return the whole page; the event under the cursor is always on it, and without a cursor the
    newest ones."""
    events, by, cursor, complete = listed.events, listed.by, listed.cursor, listed.complete
    out = _alarms(scene, alarms, watched_from, width, marks)
    shown = filtered(events, by)
    hidden = len(events) - len(shown)
    of = "" if complete else f" of the newest {len(events):,}"
    right = plural(len(events), "event") if complete else f"the newest {len(events):,}"
    out.append(rule("EVENTS", width, marks, right))
    if by.hides:
        count = plural(hidden, "event") + of
        text = f"{marks.warn} only {by.words()}: {count} hidden; f and / change it"
        out.append(line("   ", (fit(text, width - 4, marks), WARN)))
    room = max(1, height - len(out))
    if not shown:
        return [*out, line("   ", (f"nothing{of}" if events else "nothing has happened yet", DIM))]
    at = 0 if cursor is None else max(0, min(cursor, len(shown) - 1))
    top = max(0, min(at - room // 2, len(shown) - room))
    for index, event in enumerate(shown[top : top + room], top):
        row = event_line(event, scene.run, width, marks)
        if cursor is not None and index == at:  # plain, so that it is one bar
            row = line((row.plain.ljust(width - 1), CURSOR))
        out.append(row)
    return out


def _alarms(
    scene: Scene, alarms: Sequence[Alarm], watched_from: int, width: int, marks: Marks
) -> list[Text]:
    waiting = sum(not alarm.acknowledged for alarm in alarms)
    since = f"watched since frame {watched_from:,}" if watched_from else ""
    right = f"{waiting} not acknowledged" if waiting else since
    out = [rule("ALARMS", width, marks, right)]
    if not alarms:
        text = f"{marks.ok} none" + (f"; {since}" if since and waiting else "")
        return [*out, line(" ", (text, ""))]
    out += [_alarm_line(scene, alarm, width, marks) for alarm in alarms[:_ALARMS_MAX]]
    if len(alarms) > _ALARMS_MAX:
        text = f"{plural(len(alarms) - _ALARMS_MAX, 'more alarm')} not shown"
        out.append(line("   ", (text, WARN)))
    return out


def _alarm_line(scene: Scene, alarm: Alarm, width: int, marks: Marks) -> Text:
    level = alarm.level if alarm.level > Level.GOOD else alarm.latched
    over = alarm.level is Level.GOOD
    state = "over" if over else "acknowledged" if alarm.acknowledged else "ACTIVE"
    when = flight_time(scene.run.time.t_us(alarm.began_frame))
    worst = ""
    if alarm.worst is not None and alarm.value is not None and alarm.worst != alarm.value:
        worst = f", now {alarm.value:.4g}"
    times = f" (x{alarm.times:,})" if alarm.times > 1 else ""
    style = STYLES[level] if not alarm.acknowledged else DIM
    tail = worst + times
    text = fit(alarm.text, max(0, width - 36 - len(tail)), marks) + tail
    return line(
        " ",
        (marks.levels[level], style),
        f" {WORDS[level]:<6} ",
        (f"{state:<12}", style),
        f"{when:>12} ",
        (text, style),
    )
