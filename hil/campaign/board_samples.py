"""Samples on boards that hold steps: worker processes, emulated boards, real ones."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from hil.campaign.bench import HeldBoard
from hil.campaign.controls import check_controls
from hil.campaign.drawn_samples import DrawnFaults, SampleDraws
from hil.campaign.exact import effects_of
from hil.campaign.executor import RangeOutcomes
from hil.campaign.fault_space import BITS, Counts, FaultSpace, FrameSpace, TargetSpace
from hil.campaign.ranges import Range
from hil.campaign.regions import TargetRegion, abi_of, regions_of
from hil.campaign.request_size import RequestSize
from hil.campaign.sampling import FaultTable, TargetDraw
from hil.campaign.trace import Addresses, path_digests, unpack_trace
from hil.errors import SetupError
from hil.record.campaign_rows import MomentUnit
from hil.scenario import UpsetTarget
from hil.wire.campaign import EXPERIMENTS_MAX, OpenedStep, Site, site_bytes
from hil.wire.draws import DRAWN_MAX, DrawPart, DrawSeries, DrawTarget
from hil.wire.outcomes import Outcomes

__all__ = ["BoardSamples", "StepSurvey", "survey_board"]

_PACKED_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class StepSurvey:
    """The survey of steps on a board: see `hil.campaign.sample_survey`. `opened`: the layout of its
    worker; `limit_us`: the CPU time from which on a step hangs there."""

    arch: str
    space: FaultSpace
    controls: int
    regions: tuple[TargetRegion, ...]
    opened: OpenedStep
    limit_us: int
    can_draw: bool = False

    def experiments(
        self, faults: FaultTable, first: int, draws: tuple[TargetDraw, ...] = ()
    ) -> BoardSamples:
        """Return the experiments of `faults`, whose units are numbered from `first` on. The board
        draws them by itself if it can, and if `draws` says how."""
        paths = {frame.frame: frame.path for frame in self.space.frames}
        path = np.zeros(len(faults), np.uint64)
        for frame in np.unique(faults.frame).tolist():
            here = faults.frame == frame
            path[here] = paths[frame][faults.moment[here]]
        drawn = self._drawn(draws) if self.can_draw else None
        where = (self.regions, self.opened, self.limit_us)
        return BoardSamples(faults, first, path, *where, drawn)

    def _drawn(self, draws: tuple[TargetDraw, ...]) -> SampleDraws | None:
        """Return how boards draw; None if they cannot: bytes of a stack come and go."""
        targets = self.space.targets
        if any(target.first_live is not None for target in targets):
            return None
        sizes = [self.space.frame_sizes(target) for target in range(len(targets))]
        before = [(np.cumsum(size) - size).tolist() for size in sizes]
        frames = [frame.frame for frame in self.space.frames]
        how = SampleDraws(draws, dict(zip(frames, zip(*before, strict=True), strict=True)))
        return how if how.possible else None


def survey_board(
    board: HeldBoard, frames: Sequence[int], targets: Sequence[UpsetTarget]
) -> StepSurvey:
    """Trace each of `frames` on a board, for the number of its instructions, its path and the depth
    of its stack; and make hits whose effects are certain.

    Raises: SetupError if one of these is judged wrongly; UsageError for a target that boards cannot
    hit in a held step; LinkTimeout, NodeError."""
    opened = board.step.opened
    regions = regions_of(opened, board.golden.workload, board.arch, targets)
    stack = next((region for region in regions if region.stack), None)
    spaces: list[FrameSpace] = []
    stack_first: list[Counts] = []
    controls = 0
    for frame in frames:
        board.move_to(frame)
        trace = unpack_trace(board.step.trace(), opened.gpr_count)
        path = np.array(path_digests(trace.pc), dtype=np.uint64)
        spaces.append(FrameSpace(frame, trace.length, path))
        if stack is not None:
            pointers = trace.registers[:, abi_of(board.arch).sp]
            stack_first.append(_below(pointers, opened.arena + stack.first, stack.length))
        controls = controls or check_controls(board, trace.length)
    space = FaultSpace(
        MomentUnit.INSTRUCTION,
        tuple(spaces),
        tuple(
            TargetSpace(region.target, region.length, tuple(stack_first) if region.stack else None)
            for region in regions
        ),
    )
    layout, can_draw = _layout(opened), _can_draw(board, regions)
    return StepSurvey(board.arch, space, controls, regions, layout, board.limit_us, can_draw)


def _can_draw(board: HeldBoard, regions: Sequence[TargetRegion]) -> bool:
    """Return whether a board draws faults by itself, after one of the first instruction."""
    region = regions[0]
    faults = BITS * region.length
    where = (region.space, region.first, region.length)
    if not faults:
        return False
    can_draw = board.step.can_draw(DrawTarget((0, 0), faults, 0, 1, *where))
    if not can_draw:
        board.hold_again()
    return can_draw


def _below(pointers: Addresses, begin: int, length: int) -> Counts:
    """Return how many bytes of a stack lie below its pointer, before each instruction."""
    return np.clip(pointers.astype(np.int64) - begin, 0, length)


def _layout(opened: OpenedStep) -> OpenedStep:
    """Return the layout of a worker without what is of one frame."""
    return replace(opened, ticks=0, output_digest=0, state_digest=0)


class _Request(NamedTuple):
    """One request: so many `units` from `first` on, in `frame`."""

    first: int
    units: int
    frame: int


Take: TypeAlias = Callable[[_Request, Outcomes], None]
"""Takes the outcomes of a request."""


@dataclass(frozen=True, slots=True)
class BoardSamples:
    """Experiments on boards: `faults`, which are in order of frames and of the time in them; the
    first is unit `first`. `path`: the digest of the fault-free path up to each; the rest as in
    `StepSurvey`."""

    faults: FaultTable
    first: int
    path: Addresses
    regions: tuple[TargetRegion, ...]
    opened: OpenedStep
    limit_us: int
    drawn: SampleDraws | None = None

    @property
    def digest(self) -> str:
        """Return a digest of the faults and of the paths to them."""
        whole = hashlib.blake2b(digest_size=16)
        for column in (*self.faults.columns, self.path):
            whole.update(np.ascontiguousarray(column).tobytes())
        return whole.hexdigest()

    def admit(self, board: HeldBoard) -> None:
        """Check that a board has the same worker; give it the same limit of CPU time. That it walks
        the same path is checked with each request. Raises: SetupError, LinkTimeout, NodeError."""
        board.limit_cpu(self.limit_us)
        if _layout(board.step.opened) != self.opened:
            raise SetupError(
                f"the worker of node {board.node.name} lies otherwise in memory than that of the "
                "board that the campaign was planned on",
                remedy="its agent must be the same build, at fixed addresses (`hil doctor`)",
            )

    def carry_out(
        self,
        board: HeldBoard,
        units: Range,
        keep: Callable[[RangeOutcomes], None],
        stopped: Callable[[], bool],
    ) -> None:
        """Carry out a range of faults; give `keep` what each request came to.

        Raises: SetupError if the board leaves the fault-free path; LinkTimeout or NodeError if it
        fails again and again; what `keep` raises."""

        def take(request: _Request, outcomes: Outcomes) -> int:
            self._check(board, request, outcomes)
            keep(RangeOutcomes(request.first, request.units, *effects_of(outcomes)))
            return request.first + request.units

        board.carry_on(units, partial(self._carry_out_from, board), take, stopped)

    def _carry_out_from(
        self,
        board: HeldBoard,
        units: Range,
        take: Take,
        stopped: Callable[[], bool],
    ) -> None:
        frame = self.faults.frame[units.first - self.first : units.end - self.first]
        edges = (np.flatnonzero(np.diff(frame)) + 1 + units.first).tolist()
        size = RequestSize(board.node.link.clock, DRAWN_MAX)
        for first, end in pairwise([units.first, *edges, units.end]):
            if stopped():
                return
            board.move_to(int(self.faults.frame[first - self.first]))
            here = Range(first, end)
            if self.drawn is None:
                self._list(board, here, take, stopped)
            else:
                self._draw(self.drawn, board, here, size, take, stopped)

    def _list(
        self, board: HeldBoard, units: Range, take: Take, stopped: Callable[[], bool]
    ) -> None:
        """List the faults of one frame in requests."""
        under_way: deque[_Request] = deque()

        def requests() -> Iterator[Sequence[Site]]:
            for request, sites in self._sites(units):
                if stopped():
                    return
                under_way.append(request)
                yield sites

        board.step.run_all(requests(), lambda outcomes: take(under_way.popleft(), outcomes))

    def _draw(
        self,
        how: SampleDraws,
        board: HeldBoard,
        units: Range,
        size: RequestSize,
        take: Take,
        stopped: Callable[[], bool],
    ) -> None:
        """Let the board draw the faults of one frame."""
        chosen = self.faults.chosen(slice(units.first - self.first, units.end - self.first))
        faults, frame = DrawnFaults(how, self.regions, chosen, units.first), int(chosen.frame[0])
        at = units.first
        under_way: deque[Range] = deque()
        is_cut = False

        def requests() -> Iterator[Sequence[DrawPart]]:
            ahead = at
            while ahead < units.end and not is_cut and not stopped():
                asked = Range(ahead, min(units.end, ahead + size.now))
                under_way.append(asked)
                yield faults.parts(asked)
                ahead = asked.end

        def answered(outcomes: Outcomes) -> None:
            nonlocal at, is_cut
            asked = under_way.popleft()
            if is_cut:
                return  # it comes again, after what is missing before it
            count = len(outcomes.codes)
            size.answered(asked.end - asked.first, count)
            take(_Request(at, count, frame), outcomes)
            at += count
            is_cut = at < asked.end

        while at < units.end and not stopped():
            is_cut = False
            board.step.run_drawn(DrawSeries(faults.targets), requests(), answered)

    def _check(self, board: HeldBoard, request: _Request, outcomes: Outcomes) -> None:
        """Check that a board has carried out all experiments of a request, the last of them where
        it is on the path of the fault-free step. Raises: SetupError."""
        name = board.node.name
        if len(outcomes.codes) != request.units:
            raise SetupError(f"node {name} left experiments out")
        last = request.first - self.first + request.units - 1
        position, path = int(self.faults.moment[last]), int(self.path[last])
        if (outcomes.position, outcomes.path) != (position, path):
            raise SetupError(
                f"node {name} does not walk the path of the fault-free step {request.frame}: at "
                f"instruction {outcomes.position} its digest is {outcomes.path:#x}, and at "
                f"instruction {position} that of the step is {path:#x}",
                remedy="its agent must be the same build, at fixed addresses (`hil doctor`)",
            )

    def _sites(self, units: Range) -> Iterator[tuple[_Request, list[Site]]]:
        """Cut a range of faults of one frame into requests that list them."""
        first = units.first
        chosen = self.faults.chosen(slice(first - self.first, units.end - self.first))
        begins = np.array([region.first for region in self.regions], np.int64)
        spaces = [region.space for region in self.regions]
        frame = int(chosen.frame[0])
        place = (begins[chosen.target] + chosen.byte).tolist()
        mask = (1 << chosen.bit).tolist()
        sites: list[Site] = []
        size, before = 0, 0

        def request() -> tuple[_Request, list[Site]]:
            return _Request(first, len(sites), frame), sites

        columns = (chosen.moment.tolist(), chosen.target.tolist(), place, mask)
        for moment, target, byte, bit in zip(*columns, strict=True):
            site = Site(moment, spaces[target], byte, bit)
            more = site_bytes(site, before)
            if size + more > _PACKED_MAX or len(sites) == EXPERIMENTS_MAX:
                yield request()
                first, sites = first + len(sites), []
                size, more = 0, site_bytes(site, 0)
            sites.append(site)
            size, before = size + more, moment
        yield request()
