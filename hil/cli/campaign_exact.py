"""`hil campaign --exact`: all single-bit faults of one step."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hil.cli.campaign_progress import CampaignDisplay, CampaignShow
from hil.cli.output import answer, say, show
from hil.errors import UsageError

if TYPE_CHECKING:
    from hil.scenario import Scenario, UpsetTarget

__all__ = ["ExactChoice", "exact_campaign"]


@dataclass(frozen=True, slots=True)
class ExactChoice:
    """The options of an exact campaign; `dask`: the address of a cluster, None for boards here."""

    scenario: Scenario
    targets: tuple[UpsetTarget, ...]
    frame: int
    path: Path
    workers: int
    dask: str | None


def exact_campaign(choice: ExactChoice, shown: CampaignShow) -> None:
    """Carry out an exact campaign and print its table."""
    from hil.campaign.exact_campaign import ExactOrder, run_exact_campaign
    from hil.record.campaign_file import CampaignFile
    from hil.record.campaign_summary import campaign_summary
    from hil.views.campaign import campaign_table

    scenario, frame, path = choice.scenario, choice.frame, choice.path
    if frame >= scenario.frame_count:
        raise UsageError(
            f"--frame {frame}: {scenario.name} has {scenario.frame_count} frames",
            remedy=f"name one from 0 to {scenario.frame_count - 1}",
        )
    order = ExactOrder(scenario, frame, choice.targets, path, choice.workers, choice.dask)
    targets = ",".join(choice.targets)
    display = CampaignDisplay(
        f"{scenario.name}: every fault of step {frame} of {scenario.workload_name}, in {targets}",
        screen=not (shown.no_tui or shown.as_json or shown.quiet),
        quiet=shown.quiet,
        ascii_only=shown.ascii_only,
    )
    display.carry_out(partial(run_exact_campaign, order))
    with CampaignFile(path) as file:
        summary = campaign_summary(file)
    if shown.as_json:
        answer({"result": str(path), **summary.as_json()})
    else:
        show(lambda glyphs: campaign_table(summary, glyphs))
        if not shown.quiet:
            say(f"written: {path}")
