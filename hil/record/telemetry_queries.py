"""The screen's queries about health, links, the plant and the orbit.

All of them take any record that answers `rows`, return values or numbers, and change nothing.
A span of ids or of times `after, last` leaves out `after` and has `last` in it. Times are simulated
time [us], frames are numbers of frames, ids are those of a table (they grow with the frames)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from hil.record.queries import Rows
from hil.record.row_values import (
    RecordedHealth,
    RecordedLink,
    RecordedOrbit,
    RecordedPlant,
    RecordedPlantNode,
    T,
    values_of,
)
from hil.word_enum import Word

__all__ = [
    "Bounds",
    "HealthQuantity",
    "PlantQuantity",
    "counters_changed",
    "die_and_power",
    "die_temperatures",
    "has_plant",
    "health_beyond",
    "health_frame_after",
    "health_frame_by",
    "health_rows",
    "illumination_at",
    "illuminations",
    "link_counts",
    "mean_power_w",
    "newest_health",
    "newest_plant",
    "node_health",
    "orbit_position",
    "orbit_rows",
    "plant_extremes",
    "plant_node",
    "plant_node_rows",
    "plant_rows",
    "plant_time_ahead",
    "plant_time_back",
]


class HealthQuantity(Word):
    """A reading of a board that may have limits, by its name in a scenario's `alarms`."""

    CPU_TEMPERATURE = "cpu_temp_c"
    ROUND_TRIP = "round_trip_ms"
    AGENT_MEMORY = "rss_mib"
    FREE_MEMORY = "free_mib"


class PlantQuantity(Word):
    """A value of the plant that may have limits, by its name in a scenario's `alarms`."""

    CHARGE = "soc"
    BUS_VOLTAGE = "bus_v"
    DIE_TEMPERATURE = "die_c"


class Bounds(NamedTuple):
    """A reading of a board and what its values may be, in the unit of its name; None where a side
    has no bound."""

    quantity: HealthQuantity
    lowest: float | None
    highest: float | None


_HEALTH_COLUMNS: Final = {
    HealthQuantity.CPU_TEMPERATURE: ("cpu_temp_mc", 1000.0),
    HealthQuantity.ROUND_TRIP: ("round_trip_us", 1000.0),
    HealthQuantity.AGENT_MEMORY: ("rss_kib", 1024.0),
    HealthQuantity.FREE_MEMORY: ("free_mib", 1.0),
}
"""The column of a reading, and how many of the column's units are one of the reading's."""
_COUNTERS: Final = ("corrected", "uncorrected", "rx_errors", "throttled")
"""Columns of `health` that count errors, or are flags."""
_PLANT_TABLES: Final = {
    PlantQuantity.CHARGE: "plant",
    PlantQuantity.BUS_VOLTAGE: "plant",
    PlantQuantity.DIE_TEMPERATURE: "plant_nodes",
}
"""The table of a value; its column has the name of the value."""
_TIMES_AT_ONCE: Final = 500


def _first(kind: type[T], rows: Sequence[sqlite3.Row]) -> T | None:
    return values_of(kind, rows[:1])[0] if rows else None


def _number(rows: Sequence[sqlite3.Row]) -> int | None:
    return int(rows[0][0]) if rows and rows[0][0] is not None else None


def health_rows(record: Rows, after: int, last: int) -> list[RecordedHealth]:
    """Return the health of all nodes in a span of ids, in their order."""
    rows = record.rows("SELECT * FROM health WHERE id > ? AND id <= ? ORDER BY id", after, last)
    return values_of(RecordedHealth, rows)


def node_health(record: Rows, after: int, last: int, node: int) -> list[RecordedHealth]:
    """Return the health of a node (by its index) in a span of ids, in their order."""
    rows = record.rows(
        "SELECT * FROM health WHERE id > ? AND id <= ? AND node = ? ORDER BY id", after, last, node
    )
    return values_of(RecordedHealth, rows)


def newest_health(record: Rows, after: int, last: int, node: int) -> RecordedHealth | None:
    """Return the newest health of a node (by its index) in a span of ids."""
    rows = record.rows(
        "SELECT * FROM health WHERE id <= ? AND id > ? AND node = ? ORDER BY id DESC LIMIT 1",
        last,
        after,
        node,
    )
    return _first(RecordedHealth, rows)


def health_frame_after(record: Rows, after: int) -> int | None:
    """Return the frame of the first row of health beyond id `after`."""
    return _number(record.rows("SELECT frame FROM health WHERE id > ? ORDER BY id LIMIT 1", after))


def health_frame_by(record: Rows, last: int) -> int | None:
    """Return the frame of the last row of health up to id `last`."""
    return _number(
        record.rows("SELECT frame FROM health WHERE id <= ? ORDER BY id DESC LIMIT 1", last)
    )


def health_beyond(
    record: Rows, after: int, last: int, bounds: Iterable[Bounds], flags: int
) -> bool:
    """Return whether any health in a span of ids is out of its bounds or has one of `flags` set
    (hil.wire.throttling)."""
    terms, values = [f"throttled & {flags:d} != 0"], list[float]()
    for quantity, lowest, highest in bounds:
        column, scale = _HEALTH_COLUMNS[quantity]
        if highest is not None:
            terms.append(f"{column} > ?")
            values.append(highest * scale)
        if lowest is not None:
            terms.append(f"{column} < ?")
            values.append(lowest * scale)
    return bool(
        record.rows(
            f"SELECT 1 FROM health WHERE id > ? AND id <= ? AND ({' OR '.join(terms)}) LIMIT 1",
            after,
            last,
            *values,
        )
    )


def counters_changed(record: Rows, after: int, last: int) -> bool:
    """Return whether a counter of errors, or the flags, changed on any node in a span of ids."""
    spans = ", ".join(f"min({name}) != max({name})" for name in _COUNTERS)
    rows = record.rows(
        f"SELECT {spans} FROM health WHERE id > ? AND id <= ? GROUP BY node", after, last
    )
    return any(any(row) for row in rows)


def link_counts(record: Rows, last: int, node: int, *, newest: bool) -> RecordedLink | None:
    """Return the counters of a node's link as of id `last`.

    A record from before they were kept over time has only the newest ones: they are returned if
    the `newest` are asked for."""
    rows = record.rows(
        "SELECT * FROM link_counts WHERE id <= ? AND node = ? ORDER BY id DESC LIMIT 1", last, node
    )
    if not rows and newest:
        rows = record.rows("SELECT * FROM links WHERE node = ?", node)
    return _first(RecordedLink, rows)


# --- plant and orbit ----------------------------------------------------------------------------


def has_plant(record: Rows) -> bool:
    """Return whether anything of the plant was recorded."""
    return bool(record.rows("SELECT 1 FROM plant LIMIT 1"))


def newest_plant(record: Rows, t_us: int) -> RecordedPlant | None:
    """Return the plant as it was last recorded up to a time."""
    rows = record.rows("SELECT * FROM plant WHERE t_us <= ? ORDER BY t_us DESC LIMIT 1", t_us)
    return _first(RecordedPlant, rows)


def illumination_at(record: Rows, t_us: int) -> float | None:
    """Return the illumination (0 to 1) last recorded up to a time; None where there is none."""
    rows = record.rows(
        "SELECT illumination FROM plant WHERE t_us <= ? ORDER BY t_us DESC LIMIT 1", t_us
    )
    return rows[0][0] if rows else None


def plant_rows(
    record: Rows,
    after_us: int,
    last_us: int,
    limit: int | None = None,
    about: int | None = None,
) -> list[RecordedPlant]:
    """Return the plant over a span of times; no more than the first `limit` rows, and of these
    only every n-th, so that there are `about` this number (up to twice)."""
    rows = record.rows(
        "SELECT * FROM plant WHERE t_us > ? AND t_us <= ? ORDER BY t_us LIMIT ?",
        after_us,
        last_us,
        -1 if limit is None else limit,
    )
    return values_of(RecordedPlant, _thinned(rows, about))


def _thinned(rows: Sequence[sqlite3.Row], about: int | None) -> Sequence[sqlite3.Row]:
    """Return every n-th of `rows`, from the first on; all of them without `about`."""
    return rows if about is None else rows[:: max(1, len(rows) // about)]


def plant_time_back(record: Rows, t_us: int, rows: int) -> int | None:
    """Return the time of the plant's row that stands `rows` before the last one up to `t_us`."""
    return _number(
        record.rows(
            "SELECT t_us FROM plant WHERE t_us <= ? ORDER BY t_us DESC LIMIT 1 OFFSET ?", t_us, rows
        )
    )


def plant_time_ahead(record: Rows, after_us: int, last_us: int, rows: int) -> int | None:
    """Return the time of the plant's row that stands `rows` after the first one of a span."""
    return _number(
        record.rows(
            "SELECT t_us FROM plant WHERE t_us > ? AND t_us <= ? ORDER BY t_us LIMIT 1 OFFSET ?",
            after_us,
            last_us,
            rows,
        )
    )


def plant_extremes(
    record: Rows, quantity: PlantQuantity, after_us: int, last_us: int
) -> tuple[float | None, float | None]:
    """Return the least and the greatest value of the plant in a span of times, over all nodes."""
    rows = record.rows(
        f"SELECT min({quantity}), max({quantity}) FROM {_PLANT_TABLES[quantity]} "
        "WHERE t_us > ? AND t_us <= ?",
        after_us,
        last_us,
    )
    return (rows[0][0], rows[0][1]) if rows else (None, None)


def die_temperatures(record: Rows, t_us: int) -> dict[str, float | None]:
    """Return the temperature of each node's die [°C] at a time of the plant, by name."""
    rows = record.rows("SELECT node, die_c FROM plant_nodes WHERE t_us = ?", t_us)
    return {row[0]: row[1] for row in rows}


def plant_node(record: Rows, t_us: int, node: str) -> RecordedPlantNode | None:
    """Return what the plant gave a node at a time of the plant."""
    rows = record.rows("SELECT * FROM plant_nodes WHERE t_us = ? AND node = ?", t_us, node)
    return _first(RecordedPlantNode, rows)


def plant_node_rows(record: Rows, times_us: Sequence[int]) -> list[RecordedPlantNode]:
    """Return what the plant gave all nodes at these times, in order of time and name."""
    out: list[RecordedPlantNode] = []
    for at in range(0, len(times_us), _TIMES_AT_ONCE):
        times = times_us[at : at + _TIMES_AT_ONCE]
        rows = record.rows(
            f"SELECT * FROM plant_nodes WHERE t_us IN ({','.join('?' * len(times))}) "
            "ORDER BY t_us, node",
            *times,
        )
        out += values_of(RecordedPlantNode, rows)
    return out


def die_and_power(record: Rows, t_us: int, node: str) -> tuple[float | None, float | None]:
    """Return the temperature of a node's die [°C] and its power [W] in the plant, as last recorded
    up to any time; None where there are none."""
    rows = record.rows(
        "SELECT die_c, power_w FROM plant_nodes WHERE t_us = "
        "(SELECT max(t_us) FROM plant WHERE t_us <= ?) AND node = ?",
        t_us,
        node,
    )
    return (rows[0][0], rows[0][1]) if rows else (None, None)


def mean_power_w(record: Rows) -> dict[str, float]:
    """Return the mean power of each node over the run [W], as the plant recorded it, by name."""
    rows = record.rows(
        "SELECT node, avg(power_w) FROM plant_nodes WHERE power_w IS NOT NULL GROUP BY node"
    )
    return {row[0]: row[1] for row in rows}


def illuminations(record: Rows) -> list[tuple[int, float]]:
    """Return the times [us] and the illumination (0 to 1) that the plant recorded."""
    rows = record.rows(
        "SELECT t_us, illumination FROM plant WHERE illumination IS NOT NULL ORDER BY t_us"
    )
    return [(row[0], row[1]) for row in rows]


def orbit_rows(
    record: Rows, first_us: int, last_us: int, about: int | None = None
) -> list[RecordedOrbit]:
    """Return the orbit from `first_us` to `last_us`, both of them in it; with `about` only every so
    many rows, as `plant_rows` does."""
    rows = record.rows(
        "SELECT * FROM orbit WHERE t_us BETWEEN ? AND ? ORDER BY t_us", first_us, last_us
    )
    return values_of(RecordedOrbit, _thinned(rows, about))


def orbit_position(record: Rows, t_us: int) -> tuple[float, float] | None:
    """Return latitude and longitude [deg] as last recorded up to a time."""
    rows = record.rows(
        "SELECT latitude_deg, longitude_deg FROM orbit WHERE t_us <= ? "
        "AND latitude_deg IS NOT NULL ORDER BY t_us DESC LIMIT 1",
        t_us,
    )
    return (rows[0][0], rows[0][1]) if rows else None
