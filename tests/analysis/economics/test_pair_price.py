"""Which of two runs has fewer wrong answers, whether that is shown, and what one may then cost."""

from dataclasses import replace

import pytest

from hil.analysis.economics.conditions import WorkConditions, conditions_of_scenario
from hil.analysis.economics.pair_price import PairPrice, fewer_wrong, pair_price
from hil.analysis.economics.run_ending import RunEnding
from hil.analysis.economics.work import Work
from hil.run_outcome import RunOutcome
from hil.scenario import parse_scenario

from .made_up_works import SAME, counted, predicted, priced


def pair(
    a: Work, b: Work, conditions: tuple[WorkConditions, WorkConditions] = (SAME, SAME)
) -> PairPrice:
    return pair_price(priced(a, conditions[0]), priced(b, conditions[1]), ("a", "b"))


def test_a_short_run_without_wrong_answers_does_not_show_that_there_are_fewer() -> None:
    """Seven escapes in 10,000 s may be 2.8 to 14.4; none in 600 s may be 61 in 10,000 s."""
    short = counted(3, 0, frames=600)
    found = pair(counted(1, 7), short)
    assert not found.shown and not found.more and found.usd is None and found.most_usd is None
    assert found.fewer is not None and found.fewer.low < 0.0 < found.fewer.best
    # The least price that the ranges allow: all that may be wrong of the one, none of the other.
    assert found.fewer.high == pytest.approx(counted(1, 7).wrong_per_correct.high)
    assert found.as_json()["wrong_answer_usd_5_50_95"] is None
    assert found.least_usd is not None and found.least_usd[1] > 0.0


def test_ranges_that_exclude_each_other_show_it_and_bound_the_price() -> None:
    found = pair(counted(1, 7), counted(3, 0))
    assert not found.shown  # 2.8 in 10,000 s, against up to 3.7
    found = pair(counted(1, 7), counted(3, 0, voted_accel=30.0))
    assert found.shown and found.fewer is not None
    assert found.usd is not None and found.least_usd is not None and found.most_usd is not None
    assert found.least_usd[1] < found.usd[1] < found.most_usd[1]
    assert found.most_usd[1] / found.usd[1] == pytest.approx(found.fewer.best / found.fewer.low)


def test_more_wrong_answers_are_shown_by_the_same_rule() -> None:
    assert not pair(counted(1, 1), counted(3, 3)).more
    assert pair(counted(1, 1), counted(3, 300)).more


def test_two_exact_predictions_differ_by_their_bits_and_share_their_upsets() -> None:
    """Both rates are known to a factor of ten, yet it is the same factor."""
    assert fewer_wrong(predicted(11, 11, 11), predicted(10, 10, 10)).low == pytest.approx(1e-12)
    assert pair(predicted(11, 11, 11), predicted(10, 10, 10, nodes=3)).shown
    assert not pair(predicted(9, 11, 13), predicted(8, 10, 12, nodes=3)).shown
    assert pair(predicted(10, 10, 10), predicted(11, 11, 11, nodes=3)).more


def test_exact_predictions_that_are_equal_have_no_price_between_them() -> None:
    for bits in (0.0, 10.0):
        found = pair(predicted(bits, bits, bits), predicted(bits, bits, bits, nodes=3))
        assert found.no_fewer and not found.shown and not found.more
        assert found.least_usd is None


def test_a_run_without_wrong_answers_is_not_beaten_by_an_exact_prediction() -> None:
    """None in 10,000 s may be up to 3.7: that covers whatever is predicted."""
    assert not pair(counted(1, 0), predicted(10, 10, 10, nodes=3)).shown


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (replace(SAME, workload="attitude"), "one computes infer, the other attitude"),
        (replace(SAME, program="f00"), "their programs of the name infer differ"),
    ],
)
def test_other_work_is_not_compared(other: WorkConditions, why: str) -> None:
    found = pair(counted(1, 7), counted(3, 0), (SAME, other))
    assert found.refused == why and found.usd is None and not found.shown
    assert found.as_json()["runs"] == ["a (simplex)", "b (tmr)"]


def test_campaigns_with_faults_of_other_targets_are_not_compared() -> None:
    one, other = (replace(SAME, campaign_targets=targets) for targets in (("input",), ("state",)))
    found = pair(predicted(1, 1, 1), predicted(2, 2, 2), (one, other))
    assert found.refused == "one campaign has faults of input, the other of state"


def test_what_else_differs_is_named() -> None:
    other = replace(SAME, frame_us=6_850_000, orbit="500 km, 97.40 deg")
    assert pair(counted(1, 7), counted(3, 0), (SAME, other)).differences == (
        "A frame takes 1 s in a, 6.85 s in b.",
        "Orbits: no orbit in a, 500 km, 97.40 deg in b.",
    )
    mixed = pair(counted(1, 0), predicted(1, 1, 1), (SAME, replace(SAME, campaign_targets=("x",))))
    assert "Wrong answers of b are predicted, from faults of x alone" in mixed.differences[0]
    cut = priced(counted(3, 0), SAME, RunEnding(RunOutcome.RUNNING, False, 307, 1000))
    found = pair_price(priced(counted(1, 7)), cut, ("a", "b"))
    assert found.differences == ("b has 307 of 1,000 frames.",)


def test_the_scheme_and_the_acceleration_are_no_differences_of_conditions() -> None:
    text = (
        "schema: 1\nworkload: sha256\nframes: 9\nrig: {scheme: %s, board: inproc}\n"
        "upsets: {accel: %d, rates: [{target: state, per_s: %g}]}\n"
    )
    runs = (("simplex", 1, 2.0), ("tmr", 30, 2.0), ("tmr", 1, 3.0))
    one, same, other = (
        conditions_of_scenario(parse_scenario(text % values, file="s.yaml")) for values in runs
    )
    assert one == same != other
