"""Why a run ended as it did, where no expectation says it: the same words in summary and screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["ended_by", "lost_boards", "untested"]


def ended_by(result: Mapping[str, Any], planned_frames: int | None) -> str:
    """Return who ended an aborted run, and after how many frames; empty if it was not aborted."""
    if result.get("outcome") != "aborted":
        return ""
    done = int(result.get("frames") or 0) + int(result.get("skipped") or 0)
    after = "" if planned_frames is None else f" after {done:,} of {planned_frames:,} frames"
    return f"ended by {result.get('aborted_by') or 'the user'}{after}"


def lost_boards(result: Mapping[str, Any]) -> str:
    """Return which boards were lost and not back at the end; empty if none."""
    lost = [str(board["node"]) for board in result.get("lost_boards") or ()]
    if not lost:
        return ""
    what = "the board of node" if len(lost) == 1 else "the boards of nodes"
    return f"{what} {', '.join(lost)} lost, and not back at the end"


def untested(result: Mapping[str, Any]) -> str:
    """Return why nothing was tested; empty if something was."""
    return "`expect: none`: nothing was tested" if result.get("outcome") == "untested" else ""
