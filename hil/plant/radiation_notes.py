"""Remarks for users whose accelerated flight has no upsets, or hardly any of voted data, each with
the remedy: voted data are a small part of a board, and of many boards no beam test is published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from hil.board_types.channels import NO_DATA
from hil.plant.board_rates import VOTED, BoardRates
from hil.plant.spacecraft import PlacedBoard

__all__ = ["few_hits", "no_data"]

_WANTED: Final = 30.0
"""So many expected hits that hardly any run has fewer than ten."""


def no_data(boards: Sequence[PlacedBoard], *, accelerated: bool) -> tuple[str, ...]:
    """Return a remark for each profile without beam data, if its rates are `accelerated`."""
    if not accelerated:
        return ()
    empty = {b.profile.name: b.profile.radiation for b in boards if not b.data_set.channels}
    notes = []
    for name, radiation in empty.items():
        others = [data for data in radiation.names if data != NO_DATA]
        remedy = (
            f"`plant: {{radiation: {{data: {others[0]}}}}}` chooses data of other parts"
            if others
            else "write a data set into a copy of it, or fly a board that was tested"
        )
        notes.append(f"{name} has no beam data, so the acceleration multiplies nothing; {remedy}")
    return tuple(notes)


def few_hits(boards: Mapping[str, BoardRates], days: float) -> tuple[str, ...]:
    """Return a remark if a flight of so many days is accelerated, and yet less than one hit of
    voted data is expected in it."""
    rates: Iterable[BoardRates] = boards.values()
    expected = sum(r.flown(*VOTED) for r in rates) * days
    factors = {(r.accel, r.voted_accel) for r in boards.values()}
    if not 0.0 < expected < 1.0 or factors == {(1.0, 1.0)}:
        return ()
    voted_accel = max(voted for _, voted in factors) * _WANTED / expected
    return (
        f"{expected:.2g} hits of voted data are expected in this flight: they are a small part of "
        f"the board. `upsets: {{orbit: {{voted_accel: {voted_accel:.1e}}}}}` makes them about "
        f"{_WANTED:.0f}",
    )
