"""The rows of a flight without boards, block by block: what `hil orbit` counts, draws and writes.

A flight of a year has 31 million rows of 1 s: only one block of them is held at a time, and the sky
of each block is computed once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hil.plant.build import BuiltPlant
from hil.plant.moment import LEVELS, Moment
from hil.plant.passes import Pass
from hil.plant.power import PowerSystem
from hil.plant.power_block import PowerBlock
from hil.plant.radiation.crosssection import KINDS
from hil.plant.sky import BLOCK_STEPS, SkyBlock
from hil.plant.spacecraft import PlacedBoard
from hil.scenario.plant.thermal import SPACE, ZERO_C_K

__all__ = ["Stretch", "stretches"]

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

_SKY: Final = (
    "latitude_deg",
    "longitude_deg",
    "altitude_km",
    "beta_deg",
    "illumination",
    "flux_per_cm2_s",
)
_SAMPLE_US: Final = 10_000_000
"""Between two temperatures of a board, which takes minutes to warm up."""
_POWER: Final = ("bus_v", "load_w", "battery_w", "soc", "stage")


@dataclass(frozen=True, slots=True)
class Stretch:
    """One block of a flight: its sky, of which the first `count` steps are flown, and the values
    (N,) of its rows by the name of their column, the same names in every stretch.

    `board_c`: the temperatures of boards by node, every `board_every_s` seconds (10, or a longer
    step) from the start of the flight on, whatever the rows."""

    sky: SkyBlock
    count: int
    columns: Mapping[str, Floats]
    board_c: Mapping[str, Floats]
    board_every_s: float


def stretches(built: BuiltPlant, stride: int) -> Iterator[Stretch]:
    """Fly a plant without boards, from its beginning to its end, with a row every `stride` steps.

    A row holds the sky of the step that begins there, and the power and heat at that moment."""
    start, last = built.flight.moment, built.sky.steps
    board_every_s = _board_stride(built.flight.step_us) * built.flight.step_us / 1e6
    contacts: dict[str, list[Pass]] = {p.station: [] for p in built.sky.passes}
    for one in built.sky.passes:
        contacts[one.station].append(one)
    for first in range(0, last + 1, BLOCK_STEPS):
        block = built.sky.block_of(first)
        end = min(first + len(block), last + 1)
        rows = np.arange(first + (-first) % stride, end, stride)
        columns = _sky_columns(built, block, rows - first)
        board_c: Mapping[str, Floats] = {}
        if built.flight.system is not None:
            powered, board_c = _powered(built, start, first, end, rows)
            columns |= powered
        else:
            columns |= _unpowered(built, rows)
        for station, passes in sorted(contacts.items()):
            columns[f"contact.{station}"] = _contact(passes, columns["t_s"])
        yield Stretch(block, min(len(block), last - first), columns, board_c, board_every_s)
    built.flight.finish()


def _sky_columns(built: BuiltPlant, block: SkyBlock, at: Whole) -> dict[str, Floats]:
    columns = {"t_s": block.t_s[at]}
    for name in _SKY:
        values: Floats = getattr(block, name)
        if not np.any(np.isnan(values)):
            columns[name] = values[at]
    for board in built.boards:
        for kind in (kind for kind in KINDS if built.sky.occurs(board.name, kind)):
            factor = 86_400.0 / built.sky.acceleration(kind)
            columns[f"{kind}_per_day.{board.name}"] = block.rates[board.name][kind][at] * factor
    return columns


# --- with power and heat --------------------------------------------------------------------------


def _powered(
    built: BuiltPlant, start: Moment, first: int, end: int, rows: Whole
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Return what power and heat are at the rows `rows` of those from `first` to `end`, and the
    temperatures of boards every 10 s.

    The row of a moment is what the step before it has led to; at the start, nothing has flowed."""
    flight = built.flight
    pieces: list[tuple[PowerBlock, slice]] = []
    while flight.done < end - 1:
        pieces.append(flight.advance_rows(end - 1))
    at = rows - first
    power = {name: _joined(pieces, name) for name in ("bus_v", "load_w", "battery_a", "soc")}
    power["stage"] = _joined(pieces, "stage").astype(np.float64)
    power["battery_w"] = power.pop("battery_a") * power["bus_v"]
    columns = {}
    for name in _POWER:
        values, begin = power[name], getattr(start, name) if first == 0 else None
        if first == 0:  # the load of the first moment is what the first step will draw
            values = np.concatenate([[values[0] if begin is None else float(begin)], values])
        given = flight.prescribed.column(name, rows.astype(np.float64) * (flight.step_us / 1e6))
        columns[name] = values[at] if given is None else given
    assert flight.system is not None
    begin_at = start if first == 0 else None
    columns |= _heat(flight.system, built.boards, pieces, at, begin_at)
    return columns, _boards_c(flight.system, built.boards, pieces, flight.step_us, first)


def _heat(
    system: PowerSystem,
    boards: Sequence[PlacedBoard],
    pieces: Sequence[tuple[PowerBlock, slice]],
    at: Whole,
    start: Moment | None,
) -> dict[str, Floats]:
    """Return temperatures and levels at the rows `at`; `start`: the moment of the first row, before
    those of the pieces."""
    columns = {}
    celsius = np.ascontiguousarray(_joined(pieces, "temperature_k").T) - ZERO_C_K
    levels = _joined(pieces, "level")
    for number, part in enumerate(system.network.names):
        if part == SPACE:
            continue
        values = celsius[number]
        if start is not None:
            values = np.concatenate([[start.temperatures_c[part]], values])
        columns[f"temperature_c.{part}"] = values[at]
    loads = {load.name: (number, load) for number, load in enumerate(system.model.loads)}
    for board in boards:
        number, load = loads[board.name]
        values = np.array([float(LEVELS.index(lv.name)) for lv in load.levels])[levels[:, number]]
        if start is not None:
            begin = float(LEVELS.index(start.boards[board.name].level))
            values = np.concatenate([[begin], values])
        columns[f"level.{board.name}"] = values[at]
    return columns


def _boards_c(
    system: PowerSystem,
    boards: Sequence[PlacedBoard],
    pieces: Sequence[tuple[PowerBlock, slice]],
    step_us: int,
    first: int,
) -> dict[str, Floats]:
    """Return the temperatures of boards after steps that are 10 s apart; at least one step."""
    stride = _board_stride(step_us)
    kelvins = _joined(pieces, "temperature_k")[-first % stride :: stride]
    return {b.name: kelvins[:, system.network.node(f"{b.name}.board")] - ZERO_C_K for b in boards}


def _board_stride(step_us: int) -> int:
    return max(1, round(_SAMPLE_US / step_us))


def _joined(pieces: Sequence[tuple[PowerBlock, slice]], name: str) -> npt.NDArray[Any]:
    parts = [getattr(block, name)[rows] for block, rows in pieces]
    joined: npt.NDArray[Any] = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return joined


# --- with a profile alone -------------------------------------------------------------------------


def _unpowered(built: BuiltPlant, rows: Whole) -> dict[str, Floats]:
    """Return what a profile states at the rows; there is no power system."""
    flight = built.flight
    moments = [flight.advance(int(step) * flight.step_us) for step in rows]
    columns: dict[str, Floats] = {}
    for name in _POWER:
        given = flight.prescribed.column(name, rows.astype(np.float64) * (flight.step_us / 1e6))
        if given is not None:
            columns[name] = given
    for part in flight.moment.temperatures_c:
        columns[f"temperature_c.{part}"] = np.array([m.temperatures_c[part] for m in moments])
    for board in built.boards:
        words = [m.boards[board.name].level for m in moments]
        columns[f"level.{board.name}"] = np.array([float(LEVELS.index(w)) for w in words])
    return columns


def _contact(passes: Sequence[Pass], t_s: Floats) -> Floats:
    """Return 1 at the times (N,) that lie in one of the passes over a station, which are in order,
    and 0 at others."""
    risen = np.searchsorted(np.array([p.rise_s for p in passes]), t_s, side="right")
    set_ = np.searchsorted(np.array([p.set_s for p in passes]), t_s, side="right")
    return np.where(risen > set_, 1.0, 0.0)
