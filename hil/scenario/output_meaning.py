"""The meaning of outputs to people: characters of a text, and numbers that are watched.

This is the seam of everything that shows outputs in words: the screen, the listing and the summary
ask here, and know no workload. A workload has a text or curves as soon as its fields in
`hil.scenario.outputs` have these roles."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from hil.scenario.outputs import OutputField, OutputRole, bare_name, output_fields

__all__ = ["NO_CHARACTER", "OutputNumber", "character", "curve_names", "curves", "passage_frames"]

NO_CHARACTER: Final = "#"
"""Stands for an output that is not a character."""

_PASSAGE_FRAMES: Final = {"lm": 256}


@dataclass(frozen=True, slots=True)
class OutputNumber:
    """A number of an output, in its unit."""

    name: str
    value: float
    unit: str


def character(workload: str, output: bytes) -> str | None:
    """Return the character that an output adds to the text of its node: printable ASCII or a line
    feed, NO_CHARACTER for any other bytes; None if the workload writes no text."""
    field = _text_field(workload)
    if field is None:
        return None
    try:
        (code,) = field.values(output)
    except struct.error:
        return NO_CHARACTER
    return chr(int(code)) if 32 <= code < 127 or code == 10 else NO_CHARACTER


def passage_frames(workload: str) -> int | None:
    """Return the number of frames after which the workload begins another text, whose outputs
    depend on nothing before; None if it writes no text. Passages begin at multiples of it."""
    return _PASSAGE_FRAMES.get(bare_name(workload))


def curve_names(workload: str) -> tuple[str, ...]:
    """Return the names of the numbers of `curves`."""
    return tuple(field.name for field in output_fields(workload) if field.role is OutputRole.CURVE)


def curves(workload: str, output: bytes) -> tuple[OutputNumber, ...]:
    """Return the numbers of an output that are watched over the run; none if it is too short."""
    fields = (f for f in output_fields(workload) if f.role is OutputRole.CURVE)
    try:
        return tuple(
            OutputNumber(f.name, value, f.unit) for f in fields for value in f.values(output)
        )
    except struct.error:
        return ()


def _text_field(workload: str) -> OutputField | None:
    return next((f for f in output_fields(workload) if f.role is OutputRole.TEXT), None)
