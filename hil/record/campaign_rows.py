"""The values of a campaign's results: what stands in its file.

A fault is one bit before one instruction; a class is the faults of one byte that do the same (see
`hil.campaign.def_use`), and has one experiment for each of its bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hil.upsets.words import NodeEffect

__all__ = [
    "EFFECTS",
    "CampaignMeta",
    "ClassRow",
    "InstructionRow",
    "PartRow",
    "PathRow",
    "RegionRow",
    "SourceRow",
    "StackRow",
    "StepRows",
    "UnreadRow",
]

EFFECTS: Final = (
    NodeEffect.MASKED,
    NodeEffect.LATENT,
    NodeEffect.SDC,
    NodeEffect.CRASH,
    NodeEffect.HANG,
    NodeEffect.DETECTED,
)
"""The effects of experiments; their place here is their number in the file."""


@dataclass(frozen=True, slots=True)
class CampaignMeta:
    """The conditions of a campaign. `instructions`: of the step; `plan`: digest of its experiments;
    `path`: digest of the program counters of the fault-free step; `source_sha256`: that of the C
    file that is the workload, empty if it is one of hil's."""

    hil_version: str
    scenario: str
    workload: str
    seed: int
    frame: int
    board: str
    arch: str
    targets: tuple[str, ...]
    instructions: int
    plan: str
    path: str
    source_sha256: str = ""


@dataclass(frozen=True, slots=True)
class RegionRow:
    """One target. `faults`: all there are, bits times instructions; `overwritten` are masked
    without an experiment; `unread` ones come to what is named, without one."""

    number: int
    target: str
    length: int
    faults: int
    overwritten: int
    unread: Mapping[NodeEffect, int]


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class: `weight` faults of each bit of `byte` of region `region`, all before the
    instruction at `position`. `effects` and `details` have a byte for each bit: a number of
    `EFFECTS`; and the signal of a crash, or how many bits of a wrong output differ (255: or
    more)."""

    number: int
    region: int
    position: int
    byte: int
    weight: int
    effects: bytes
    details: bytes


@dataclass(frozen=True, slots=True)
class InstructionRow:
    """One instruction of the step: how often it is executed, and its disassembly. `symbol`: the
    function that it is part of; `file` and `line`: its source, by the executable's DWARF. Empty and
    0: not known."""

    address: int
    executions: int
    text: str
    symbol: str = ""
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class UnreadRow:
    """The faults of one byte that nothing reads or overwrites until the step ends: `weight` of each
    bit, which come to `effect`."""

    region: int
    byte: int
    weight: int
    effect: NodeEffect


@dataclass(frozen=True, slots=True)
class PathRow:
    """A jump of the fault-free step: from `position` on, up to the next row, the instructions of
    the result file follow each other in the order of their addresses, from `address` on."""

    position: int
    address: int


@dataclass(frozen=True, slots=True)
class StackRow:
    """A move of the stack pointer: before the instructions from `position` on, only the bytes from
    `byte` of its region on are part of the stack."""

    position: int
    byte: int


@dataclass(frozen=True, slots=True)
class PartRow:
    """A part of a region that has a name of its own: a register."""

    region: int
    first: int
    length: int
    name: str


@dataclass(frozen=True, slots=True)
class SourceRow:
    """The text of a source file that instructions of the step come from."""

    file: str
    text: str


@dataclass(frozen=True, slots=True)
class StepRows:
    """The rows that say what the step itself does, besides the outcomes of faults: with them the
    whole fault space can be drawn."""

    unread: Sequence[UnreadRow] = ()
    path: Sequence[PathRow] = ()
    stack: Sequence[StackRow] = ()
    parts: Sequence[PartRow] = ()
    sources: Sequence[SourceRow] = ()
