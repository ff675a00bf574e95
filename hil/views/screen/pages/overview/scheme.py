"""The picture of the scheme: its parts, what each does now, and what follows. Pure."""

from __future__ import annotations

from typing import Final

from rich.cells import cell_len
from rich.text import Text

from hil.views.alarm_limits import Level
from hil.views.screen.model.facts import Scene
from hil.views.screen.model.scheme_picture import SchemePart, SchemePicture, scheme_picture
from hil.views.screen.pages.style import STYLES, Marks, Part, fit, line, rule
from hil.views.style import DIM, HEAD

__all__ = ["scheme"]

_BETWEEN: Final = 3
"""Columns between two parts."""


def scheme(scene: Scene, width: int, room: int, marks: Marks, *, tall: bool) -> list[Text]:
    """Return the picture in at most `room` lines. A screen that is not `tall` has no title, and no
    picture while all is as the scheme wants it and the table of nodes says so."""
    picture = scheme_picture(scene)
    if picture is None or room < 1:
        return []
    if tall:
        right = scene.run.rule.name
        head = rule(f"SCHEME  {picture.title}", width, marks, right)
        return [head, *_lines(picture, width, marks), *_notes(picture.notes, width, marks)][:room]
    if picture.calm:
        return []
    out = _lines(picture, width, marks)
    notes = picture.notes[:2] if room > 2 else picture.notes[:1]
    joined = "; ".join(notes)
    if len(joined) > width - 3 and room > 2:
        return [*out, *_notes(notes, width, marks)][:room]
    kept = notes
    while len(kept) > 1 and len("; ".join(kept)) > width - 3:
        kept = kept[:-1]
    return [*out, *_notes(("; ".join(kept),) if kept else (), width, marks)][:room]


def _notes(notes: tuple[str, ...], width: int, marks: Marks) -> list[Text]:
    return [line("   ", (fit(note, width - 3, marks), DIM)) for note in notes]


def _lines(picture: SchemePicture, width: int, marks: Marks) -> list[Text]:
    """Return the parts, in as many lines as they need."""
    across, arrow = marks.box[1], marks.box[4]
    between = f" {across}{arrow} " if picture.steps else " " * _BETWEEN
    gap = cell_len(between)
    out: list[Text] = []
    row: list[Part] = []
    used = 0
    for part in picture.parts:
        cells, size = _part(part, width - 2, marks, steps=picture.steps)
        if row and used + gap + size > width - 2:
            out.append(line(" ", *row))
            row, used = [], 0
        if row:
            row.append((between, DIM))
            used += gap
        row += cells
        used += size
    return [*out, line(" ", *row)] if row else out


def _part(part: SchemePart, width: int, marks: Marks, *, steps: bool) -> tuple[list[Part], int]:
    """Return one part, and its width."""
    style = STYLES[part.level]
    if steps:  # only the present one is marked
        name = f"[{part.name}]" if part.decides else part.name
        return [(name, f"{style} {HEAD}".strip() if part.decides else DIM)], cell_len(name)
    glyph = marks.levels[part.level]
    name = fit(part.name, width - 4, marks)
    word = fit(part.word, max(4, width - cell_len(name) - 4), marks)
    strong = HEAD if part.decides and part.level is Level.GOOD else style
    cells: list[Part] = [(glyph, style), " ", (name, HEAD), " ", (word, strong)]
    return cells, cell_len(name) + cell_len(word) + 3
