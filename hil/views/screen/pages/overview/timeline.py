"""The time axis that the orbit and its power share: half an hour behind, an hour ahead. Pure."""

from __future__ import annotations

from rich.text import Text

from hil.views.screen.pages.style import Marks, line
from hil.views.style import DIM, HEAD

__all__ = ["bin_us", "orbit_line"]


def bin_us(room: int) -> int:
    """Return the simulated time [us] of one of `room` columns."""
    return 5_400_000_000 // room


def orbit_line(label: str, text: str, now: int, marks: Marks) -> Text:
    """Return a line of the orbit with its label; column `now` is marked, later ones are dim."""
    return line(f" {label:<9}", text[:now], (marks.pipe, HEAD), (text[now + 1 :], DIM))
