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
        self._tally = CampaignTally(layout, units)
        for first, effects, details in journal.parts():
            count = len(effects) // layout.per_unit
            self._tally.add(RangeOutcomes(first, count, effects, details))
        report(self._tally.progress)

    def missing(self) -> list[Range]:
        """Return the units whose outcomes the journal does not have."""
        per_unit = self._layout.per_unit
        done = [(first, len(effects) // per_unit) for first, effects, _ in self._journal.parts()]
        return missing_ranges(done, self._layout.units)

    def keep(self, outcomes: RangeOutcomes) -> None:
        """Keep the outcomes of a range. Raises: RecordError."""
        what = (outcomes.effects, outcomes.details, outcomes.endings)
        self._journal.add(outcomes.first, *what)
        self._tally.add(outcomes)
        self._report(self._tally.progress)
