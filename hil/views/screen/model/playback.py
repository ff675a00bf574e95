"""The frame on view: the newest (following), or one that was paused on, played to, or sought.

Pure: real time comes in as an argument. A live run and a recorded one differ only in whether there
are ever newer frames.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

__all__ = ["SPEEDS", "Player"]

SPEEDS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1000.0, 10000.0)
"""The speeds of playing, in multiples of simulated time."""


@dataclass(frozen=True, slots=True)
class Player:
    """The playback of a run. `following`: the newest frame is on view. Else it was frame `at` at
    `since_s` [s of real time], and advances from there if `playing`."""

    following: bool = True
    playing: bool = False
    speed: float = 1.0
    at: int = 0
    since_s: float = 0.0

    def head(self, last: int, now_s: float, frame_us: int) -> int:
        """Return the frame on view."""
        if self.following or last < 0:
            return last
        at = self.at
        if self.playing:
            at += int((now_s - self.since_s) * self.speed * 1e6 / frame_us)
        return max(0, min(at, last))

    def seek(self, frame: int, last: int, now_s: float) -> Player:
        """Return the playback at `frame`; it plays if it played before."""
        return replace(self, following=False, at=max(0, min(frame, last)), since_s=now_s)

    def pause(self, head: int, now_s: float) -> Player:
        """Return the playback stopped at the frame on view."""
        return replace(self, following=False, playing=False, at=max(0, head), since_s=now_s)

    def play(self, head: int, last: int, now_s: float) -> Player:
        """Return the playback playing from the frame on view, or from the beginning if that is the
        last one."""
        start = 0 if head >= last else head
        return replace(self, following=False, playing=True, at=start, since_s=now_s)

    def follow(self) -> Player:
        """Return the playback that follows the newest frame."""
        return replace(self, following=True, playing=False)

    def faster(self, steps: int, head: int, now_s: float) -> Player:
        """Return the playback with its speed changed by `steps` steps, from the frame on view."""
        index = SPEEDS.index(self.speed) + steps
        speed = SPEEDS[max(0, min(index, len(SPEEDS) - 1))]
        return replace(self, speed=speed, at=max(0, head), since_s=now_s)
