"""The progress of a campaign, on a screen, in lines or not at all; and where it is carried out."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Protocol

import typer

from hil.cli.output import has_screen, say, wants_ascii
from hil.errors import UsageError

if TYPE_CHECKING:
    from hil.campaign.progress import CampaignProgress

__all__ = [
    "CampaignDisplay",
    "CampaignShow",
    "Dask",
    "ProgressLines",
    "TableAlone",
    "check_executor",
]

Dask = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Boards of a dask cluster: tcp://HOST:PORT."),
]
TableAlone = Annotated[bool, typer.Option("--quiet", "-q", help="Print the table alone.")]

_EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class CampaignShow:
    """The options that say what a campaign shows while it goes on, and at its end."""

    no_tui: bool
    ascii_only: bool
    quiet: bool
    as_json: bool


def check_executor(dask: str | None, workers: int | None) -> None:
    """Check the options that say who carries a campaign out. Raises: UsageError."""
    if dask is not None and workers is not None:
        raise UsageError(
            "--workers is for boards of this computer, --dask for those of a cluster",
            remedy="leave one out; each worker of a cluster says how many boards it offers",
        )


class _Campaign(Protocol):
    """What carries a campaign out, and reports how far it is."""

    def __call__(
        self,
        report: Callable[[CampaignProgress], None],
        say: Callable[[str], None],
        stopped: Callable[[], bool],
    ) -> None: ...


class CampaignDisplay:
    """Shows a campaign named `title` while it is carried out: on a screen if one is wanted and
    possible, else a line every few seconds, or nothing if `quiet`."""

    def __init__(self, title: str, *, screen: bool, quiet: bool, ascii_only: bool) -> None:
        self._title = title
        self._screen = screen and has_screen()
        self._quiet = quiet
        self._ascii_only = ascii_only

    def carry_out(self, campaign: _Campaign) -> None:
        """Carry a campaign out and show its progress. Raises: what `campaign` raises;
        KeyboardInterrupt if the user stops it."""
        try:
            if self._screen:
                self._on_screen(campaign)
            elif self._quiet:
                campaign(lambda _: None, lambda _: None, lambda: False)
            else:
                campaign(ProgressLines().report, say, lambda: False)
        except KeyboardInterrupt:
            say("stopped: the same command continues this campaign")
            raise

    def _on_screen(self, campaign: _Campaign) -> None:
        from hil.views.campaign_screen.campaign_app import show_campaign
        from hil.views.campaign_screen.live_campaign import LiveCampaign

        live = LiveCampaign(self._title)
        show_campaign(
            live,
            lambda stopped: campaign(live.report, live.say, stopped),
            ascii_only=wants_ascii(self._ascii_only),
        )
        progress = live.progress
        if progress is not None:
            live.measure()
            say(f"{progress.done:,} experiments, {live.rate.mean:,.0f}/s")


class ProgressLines:
    """Prints the progress every few seconds."""

    def __init__(self) -> None:
        self._began = self._next = time.monotonic()
        self._first: int | None = None

    def report(self, progress: CampaignProgress) -> None:
        """Take the progress; print it if that is due."""
        now = time.monotonic()
        if self._first is None:
            self._first, self._began, self._next = progress.done, now, now + _EVERY_S
        if now < self._next:
            return
        self._next = now + _EVERY_S
        rate = (progress.done - self._first) / (now - self._began)
        left_s = (progress.total - progress.done) / rate if rate else 0.0
        shares = ", ".join(
            f"{effect.value} {count / progress.done:.1%}"
            for effect, count in progress.effects.most_common()
            if count
        )
        say(f"{progress.done / progress.total:4.0%}  {rate:,.0f}/s  {left_s:.0f} s left  {shares}")
