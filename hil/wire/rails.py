"""What a whole board draws, from the rails that it measures itself. The engine and the screens
take it from here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["board_power_mw"]

_INPUTS: Final = frozenset({"VDD_IN", "5V_IN", "VIN", "POM_5V_IN"})
"""Rails through which a Jetson takes all its power: TX1, TX2, Xavier NX, Orin NX and Nano; Nano
(the agent shortens POM_5V_IN to what fits); Thor. AGX Xavier and AGX Orin measure no input."""
_UNKNOWN: Final = -(2**31)


def board_power_mw(rails: Iterable[tuple[str, int | None, int | None]]) -> int | None:
    """Return what the board draws, in mW; None if no rail is known.

    `rails` has name, mV and mA of each. The input rail feeds the others, so it stands for all where
    it is measured; else the sum of all is what can be known."""
    known: list[tuple[str, int]] = []
    for name, mv, ma in rails:
        if mv is not None and ma is not None and _UNKNOWN not in (mv, ma):
            known.append((name, mv * ma))
    inputs = [power for name, power in known if name in _INPUTS]
    drawn = inputs[:1] or [power for _, power in known]
    return sum(drawn) // 1000 if drawn else None
