"""The help page: the keys and the marks."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from hil.views.alarm_limits import Level
from hil.views.screen.model.verdict_strip import StripMark
from hil.views.screen.pages.style import MARK_STYLES, MARK_WORDS, STYLES, Marks, line
from hil.views.style import HEAD

__all__ = ["help_lines"]

_KEYS: Final = (
    ("1 2 3 4 5", "overview, node, decision, events, map"),
    ("left right  h l", "along the strip; next node; next frame"),
    ("up down  k j", "choose a node or an event; scroll"),
    ("enter, escape", "open the choice; go back"),
    ("[ ]", "previous, next frame of more than agreement"),
    ("+ -", "more, fewer frames in a cell of the strip"),
    ("space, p", "pause; continue"),
    (", .", "previous, next frame"),
    ("< >", "play slower, faster"),
    ("page up, page down", "a screen back, on"),
    ("home, end", "the first frame; the newest, and follow it"),
    ("g", "go to a frame (1234) or a time (12.5s, 1h30m)"),
    ("a", "acknowledge all alarms"),
    ("f, /", "events: by severity, by text"),
    ("tab", "the next run, if several are watched"),
    ("ctrl+p", "all commands by name"),
    ("q, ctrl+z", "leave (ctrl+z: fg comes back); the run continues"),
)


def help_lines(marks: Marks) -> list[Text]:
    """Return the page."""
    out = [line((" KEYS", HEAD))]
    out += [line(f"   {keys:<19}{what}") for keys, what in _KEYS]
    out += [line(""), line((" THE STRIP", HEAD), "  the worst of a frame, or of several")]
    parts = [line("   ")]
    parts += [
        line((marks.strip[mark], MARK_STYLES[mark]), f" {MARK_WORDS[mark]}  ")
        for mark in list(StripMark)[2:]
    ]
    out.append(line(*parts))
    orbit = (
        (marks.sun, "sunlight"),
        (marks.shade, "penumbra"),
        (marks.dark, "eclipse"),
        (marks.saa, "anomaly"),
        (marks.full, "ground"),
    )
    out.append(line((" THE ORBIT", HEAD), *(f"  {mark} {word}" for mark, word in orbit)))
    out += [
        line((" SEVERITY", HEAD)),
        line(
            "   ",
            *(
                line((f"{marks.levels[level]} {word}", STYLES[level]), "   ")
                for level, word in (
                    (Level.GOOD, "in order"),
                    (Level.NOTE, "note"),
                    (Level.WARN, "yellow"),
                    (Level.BAD, "red"),
                )
            ),
        ),
    ]
    out.append(line("   (3.1)  a value that is older than it should be"))
    return out
