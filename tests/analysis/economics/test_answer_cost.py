"""Where the costs of answers meet, and what they follow from."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st

from hil.analysis.economics.answer_cost import (
    Question,
    answer_costs,
    break_even_launch_usd_per_kg,
    break_even_wrong_answer_usd,
)
from hil.analysis.economics.price_table import shipped_prices
from hil.analysis.economics.satellite import SatelliteLoad
from hil.analysis.economics.uncertainty import draws, modes
from hil.analysis.economics.work import RunCounts, Work, work_of
from tests.properties import property_of

PRICES = shipped_prices()


def counts(nodes: int, wrong: int = 0, correct: int | None = None, accel: float = 1.0) -> RunCounts:
    frames = 1000
    right = frames - wrong if correct is None else correct
    return RunCounts(
        "run",
        "tmr",
        "infer",
        frames,
        right,
        wrong,
        wrong,
        False,
        100_000,
        accel,
        accel,
        [5.0] * nodes,
    )


def question(work: Work, wrong_answer_usd: float = 0.0) -> Question:
    load = SatelliteLoad(work.nodes, work.power_w, 0.63, 2130.0)
    return Question(work, load, wrong_answer_usd=wrong_answer_usd)


def test_three_nodes_cost_three_times_what_one_costs() -> None:
    """All costs grow with nodes and power."""
    one, three = (answer_costs(question(work_of(counts(n))), modes(PRICES)) for n in (1, 3))
    assert float(three.space_usd[0] / one.space_usd[0]) == pytest.approx(3.0, rel=1e-9)
    assert float(three.ground_usd[0]) == pytest.approx(float(one.ground_usd[0]), rel=1e-9)


def test_at_the_break_even_launch_price_orbit_costs_what_the_ground_does() -> None:
    asked = question(work_of(counts(1)))
    dear_ground = {**draws(PRICES, 50, 1), "facility_usd_per_w": np.full(50, 5000.0)}
    even = break_even_launch_usd_per_kg(asked, dear_ground)
    assert (even > 0.0).all()
    at = answer_costs(asked, {**dear_ground, "launch_usd_per_kg": even})
    assert at.space_usd == pytest.approx(at.ground_usd, rel=1e-9)


def test_no_launch_price_can_be_enough() -> None:
    assert float(break_even_launch_usd_per_kg(question(work_of(counts(3))), modes(PRICES))[0]) < 0.0


@property_of(st.integers(1, 40), st.integers(0, 40), quick=10, slow=60)
def test_at_the_break_even_price_of_a_wrong_answer_both_rigs_cost_the_same(
    simplex_wrong: int, tmr_wrong: int
) -> None:
    simplex, tmr = work_of(counts(1, simplex_wrong)), work_of(counts(3, tmr_wrong))
    fewer = simplex.wrong_per_correct.best - tmr.wrong_per_correct.best
    assume(fewer > 0.0)
    even = break_even_wrong_answer_usd(question(simplex), question(tmr), fewer, modes(PRICES))
    usd = float(even[0])
    costs = [answer_costs(question(w, usd), modes(PRICES)).space_usd for w in (simplex, tmr)]
    assert float(costs[0][0]) == pytest.approx(float(costs[1][0]), rel=1e-9)


def test_rigs_that_cost_the_same_have_no_price_between_them() -> None:
    """Their power is the same, added up in another order: 0.1 + 0.2 + 0.3 is not 0.3 + 0.2 + 0.1
    in binary."""
    powers = [0.1, 0.2, 0.3]
    rigs = [work_of(replace(counts(3), node_w=p)) for p in (powers, powers[::-1])]
    asked = [question(rig) for rig in rigs]
    usd = [answer_costs(each, draws(PRICES, 50, 1)).space_usd for each in asked]
    assert (usd[0] != usd[1]).any()
    even = break_even_wrong_answer_usd(asked[0], asked[1], 1e-6, draws(PRICES, 50, 1))
    assert not even.any()


def test_wrong_answers_cost_what_their_users_say_on_the_ground_too() -> None:
    work = work_of(counts(1, wrong=10))
    free, dear = (answer_costs(question(work, usd), modes(PRICES)) for usd in (0.0, 2.0))
    in_orbit = float(dear.space_usd[0] - free.space_usd[0])
    assert in_orbit == pytest.approx(2e6 * 10 / 990, rel=1e-9)
    per_answer = 2.83e-7 / 3600.0 / (10.0 * 0.995)
    on_the_ground = float(dear.ground_usd[0] - free.ground_usd[0])
    assert on_the_ground == pytest.approx(2e6 * per_answer, rel=1e-9)


def test_acceleration_is_taken_out_of_what_was_lost() -> None:
    work = work_of(counts(1, wrong=20, correct=900, accel=100.0))
    assert work.availability == pytest.approx(1.0 - 0.001)
    assert work.wrong_per_s.best == pytest.approx(20 / 100.0 / 100.0)


def test_wrong_answers_after_one_upset_are_one_event() -> None:
    """The interval is that of seven events, not of thousands."""
    many = RunCounts("r", "s", "w", 10_000, 3000, 7000, 7, True, 1_000_000, 1.0, 1.0, [5.0])
    wrong = work_of(many).wrong_per_s
    assert wrong.best == pytest.approx(0.7)
    assert wrong.low / wrong.best == pytest.approx(2.814 / 7, rel=1e-3)  # Garwood's table
    assert wrong.high / wrong.best == pytest.approx(14.423 / 7, rel=1e-3)


def test_a_run_without_a_correct_answer_has_no_price() -> None:
    with pytest.raises(ValueError, match="no frame with a correct output"):
        work_of(counts(1, wrong=1000))


def test_both_together_are_the_mean_of_their_answers_and_the_contacts() -> None:
    """90 of 100 frames have an answer in orbit, 8 of the other ones on the ground; a tenth of the
    time a station listens."""
    part = replace(counts(1, correct=900), rescued=80, contact_s=10.0)
    work = work_of(part)
    assert (work.correct_per_s, work.rescued_per_s) == pytest.approx((9.0, 0.8))
    assert work.contact_share == pytest.approx(0.1)
    prices = modes(PRICES)
    costs = answer_costs(question(work), prices)
    contacts_usd_per_s = 0.1 * float(prices["contact_usd_per_minute"][0]) / 60.0
    of_all = 9.0 * costs.space_usd[0] + 0.8 * costs.ground_usd[0] + contacts_usd_per_s * 1e6
    assert costs.hybrid_usd is not None
    assert float(costs.hybrid_usd[0]) == pytest.approx(of_all / 9.8)
    assert answer_costs(question(work_of(counts(1))), prices).hybrid_usd is None


def test_wrong_answers_of_the_ground_are_not_among_its_correct_ones() -> None:
    """Of ten answers a second half are wrong: a correct one costs twice as much, and one that is
    wrong comes with each."""
    prices = modes(PRICES)
    given_per_hour = 10.0 * 3600.0 * prices["ground_availability"]
    half = {**prices, "ground_wrong_per_hour": given_per_hour / 2.0}
    none = {**prices, "ground_wrong_per_hour": np.zeros_like(given_per_hour)}
    work = work_of(counts(1))
    once = float(answer_costs(question(work), none).ground_usd[0])
    assert float(answer_costs(question(work), half).ground_usd[0]) == pytest.approx(2.0 * once)
    charged = float(answer_costs(question(work, 0.5), half).ground_usd[0])
    assert charged == pytest.approx(2.0 * once + 0.5e6)
    with pytest.raises(ValueError, match="none of them would be correct"):
        answer_costs(question(work), {**prices, "ground_wrong_per_hour": given_per_hour})
