"""The reasons of an outcome that no expectation shows, in the same words in summary and screen."""

from __future__ import annotations

from hil.record.run_result import RunResult
from hil.run_outcome import RunOutcome

__all__ = ["ended_by", "lost_boards", "untested"]


def ended_by(result: RunResult, planned_frames: int | None) -> str:
    """Return the user who ended an aborted run, and the frames until then; empty if it was not
    aborted."""
    if result.outcome != RunOutcome.ABORTED:
        return ""
    done = result.flown
    after = "" if planned_frames is None else f" after {done:,} of {planned_frames:,} frames"
    return f"ended by {result.aborted_by or 'the user'}{after}"


def lost_boards(result: RunResult) -> str:
    """Return which boards were lost and not back at the end; empty if none."""
    lost = [board.node for board in result.lost]
    if not lost:
        return ""
    what = "the board of node" if len(lost) == 1 else "the boards of nodes"
    return f"{what} {', '.join(lost)} lost, and not back at the end"


def untested(result: RunResult) -> str:
    """Return why nothing was tested; empty if something was."""
    is_untested = result.outcome == RunOutcome.UNTESTED
    return "`expect: none`: nothing was tested" if is_untested else ""
