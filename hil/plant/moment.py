"""The plant at one moment: what boards draw, and what they and the spacecraft then experience."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hil.word_enum import Word

if TYPE_CHECKING:  # a screen shows moments, and must not wait for the profiles of boards
    from hil.board_types.channels import Effect

__all__ = ["LEVELS", "BoardMoment", "Draw", "Moment", "PowerLevel"]


class PowerLevel(Word):
    """The level to which the plant limits a board's speed: the names of a load's levels."""

    OFF = "off"
    SUSPEND = "suspend"
    CAPPED = "capped"
    FULL = "full"


LEVELS: Final[tuple[str, ...]] = tuple(PowerLevel)


@dataclass(frozen=True, slots=True)
class Draw:
    """The state of a board that decides its power.

    `on`: it has power. `activity`: share of the time that it computes. `factor`: over-current as a
    multiple of its power, 1 if there is none. `measured_w`, `measured_c`: what it reports.
    """

    on: bool = True
    activity: float = 1.0
    factor: float = 1.0
    measured_w: float | None = None
    measured_c: float | None = None


@dataclass(frozen=True, slots=True)
class BoardMoment:
    """A board at one moment.

    `duty`: the share of its speed that level and throttle leave it; `tripped`: it switched itself
    off because it was too hot.
    """

    level: str
    duty: float
    throttle: int
    tripped: bool
    power_w: float | None
    die_c: float | None
    upsets_per_day: Mapping[Effect, float]


@dataclass(frozen=True, slots=True)
class Moment:
    """The plant at one moment; values that are not modelled are None."""

    t_us: int
    illumination: float
    flux_per_cm2_s: float
    bus_v: float | None
    array_w: float | None
    load_w: float | None
    battery_w: float | None
    soc: float | None
    stage: int | None
    temperatures_c: Mapping[str, float]
    boards: Mapping[str, BoardMoment]
