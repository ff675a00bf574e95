"""What payments are worth today."""

import numpy as np
import pytest
from hypothesis import strategies as st

from hil.analysis.economics.bill import Bill, annuity_years
from tests.properties import property_of


@pytest.mark.parametrize("years", [1, 5, 30])
@pytest.mark.parametrize("rate", [0.0, 0.01, 0.08, 0.5])
def test_an_annuity_is_the_sum_of_its_discounted_years(years: int, rate: float) -> None:
    summed = sum((1.0 + rate) ** -year for year in range(1, years + 1))
    worth = annuity_years(np.array([float(years)]), np.array([rate]))
    assert float(worth[0]) == pytest.approx(summed, rel=1e-12)


@property_of(st.floats(0.1, 50.0), st.floats(1e-6, 0.5), quick=30, slow=300)
def test_discount_makes_later_years_worth_less(years: float, rate: float) -> None:
    worth = float(annuity_years(np.array([years]), np.array([rate]))[0])
    assert 0.0 < worth < years


def test_a_unit_carries_what_is_paid_once_over_a_life_and_what_is_paid_yearly() -> None:
    bill = Bill({"a": np.array([700.0]), "b": np.array([300.0])}, {"c": np.array([50.0])})
    life, rate = np.array([10.0]), np.array([0.0])
    assert float(bill.present_usd(life, rate)[0]) == 1500.0
    assert float(bill.unit_cost_usd(np.array([30.0]), life, rate)[0]) == 5.0
