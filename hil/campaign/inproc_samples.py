"""Samples in this process: the workload's own step, struck at its progress ticks, in one
call of C for arrays of faults (csrc/host/fault_bench.h)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Final

import numpy as np

from hil._kernel import ffi, lib
from hil.campaign.executor import RangeOutcomes
from hil.campaign.fault_space import FaultSpace, FrameSpace, TargetSpace
from hil.campaign.ranges import Range
from hil.campaign.sampling import FaultTable, TargetDraw
from hil.errors import SetupError, UsageError
from hil.kernel import Golden, Workload, check
from hil.record.campaign_rows import EFFECTS, MomentUnit
from hil.rig.own_workload import own_workload
from hil.rig.program import golden_run
from hil.rig.program_options import ProgramOptions
from hil.scenario import Scenario, UpsetTarget
from hil.upsets.words import NodeEffect

__all__ = [
    "INPROC_TARGETS",
    "FaultBench",
    "InprocBenches",
    "InprocSamples",
    "InprocSurvey",
    "check_inproc_targets",
    "fault_array",
    "survey_inproc",
]

_REGIONS: Final = {
    UpsetTarget.STATE: int(lib.FAULT_STATE),
    UpsetTarget.INPUT: int(lib.FAULT_INPUT),
    UpsetTarget.OUTPUT: int(lib.FAULT_OUTPUT),
    UpsetTarget.HEAP: int(lib.FAULT_HEAP),
}
INPROC_TARGETS: Final = tuple(_REGIONS)
"""The targets of a step in this process."""

_FAULT: Final = np.dtype(
    [("tick", "<u4"), ("byte", "<u4"), ("region", "u1"), ("bit", "u1"), ("unused", "<u2")]
)
_PART: Final = 50_000  # experiments between two looks at the progress


class FaultBench:
    """A step of a workload that is held in this process. `begin` begins its golden run."""

    def __init__(self, begin: Callable[[], Golden]) -> None:
        self._begin = begin
        self._golden = begin()
        size = int(lib.fault_bench_memory(self._golden.handle.workload))
        self._memory = ffi.new("uint8_t[]", size)
        self._size = size
        self._bench = ffi.new("hil_fault_bench_t *")
        self._frame = -1

    def hold(self, frame: int) -> None:
        """Hold the step of `frame`. Raises: KernelError if it does not end."""
        if frame == self._frame:
            return
        golden = self._golden
        if frame < golden.next_frame:
            self._golden = golden = self._begin()
        while golden.next_frame < frame:
            golden.step()
        most = 4 * golden.workload.ticks + 64  # as boards have it
        args = (self._bench, golden.handle, most, self._memory, self._size)
        check(lib.fault_bench_open(*args), "fault_bench_open")
        self._frame = frame

    @property
    def workload(self) -> Workload:
        """Return the workload."""
        return self._golden.workload

    @property
    def ticks(self) -> int:
        """Return the ticks of the fault-free step."""
        return int(self._bench.ticks)

    def run(self, faults: Any) -> tuple[bytes, bytes]:
        """Carry out `faults`, an array of hil_fault_t; return effects and details. Raises:
        KernelError for a fault that there is not."""
        count = len(faults)
        effects, details = np.empty(count, np.uint8), np.empty(count, np.uint8)
        args = [ffi.from_buffer("uint8_t[]", array) for array in (effects, details)]
        status = lib.fault_bench_run(
            self._bench, ffi.cast("hil_fault_t *", ffi.from_buffer(faults)), count, *args
        )
        check(status, "fault_bench_run")
        return effects.tobytes(), details.tobytes()

    def inspect(self, fault: Any) -> tuple[int, int, bytes, bytes]:
        """Carry out one fault, an array of one hil_fault_t; return its effect and detail, and the
        output and the state that the step leaves. Raises: KernelError for a fault that there is
        not."""
        effect, detail = ffi.new("uint8_t *"), ffi.new("uint8_t *")
        output = ffi.new("uint8_t[]", max(1, self.workload.output_len))
        state = ffi.new("uint8_t[]", max(1, self.workload.state_len))
        one = ffi.cast("hil_fault_t *", ffi.from_buffer(fault))
        status = lib.fault_bench_inspect(self._bench, one, effect, detail, output, state)
        check(status, "fault_bench_inspect")
        left = (
            ffi.buffer(output, self.workload.output_len)[:],
            ffi.buffer(state, self.workload.state_len)[:],
        )
        return effect[0], detail[0], *left

    def fault_free(self) -> tuple[bytes, bytes]:
        """Return the output and the state that the step leaves without a fault."""
        regions = (int(lib.FAULT_OUTPUT), int(lib.FAULT_STATE))
        output, state = (
            ffi.buffer(self._bench.region[r].after, self._bench.region[r].len)[:] for r in regions
        )
        return output, state

    def bare(self, count: int) -> None:
        """Run the bare step `count` times, to compare with. Raises: KernelError if one does not
        end."""
        check(lib.fault_bench_bare(self._bench, count), "fault_bench_bare")


def fault_array(faults: FaultTable, targets: Sequence[UpsetTarget]) -> Any:
    """Return faults as an array of hil_fault_t."""
    array = np.zeros(len(faults), _FAULT)
    regions = np.array([_REGIONS[target] for target in targets], np.uint8)
    array["tick"], array["byte"] = faults.moment, faults.byte
    array["region"], array["bit"] = regions[faults.target], faults.bit
    return array


def _length(target: UpsetTarget, of: Workload) -> int:
    lengths = {
        UpsetTarget.STATE: of.state_len,
        UpsetTarget.INPUT: of.input_len,
        UpsetTarget.OUTPUT: of.output_len,
        UpsetTarget.HEAP: of.scratch_len,
    }
    return lengths[target]


@dataclass(frozen=True, slots=True)
class InprocBenches:
    """The benches of a scenario in this process, as boards of a campaign."""

    scenario: Scenario

    @contextmanager
    def open(self, number: int) -> Iterator[FaultBench]:  # noqa: ARG002  (all are alike)
        """Yield a bench. Raises: SetupError if the workload cannot be built, or does not compute
        with any bytes in its memory: a fault would end hil, or never end."""
        scenario = self.scenario
        own = own_workload(scenario)
        if own is not None:
            own.check_total()
        program = ProgramOptions(own=own)
        yield FaultBench(partial(golden_run, scenario.workload_name, scenario.seed, program))


@dataclass(frozen=True, slots=True)
class InprocSurvey:
    """The survey of steps in this process: see `hil.campaign.sample_survey`."""

    space: FaultSpace
    controls: int
    arch: str = "virtual"

    def experiments(
        self,
        faults: FaultTable,
        first: int,
        draws: tuple[TargetDraw, ...] = (),  # noqa: ARG002  (no line has to carry them)
    ) -> InprocSamples:
        """Return the experiments of `faults`, whose units are numbered from `first` on."""
        targets = tuple(space.target for space in self.space.targets)
        return InprocSamples(faults, first, targets)


def check_inproc_targets(targets: Sequence[UpsetTarget]) -> None:
    """Check that a step in this process has all targets. Raises: UsageError."""
    for target in targets:
        if target not in _REGIONS:
            raise UsageError(
                f"target `{target}` does not exist on in-process boards",
                remedy=f"--boards process, or targets among {', '.join(_REGIONS)}",
            )


def survey_inproc(
    bench: FaultBench, frames: Sequence[int], targets: Sequence[UpsetTarget]
) -> InprocSurvey:
    """Hold each of `frames`, for the number of its ticks; and make hits whose effects are certain.

    Raises: SetupError if one of these is judged wrongly; KernelError if a fault-free step does not
    end."""
    spaces: list[FrameSpace] = []
    controls = 0
    for frame in frames:
        bench.hold(frame)
        spaces.append(FrameSpace(frame, bench.ticks + 1, np.zeros(0, np.uint64)))
        controls = controls or _check_controls(bench)
    lengths = tuple(TargetSpace(target, _length(target, bench.workload)) for target in targets)
    return InprocSurvey(FaultSpace(MomentUnit.TICK, tuple(spaces), lengths), controls)


def _check_controls(bench: FaultBench) -> int:
    """Make hits whose effects are certain; return how many. Raises: SetupError if one is judged
    wrongly."""
    end = bench.ticks
    controls = [
        ("an endless loop", (0, lib.FAULT_CPU_HANG, lib.FAULT_CPU), NodeEffect.HANG),
        ("a crash", (0, lib.FAULT_CPU_CRASH, lib.FAULT_CPU), NodeEffect.CRASH),
        ("an endless loop", (end // 2, lib.FAULT_CPU_HANG, lib.FAULT_CPU), NodeEffect.HANG),
        ("a hit of the finished input", (end, 0, lib.FAULT_INPUT), NodeEffect.MASKED),
        ("a hit of the finished state", (end, 0, lib.FAULT_STATE), NodeEffect.LATENT),
        ("a hit of the finished output", (end, 0, lib.FAULT_OUTPUT), NodeEffect.SDC),
    ]
    faults = np.array([(*place, 4, 0) for _, place, _ in controls], _FAULT)
    effects, _ = bench.run(faults)
    for (what, _, right), effect in zip(controls, effects, strict=True):
        if EFFECTS[effect] is not right:
            raise SetupError(
                f"control in this process: {what} came out as {EFFECTS[effect]}, not {right}",
                remedy="no campaign is possible; please report it, with the output of `hil doctor`",
            )
    return len(controls)


@dataclass(frozen=True, slots=True)
class InprocSamples:
    """Experiments in this process: `faults`, which are in order of frames; the first is unit
    `first`."""

    faults: FaultTable
    first: int
    targets: tuple[UpsetTarget, ...]

    @property
    def digest(self) -> str:
        """Return a digest of the faults."""
        whole = hashlib.blake2b(digest_size=16)
        for column in self.faults.columns:
            whole.update(np.ascontiguousarray(column).tobytes())
        return whole.hexdigest()

    def admit(self, bench: FaultBench) -> None:
        """Do nothing: the step is that of this program, whose version is checked."""

    def carry_out(
        self,
        bench: FaultBench,
        units: Range,
        keep: Callable[[RangeOutcomes], None],
        stopped: Callable[[], bool],
    ) -> None:
        """Carry out a range of faults; give `keep` what each call of C came to. Raises: KernelError
        for a fault that there is not; what `keep` raises."""
        chosen = self.faults.chosen(slice(units.first - self.first, units.end - self.first))
        array = fault_array(chosen, self.targets)
        edges = np.flatnonzero(np.diff(chosen.frame)) + 1
        for first, end in pairwise([0, *edges.tolist(), len(chosen)]):
            for at in range(first, end, _PART):
                if stopped():
                    return
                bench.hold(int(chosen.frame[first]))
                part = array[at : min(end, at + _PART)]
                keep(RangeOutcomes(units.first + at, len(part), *bench.run(part)))
