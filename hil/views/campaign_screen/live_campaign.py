"""The reports of a campaign that is going on, for a screen in another thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from hil.views.campaign_screen.rates import RateMeter

if TYPE_CHECKING:
    from hil.campaign.progress import CampaignProgress

__all__ = ["LiveCampaign"]


class LiveCampaign:
    """The newest report of a campaign. `title` names it; `clock` returns seconds.

    `report`, `say` and `end` may be called from any thread and never wait; the rest is for the
    thread of the screen alone."""

    def __init__(self, title: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.title = title
        self.progress: CampaignProgress | None = None
        self.notes: list[str] = []
        self._clock = clock
        self._began_s = clock()
        self._rate = RateMeter()
        self._worker_rates: dict[str, RateMeter] = {}
        self._ended = threading.Event()

    def report(self, progress: CampaignProgress) -> None:
        """Take the progress."""
        self.progress = progress

    def say(self, text: str) -> None:
        """Take a sentence on what begins, or was found."""
        self.notes.append(text)

    def end(self) -> None:
        """Note that nothing more will come."""
        self._ended.set()

    @property
    def ended(self) -> bool:
        """Return whether the campaign has ended, however it did."""
        return self._ended.is_set()

    @property
    def elapsed_s(self) -> float:
        """Return the time since the beginning [s]."""
        return self._clock() - self._began_s

    @property
    def rate(self) -> RateMeter:
        """Return the rate of all boards together."""
        return self._rate

    @property
    def worker_rates(self) -> Mapping[str, RateMeter]:
        """Return the rate of each board that has carried out experiments."""
        return self._worker_rates

    def measure(self) -> None:
        """Note how far all boards are now."""
        progress, now = self.progress, self._clock()
        if progress is None:
            return
        self._rate.add(now, progress.done)
        for worker, count in progress.tally.workers().items():
            if worker not in self._worker_rates:
                meter = self._worker_rates[worker] = RateMeter()
                meter.add(now, count)
            self._worker_rates[worker].add(now, count)
