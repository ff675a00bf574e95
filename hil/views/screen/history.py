"""How the values of one node went: some points, evenly spread over a stretch of the record."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from hil.views.screen.facts import Event, Reading
from hil.views.screen.gather import reading_of
from hil.views.screen.source import Source

__all__ = ["Curve", "History", "history"]


@dataclass(frozen=True, slots=True)
class Curve:
    """One quantity; None where nothing was told."""

    name: str
    unit: str
    values: tuple[float | None, ...]

    @property
    def known(self) -> list[float]:
        return [value for value in self.values if value is not None]


@dataclass(frozen=True, slots=True)
class History:
    """The curves of a node, all of the same stretch, oldest first."""

    frames: tuple[int, int] = (0, 0)
    curves: tuple[Curve, ...] = ()
    events: tuple[Event, ...] = ()


def history(source: Source, node: int, head: int, points: int, every: int = 1) -> History:
    """`points` points up to frame `head`, each `every` accounts (seconds) after the one before."""
    end = source.position("health", head)
    step = max(1, len(source.nodes)) * every
    readings: list[Reading] = []
    if every == 1:
        rows = source.rows(
            "SELECT * FROM health WHERE id > ? AND id <= ? AND node = ? ORDER BY id",
            end - points * step, end, node,
        )  # fmt: skip
        readings = [reading_of(row) for row in rows]
    else:
        for at in range(end - (points - 1) * step, end + 1, step):
            row = at > 0 and source.one(
                "SELECT * FROM health WHERE id <= ? AND id > ? AND node = ? "
                "ORDER BY id DESC LIMIT 1",
                at, at - step, node,
            )  # fmt: skip
            if row:
                readings.append(reading_of(row))
    readings = readings[-points:]
    if not readings:
        return History()
    name = source.names[node]
    die = _virtual(source, name, readings)
    return History(
        (readings[0].frame, readings[-1].frame),
        (
            Curve("temperature", "C", tuple(r.temp_c for r in readings)),
            Curve("virtual temp", "C", die[0]),
            Curve("power", "W", tuple(
                r.power_w if r.power_w is not None else v
                for r, v in zip(readings, die[1], strict=True))),
            Curve("round trip", "ms", tuple(r.round_trip_ms for r in readings)),
            Curve("rate", "steps/s", _rates(readings)),
        ),
    )  # fmt: skip


def _rates(readings: list[Reading]) -> tuple[float | None, ...]:
    out: list[float | None] = [None]
    for then, now in pairwise(readings):
        spent = now.wall_us - then.wall_us
        out.append((now.steps - then.steps) / spent * 1e6
                   if spent > 0 and now.steps >= then.steps else None)  # fmt: skip
    return tuple(out)


def _virtual(
    source: Source, name: str, readings: list[Reading]
) -> tuple[tuple[float | None, ...], tuple[float | None, ...]]:
    """Temperature and power that the plant gives the board, at the moments of the readings."""
    if not source.rows("SELECT 1 FROM plant LIMIT 1"):
        nothing = (None,) * len(readings)
        return nothing, nothing
    temperatures: list[float | None] = []
    powers: list[float | None] = []
    for reading in readings:
        row = source.one(
            "SELECT die_c, power_w FROM plant_nodes WHERE t_us = "
            "(SELECT max(t_us) FROM plant WHERE t_us <= ?) AND node = ?",
            source.time.t_us(reading.frame), name,
        )  # fmt: skip
        temperatures.append(row["die_c"] if row else None)
        powers.append(row["power_w"] if row else None)
    return tuple(temperatures), tuple(powers)
