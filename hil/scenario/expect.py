"""Expectations: what a scenario must have measured at its end to pass.

    expect:
      sdc_escaped: 0                    # exactly
      availability: ">= 0.999"          # ==  !=  >=  <=  >  <
      recoveries: 1..5                  # both ends included
      verdicts.unanimous: == frames     # another metric instead of a number

Knows the names of metrics, not how they are measured.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hil.scenario.numerals import number_remedy
from hil.scenario.problems import did_you_mean

__all__ = [
    "KNOWN_METRICS",
    "Expectation",
    "ExpectationResult",
    "UnknownMetricError",
    "parse_expectation",
]

KNOWN_METRICS: tuple[str, ...] = (
    "frames",
    "availability",
    "sdc_escaped",
    "unresolved",
    "isolated",
    "slips",
    "recoveries",
    "skipped",
    *(f"voting.{voters}" for voters in range(8)),
    *(
        f"plant.{name}"
        for name in ("min_soc", "max_die_c", "sheds", "latch_ups", "too_hot", "energy_residual")
    ),
    *(
        f"verdicts.{name}"
        for name in ("unanimous", "majority", "no_majority", "simplex", "no_quorum")
    ),
    *(f"upsets.{name}" for name in ("injected", "verified", "not_injected")),
    *(
        f"by_node_effect.{name}"
        for name in ("masked", "latent", "sdc", "crash", "hang", "reboot", "detected")
    ),
    *(
        f"by_system_outcome.{name}"
        for name in (
            "no_effect",
            "corrected",
            "recovered",
            "degraded",
            "detected_unresolved",
            "sdc_escaped",
            "unavailable",
        )
    ),
    *(
        f"by_target.{name}"
        for name in (
            "state",
            "input",
            "output",
            "link",
            "checkpoint",
            "cpu",
            "stack",
            "heap",
            "text",
            "gpr",
            "vector",
            "board",
            "board-ram",
        )
    ),
)
"""Every metric that a run measures and a scenario may expect something of."""

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_NUMBER = r"[-+]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_COMPARISON = re.compile(rf"(==|!=|>=|<=|>|<)?\s*(?:({_NUMBER})|([a-z_]+(?:\.[a-z_]+)?))")
_RANGE = re.compile(rf"({_NUMBER})\s*\.\.\s*({_NUMBER})")


@dataclass(frozen=True, slots=True)
class ExpectationResult:
    """How one expectation came out. `measured` is None if the metric was not measured."""

    metric: str
    wanted: str
    measured: float | None
    ok: bool


@dataclass(frozen=True, slots=True)
class Expectation:
    """`metric` compared by `op` (==, !=, >=, <=, >, <, or .. for a range) with `value`.

    `upper` is the upper end of a range. `reference` names the metric that stands in place of
    `value`, which is then 0.
    """

    metric: str
    op: str
    value: float
    upper: float | None = None
    reference: str | None = None

    @property
    def wanted(self) -> str:
        """What was expected, as it would be written in a scenario."""
        if self.upper is not None:
            return f"{_short(self.value)}..{_short(self.upper)}"
        return f"{self.op} {self.reference or _short(self.value)}"

    def evaluate(self, measured: Mapping[str, float]) -> ExpectationResult:
        """Compare with what was measured. A metric that was not measured is a failure."""
        got = measured.get(self.metric)
        value = self.value if self.reference is None else measured.get(self.reference)
        if got is None or value is None:
            ok = False
        elif self.upper is not None:
            ok = value <= got <= self.upper
        else:
            ok = _COMPARE[self.op](got, value)
        return ExpectationResult(self.metric, self.wanted, got, ok)


class UnknownMetricError(ValueError):
    """There is no metric of this name. `hint` names the nearest, or all."""

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.hint = did_you_mean(metric, KNOWN_METRICS) or f"known: {', '.join(KNOWN_METRICS)}"
        shown = metric if len(metric) <= 40 else metric[:37] + "..."
        super().__init__(f"there is no metric `{shown}`")


def parse_expectation(metric: str, wanted: object) -> Expectation:
    """The expectation that a scenario writes as `metric: wanted`.

    Raises UnknownMetricError, or ValueError with a text for the user if `wanted` is neither a
    finite number nor one of the forms above, or if a range is empty.
    """
    check_metric(metric)
    if isinstance(wanted, bool) or not isinstance(wanted, (int, float, str)):
        raise ValueError(f"not a number or comparison; {_FORMS}")
    if not isinstance(wanted, str):
        return Expectation(metric, "==", _finite(wanted))
    text = wanted.strip()
    match = _RANGE.fullmatch(text)
    if match is not None:
        low, high = _finite(match[1]), _finite(match[2])
        if low > high:
            raise ValueError(f"the range `{text}` is empty; expected the smaller number first")
        return Expectation(metric, "..", low, high)
    match = _COMPARISON.fullmatch(text)
    if match is None or (match[1] is None and match[2] is None):
        shown = text if len(text) <= 40 else text[:37] + "..."
        raise ValueError(f"`{shown}` is no comparison; {_FORMS}{_meant(text)}")
    if match[3] is not None:
        check_metric(match[3])
        if match[3] == metric:
            raise ValueError(f"`{metric}` is compared with itself; {_FORMS}")
        return Expectation(metric, match[1], 0.0, reference=match[3])
    return Expectation(metric, match[1] or "==", _finite(match[2]))


_FORMS = 'expected a number, a comparison such as ">= 0.999" or `== frames`, or a range 1..5'


def _meant(text: str) -> str:
    """What to write for a number that is written in another way."""
    number = text.lstrip("<>=! ")
    sign = text[: len(text) - len(number)].rstrip()
    remedy = number_remedy(number, key="")
    if "finite" in remedy or not remedy or not sign:
        return f"; {remedy}" if remedy else ""
    return f'; write "{sign} {remedy.split()[1]}"'


def check_metric(metric: str) -> None:
    """Raise UnknownMetricError if there is no such metric."""
    if metric not in KNOWN_METRICS:
        raise UnknownMetricError(metric)


def _finite(value: str | float) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("not a finite number; expected one such as 0 or 0.999")
    return number


def _short(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
