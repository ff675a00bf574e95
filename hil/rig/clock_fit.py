"""Clock fit: a board's clock against the host's, as offset, drift and uncertainty.

Every answer with the board's uptime is a sample: the board read its clock between the host's
request and the arrival of the answer, so the midpoint is off by at most half the round trip. Delays
are never negative and mostly queueing, so short round trips are accurate and long ones are not
(the clock filter of NTP, RFC 5905, section 10). The sample with the shortest round trip is kept of
each interval; when the window is full, pairs of intervals are merged, so that memory is bounded and
the window still reaches back to the board's start. A weighted linear fit gives offset and drift.

A board's clock may stop (suspend to RAM, a stopped emulator) or jump. A sample that contradicts the
estimate reveals it, and the fit starts again from that sample. Smaller deviations widen the
uncertainty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

_KEPT_MAX: Final = 64
_FIRST_STRETCH_US: Final = 1_000_000
_LONG: Final = 3.0
"""Samples with a round trip longer than this many times the shortest are left out of the fit, as
long as `_ENOUGH` remain."""
_ENOUGH: Final = 4
_DRIFT_MAX: Final = 500e-6
"""A crystal is within 100 ppm; a larger estimate means that the window is still too short."""


@dataclass(frozen=True, slots=True)
class _Sample:
    board_us: int
    host_us: float
    half_us: float


@dataclass(frozen=True, slots=True)
class ClockEstimate:
    """The estimated relation of two clocks.

    host time = `offset_us` + board time x (1 + `drift_ppm` / 1e6), within `uncertainty_us` at
    `at_board_us`, the latest sample; the uncertainty grows with the distance from it. `samples`:
    how many samples the fit uses."""

    offset_us: float
    drift_ppm: float
    drift_ppm_error: float
    uncertainty_us: float
    at_board_us: int
    samples: int
    from_board_us: int = 0
    """The estimate does not hold for earlier times: the clock jumped just before this one."""

    def to_host_us(self, board_us: float) -> float:
        """Convert a time on the board's clock [us] to the host's clock [us]."""
        return self.offset_us + board_us * (1 + self.drift_ppm * 1e-6)

    def uncertainty_at_us(self, board_us: float) -> float:
        """Return the error bound of `to_host_us` [us]; infinite for times before a jump."""
        if board_us < self.from_board_us:
            return math.inf
        away = abs(board_us - self.at_board_us)
        return self.uncertainty_us + away * self.drift_ppm_error * 1e-6


class ClockFit:
    """Fits the clock of one board since its agent's last start. Times are integer microseconds.
    Not thread-safe."""

    def __init__(self) -> None:
        self._kept: list[_Sample] = []
        self._stretch_us = _FIRST_STRETCH_US
        self._last_us = 0
        self._from_us = 0
        self.measurements = 0

    def restart(self) -> None:
        """Discard all samples: the board has started again, and its clock with it."""
        self.__init__()  # type: ignore[misc]

    def add(self, sent_us: int, received_us: int, board_us: int) -> float:
        """Add a sample: request sent and answer received on the host's clock, uptime on the board's
        clock [us].

        Returns by how many microseconds the board's clock has jumped (forward: positive), or 0.
        After a jump all earlier samples are discarded."""
        if received_us < sent_us:
            return 0.0
        new = _Sample(board_us, (sent_us + received_us) / 2, (received_us - sent_us) / 2 + 0.5)
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
        """Double the interval length until the window fits; keep the shortest round trip each."""
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
        """Return the current estimate; None before the first sample."""
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
        # Centred on the mean: squares of large board times would lose microseconds to rounding.
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
            # Weights are 1/half^2, so xx^-1/2 is the standard deviation of the slope. Three sigma,
            # because delays are not normally distributed; at most what a crystal can drift.
            error = min(_DRIFT_MAX, 3 / math.sqrt(xx))
        best = min(s.half_us for s in good)
        away = abs(self._last_us - x0)
        # If the clock runs evenly, a sample may be off the line by as much as its round trip is
        # longer than the best one. Any larger residual may be an error of the fit.
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
