"""A frame as a user types it: its number, or a simulated time. Pure."""

from __future__ import annotations

import re
from typing import Final

from hil.record.timeline import Timeline

__all__ = ["frame_of"]

_UNIT_US: Final = {"ms": 1e3, "s": 1e6, "m": 6e7, "min": 6e7, "h": 3.6e9, "d": 8.64e10}
_LONGEST: Final = 40
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|min|s|m|h|d)")


def duration_us(text: str) -> int | None:
    """Return `1h30m` in microseconds; None if it is not a time."""
    if not text or _PART.sub("", text).strip():
        return None
    return round(sum(float(n) * _UNIT_US[unit] for n, unit in _PART.findall(text)))


def frame_of(text: str, time: Timeline) -> int | None:
    """Return the frame that `text` names; None if it is neither a frame nor a time."""
    plain = text.replace(",", "").strip()
    if len(plain) > _LONGEST:
        return None
    if plain.isascii() and plain.isdigit():
        return int(plain)
    time_us = duration_us(plain)
    if time_us is None and re.fullmatch(r"\d+(:\d\d){1,2}(\.\d+)?", plain):
        seconds = 0.0
        for part in plain.split(":"):
            seconds = seconds * 60 + float(part)
        time_us = round(seconds * 1e6)
    return None if time_us is None else time.frame_at(time_us)
