"""`hil cost`: what a correct answer costs in orbit and on the ground, from the numbers of runs."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hil.cli import completion
from hil.cli.cost_subjects import check_campaign_options, priced_subject
from hil.cli.options import Json
from hil.cli.outlook import OutlookOptions
from hil.cli.output import answer, show
from hil.errors import UsageError
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from hil.analysis.economics.price_table import PriceTable
    from hil.analysis.economics.priced_run import PricedRun

__all__ = ["HELP", "cost"]

_WIDTH: Final = 100

HELP: Final = (
    "Price the correct answers of runs: in orbit, with the power, redundancy, recoveries and "
    "escapes of the run, and of the same work on the ground.\n\n"
    "A scenario is run for that, on its own software boards. The result of a campaign is taken to "
    "the orbit of a scenario (--orbit): one computer, with the exact shares of its outcomes.\n\n"
    "An answer is what the workload computes in one frame. Prices are stated with source and date "
    "(--prices shows them), each as low, most likely and high; all may be replaced. Of two or more "
    "runs of the same work: from which price of a wrong answer the safer one pays."
)


_Subjects = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SCENARIO|RUN|CAMPAIGN]...",
        help="Scenarios, folders of runs, results of campaigns.",
        autocompletion=completion.priced,
    ),
]
_Prices = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Replace a price: one number, or LOW..MODE..HIGH; repeatable.",
        autocompletion=completion.prices,
    ),
]
_Orbit = Annotated[
    str | None,
    typer.Option(
        metavar="SCENARIO",
        help="Of campaigns: the orbit.",
        autocompletion=completion.orbits,
    ),
]
_Profile = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Of campaigns: the board that flies.",
        autocompletion=completion.profiles,
    ),
]
_Duty = Annotated[
    float | None,
    typer.Option(metavar="SHARE", help="Of campaigns: of the time that the step runs."),
]


def cost(  # noqa: PLR0913, PLR0917  (every option is one)
    subjects: _Subjects = None,
    prices: Annotated[
        bool, typer.Option("--prices", help="List all prices with their sources, and end.")
    ] = False,
    price_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="YAML file with prices of your own.")
    ] = None,
    price: _Prices = None,
    wrong_answer: Annotated[
        float, typer.Option(metavar="USD", help="What each wrong answer costs its user.")
    ] = 0.0,
    node_w: Annotated[
        float | None,
        typer.Option(metavar="WATT", help="Power of each node; default: as recorded."),
    ] = None,
    ground_nodes: Annotated[
        int, typer.Option(metavar="N", min=1, max=7, help="Computers that do it on the ground.")
    ] = 1,
    orbit: _Orbit = None,
    profile: _Profile = None,
    duty: _Duty = None,
    draws: Annotated[
        int, typer.Option(metavar="N", min=100, max=1_000_000, help="Draws of all prices.")
    ] = 4000,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of the draws.")] = 1,
    as_json: Json = False,
) -> int:
    """Price the correct answers of runs (see `HELP`)."""
    from hil.analysis.economics.pair_price import pair_price
    from hil.analysis.economics.price_table import given_price, shipped_prices
    from hil.analysis.economics.priced_run import Terms
    from hil.views.cost import cost_tables

    table = shipped_prices()
    if price_file is not None:
        table = table.with_file(price_file)
    table = table.replaced([given_price(text, table) for text in price or []])
    if prices:
        _list_prices(table, as_json=as_json)
        return Exit.PASS
    if not subjects:
        raise UsageError("the answers of which run?", remedy="hil cost RUN, or hil cost --prices")
    _check_positive("--wrong-answer", wrong_answer, or_zero=True)
    if node_w is not None:
        _check_positive("--node-w", node_w)
    terms = Terms(table, wrong_answer, node_w, ground_nodes, draws, seed)
    outlook = OutlookOptions(None, factors=False, orbit=orbit, profile=profile, duty=duty)
    check_campaign_options(subjects, outlook)
    priced = [priced_subject(subject, terms, outlook) for subject in subjects]
    names = _names(priced, subjects)
    pairs = [
        pair_price(priced[0], other, (names[0], name))
        for other, name in zip(priced[1:], names[1:], strict=True)
    ]
    if as_json:
        answer({"runs": [p.as_json() for p in priced], "pairs": [p.as_json() for p in pairs]})
    else:
        show(lambda _: cost_tables(priced, names, pairs), width=_WIDTH)
    return Exit.PASS


def _names(priced: Sequence[PricedRun], subjects: Sequence[str]) -> list[str]:
    """Return a name for each run: that of its scenario, with what it was named on the command line
    where several have the same one."""
    names = [run.work.counts.name for run in priced]
    return [
        f"{name} in {subject}" if names.count(name) > 1 and name != subject else name
        for name, subject in zip(names, subjects, strict=True)
    ]


def _list_prices(table: PriceTable, *, as_json: bool) -> None:
    from hil.views.cost import price_list

    if as_json:
        answer({name: asdict(price) for name, price in table.items()})
    else:
        show(lambda _: price_list(table), width=_WIDTH)


def _check_positive(option: str, value: float, *, or_zero: bool = False) -> None:
    from hil.analysis.economics.price_table import MOST_USD

    if not math.isfinite(value) or value < 0.0 or (value == 0.0 and not or_zero):
        what = "a number from 0 on" if or_zero else "a number above 0"
        raise UsageError(f"{option} {value:g} is not {what}")
    if value > MOST_USD:
        raise UsageError(f"{option} {value:g} is above {MOST_USD:g}, the most that is priced")
