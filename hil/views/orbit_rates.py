"""The lines of a survey that say a board's rates by outcome, with the range of their sources."""

from __future__ import annotations

from collections.abc import Sequence

from hil.plant.survey_figures import RateFigures

__all__ = ["rate_lines"]


def rate_lines(rates: Sequence[RateFigures]) -> list[tuple[str, str]]:
    """Return label and text of each line, the best value with its range where there is one."""
    return [("", f"{rate.outcome}: {_range(rate)} a day") for rate in rates if rate.best]


def _range(rate: RateFigures) -> str:
    if rate.low is None or rate.high is None:
        return f"{rate.best:.3g}"
    return f"{rate.best:.3g} ({rate.low:.3g} to {rate.high:.3g})"
