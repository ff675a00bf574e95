"""The costs of protections: what is wrong, and right results per joule, by hand."""

from __future__ import annotations

import math

import pytest

from hil.analysis.protection_costs import Conditions, VariantCosts, voted
from hil.errors import UsageError

CONDITIONS = Conditions(0.0864, 2.0, "raspberry-pi-4b", 1.5)  # 1e-6 upsets a bit and second
BARE = VariantCosts("dense-bf16", 5000, 1000, 20e-6, 40_000, 8000, 500, 3000, 40)


def test_wrong_results_are_struck_in_the_step_or_stand_in_the_state() -> None:
    assert BARE.open_bits == 0.5
    assert BARE.standing_bits == 40
    mean = 1e-6 * (0.5 * 20e-6 + 40 * 86_400.0)
    assert BARE.wrong(CONDITIONS) == pytest.approx(1 - math.exp(-mean))
    assert BARE.right_per_joule(CONDITIONS) == pytest.approx(math.exp(-mean) / (1.5 * 20e-6))


def test_without_a_class_every_wrong_bit_counts() -> None:
    row = VariantCosts("matmul", 5000, 1000, 20e-6, 40_000, 8000, None, 3000, None)
    assert (row.open_bits, row.standing_bits) == (8.0, 3000)


def test_three_nodes_are_wrong_where_two_are_in_one_frame() -> None:
    row = voted(BARE)
    once = 1e-6 * 20e-6 * (0.5 + 40)
    assert row.wrong(CONDITIONS) == pytest.approx(3 * once**2)
    assert row.joules(CONDITIONS) == pytest.approx(3 * BARE.joules(CONDITIONS))
    assert (row.memory, row.nodes) == (15_000, 3)


@pytest.mark.parametrize("numbers", [(0.0, 1.0), (1.0, -1.0), (math.nan, 1.0), (1.0, math.inf)])
def test_conditions_that_are_none_are_refused(numbers: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="expected a number above 0"):
        Conditions(*numbers, "raspberry-pi-4b", 1.5)
