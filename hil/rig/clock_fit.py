"""Where a board's clock is against the host's: offset, drift, and how sure that is.

Every answer that tells the board's uptime is a measurement: the board read its clock somewhere
between the host's sending and hearing, so the middle is off by at most half the round trip. Delays
are never negative and mostly waiting, so short round trips are near the truth and long ones tell
nothing (the filter of NTP, RFC 5905, section 10). Of each stretch of time the shortest is kept;
when all places are taken two stretches become one, so that the window is bounded and yet reaches
back to the board's start. A weighted straight line through what was kept gives offset and drift.

A board's clock may stand still (suspended to memory, an emulator that was stopped) or jump. A
measurement that cannot be true if what is known of the clock is shows it: then all begins anew.
What is smaller than that widens the uncertainty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

_KEPT_MAX: Final = 64
_FIRST_STRETCH_US: Final = 1_000_000
_LONG: Final = 3.0
"""Round trips so many times the shortest are left out of the line, as long as enough remain."""
_ENOUGH: Final = 4
_DRIFT_MAX: Final = 500e-6
"""Quartz is within 100 ppm; what seems to drift more has not been watched for long enough."""


@dataclass(frozen=True, slots=True)
class _Sample:
    board_us: int
    host_us: float
    half_us: float


@dataclass(frozen=True, slots=True)
class ClockEstimate:
    """host time = `offset_us` + board time x (1 + `drift_ppm` / 1e6), within `uncertainty_us` at
    `at_board_us`, the last measurement, and more the farther from the measurements.

    `samples`: measurements the line is made of."""

    offset_us: float
    drift_ppm: float
    drift_ppm_error: float
    uncertainty_us: float
    at_board_us: int
    samples: int
    from_board_us: int = 0
    """Nothing is known of earlier moments: the clock has jumped before this one."""

    def to_host_us(self, board_us: float) -> float:
        """A moment of the board's clock on the host's."""
        return self.offset_us + board_us * (1 + self.drift_ppm * 1e-6)

    def to_board_us(self, host_us: float) -> float:
        """A moment of the host's clock on the board's."""
        return (host_us - self.offset_us) / (1 + self.drift_ppm * 1e-6)

    def uncertainty_at_us(self, board_us: float) -> float:
        """How far off `to_host_us` may be; infinite before the clock jumped."""
        if board_us < self.from_board_us:
            return math.inf
        away = abs(board_us - self.at_board_us)
        return self.uncertainty_us + away * self.drift_ppm_error * 1e-6


class ClockFit:
    """The clock of one start of one board. Times are integer microseconds."""

    def __init__(self) -> None:
        self._kept: list[_Sample] = []
        self._stretch_us = _FIRST_STRETCH_US
        self._last_us = 0
        self._from_us = 0
        self.measurements = 0

    def restart(self) -> None:
        """The board has started anew, and its clock with it."""
        self.__init__()  # type: ignore[misc]

    def add(self, sent_us: int, heard_us: int, board_us: int) -> float:
        """An answer: when the request left the host, when the answer was there, what it said.

        Returns by how many microseconds the board's clock has jumped (forward: positive) if it must
        have, else 0. What was measured before says nothing any more then."""
        if heard_us < sent_us:
            return 0.0
        new = _Sample(board_us, (sent_us + heard_us) / 2, (heard_us - sent_us) / 2 + 0.5)
        jumped_us = self._jump(new)
        if jumped_us:
            measurements = self.measurements
            self.restart()
            self.measurements = measurements
            self._from_us = board_us
        self.measurements += 1
        self._last_us = max(self._last_us, board_us)
        self._keep(new)
        return jumped_us

    def _jump(self, new: _Sample) -> float:
        known = self.estimate
        if known is None:
            return 0.0
        off_us = known.to_host_us(new.board_us) - new.host_us
        possible_us = new.half_us + known.uncertainty_at_us(new.board_us)
        return off_us if abs(off_us) > possible_us else 0.0

    def _keep(self, new: _Sample) -> None:
        last = self._kept[-1] if self._kept else None
        if last is not None and self._stretch_of(last) == self._stretch_of(new):
            if new.half_us < last.half_us:
                self._kept[-1] = new
            return
        self._kept.append(new)
        if len(self._kept) > _KEPT_MAX:
            self._widen()

    def _stretch_of(self, sample: _Sample) -> int:
        return sample.board_us // self._stretch_us

    def _widen(self) -> None:
        """Twice as long stretches, of each the shortest round trip."""
        while len(self._kept) > _KEPT_MAX:
            self._stretch_us *= 2
            best: dict[int, _Sample] = {}
            for sample in self._kept:
                at = self._stretch_of(sample)
                if at not in best or sample.half_us < best[at].half_us:
                    best[at] = sample
            self._kept = list(best.values())

    @property
    def estimate(self) -> ClockEstimate | None:
        """What is known; None before the first measurement."""
        if not self._kept:
            return None
        shortest = min(s.half_us for s in self._kept)
        good = [s for s in self._kept if s.half_us <= _LONG * shortest]
        if len(good) < _ENOUGH:
            good = sorted(self._kept, key=lambda s: s.half_us)[:_ENOUGH]
        return self._line(good)

    def _line(self, good: list[_Sample]) -> ClockEstimate:
        weights = [1 / s.half_us**2 for s in good]
        total = sum(weights)
        # About the mean: board times are large, and their squares would swallow microseconds.
        x0 = sum(w * s.board_us for w, s in zip(weights, good, strict=True)) / total
        y = [s.host_us - s.board_us for s in good]
        y0 = sum(w * v for w, v in zip(weights, y, strict=True)) / total
        xx = sum(w * (s.board_us - x0) ** 2 for w, s in zip(weights, good, strict=True))
        slope, error = 0.0, _DRIFT_MAX
        if xx > 0 and len(good) >= 2:
            xy = sum(
                w * (s.board_us - x0) * (v - y0) for w, s, v in zip(weights, good, y, strict=True)
            )
            slope = max(-_DRIFT_MAX, min(_DRIFT_MAX, xy / xx))
            # With weights 1/half^2, a standard deviation of at most half, xx^-1/2 is that of the
            # slope; three of them, as delays are not normal, and never more than quartz can.
            error = min(_DRIFT_MAX, 3 / math.sqrt(xx))
        best = min(s.half_us for s in good)
        away = abs(self._last_us - x0)
        # What a measurement took longer than the best one is what it may be off the line, if the
        # clock runs evenly. What is more may be the line's own error.
        missed = max(
            abs(y0 + slope * (s.board_us - x0) - v) - (s.half_us - best)
            for s, v in zip(good, y, strict=True)
        )
        return ClockEstimate(
            offset_us=y0 - slope * x0,
            drift_ppm=slope * 1e6,
            drift_ppm_error=error * 1e6,
            uncertainty_us=best + max(0.0, missed) + away * error,
            at_board_us=self._last_us,
            samples=len(good),
            from_board_us=self._from_us,
        )
