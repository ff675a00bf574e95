"""A board profile in short, and each fact that it states with its origin: what users are shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final

from hil.board_types.cited import Note, Number
from hil.board_types.profile import BoardProfile, numbers_of
from hil.json_values import JsonObject

__all__ = [
    "AGENT_TARGETS",
    "EMULATED_PROFILES",
    "ProfileSummary",
    "StatedFact",
    "facts_of",
    "summary_of",
]

AGENT_TARGETS: Final = {"raspberry-pi": "aarch64", "jetson": "aarch64", "pc": "x86-64"}
"""The processor that hil-agent is compiled for, by family; it does not run on others."""

EMULATED_PROFILES: Final = ("raspberry-pi-3b", "emulated-rpi3")
"""The names of the board that can be emulated."""


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
        else:
            value = fact.text if isinstance(fact, Note) else f"{fact.where} [{fact.unit}]"
        grade = fact.grade.value if fact.grade else "assumed"
        origin = fact.source or fact.assumption or ""
        yield StatedFact(path.removeprefix("$."), value, grade, origin)
