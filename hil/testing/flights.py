"""The fixture `orbit`: the plant of a scenario is flown without boards."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.api import SurveyedFlight
from hil.api import orbit as fly
from hil.errors import HilError, UsageError
from hil.testing.settings import beside, settings_of

__all__ = ["flown"]


def flown(item: pytest.Item, scenario: str | Path | None, every_s: float | None) -> SurveyedFlight:
    """Return the flight of a scenario, by default that of the test, with a row every so many
    seconds (default: every step of the plant). Raises: UsageError, ConfigError."""
    __tracebackhide__ = True
    chosen = settings_of(item).scenario if scenario is None else beside(item, scenario)
    if chosen is None:
        raise UsageError("this test has no scenario", remedy='name one: orbit("saa-pass")')
    try:
        return fly(chosen, every_s=every_s)
    except HilError as failure:  # its message says where it is
        raise failure.with_traceback(None) from None
