"""Sampled campaigns in this process: the workload's own step, struck at its progress ticks, in one
call of C for arrays of faults (csrc/host/fault_bench.h)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Final

import numpy as np

from hil._kernel import ffi, lib
from hil.campaign.fault_space import FaultSpace, FrameSpace, TargetSpace
from hil.campaign.laboratory import Part
from hil.campaign.sampling import FaultTable
from hil.errors import SetupError, UsageError
from hil.kernel import Golden, Workload, check
from hil.record.campaign_rows import EFFECTS, MomentUnit
from hil.rig.own_workload import own_workload
from hil.rig.program import golden_run
from hil.rig.program_options import ProgramOptions
from hil.scenario import Scenario, UpsetTarget
from hil.upsets.words import NodeEffect

__all__ = ["INPROC_TARGETS", "FaultBench", "InprocLaboratory"]

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

    def run(self, faults: Any) -> Part:
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


class InprocLaboratory:
    """The campaign's steps in this process. Raises: UsageError for a target that exists only in a
    worker process; KernelError if a fault-free step does not end."""

    def __init__(
        self, scenario: Scenario, frames: Sequence[int], targets: Sequence[UpsetTarget]
    ) -> None:
        for target in targets:
            if target not in _REGIONS:
                raise UsageError(
                    f"target `{target}` does not exist on in-process boards",
                    remedy=f"--boards process, or targets among {', '.join(_REGIONS)}",
                )
        self.arch = "virtual"
        program = ProgramOptions(own=own_workload(scenario))
        self._begin = partial(golden_run, scenario.workload_name, scenario.seed, program)
        self._targets = tuple(targets)
        self._benches: dict[int, _InprocBench] = {}
        spaces: list[FrameSpace] = []
        bench = FaultBench(self._begin)
        for frame in frames:
            bench.hold(frame)
            spaces.append(FrameSpace(frame, bench.ticks + 1, np.zeros(0, np.uint64)))
        lengths = tuple(TargetSpace(target, _length(target, bench.workload)) for target in targets)
        self.space = FaultSpace(MomentUnit.TICK, tuple(spaces), lengths)

    def check_controls(self) -> int:
        """Make hits whose effects are certain; return how many. Raises: SetupError if one is judged
        wrongly."""
        bench = FaultBench(self._begin)
        bench.hold(self.space.frames[0].frame)
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
                    remedy="no campaign is possible; please report it, with the output of "
                    "`hil doctor`",
                )
        return len(controls)

    def bench(self, number: int) -> _InprocBench:
        """Return place `number`, for the thread that calls."""
        if number not in self._benches:
            bench = FaultBench(self._begin)
            self._benches[number] = _InprocBench(bench, self._targets)
        return self._benches[number]

    def close(self) -> None:
        """Do nothing: memory is all that it holds."""


class _InprocBench:
    """Carries out faults in this process."""

    def __init__(self, bench: FaultBench, targets: Sequence[UpsetTarget]) -> None:
        self._bench = bench
        self._targets = targets

    def carry_out(self, faults: FaultTable) -> Iterator[Part]:
        array = fault_array(faults, self._targets)
        edges = np.flatnonzero(np.diff(faults.frame)) + 1
        bounds = [0, *edges.tolist(), len(faults)]
        for first, end in pairwise(bounds):
            self._bench.hold(int(faults.frame[first]))
            for at in range(first, end, _PART):
                yield self._bench.run(array[at : min(end, at + _PART)])

    def close(self) -> None:
        """Do nothing: memory is all that it holds."""
