"""The exact campaign: an experiment for every class of faults of one step.

The boards of a campaign share its experiments: each has a contiguous part of them, walks the
fault-free step there and carries them out in place. What a board reports is checked against the
path of the fault-free step, and kept in the journal before the next is asked for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hil.campaign.bench import HeldBoard
from hil.campaign.plan import BITS, Batch, ExactPlan
from hil.errors import LinkTimeout, NodeError, SetupError
from hil.record.campaign_journal import CampaignJournal
from hil.record.campaign_rows import EFFECTS
from hil.upsets.words import NodeEffect
from hil.wire.campaign import Outcomes

__all__ = ["ExactRun", "effects_of", "missing_ranges"]

_TRIES: Final = 3
_CODES: Final = (NodeEffect.MASKED, NodeEffect.LATENT, NodeEffect.SDC)
"""The effects of the first three outcome codes of a board."""
_FAILED: Final = 3
_HANG: Final = 0
_COUNT: Final = 255


@dataclass(frozen=True, slots=True)
class CampaignProgress:
    """The progress of a campaign, in experiments; `effects` counts those done by effect."""

    done: int
    total: int
    effects: Counter[NodeEffect]


def effects_of(outcomes: Outcomes) -> tuple[bytes, bytes]:
    """Return numbers of `EFFECTS` and details of the experiments of one answer, a byte for each."""
    number = {effect: i for i, effect in enumerate(EFFECTS)}
    effects, details, more = bytearray(), bytearray(), iter(outcomes.details)
    for code in outcomes.codes:
        if code == _FAILED:
            detail = next(more)
            failure = {_HANG: NodeEffect.HANG, _COUNT: NodeEffect.DETECTED}
            effect = failure.get(detail, NodeEffect.CRASH)
            details.append(detail if effect is NodeEffect.CRASH else 0)
        else:
            effect = _CODES[code]
            details.append(next(more) if effect is NodeEffect.SDC else 0)
        effects.append(number[effect])
    return bytes(effects), bytes(details)


def missing_ranges(done: Sequence[tuple[int, int]], classes: int) -> list[tuple[int, int]]:
    """Return the ranges of classes, as (first, end), that are not among `done`, which are (first,
    count) in order."""
    missing, at = [], 0
    for first, count in done:
        if first > at:
            missing.append((at, first))
        at = first + count
    if at < classes:
        missing.append((at, classes))
    return missing


class ExactRun:
    """Carries out the experiments of `plan` and keeps their outcomes in `journal`. `report` gets
    the progress, from any thread. Thread-safe: each board has a thread of its own."""

    def __init__(
        self,
        plan: ExactPlan,
        journal: CampaignJournal,
        report: Callable[[CampaignProgress], None],
    ) -> None:
        self._plan = plan
        self._journal = journal
        self._report = report
        self._lock = threading.Lock()
        self._effects: Counter[NodeEffect] = Counter()
        self._stopped = threading.Event()
        for _, effects, _ in journal.parts():
            self._count(effects)

    def _count(self, effects: bytes) -> None:
        for number, effect in enumerate(EFFECTS):
            self._effects[effect] += effects.count(number)

    def stop(self) -> None:
        """Make all boards stop after the request that they carry out."""
        self._stopped.set()

    @property
    def progress(self) -> CampaignProgress:
        """Return how far the campaign is."""
        total = BITS * self._plan.classes
        return CampaignProgress(self._effects.total(), total, Counter(self._effects))

    def carry_out(self, board: HeldBoard, first: int, end: int) -> None:
        """Carry out the experiments of the classes from `first` to `end` on one board.

        Raises: SetupError if it leaves the fault-free path; LinkTimeout or NodeError if it fails
        again and again; RecordError."""
        for batch in self._plan.batches(first, end):
            if self._stopped.is_set():
                return
            effects, details = effects_of(self._outcomes(board, batch))
            with self._lock:
                self._journal.add(batch.first, effects, details)
                self._count(effects)
                progress = self.progress
            self._report(progress)

    def _outcomes(self, board: HeldBoard, batch: Batch) -> Outcomes:
        for left in reversed(range(_TRIES)):
            try:
                outcomes = board.step.run(batch.sites, severity=True)
            except (LinkTimeout, NodeError):
                if not left:
                    raise
                board.hold_again()
                continue
            self._check(board, batch, outcomes)
            return outcomes
        raise AssertionError  # the last try returns or raises

    def _check(self, board: HeldBoard, batch: Batch, outcomes: Outcomes) -> None:
        position = batch.sites[-1].position
        path = self._plan.path[position]
        if (outcomes.position, outcomes.path) != (position, path):
            raise SetupError(
                f"node {board.node.name} does not walk the path of the fault-free step: at "
                f"instruction {position} its digest is {outcomes.path:#x}, not {path:#x}",
                remedy="its agent must be the same build, at fixed addresses (`hil doctor`)",
            )
        if len(outcomes.codes) != BITS * batch.count:
            raise SetupError(f"node {board.node.name} left experiments out")
