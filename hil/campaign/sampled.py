"""The experiments of a sampled campaign: shared by several benches, kept in the journal.

Faults are carried out in the order of frames and of the time in them, stage by stage; the journal
knows them by their places in that order. So the outcomes do not depend on how many benches there
are, nor on where a campaign was interrupted."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from hil.campaign.laboratory import Laboratory
from hil.campaign.ranges import Range, missing_ranges, shares
from hil.campaign.sampling import FaultTable
from hil.record.campaign_journal import CampaignJournal
from hil.record.campaign_rows import EFFECTS
from hil.upsets.words import NodeEffect

__all__ = ["Outcome", "SampledProgress", "SampledRun"]

Outcome: TypeAlias = npt.NDArray[np.uint8]
"""One number for each fault of a table: of `EFFECTS`, or a detail."""


@dataclass(frozen=True, slots=True)
class SampledProgress:
    """The progress of a sampled campaign, in experiments; `effects` counts those done by effect.
    There are `total` if the precision that is wanted is never reached."""

    done: int
    total: int
    effects: Counter[NodeEffect]


class SampledRun:
    """Carries out faults and keeps their outcomes in `journal`. `report` gets the progress, from
    any thread; `most`: how many experiments there are if the precision is never reached."""

    def __init__(
        self, journal: CampaignJournal, most: int, report: Callable[[SampledProgress], None]
    ) -> None:
        self._journal = journal
        self._most = most
        self._report = report
        self._lock = threading.Lock()
        self._effects: Counter[NodeEffect] = Counter()
        self._stopped = threading.Event()
        self._places = 0  # of all stages so far

    def carry_out(
        self, laboratory: Laboratory, faults: FaultTable, workers: int
    ) -> tuple[Outcome, Outcome]:
        """Carry out the faults of one stage, or the rest of them; return effects and details.

        Raises: SetupError, LinkTimeout, NodeError, RecordError."""
        order = faults.order
        ordered, first = faults.chosen(order), self._places
        self._places += len(faults)
        done = [part for part in self._journal.parts() if first <= part[0] < self._places]
        for _, effects, _ in done:
            self._count(effects)
        ranges = [(at - first, len(effects)) for at, effects, _ in done]
        missing = missing_ranges(ranges, len(faults))
        if missing:
            self._share(laboratory, ordered, first, shares(missing, workers))
        return self._outcomes(order, first)

    def _share(
        self,
        laboratory: Laboratory,
        ordered: FaultTable,
        first: int,
        parts: Sequence[Sequence[Range]],
    ) -> None:
        """Carry out each share: this thread the first, others the rest."""
        failures: list[BaseException] = []

        def work(number: int) -> None:
            try:
                bench = laboratory.bench(number)
                for begin, end in parts[number]:
                    at = begin
                    for effects, details in bench.carry_out(ordered.chosen(slice(begin, end))):
                        self._keep(first + at, effects, details)
                        at += len(effects)
                        if self._stopped.is_set():
                            return
            except BaseException as error:  # noqa: BLE001  (raised again by the thread that waits)
                failures.append(error)
                self._stopped.set()

        threads = [
            threading.Thread(target=work, args=(number,), name=f"hil campaign {number}")
            for number in range(1, len(parts))
            if parts[number]
        ]
        for thread in threads:
            thread.start()
        try:
            work(0)
        finally:
            for thread in threads:
                thread.join()
        if failures:
            raise failures[0]

    def _keep(self, place: int, effects: bytes, details: bytes) -> None:
        with self._lock:
            self._journal.add(place, effects, details)
            self._count(effects)
            progress = SampledProgress(self._effects.total(), self._most, Counter(self._effects))
        self._report(progress)

    def _count(self, effects: bytes) -> None:
        for number, effect in enumerate(EFFECTS):
            self._effects[effect] += effects.count(number)

    def _outcomes(self, order: npt.NDArray[np.int64], first: int) -> tuple[Outcome, Outcome]:
        """Return the outcomes of a stage by the places of its faults in their table."""
        parts = [part for part in self._journal.parts() if first <= part[0] < self._places]
        out: list[Outcome] = []
        for column in (1, 2):
            ordered = np.frombuffer(b"".join(bytes(part[column]) for part in parts), np.uint8)
            values = np.empty(len(order), np.uint8)
            values[order] = ordered
            out.append(values)
        return out[0], out[1]
