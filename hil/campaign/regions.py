"""The targets of a campaign as regions of the spaces that a board flips bits in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.errors import UsageError
from hil.kernel import Workload
from hil.scenario import UpsetTarget
from hil.upsets.words import NodeEffect
from hil.wire.campaign import TEXT_FROM, OpenedStep, Space

__all__ = ["EXACT_TARGETS", "SAMPLED_TARGETS", "Abi", "TargetRegion", "abi_of", "regions_of"]

Codes: TypeAlias = npt.NDArray[np.uint8]

EXACT_TARGETS: Final = (
    UpsetTarget.STATE,
    UpsetTarget.INPUT,
    UpsetTarget.OUTPUT,
    UpsetTarget.HEAP,
    UpsetTarget.STACK,
    UpsetTarget.GPR,
    UpsetTarget.VECTOR,
)
"""The targets whose faults can all be enumerated."""

SAMPLED_TARGETS: Final = (*EXACT_TARGETS, UpsetTarget.TEXT)
"""The targets that can be sampled."""


@dataclass(frozen=True, slots=True)
class Abi:
    """The registers that a calling convention gives a meaning, by their numbers in TARGET_GPR:
    `preserved` keep their content over a call; `sp` is the stack pointer. `general` are the names
    of all in TARGET_GPR; those of the vector registers are `vector` and a number, and each has
    `vector_bytes`."""

    preserved: frozenset[int]
    sp: int
    general: tuple[str, ...]
    vector: str
    vector_bytes: int = 16


_X86_NAMES: Final = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp")
_ABIS: Final = {
    "x86_64": Abi(  # rbx rbp rsp r12 to r15
        frozenset({1, 6, 7, 12, 13, 14, 15}),
        7,
        (*_X86_NAMES, *(f"r{n}" for n in range(8, 16)), "rip"),
        "xmm",
    ),
    "aarch64": Abi(  # x19 to x30, sp
        frozenset(range(19, 32)), 31, (*(f"x{n}" for n in range(31)), "sp", "pc"), "v"
    ),
}


def abi_of(arch: str) -> Abi:
    """Return the calling convention of a processor that `hil.campaign.disassembler` knows."""
    return _ABIS[arch]


@dataclass(frozen=True, slots=True)
class TargetRegion:
    """A target: `length` bytes of a space from `first` on.

    `unread`: for each byte, what a fault comes to that nothing reads or overwrites until the step
    ends. `stack`: only what lies at or above the stack pointer is part of the target."""

    target: UpsetTarget
    space: Space
    first: int
    length: int
    unread: tuple[NodeEffect, ...]
    stack: bool = False


def regions_of(
    opened: OpenedStep, workload: Workload, arch: str, targets: Sequence[UpsetTarget]
) -> tuple[TargetRegion, ...]:
    """Return the regions of `targets` in a step that is held. Raises: UsageError for a target that
    cannot be hit in one."""
    return tuple(_region(target, opened, workload, abi_of(arch)) for target in targets)


def _region(target: UpsetTarget, opened: OpenedStep, workload: Workload, abi: Abi) -> TargetRegion:
    memory, masked = Space.MEMORY, NodeEffect.MASKED
    match target:
        case UpsetTarget.STATE:  # the next step reads it
            size = workload.state_len
            return TargetRegion(target, memory, opened.state_at, size, (NodeEffect.LATENT,) * size)
        case UpsetTarget.INPUT:  # the next step has another
            size = workload.input_len
            return TargetRegion(target, memory, opened.input_at, size, (masked,) * size)
        case UpsetTarget.OUTPUT:  # it leaves the system
            size = workload.output_len
            return TargetRegion(target, memory, opened.output_at, size, (NodeEffect.SDC,) * size)
        case UpsetTarget.HEAP:  # no step relies on what it finds there
            size = workload.scratch_len
            return TargetRegion(target, memory, opened.heap_at, size, (masked,) * size)
        case UpsetTarget.STACK:  # see `hil.campaign.plan` for what lies above the stack pointer
            size = opened.stack_len
            return TargetRegion(target, memory, opened.stack_at, size, (masked,) * size, stack=True)
        case UpsetTarget.GPR:
            unread = tuple(
                NodeEffect.LATENT if register in abi.preserved else masked
                for register in range(opened.gpr_count)
                for _ in range(opened.gpr_bytes)
            )
            return TargetRegion(target, Space.GPR, 0, len(unread), unread)
        case UpsetTarget.VECTOR:
            size = opened.vector_bytes
            return TargetRegion(target, Space.VECTOR, 0, size, (masked,) * size)
        case UpsetTarget.TEXT:  # it stays as it is until it is loaded again
            size = opened.text_len
            latent = (NodeEffect.LATENT,) * size
            return TargetRegion(target, Space.CPU, TEXT_FROM, size, latent)
        case _:
            known = ", ".join(SAMPLED_TARGETS)
            raise UsageError(
                f"target `{target}` cannot be hit in a held step",
                remedy=f"a campaign takes {known}",
            )
