"""One quantity that a model predicts and runs measure, and whether the two agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from hil.analysis.intervals import Interval, clopper_pearson, normal_quantile
from hil.json_values import JsonObject

__all__ = ["CONFIDENCE", "Measured", "ModelRow", "mean_of", "share_of", "wait_of"]

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Measured:
    """A measured quantity with its interval, and from how many runs and events it is."""

    value: float
    interval: Interval
    runs: int
    events: int


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model beside a measurement. `quantity` has the unit; `derived` says from what the model's
    numbers come; `fails` names the assumption of the model that these runs do not keep, and is
    empty where they keep all."""

    model: str
    quantity: str
    predicted: float
    measured: Measured
    derived: str
    fails: str = ""

    @property
    def agrees(self) -> bool:
        """Return whether the model's value lies in the measured interval."""
        low, high = self.measured.interval
        return low <= self.predicted <= high

    @property
    def is_surprise(self) -> bool:
        """Return whether the two part although the runs keep all assumptions of the model."""
        return not self.agrees and not self.fails

    @property
    def verdict(self) -> str:
        """Return the verdict in words."""
        if self.agrees:
            return "agrees"
        if self.fails:
            return f"parts: {self.fails}"
        return "parts: the runs keep all assumptions; by chance one row in 20 does"

    def as_json(self) -> JsonObject:
        """Return the row as a JSON object."""
        low, high = self.measured.interval
        return {
            "model": self.model,
            "quantity": self.quantity,
            "predicted": self.predicted,
            "measured": self.measured.value,
            "low": low,
            "high": high,
            "confidence": CONFIDENCE,
            "runs": self.measured.runs,
            "events": self.measured.events,
            "agrees": self.agrees,
            "assumption_that_fails": self.fails or None,
            "derived": self.derived,
        }


def share_of(count: int, runs: int) -> Measured:
    """Return the share of runs with an outcome, with the interval of Clopper and Pearson."""
    return Measured(count / runs, clopper_pearson(count, runs, CONFIDENCE), runs, count)


def wait_of(events: int, frames: int, runs: int) -> Measured:
    """Return the mean number of frames until an event that each frame has with the same
    probability, from all `frames` of the runs. Raises: ValueError without events, whose mean time
    has no upper limit."""
    if not events:
        raise ValueError("no event")
    share = clopper_pearson(events, frames, CONFIDENCE)
    return Measured(frames / events, Interval(1.0 / share.high, 1.0 / share.low), runs, events)


def mean_of(values: Sequence[float]) -> Measured:
    """Return the mean of one value for each run, with the interval of the normal distribution.
    Raises: ValueError for fewer than two."""
    if len(values) < 2:
        raise ValueError("one value has no spread")
    mean = fmean(values)
    half = normal_quantile(CONFIDENCE) * stdev(values) / math.sqrt(len(values))
    return Measured(mean, Interval(mean - half, mean + half), len(values), len(values))
