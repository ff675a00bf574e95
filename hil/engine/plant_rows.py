"""The plant's rows: records the moments of the flight, and its orbit.

It decides nothing; the plant coupling calls it when something has changed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Final

from hil.board_types.channels import Effect
from hil.plant.build import BuiltPlant
from hil.plant.moment import Moment
from hil.record.recorder_protocol import Recorder
from hil.record.row_values import RecordedOrbit, RecordedPlant, RecordedPlantNode

__all__ = ["PlantRows"]

_ORBIT_ROW_US: Final = 30_000_000
_ORBIT_AHEAD_US: Final = 2 * 3_600_000_000


class PlantRows:
    """Records the flight of `built`: a row every `every_us` of simulated time, and on request.
    `end_us`: the end of the run; `speed_of`: returns the steps per second of a node, or None. Not
    thread-safe."""

    def __init__(
        self,
        built: BuiltPlant,
        record: Callable[[], Recorder],
        speed_of: Callable[[str], float | None],
        *,
        every_us: int,
        end_us: int,
    ) -> None:
        self._built = built
        self._flight = built.flight
        self._record = record
        self._speed_of = speed_of
        self._every_us = every_us
        self._end_us = end_us
        self.row_at_us = 0
        self._orbit_until_us = 0

    def advance(self, frame: int, t_us: int) -> Moment:
        """Advance the flight to `t_us`, before `frame`, and record the rows that are due until
        then."""
        while self.row_at_us <= t_us:
            self.moment(frame, self._flight.advance(self.row_at_us))
            self.row_at_us += self._every_us
        return self._flight.advance(t_us)

    def moment(self, frame: int, m: Moment) -> None:
        """Record a moment of the flight, before `frame`."""
        temperatures = json.dumps({k: round(v, 2) for k, v in m.temperatures_c.items()})
        self._record().plant(
            RecordedPlant(
                m.t_us,
                frame,
                m.illumination,
                m.flux_per_cm2_s,
                m.bus_v,
                m.array_w,
                m.load_w,
                m.battery_w,
                m.soc,
                m.stage,
                temperatures,
            ),
            [
                RecordedPlantNode(
                    m.t_us,
                    name,
                    b.level,
                    b.duty,
                    b.power_w,
                    b.die_c,
                    b.throttle,
                    self._speed_of(name),
                    _rates_text(b.upsets_per_day),
                )
                for name, b in m.boards.items()
            ],
        )

    def orbit(self, t_us: int) -> None:
        """Record the orbit at least an hour ahead, but not past the end of the run."""
        if t_us + _ORBIT_AHEAD_US // 2 < self._orbit_until_us:
            return
        sky, step_us = self._built.sky, self._flight.step_us
        until_us = min(t_us + _ORBIT_AHEAD_US, self._end_us + _ORBIT_ROW_US)
        rows = []
        while self._orbit_until_us < until_us:
            at_us, step = self._orbit_until_us, self._orbit_until_us // step_us
            block = sky.block_of(step)
            i = step - block.first
            rows.append(
                RecordedOrbit(
                    at_us,
                    _known(block.latitude_deg[i]),
                    _known(block.longitude_deg[i]),
                    _known(block.altitude_km[i]),
                    _known(block.illumination[i]),
                    _known(block.beta_deg[i]),
                    _known(block.flux_per_cm2_s[i]),
                    int(block.flux_per_cm2_s[i] >= 1.0),
                    sky.contact(at_us / 1e6),
                )
            )
            self._orbit_until_us += max(_ORBIT_ROW_US, step_us)
        self._record().orbit(rows)


def _known(value: float) -> float | None:
    """Return a value of the sky, None if it is unknown (NaN)."""
    return None if math.isnan(value) else float(value)


def _rates_text(per_day: Mapping[Effect, float]) -> str:
    """Return the rates of a board as they are recorded: those that are not zero, and `seu`."""
    return json.dumps({k: float(f"{v:.4g}") for k, v in per_day.items() if v or k is Effect.SEU})
