"""The plan of an exact campaign: its experiments in the order in which they are carried out, and
what is known without one."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.campaign.def_use import Area, Bytes, Positions, classes_of
from hil.campaign.fault_layout import FaultLayout
from hil.campaign.instruction import Instruction
from hil.campaign.regions import Codes, TargetRegion
from hil.campaign.trace import Trace, path_digests
from hil.upsets.words import NodeEffect
from hil.wire.campaign import EXPERIMENTS_MAX, Site

__all__ = ["BITS", "Batch", "Deduced", "ExactPlan", "Unread", "plan_of"]

_SITE_BYTES: Final = 14  # of one packed site, at most
_PACKED_MAX: Final = 1000
_SITE_COUNT_MAX: Final = 255
BITS: Final = 8


@dataclass(frozen=True, slots=True)
class Deduced:
    """The faults of a region that are known without an experiment, in bits times instructions.
    `space`: all there are; `overwritten` ones are masked; `unread` ones by what they come to.
    `unread_bytes`: the same in detail, as byte, weight and effect."""

    space: int
    overwritten: int
    unread: Mapping[NodeEffect, int]
    unread_bytes: tuple[tuple[int, int, NodeEffect], ...] = ()


@dataclass(frozen=True, slots=True)
class Unread:
    """The bytes of a region that nothing reads or overwrites until the step ends, as parallel
    arrays: `byte` within the region, and the `weight` [instruction] of each. `matters`: what is in
    it then is compared, or read by the next step."""

    byte: Bytes
    weight: Positions
    matters: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Batch:
    """The experiments of one request: the classes from `first` on, `count` of them."""

    first: int
    count: int
    sites: tuple[Site, ...]


@dataclass(frozen=True, slots=True)
class ExactPlan:
    """The classes that need experiments, as parallel arrays ordered by position, space and byte:
    `region` [number], `byte` within it, `weight` [instruction]. `path`: the digest of the program
    counters before each instruction. `deduced` and `unread` are by region."""

    length: int
    regions: tuple[TargetRegion, ...]
    region: Codes
    position: Positions
    byte: Bytes
    weight: Positions
    deduced: tuple[Deduced, ...]
    path: tuple[int, ...]
    unread: tuple[Unread, ...]

    @property
    def classes(self) -> int:
        """Return the number of classes; each has eight experiments."""
        return len(self.position)

    @property
    def layout(self) -> FaultLayout:
        """Return where the classes lie; a class strikes just before the instruction that reads
        its byte."""
        return FaultLayout(
            tuple(region.target.value for region in self.regions),
            tuple(region.length for region in self.regions),
            self.length,
            "instruction",
            BITS,
            self.region.astype(np.int64),
            self.byte,
            self.position,
        )

    @property
    def digest(self) -> str:
        """Return a digest that two plans share only if they have the same experiments."""
        whole = hashlib.blake2b(digest_size=16)
        for column in (self.region, self.position, self.byte, self.weight):
            whole.update(np.ascontiguousarray(column).tobytes())
        whole.update(self.path[-1].to_bytes(8, "little"))
        return whole.hexdigest()

    def batches(self, first: int, end: int) -> Iterator[Batch]:
        """Cut the classes from `first` to `end` into requests."""
        firsts = np.array([region.first for region in self.regions], dtype=np.int64)
        spaces = [region.space for region in self.regions]
        positions = self.position[first:end].tolist()
        regions = self.region[first:end].tolist()
        bytes_ = (self.byte[first:end] + firsts[self.region[first:end]]).tolist()
        at, count = 0, len(positions)
        while at < count:
            begin, left = at, EXPERIMENTS_MAX // BITS
            sites: list[Site] = []
            while at < count and left and len(sites) * _SITE_BYTES < _PACKED_MAX - _SITE_BYTES:
                run = _run_length(positions, regions, bytes_, at, min(left, _SITE_COUNT_MAX))
                space = spaces[regions[at]]
                sites.append(Site(positions[at], space, bytes_[at], 0xFF, run))
                at, left = at + run, left - run
            yield Batch(first + begin, at - begin, tuple(sites))


def _run_length(
    positions: Sequence[int], regions: Sequence[int], bytes_: Sequence[int], at: int, most: int
) -> int:
    """Return how many consecutive bytes of one region are read by one instruction, from `at` on."""
    run, end = 1, min(len(positions), at + most)
    while (
        at + run < end
        and positions[at + run] == positions[at]
        and regions[at + run] == regions[at]
        and bytes_[at + run] == bytes_[at] + run
    ):
        run += 1
    return run


def plan_of(
    trace: Trace,
    code: Mapping[int, Instruction],
    regions: Sequence[TargetRegion],
    arena: int,
    sp: int,
) -> ExactPlan:
    """Return the plan for all faults in `regions` of the step of `trace`; the arguments are those
    of `hil.campaign.def_use.classes_of`."""
    areas = classes_of(trace, code, regions, arena, sp)
    stack_end = int(trace.registers[0, sp]) - arena  # the pointer returns to where it was
    read = [area.read for area in areas]
    counts = [int(r.sum()) for r in read]
    region = np.repeat(np.arange(len(areas), dtype=np.uint8), counts)
    space = np.repeat([int(area.region.space) for area in areas], counts)
    position = np.concatenate([a.position[r] for a, r in zip(areas, read, strict=True)])
    byte = np.concatenate([a.byte[r] for a, r in zip(areas, read, strict=True)])
    weight = np.concatenate([a.weight[r] for a, r in zip(areas, read, strict=True)])
    place = byte + np.repeat([area.region.first for area in areas], counts).astype(np.int64)
    order = np.lexsort((place, space, position))
    return ExactPlan(
        trace.length,
        tuple(regions),
        region[order],
        position[order],
        byte[order],
        weight[order],
        tuple(_deduced(area, stack_end) for area in areas),
        tuple(path_digests(trace.pc)),
        tuple(_unread(area, stack_end) for area in areas),
    )


def _unread(area: Area, stack_end: int) -> Unread:
    region, masked = area.region, NodeEffect.MASKED
    alive = region.first + area.unread_byte >= stack_end if region.stack else False
    unread = [region.unread[byte] is not masked for byte in area.unread_byte.tolist()]
    matters = np.array(unread, dtype=np.bool_)  # of a region that is read to the end: empty
    return Unread(area.unread_byte, area.unread_weight, (matters | alive).astype(np.bool_))


def _deduced(area: Area, stack_end: int) -> Deduced:
    unread: Counter[NodeEffect] = Counter()
    unread_bytes: list[tuple[int, int, NodeEffect]] = []
    region = area.region
    for byte, weight in zip(area.unread_byte.tolist(), area.unread_weight.tolist(), strict=True):
        alive = region.stack and region.first + byte >= stack_end
        effect = NodeEffect.LATENT if alive else region.unread[byte]
        unread[effect] += BITS * weight
        unread_bytes.append((byte, weight, effect))
    overwritten = BITS * int(area.weight[~area.read].sum())
    return Deduced(area.space_bits, overwritten, dict(unread), tuple(unread_bytes))
