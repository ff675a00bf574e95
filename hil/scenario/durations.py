"""Durations ("90s", "1h30m"), their frames, and paces ("realtime", "60x") as users write them.

Integers in microseconds inside, because simulated time is compared and replayed.
"""

from __future__ import annotations

import re
from decimal import Decimal

from hil.scenario.numerals import rewritten

__all__ = ["frame_count_of", "frame_us_of", "parse_duration_us", "parse_pace"]

_UNITS_US = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "min": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
}
_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,15})?"
_PART = re.compile(rf"\s*({_NUMBER})\s*(us|ms|min|s|m|h|d)\s*")
_ONE = re.compile(r"(.*?[0-9_])\s*(us|ms|min|s|m|h|d)")
_CLOCK = re.compile(r"([0-9]{1,4}):([0-5]?[0-9]):([0-5]?[0-9])")
_PACE = re.compile(rf"({_NUMBER})\s*x")
_MAX_US = 2**63 - 1


def parse_duration_us(text: str) -> int:
    """Return `text` in microseconds: the sum of numbers with units us, ms, s, m (min), h or d.

    Raises:
        ValueError: The text is not a duration, has no unit, is zero, is not a whole number of
            microseconds, or does not fit 64 bits. Its message is for the user.
    """
    total_us, position = Decimal(0), 0
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            break
        total_us += Decimal(part[1]) * _UNITS_US[part[2]]
        position = part.end()
    if position < len(text) or not position:
        raise ValueError(
            f"{_shown(text)} is not a duration; expected numbers with units us, ms, s, m, h or d, "
            f"such as 90s, 2h, 7d, 1h30m or 250ms{_meant(text)}"
        )
    if total_us != int(total_us):
        raise ValueError(f"{_shown(text)} is not a whole number of microseconds")
    if not 0 < total_us <= _MAX_US:
        raise ValueError(
            f"{_shown(text)} is out of range; expected more than 0, up to 292000 years"
        )
    return int(total_us)


def _meant(text: str) -> str:
    """Return a correction of a clock (`12:30:00`), or of a number written in another way."""
    clock = _CLOCK.fullmatch(text.strip())
    if clock is not None:
        return f"; write {clock[1]}h{clock[2]}m{clock[3]}s"
    one = _ONE.fullmatch(text.strip())
    better = None if one is None else rewritten(one[1])
    if one is None or better is None:
        return ""
    meant = f"{better.split(',')[0]}{one[2]}"
    return f"; write {meant}" if _PART.fullmatch(meant) else ""  # not so if it is negative


def parse_pace(text: str) -> float | None:
    """Return how many times faster than real time a pace is: 1.0 for "realtime", 60.0 for "60x".

    None for "free": as fast as the boards can.

    Raises:
        ValueError: The text is not a pace. Its message is for the user.
    """
    if text == "free":
        return None
    if text == "realtime":
        return 1.0
    match = _PACE.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{_shown(text)} is not a pace; expected realtime, free, or a factor such as 60x"
        )
    factor = float(match[1])
    if not factor > 0:
        raise ValueError(f"{_shown(text)} would never advance; expected a factor above 0, like 60x")
    return factor


def frame_us_of(frame_ms: float) -> int:
    """Convert the time between two frames from milliseconds to microseconds.

    Raises:
        ValueError: The result is not a whole number of microseconds.
    """
    exact = Decimal(repr(frame_ms)) * 1000
    if exact != int(exact):
        raise ValueError(
            f"{frame_ms!r} ms is not a whole number of microseconds; expected 0.001 steps"
        )
    return int(exact)


def frame_count_of(frames: int | None, duration: str | None, frame_ms: float) -> int:
    """Return the length of a run in frames, given as `frames` or as a duration.

    Raises:
        ValueError: Neither is given, or a part is not valid.
    """
    if frames is not None:
        return frames
    if duration is None:
        raise ValueError("neither frames nor duration is given")
    return parse_duration_us(duration) // frame_us_of(frame_ms)


def _shown(text: str) -> str:
    return f"`{text}`" if len(text) <= 40 else f"`{text[:37]}...`"
