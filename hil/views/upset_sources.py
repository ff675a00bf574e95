"""Words for what injects upsets into a run: events, random sources, and radiation of the plant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hil.views.style import plural

if TYPE_CHECKING:
    from hil.scenario import Scenario

__all__ = ["upset_sources"]


def upset_sources(scenario: Scenario) -> str:
    """Return all sources of upsets that a scenario has, or that it has none."""
    return ", ".join(_sources(scenario)) or "none"


def _sources(scenario: Scenario) -> Iterator[str]:
    upsets, plant = scenario.upsets, scenario.plant
    if upsets.events:
        yield f"{len(upsets.events)} scheduled"
    if upsets.rates:
        yield plural(len(upsets.rates), "random source")
    if plant is not None:
        yield "radiation along the orbit" if plant.orbit else "radiation by the flight profile"
