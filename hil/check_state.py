"""The state of a check of this computer in one word: what `hil doctor` prints, and its JSON says.

Knows nothing else of the project but what a word is, so that anything may import it."""

from __future__ import annotations

from hil.word_enum import Word

__all__ = ["CheckState"]


class CheckState(Word):
    """The state of a check: what was checked works, or why that is not known."""

    OK = "ok"
    WARN = "warn"  # it works with restrictions
    MISSING = "missing"
