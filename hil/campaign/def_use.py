"""Def-use analysis: from the trace of a step to the experiments that stand for all its faults.

A fault in a byte does the same whenever it strikes between two accesses of that byte. So for each
byte and each access that reads it, one experiment for each bit is enough, placed just before the
access; its weight is the number of instructions since the access before. What is overwritten
without having been read is masked; what nobody reads until the end stays as it is. (Def-use
pruning: Smith et al. 1995; Schirmeier et al., FAIL*, EDCC 2015.)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.campaign.instruction import Extension, Instruction, MemoryAccess, RegisterBytes
from hil.campaign.regions import TargetRegion
from hil.campaign.trace import Addresses, Trace
from hil.wire.campaign import Space

__all__ = ["Area", "classes_of"]

Positions: TypeAlias = npt.NDArray[np.int64]
Bytes: TypeAlias = npt.NDArray[np.int64]

_PC_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Area:
    """The classes of one region, as parallel arrays.

    `position` [instruction]: of the access that ends the class; `byte`: within the region; `weight`
    [instruction]: for how many of them the byte is part of the target and a fault belongs to the
    class. `read`: the access reads it, so that an experiment tells what a fault comes to; otherwise
    it is masked. `unread_byte` and `unread_weight`: the classes that no access ends. `space_bits`:
    all faults of the region, bits times instructions."""

    region: TargetRegion
    position: Positions
    byte: Bytes
    weight: Positions
    read: npt.NDArray[np.bool_]
    unread_byte: Bytes
    unread_weight: Positions
    space_bits: int


@dataclass(slots=True)
class _Events:
    """Accesses of single bytes, by space: parallel lists of arrays."""

    position: list[Positions]
    byte: list[Bytes]
    read: list[npt.NDArray[np.bool_]]

    def add(self, position: Positions, byte: Bytes, read: bool) -> None:
        self.position.append(position)
        self.byte.append(byte)
        self.read.append(np.full(len(position), read))


def classes_of(
    trace: Trace,
    code: Mapping[int, Instruction],
    regions: Sequence[TargetRegion],
    arena: int,
    sp: int,
) -> tuple[Area, ...]:
    """Return the classes of all faults in `regions`. `code` has the instruction at each address of
    the trace; memory regions count their bytes from the address `arena`; `sp` is the number of the
    stack pointer."""
    events = {space: _Events([], [], []) for space in Space}
    pcs, inverse = np.unique(trace.pc, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    bounds = np.searchsorted(inverse[order], np.arange(len(pcs) + 1))
    wanted = {region.space for region in regions}
    for number, pc in enumerate(pcs.tolist()):
        positions = order[bounds[number] : bounds[number + 1]].astype(np.int64)
        instruction = code[pc]
        if Space.MEMORY in wanted:
            for access in instruction.memory:
                _add_memory(events[Space.MEMORY], trace.registers, positions, access, arena)
        if Space.GPR in wanted:
            pc_bytes = RegisterBytes(_PC_BYTES * (trace.registers.shape[1] - 1), _PC_BYTES)
            general = (*instruction.general_reads, pc_bytes)
            _add_registers(events[Space.GPR], positions, general, instruction.general_kills)
        if Space.VECTOR in wanted:
            reads, kills = instruction.vector_reads, instruction.vector_kills
            _add_registers(events[Space.VECTOR], positions, reads, kills)
    stack_from = (trace.registers[:, sp] - np.uint64(arena)).astype(np.int64)
    return tuple(
        _area(region, events[region.space], trace.length, stack_from) for region in regions
    )


def _add_memory(
    events: _Events, registers: Addresses, positions: Positions, access: MemoryAccess, arena: int
) -> None:
    rows = registers[positions]
    if access.counter is not None:
        positions = positions[rows[:, access.counter] != 0]
        rows = registers[positions]
    address = np.full(len(positions), access.offset % (1 << 64), dtype=np.uint64)
    if access.base is not None:
        address += rows[:, access.base]
    if access.index is not None:
        address += _extended(rows[:, access.index], access.extension) * np.uint64(access.scale)
    first = (address - np.uint64(arena)).astype(np.int64)
    offsets = np.arange(access.size, dtype=np.int64)
    events.add(
        np.repeat(positions, access.size),
        (first[:, None] + offsets[None, :]).ravel(),
        access.reads or not access.kills,
    )


def _extended(index: Addresses, extension: Extension) -> Addresses:
    if extension is Extension.UNSIGNED_32:
        low: Addresses = np.bitwise_and(index, np.uint64(0xFFFFFFFF))
        return low
    if extension is Extension.SIGNED_32:
        signed: Addresses = (
            index.astype(np.uint32).astype(np.int32).astype(np.int64).astype(np.uint64)
        )
        return signed
    return index


def _add_registers(
    events: _Events,
    positions: Positions,
    reads: Sequence[RegisterBytes],
    kills: Sequence[RegisterBytes],
) -> None:
    read = {b for part in reads for b in range(part.first, part.first + part.length)}
    killed = {b for part in kills for b in range(part.first, part.first + part.length)} - read
    for bytes_, reading in ((sorted(read), True), (sorted(killed), False)):
        if bytes_:
            events.add(
                np.repeat(positions, len(bytes_)),
                np.tile(np.array(bytes_, dtype=np.int64), len(positions)),
                reading,
            )


def _area(region: TargetRegion, events: _Events, length: int, stack_from: Positions) -> Area:
    """Return the classes of one region. `stack_from`: where the stack begins before each
    instruction."""
    position, byte, read = _accesses(region, events)
    same_byte = np.concatenate(([False], byte[1:] == byte[:-1]))[: len(byte)]
    before = np.where(same_byte, np.concatenate(([-1], position[:-1]))[: len(byte)], -1)
    last = np.full(region.length, -1, dtype=np.int64)
    last[byte] = position  # ascending in each byte, so that the last one stays
    all_bytes = np.arange(region.length, dtype=np.int64)
    ends = np.full(region.length, length - 1, dtype=np.int64)
    if region.stack:
        stack = _StackTime(stack_from - region.first)
        weight, unread = stack.between(before, position, byte), stack.between(last, ends, all_bytes)
        space = int(stack.between(np.full(region.length, -1), ends, all_bytes).sum())
    else:
        weight, unread, space = position - before, ends - last, region.length * length
    counts, left = weight > 0, np.flatnonzero(unread).astype(np.int64)
    return Area(
        region,
        position[counts],
        byte[counts],
        weight[counts],
        read[counts],
        left,
        unread[left],
        8 * space,
    )


class _StackTime:
    """Counts the instructions before which a byte of the stack is part of it: at or above the stack
    pointer. `pointer`: before each instruction, in bytes of the region."""

    def __init__(self, pointer: Positions) -> None:
        self._pointer = pointer
        self._levels = np.unique(pointer)

    def between(self, after: Positions, until: Positions, byte: Bytes) -> Positions:
        """Return, for each `byte`, the count within (after, until]."""
        level = np.searchsorted(self._levels, byte, side="right")  # pointers not above it
        counts = np.zeros(len(byte), dtype=np.int64)
        for number in np.unique(level).tolist():
            if number == 0:
                continue  # it is never part of the stack
            within = self._pointer <= self._levels[number - 1]
            so_far = np.concatenate(([0], np.cumsum(within)))
            chosen = level == number
            counts[chosen] = so_far[until[chosen] + 1] - so_far[after[chosen] + 1]
        return counts


def _accesses(
    region: TargetRegion, events: _Events
) -> tuple[Positions, Bytes, npt.NDArray[np.bool_]]:
    """Return the accesses of a region: by byte, then by position. Of two accesses of a byte by one
    instruction, a read counts."""
    if not events.position:
        none = np.zeros(0, dtype=np.int64)
        return none, none, np.zeros(0, dtype=np.bool_)
    position, byte = np.concatenate(events.position), np.concatenate(events.byte) - region.first
    inside = (byte >= 0) & (byte < region.length)
    position, byte, read = position[inside], byte[inside], np.concatenate(events.read)[inside]
    order = np.lexsort((~read, position, byte))
    position, byte, read = position[order], byte[order], read[order]
    again = np.zeros(len(byte), dtype=np.bool_)
    again[1:] = (byte[1:] == byte[:-1]) & (position[1:] == position[:-1])
    return position[~again], byte[~again], read[~again]
