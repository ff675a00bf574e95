"""What a test does to a run between two of its frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hil.engine.observers import FramesDone, RunObserver


class BetweenFrames(RunObserver):
    """Calls `act` before the first frame and after each; the run ends when it returns true."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act
        self.ended = False

    def on_start(self, next_frame: int) -> None:
        self._poll()

    def on_frame(self, done: FramesDone) -> None:
        self._poll()

    def _poll(self) -> None:
        self.ended = self.ended or bool(self._act())


def between_frames(act: Callable[[], object]) -> dict[str, Any]:
    """Arguments of a loop that calls `act` between frames, and ends when that returns true."""
    hook = BetweenFrames(act)
    return {"observers": [hook], "stop": lambda: hook.ended}
