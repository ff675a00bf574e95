"""A board profile in short, and each fact that it states with its origin: what users are shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final

from hil.board_types.channels import Channel, CrossSectionModel, Particle, Unit
from hil.board_types.cited import Note, Number, Switch
from hil.board_types.profile import BoardProfile, numbers_of
from hil.json_values import JsonObject

__all__ = [
    "AGENT_TARGETS",
    "EMULATED_PROFILES",
    "ChannelLine",
    "DataSetLines",
    "ProfileSummary",
    "StatedFact",
    "data_sets_of",
    "facts_of",
    "summary_of",
]

AGENT_TARGETS: Final = {
    "raspberry-pi": "aarch64",
    "jetson": "aarch64",
    "imx": "aarch64",
    "pc": "x86-64",
}
"""The processor that hil-agent is compiled for, by family; it does not run on others."""

EMULATED_PROFILES: Final = ("raspberry-pi-3b", "emulated-rpi3")
"""The names of the board that can be emulated."""


_IN_DATA_SET: Final = re.compile(
    r"radiation\.data\[(?P<data>[0-9]+)\](?:\.channels\[(?P<channel>[0-9]+)\])?\.(?P<rest>.*)"
)


@dataclass(frozen=True, slots=True)
class ProfileSummary:
    """The main facts of a board profile.

    `target` is the processor that hil-agent is compiled for, `device` the serial device; None where
    there is none. `full_w`: its power under full load.
    """

    name: str
    title: str
    family: str
    soc: str
    target: str | None
    memory_mib: float
    full_w: float
    device: str | None
    emulated: bool

    def as_json(self) -> JsonObject:
        """Return the summary as JSON of `hil board list --json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class StatedFact:
    """A fact of a profile: its place in it, its value, its grade, and its source or reason."""

    path: str
    value: str
    grade: str
    origin: str


@dataclass(frozen=True, slots=True)
class ChannelLine:
    """One channel of a data set in words: `sigma` [cm2] with its range, of a device or of a bit;
    `dependence`: on energy [MeV] or LET [MeV cm2/mg]; `counted`: events and fluence."""

    name: str
    observed: str
    part: str
    particle: str
    sigma: str
    dependence: str
    counted: str
    grade: str


@dataclass(frozen=True, slots=True)
class DataSetLines:
    """One data set of a profile in words."""

    name: str
    is_default: bool
    title: str
    tested: str
    stand_in: str | None
    channels: tuple[ChannelLine, ...]


def data_sets_of(profile: BoardProfile) -> tuple[DataSetLines, ...]:
    """Return the data sets of a profile in words; the default one first."""
    default = profile.radiation.default
    ordered = sorted(profile.radiation.data, key=lambda data: data.name != default)
    return tuple(
        DataSetLines(
            data.name,
            data.name == default,
            data.title,
            data.tested,
            None if data.stand_in is None else data.stand_in.text,
            tuple(_channel_line(channel) for channel in data.channels),
        )
        for data in ordered
    )


def _channel_line(channel: Channel) -> ChannelLine:
    sigma, unit = channel.sigma, " /bit" if channel.unit is Unit.BIT else ""
    if sigma.best == 0.0:
        text = f"none seen, < {sigma.high:.3g}{unit}"
    elif sigma.low == sigma.high:
        text = f"{sigma.best:.3g}{unit}"
    else:
        text = f"{sigma.best:.3g} ({sigma.low:.3g} to {sigma.high:.3g}){unit}"
    what = "LET" if channel.particle is Particle.HEAVY_ION else "MeV"
    if channel.model is CrossSectionModel.BENDEL:
        assert channel.bendel_a is not None
        dependence = f"Bendel, from {channel.bendel_a.value:g} MeV"
    else:
        assert channel.threshold is not None
        dependence = f"{channel.model}, from {channel.threshold.value:g} {what}"
    if channel.at is not None:
        dependence = f"{channel.at.value:g} {what}; {dependence}"
    counted = ""
    if channel.events is not None and channel.fluence_per_cm2 is not None:
        counted = f"{channel.events.value:g} in {channel.fluence_per_cm2.value:.3g} /cm2"
    return ChannelLine(
        channel.name,
        channel.observed if channel.mode is None else f"{channel.observed}, {channel.mode}",
        channel.part,
        channel.particle,
        text,
        dependence,
        counted,
        "assumed" if channel.cited.grade is None else channel.cited.grade.value,
    )


def summary_of(profile: BoardProfile) -> ProfileSummary:
    """Return the main facts of a profile."""
    full = next(m for m in profile.power.modes if m.name == profile.power.full)
    return ProfileSummary(
        name=profile.name,
        title=profile.title,
        family=profile.family,
        soc=profile.soc,
        target=AGENT_TARGETS.get(profile.family),
        memory_mib=profile.memory_mib.value,
        full_w=full.full_w.value,
        device=profile.serial.device if profile.serial else None,
        emulated=profile.name in EMULATED_PROFILES,
    )


def facts_of(profile: BoardProfile) -> Iterator[StatedFact]:
    """Yield every fact that a profile states; one without a source has the grade "assumed"."""
    for path, fact in numbers_of(profile):
        if isinstance(fact, Number):
            span = ""
            if fact.low is not None or fact.high is not None:
                low = fact.value if fact.low is None else fact.low
                high = fact.value if fact.high is None else fact.high
                span = f" ({low:g} to {high:g})"
            value = f"{fact.value:g}{span}"
        elif isinstance(fact, Switch):
            value = "yes" if fact.value else "no"
        else:
            value = fact.text if isinstance(fact, Note) else f"{fact.where} [{fact.unit}]"
        grade = fact.grade.value if fact.grade else "assumed"
        origin = fact.source or fact.assumption or ""
        yield StatedFact(_named(profile, path.removeprefix("$.")), value, grade, origin)


def _named(profile: BoardProfile, path: str) -> str:
    """Return a path with the names of data set and channel in place of their numbers."""
    found = _IN_DATA_SET.fullmatch(path)
    if found is None:
        return path
    data = profile.radiation.data[int(found["data"])]
    channel = found["channel"]
    inner = "" if channel is None else f" {data.channels[int(channel)].name}"
    return f"{data.name}{inner} {found['rest']}"
