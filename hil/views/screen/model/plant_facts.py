"""Reads the facts of the plant and of the orbit around one frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hil.board_types.channels import Effect
from hil.json_values import JsonValue
from hil.record.live import LiveRecord, State
from hil.record.telemetry_queries import newest_plant, orbit_rows, plant_node, plant_rows
from hil.views.screen.model.facts import HitRates, Place, PlantNode, PlantReading
from hil.views.screen.model.recorded_values import json_of, place_of, plant_of

__all__ = ["PlantFacts"]

_AHEAD_US: Final = 3_600_000_000
_BEHIND_US: Final = 1_800_000_000
_PLACES: Final = 240
_VOTED: Final = (Effect.SEU, Effect.MBU)
_COUNTED: Final = (Effect.CORRECTED, Effect.IDLE)


class PlantFacts:
    """Reads the plant and the orbit of one record; values that cannot have changed are not read
    again."""

    def __init__(self, source: LiveRecord) -> None:
        self._source = source
        self._places: tuple[int, tuple[Place, ...]] = (-1, ())
        self._plants: tuple[int, tuple[PlantReading, ...]] = (-1, ())

    def plant(self, head: int) -> PlantReading | None:
        """Return the plant as it was last recorded up to frame `head`."""
        now_us = self._source.time.t_us(head)
        row = newest_plant(self._source, now_us)
        if row is None:
            return None
        if row.t_us != self._plants[0]:
            self._plants = (row.t_us, self._plant_rows(now_us))
        return plant_of(row)

    def _plant_rows(self, now_us: int) -> tuple[PlantReading, ...]:
        rows = plant_rows(self._source, now_us - _BEHIND_US - 1, now_us, about=_PLACES)
        return tuple(plant_of(row) for row in rows)

    @property
    def recent(self) -> tuple[PlantReading, ...]:
        """Return the last half hour of the plant, as of the last frame that was read."""
        return self._plants[1]

    def node(self, name: str) -> PlantNode | None:
        """Return the values of a node in the plant, as of the last frame that was read."""
        if not self._plants[1]:
            return None
        row = plant_node(self._source, self._plants[0], name)
        if row is None:
            return None
        hits = self._hits(json_of(row.upsets_per_day))
        return PlantNode(row.level, row.duty, row.power_w, row.die_c, row.throttle, hits)

    def _hits(self, rates: Mapping[str, JsonValue]) -> HitRates | None:
        """Return the radiation on a board from its recorded rates by kind, which are accelerated;
        what is not injected is among them."""
        known = {kind: float(v) for kind, v in rates.items() if isinstance(v, (int, float))}
        if not known:
            return None
        scenario = self._source.meta.scenario
        voted = sum(known.get(kind, 0.0) for kind in _VOTED) / scenario.accel
        voted /= scenario.voted_accel
        counted = sum(known.get(kind, 0.0) for kind in _COUNTED)
        return HitRates(counted / scenario.accel + voted, voted, sum(known.values()) - counted)

    def orbit(self, head: int) -> tuple[Place, ...]:
        """Return the orbit from half an hour before frame `head` to an hour after it."""
        now_us = self._source.time.t_us(head)
        step = now_us // 10_000_000
        key = step * 2 + (self._source.state is State.RUNNING and not self._places[1])
        if key != self._places[0]:
            begin_us, end_us = now_us - _BEHIND_US, now_us + _AHEAD_US
            rows = orbit_rows(self._source, begin_us, end_us, about=3 * _PLACES)
            self._places = (key, tuple(place_of(row) for row in rows))
        return self._places[1]
