"""One machine instruction, and what it touches as far as a campaign must know it.

A location that an instruction may read is *read*: an experiment strikes just before it. A location
that it overwrites wholly, whatever else happens, without reading it is *killed*: what struck there
before is masked. Where it is not certain that a location is killed, it is called read: that costs
experiments, and never an error."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

from hil.errors import HilError

__all__ = ["Extension", "Instruction", "MemoryAccess", "RegisterBytes", "UnsupportedInstruction"]


class UnsupportedInstruction(HilError):
    """An exact campaign cannot know what an instruction accesses."""


class Extension(enum.Enum):
    """The extension of the index of an address, before it is scaled."""

    NONE = 0  # all of the register
    UNSIGNED_32 = 1  # its lower half, with zeros
    SIGNED_32 = 2  # its lower half, with its sign


class RegisterBytes(NamedTuple):
    """Some bytes of the general registers, or of the vector registers, as an agent counts them."""

    first: int
    length: int


@dataclass(frozen=True, slots=True)
class MemoryAccess:
    """A memory operand: its address is `base` + `index` * `scale` + `offset`, where these are
    numbers of registers (None: 0). `size` [byte]. `counter`: the register that holds how often it
    is repeated; at 0 nothing is accessed."""

    base: int | None
    index: int | None
    scale: int
    offset: int
    size: int
    reads: bool
    kills: bool
    counter: int | None = None
    extension: Extension = Extension.NONE


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction and the locations that it touches; `text` is its disassembly."""

    text: str
    memory: tuple[MemoryAccess, ...]
    general_reads: tuple[RegisterBytes, ...]
    general_kills: tuple[RegisterBytes, ...]
    vector_reads: tuple[RegisterBytes, ...]
    vector_kills: tuple[RegisterBytes, ...]
