"""The power of a whole board, computed from the supply rails that it measures itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["board_power_mw"]

_INPUTS: Final = frozenset({"VDD_IN", "5V_IN", "VIN", "POM_5V_IN"})
"""Input rails that carry the whole power of a Jetson: TX1, TX2, Xavier NX, Orin NX and Nano; Nano
(the agent truncates POM_5V_IN to what fits); Thor. AGX Xavier and AGX Orin measure no input."""
_UNKNOWN: Final = -(2**31)


def board_power_mw(rails: Iterable[tuple[str, int | None, int | None]]) -> int | None:
    """Return the power of the board [mW]; None if no rail is known.

    `rails` has the name, voltage [mV] and current [mA] of each. The input rail feeds the others, so
    it is taken alone where it is measured; else the result is the sum of all rails."""
    known: list[tuple[str, int]] = []
    for name, mv, ma in rails:
        if mv is not None and ma is not None and _UNKNOWN not in (mv, ma):
            known.append((name, mv * ma))
    inputs = [power for name, power in known if name in _INPUTS]
    drawn = inputs[:1] or [power for _, power in known]
    return sum(drawn) // 1000 if drawn else None
