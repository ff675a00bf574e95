"""The host's clock: the only place that reads real time for the rig, or sleeps."""

from __future__ import annotations

import time


def now_us() -> int:
    """Microseconds of a monotonic clock."""
    return time.monotonic_ns() // 1000


class Pacer:
    """Holds frames to their times. `factor` is sim time over real time; None: as fast as it goes."""

    def __init__(self, frame_us: int, factor: float | None) -> None:
        self._period_us = None if factor is None else frame_us / factor
        self._began_us = now_us()
        self._first: int | None = None

    @property
    def paced(self) -> bool:
        return self._period_us is not None

    def wait_for(self, frame: int) -> int:
        """Sleep until the frame is due; returns by how many us it begins late (0: in time)."""
        if self._period_us is None:
            return 0
        if self._first is None:
            self._first, self._began_us = frame, now_us()
        due_us = self._began_us + int((frame - self._first) * self._period_us)
        early_us = due_us - now_us()
        if early_us > 0:
            time.sleep(early_us / 1e6)
            return 0
        return -early_us

    def late_by(self, frame: int) -> int:
        """By how many us the end of a frame was missed; 0 if it was kept."""
        if self._period_us is None or self._first is None:
            return 0
        end_us = self._began_us + int((frame + 1 - self._first) * self._period_us)
        return max(0, now_us() - end_us)
