"""The tally of the results of a doer: refused, replaced, or accepted although wrong.

Pure; a run and the verification of its record count with the same code."""

from __future__ import annotations

from dataclasses import dataclass

from hil.redundancy.checked_vote import DOER, is_degraded, refuses_doer
from hil.redundancy.voting import Verdict, VerdictKind

__all__ = ["CheckedTally"]


@dataclass(slots=True)
class CheckedTally:
    """Counts of frames. `refused`: the doer answered, and its result was refused; `refused_right`:
    although it was that of the golden run; `degraded`: the output of the checkers was delivered;
    `accepted_wrong`: the checkers accepted a wrong result of the doer, which was delivered. Skipped
    frames are none of these."""

    refused: int = 0
    refused_right: int = 0
    degraded: int = 0
    accepted_wrong: int = 0

    def count(self, verdict: Verdict, golden_output: int) -> None:
        """Count a frame by its final verdict and the digest of the doer's golden output."""
        if refuses_doer(verdict):
            self.refused += 1
            right = verdict.ballots[DOER].output_digest == golden_output
            self.refused_right += right
        self.degraded += is_degraded(verdict)
        checked = verdict.kind is not VerdictKind.SIMPLEX and verdict.primary == DOER
        self.accepted_wrong += checked and not verdict.correct

    def metrics(self) -> dict[str, int]:
        """Return the counts under the names that `expect:` uses."""
        return {
            "refused_frames": self.refused,
            "refused_right_frames": self.refused_right,
            "degraded_frames": self.degraded,
            "accepted_wrong_frames": self.accepted_wrong,
        }
