"""The speed of a board at each power level and throttle step, from its board profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hil.board_types.profile import BoardProfile
from hil.plant.moment import PowerLevel

__all__ = ["BoardSpeed"]


@dataclass(frozen=True, slots=True)
class BoardSpeed:
    """The relative speed of a board at each power level and at each step of its throttle."""

    levels: Mapping[str, float]
    throttle: Sequence[float]

    @classmethod
    def of(cls, profile: BoardProfile) -> BoardSpeed:
        """Derive the speeds from a profile: from clock caps, else from the power above idle."""
        capped, full = (profile.power.mode(m) for m in (profile.power.capped, profile.power.full))
        if capped.clock_cap_mhz is not None and full.clock_cap_mhz is not None:
            share = capped.clock_cap_mhz.value / full.clock_cap_mhz.value
        else:  # speed taken to follow the power above idle
            above = full.full_w.value - full.idle_w.value
            share = (capped.full_w.value - capped.idle_w.value) / above if above > 0 else 1.0
        levels: dict[str, float] = {
            PowerLevel.OFF: 0.0,
            PowerLevel.SUSPEND: 0.0,
            PowerLevel.CAPPED: min(1.0, max(0.001, share)),
            PowerLevel.FULL: 1.0,
        }
        return cls(levels, tuple(step.value for step in profile.thermal.throttle_steps))

    def share(self, level: str, throttle: int) -> float:
        """Return the share 0..1 of full speed at a level and throttle step (0: none)."""
        return self.levels[level] * max(0.001, self.throttle[throttle - 1] if throttle else 1.0)
