"""The simulated times at which frames began: frames follow each other evenly, but quiet ones may
have been skipped (the record's `skips`)."""

from __future__ import annotations

from bisect import bisect_right

from hil.record.queries import Rows

__all__ = ["Timeline", "recorded_timeline"]


class Timeline:
    """The times of a run whose frames take `frame_us`."""

    def __init__(self, frame_us: int = 10_000) -> None:
        self.frame_us = frame_us
        self._frames: list[int] = [0]
        self._times: list[int] = [0]

    @property
    def known(self) -> int:
        """Return the frame of the last skip; 0 without one."""
        return self._frames[-1]

    def skip(self, frame: int, t_us: int) -> None:
        """Add a skip: frame `frame` began only at `t_us`. Skips are added in order."""
        self._frames.append(frame)
        self._times.append(t_us)

    def t_us(self, frame: int) -> int:
        """Return the simulated time at which a frame began [us]."""
        frame = max(0, frame)
        at = bisect_right(self._frames, frame) - 1
        return self._times[at] + (frame - self._frames[at]) * self.frame_us

    def frame_at(self, t_us: int) -> int:
        """Return the frame of a moment; if it was skipped, the first one after it."""
        at = max(0, bisect_right(self._times, t_us) - 1)
        frame = self._frames[at] + max(0, t_us - self._times[at]) // self.frame_us
        return min(frame, self._frames[at + 1]) if at + 1 < len(self._frames) else frame


def recorded_timeline(record: Rows, frame_us: int) -> Timeline:
    """Return the times of a recorded run. Raises: RecordError if the record cannot be read."""
    timeline = Timeline(frame_us)
    for row in record.rows("SELECT frame, t_us FROM skips ORDER BY frame"):
        timeline.skip(row[0], row[1])
    return timeline
