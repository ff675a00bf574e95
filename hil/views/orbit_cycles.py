"""The lines of a survey that say how boards warm up and cool down, and how long they stand that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hil.plant.survey_figures import CycleFigures

__all__ = ["cycle_lines"]

_LONG_YEARS: Final = 1000.0


def cycle_lines(cycles: Mapping[str, CycleFigures]) -> list[tuple[str, str]]:
    """Return label and text of each line; boards of one kind have one, of the worst of them."""
    kinds: dict[str, list[str]] = {}
    for node, figures in cycles.items():
        kinds.setdefault(figures.profile, []).append(node)
    return [
        (
            "thermal cycles",
            f"{profile} ({', '.join(nodes)}): "
            f"{_text(max((cycles[node] for node in nodes), key=lambda c: c.largest_k))}",
        )
        for profile, nodes in kinds.items()
    ]


def _text(cycles: CycleFigures) -> str:
    text = f"{cycles.per_day:.3g} a day, the largest of {cycles.largest_k:.3g} K"
    if cycles.years is None:
        return text
    soonest, best, latest = map(_years, cycles.years)
    ends = "" if soonest == best == latest else f" ({soonest} to {latest})"
    return f"{text}; solder lasts {best}{ends}"


def _years(years: float) -> str:
    return f"{years:.3g} years" if years <= _LONG_YEARS else f"more than {_LONG_YEARS:g} years"
