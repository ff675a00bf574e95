"""Converts rows of the record and packed verdicts into the values that the screen shows."""

from __future__ import annotations

import json
from typing import Any

from hil.record.row_values import RecordedHealth, RecordedLink, RecordedOrbit, RecordedPlant
from hil.redundancy.voting import Verdict
from hil.views.screen.model.facts import LinkCounts, NodeReading, Place, PlantReading, Vote
from hil.wire.rails import board_power_mw
from hil.wire.throttling import flags_now, flags_since_boot

__all__ = [
    "json_of",
    "link_counts_of",
    "place_of",
    "plant_of",
    "reading_of",
    "vote_of",
]


def vote_of(verdict: Verdict | None) -> Vote | None:
    """Return the verdict of a frame as it is shown; None without one."""
    if verdict is None:
        return None
    return Vote(
        verdict.kind.word,
        verdict.delivered,
        verdict.correct,
        verdict.voters,
        verdict.agree,
        verdict.dissent,
        verdict.latent,
        verdict.held,
        verdict.held_wrong,
        verdict.primary,
    )


def reading_of(row: RecordedHealth) -> NodeReading:
    """Return a row of `health` as a reading."""
    rails = json_of(row.rails) if row.rails != "[]" else []
    power_mw = board_power_mw(rails)
    return NodeReading(
        row.frame,
        row.wall_us,
        row.steps,
        temp_c=_scaled(row.cpu_temp_mc, 1e3),
        clock_mhz=_scaled(row.clock_khz, 1e3),
        flags_now=flags_now(row.throttled) or 0,
        flags_since_boot=flags_since_boot(row.throttled) or 0,
        power_w=_scaled(power_mw, 1e3),
        rss_mib=_scaled(row.rss_kib, 1024),
        free_mib=row.free_mib,
        uptime_s=row.uptime_us / 1e6,
        crashes=row.crashes,
        hangs=row.hangs,
        restarts=row.restarts,
        corrected=row.corrected,
        uncorrected=row.uncorrected,
        rx_errors=row.rx_errors,
        round_trip_ms=_scaled(row.round_trip_us, 1e3),
    )


def _scaled(value: int | None, by: float) -> float | None:
    return None if value is None else value / by


def link_counts_of(row: RecordedLink | None) -> LinkCounts | None:
    """Return a row of `links` or `link_counts` as counters; None without one."""
    if row is None:
        return None
    return LinkCounts(
        row.tx_frames,
        row.rx_frames,
        row.rx_errors,
        row.naks,
        row.retries,
        row.reconnects,
    )


def json_of(text: str | None) -> Any:
    """Return a JSON text of the record as a value; an empty mapping if it is not valid."""
    try:
        return json.loads(text) if text else {}
    except ValueError:
        return {}


def place_of(row: RecordedOrbit) -> Place:
    """Return a row of `orbit` as a place."""
    return Place(
        row.t_us,
        row.latitude_deg,
        row.longitude_deg,
        row.altitude_km,
        row.illumination,
        row.flux_per_cm2_s,
        bool(row.saa),
        row.contact,
    )


def plant_of(row: RecordedPlant) -> PlantReading:
    """Return a row of `plant` as a reading."""
    recorded = json_of(row.temperatures_c)
    return PlantReading(
        row.t_us,
        row.illumination,
        row.bus_v,
        row.array_w,
        row.load_w,
        row.battery_w,
        row.soc,
        row.stage,
        recorded if isinstance(recorded, dict) else {},
    )
