"""Parts of a campaign, for several computers that share one without a cluster."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hil.campaign.ranges import Range
from hil.errors import UsageError

__all__ = ["WHOLE", "CampaignPart", "parse_part"]

_TEXT: Final = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class CampaignPart:
    """Part `number` of `count` parts, counted from 1, which have about as many classes each."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def infix(self) -> str:
        """Return what the name of the part's result has more than that of the whole."""
        return "" if self.count == 1 else f".{self.number}of{self.count}"

    def bounds(self, classes: int) -> Range:
        """Return the range of the part, of all `classes`."""
        return Range((self.number - 1) * classes // self.count, self.number * classes // self.count)

    def within(self, ranges: Sequence[Range], classes: int) -> list[Range]:
        """Return what of `ranges` is in it."""
        first, end = self.bounds(classes)
        cut = (Range(max(first, begin), min(end, stop)) for begin, stop in ranges)
        return [one for one in cut if one.first < one.end]


WHOLE: Final = CampaignPart(1, 1)


def parse_part(text: str) -> CampaignPart:
    """Return the part that a text such as `2/5` names. Raises: UsageError."""
    match = _TEXT.fullmatch(text)
    number, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= count:
        raise UsageError(
            f"--part {text}: it is not the number of a part and how many there are",
            remedy="--part 1/5, and --part 2/5 to --part 5/5 on other computers",
        )
    return CampaignPart(number, count)
