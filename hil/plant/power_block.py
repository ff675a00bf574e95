"""The values of a power system: its state, a computed block of steps, and its energy account.

They are filled from the C kernel's structs (csrc/host/power.h).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hil._kernel import ffi
from hil.plant.thermal import HeatAccount, heat_account, pointer

__all__ = [
    "BROWNED_OUT",
    "PowerAccount",
    "PowerBlock",
    "PowerSnapshot",
    "PowerState",
    "account_of",
    "trace_of",
]

Array = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

BROWNED_OUT: Final = 255
"""The stage of a bus that has broken down."""


@dataclass(frozen=True, slots=True)
class PowerAccount:
    """Where energy went during a block, in joules.

    `array_j` = `transfer_loss_j` + `converter_loss_j` + `load_j` + `battery_loss_j` + `stored_j`.
    `available_j` is what the arrays could have given. `heat` is the account of the network: its
    loads are all of the above that became heat, less `array_j`, and what came from outside.
    """

    available_j: float
    array_j: float
    transfer_loss_j: float
    converter_loss_j: float
    load_j: float
    battery_loss_j: float
    stored_j: float
    heat: HeatAccount

    @property
    def throughput_j(self) -> float:
        """Return the energy that passed: the larger of what was drawn and what was used."""
        return max(self.array_j, self.load_j, abs(self.stored_j), 1e-300)

    @property
    def residual(self) -> float:
        """Return the residual of the electrical sum, relative to the throughput."""
        used = self.transfer_loss_j + self.converter_loss_j + self.load_j + self.battery_loss_j
        return (self.array_j - used - self.stored_j) / self.throughput_j


@dataclass(frozen=True, slots=True)
class PowerState:
    """A power system at one moment.

    `stage` is the number of shedding steps applied; `level`, `throttle` and `tripped` have an entry
    for each load.
    """

    soc: float
    bus_v: float
    battery_a: float
    stage: int
    browned_out: bool
    charged: bool
    tripped: tuple[bool, ...]
    throttle: tuple[int, ...]
    brownouts: int
    sheds: int
    restores: int
    trips: int


@dataclass(frozen=True)
class PowerBlock:
    """The result of a block of steps; all arrays are read-only, with a row for every `every`-th
    step.

    (N,): `soc`, `bus_v`, `battery_a` (charging is positive), `array_w` (drawn), `available_w`,
    `load_w`, `stage` (rungs applied, or BROWNED_OUT). (N, loads): `board_w`, `level`, `throttle`.
    (N, nodes): `temperature_k`.
    """

    account: PowerAccount
    soc: Array = field(repr=False)
    bus_v: Array = field(repr=False)
    battery_a: Array = field(repr=False)
    array_w: Array = field(repr=False)
    available_w: Array = field(repr=False)
    load_w: Array = field(repr=False)
    stage: Bytes = field(repr=False)
    board_w: Array = field(repr=False)
    level: Bytes = field(repr=False)
    throttle: Bytes = field(repr=False)
    temperature_k: Array = field(repr=False)


@dataclass(frozen=True, slots=True)
class PowerSnapshot:
    """The state of a PowerSystem, to continue later with the same model."""

    state: bytes
    temperature_k: tuple[float, ...]


_COLUMNS: Final = {
    "soc": "soc",
    "bus_v": "bus_V",
    "battery_a": "battery_A",
    "array_w": "array_W",
    "available_w": "available_W",
    "load_w": "load_W",
    "stage": "stage",
    "board_w": "board_W",
    "level": "level",
    "throttle": "throttle",
    "temperature_k": "T_K",
}


def trace_of(rows: int, every: int, loads: int, nodes: int) -> tuple[Any, dict[str, Any]]:
    """Return the kernel's trace, and the arrays that it fills."""
    shapes: dict[str, Iterable[int]] = {
        "board_w": (rows, loads),
        "level": (rows, loads),
        "throttle": (rows, loads),
        "temperature_k": (rows, nodes),
    }
    trace = ffi.new("hil_power_trace_t *")
    trace.every = every
    columns: dict[str, Any] = {}
    for name, field_name in _COLUMNS.items():
        small = name in ("stage", "level", "throttle")
        kind: type[np.uint8 | np.float64] = np.uint8 if small else np.float64
        columns[name] = np.zeros(tuple(shapes.get(name, (rows,))), dtype=kind)
        setattr(trace, field_name, pointer(columns[name], "uint8_t *" if small else "double *"))
    return trace, columns


def account_of(raw: Any) -> PowerAccount:
    """Return the kernel's account of energy as a PowerAccount."""
    return PowerAccount(
        float(raw.available_J),
        float(raw.array_J),
        float(raw.transfer_loss_J),
        float(raw.converter_loss_J),
        float(raw.load_J),
        float(raw.battery_loss_J),
        float(raw.stored_J),
        heat_account(raw.heat),
    )
