"""The vote on the results of a frame: by one voter, or by replicas with views of their own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from hil.engine.frame_ballots import ballots_of
from hil.engine.frame_work import FrameWork
from hil.engine.long_outputs import with_all_outputs
from hil.engine.part_groups import RedundancyParts
from hil.engine.repair_scheduler import RepairScheduler
from hil.kernel import Golden
from hil.redundancy.electorate import Electorate
from hil.redundancy.hold import HeldOutput
from hil.redundancy.voting import HELD, HELD_WRONG, Ballot, Verdict
from hil.rig.rig import Rig

__all__ = ["FrameVote"]


class FrameVote:
    """Votes on frames by the scheme of `redundancy`. Not thread-safe."""

    def __init__(
        self, rig: Rig, golden: Golden, redundancy: RedundancyParts, scheduler: RepairScheduler
    ) -> None:
        self._rig = rig
        self._golden = golden
        self._redundancy = redundancy
        self._scheme = redundancy.scheme
        self._recovery = redundancy.recovery
        self._replicas = redundancy.replicas
        self._scheduler = scheduler

    def vote(self, frame: FrameWork, offer: HeldOutput | None) -> Verdict:
        """Return the verdict on the results of a frame; `offer` is the output that is held where
        there is none. Where replicas of the voter had different views, their verdicts are stored in
        `frame`."""
        if self._scheme.values is not None and self._rig.setup.long_outputs:
            length = self._golden.workload.output_len
            frame.results = with_all_outputs(self._rig, frame.results, length)
        ballots = ballots_of(self._rig, frame.results, self._scheme, self._golden)
        held = 0 if offer is None else HELD | (HELD_WRONG if offer.wrong else 0)
        replicas = self._replicas
        if replicas is None or not replicas.is_disturbed(frame.number):
            return self._decide(frame, held, ballots)
        voters, decide = self._recovery.voters, partial(self._decide, frame, held)
        voted = replicas.vote(frame.number, voters, ballots, frame.results, decide)
        frame.replicas, frame.copies_differed = voted.replicas, voted.differed
        return voted.verdict

    def _decide(self, frame: FrameWork, held: int, ballots: Sequence[Ballot]) -> Verdict:
        alone = self._scheduler.frames_alone
        return self._scheme.decide(
            frame.number,
            ballots,
            Electorate(self._recovery.voters, self._recovery.returning),
            self._golden.output_digest,
            frames_alone=alone,
            re_executed=frame.rolled_back or frame.disagreed,
            held=held,
            confirmed=frame.confirmed and not self._redundancy.withholds(alone + 1),
        )
