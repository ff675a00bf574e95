"""The experiments of an exact campaign: some for every class of faults of one step.

A board walks the fault-free step to each site and carries the experiments out in place. What it
reports is checked against the path of the fault-free step."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from hil.campaign.bench import HeldBoard
from hil.campaign.ending_reader import EFFECTS_ONLY, EndingReader, Wanted
from hil.campaign.executor import RangeOutcomes
from hil.campaign.plan import BITS, Batch, ExactPlan
from hil.campaign.ranges import Range
from hil.errors import SetupError
from hil.record.campaign_endings import pack_endings
from hil.record.campaign_rows import EFFECTS
from hil.upsets.words import NodeEffect
from hil.wire.campaign import OpenedStep, Site, Space
from hil.wire.outcomes import Outcomes, malformed

__all__ = ["ExactExperiments", "check_path", "effects_of"]

_CODES: Final = (NodeEffect.MASKED, NodeEffect.LATENT, NodeEffect.SDC, NodeEffect.CRASH)
_NUMBERS: Final = np.array([EFFECTS.index(effect) for effect in _CODES], np.uint8)
"""The numbers of the effects of the outcome codes of a board; the last is that of most failures."""
_SDC: Final = 2
_FAILED: Final = 3
_HANG: Final = 0
_COUNT: Final = 255


def effects_of(outcomes: Outcomes) -> tuple[bytes, bytes]:
    """Return numbers of `EFFECTS` and details of the experiments of one answer, a byte for each.
    Raises: KernelError if its details are not theirs."""
    codes = np.frombuffer(outcomes.codes, np.uint8)
    failed = codes == _FAILED
    detail = np.zeros(len(codes), np.uint8)
    told = failed | (codes == _SDC)
    if np.count_nonzero(told) != len(outcomes.details):
        raise malformed("as many details as wrong outputs and failures are expected")
    detail[told] = np.frombuffer(outcomes.details, np.uint8)
    effects = _NUMBERS[codes]
    effects[failed & (detail == _HANG)] = EFFECTS.index(NodeEffect.HANG)
    effects[failed & (detail == _COUNT)] = EFFECTS.index(NodeEffect.DETECTED)
    detail[failed & (detail == _COUNT)] = 0
    return effects.tobytes(), detail.tobytes()


@dataclass(frozen=True, slots=True)
class ExactExperiments:
    """The experiments of `plan`, whose units are its classes. `opened` is the layout of the worker
    on the board that the plan was made with, `limit_us` the CPU time from which on a step hangs
    there. `wanted`: what is to be found out beyond effects."""

    plan: ExactPlan
    opened: OpenedStep
    limit_us: int
    wanted: Wanted = EFFECTS_ONLY

    @property
    def digest(self) -> str:
        """Return the digest of the plan."""
        return self.plan.digest

    def admit(self, board: HeldBoard) -> None:
        """Check that a board has the same worker, and walks the whole path of the fault-free step;
        give it the same limit of CPU time. Raises: SetupError, LinkTimeout, NodeError."""
        board.limit_cpu(self.limit_us)
        if board.step.opened != self.opened:
            raise _another_build(board, "its worker lies otherwise in memory")
        last = Site(self.plan.length, Space.MEMORY, self.opened.input_at, 1)
        outcomes = board.step.run([last], severity=True)
        check_path(board, self.plan, self.plan.length, outcomes)

    def carry_out(
        self,
        board: HeldBoard,
        units: Range,
        keep: Callable[[RangeOutcomes], None],
        stopped: Callable[[], bool],
    ) -> None:
        """Carry out the experiments of a range of classes; give `keep` what each request came to.

        Raises: SetupError if the board leaves the fault-free path; LinkTimeout or NodeError if it
        fails again and again; what `keep` raises."""
        if self.wanted.follow:
            board.follow(self.wanted.follow, restored=False)
        reader = EndingReader(board, self.wanted)

        def take(batch: Batch, outcomes: Outcomes) -> int:
            check_path(board, self.plan, batch.sites[-1].position, outcomes)
            if len(outcomes.codes) != BITS * batch.count:
                raise SetupError(f"node {board.node.name} left experiments out")
            plain, more = reader.read(outcomes)
            part = RangeOutcomes(batch.first, batch.count, *effects_of(plain))
            keep(replace(part, endings=pack_endings(more)))
            return batch.first + batch.count

        board.carry_on(units, partial(self._carry_out_from, board), take, stopped)

    def _carry_out_from(
        self,
        board: HeldBoard,
        units: Range,
        take: Callable[[Batch, Outcomes], None],
        stopped: Callable[[], bool],
    ) -> None:
        if self.wanted:  # the details of a request may not fit into one answer
            for batch in self.plan.batches(units.first, units.end):
                if stopped():
                    return
                take(batch, board.step.run(batch.sites, details=self.wanted.details))
            return
        under_way: deque[Batch] = deque()

        def requests() -> Iterator[Sequence[Site]]:
            for batch in self.plan.batches(units.first, units.end):
                if stopped():
                    return
                under_way.append(batch)
                yield batch.sites

        board.step.run_all(requests(), lambda outcomes: take(under_way.popleft(), outcomes))


def check_path(board: HeldBoard, plan: ExactPlan, position: int, outcomes: Outcomes) -> None:
    """Check that a board was on the path of the fault-free step when it carried out experiments,
    the last of them at `position`. Raises: SetupError."""
    path = plan.path[position]
    if (outcomes.position, outcomes.path) != (position, path):
        raise _another_build(
            board,
            f"at instruction {position} the digest of its path is {outcomes.path:#x}, "
            f"not {path:#x}",
        )


def _another_build(board: HeldBoard, why: str) -> SetupError:
    return SetupError(
        f"node {board.node.name} does not walk the path of the fault-free step: {why}",
        remedy="its agent must be the same build, at fixed addresses (`hil doctor`)",
    )
