"""Two-line element sets (TLE): the format of their lines, checked column by column."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["checked_tle", "without_checksum"]

_TLE_LINES: Final = (
    # Vallado et al., AIAA 2006-6753, appendix B; columns count from 1 in the messages.
    re.compile(
        r"1 (?P<number>[0-9A-HJ-NP-Z ][0-9 ]{4})[UCS ] .{8} (?P<epoch>[0-9]{2}[0-9 ]{3}\.[0-9]{8}) "
        r"[-+ ]\.[0-9]{8} [-+ ][0-9]{5}[-+ ][0-9] [-+ ][0-9]{5}[-+ ][0-9] [0-9 ] [0-9 ]{4}[0-9]"
    ),
    re.compile(
        r"2 (?P<number>[0-9A-HJ-NP-Z ][0-9 ]{4}) [0-9 ]{3}\.[0-9]{4} [0-9 ]{3}\.[0-9]{4} [0-9 ]{7} "
        r"[0-9 ]{3}\.[0-9]{4} [0-9 ]{3}\.[0-9]{4} [0-9 ]{2}\.[0-9]{8}[0-9 ]{5}[0-9]"
    ),
)


def checked_tle(line1: str, line2: str) -> tuple[str, str]:
    """Return both lines of a TLE without surrounding blanks, with a checksum where they have none.

    Raises:
        ValueError: A line is damaged, the lines belong to different satellites, the epoch is in
            no year, or the mean motion is not positive.
    """
    first, second = _checked_line(line1, 1), _checked_line(line2, 2)
    if first[2:7] != second[2:7]:
        raise ValueError(
            f"the lines of the TLE belong to different satellites: "
            f"{first[2:7].strip()} and {second[2:7].strip()}"
        )
    year = int(first[18:20])  # 57 to 56 are 1957 to 2056; of these every fourth is a leap year
    if not 1.0 <= float(first[20:32]) < (366.0 if year % 4 else 367.0):
        raise ValueError(f"day {first[20:32].strip()} of the TLE's epoch is in no year")
    if float(second[52:63]) <= 0.0:
        raise ValueError("the mean motion of the TLE is 0: this is not an orbit")
    return first, second


def without_checksum(*lines: str) -> bool:
    """Return whether one of the lines of a TLE has no checksum."""
    return any(len(line.strip()) == 68 for line in lines)


def _checked_line(text: str, number: int) -> str:
    """Return line 1 or 2, with its checksum. Raises: ValueError with what is wrong."""
    line = text.strip()
    if len(line) == 68 and _TLE_LINES[number - 1].fullmatch(line + "0"):
        return f"{line}{_checksum(line)}"
    if re.match(r"[12] +[0-9]{6,}", line):
        raise ValueError(
            f"line {number} of the TLE has a number of more than five digits, for which a TLE has "
            "no room: give the object's OMM (omm:) instead"
        )
    if number == 1 and re.match(r"1 .{60}4 ", line):
        raise ValueError(
            "these elements are of SGP4-XP (ephemeris type 4), which SGP4 cannot fly: ask for the "
            "GP elements of the same object"
        )
    if len(line) != 69:
        raise ValueError(f"line {number} of the TLE has {len(line)} characters instead of 69")
    if line[0] != str(number):
        raise ValueError(f"line {number} of the TLE begins with {line[0]!r}: lines swapped?")
    if not line.isascii() or not _TLE_LINES[number - 1].fullmatch(line):
        raise ValueError(f"line {number} of the TLE has something in the wrong column: {line!r}")
    checksum = _checksum(line[:-1])
    if checksum != int(line[-1]):
        raise ValueError(
            f"the checksum of line {number} of the TLE is {checksum}, but its last digit says "
            f"{line[-1]}: the line is damaged"
        )
    return line


def _checksum(line: str) -> int:
    """Return the last digit of the sum of all digits, a minus being 1."""
    return sum(int(c) if c.isdigit() else c == "-" for c in line) % 10
