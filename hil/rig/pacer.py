"""The pace of a run: frames begin at their times on a clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hil.clock import HOST, Clock

_POLL_US: Final = 200_000


class Pacer:
    """Holds frames to their times. `factor` is sim time over real time; None: as fast as it goes.

    A frame that begins late by more than its length moves the schedule: what was lost is not made
    up for by a burst of frames."""

    def __init__(self, frame_us: int, factor: float | None, clock: Clock = HOST) -> None:
        self._clock = clock
        self.factor = factor
        self.period_us = None if factor is None else frame_us / factor
        self._due_us: float | None = None

    @property
    def paced(self) -> bool:
        """Return whether frames begin at times on the clock, not as soon as possible."""
        return self.period_us is not None

    @property
    def real_time(self) -> bool:
        """Return whether a frame takes no less time than in flight, so that its end is a deadline.
        Faster than that, frames are as late as they are."""
        return self.factor is not None and self.factor <= 1

    def wait(self, stop: Callable[[], bool]) -> int:
        """Sleep until the next frame is due, or `stop` says so.

        Returns by how many us the schedule had to move, 0 if the frame begins in time.
        """
        if self.period_us is None:
            return 0
        now = self._clock.now_us()
        if self._due_us is None:
            self._due_us = now
        early_us = self._due_us - now
        moved_us = 0
        if early_us > 0:
            self._clock.sleep_us(min(early_us, _POLL_US))
            while (early_us := self._due_us - self._clock.now_us()) > 0 and not stop():
                self._clock.sleep_us(min(early_us, _POLL_US))
        elif -early_us > self.period_us:
            moved_us = int(-early_us)
            self._due_us = now
        self._due_us += self.period_us
        return moved_us

    @property
    def early_us(self) -> int:
        """Return the time until the next frame is due [us]; 0 if it is due, or the run is not
        paced."""
        if self.period_us is None or self._due_us is None:
            return 0
        return max(0, int(self._due_us - self._clock.now_us()))

    def restart(self) -> None:
        """Begin the next frame at once, after elapsed time that is skipped: no frame counts as
        lost."""
        self._due_us = None

    def change(self, frame_us: int, factor: float | None) -> None:
        """Change the pace from the next frame on."""
        self.factor = factor
        self.period_us = None if factor is None else frame_us / factor
        self.restart()

    def left_us(self) -> int:
        """Return the real time left in the frame that was begun last [us]; at least 0."""
        return max(0, int((self._due_us or 0) - self._clock.now_us()))
