"""The cost of a step without faults: memory, and the time that it takes in this process."""

from __future__ import annotations

import time
from functools import partial
from typing import Final

from hil.campaign.inproc_samples import FaultBench
from hil.rig.own_workload import own_workload
from hil.rig.program import golden_run
from hil.rig.program_options import ProgramOptions
from hil.scenario import Scenario

__all__ = ["step_cost"]

_ROUNDS: Final = 7
_ROUND_S: Final = 0.02


def step_cost(scenario: Scenario, frame: int) -> tuple[int, float]:
    """Return the memory of a scenario's workload [byte], and the time of step `frame` [s]: the
    fastest of several rounds of steps, which a busy computer disturbs least. Raises: SetupError if
    the workload cannot be built."""
    program = ProgramOptions(own=own_workload(scenario))
    bench = FaultBench(partial(golden_run, scenario.workload_name, scenario.seed, program))
    bench.hold(frame)
    count, fastest = 1, _timed(bench, 1)
    while count * fastest < _ROUND_S:
        count *= 2
        fastest = min(fastest, _timed(bench, count))
    for _ in range(_ROUNDS):
        fastest = min(fastest, _timed(bench, count))
    of = bench.workload
    return of.state_len + of.input_len + of.output_len + of.scratch_len, fastest


def _timed(bench: FaultBench, count: int) -> float:
    began = time.perf_counter()
    bench.bare(count)
    return (time.perf_counter() - began) / count
