"""The error of orbit data that cannot be read or flown."""

from __future__ import annotations

__all__ = ["OrbitDataError"]


class OrbitDataError(ValueError):
    """It says what is wrong with the data of an orbit, what to do, and the line (0: none)."""

    def __init__(self, message: str, remedy: str = "", line: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.line = line
