"""The progress of a run, as it reports it to its caller, and the one rule that decides its outcome.

The result at its end is `hil.record.run_result.RunResult`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hil.record.run_result import LostBoard
from hil.run_outcome import RunOutcome
from hil.scenario import ExpectationResult


@dataclass(frozen=True, slots=True)
class RunProgress:
    """The progress of a run. `phase` says what it does, for people: opening (followed by what takes
    long), calibrating, running, paused or waiting (for whom). `running`: frames are computed."""

    phase: str
    running: bool
    frame: int
    frames: int
    upsets: int
    recoveries: int
    wrong: int
    states: tuple[tuple[str, str], ...]


def decide(
    *,
    aborted_by: str,
    lost: Sequence[LostBoard],
    frames: int,
    expectations: Sequence[ExpectationResult],
    expects_nothing: bool,
) -> RunOutcome:
    """Return the outcome of a run. Record, reports, JSON and exit code follow from this word."""
    if aborted_by:
        return RunOutcome.ABORTED
    if lost:
        return RunOutcome.ERROR
    if frames == 0 or not all(e.ok for e in expectations):
        return RunOutcome.FAIL
    return RunOutcome.UNTESTED if expects_nothing else RunOutcome.PASS
