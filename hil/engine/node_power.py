"""The power of a node: what the plant coupling knows of one board, and the limits it gives it."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from hil.board_types.profile import BoardProfile
from hil.plant.moment import BoardMoment, PowerLevel
from hil.rig.node import Node, PowerCut
from hil.upsets.upset import Upset
from hil.wire.messages import Health, Limits

__all__ = ["NodePower", "permille"]

_STEPS_KEPT: Final = 256


@dataclass(slots=True)
class NodePower:
    """The power of one node. `down`: why it is shed, empty if it runs; `until_us`: until when its
    power is cut for protection [us of simulated time], whatever the plant orders; `worn_out`: it is
    dead; `limits`: those that it was given last, after its load number `loads`; `supply_w`: the
    power at which its bench supply trips [W]; `cannot_switch`: its power could not be switched off
    since it was shed."""

    node: Node
    profile: BoardProfile
    software: bool
    down: str = ""
    suspended: bool = False
    cannot_switch: bool = False
    until_us: int | None = None
    hot: bool = False
    worn_out: bool = False
    limits: Limits = field(default_factory=Limits)
    loads: int = 0
    latched: Upset | None = None
    health: Health | None = None
    step_us: deque[int] = field(default_factory=lambda: deque(maxlen=_STEPS_KEPT))
    speed: float | None = None
    supply_w: float | None = None

    def steps_per_s(self) -> float | None:
        """Return the median speed of the steps since the last call, else the last one known; None
        if the node is shed or has not run any step."""
        if self.step_us:
            self.speed = 1e6 / statistics.median(self.step_us)
            self.step_us.clear()
        return None if self.down else self.speed

    @property
    def kept_down(self) -> bool:
        """Return whether its power stays cut, whatever the plant orders: for protection, or because
        it is dead."""
        return self.until_us is not None or self.hot or self.worn_out

    @property
    def cut_by_other(self) -> bool:
        """Return whether an upset, or the scheme, keeps its power off."""
        return bool(self.node.power_cuts & {PowerCut.UPSET, PowerCut.STAND_BY})

    @property
    def is_on(self) -> bool:
        """Return whether the plant takes the board as on: also if it is shed by the plant's own
        order, because it may run again."""
        return not ((self.cut_by_other and not self.down) or self.kept_down)

    def expected_w(self, at: BoardMoment) -> float:
        """Return the most power [W] that the board draws in its mode."""
        power = self.profile.power
        return power.mode(
            power.capped if at.level == PowerLevel.CAPPED else power.full
        ).full_w.value

    def limits_at(self, at: BoardMoment) -> Limits:
        """Return the limits that the board has to apply at this moment of the plant."""
        if self.software or at.level != PowerLevel.CAPPED:
            return Limits(duty_permille=permille(at.duty))
        power = self.profile.power
        capped = power.mode(power.capped)
        clock = capped.clock_cap_mhz
        levels = at.duty  # of level and throttle; the level is left to clock and mode
        full = power.mode(power.full).clock_cap_mhz
        if clock is not None and full is not None:
            levels = min(1.0, at.duty * full.value / clock.value)
        return Limits(
            duty_permille=permille(levels),
            clock_khz=0 if clock is None else round(clock.value * 1000),
            mode=capped.name if self.profile.family == "jetson" else "",
        )

    def measured_w(self) -> float | None:
        """Return the power [W] that the board measured last; None if it measures none."""
        power_mw = None if self.health is None else self.health.power_mw
        return None if power_mw is None else power_mw / 1000.0

    def measured_c(self) -> float | None:
        """Return the temperature [degree C] that the board measured last; None if there is
        none."""
        temp_mc = None if self.health is None else self.health.cpu_temp_mc
        return None if temp_mc is None else temp_mc / 1000.0


def permille(duty: float) -> int:
    """Return a duty between 0 and 1 in thousandths, as an agent gets it: from 1 to 1000."""
    return max(1, min(1000, round(1000 * duty)))
