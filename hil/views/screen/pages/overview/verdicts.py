"""The strip of verdicts: the worst of every frame, or bucket of frames. Pure."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from hil.views.screen.model.facts import Scene
from hil.views.screen.model.verdict_strip import Cell
from hil.views.screen.pages.style import CURSOR, MARK_STYLES, MARK_WORDS, Marks, line, rule
from hil.views.style import DIM, duration, plural

__all__ = ["STRIP_MARGIN", "verdicts"]

STRIP_MARGIN: Final = 2


def verdicts(scene: Scene, width: int, marks: Marks, cursor: int | None) -> list[Text]:
    """Return the strip: the worst of every frame, or bucket of frames, newest on the right."""
    cells = scene.strip[-(width - STRIP_MARGIN) :]
    per = f"1 cell = {plural(scene.zoom, 'frame')}, {duration(scene.zoom * scene.run.frame_us)}"
    picked = cells[-1 - cursor] if cursor is not None and cursor < len(cells) else None
    right = per if picked is None else _cell_text(picked, marks)
    out = [rule("VERDICTS" if picked is None else f"VERDICTS  {per}", width, marks, right)]
    strip = line(" ")
    at = 0
    while at < len(cells):  # runs of the same mark are one span
        end = at
        while end < len(cells) and cells[end].mark == cells[at].mark:
            end += 1
        mark = cells[at].mark
        strip.append(marks.strip[mark] * (end - at), style=MARK_STYLES[mark] or None)
        at = end
    if picked is not None:
        where = len(cells) - (cursor or 0)
        strip.stylize(CURSOR, where, where + 1)
    out.append(strip)
    first = next((cell for cell in cells if cell.first >= 0), None)
    if first is not None and cells:
        time = scene.run.time
        span = time.t_us(cells[-1].last + 1) - time.t_us(first.first)
        legend = "  ".join(f"{marks.strip[m]} {MARK_WORDS[m]}" for m in list(MARK_WORDS)[2:])
        begin = f"{duration(span)} before"
        room = width - 2 - len(begin) - 4
        middle = legend if len(legend) + 4 <= room else ""
        out.append(line(" ", (begin, DIM), (f"  {middle}".ljust(room + 1), DIM), ("now", DIM)))
    return out


def _cell_text(cell: Cell, marks: Marks) -> str:
    glyph = marks.strip[cell.mark].strip()
    word = f"{glyph} {MARK_WORDS[cell.mark]}".strip()
    if cell.first == cell.last:
        return f"frame {cell.first:,} {word}"
    if not cell.notable:
        return f"frames {max(0, cell.first):,}-{cell.last:,} {word}"
    more = f", {cell.notable:,} of {cell.last - max(0, cell.first) + 1:,} notable"
    return f"frame {cell.frame:,} {word}{more}"
