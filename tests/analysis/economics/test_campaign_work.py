"""The work that a campaign predicts."""

from pathlib import Path

import pytest

from hil.analysis.economics.campaign_work import predicted_work
from hil.errors import UsageError

from ..small_campaigns import META, small_campaign
from ..test_failure_rates import failures, rates_of


def test_a_step_that_never_runs_has_no_answers_to_price(tmp_path: Path) -> None:
    campaign = small_campaign(tmp_path / "s")
    for rates in (failures(campaign, rates_of(1.0), 0.0), failures(campaign, rates_of(0.0))):
        with pytest.raises(UsageError, match="the step never runs"):
            predicted_work(META, rates, 4.0)


def test_a_prediction_has_the_two_factors_of_its_wrong_answers(tmp_path: Path) -> None:
    work = predicted_work(META, failures(small_campaign(tmp_path / "s"), rates_of(1.0)), 4.0)
    assert work.bit_upsets_per_s is not None and work.silent_bits is not None
    assert work.silent_bits.low == work.silent_bits.high == pytest.approx(1.6)
    assert work.silent_bits.best * work.bit_upsets_per_s.best == pytest.approx(
        work.wrong_per_s.best
    )
