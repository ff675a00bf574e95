"""Decides when a screen leaves by itself, with nobody at the keys."""

from __future__ import annotations

__all__ = ["Leaving"]


class Leaving:
    """Decides that a screen leaves `after_s` after its run has ended; None: it stays."""

    def __init__(self, after_s: float | None) -> None:
        self._after_s = after_s
        self._since_s: float | None = None

    @property
    def by_itself(self) -> bool:
        """Return whether the screen leaves at all; its run then ends when the user leaves it."""
        return self._after_s is not None

    def now(self, at_s: float) -> bool:
        """Return whether to leave, at a time [s] at which the run has ended."""
        if self._since_s is None:
            self._since_s = at_s
        return self._after_s is not None and at_s - self._since_s >= self._after_s
