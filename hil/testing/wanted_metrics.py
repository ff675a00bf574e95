"""The expectations that `rig.expect` is given: an unknown metric is refused with all known ones."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Mapping
from typing import Final

from hil.api import KNOWN_METRICS, ExpectationResult, parse_expectation
from hil.errors import UsageError

__all__ = ["WantedMetrics"]

_WIDTH: Final = 96


class WantedMetrics:
    """The expectations of one call of `rig.expect`. Raises: UsageError for a metric that there is
    not, or what it cannot be compared with."""

    def __init__(self, given: Mapping[str, str | float]) -> None:
        __tracebackhide__ = True
        self._own = []
        for metric, wanted in given.items():
            try:
                self._own.append(parse_expectation(metric, wanted))
            except ValueError as error:
                raise _refused(metric, error) from None

    def evaluate(self, measured: Mapping[str, float]) -> list[ExpectationResult]:
        """Return the result of each expectation."""
        return [expectation.evaluate(measured) for expectation in self._own]


def _refused(metric: str, error: ValueError) -> UsageError:
    if metric in KNOWN_METRICS:
        return UsageError(f"expect: {metric}: {error}")
    near = difflib.get_close_matches(metric, KNOWN_METRICS, 1)
    first = f"did you mean `{near[0]}`? All metrics:" if near else "one of the metrics below"
    known = textwrap.wrap(", ".join(KNOWN_METRICS), _WIDTH, break_on_hyphens=False)
    return UsageError(f"expect: {error}", remedy="\n    ".join([first, *known]))
