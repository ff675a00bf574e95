"""Board profiles: what kind of computer a board is, as `boards/NAME.yaml` says.

Power modes, heat, serial port, sensors and radiation cross-sections. Every number says where it
comes from, or is refused: `source` with the `grade` of what was seen of it, or `assumption` with
the reasoning.

    full_w: {value: 6.1, source: "raspberrypi.com documentation", grade: S}
    capacity_j_per_k: {value: 40, assumption: "46 g at 0.9 J/(g K)"}

Grades: M measured or computed by this project; S read in the source itself;
S2 read in a text that quotes the source; R remembered, not checked.
"""

from __future__ import annotations

import functools
import math
import os
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError, model_validator

from hil import assets
from hil.errors import ConfigError, Problem, UsageError
from hil.scenario import RigConfig, Scenario
from hil.scenario.fields import Float, FrozenModel, Int
from hil.scenario.load import UNPLACED
from hil.scenario.problems import (
    Findings,
    did_you_mean,
    one_of,
    refuse_newer_schema,
    translate,
    wrong_at,
)
from hil.scenario.yaml.document import Document, parse_yaml, read_yaml

__all__ = [
    "PROFILE_SCHEMA_VERSION",
    "BoardProfile",
    "Channel",
    "CrossSectionModel",
    "Effect",
    "Grade",
    "Note",
    "Number",
    "Particle",
    "PowerMode",
    "check_board_profiles",
    "list_board_profiles",
    "load_board_profile",
    "numbers_of",
    "parse_board_profile",
    "profiles_of",
]

PROFILE_SCHEMA_VERSION = 1


class Grade(str, Enum):
    """How far a source was checked."""

    M = "M"  # measured or computed by this project
    S = "S"  # read in the source
    S2 = "S2"  # read in a text that quotes the source
    R = "R"  # remembered, not checked


class _Cited(FrozenModel):
    """What says where it comes from: a source with its grade, or an assumption."""

    source: Annotated[str, Field(min_length=3)] | None = Field(
        default=None, description="Who says so, precisely enough to find it."
    )
    grade: Grade | None = Field(default=None, description="What was seen of the source.")
    assumption: Annotated[str, Field(min_length=10)] | None = Field(
        default=None, description="Instead of a source: why this is a reasonable value."
    )

    @model_validator(mode="after")
    def _cited(self) -> _Cited:
        found = Findings()
        if self.source is None and self.assumption is None:
            found.add(
                (),
                "this does not say where it comes from; expected `source:` or `assumption:`",
                'add `source: "…", grade: S`, or `assumption: "why this value"`',
            )
        elif self.source is not None and self.assumption is not None:
            found.add("assumption", "it has a source, so it is no assumption", "remove one of them")
        elif self.source is not None and self.grade is None:
            found.add(
                (), "its source has no grade", f"add `grade:` {one_of([g.value for g in Grade])}"
            )
        elif self.source is None and self.grade is not None:
            found.add("grade", "an assumption has no grade", "remove it")
        wrong_at("Number", found)
        return self

    @property
    def origin(self) -> str:
        """Where it comes from, as one text."""
        if self.source is not None and self.grade is not None:
            return f"{self.source} [{self.grade.value}]"
        return f"assumption: {self.assumption}"


class Number(_Cited):
    """A number with its origin, and its range where one is known."""

    value: Float = Field(description="The number; its unit is in the key.")
    low: Float | None = Field(default=None, description="Lower end of its range.")
    high: Float | None = Field(default=None, description="Upper end of its range.")

    @model_validator(mode="after")
    def _ordered(self) -> Number:
        found = Findings()
        if self.low is not None and self.low > self.value:
            found.add("low", "the lower end is above the value")
        if self.high is not None and self.high < self.value:
            found.add("high", "the upper end is below the value")
        wrong_at("Number", found)
        return self


class Note(_Cited):
    """A fact in words."""

    text: Annotated[str, Field(min_length=3)] = Field(description="The fact.")


def _limited(parent: FrozenModel, low: float, high: float, *keys: str, found: Findings) -> None:
    """Note every number among `keys` that is not from `low` to `high`."""
    for key in keys:
        number = getattr(parent, key)
        if number is not None and not low <= number.value <= high:
            found.add(
                (key, "value"), f"{number.value:g} is out of range; expected {low:g} to {high:g}"
            )


# Power --------------------------------------------------------------------------------------------

Word = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]


class PowerMode(FrozenModel):
    """A mode that the board's own software can be told to take, as those of nvpmodel."""

    name: Word = Field(description="Name; on a Jetson, as in its /etc/nvpmodel.conf.")
    idle_w: Number = Field(description="Power when nothing runs.")
    full_w: Number = Field(description="Power at full load.")
    cores: Number | None = Field(default=None, description="Cores that run.")
    clock_cap_mhz: Number | None = Field(default=None, description="Highest clock of the cores.")

    @model_validator(mode="after")
    def _consistent(self) -> PowerMode:
        found = Findings()
        _limited(self, 0.0, 5000.0, "idle_w", "full_w", found=found)
        _limited(self, 1.0, 1024.0, "cores", found=found)
        _limited(self, 1.0, 10_000.0, "clock_cap_mhz", found=found)
        if self.full_w.value < self.idle_w.value:
            found.add(("full_w", "value"), "full load takes less than idling")
        wrong_at("PowerMode", found)
        return self


class PowerProfile(FrozenModel):
    """What the board draws. The levels of a load are off, suspend, capped, full."""

    off_w: Number = Field(description="Shut down, but still fed.")
    suspend_w: Number | None = Field(
        default=None, description="Suspended or halted with memory kept; none: it cannot."
    )
    modes: tuple[PowerMode, ...] = Field(description="The modes.")
    capped: Word = Field(description="The mode that saves power.")
    full: Word = Field(description="The mode for full speed.")

    @model_validator(mode="after")
    def _consistent(self) -> PowerProfile:
        found = Findings()
        names = [mode.name for mode in self.modes]
        _limited(self, 0.0, 1000.0, "off_w", "suspend_w", found=found)
        for index, name in enumerate(names):
            if name in names[:index]:
                found.add(("modes", index, "name"), f"the mode `{name}` is there twice")
        for key in ("capped", "full"):
            if getattr(self, key) not in names:
                found.add(
                    key,
                    f"there is no mode `{getattr(self, key)}`; expected {one_of(names)}",
                    did_you_mean(getattr(self, key), names),
                )
        if not found and self.mode(self.capped).full_w.value > self.mode(self.full).full_w.value:
            found.add("capped", "this mode takes more power than the one for full speed")
        wrong_at("Power", found)
        return self

    def mode(self, name: str) -> PowerMode:
        """The mode of that name. KeyError if there is none."""
        found = next((mode for mode in self.modes if mode.name == name), None)
        if found is None:
            raise KeyError(name)
        return found


# Heat ---------------------------------------------------------------------------------------------


class Thermal(FrozenModel):
    """Two nodes: junction (the chip with its spreader) and board; and what heat does to it."""

    junction_j_per_k: Number = Field(description="Heat capacity of chip and spreader.")
    board_j_per_k: Number = Field(description="Heat capacity of the rest of the board.")
    junction_to_board_k_per_w: Number = Field(description="Resistance from junction to board.")
    board_to_mount_k_per_w: Number = Field(description="Resistance from board to its mount.")
    junction_share: Number = Field(description="Share of the power that heats the junction.")
    throttle_c: Number = Field(description="The junction is throttled from here on.")
    throttle_clear_c: Number = Field(description="And less below this.")
    shutdown_c: Number = Field(description="Here it switches itself off.")
    throttle_steps: tuple[Number, ...] = Field(
        description="Power above idle that remains at each step, as fractions, falling."
    )
    throttle_poll_s: Number = Field(description="Time between two steps.")

    @model_validator(mode="after")
    def _consistent(self) -> Thermal:
        found = Findings()
        _limited(self, 1e-3, 1e6, "junction_j_per_k", "board_j_per_k", found=found)
        _limited(
            self, 1e-3, 1e3, "junction_to_board_k_per_w", "board_to_mount_k_per_w", found=found
        )
        _limited(self, 0.0, 1.0, "junction_share", found=found)
        _limited(self, 0.0, 250.0, "throttle_c", "throttle_clear_c", "shutdown_c", found=found)
        _limited(self, 0.0, 3600.0, "throttle_poll_s", found=found)
        if len(self.throttle_steps) > 7:
            found.add("throttle_steps", f"{len(self.throttle_steps)} steps; at most 7 are possible")
        before = 1.0
        for index, step in enumerate(self.throttle_steps):
            if not 0.0 <= step.value <= before:
                found.add(
                    ("throttle_steps", index, "value"),
                    "the fractions do not fall from 1 towards 0",
                )
            before = step.value
        if self.throttle_clear_c.value > self.throttle_c.value:
            found.add(("throttle_clear_c", "value"), "it is above `throttle_c`")
        if self.shutdown_c.value <= self.throttle_c.value:
            found.add(("shutdown_c", "value"), "it is not above `throttle_c`")
        wrong_at("Thermal", found)
        return self


# Serial and sensors -------------------------------------------------------------------------------


class Serial(FrozenModel):
    """The serial port on which the board answers, and what is known to go wrong there."""

    device: str = Field(description="Device on the board.")
    baud: Number = Field(description="Baud rate to begin with.")
    stop_bits: Number = Field(description="Stop bits: 1 or 2.")
    fallback_baud: Number = Field(description="Baud rate when that is not reliable.")
    max_baud: Number = Field(description="The highest that is known to work.")
    known_problems: tuple[Note, ...] = Field(default=(), description="Known problems.")

    @model_validator(mode="after")
    def _consistent(self) -> Serial:
        found = Findings()
        _limited(self, 300, 12e6, "baud", "fallback_baud", "max_baud", found=found)
        _limited(self, 1, 2, "stop_bits", found=found)
        if self.baud.value > self.max_baud.value:
            found.add(("baud", "value"), "it is above `max_baud`")
        wrong_at("Serial", found)
        return self


class Sensor(_Cited):
    """A quantity that the board itself can measure, and how it is read."""

    name: Word = Field(description="Name.")
    kind: Literal["temperature", "power", "voltage", "current", "throttle", "clock"] = Field(
        description="What it measures."
    )
    method: Literal["file", "command", "hwmon", "iio"] = Field(description="How it is read.")
    where: str = Field(description="A path (with *) or a command.")
    unit: str = Field(description="Unit of the reading, as mC, mV, mA.")


# Radiation ----------------------------------------------------------------------------------------


class Effect(str, Enum):
    """What a channel does to the board."""

    SEU = "seu"  # a bit flips
    MBU = "mbu"  # several bits of one word flip
    SDC = "sdc"  # the result is wrong, and nothing says so
    DUE = "due"  # an error is detected, but not corrected
    SEFI = "sefi"  # it stops working until it is reset
    CRASH = "crash"  # its operating system crashes
    SEL = "sel"  # over-current until power is cut


class Particle(str, Enum):
    """What hits."""

    PROTON = "proton"
    HEAVY_ION = "heavy_ion"
    NEUTRON = "neutron"


class CrossSectionModel(str, Enum):
    """How the cross-section depends on energy (protons) or LET (ions)."""

    PLATEAU = "plateau"
    WEIBULL = "weibull"
    BENDEL = "bendel"


_PARAMETERS = {
    CrossSectionModel.PLATEAU: ("sigma_cm2", "threshold"),
    CrossSectionModel.WEIBULL: ("sigma_cm2", "threshold", "width", "shape"),
    CrossSectionModel.BENDEL: ("bendel_a", "bendel_b"),
}


class Channel(FrozenModel):
    """One way in which particles disturb the board, with its cross-section.

    plateau: `sigma_cm2` from `threshold` on.
    weibull: sigma (1 - exp(-((x - threshold) / width) ^ shape)).
    bendel: (B/A)^14 (1 - exp(-0.18 sqrt(Y)))^4 1e-12 cm2 a bit, with Y = sqrt(18/A) (x - A).
    x is MeV for protons and neutrons, MeV cm2/mg for ions.
    """

    name: Word = Field(description="Unique name.")
    effect: Effect = Field(description="What it does: seu, mbu, sdc, due, sefi, crash, sel.")
    target: str = Field(description="What is hit, as `soc`, `gpu`, `dram`.")
    particle: Particle = Field(description="proton, heavy_ion or neutron.")
    model: CrossSectionModel = Field(description="plateau, weibull or bendel.")
    sigma_cm2: Number | None = Field(
        default=None, description="Saturated cross-section of a device, or of a bit if `bits`."
    )
    threshold: Number | None = Field(default=None, description="Energy or LET where it begins.")
    width: Number | None = Field(default=None, description="Width of the Weibull curve.")
    shape: Number | None = Field(default=None, description="Exponent of the Weibull curve.")
    bendel_a: Number | None = Field(default=None, description="A of the Bendel curve [MeV].")
    bendel_b: Number | None = Field(default=None, description="B of the Bendel curve [MeV].")
    bits: Number | None = Field(
        default=None, description="Number of bits, if the cross-section is that of one bit."
    )
    conditions: str | None = Field(default=None, description="How it was measured.")

    @model_validator(mode="after")
    def _consistent(self) -> Channel:
        found = Findings()
        needed = _PARAMETERS[self.model]
        for key in ("sigma_cm2", "threshold", "width", "shape", "bendel_a", "bendel_b"):
            number = getattr(self, key)
            if key in needed and number is None:
                found.add(key, f"the model {self.model.value} needs `{key}`")
            if key not in needed and number is not None:
                found.add(key, f"the model {self.model.value} has no `{key}`", "remove it")
        _limited(self, 0.0, 1.0, "sigma_cm2", found=found)
        _limited(self, 0.0, 1e4, "threshold", found=found)
        _limited(self, 1e-6, 1e6, "width", "shape", "bendel_a", "bendel_b", found=found)
        _limited(self, 1.0, 1e15, "bits", found=found)
        if self.model is CrossSectionModel.BENDEL:
            if self.particle is Particle.HEAVY_ION:
                found.add("model", "the Bendel curve is one of energy; ions need a LET")
            if self.bits is None:
                found.add("bits", "the Bendel curve is that of one bit", "add `bits:`")
        wrong_at("Channel", found)
        return self

    def cross_section_cm2(self, x: float) -> float:
        """Of the whole device, at the energy `x` in MeV, or the LET `x` in MeV cm2/mg."""
        bits = 1.0 if self.bits is None else self.bits.value
        if self.model is CrossSectionModel.BENDEL:
            assert self.bendel_a is not None
            assert self.bendel_b is not None
            a, b = self.bendel_a.value, self.bendel_b.value
            if x <= a:
                return 0.0
            y = math.sqrt(18.0 / a) * (x - a)
            bit = (b / a) ** 14 * (1.0 - math.exp(-0.18 * math.sqrt(y))) ** 4 * 1e-12
            return bits * bit
        assert self.sigma_cm2 is not None
        assert self.threshold is not None
        above = x - self.threshold.value
        if above < 0:
            return 0.0
        share = 1.0
        if self.model is CrossSectionModel.WEIBULL:
            assert self.width is not None
            assert self.shape is not None
            share = -math.expm1(-((above / self.width.value) ** self.shape.value))
        return bits * self.sigma_cm2.value * share


class Radiation(FrozenModel):
    """What radiation does to the board."""

    channels: tuple[Channel, ...] = Field(description="The ways in which it is disturbed.")
    mbu_fraction: Number = Field(description="Share of memory upsets that hit several bits.")
    tid_limit_krad: Number | None = Field(
        default=None, description="Total dose that it stands; none: not known."
    )
    sel_recovery: Note | None = Field(default=None, description="What ends a latch-up.")
    notes: tuple[Note, ...] = Field(default=(), description="What else is known.")

    @model_validator(mode="after")
    def _consistent(self) -> Radiation:
        found = Findings()
        _limited(self, 0.0, 1.0, "mbu_fraction", found=found)
        _limited(self, 0.0, 1e6, "tid_limit_krad", found=found)
        names = [channel.name for channel in self.channels]
        for index, name in enumerate(names):
            if name in names[:index]:
                found.add(("channels", index, "name"), f"the channel `{name}` is there twice")
        wrong_at("Radiation", found)
        return self


# The profile --------------------------------------------------------------------------------------


class BoardProfile(FrozenModel):
    """A kind of board."""

    schema_version: Annotated[Int, Field(ge=1, le=PROFILE_SCHEMA_VERSION)] = Field(
        alias="schema", description="Version of this format."
    )
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")] = Field(
        description="Name: that of the file."
    )
    title: str = Field(description="Name in full.")
    family: Literal["raspberry-pi", "jetson", "pc", "rad-hard", "accelerator"] = Field(
        description="Family: boards of one family are handled alike."
    )
    soc: str = Field(description="The chip.")
    process_nm: Number = Field(description="Its process.")
    memory_mib: Number = Field(description="Its memory.")
    power: PowerProfile = Field(description="What it draws.")
    thermal: Thermal = Field(description="How it gets warm.")
    serial: Serial | None = Field(default=None, description="Its serial port; none: it has none.")
    sensors: tuple[Sensor, ...] = Field(default=(), description="What it can measure itself.")
    radiation: Radiation = Field(description="What radiation does to it.")


def numbers_of(model: BaseModel, path: str = "$") -> Iterator[tuple[str, Number | Note | Sensor]]:
    """Every number, note and sensor of a profile, with its path: all that has an origin."""
    if isinstance(model, (Number, Note, Sensor)):
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


# Loading ------------------------------------------------------------------------------------------


def list_board_profiles() -> tuple[str, ...]:
    """The names of all shipped profiles, sorted. Raises SetupError if none are installed."""
    return tuple(sorted(path.stem for path in assets.boards_dir().glob("*.yaml")))


def profile_of_model(model: str) -> BoardProfile | None:
    """The shipped profile of a board that calls itself this, as its device tree does; None if none
    is known."""
    return next((p for title, p in _shipped_by_title() if model.startswith(title)), None)


@functools.cache
def _shipped_by_title() -> tuple[tuple[str, BoardProfile], ...]:
    """All shipped profiles, and how the models of their boards begin."""
    profiles = [load_board_profile(name) for name in list_board_profiles()]
    return tuple((re.sub(r" \d+GB$", "", profile.title), profile) for profile in profiles)


def load_board_profile(name_or_path: str | Path) -> BoardProfile:
    """The profile in a file, or the shipped one of that name.

    Raises UsageError if there is none, ConfigError with everything that is wrong in it, SetupError
    if a name is given and no profiles are installed.
    """
    text = os.fspath(name_or_path)
    is_path = isinstance(name_or_path, Path) or os.sep in text or text.endswith((".yaml", ".yml"))
    if is_path:
        return _profile_of(read_yaml(Path(text)))
    names = list_board_profiles()
    if text not in names:
        hint = did_you_mean(text, names)
        raise UsageError(
            f"there is no board profile `{text[:80]}`; shipped are {', '.join(names)}",
            remedy=(f"{hint} " if hint else "") + "A profile of your own is named by its path",
        )
    return _profile_of(read_yaml(assets.boards_dir() / f"{text}.yaml"))


def profiles_of(scenario: Scenario) -> dict[str, BoardProfile]:
    """Return the profiles of a scenario's nodes, by the names that the scenario gives them. Raises
    ConfigError with every one that there is not, or that is wrong."""
    profiles: dict[str, BoardProfile] = {}
    missing: dict[str, tuple[Problem, ...]] = {}
    for index, node in enumerate(scenario.rig.nodes):
        own = node.profile is not None
        name = node.profile if node.profile is not None else scenario.rig.profile
        if name in profiles or name in missing:
            continue
        try:
            profiles[name] = load_board_profile(name)
        except UsageError as error:
            where = f"$.rig.nodes.{index}.profile" if own else "$.rig.profile"
            missing[name] = (Problem(UNPLACED, 0, 0, where, error.message, error.remedy or ""),)
        except ConfigError as error:
            missing[name] = error.problems
    if missing:
        raise ConfigError([problem for problems in missing.values() for problem in problems])
    return profiles


def check_board_profiles(scenario: Scenario) -> None:
    """Raise ConfigError for board profiles that a scenario names and that cannot be used. A run
    without a plant needs none of them, but whoever names one means it."""
    usual = RigConfig.model_fields["profile"].default
    named = {scenario.rig.profile, *(node.profile for node in scenario.rig.nodes)}
    if named - {usual, None}:
        profiles_of(scenario)


def parse_board_profile(text: str, *, file: str = "<board profile>") -> BoardProfile:
    """The profile in `text`; `file` names it in errors. Raises ConfigError."""
    return _profile_of(parse_yaml(text.encode("utf-8", "surrogatepass"), file))


def _profile_of(document: Document) -> BoardProfile:
    refuse_newer_schema(document, PROFILE_SCHEMA_VERSION, "board profile")
    problems = list(document.problems)
    try:
        profile = BoardProfile.model_validate(document.data)
    except ValidationError as error:
        problems += translate(error, BoardProfile, document)
    else:
        stem = Path(document.file).stem
        is_file = re.fullmatch(r"[a-z0-9-]+", stem) is not None
        if is_file and profile.name != stem:
            problems.append(
                document.problem(
                    ("name",),
                    f"the profile is named `{profile.name}`, its file `{stem}`",
                    "give both the same name",
                )
            )
    if problems:
        raise ConfigError(dict.fromkeys(sorted(problems, key=lambda p: (p.line, p.column))))
    return profile
