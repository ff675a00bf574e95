"""Verifying a rig with a primary: who commands, frame by frame, and what was delivered for it."""

from __future__ import annotations

from typing import Final

from hil.record.reader import Reader
from hil.redundancy.primary import PrimaryVoter
from hil.redundancy.voting import Verdict
from hil.verification.findings import Verification

__all__ = ["PrimaryCheck"]

_METRIC: Final = "command_changes"


class PrimaryCheck:
    """Votes the frames of `reader` again with `voter`; differences go to `out`."""

    def __init__(self, out: Verification, reader: Reader, voter: PrimaryVoter) -> None:
        self._out = out
        self._reader = reader
        self._voter = voter

    def again(self, recorded: Verdict) -> Verdict:
        """Return the verdict on a frame. Frames must come in order. Raises: KernelError if a packed
        verdict is not one."""
        verdict = self._voter.again(recorded)
        self._voter.settle(verdict)
        return verdict

    def end(self) -> None:
        """Compare how often command passed with the result of a finished run."""
        result = self._reader.meta_object("result") or {}
        metrics = result.get("metrics")
        recorded = metrics.get(_METRIC) if isinstance(metrics, dict) else None
        changes = self._voter.memory.changes
        self._out.compare(None, f"`{_METRIC}` of the result", recorded, changes)
        self._out.covered.append(f"who commanded in each frame; command passed {changes} times")
