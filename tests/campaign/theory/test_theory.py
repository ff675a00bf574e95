"""Theory beside measurement: what the models are given is exact, and runs agree with them."""

from __future__ import annotations

import math

import pytest

from hil.analysis.model_row import Measured, ModelRow, mean_of, share_of, wait_of
from hil.campaign.theory.experiments import EXPERIMENTS
from hil.campaign.theory.harm import harm_share
from hil.campaign.theory.missions import tmr_mission
from hil.campaign.theory.order import TheoryOrder
from hil.campaign.theory.scrubbed_words import exposures
from hil.scenario import UpsetTarget

# Of 30 values, one lies outside of its 95 % interval more often than not; outside of an interval of
# twice the width, none does in a thousand.
_WIDER = 2.0


def far_off(row: ModelRow) -> bool:
    value, (low, high) = row.measured.value, row.measured.interval
    below, above = value - _WIDER * (value - low), value + _WIDER * (high - value)
    return not below <= row.predicted <= above


def test_hits_of_an_output_do_harm_only_once_it_is_written() -> None:
    """The step writes all of its output at its end, so of its seven ticks the last one counts."""
    harm = harm_share("attitude", UpsetTarget.OUTPUT, 50, 1)
    assert 7 * harm.harmful == harm.hits
    assert harm.latent == 0
    state = harm_share("attitude", UpsetTarget.STATE, 50, 1)
    assert 0 < state.latent < state.harmful < state.hits


def test_exposures_are_the_frames_between_scrubs_of_each_word() -> None:
    times = exposures(8, 401)
    assert len(times) == 400  # one word in each frame but the first
    assert sorted(times)[:7] == [1, 2, 3, 4, 5, 6, 7]  # words 1 to 7, since the checkpoint
    assert times.count(8) == 393


def test_measured_quantities() -> None:
    assert share_of(1, 1000).interval == pytest.approx((0.000025, 0.005559), abs=1e-6)
    wait = wait_of(10, 1000, 10)
    assert wait.value == 100.0
    assert wait.interval.low < 100.0 < wait.interval.high
    assert mean_of([1.0, 3.0]).value == 2.0
    with pytest.raises(ValueError, match="no event"):
        wait_of(0, 1000, 10)
    with pytest.raises(ValueError, match="spread"):
        mean_of([1.0])


def test_a_row_says_which_assumption_fails_where_the_two_part() -> None:
    measured = share_of(50, 100)
    kept = ModelRow("m", "q", 0.5, measured, "d")
    broken = ModelRow("m", "q", 0.9, measured, "d", "it has no repair")
    surprise = ModelRow("m", "q", 0.9, measured, "d")
    assert (kept.verdict, broken.verdict) == ("agrees", "parts: it has no repair")
    assert [row.is_surprise for row in (kept, broken, surprise)] == [False, False, True]
    assert isinstance(measured, Measured)


def test_tmr_without_repair_is_as_reliable_as_the_model_says() -> None:
    (row,) = tmr_mission(TheoryOrder(24))
    assert 0.2 < row.predicted < 0.8
    assert not far_off(row), row


def test_cold_spares_are_as_reliable_as_their_coverage_allows() -> None:
    rows = EXPERIMENTS["coverage"].carry_out(TheoryOrder(6, coverages=(0.5,)))
    assert [row.predicted for row in rows if not row.fails] == [
        pytest.approx(math.exp(-2) * 2),  # LT = 2: exp(-2) (1 + 1)
        pytest.approx(math.exp(-2) * 2.5),
    ]
    assert not [row for row in rows if not row.fails and far_off(row)]


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in EXPERIMENTS if n not in ("tmr", "persistence")])
def test_runs_agree_with_the_models_whose_assumptions_they_keep(name: str) -> None:
    rows = EXPERIMENTS[name].carry_out(TheoryOrder(20))
    assert not [row for row in rows if not row.fails and far_off(row)]


@pytest.mark.stress
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_many_runs_agree_within_the_interval_and_part_where_an_assumption_fails(name: str) -> None:
    rows = EXPERIMENTS[name].carry_out(TheoryOrder(400))
    kept = [row for row in rows if not row.fails]
    assert sum(row.agrees for row in kept) >= len(kept) - len(kept) // 8
    assert not [row for row in kept if far_off(row)]
    assert not [row for row in rows if row.fails and row.agrees]
