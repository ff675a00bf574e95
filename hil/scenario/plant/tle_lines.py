"""The element sets (TLE) in lines of text, with the names above them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

__all__ = ["TleSet", "tle_sets"]


@dataclass(frozen=True, slots=True)
class TleSet:
    """The two lines of one set, and the name in the line above; `number` of its first line."""

    name: str
    line1: str
    line2: str
    number: int

    @property
    def epoch_utc(self) -> datetime | None:
        """Return the epoch in the first line; None if there is none."""
        match = re.fullmatch(r"(\d\d)([\d ]{3}\.\d{8})", self.line1[18:32])
        if match is None:
            return None
        year = int(match[1]) + (1900 if int(match[1]) >= 57 else 2000)
        first = datetime(year, 1, 1, tzinfo=timezone.utc)
        return first + timedelta(days=float(match[2]) - 1.0)


def tle_sets(lines: Sequence[str]) -> list[TleSet]:
    """Return the sets in lines among others: names, comments, blank lines."""
    stripped = [(i, line.strip().lstrip("\ufeff")) for i, line in enumerate(lines, start=1)]
    stripped = [(i, line) for i, line in stripped if line]
    out = []
    for at in range(len(stripped) - 1):
        (number, first), (_, second) = stripped[at : at + 2]
        if first.startswith("1 ") and second.startswith("2 "):
            above = stripped[at - 1][1] if at else ""
            named = above and not above.startswith(("1 ", "2 ", "#"))
            name = above.removeprefix("0 ").strip() if named else ""
            out.append(TleSet(name, first, second, number))
    return out
