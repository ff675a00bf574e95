"""The faults of a campaign if nothing else is said, in a command or from Python."""

from __future__ import annotations

from typing import Final

__all__ = ["DEFAULT_FRAME", "DEFAULT_TARGETS"]

DEFAULT_FRAME: Final = 3
"""The number of the frame whose step is hit."""
DEFAULT_TARGETS: Final = ("state", "input", "output", "heap")
