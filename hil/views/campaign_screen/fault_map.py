"""The map of faults: time across, the bytes of each target down, the most frequent effect of each
cell. It fills as experiments are done. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from rich.text import Text

from hil.campaign.progress import TargetMap
from hil.record.campaign_rows import EFFECTS
from hil.upsets.words import NodeEffect
from hil.views.screen.pages.style import line
from hil.views.style import BAD, DIM, GOOD, WARN

__all__ = ["EFFECT_STYLES", "effect_marks", "fault_map", "map_rows"]

EFFECT_STYLES: Final = {
    NodeEffect.MASKED: DIM,
    NodeEffect.LATENT: WARN,
    NodeEffect.SDC: BAD,
    NodeEffect.CRASH: "magenta",
    NodeEffect.HANG: "cyan",
    NodeEffect.DETECTED: GOOD,
}
_MARKS: Final = "·▒█▚◆○"
_ASCII_MARKS: Final = ".lSCHD"
_LABEL: Final = 8


def effect_marks(*, ascii_only: bool) -> dict[NodeEffect, str]:
    """Return the mark of each effect, so that it survives screens without colours."""
    return dict(zip(EFFECTS, _ASCII_MARKS if ascii_only else _MARKS, strict=True))


def map_rows(lengths: Sequence[int], room: int) -> list[int]:
    """Return how many of `room` rows each target gets: one each, and the others by length; none at
    all if there are fewer rows than targets."""
    count = len(lengths)
    if room < count:
        return [0] * count
    rows = [1] * count
    for _ in range(room - count):  # to whoever has most bytes in a row
        most = max(range(count), key=lambda i: lengths[i] / rows[i])
        if lengths[most] <= rows[most]:
            break
        rows[most] += 1
    return rows


def fault_map(
    maps: Sequence[TargetMap], rows: Sequence[int], width: int, *, ascii_only: bool
) -> list[Text]:
    """Return the lines of a map of `width` columns, `rows` of them for each target."""
    marks = effect_marks(ascii_only=ascii_only)
    lines: list[Text] = []
    for target, height in zip(maps, rows, strict=True):
        columns = max(1, width - _LABEL - 1)
        shown = np.argmax(_binned(target.counts, height, columns), axis=2)
        for number, row in enumerate(shown.tolist()):
            label = f" {target.target:<{_LABEL}}" if number == 0 else " " * (_LABEL + 1)
            lines.append(line(label, *_cells(row, marks)))
    return lines


def _cells(row: Sequence[int], marks: dict[NodeEffect, str]) -> list[tuple[str, str]]:
    """Return a row as parts of one style each; 0 is nothing yet, and effects count from 1 on."""
    parts: list[tuple[str, str]] = []
    begin = 0
    for at in range(1, len(row) + 1):
        if at == len(row) or row[at] != row[begin]:
            effect = EFFECTS[row[begin] - 1] if row[begin] else None
            mark, style = (" ", "") if effect is None else (marks[effect], EFFECT_STYLES[effect])
            parts.append((mark * (at - begin), style))
            begin = at
    return parts


def _binned(counts: Any, rows: int, columns: int) -> Any:
    """Return counts in (rows, columns, 1 + effects): in the first a half where any count is not
    zero, so that nothing is most frequent only where there is nothing. Of equal counts the later
    effect, which is worse, is to be shown: it has a little more."""
    effects = counts.shape[2]
    out = np.full((rows, columns, 1 + effects), 0.5)
    binned = _resized(_resized(counts, 0, rows), 1, columns)
    out[:, :, 1:] = binned * (1 + 1e-9 * np.arange(effects))
    return out


def _resized(counts: Any, axis: int, size: int) -> Any:
    """Return counts with `size` places along an axis: each the sum of several, or one of them
    several times."""
    source = counts.shape[axis]
    places = np.arange(size)
    if source >= size:
        return np.add.reduceat(counts, -(-places * source // size), axis=axis)
    return np.take(counts, places * source // size, axis=axis)
