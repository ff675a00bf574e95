"""`hil training`: what upsets do to a training run, by how it is protected."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hil.cli import completion
from hil.cli.options import Json
from hil.cli.output import answer, say, show
from hil.errors import UsageError
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from hil.scenario import Scenario, UpsetTarget

__all__ = ["HELP", "training"]

_EVERY_S: Final = 5.0
_WIDTH: Final = 100

HELP: Final = (
    "Hit a training run with single upsets, once for each way to protect it, and compare what "
    "becomes of its loss: no protection, a step that is computed again if its update spikes, a "
    "checkpoint to which it goes back if its loss spikes, two nodes with rollback, and three that "
    "are voted on.\n\n"
    "Length, seed and boards are those of the scenario. Its workload must be `train`, or a variant "
    "of it."
)


def training(  # noqa: PLR0917  (every option is one)
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO",
            help="A file, or the name of a shipped scenario.",
            autocompletion=completion.trainings,
        ),
    ],
    upsets: Annotated[
        int, typer.Option(metavar="N", min=1, max=100_000, help="How many upsets are drawn.")
    ] = 20,
    targets: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            autocompletion=completion.trained_target_lists,
            help="What they hit, in turn: state, heap, stack, gpr, vector (state,heap,gpr; on "
            "inproc boards state).",
        ),
    ] = None,
    boards: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="inproc or process, for all nodes.",
            autocompletion=completion.fast_kinds,
        ),
    ] = None,
    frames: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="The length of each run.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Of the weights, the data and the upsets.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Compare ways to protect a training run (see `HELP`)."""
    from hil.analysis.training_outcome import is_training
    from hil.campaign.training_runs import compare_training
    from hil.scenario import Overrides, load_scenario
    from hil.views.training import training_comparison

    loaded = load_scenario(scenario, Overrides(board=boards, frames=frames, seed=seed))
    if not is_training(loaded.workload_name):
        raise UsageError(
            f"the workload of {scenario} is {loaded.workload_name}, which does not train",
            remedy="take a scenario with `workload: train`, such as train-upsets",
        )
    comparison = compare_training(loaded, _targets(targets, loaded), upsets, _Reporter().report)
    if as_json:
        answer(comparison.as_json())
    else:
        show(lambda glyphs: training_comparison(comparison, glyphs), width=_WIDTH)
    return Exit.PASS


def _targets(text: str | None, scenario: Scenario) -> tuple[UpsetTarget, ...]:
    """Return the targets that are named, or those of the kind of boards. Raises: UsageError."""
    from hil.campaign.training_runs import TARGETS
    from hil.scenario import BoardKind, UpsetTarget

    if text is None:
        inproc = any(node.board is BoardKind.INPROC for node in scenario.rig.nodes)
        usual = (UpsetTarget.STATE, UpsetTarget.HEAP, UpsetTarget.GPR)
        return usual[:1] if inproc else usual
    known = {target.value: target for target in TARGETS}
    names = [name.strip() for name in text.split(",")]
    wrong = [name for name in names if name not in known]
    if wrong or len(set(names)) < len(names):
        what = f"`{wrong[0]}` is none of them" if wrong else "it names each at most once"
        raise UsageError(f"--targets {text!r}: {what}", remedy=f"targets: {', '.join(known)}")
    return tuple(known[name] for name in names)


class _Reporter:
    """Prints the progress every few seconds."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _EVERY_S

    def report(self, done: int, total: int) -> None:
        """Take the progress; print it if that is due."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _EVERY_S
            say(f"{done / total:4.0%} of {total:,} runs")
