"""The report of `hil power` on a board's supply. `hil.rig.power` measures it, `hil.views.supplies`
shows it."""

from __future__ import annotations

from dataclasses import dataclass

from hil.json_values import JsonObject

__all__ = ["SupplyState"]


@dataclass(frozen=True, slots=True)
class SupplyState:
    """The supply of one board, as it was measured; None for values that were not measured.

    `is_on`: whether its output delivers power. `error` is the reason why the supply could not be
    used, and `remedy` the advice; empty if it could.
    """

    board: str
    supply: str
    is_on: bool | None = None
    voltage_v: float | None = None
    current_a: float | None = None
    error: str = ""
    remedy: str = ""

    @property
    def power_w(self) -> float | None:
        """Return the power [W]; None unless voltage and current were measured."""
        if self.voltage_v is None or self.current_a is None:
            return None
        return self.voltage_v * self.current_a

    def as_json(self) -> JsonObject:
        """Return the state as an entry of `boards` of `hil power read --json`."""
        return {
            "board": self.board,
            "supply": self.supply,
            "on": self.is_on,
            "voltage_v": self.voltage_v,
            "current_a": self.current_a,
            "power_w": self.power_w,
            "error": self.error or None,
            "remedy": self.remedy or None,
        }
