"""Sampled campaigns on boards that hold steps: worker processes, emulated boards, real ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Final

import numpy as np

from hil.campaign.bench import HeldBoard, held_board
from hil.campaign.controls import check_controls
from hil.campaign.cores import free_cores, keep_to_core
from hil.campaign.exact import effects_of
from hil.campaign.fault_space import Counts, FaultSpace, FrameSpace, TargetSpace
from hil.campaign.laboratory import Part
from hil.campaign.regions import TargetRegion, abi_of, regions_of
from hil.campaign.sampling import FaultTable
from hil.campaign.trace import Addresses, path_digests, unpack_trace
from hil.errors import LinkTimeout, NodeError, SetupError
from hil.record.campaign_rows import MomentUnit
from hil.scenario import Scenario, UpsetTarget
from hil.wire.campaign import EXPERIMENTS_MAX, Outcomes, Site, site_bytes

__all__ = ["BoardLaboratory"]

_TRIES: Final = 4
_PACKED_MAX: Final = 1000


class BoardLaboratory:
    """The boards of a campaign on `frames` of a scenario; the first is opened now, others when they
    are needed. Each is replaced when it dies.

    Raises: SetupError, LinkTimeout, NodeError, VersionMismatch; UsageError for a target that boards
    cannot hit in a held step."""

    def __init__(
        self, scenario: Scenario, frames: Sequence[int], targets: Sequence[UpsetTarget]
    ) -> None:
        keep_to_core(scenario, 0)
        first = _BoardBench(scenario, 0, frames[0])
        self._scenario = scenario
        self._benches: dict[int, _BoardBench] = {0: first}
        try:
            board = first.board
            self.arch = board.arch
            self.regions = regions_of(board.step.opened, board.golden.workload, board.arch, targets)
            self.space = _survey(board, frames, self.regions)
        except BaseException:
            self.close()
            raise
        first.attach(self.space, self.regions)

    def check_controls(self) -> int:
        """Make hits whose effects are certain; return how many. Raises: SetupError if one is judged
        wrongly."""
        board, frame = self._benches[0].board, self.space.frames[0]
        board.move_to(frame.frame)
        return check_controls(board, frame.moments)

    def bench(self, number: int) -> _BoardBench:
        """Return board `number`, for the thread that calls; it is opened when it is used."""
        keep_to_core(self._scenario, number)
        if number not in self._benches:
            bench = _BoardBench(self._scenario, number, self.space.frames[0].frame)
            bench.attach(self.space, self.regions)
            self._benches[number] = bench
        return self._benches[number]

    def close(self) -> None:
        """Close all boards; the thread that calls may use all cores again."""
        for bench in self._benches.values():
            bench.close()
        free_cores()


def _survey(board: HeldBoard, frames: Sequence[int], regions: Sequence[TargetRegion]) -> FaultSpace:
    """Trace each of `frames` on a board, for the number of its instructions, its path and the depth
    of its stack."""
    spaces: list[FrameSpace] = []
    stack_first: list[Counts] = []
    stack = next((region for region in regions if region.stack), None)
    opened = board.step.opened
    for frame in frames:
        board.move_to(frame)
        trace = unpack_trace(board.step.trace(), opened.gpr_count)
        path = np.array(path_digests(trace.pc), dtype=np.uint64)
        spaces.append(FrameSpace(frame, trace.length, path))
        if stack is not None:
            pointers = trace.registers[:, abi_of(board.arch).sp]
            stack_first.append(_below(pointers, opened.arena + stack.first, stack.length))
    targets = tuple(
        TargetSpace(region.target, region.length, tuple(stack_first) if region.stack else None)
        for region in regions
    )
    return FaultSpace(MomentUnit.INSTRUCTION, tuple(spaces), targets)


def _below(pointers: Addresses, begin: int, length: int) -> Counts:
    """Return how many bytes of a stack lie below its pointer, before each instruction."""
    return np.clip(pointers.astype(np.int64) - begin, 0, length)


class _BoardBench:
    """Board `number` of a campaign: opened when it is used first, replaced when it dies."""

    def __init__(self, scenario: Scenario, number: int, frame: int) -> None:
        self._scenario = scenario
        self._number = number
        self._first_frame = frame
        self._open = ExitStack()
        self._board: HeldBoard | None = None
        self._paths: dict[int, FrameSpace] = {}
        self._regions: Sequence[TargetRegion] = ()

    def attach(self, space: FaultSpace, regions: Sequence[TargetRegion]) -> None:
        self._paths = {frame.frame: frame for frame in space.frames}
        self._regions = regions

    @property
    def board(self) -> HeldBoard:
        if self._board is None:
            opening = held_board(self._scenario, self._number, self._first_frame)
            self._board = self._open.enter_context(opening)
        return self._board

    def close(self) -> None:
        self._board = None
        self._open.close()

    def carry_out(self, faults: FaultTable) -> Iterator[Part]:
        at = 0
        for sites in _requests(faults, self._regions):
            frame = int(faults.frame[at])
            yield effects_of(self._outcomes(frame, sites))
            at += len(sites)

    def _outcomes(self, frame: int, sites: Sequence[Site]) -> Outcomes:
        for left in reversed(range(_TRIES)):
            try:
                self.board.move_to(frame)
                outcomes = self.board.step.run(sites, severity=True)
            except (LinkTimeout, NodeError):
                if not left:
                    raise
                self._recover()
                continue
            self._check(frame, sites, outcomes)
            return outcomes
        raise AssertionError  # the last try returns or raises

    def _recover(self) -> None:
        """Get the board going again, or open it as at the beginning."""
        try:
            self.board.hold_again()
        except (LinkTimeout, NodeError, SetupError):
            self.close()

    def _check(self, frame: int, sites: Sequence[Site], outcomes: Outcomes) -> None:
        name, position = self.board.node.name, sites[-1].position
        path = int(self._paths[frame].path[position])
        if (outcomes.position, outcomes.path) != (position, path):
            raise SetupError(
                f"node {name} does not walk the path of the fault-free step {frame}: at "
                f"instruction {position} its digest is {outcomes.path:#x}, not {path:#x}",
                remedy="its agent must be the same build, at fixed addresses (`hil doctor`)",
            )
        if len(outcomes.codes) != len(sites):
            raise SetupError(f"node {name} left experiments out")


def _requests(faults: FaultTable, regions: Sequence[TargetRegion]) -> Iterator[list[Site]]:
    """Cut faults into requests, each of one frame."""
    first = [region.first for region in regions]
    spaces = [region.space for region in regions]
    sites: list[Site] = []
    size, before, frame = 0, 0, -1
    for f, target, byte, bit, moment in zip(
        faults.frame.tolist(), faults.target.tolist(), faults.byte.tolist(), faults.bit.tolist(),
        faults.moment.tolist(), strict=True,
    ):  # fmt: skip
        site = Site(moment, spaces[target], first[target] + byte, 1 << bit)
        more = site_bytes(site, before if f == frame else 0)
        if sites and (f != frame or size + more > _PACKED_MAX or len(sites) == EXPERIMENTS_MAX):
            yield sites
            sites, size, more = [], 0, site_bytes(site, 0)
        sites.append(site)
        size, before, frame = size + more, moment, f
    if sites:
        yield sites
