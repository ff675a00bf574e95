"""The limits of alarms: of the scenario, of boards, and the defaults.

Limits come from the scenario's `alarms`, in the record. For a quantity without one, the profile of
a node's board may have it; DEFAULTS are used for the rest. The limits in sunlight and in eclipse
may differ. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hil.record.recorded_scenario import RecordedAlarmLimits
from hil.record.run_meta import RunMeta

__all__ = ["DEFAULTS", "QUANTITIES", "Level", "Limit", "Limits", "limits_of", "limits_of_boards"]


class Level(enum.IntEnum):
    """The severity of a value or event."""

    GOOD = 0
    NOTE = 1
    WARN = 2
    BAD = 3


QUANTITIES: Final[Mapping[str, tuple[str, str]]] = {
    "cpu_temp_c": ("temperature", "C"),
    "die_c": ("virtual die temperature", "C"),
    "power_w": ("power", "W"),
    "round_trip_ms": ("round trip", "ms"),
    "rss_mib": ("memory of the agent", "MiB"),
    "free_mib": ("free memory", "MiB"),
    "link_errors_per_s": ("link errors", "per sim s"),
    "corrected_per_s": ("corrected memory errors", "per sim s"),
    "uncorrected_per_s": ("uncorrectable memory errors", "per sim s"),
    "soc": ("battery charge", ""),
    "bus_v": ("bus voltage", "V"),
}
"""The quantities that may have limits: the name of each in words, and its unit."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The yellow and red limits of a quantity, below and above; None: no limit. `persistence`
    consecutive samples raise the alarm."""

    yellow_low: float | None = None
    yellow_high: float | None = None
    red_low: float | None = None
    red_high: float | None = None
    persistence: int = 3

    def level(self, value: float) -> Level:
        """Return the severity of a value by itself."""
        if _outside(value, self.red_low, self.red_high):
            return Level.BAD
        if _outside(value, self.yellow_low, self.yellow_high):
            return Level.WARN
        return Level.GOOD

    def crossed(self, value: float) -> str:
        """Return the limit that a value is beyond: `> 85`; empty if none."""
        for low, high in ((self.red_low, self.red_high), (self.yellow_low, self.yellow_high)):
            if high is not None and value > high:
                return f"> {high:g}"
            if low is not None and value < low:
                return f"< {low:g}"
        return ""


def _outside(value: float, low: float | None, high: float | None) -> bool:
    return (low is not None and value < low) or (high is not None and value > high)


Limits = Mapping[tuple[str, str], Limit]
"""By quantity and phase of the orbit (`sun`, `eclipse`, or empty for always), or by quantity and
node."""

DEFAULTS: Final[Limits] = {
    ("cpu_temp_c", ""): Limit(yellow_high=75.0, red_high=85.0),
    ("die_c", ""): Limit(yellow_high=75.0, red_high=85.0),
    ("link_errors_per_s", ""): Limit(yellow_high=0.5, red_high=5.0),
    ("uncorrected_per_s", ""): Limit(red_high=0.0, persistence=1),
    ("soc", ""): Limit(yellow_low=0.4, red_low=0.2),
}


def limits_of(alarms: Mapping[str, RecordedAlarmLimits]) -> Limits:
    """Return the limits of the alarms of a recorded scenario, by quantity, over the defaults.
    Unknown quantities are left out."""
    limits = dict(DEFAULTS)
    for quantity, usual in alarms.items():
        if quantity not in QUANTITIES:
            continue
        limits[quantity, ""] = _limit(usual, Limit())
        for phase, of_phase in (("sun", usual.sun), ("eclipse", usual.eclipse)):
            if of_phase is not None:
                limits[quantity, phase] = _limit(of_phase, limits[quantity, ""])
    return limits


def limits_of_boards(meta: RunMeta) -> Limits:
    """Return the limits of single nodes, by quantity and node: those of the boards, where the
    scenario has none."""
    alarms = meta.scenario.alarms
    return {
        (quantity, node): _limit(limits, Limit())
        for quantity, nodes in (meta.board_limits or {}).items()
        if quantity in QUANTITIES and quantity not in alarms
        for node, limits in nodes.items()
    }


def _limit(recorded: RecordedAlarmLimits, usual: Limit) -> Limit:
    """Return recorded limits, over the `usual` ones."""

    def either(value: float | None, otherwise: float | None) -> float | None:
        return otherwise if value is None else value

    return Limit(
        either(recorded.yellow_low, usual.yellow_low),
        either(recorded.yellow_high, usual.yellow_high),
        either(recorded.red_low, usual.red_low),
        either(recorded.red_high, usual.red_high),
        usual.persistence if recorded.persistence is None else recorded.persistence,
    )
