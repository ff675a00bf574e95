"""The values of a campaign's results: what stands in its file.

A fault is one bit before one instruction. An exact campaign has classes: the faults of one byte
that do the same (see `hil.campaign.def_use`), with one experiment for each of its bits. A sampled
one has samples: faults that were drawn, or listed, with one experiment each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hil.upsets.words import NodeEffect
from hil.word_enum import Word

__all__ = [
    "EFFECTS",
    "CampaignMeta",
    "ClassRow",
    "FrameRow",
    "InstructionRow",
    "MomentUnit",
    "PartRow",
    "PathRow",
    "RegionRow",
    "SampleRow",
    "SamplingMeta",
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


class MomentUnit(Word):
    """The unit of the time in a step at which a fault strikes."""

    INSTRUCTION = "instruction"
    TICK = "tick"


@dataclass(frozen=True, slots=True)
class SamplingMeta:
    """The choice of the faults of a sampled campaign. `frames`: as `--frames` takes them; `draw`:
    the seed that they were drawn from, None if they were listed; `outcome`: the one that had to
    reach `precision` (None: a fixed number), at the confidence `confidence`, which all `sizes` at
    which it looked at its results share."""

    moment: MomentUnit
    frames: str
    draw: int | None
    outcome: NodeEffect
    precision: float | None
    confidence: float
    sizes: tuple[int, ...]
    in_proportion: bool
    adaptive: bool = False

    @property
    def each(self) -> float:
        """Return the confidence of each interval (see `hil.analysis.sample_sizes`)."""
        return 1 - (1 - self.confidence) / len(self.sizes)


@dataclass(frozen=True, slots=True)
class CampaignMeta:
    """The conditions of a campaign. `instructions`: of the step, or of all steps; `plan`: digest of
    its experiments; `path`: digest of the program counters of the fault-free step; `source_sha256`:
    that of the C file that is the workload, empty if it is one of hil's. `frame`: the first.
    `sampling`: None for an exact campaign. `severity`: wrong outputs were judged; `follow`: how
    many steps latent faults were followed for. `source`: the scenario as it was named, a shipped
    name or a file without its folder; `content`: digest of what in it decides what a step computes;
    both empty in older files. `classes`: all of the plan, or all samples; a file that has fewer is
    a part of the campaign."""

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
    sampling: SamplingMeta | None = None
    severity: bool = False
    follow: int = 0
    source: str = ""
    content: str = ""
    classes: int = 0


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


@dataclass(frozen=True, slots=True)
class FrameRow:
    """One frame of a sampled campaign. `length`: the moments at which faults can strike; `path`:
    digest of the program counters of its fault-free step, empty on in-process boards."""

    frame: int
    length: int
    path: str


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One experiment of a sampled campaign. `region` is the number of its target, `moment` the
    instruction before which, or the tick at which, bit `bit` of `byte` was flipped. `detail`: as
    that of `ClassRow`. `address`: of that instruction; 0 if it is not known."""

    number: int
    frame: int
    region: int
    moment: int
    byte: int
    bit: int
    effect: NodeEffect
    detail: int
    address: int = 0
