"""`hil campaign`: what upsets of a step come to, all of them or a sample."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hil.cli.campaign_progress import CampaignDisplay, Dask, TableAlone, check_executor
from hil.cli.options import Ascii, Json
from hil.cli.output import answer, say, show
from hil.cli.run_options import NoTui
from hil.errors import UsageError
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from hil.scenario import Scenario, UpsetTarget

__all__ = ["HELP", "campaign"]

_DEFAULT_TARGETS: Final = "state,input,output,heap"

HELP: Final = (
    "Hit every bit of a step before every instruction, and say exactly what that comes to.\n\n"
    "The result file is the same bit for bit whenever it is repeated. A campaign that was "
    "interrupted continues when the same command is given again."
)


def campaign(  # noqa: PLR0913, PLR0917  (every option is one)
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="A file, or a shipped one.")],
    exact: Annotated[
        bool, typer.Option("--exact", help="All single-bit faults of one step.")
    ] = False,
    targets: Annotated[
        str, typer.Option(metavar="A,B", help="state, input, output, heap, stack, gpr, vector.")
    ] = _DEFAULT_TARGETS,
    frame: Annotated[int, typer.Option(metavar="N", help="The step of this frame.", min=0)] = 3,
    boards: Annotated[
        str | None, typer.Option(metavar="KIND", help="process or emulated, instead of its own.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", help="Boards that share the work; default: cores.", min=1),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The result; default: SCENARIO.campaign.")
    ] = None,
    dask: Dask = None,
    no_tui: NoTui = False,
    ascii_only: Ascii = False,
    as_json: Json = False,
    quiet: TableAlone = False,
) -> int:
    """Carry out a campaign (see `HELP`)."""
    from hil.campaign.exact_campaign import ExactOrder, run_exact_campaign
    from hil.record.campaign_file import CampaignFile
    from hil.record.campaign_summary import campaign_summary
    from hil.scenario import Overrides, load
    from hil.views.campaign import campaign_table

    if not exact:
        raise UsageError("which campaign?", remedy="hil campaign SCENARIO --exact")
    loaded = load(scenario, Overrides(board=boards))
    plan = loaded.scenario
    path = Path(f"{plan.name}.campaign") if out is None else out
    _check(plan, frame, path)
    check_executor(dask, workers)
    count = workers or _default_workers(plan)
    order = ExactOrder(plan, frame, _targets(targets), path, count, dask)
    display = CampaignDisplay(
        f"{plan.name}: every fault of step {frame} of {plan.workload_name}, in {targets}",
        screen=not (no_tui or as_json or quiet),
        quiet=quiet,
        ascii_only=ascii_only,
    )
    display.carry_out(partial(run_exact_campaign, order))
    with CampaignFile(path) as file:
        summary = campaign_summary(file)
    if as_json:
        answer({"result": str(path), **summary.as_json()})
    else:
        show(lambda glyphs: campaign_table(summary, glyphs))
        if not quiet:
            say(f"written: {path}")
    return Exit.PASS


def _check(plan: Scenario, frame: int, path: Path) -> None:
    """Check where a campaign is to strike and to write. Raises: UsageError."""
    if not path.parent.is_dir():
        raise UsageError(f"--out {path}: there is no folder {path.parent}", remedy="make it first")
    if frame >= plan.frame_count:
        raise UsageError(
            f"--frame {frame}: {plan.name} has {plan.frame_count} frames",
            remedy=f"name one from 0 to {plan.frame_count - 1}",
        )


def _targets(text: str) -> tuple[UpsetTarget, ...]:
    """Return the targets that are named. Raises: UsageError."""
    from hil.campaign.regions import EXACT_TARGETS

    known = {target.value: target for target in EXACT_TARGETS}
    names = [name.strip() for name in text.split(",") if name.strip()]
    wrong = [name for name in names if name not in known]
    if wrong or not names or len(set(names)) < len(names):
        what = f"`{wrong[0]}` is none of them" if wrong else "it names each at most once"
        raise UsageError(
            f"--targets {text!r}: {what}",
            remedy=f"targets of an exact campaign: {', '.join(known)}",
        )
    return tuple(known[name] for name in names)


def _default_workers(scenario: Scenario) -> int:
    """Return how many boards share the work: as many as cores for processes, else all there are."""
    from hil.scenario import BoardKind

    nodes = scenario.rig.nodes
    if nodes[0].board is BoardKind.PROCESS:
        return len(os.sched_getaffinity(0))
    return len(nodes)
