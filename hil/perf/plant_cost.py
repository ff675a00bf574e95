"""Time that the plant takes for a day in steps of 1 s: orbit, light, flux, power and heat."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import numpy as np

from hil.perf.row import PerfRow, Reference, in_turns, make_row
from hil.plant.build import build_plant
from hil.plant.scenario_orbit import orbit_of
from hil.scenario import Scenario

_DAY_S: Final = 86_400
_TARGET_S: Final = 0.2
_PEER: Final = "Basilisk 2.12, without flux, took 1.4 s on a machine of two cores"
"""Not measured here: Basilisk is not a dependency, and takes half an hour to compile."""


def plant(quick: bool) -> Iterator[PerfRow]:
    """Measure a day in steps of 1 s: SGP4, sun, eclipse, ground track, proton flux, heat on each
    face, power and temperatures of three boards; and SGP4 alone. In CPU time, because computers are
    shared."""
    days, orbits = in_turns(2 if quick else 5, _day_s, _orbit_s)
    best, reference = min(days), min(orbits)
    yield make_row(
        "plant: a day at 1 s steps",
        best,
        "s",
        target=f"<= {_TARGET_S} s",
        ok=best <= _TARGET_S,
        reference=Reference("its SGP4 alone", reference),
        note=f"CPU time. {_PEER}",
    )


def _scenario() -> Scenario:
    return Scenario.model_validate(
        {
            "workload": "infer",
            "duration": "24h",
            "frame_ms": 1000.0,
            "rig": {"board": "inproc", "profile": "raspberry-pi-4b"},
            "plant": {
                "orbit": {
                    "epoch_utc": "2026-03-20T00:00:00Z",
                    "altitude_km": 420.0,
                    "inclination_deg": 51.64,
                }
            },
        }
    )


def _day_s() -> float:
    """Return the CPU time of a day of the whole plant [s]."""
    built = build_plant(_scenario())
    began = time.process_time()
    t_us = 0
    while t_us < _DAY_S * 1_000_000:
        t_us = built.flight.next_change_us(_DAY_S * 1_000_000)
        built.flight.advance(t_us)
    return time.process_time() - began


def _orbit_s() -> float:
    """Return the CPU time of the satellite's positions of the same day alone [s]."""
    plant_config = _scenario().plant
    assert plant_config is not None
    assert plant_config.orbit is not None
    orbit = orbit_of(plant_config.orbit, plant_config)
    seconds = np.arange(float(_DAY_S))
    began = time.process_time()
    orbit.propagate(seconds)
    return time.process_time() - began
