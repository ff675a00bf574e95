"""Bills: what is paid once and every year, and what that is worth today.

A year's payments and answers count at its end, divided by (1 + rate) ** year: with the annuity

    a = (1 - (1 + rate) ** -years) / rate

the cost of a unit is (once + yearly a) / (units a year times a), the levelized cost of textbooks on
energy (Short, Packey and Holt, NREL/TP-462-5173, 1995). Lives that are no whole number of years
follow from the same formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bill", "FloatArray", "annuity_years"]

FloatArray = NDArray[np.float64]


def annuity_years(life_years: FloatArray, discount_rate: FloatArray) -> FloatArray:
    """Return the number of years whose payments, made today, are worth a payment in each year of a
    life; the life itself without discount."""
    rate = np.where(discount_rate == 0.0, 1.0, discount_rate)
    discounted = (1.0 - (1.0 + rate) ** -life_years) / rate
    return np.where(discount_rate == 0.0, life_years, discounted)


@dataclass(frozen=True)
class Bill:
    """Payments [USD]: those made once and those of every year, by what they are for."""

    once_usd: Mapping[str, FloatArray]
    yearly_usd: Mapping[str, FloatArray]

    @property
    def total_once_usd(self) -> FloatArray:
        """Return the sum of what is paid once [USD]."""
        return _sum(self.once_usd)

    @property
    def total_yearly_usd(self) -> FloatArray:
        """Return the sum of what is paid every year [USD]."""
        return _sum(self.yearly_usd)

    def present_usd(self, life_years: FloatArray, discount_rate: FloatArray) -> FloatArray:
        """Return what all payments of a life are worth today [USD]."""
        return self.total_once_usd + self.total_yearly_usd * annuity_years(
            life_years, discount_rate
        )

    def unit_cost_usd(
        self, units_per_year: FloatArray, life_years: FloatArray, discount_rate: FloatArray
    ) -> FloatArray:
        """Return the levelized cost of a unit [USD], of which there are `units_per_year`."""
        worth = annuity_years(life_years, discount_rate)
        return self.present_usd(life_years, discount_rate) / (units_per_year * worth)


def _sum(parts: Mapping[str, FloatArray]) -> FloatArray:
    total: FloatArray = np.sum(list(parts.values()), axis=0)
    return total
