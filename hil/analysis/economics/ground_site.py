"""The same computers on the ground: their bill.

The ground needs one computer for what a rig computes redundantly, unless it is said to be redundant
there, too. Facility and energy follow the power of the computers; the PUE is the energy of the site
over that of its computers, cooling included."""

from __future__ import annotations

from collections.abc import Mapping

from hil.analysis.economics.bill import Bill, FloatArray

__all__ = ["ground_bill"]

_HOURS_PER_YEAR = 8766.0
"""Of a year of 365.25 days."""


def ground_bill(
    computers: int, computers_w: float, prices: Mapping[str, FloatArray], busy: float = 1.0
) -> Bill:
    """Return the bill of computers that take `computers_w` together [W] for a share `busy` of the
    time."""
    once_usd = {
        "computers": computers * prices["computer_usd"],
        "facility": computers_w * prices["facility_usd_per_w"],
    }
    kwh = computers_w * prices["ground_pue"] * _HOURS_PER_YEAR * busy / 1000.0
    total_usd = once_usd["computers"] + once_usd["facility"]
    yearly_usd = {
        "energy": kwh * prices["usd_per_kwh"],
        "upkeep": total_usd * prices["ground_upkeep_per_year"],
    }
    return Bill(once_usd, yearly_usd)
