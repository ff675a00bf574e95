"""The outcome of a run in one word: what a record, its reports, JSON and the exit code say.

Knows nothing else of the project but what a word is, so that anything may import it."""

from __future__ import annotations

from hil.word_enum import Word

__all__ = ["RunOutcome"]


class RunOutcome(Word):
    """The outcome of a run, which `hil.engine.result.decide` decides."""

    RUNNING = "running"  # it has not ended, or was killed
    PASS = "pass"  # noqa: S105  (no password)
    UNTESTED = "untested"  # the scenario expects nothing, and says so
    FAIL = "fail"
    ERROR = "error"  # hardware or the environment was missing or lost
    ABORTED = "aborted"  # by its user
