"""The ground: when a satellite has contact with which station, and at which rates.

A pass is cut into steps. In each step the link has the rate of its farther end, so that what is
sent never needs more than the budget gives. The satellite has one radio: of several stations in
sight it uses the one with the highest downlink rate, and the inter-satellite link only while none
is in sight."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.plant.link_budget import LinkBudget
from hil.plant.orbit import Orbit
from hil.plant.passes import GroundStation, Pass, find_passes, station_position_km
from hil.plant.scenario_orbit import no_orbit, orbit_of
from hil.random_streams import stream
from hil.scenario.model import Scenario
from hil.scenario.offload import IslConfig, OffloadConfig, RadioConfig
from hil.scenario.plant.orbit import StationModel
from hil.wire.ground import Contact

__all__ = [
    "ISL",
    "budget_of",
    "contacts_of",
    "ground_station",
    "scenario_contacts",
    "station_passes",
]

ISL: Final = "isl"
"""What stands in place of a station for the inter-satellite link."""
_STREAM: Final = "offload.isl"
_PARTS: Final = 1_000_000


def budget_of(radio: RadioConfig, own_g_over_t_db_k: float | None = None) -> LinkBudget:
    """Return the budget of a link; a station may have a G/T of its own [dB/K]."""
    g_over_t = radio.g_over_t_db_k if own_g_over_t_db_k is None else own_g_over_t_db_k
    return LinkBudget(
        radio.frequency_mhz,
        radio.eirp_dbw,
        g_over_t,
        radio.losses_db,
        radio.required_eb_n0_db,
        radio.margin_db,
        radio.rates_bit_s,
        radio.max_bit_s,
    )


def ground_station(model: StationModel) -> GroundStation:
    """Return a station of a scenario as the search of passes needs it."""
    return GroundStation(
        model.name,
        model.latitude_deg,
        model.longitude_deg,
        model.altitude_km,
        model.min_elevation_deg,
    )


def contacts_of(
    offload: OffloadConfig,
    orbit: Orbit | None,
    stations: Sequence[StationModel],
    passes: Iterable[Pass],
    *,
    end_us: int,
    seed: int,
) -> tuple[Contact, ...]:
    """Return all contacts until `end_us`, in order and without overlaps.

    Raises: ValueError as `Orbit.positions_ecef_km`."""
    contacts: list[Contact] = []
    if offload.downlink is not None and orbit is not None:
        by_name = {station.name: station for station in stations}
        for one in passes:
            contacts += _of_pass(offload, orbit, by_name[one.station], one)
    if offload.isl is not None:
        contacts += _slots(offload.isl, end_us, seed)
    return _without_overlaps([c for c in contacts if c.start_us < end_us])


def station_passes(
    orbit: Orbit, stations: Sequence[StationModel], duration_s: float
) -> tuple[Pass, ...]:
    """Return the passes over all stations, by their rise.

    Raises: ConfigError if the orbit ends before."""
    try:
        passes = [
            one
            for model in stations
            for one in find_passes(orbit, ground_station(model), 0.0, duration_s)
        ]
    except ValueError as error:
        raise no_orbit(str(error)) from None
    return tuple(sorted(passes, key=lambda one: one.rise_s))


def scenario_contacts(scenario: Scenario) -> tuple[Contact, ...]:
    """Return all contacts of a scenario with `offload:`.

    Raises: ConfigError if there is no such orbit."""
    offload, plant = scenario.offload, scenario.plant
    assert offload is not None
    end_us = scenario.frame_count * scenario.frame_us
    orbit: Orbit | None = None
    stations: tuple[StationModel, ...] = ()
    passes: tuple[Pass, ...] = ()
    if offload.downlink is not None and plant is not None and plant.orbit is not None:
        orbit, stations = orbit_of(plant.orbit, plant), plant.stations
        passes = station_passes(orbit, stations, end_us / 1e6)
    return contacts_of(offload, orbit, stations, passes, end_us=end_us, seed=scenario.seed)


def _of_pass(offload: OffloadConfig, orbit: Orbit, model: StationModel, one: Pass) -> list[Contact]:
    assert offload.downlink is not None
    count = max(1, math.ceil(one.duration_s / offload.rate_step_s))
    edges_s = np.linspace(one.rise_s, one.set_s, count + 1)
    away = orbit.positions_ecef_km(edges_s) - station_position_km(ground_station(model))
    distance_km: npt.NDArray[np.float64] = np.sqrt((away * away).sum(axis=1))
    farther_km = np.maximum(distance_km[:-1], distance_km[1:])
    down = budget_of(offload.downlink, model.g_over_t_db_k)
    up = None if offload.uplink is None else budget_of(offload.uplink)
    if up is not None and model.eirp_dbw is not None:
        up = replace(up, eirp_dbw=model.eirp_dbw)
    edges_us = [round(float(t) * 1e6) for t in edges_s]
    return [
        Contact(
            edges_us[i],
            edges_us[i + 1],
            one.station,
            down.rate_bit_s(float(km)),
            0 if up is None else up.rate_bit_s(float(km)),
        )
        for i, km in enumerate(farther_km)
    ]


def _slots(isl: IslConfig, end_us: int, seed: int) -> list[Contact]:
    draws = stream(seed, _STREAM)
    slot_us, most = round(isl.slot_s * 1e6), round(isl.availability * _PARTS)
    return [
        Contact(at_us, min(at_us + slot_us, end_us), ISL, isl.rate_bit_s, isl.rate_bit_s)
        for at_us in range(0, end_us, slot_us)
        if draws.below(_PARTS) < most
    ]


def _without_overlaps(contacts: Sequence[Contact]) -> tuple[Contact, ...]:
    """Return contacts of which at each time the best is left: a station before the inter-satellite
    link, then the highest rate."""
    waiting = sorted(contacts, key=lambda c: c.start_us)
    edges = sorted({edge for c in contacts for edge in (c.start_us, c.end_us)})
    active: list[Contact] = []
    out: list[Contact] = []
    position = 0
    for start_us, end_us in pairwise(edges):
        while position < len(waiting) and waiting[position].start_us <= start_us:
            active.append(waiting[position])
            position += 1
        active = [c for c in active if c.end_us > start_us]
        if not active:
            continue
        best = max(active, key=lambda c: (c.station != ISL, c.down_bit_s, c.up_bit_s, c.station))
        last = out[-1] if out else None
        if last is not None and last.end_us == start_us and _alike(last, best):
            out[-1] = replace(last, end_us=end_us)
        else:
            out.append(replace(best, start_us=start_us, end_us=end_us))
    return tuple(out)


def _alike(a: Contact, b: Contact) -> bool:
    return (a.station, a.down_bit_s, a.up_bit_s) == (b.station, b.down_bit_s, b.up_bit_s)
