"""A scheme that follows the orbit: how many nodes are wanted, by the radiation and the nodes' own
error counters. Pure.

    reason     holds while
    anomaly    the protons that are not of the Sun reach a flux: the South Atlantic Anomaly
    storm      those of solar particle events do
    errors     the errors that the nodes counted in the last minute reach a number

The largest scheme whose reason holds is in force at once. It stays so for the dwell time after its
reason has ended, so that a flux near its threshold does not switch nodes on and off. Time and
fluxes are those of the plant's steps, and so the same in every run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hil.scenario.orbit_scheme import OrbitSchemeConfig

__all__ = ["OrbitReadings", "OrbitScheme", "OrbitSchemeSnapshot"]

_WINDOW_US: Final = 60_000_000


@dataclass(frozen=True, slots=True)
class OrbitReadings:
    """The readings of one step of the plant: simulated time, fluxes of protons [1/cm2/s], and the
    errors that the nodes have counted since the reading before."""

    t_us: int
    anomaly_flux: float
    storm_flux: float
    errors: int = 0


@dataclass(frozen=True, slots=True)
class OrbitSchemeSnapshot:
    """The state between two frames: until when each number of nodes is wanted [us], and the errors
    of the last minute with their times; `pending`: those that no step has taken yet."""

    until_us: tuple[tuple[int, int], ...]
    errors: tuple[tuple[int, int], ...]
    reason: str
    pending: int


class OrbitScheme:
    """The scheme of one run. `reason`: why it is the present one, in words; `late_errors` returns
    the errors that nodes have counted since the last reading. Not thread-safe."""

    def __init__(self, config: OrbitSchemeConfig) -> None:
        self._config = config
        self._until_us: dict[int, int] = {}
        self._errors: deque[tuple[int, int]] = deque()
        self.reason = ""
        self.late_errors: Callable[[], int] = lambda: 0
        self._pending = 0

    @property
    def counts_errors(self) -> bool:
        """Return whether the error counters of the nodes matter."""
        return self._config.in_errors is not None

    def wanted(self, readings: OrbitReadings) -> int:
        """Take the readings of a step; return how many nodes are wanted from now on."""
        config, now_us = self._config, readings.t_us
        errors, self._pending = readings.errors + self._pending, 0
        if errors:
            self._errors.append((now_us, errors))
        while self._errors and self._errors[0][0] <= now_us - _WINDOW_US:
            self._errors.popleft()
        counted = sum(count for _, count in self._errors)
        reasons = (
            (config.in_anomaly, readings.anomaly_flux >= config.anomaly_flux, "in the anomaly"),
            (config.in_storm, readings.storm_flux >= config.storm_flux, "in a solar storm"),
            (config.in_errors, counted >= config.errors_per_minute, "nodes count errors"),
        )
        for scheme, holds, why in reasons:
            if scheme is not None and holds:
                if scheme.size > max(self._until_us, default=0):
                    self.reason = why
                self._until_us[scheme.size] = now_us + config.dwell_us
        self._until_us = {n: until for n, until in self._until_us.items() if until > now_us}
        return max(self._until_us, default=config.otherwise.size)

    def snapshot(self) -> OrbitSchemeSnapshot:
        """Return what is needed to continue later. Boards then count from zero, so that what they
        have counted up to now is read."""
        self._pending += self.late_errors()
        return OrbitSchemeSnapshot(
            tuple(sorted(self._until_us.items())), tuple(self._errors), self.reason, self._pending
        )

    def restore(self, snapshot: OrbitSchemeSnapshot) -> None:
        """Continue from `snapshot`."""
        self._until_us = dict(snapshot.until_us)
        self._errors = deque(snapshot.errors)
        self.reason, self._pending = snapshot.reason, snapshot.pending
