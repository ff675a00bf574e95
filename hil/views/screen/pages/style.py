"""The style of the screen: marks, words, colours, and lines of a given width. Pure.

A severity is always shown in three ways, by glyph, word and colour, so that it survives ASCII,
NO_COLOR and eyes that do not distinguish red from green. Normal values have no colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len
from rich.text import Span, Text

from hil.views.alarm_limits import Level
from hil.views.screen.model.verdict_strip import StripMark
from hil.views.style import BAD, DIM, HEAD, WARN, Glyphs

__all__ = ["CURSOR", "STALE", "STYLES", "WORDS", "Marks", "columns", "fit", "line", "rule", "spark"]

STYLES: Final = {Level.GOOD: "", Level.NOTE: "", Level.WARN: WARN, Level.BAD: BAD}
WORDS: Final = {Level.GOOD: "ok", Level.NOTE: "note", Level.WARN: "yellow", Level.BAD: "RED"}
STALE: Final = "dim italic"
CURSOR: Final = "reverse"
LAND: Final = "grey30"
BAND: Final = "on grey15"

MARK_WORDS: Final = {
    StripMark.NONE: "nothing",
    StripMark.UNREAD: "not read yet",
    StripMark.AGREED: "agreed",
    StripMark.HIT: "hit",
    StripMark.OUTVOTED: "outvoted",
    StripMark.REDONE: "redone",
    StripMark.NO_OUTPUT: "no output",
    StripMark.WRONG: "WRONG",
}
MARK_STYLES: Final = {
    StripMark.NONE: DIM,
    StripMark.UNREAD: DIM,
    StripMark.AGREED: DIM,
    StripMark.HIT: "",
    StripMark.OUTVOTED: WARN,
    StripMark.REDONE: WARN,
    StripMark.NO_OUTPUT: BAD,
    StripMark.WRONG: BAD,
}


class Marks(Glyphs):
    """The marks of the screen, over those of all views."""

    def __init__(self, *, ascii_only: bool = False) -> None:
        super().__init__(ascii_only=ascii_only)
        self.ascii_only = ascii_only
        self.levels = {
            Level.GOOD: self.ok,
            Level.NOTE: self.none,
            Level.WARN: self.warn,
            Level.BAD: self.bad,
        }
        strip = " ?-.^rx!" if ascii_only else " ░─•▲↺✘‼"
        self.strip = {mark: strip[mark] for mark in StripMark}
        self.pipe = "|" if ascii_only else "│"
        self.sun, self.shade, self.dark = ("#", "+", ".") if ascii_only else ("█", "▒", "░")
        self.saa = "S" if ascii_only else "▚"
        self.live, self.ended, self.paused, self.playing = (
            ("*", "=", "=", ">") if ascii_only else ("●", "■", "‖", "▶")
        )
        self.here, self.track = ("@", "o") if ascii_only else ("◉", "•")
        self.upset, self.upsets = ("*", "#") if ascii_only else ("✸", "❖")
        self.dash = "-" if ascii_only else "—"
        self.box = "|-^<>" if ascii_only else "│─▲◄►"
        self.more = "..." if ascii_only else "…"


Part = str | tuple[str, str] | Text


def line(*parts: Part) -> Text:
    """Return a line of parts: text, (text, style) or Text."""
    plain: list[str] = []
    spans: list[Span] = []
    at = 0
    for part in parts:  # made at once: appending would take most of the time
        if isinstance(part, Text):
            text = part.plain
            spans += [Span(at + s.start, at + s.end, s.style) for s in part.spans]
        else:
            text, style = (part, "") if isinstance(part, str) else part
            if style:
                spans.append(Span(at, at + len(text), style))
        plain.append(text)
        at += len(text)
    return Text("".join(plain), no_wrap=True, overflow="crop", end="", spans=spans)


def fit(text: str, width: int, marks: Glyphs | None = None) -> str:
    """Return `text` in at most `width` columns; a text that is cut ends in a mark."""
    if cell_len(text) <= width:
        return text
    more = "…" if marks is None else marks.cut_off
    return text[: max(0, width - len(more))] + more if width > len(more) else text[:width]


def rule(title: str, width: int, marks: Marks, right: str = "") -> Text:
    """Return the head of a part: its name, a line, and a text on the right."""
    title = fit(title, width - 2, marks)
    right = fit(right, max(0, width - len(title) - 6), marks) if right else ""
    room = width - len(title) - len(right) - 3 - bool(right)
    tail = f" {right}" if right else ""
    return line(" ", (title, HEAD), " ", (marks.rest * max(0, room), DIM), (tail, DIM))


def columns(cells: Sequence[tuple[str, int, str]], marks: Glyphs) -> Text:
    """Return cells of (text, width, style); a negative width aligns to the right."""
    parts: list[Part] = []
    for text, width, style in cells:
        shown = fit(text, abs(width), marks)
        room = " " * (abs(width) - cell_len(shown))
        parts += [room, (shown, style)] if width < 0 else [(shown, style), room]
        parts.append(" ")
    return line(*parts)


def spark(values: Sequence[float | None], marks: Marks, low: float, high: float) -> str:
    """Return a line of blocks, one for each value; a gap where there is none."""
    top = len(marks.blocks) - 1
    span = high - low
    out = []
    for value in values:
        if value is None:
            out.append(" ")
        elif span <= 0:
            out.append(marks.blocks[0])
        else:
            out.append(marks.blocks[max(0, min(top, round((value - low) / span * top)))])
    return "".join(out)


def number(value: float | None, form: str, marks: Marks) -> str:
    """Return a number, or a dash for none."""
    return marks.dash if value is None else format(value, form)
