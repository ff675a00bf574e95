"""Sums of energy over a flight, and how well they close."""

from __future__ import annotations

from dataclasses import dataclass

from hil.plant.power_block import PowerAccount
from hil.scenario.plant.thermal import ZERO_C_K

__all__ = ["Totals"]


@dataclass(slots=True)
class Totals:
    """Sums of energy over a flight [J], with the lowest state of charge and the hottest die [C]."""

    throughput_j: float = 0.0
    missing_j: float = 0.0
    heat_throughput_j: float = 0.0
    heat_missing_j: float = 0.0
    min_soc: float = 1.0
    max_die_c: float = -ZERO_C_K

    def add(self, account: PowerAccount) -> None:
        """Add the account of one block of steps."""
        self.throughput_j += account.throughput_j
        self.missing_j += account.residual * account.throughput_j
        self.heat_throughput_j += account.heat.throughput_j
        self.heat_missing_j += account.heat.residual * account.heat.throughput_j

    @property
    def residual(self) -> float:
        """Return the energy balance residual, electrical or thermal (the larger), over the
        throughput.
        """
        electric = abs(self.missing_j) / max(self.throughput_j, 1e-300)
        return max(electric, abs(self.heat_missing_j) / max(self.heat_throughput_j, 1e-300))
