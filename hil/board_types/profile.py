"""Board profiles: what kind of computer a board is, as `boards/NAME.yaml` states it.

Power modes, heat, serial port, sensors and radiation cross-sections. Every number states its
origin (`hil.board_types.cited`). Reading the files: `hil.board_types.catalogue`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, Field, model_validator

from hil.board_types.channels import Radiation
from hil.board_types.cited import Cited, Note, Number, Switch, Word, check_limits
from hil.scenario.fields import FrozenModel, Int
from hil.scenario.problems import Findings, did_you_mean, one_of, wrong_at

__all__ = [
    "PROFILE_SCHEMA_VERSION",
    "BoardProfile",
    "Fact",
    "Memory",
    "PowerMode",
    "PowerProfile",
    "Sensor",
    "Serial",
    "Storage",
    "Thermal",
    "numbers_of",
]

PROFILE_SCHEMA_VERSION = 2
"""Schema 1 had one list of channels: `hil.board_types.profile_upgrade` reads it."""


class PowerMode(FrozenModel):
    """A mode that the board's own software can set, such as those of nvpmodel."""

    name: Word = Field(description="Name; on a Jetson, as in its /etc/nvpmodel.conf.")
    idle_w: Number = Field(description="Power when nothing runs.")
    full_w: Number = Field(description="Power at full load.")
    cores: Number | None = Field(default=None, description="Cores in use.")
    clock_cap_mhz: Number | None = Field(default=None, description="Highest clock of the cores.")

    @model_validator(mode="after")
    def _consistent(self) -> PowerMode:
        findings = Findings()
        check_limits(self, 0.0, 5000.0, "idle_w", "full_w", findings=findings)
        check_limits(self, 1.0, 1024.0, "cores", findings=findings)
        check_limits(self, 1.0, 10_000.0, "clock_cap_mhz", findings=findings)
        if self.full_w.value < self.idle_w.value:
            findings.add(("full_w", "value"), "full load takes less power than idle")
        wrong_at("PowerMode", findings)
        return self


class PowerProfile(FrozenModel):
    """The power of the board. The levels of a load are off, suspend, capped, full."""

    supply_v: Number | None = Field(
        default=None,
        description="Supply voltage of the board, from `low` to `high`; no bench supply is set to "
        "another. None: not stated.",
    )
    off_w: Number = Field(description="Power when shut down, with the supply on.")
    suspend_w: Number | None = Field(
        default=None,
        description="Power when suspended or halted with memory kept; none: not supported.",
    )
    modes: tuple[PowerMode, ...] = Field(description="The modes.")
    capped: Word = Field(description="The mode that saves power.")
    full: Word = Field(description="The mode for full speed.")

    @model_validator(mode="after")
    def _consistent(self) -> PowerProfile:
        findings = Findings()
        names = [mode.name for mode in self.modes]
        check_limits(self, 0.0, 1000.0, "off_w", "suspend_w", findings=findings)
        check_limits(self, 0.5, 400.0, "supply_v", findings=findings)
        if self.supply_v is not None and None in (self.supply_v.low, self.supply_v.high):
            findings.add("supply_v", "expected `low:` and `high:`", "add both ends of its range")
        for index, name in enumerate(names):
            if name in names[:index]:
                findings.add(("modes", index, "name"), f"the mode `{name}` is listed twice")
        for key in ("capped", "full"):
            if getattr(self, key) not in names:
                findings.add(
                    key,
                    f"there is no mode `{getattr(self, key)}`; expected {one_of(names)}",
                    did_you_mean(getattr(self, key), names),
                )
        if not findings and self.mode(self.capped).full_w.value > self.mode(self.full).full_w.value:
            findings.add("capped", "this mode takes more power than the one for full speed")
        wrong_at("Power", findings)
        return self

    def mode(self, name: str) -> PowerMode:
        """Return the mode of that name.

        Raises:
            KeyError: There is no such mode.
        """
        for mode in self.modes:
            if mode.name == name:
                return mode
        raise KeyError(name)


class Solder(FrozenModel):
    """The thermal cycles that the board's solder joints stand: so many of a swing, and of another
    swing fewer or more by the exponent (Coffin and Manson)."""

    cycles: Number = Field(description="Cycles to failure of `swing_k`.")
    swing_k: Number = Field(description="Swing of the board's temperature in the test [K].")
    exponent: Number = Field(description="N = cycles (swing_k / dT) ^ exponent.")

    @model_validator(mode="after")
    def _consistent(self) -> Solder:
        findings = Findings()
        check_limits(self, 1.0, 1e9, "cycles", findings=findings)
        check_limits(self, 1.0, 400.0, "swing_k", findings=findings)
        check_limits(self, 0.5, 10.0, "exponent", findings=findings)
        wrong_at("Solder", findings)
        return self


class Thermal(FrozenModel):
    """Two thermal nodes, junction (the chip with its spreader) and board, and the limits of the
    chip.
    """

    junction_j_per_k: Number = Field(description="Heat capacity of chip and spreader.")
    board_j_per_k: Number = Field(description="Heat capacity of the rest of the board.")
    junction_to_board_k_per_w: Number = Field(description="Resistance from junction to board.")
    board_to_mount_k_per_w: Number = Field(description="Resistance from board to its mount.")
    junction_share: Number = Field(description="Share of the power that heats the junction.")
    throttle_c: Number = Field(description="Junction temperature at which throttling begins.")
    throttle_clear_c: Number = Field(
        description="Junction temperature below which throttling ends."
    )
    shutdown_c: Number = Field(
        description="Junction temperature at which the board switches itself off."
    )
    throttle_steps: tuple[Number, ...] = Field(
        description="Power above idle that remains at each step, as fractions, falling."
    )
    throttle_poll_s: Number = Field(description="Time between two steps.")
    solder: Solder | None = Field(
        default=None, description="Thermal cycles that its solder joints stand; none: not known."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Thermal:
        findings = Findings()
        check_limits(self, 1e-3, 1e6, "junction_j_per_k", "board_j_per_k", findings=findings)
        check_limits(
            self,
            1e-3,
            1e3,
            "junction_to_board_k_per_w",
            "board_to_mount_k_per_w",
            findings=findings,
        )
        check_limits(self, 0.0, 1.0, "junction_share", findings=findings)
        check_limits(
            self, 0.0, 250.0, "throttle_c", "throttle_clear_c", "shutdown_c", findings=findings
        )
        check_limits(self, 0.0, 3600.0, "throttle_poll_s", findings=findings)
        if len(self.throttle_steps) > 7:
            findings.add(
                "throttle_steps", f"{len(self.throttle_steps)} steps; at most 7 are possible"
            )
        before = 1.0
        for index, step in enumerate(self.throttle_steps):
            if not 0.0 <= step.value <= before:
                findings.add(
                    ("throttle_steps", index, "value"),
                    "the fractions do not fall from 1 towards 0",
                )
            before = step.value
        if self.throttle_clear_c.value > self.throttle_c.value:
            findings.add(("throttle_clear_c", "value"), "it is above `throttle_c`")
        if self.shutdown_c.value <= self.throttle_c.value:
            findings.add(("shutdown_c", "value"), "it is not above `throttle_c`")
        wrong_at("Thermal", findings)
        return self


class Serial(FrozenModel):
    """The serial port on which the board answers, and its known problems."""

    device: str = Field(description="Device on the board.")
    baud: Number = Field(description="Baud rate to begin with.")
    stop_bits: Number = Field(description="Stop bits: 1 or 2.")
    fallback_baud: Number = Field(description="Baud rate when that is not reliable.")
    max_baud: Number = Field(description="The highest that is known to work.")
    known_problems: tuple[Note, ...] = Field(default=(), description="Known problems.")

    @model_validator(mode="after")
    def _consistent(self) -> Serial:
        findings = Findings()
        check_limits(self, 300, 12e6, "baud", "fallback_baud", "max_baud", findings=findings)
        check_limits(self, 1, 2, "stop_bits", findings=findings)
        if self.baud.value > self.max_baud.value:
            findings.add(("baud", "value"), "it is above `max_baud`")
        wrong_at("Serial", findings)
        return self


class Sensor(Cited):
    """A quantity that the board itself can measure, and how it is read."""

    name: Word = Field(description="Name.")
    kind: Literal["temperature", "power", "voltage", "current", "throttle", "clock"] = Field(
        description="What it measures."
    )
    method: Literal["file", "command", "hwmon", "iio"] = Field(description="How it is read.")
    where: str = Field(description="A path (with *) or a command.")
    unit: str = Field(description="Unit of the reading, as mC, mV, mA.")


class Memory(FrozenModel):
    """The memory of the board. Its size is `memory_mib`."""

    type: str = Field(description="Its kind, as LPDDR4.")
    on_die_ecc: Switch = Field(
        description="Each chip corrects single bits by itself; what it corrects is counted only."
    )


class Storage(FrozenModel):
    """A storage device of the board. Channels name it as their `part`."""

    name: Word = Field(description="Unique name, as sd-card.")
    type: str = Field(description="Its kind, as a microSD card.")
    boots: Switch = Field(
        description="The board boots from it: without it, it does not start again."
    )


class BoardProfile(FrozenModel):
    """A type of board."""

    schema_version: Annotated[Int, Field(ge=1, le=PROFILE_SCHEMA_VERSION)] = Field(
        alias="schema", description="Version of this format."
    )
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")] = Field(
        description="Name: that of the file."
    )
    title: str = Field(description="Name in full.")
    family: Literal["raspberry-pi", "jetson", "imx", "pc", "rad-hard", "accelerator"] = Field(
        description="Family: boards of one family are handled alike."
    )
    soc: str = Field(description="The system-on-chip.")
    process_nm: Number = Field(description="Process node of the chip.")
    memory_mib: Number = Field(description="Memory of the board.")
    memory: Memory | None = Field(default=None, description="What kind of memory it is.")
    storage: tuple[Storage, ...] = Field(default=(), description="Storage devices.")
    power: PowerProfile = Field(description="Power draw.")
    thermal: Thermal = Field(description="Thermal properties.")
    serial: Serial | None = Field(default=None, description="Its serial port; none: it has none.")
    sensors: tuple[Sensor, ...] = Field(default=(), description="Sensors of the board.")
    radiation: Radiation = Field(description="Effects of radiation.")

    @model_validator(mode="after")
    def _consistent(self) -> BoardProfile:
        findings = Findings()
        names = [device.name for device in self.storage]
        for index, name in enumerate(names):
            if name in names[:index]:
                findings.add(("storage", index, "name"), f"the device `{name}` is listed twice")
        wrong_at("BoardProfile", findings)
        return self


Fact: TypeAlias = Number | Switch | Note | Sensor
"""What has an origin."""


def numbers_of(model: BaseModel, path: str = "$") -> Iterator[tuple[str, Fact]]:
    """Yield every fact of a profile that has an origin, with its path."""
    if isinstance(model, (Number, Switch, Note, Sensor)):
        yield path, model
        return
    for key in type(model).model_fields:
        value = getattr(model, key)
        items = enumerate(value) if isinstance(value, tuple) else ((None, value),)
        for index, item in items:
            if isinstance(item, BaseModel):
                yield from numbers_of(
                    item, f"{path}.{key}" + ("" if index is None else f"[{index}]")
                )
