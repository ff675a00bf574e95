"""Severity of silent data corruption: how wrong an output is.

Of a classifier, or of a language model: SDC-1, another class or character than the right one;
SDC-5, a class that is not among the five that the right scores rank highest (Li et al., SC17),
where the output has scores. Of numbers: the relative error of a field is
its largest difference, divided by the largest magnitude of its right values; infinite where a value
is not a finite number, whether right or wrong, or all right ones are zero. Fields without an order,
such as a hash, have none."""

from __future__ import annotations

import math
from typing import Final

from hil.record.campaign_endings import Severity
from hil.scenario.outputs import CHOICES, NUMBERS, OutputField, OutputRole, output_fields

__all__ = ["SeverityJudge"]

_TOP: Final = 5
_LARGEST: Final = 3.4e38


class SeverityJudge:
    """Judges wrong outputs of a workload whose right output is `golden`. Not thread-safe."""

    def __init__(self, workload: str, golden: bytes) -> None:
        self._golden = golden
        fields = output_fields(workload)
        self._values = [f for f in fields if f.role in NUMBERS]
        self._class = next((f for f in fields if f.role in CHOICES), None)
        scores = next((f for f in fields if f.role is OutputRole.SCORES), None)
        self._best = None if scores is None else _best(scores.values(golden))
        self._known: dict[bytes, tuple[Severity, float]] = {}

    def judge(self, difference: bytes) -> tuple[Severity, float]:
        """Return the severity of the output that differs from the right one by an exclusive-or of
        `difference`, and its relative error."""
        found = self._known.get(difference)
        if found is None:
            found = self._known[difference] = self._judge(difference)
        return found

    def _judge(self, difference: bytes) -> tuple[Severity, float]:
        golden = self._golden
        output = bytes(a ^ b for a, b in zip(golden, difference, strict=True))
        severity = Severity.NONE
        if self._class is not None:
            (right,), (chosen,) = self._class.values(golden), self._class.values(output)
            if chosen != right:
                severity |= Severity.SDC_1
                if self._best is not None and chosen not in self._best:
                    severity |= Severity.SDC_5
        error = max((_error(f, golden, output) for f in self._values), default=0.0)
        if error > _LARGEST:  # it is kept in 32 bits
            error = math.inf
        for flag, limit in _LIMITS:
            if error > limit:
                severity |= flag
        return severity, error


_LIMITS: Final = (
    (Severity.ERROR_1, 0.01),
    (Severity.ERROR_10, 0.1),
    (Severity.ERROR_100, 1.0),
)


def _best(scores: tuple[float, ...]) -> set[float]:
    """Return the classes with the highest scores; of equal ones the first, as the workload does."""
    ranked = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    return set(ranked[:_TOP])


def _error(field: OutputField, golden: bytes, output: bytes) -> float:
    span = slice(field.offset, field.offset + field.length)
    if golden[span] == output[span]:  # not by values: no NaN equals itself
        return 0.0
    right, wrong = field.values(golden), field.values(output)
    largest = max(abs(value) for value in right)
    if not all(map(math.isfinite, (*right, *wrong))) or not largest:
        return math.inf
    return max(abs(a - b) for a, b in zip(right, wrong, strict=True)) / largest
