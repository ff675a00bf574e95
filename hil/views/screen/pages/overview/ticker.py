"""The newest events, one in each line. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from hil.views.alarm_limits import Level
from hil.views.screen.model.facts import EventLine, SceneRun
from hil.views.screen.pages.style import STYLES, Marks, fit, line, rule
from hil.views.style import DIM, flight_time

__all__ = ["event_line", "ticker"]


def ticker(
    events: Sequence[EventLine], run: SceneRun, width: int, height: int, marks: Marks
) -> list[Text]:
    """Return the newest events."""
    out = [rule("LAST EVENTS", width, marks)]
    if not events:
        return [*out, line("   ", ("nothing has happened yet", DIM))]
    out += [event_line(event, run, width, marks) for event in events[: height - 1]]
    return out


def event_line(event: EventLine, run: SceneRun, width: int, marks: Marks) -> Text:
    """Return one event as a line: level, time, node, text."""
    times = f" (x{event.count:,}{'+' * event.more})" if event.count > 1 else ""
    if times and event.first is not None:
        times = f"{times[:-1]} since {flight_time(run.time.t_us(event.first))})"
    head = f"{event.frame:>9,} {flight_time(run.time.t_us(event.frame)):>12}  "
    name = f"{event.node:<3} " if event.node else ""
    text = fit(name + event.text, max(0, width - len(head) - 4 - len(times)), marks) + times
    style = STYLES[event.level]
    calm = style if event.level is Level.BAD else ""
    return line(" ", (marks.levels[event.level], style), (head, DIM), (text, calm))
