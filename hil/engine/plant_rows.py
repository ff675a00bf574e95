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
    `frame_us`: from one frame to the next; `end_us`: the end of the run; `speed_of`: returns the
    steps per second of a node, or None. Not thread-safe.

    The flight is advanced at times that depend on how many frames a batch had, which is up to real
    time. So the frame of a row follows from the time of the row alone."""

    def __init__(
        self,
        built: BuiltPlant,
        record: Callable[[], Recorder],
        speed_of: Callable[[str], float | None],
        *,
        every_us: int,
        frame_us: int,
        end_us: int,
    ) -> None:
        self._built = built
        self._flight = built.flight
        self._record = record
        self._speed_of = speed_of
        self._every_us = every_us
        self._frame_us = frame_us
        self._end_us = end_us
        self._skips: list[tuple[int, int, int]] = []
        self.row_at_us = 0
        self._orbit_until_us = 0

    def advance(self, frame: int, t_us: int) -> Moment:
        """Advance the flight to `t_us`, before `frame`, and record the rows that are due until
        then."""
        while self.row_at_us <= t_us:
            row = self._flight.advance(self.row_at_us)
            self.moment(self._frame_of(self.row_at_us, frame, t_us), row)
            self.row_at_us += self._every_us
        self._skips.clear()
        return self._flight.advance(t_us)

    def note_skip(self, frame: int, frames: int, t_us: int) -> None:
        """Note that `frames` are skipped before `frame`, which begins at `t_us`."""
        self._skips.append((frame, t_us - frames * self._frame_us, t_us))

    def _frame_of(self, row_us: int, frame: int, t_us: int) -> int:
        """Return the first frame that begins at `row_us` or later, of those up to `frame`, which
        begins at `t_us`."""
        for first, from_us, until_us in reversed(self._skips):
            if row_us > until_us:
                break
            frame, t_us = first, max(from_us, row_us)
        return frame - (t_us - row_us) // self._frame_us

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
