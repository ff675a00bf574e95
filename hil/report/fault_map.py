"""The data of the fault-space map: what `page/fault_map.js` draws."""

from __future__ import annotations

from typing import Final

import numpy as np

from hil.json_values import JsonObject
from hil.record.campaign_rows import EFFECTS
from hil.report.campaign_figures import CampaignFigures
from hil.report.packed import packed
from hil.upsets.words import UpsetTarget

__all__ = ["map_data"]

_NO_PLACE: Final = -1


def map_data(figures: CampaignFigures, result: str) -> JsonObject:
    """Return the data of a map as a JSON object; `result` is the name of the result file, for
    commands.

    `classes` are parallel arrays in the order of the classes' numbers: a class is the faults of
    `byte` before the `weight` instructions up to `position`, and has the outcome
    `patterns[pattern]`: the effects of its bits, the lowest bit first. `unread` are what no
    instruction reads or overwrites any more, to the end of the step."""
    classes, step = figures.classes, figures.step
    patterns, pattern = _patterns(figures)
    number = {row.address: i for i, row in enumerate(figures.instructions)}
    return {
        "result": result,
        "instructions": figures.summary.meta.instructions,
        "effects": [effect.value for effect in EFFECTS],
        "targets": [
            {
                "name": region.row.target,
                "length": region.row.length,
                "stack": region.row.target == UpsetTarget.STACK,
                "parts": [
                    [part.first, part.length, part.name]
                    for part in step.parts
                    if part.region == region.row.number
                ],
            }
            for region in figures.regions
        ],
        "patterns": patterns,
        "classes": {
            "target": packed(classes.region),
            "position": packed(classes.position, differences=True),
            "byte": packed(classes.byte, differences=True),
            "weight": packed(classes.weight),
            "pattern": packed(pattern),
            "details": packed(_details(figures)),
        },
        "unread": {
            "target": packed([row.region for row in step.unread]),
            "byte": packed([row.byte for row in step.unread], differences=True),
            "weight": packed([row.weight for row in step.unread]),
            "effect": packed([EFFECTS.index(row.effect) for row in step.unread]),
        },
        "path": {
            "position": packed([row.position for row in step.path], differences=True),
            "instruction": packed([number.get(row.address, 0) for row in step.path]),
        },
        "stack": {
            "position": packed([row.position for row in step.stack], differences=True),
            "byte": packed([row.byte for row in step.stack], differences=True),
        },
        **_code(figures),
    }


def _patterns(figures: CampaignFigures) -> tuple[list[str], list[int]]:
    """Return the distinct outcomes of classes as strings of eight digits, the lowest bit first, and
    the number of each class's among them."""
    keys = np.zeros(len(figures.classes.effects), dtype=np.int64)
    for bit in reversed(range(8)):
        keys = keys * len(EFFECTS) + figures.classes.effects[:, bit]
    distinct, first, number = np.unique(keys, return_index=True, return_inverse=True)
    texts = ["".join(map(str, figures.classes.effects[i].tolist())) for i in first.tolist()]
    assert len(texts) == len(distinct)
    return texts, number.ravel().tolist()


def _details(figures: CampaignFigures) -> list[int]:
    """Return the details of all experiments, four in a number: bits 0 to 3 of a class, then 4 to
    7."""
    numbers: list[int] = np.ascontiguousarray(figures.classes.details).view("<u4").ravel().tolist()
    return numbers


def _code(figures: CampaignFigures) -> JsonObject:
    """Return the instructions, and the names of their functions and files."""
    rows = figures.instructions
    functions = sorted({row.symbol for row in rows if row.symbol})
    files = sorted({row.file for row in rows if row.file})
    return {
        "code": [
            [
                f"{row.address:x}",
                row.text,
                functions.index(row.symbol) if row.symbol else _NO_PLACE,
                files.index(row.file) if row.file else _NO_PLACE,
                row.line,
            ]
            for row in rows
        ],
        "functions": functions,
        "files": files,
        "lines": _lines(figures),
    }


def _lines(figures: CampaignFigures) -> JsonObject:
    """Return the text of each source line that instructions come from, by file and line."""
    texts = {source.file: source.text.splitlines() for source in figures.step.sources}
    lines: dict[str, dict[str, str]] = {}
    for row in figures.instructions:
        text = texts.get(row.file, [])
        if 0 < row.line <= len(text):
            lines.setdefault(row.file, {})[str(row.line)] = text[row.line - 1].strip()
    return lines
