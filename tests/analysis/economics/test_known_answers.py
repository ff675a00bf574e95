"""Costs that another calculator gives for the same inputs: spacedc-mdao 0.4.2 (PyPI, MIT), its
scenarios orbital_1mw_inference (with text output) and earth_hyperscale_baseline."""

import numpy as np
import pytest

from hil.analysis.economics.bill import FloatArray
from hil.analysis.economics.ground_site import ground_bill
from hil.analysis.economics.price_table import shipped_prices
from hil.analysis.economics.satellite import SatelliteLoad, size_satellite
from hil.analysis.economics.uncertainty import modes

COMPUTERS = 1152
IT_W = 1_008_000.0
BUS_W = 1_131_428.571
"""With housekeeping and coolant pumps."""
SPACE_PFLOPS, EARTH_PFLOPS = 326.754_058_6, 529.972_660_8
"""Delivered, after all its losses."""
DAYS = 365.25

INPUTS = {
    "launch_usd_per_kg": 3000.0,
    "launch_failure": 0.0,
    "life_years": 5.0,
    "discount_rate": 0.08,
    "computer_usd": 25_000.0,
    "computer_kg": 1.5,
    "payload_factor": 2.0,
    "computer_failures_per_year": 473.927_075 / 5.0 / COMPUTERS,
    "housekeeping_share": BUS_W / IT_W - 1.0,
    "array_w_per_kg": 100.0,
    "array_usd_per_w": 50.0,
    "array_loss_per_year": 0.02,
    "battery_wh_per_kg": 150.0,
    "battery_usd_per_wh": 0.5,
    "battery_depth": 0.4,
    "battery_efficiency": 0.9,
    "radiator_w_per_m2": 788.815_722,
    "radiator_kg_per_m2": 14_000.367_8 / 1434.338_26,
    "radiator_usd_per_m2": 5000.0,
    "bus_usd_per_w": 64 * 2.5e6 / BUS_W,
    "bus_kg_per_w": 64 * 90.0 / BUS_W,
    "structure_share": 0.2,
    "margin_share": 0.2,
    "ground_segment_usd_per_w": 20e6 / BUS_W,
    "operations_usd_per_w_year": 5e6 / BUS_W,
    "facility_usd_per_w": 12.0,
    "ground_pue": 1.1,
    "usd_per_kwh": 0.06,
    "ground_upkeep_per_year": 0.05,
}


def prices(**changed: float) -> dict[str, FloatArray]:
    wanted = {**INPUTS, **changed}
    return {**modes(shipped_prices()), **{n: np.array([v]) for n, v in wanted.items()}}


def space_usd_per_pflop_day(**changed: float) -> float:
    load = SatelliteLoad(COMPUTERS, IT_W, 0.637_977_127, 0.362_022_873 * 97.728_235_6 * 60.0)
    p = prices(**changed)
    units = np.array([SPACE_PFLOPS * DAYS])
    bill = size_satellite(load, p).bill
    return float(bill.unit_cost_usd(units, p["life_years"], p["discount_rate"])[0])


def test_a_cluster_in_orbit_costs_what_spacedc_says() -> None:
    assert space_usd_per_pflop_day() == pytest.approx(1237.007, rel=0.01)


def test_half_the_launch_price_changes_it_as_there() -> None:
    assert space_usd_per_pflop_day(launch_usd_per_kg=1500.0) == pytest.approx(983.941, rel=0.01)


def test_its_masses_and_sizes_are_those_of_spacedc() -> None:
    load = SatelliteLoad(COMPUTERS, IT_W, 0.637_977_127, 0.362_022_873 * 97.728_235_6 * 60.0)
    satellite = size_satellite(load, prices())
    assert float(satellite.launch_kg[0]) == pytest.approx(78_832.2469, rel=1e-5)
    assert float(satellite.bill.once_usd["array"][0]) == pytest.approx(102_044_322.7, rel=1e-5)
    assert float(satellite.bill.once_usd["battery"][0]) == pytest.approx(833_953.76, rel=1e-5)
    assert float(satellite.masses_kg["structure"][0]) == pytest.approx(10_948.923, rel=1e-5)


def test_a_hyperscale_site_costs_what_spacedc_says() -> None:
    p = prices()
    bill = ground_bill(COMPUTERS, IT_W, p, busy=0.85)
    units = np.array([EARTH_PFLOPS * DAYS])
    usd = float(bill.unit_cost_usd(units, p["life_years"], p["discount_rate"])[0])
    assert usd == pytest.approx(66.036_414, rel=0.001)
