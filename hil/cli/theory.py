"""`hil theory`: models of reliability beside what runs measure."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hil.cli import completion
from hil.cli.options import Json
from hil.cli.output import answer, out, say, show
from hil.errors import UsageError
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from hil.analysis.model_row import ModelRow

__all__ = ["HELP", "theory"]

_EVERY_S: Final = 5.0
_WIDTH: Final = 150
_LEAST: Final = 10
"""Runs of an experiment; fewer have intervals that say nothing."""

HELP: Final = (
    "Theory beside measurement: run whole rigs many times, each with another seed and at high "
    "rates of upsets, and compare what they show with what models of reliability predict. The "
    "models are given the rates of the scenario and the exact share of hits that do harm; nothing "
    "is fitted. Where the two part, the assumption that fails is named.\n\n"
    "Without names, all experiments; --list names them. Exit code 1 if a model parts from the "
    "measurement whose assumptions the runs keep."
)


def theory(  # noqa: PLR0917  (every option is one)
    experiments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[EXPERIMENT]...", help="Which ones.", autocompletion=completion.experiments
        ),
    ] = None,
    runs: Annotated[
        int, typer.Option(metavar="N", help=f"Runs of each experiment, from {_LEAST} on.")
    ] = 100,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="Seed of the first run; others follow.")
    ] = 1,
    picture: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Draw it: .png, .svg or .pdf."),
    ] = None,
    coverage: Annotated[
        str | None,
        typer.Option(
            metavar="C,C...",
            help="With `coverage`: the shares of failures that are detected, from 0 to 1.",
        ),
    ] = None,
    names: Annotated[bool, typer.Option("--list", help="List the experiments.")] = False,
    as_json: Json = False,
) -> int:
    """Compare models of reliability with runs (see `HELP`)."""
    from hil.campaign.theory.experiments import EXPERIMENTS, chosen
    from hil.campaign.theory.order import COVERAGES, TheoryOrder
    from hil.views.model_rows import draw_model_rows, model_rows_report
    from hil.views.orbit import require_plotting

    if names:
        summaries = {name: one.summary for name, one in EXPERIMENTS.items()}
        if as_json:
            answer({**summaries})
        else:
            out("\n".join(f"{name:<12} {summary}" for name, summary in summaries.items()))
        return Exit.PASS
    if runs < _LEAST:
        raise UsageError(f"--runs {runs} is too few", remedy=f"name {_LEAST} or more")
    if picture is not None:
        require_plotting(picture)
    coverages = COVERAGES if coverage is None else _coverages(coverage, experiments or ())
    rows: dict[str, list[ModelRow]] = {}
    for name in chosen(experiments or ()):
        order = TheoryOrder(runs, seed, _Reporter(name).report, coverages)
        rows[name] = EXPERIMENTS[name].carry_out(order)
    if picture is not None:
        draw_model_rows(rows, picture)
    if as_json:
        answer({name: [row.as_json() for row in of_one] for name, of_one in rows.items()})
    else:
        show(lambda glyphs: model_rows_report(rows, glyphs), width=_WIDTH)
        if picture is not None:
            say(f"written: {picture}")
    surprised = any(row.is_surprise for of_one in rows.values() for row in of_one)
    return Exit.FAIL if surprised else Exit.PASS


def _coverages(text: str, experiments: Sequence[str]) -> tuple[float, ...]:
    if experiments and "coverage" not in experiments:
        raise UsageError(
            "--coverage is for the experiment `coverage`, which is not among those named",
            remedy="name it, or leave --coverage out",
        )
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if not values or not all(0.0 <= value <= 1.0 for value in values):
        raise UsageError(
            f"--coverage {text} is not valid; expected shares from 0 to 1, with commas between",
            remedy="write for example --coverage 0.8,0.95",
        )
    return values


class _Reporter:
    """Prints the progress of an experiment every few seconds."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._next = time.monotonic() + _EVERY_S

    def report(self, done: int, total: int) -> None:
        """Take the progress; print it if that is due."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _EVERY_S
            say(f"{self._name}: {done} of {total} runs")
