"""The values of a power system: its state, a computed block of steps, and its energy account.

They are filled from the C kernel's structs (csrc/host/power.h).
"""

from __future__ import annotations

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
    "PowerTrace",
    "account_of",
]

Array = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

BROWNED_OUT: Final = 255
"""The stage of a bus that has broken down."""


@dataclass(frozen=True, slots=True)
class PowerAccount:
    """The energy account of a block, in joules.

    `array_j` = `transfer_loss_j` + `converter_loss_j` + `load_j` + `battery_loss_j` + `stored_j`.
    `heat` is the account of the network: its loads are all of the above that became heat, less
    `array_j`, and what came from outside."""

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


class PowerTrace:
    """The kernel's trace of a block: `rows` rows, one for each `every`-th step, that it fills.

    `raw` is the struct for `power_run`.
    """

    def __init__(self, rows: int, every: int, loads: int, nodes: int) -> None:
        self.raw: Any = ffi.new("hil_power_trace_t *")
        self.raw.every = every
        self._soc = self._floats("soc", rows)
        self._bus_v = self._floats("bus_V", rows)
        self._battery_a = self._floats("battery_A", rows)
        self._array_w = self._floats("array_W", rows)
        self._available_w = self._floats("available_W", rows)
        self._load_w = self._floats("load_W", rows)
        self._stage = self._bytes("stage", rows)
        self._board_w = self._floats("board_W", rows, loads)
        self._level = self._bytes("level", rows, loads)
        self._throttle = self._bytes("throttle", rows, loads)
        self._temperature_k = self._floats("T_K", rows, nodes)

    def _floats(self, field_name: str, *shape: int) -> Array:
        array = np.zeros(shape, dtype=np.float64)
        setattr(self.raw, field_name, pointer(array))
        return array

    def _bytes(self, field_name: str, *shape: int) -> Bytes:
        array = np.zeros(shape, dtype=np.uint8)
        setattr(self.raw, field_name, pointer(array, "uint8_t *"))
        return array

    def block(self, account: PowerAccount) -> PowerBlock:
        """Return the block that the kernel has filled in; its arrays are read-only from now on."""
        block = PowerBlock(
            account,
            soc=self._soc,
            bus_v=self._bus_v,
            battery_a=self._battery_a,
            array_w=self._array_w,
            available_w=self._available_w,
            load_w=self._load_w,
            stage=self._stage,
            board_w=self._board_w,
            level=self._level,
            throttle=self._throttle,
            temperature_k=self._temperature_k,
        )
        for array in (block.soc, block.bus_v, block.battery_a, block.array_w, block.available_w):
            array.flags.writeable = False
        for array in (block.load_w, block.board_w, block.temperature_k):
            array.flags.writeable = False
        for column in (block.stage, block.level, block.throttle):
            column.flags.writeable = False
        return block


def account_of(raw: Any) -> PowerAccount:
    """Return the kernel's account of energy as a PowerAccount."""
    return PowerAccount(
        float(raw.array_J),
        float(raw.transfer_loss_J),
        float(raw.converter_loss_J),
        float(raw.load_J),
        float(raw.battery_loss_J),
        float(raw.stored_J),
        heat_account(raw.heat),
    )
