"""`hil campaign --exact`: all single-bit faults of one step."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hil.cli.campaign_progress import CampaignDisplay, CampaignShow
from hil.cli.campaign_results import print_result
from hil.cli.evidence import keep_evidence
from hil.cli.output import say
from hil.errors import UsageError
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from hil.campaign.part import CampaignPart
    from hil.scenario import Scenario, UpsetTarget

__all__ = ["ExactChoice", "carry_out_exact", "check_frame", "exact_campaign"]


@dataclass(frozen=True, slots=True)
class ExactChoice:
    """The options of an exact campaign; `dask`: the address of a cluster, None for boards here;
    `severity`: judge wrong outputs; `follow`: how many steps latent faults are followed for;
    `source`: the scenario as it was named."""

    scenario: Scenario
    targets: tuple[UpsetTarget, ...]
    frame: int
    path: Path
    workers: int
    dask: str | None
    severity: bool = False
    follow: int = 0
    part: CampaignPart | None = None
    source: str = ""


def exact_campaign(choice: ExactChoice, shown: CampaignShow) -> int:
    """Carry out an exact campaign and print its table; return the exit code."""
    carry_out_exact(choice, shown)
    keep_evidence(choice.path)
    print_result(choice.path, shown.as_json)
    if not shown.as_json and not shown.quiet:
        say(f"written: {choice.path}")
    return Exit.PASS


def carry_out_exact(choice: ExactChoice, shown: CampaignShow) -> None:
    """Carry out an exact campaign and write its result. Raises: as `run_exact_campaign`."""
    from hil.campaign.ending_reader import Wanted
    from hil.campaign.exact_campaign import ExactOrder, run_exact_campaign
    from hil.campaign.part import WHOLE

    scenario, frame, path = choice.scenario, choice.frame, choice.path
    check_frame(scenario, frame)
    wanted = Wanted(choice.severity, _steps_to_follow(scenario, frame, choice.follow))
    where = (path, choice.workers, choice.dask, wanted, choice.part or WHOLE, choice.source)
    order = ExactOrder(scenario, frame, choice.targets, *where)
    targets = ",".join(choice.targets)
    display = CampaignDisplay(
        f"{scenario.name}: every fault of step {frame} of {scenario.workload_name}, in {targets}",
        screen=not (shown.no_tui or shown.as_json or shown.quiet),
        quiet=shown.quiet,
        ascii_only=shown.ascii_only,
    )
    display.carry_out(partial(run_exact_campaign, order))


def check_frame(scenario: Scenario, frame: int) -> None:
    """Check that a scenario has a frame. Raises: UsageError if it does not."""
    if frame >= scenario.frame_count:
        raise UsageError(
            f"--frame {frame}: {scenario.name} has {scenario.frame_count} frames",
            remedy=f"name one from 0 to {scenario.frame_count - 1}",
        )


def _steps_to_follow(scenario: Scenario, frame: int, steps: int) -> int:
    """Return how many steps are followed. Raises: UsageError if there are not so many."""
    from hil.wire.campaign import FOLLOW_MAX

    most = min(FOLLOW_MAX, scenario.frame_count - frame - 1)
    if steps > most:
        raise UsageError(
            f"--follow {steps}: {most} steps of {scenario.name} can follow frame {frame}",
            remedy=f"follow up to {most}",
        )
    return steps
