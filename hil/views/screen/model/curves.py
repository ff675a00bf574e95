"""The values of one node over time: some points, evenly spread over a stretch of the record."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from hil.record.live import LiveRecord
from hil.record.record_tables import RecordTable
from hil.record.telemetry_queries import die_and_power, has_plant, newest_health, node_health
from hil.views.screen.model.facts import EventLine, NodeReading
from hil.views.screen.model.recorded_values import reading_of

__all__ = ["Curve", "History", "history"]


@dataclass(frozen=True, slots=True)
class Curve:
    """The values of one quantity; None where the board reported nothing."""

    name: str
    unit: str
    values: tuple[float | None, ...]

    @property
    def known(self) -> list[float]:
        """Return the values that are not None."""
        return [value for value in self.values if value is not None]


@dataclass(frozen=True, slots=True)
class History:
    """The curves of a node, all of the same stretch, oldest first."""

    frames: tuple[int, int] = (0, 0)
    curves: tuple[Curve, ...] = ()
    events: tuple[EventLine, ...] = ()


def history(source: LiveRecord, node: int, head: int, points: int, every: int = 1) -> History:
    """Return `points` points up to frame `head`, `every` reports (one a second) apart.

    A run with fewer reports is shown as a whole."""
    readings = _readings(source, node, head, points, every)
    if not readings:
        return History()
    end_us = source.time.t_us(head)
    begin_us = source.time.t_us(readings[0].frame) if len(readings) >= points else 0
    span_us = max(1, end_us - begin_us)
    moments = [begin_us + span_us * (k + 1) // points for k in range(points)]
    times = [source.time.t_us(reading.frame) for reading in readings]
    die, power = _virtual(source, source.names[node], moments)
    rates = _rates(readings, times)

    def at_moments(values: Sequence[float | None]) -> tuple[float | None, ...]:
        return _spread(times, values, moments)

    real = at_moments([r.power_w for r in readings])
    return History(
        (source.time.frame_at(begin_us), head),
        (
            Curve("temperature", "C", at_moments([r.temp_c for r in readings])),
            Curve("virtual temp", "C", die),
            Curve("power", "W", real if any(v is not None for v in real) else power),
            Curve("round trip", "ms", at_moments([r.round_trip_ms for r in readings])),
            Curve("steps/sim s", "", at_moments(rates)),
        ),
    )


def _readings(
    source: LiveRecord, node: int, head: int, points: int, every: int
) -> list[NodeReading]:
    end = source.position(RecordTable.HEALTH, source.upto(head))
    step = max(1, len(source.nodes)) * every
    if every == 1:
        rows = node_health(source, end - points * step, end, node)
        return [reading_of(row) for row in rows][-points:]
    readings: list[NodeReading] = []
    for at in range(end - (points - 1) * step, end + 1, step):
        row = newest_health(source, at - step, at, node) if at > 0 else None
        if row is not None:
            readings.append(reading_of(row))
    return readings


def _spread(
    times: Sequence[int], values: Sequence[float | None], moments: Sequence[int]
) -> tuple[float | None, ...]:
    """Return the last value at each moment; None if it is much older than the usual time between
    reports: the board was silent then."""
    apart = sorted(b - a for a, b in pairwise(times))
    pitch = moments[1] - moments[0] if len(moments) > 1 else 0
    usual = apart[len(apart) // 2] if apart else 0
    valid_us = 2 * max(min(usual, pitch * len(moments) // 16), pitch)
    out: list[float | None] = []
    for moment in moments:
        at = bisect_right(times, moment) - 1
        out.append(values[at] if at >= 0 and moment - times[at] <= valid_us else None)
    return tuple(out)


def _rates(readings: Sequence[NodeReading], times: Sequence[int]) -> list[float | None]:
    """Return the steps per simulated second; `times` are those of the readings."""
    out: list[float | None] = [None]
    for (then, begin), (now, end) in pairwise(zip(readings, times, strict=True)):
        out.append(
            (now.steps - then.steps) / (end - begin) * 1e6
            if end > begin and now.steps >= then.steps
            else None
        )
    return out


def _virtual(
    source: LiveRecord, name: str, moments: Sequence[int]
) -> tuple[tuple[float | None, ...], tuple[float | None, ...]]:
    """Return the temperature and power of the board in the plant, at these moments."""
    if not has_plant(source):
        nothing = (None,) * len(moments)
        return nothing, nothing
    values = [die_and_power(source, moment, name) for moment in moments]
    return tuple(die_c for die_c, _ in values), tuple(power_w for _, power_w in values)
