"""The tables of `hil cost` say first how a run ended, and claim no more than was measured."""

from collections.abc import Sequence
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from hil.analysis.economics.pair_price import pair_price
from hil.analysis.economics.price_table import given_price
from hil.analysis.economics.priced_run import PricedRun
from hil.analysis.economics.run_ending import RunEnding
from hil.run_outcome import RunOutcome
from hil.views.cost import cost_tables

from ..analysis.economics.made_up_works import PRICES, SAME, counted, predicted, priced


def text_of(*runs: PricedRun) -> str:
    """Return all words of the tables of runs, called a and b, one blank between them."""
    names: Sequence[str] = ("a", "b")[: len(runs)]
    pairs = [pair_price(runs[0], other, ("a", "b")) for other in runs[1:]]
    console = Console(file=StringIO(), width=200)
    console.print(cost_tables(runs, names, pairs))
    assert isinstance(console.file, StringIO)
    return " ".join(console.file.getvalue().split())


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        (RunEnding(RunOutcome.PASS, False, 1000, 1000), "run passed; 1,000 frames correct"),
        (
            RunEnding(RunOutcome.FAIL, False, 1000, 1000, ("sdc_frames",)),
            "run FAILED: sdc_frames not as expected; 1,000 frames correct",
        ),
        (
            RunEnding(RunOutcome.ABORTED, False, 307, 1000, (), "the user"),
            "run ABORTED by the user; 307 of 1,000 frames; all numbers are of these frames alone",
        ),
        (RunEnding(RunOutcome.RUNNING, True, 307, 1000), "run STILL RUNNING; 307 of 1,000 frames"),
        (
            RunEnding(RunOutcome.RUNNING, False, 307, 1000),
            "run NOT ENDED: its process was killed, or failed; 307 of 1,000 frames",
        ),
        (RunEnding(RunOutcome.ERROR, False, 1, 1000), "run ERROR: the rig failed; 1 of 1,000"),
    ],
)
def test_the_end_of_a_run_is_said_before_its_numbers(ending: RunEnding, said: str) -> None:
    assert f"infer {said}" in text_of(priced(counted(1, 0), ending=ending))


def test_the_footnote_names_the_launch_prices_that_were_priced() -> None:
    shipped = text_of(priced(counted(1, 0)))
    assert "* launch prices as drawn, 629 to 5,500 USD/kg (quoted 2026-03-27)." in shipped
    mine = PRICES.replaced([given_price("launch_usd_per_kg=90", PRICES)])
    said = text_of(priced(counted(1, 0), prices=mine))
    assert "* a launch price of 90 USD/kg (given by the command line)." in said


def test_fewer_wrong_answers_are_claimed_only_where_they_are_shown() -> None:
    not_shown = text_of(priced(counted(1, 7)), priced(counted(3, 0, frames=600)))
    assert "The runs do not show that b (tmr) has fewer wrong answers than a" in not_shown
    assert "only where one costs more than" in not_shown and "pays beside" not in not_shown
    shown = text_of(priced(counted(1, 7)), priced(counted(3, 0, voted_accel=30.0)))
    assert "b (tmr) pays beside a (simplex) where a wrong answer costs more than" in shown
    assert "by the prices," in shown and "by the numbers of wrong answers)." in shown
    equal = text_of(priced(predicted(0, 0, 0)), priced(predicted(0, 0, 0, nodes=3)))
    assert "which has as many wrong answers" in equal


def test_other_work_is_priced_but_not_compared() -> None:
    other = priced(counted(3, 0), replace(SAME, workload="attitude"))
    said = text_of(priced(counted(1, 7)), other)
    assert "a (simplex) and b (tmr) do not do the same work: one computes infer, the other" in said
    assert "pays beside" not in said
