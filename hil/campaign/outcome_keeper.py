"""Keeps what a campaign's experiments come to: each outcome in the journal, then counted."""

from __future__ import annotations

from collections.abc import Callable

from hil.campaign.executor import RangeOutcomes
from hil.campaign.fault_layout import FaultLayout
from hil.campaign.progress import CampaignProgress, CampaignTally
from hil.campaign.ranges import Range, missing_ranges
from hil.record.campaign_journal import CampaignJournal

__all__ = ["OutcomeKeeper"]


class OutcomeKeeper:
    """Keeps outcomes in `journal` and counts them, with those that the journal has already.
    `report` gets the progress now and with every outcome; `units` are wanted (None: all).
    Thread-safe for one thread at a time."""

    def __init__(
        self,
        journal: CampaignJournal,
        layout: FaultLayout,
        report: Callable[[CampaignProgress], None],
        units: int | None = None,
    ) -> None:
        self._journal = journal
        self._layout = layout
        self._report = report
        self._units = 0
        self._tally = CampaignTally(layout, units)
        self._count_kept(layout.units)

    def _count_kept(self, more: int) -> None:
        """Count what the journal has of the next units."""
        first, self._units = self._units, self._units + more
        for at, effects, details in self._journal.parts(first, self._units):
            count = len(effects) // self._layout.per_unit
            self._tally.add(RangeOutcomes(at, count, effects, details))
        self._report(self._tally.progress)

    def extend(self, layout: FaultLayout) -> None:
        """Add units, which are numbered from the last one on."""
        self._tally.extend(layout)
        self._count_kept(layout.units)

    def missing(self) -> list[Range]:
        """Return the units whose outcomes the journal does not have."""
        per_unit = self._layout.per_unit
        done = [(first, len(effects) // per_unit) for first, effects, _ in self._journal.parts()]
        return missing_ranges(done, self._units)

    def keep(self, outcomes: RangeOutcomes) -> None:
        """Keep the outcomes of a range. Raises: RecordError."""
        what = (outcomes.effects, outcomes.details, outcomes.endings)
        self._journal.add(outcomes.first, *what)
        self._tally.add(outcomes)
        self._report(self._tally.progress)
