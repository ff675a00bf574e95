"""Expectations: the conditions on measured metrics under which a run passes."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from hil.scenario.numerals import number_remedy
from hil.scenario.problems import did_you_mean
from hil.scenario.rig import NODES_MAX

__all__ = [
    "ALIASES",
    "DEFAULTS",
    "KNOWN_METRICS",
    "NONE",
    "Expectation",
    "ExpectationResult",
    "UnknownMetricError",
    "effective_expectations",
    "not_covered",
    "parse_expectation",
]

NONE: Final = "none"
"""`expect: none`: the scenario expects nothing, on purpose."""

ALIASES: Final[Mapping[str, str]] = {"sdc_escaped": "sdc_frames", "anomalies": "unexplained"}
"""Other names that `expect:` takes for a metric."""

KNOWN_METRICS: tuple[str, ...] = (
    "frames",
    "availability",
    "sdc_frames",
    "sdc_upsets",
    *ALIASES,
    "unresolved",
    "held_frames",
    "unexplained",
    "isolated",
    "slips",
    "recoveries",
    "rollbacks",
    "skipped",
    "held_back",
    "outages",
    "mttr_s",
    "coverage",
    "effective_faults",
    "reconnects",
    "cuts",
    "supply_errors",
    "executions",
    "executions_disagreed",
    "command_changes",
    "refused_frames",
    "refused_right_frames",
    "degraded_frames",
    "accepted_wrong_frames",
    "copies_differed",
    "split_frames",
    "split_outputs",
    "accel",
    *(f"events.{name}" for name in ("planned", "injected", "missed")),
    *(f"voting.{voters}" for voters in range(NODES_MAX + 1)),
    *(
        f"plant.{name}"
        for name in (
            "min_soc",
            "max_die_c",
            "sheds",
            "latch_ups",
            "too_hot",
            "worn_out",
            "energy_residual",
            "upsets_per_day",
            "voted_per_day",
            "voted_flown_per_day",
            "voted_accel",
            "corrected",
            "idle",
        )
    ),
    *(
        f"offload.{name}"
        for name in (
            "contact_s",
            "contacts",
            "capacity_bytes",
            "items",
            "delivered",
            "delivered_bytes",
            "dropped",
            "dropped_bytes",
            "waiting",
            "waiting_bytes",
            "results",
            "latency_s",
            "latency_max_s",
            "oldest_s",
            "answered",
            "rescued",
            "answer_s",
            "answer_max_s",
            "wrong",
            "reseeds",
        )
    ),
    *(
        f"verdicts.{name}"
        for name in ("unanimous", "majority", "no_majority", "simplex", "no_quorum")
    ),
    *(f"upsets.{name}" for name in ("injected", "verified", "not_injected")),
    *(
        f"by_node_effect.{name}"
        for name in (
            *("masked", "latent", "sdc", "crash", "hang", "reboot", "detected", "late"),
            "unknown",
        )
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
    *(f"by_activation.{name}" for name in ("activated", "overwritten", "not_accessed", "unknown")),
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
            "agent",
            "check-bits",
            "board",
            "board-ram",
            "timing",
        )
    ),
)
"""Every metric that a run measures and that a scenario may name in `expect:`."""

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
    """The result of one expectation. `measured` is None if the metric was not measured; `default`
    is true if the scenario did not write it.
    """

    metric: str
    wanted: str
    measured: float | None
    ok: bool
    default: bool = False


@dataclass(frozen=True, slots=True)
class Expectation:
    """`metric` compared by `op` (==, !=, >=, <=, >, <, or .. for a range) with `value`.

    `upper` is the upper end of a range. `reference` names the metric that stands in place of
    `value`, which is then 0. `default` says that the scenario did not write it.
    """

    metric: str
    op: str
    value: float
    upper: float | None = None
    reference: str | None = None
    default: bool = False

    @property
    def wanted(self) -> str:
        """Return the expected value, as a scenario would write it."""
        if self.upper is not None:
            return f"{_short(self.value)}..{_short(self.upper)}"
        return f"{self.op} {self.reference or _short(self.value)}"

    def evaluate(self, measured: Mapping[str, float]) -> ExpectationResult:
        """Compare with the measured value. A metric that was not measured is a failure."""
        actual = measured.get(_real_name(self.metric), _WHERE_NONE.get(self.metric))
        value = self.value if self.reference is None else measured.get(_real_name(self.reference))
        if actual is None or value is None:
            ok = False
        elif self.upper is not None:
            ok = value <= actual <= self.upper
        else:
            ok = _COMPARE[self.op](actual, value)
        return ExpectationResult(self.metric, self.wanted, actual, ok, self.default)


_WHERE_NONE: Final = {"by_node_effect.unknown": 0.0}
"""Metrics that only a run has in which there was something to count."""

DEFAULTS: Final = tuple(
    Expectation(metric, "==", 0.0, default=True)
    for metric in ("sdc_frames", "unresolved", "unexplained")
)
"""The expectations of a scenario that states none: no wrong output left the system, no frame was
without an output, and every anomaly is explained by an upset."""

_CONCERNS: Final[tuple[tuple[str, str, str, frozenset[str]], ...]] = (
    (
        "unresolved",
        "frame without an output",
        "frames without an output",
        frozenset(
            {"unresolved", "availability", "verdicts.no_majority", "verdicts.no_quorum"}
            | {"verdicts.unanimous", "by_system_outcome.detected_unresolved"}
            | {"by_system_outcome.unavailable"}
        ),
    ),
    ("unexplained", "unexplained anomaly", "unexplained anomalies", frozenset({"unexplained"})),
)
"""A metric that should be 0, what it counts, and which expectations cover it."""


def effective_expectations(
    written: Mapping[str, int | float | str] | str, events: int, allow_missed: int
) -> tuple[Expectation, ...]:
    """Return all expectations of a run, the default ones included.

    `written` is the scenario's `expect:` (`NONE` included), `events` the number of its
    `upsets.events`, of which `allow_missed` need not be injected.
    """
    pairs = () if isinstance(written, str) else written.items()
    own = [parse_expectation(metric, wanted) for metric, wanted in pairs]
    named = {_real_name(e.metric) for e in own}
    expectations = [*own]
    if written != NONE:
        if not own:
            expectations += DEFAULTS
        elif DEFAULTS[0].metric not in named:  # which counts outputs; `sdc_upsets` counts causes
            expectations.append(DEFAULTS[0])
    if events and "events.missed" not in named:
        op = "<=" if allow_missed else "=="
        expectations.append(Expectation("events.missed", op, float(allow_missed), default=True))
    return tuple(expectations)


def not_covered(
    expectations: Iterable[ExpectationResult], measured: Mapping[str, float]
) -> tuple[str, ...]:
    """Return the unwanted results of a run that none of its expectations examines."""
    named = {_real_name(e.metric) for e in expectations}
    concerns = []
    for metric, one, many, covering in _CONCERNS:
        count = int(measured.get(metric) or 0)
        if count and not named & covering:
            concerns.append(f"{count:,} {one if count == 1 else many}")
    due = int(measured.get("upsets.not_injected") or 0)
    counts_upsets = any(name.startswith(("upsets.", "events.", "by_")) for name in named)
    if due and not measured.get("upsets.injected") and not counts_upsets:
        concerns.append(f"none of {due:,} upset{'s'[: due > 1]} injected")
    return tuple(concerns)


def _real_name(metric: str) -> str:
    return ALIASES.get(metric, metric)


class UnknownMetricError(ValueError):
    """No metric has this name. `hint` names the nearest metric, or all of them."""

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.hint = did_you_mean(metric, KNOWN_METRICS) or f"known: {', '.join(KNOWN_METRICS)}"
        shown = metric if len(metric) <= 40 else metric[:37] + "..."
        super().__init__(f"there is no metric `{shown}`")


def parse_expectation(metric: str, wanted: object) -> Expectation:
    """Return the expectation that a scenario writes as `metric: wanted`.

    Raises:
        UnknownMetricError: There is no such metric.
        ValueError: `wanted` is neither a finite number nor one of the forms above, or its range is
            empty. Its message is for the user.
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
        raise ValueError(f"`{shown}` is not a valid comparison; {_FORMS}{_meant(text)}")
    if match[3] is not None:
        check_metric(match[3])
        if _real_name(match[3]) == _real_name(metric):
            raise ValueError(f"`{metric}` is compared with itself; {_FORMS}")
        return Expectation(metric, match[1], 0.0, reference=match[3])
    return Expectation(metric, match[1] or "==", _finite(match[2]))


_FORMS = 'expected a number, a comparison such as ">= 0.999" or `== frames`, or a range 1..5'


_SIGNS: Final = {
    "=>": ">=",
    "=<": "<=",
    "<>": "!=",
    "=": "==",
    "===": "==",
    "≥": ">=",
    "≤": "<=",
    "≠": "!=",
}
"""Comparisons in other notations."""


def _meant(text: str) -> str:
    """Return a correction of a comparison or a number that is written in another way."""
    number = text.lstrip("<>=!≥≤≠ ")
    written = text[: len(text) - len(number)].replace(" ", "")
    sign = _SIGNS.get(written, written)
    if re.fullmatch(_NUMBER, number):
        return f'; write "{sign} {number}"' if _COMPARISON.fullmatch(f"{sign} {number}") else ""
    remedy = number_remedy(number, key="")
    if "finite" in remedy or not remedy or not sign:
        return f"; {remedy}" if remedy else ""
    return f'; write "{sign} {remedy.split()[1]}"'


def check_metric(metric: str) -> None:
    """Check the name of a metric. Raises: UnknownMetricError if there is no such metric."""
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
