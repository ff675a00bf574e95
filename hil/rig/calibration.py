"""Calibration: what fault-free steps take on the nodes of a rig, before anything disturbs them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from hil.errors import SetupError
from hil.kernel import Golden
from hil.rig.agent_setup import Budget
from hil.rig.bringup import line_fault_named
from hil.rig.node import DONE, Node, NodeResult
from hil.rig.program import golden_run
from hil.rig.resync import read_outputs
from hil.rig.rig import Rig

_OF_BOARDS: Final = "run `hil doctor`; look at the board's own log"
_OF_PROGRAMS: Final = "csrc/port/linux/EXEC.md says what such a program does"
_SAME_BUILD: Final = "build hil-agent from this very release; check the board's memory"
_SAME_PROGRAM: Final = (
    "csrc/port/linux/EXEC.md, rules 1 and 3: state and output depend on nothing but the request, "
    "the seed and the regions, on every board; no clock, no random numbers, no other libraries. If "
    "the boards agree, and this computer does not: `exec: {golden: recorded}`"
)


@dataclass(frozen=True, slots=True)
class Calibration:
    """CPU time and round trip of fault-free steps, over all nodes [us]."""

    frames: int
    cpu_us_median: int
    cpu_us_worst: int
    round_trip_us_best: int
    round_trip_us_worst: int
    budget: Budget


@dataclass(frozen=True, slots=True)
class Likeness:
    """The likeness expected of fault-free nodes: whether their states are those of the golden run,
    and which outputs, beside the golden one, a voter by value accepts in its place."""

    states: bool = True
    accepts: Callable[[bytes, bytes], bool] = lambda output, golden: output == golden


EXACT: Final = Likeness()


def calibrate(
    rig: Rig,
    frames: int,
    cpu_factor: float,
    cpu_floor_us: int,
    likeness: Likeness = EXACT,
) -> Calibration:
    """Run golden frames on all nodes, measure how long they take, and set the rig's budget and
    timing. Every node is then loaded in its initial state.

    Raises: SetupError if a node does not compute what the golden run computes, by `likeness`,
    because no vote could then be trusted; LinkTimeout, NodeError."""
    golden = golden_run(rig.setup.workload, rig.setup.seed, rig.setup.program)
    for node in rig.nodes:
        with line_fault_named(node, rig.clock):
            digest = rig.load(node)
        if likeness.states:
            _must_match(rig, node, digest, golden.of(node.index).state_digest, "the initial state")
    cpu_us: list[int] = []
    round_trips_us: list[int] = []
    for frame in range(frames):
        golden.step()
        began_us = rig.clock.now_us()
        results = rig.step(rig.nodes, frame, golden.input)
        round_trips_us.append(rig.clock.now_us() - began_us)
        for node in rig.nodes:
            own = golden.of(node.index)
            _must_be_golden(rig, node, results[node.name], frame, own, likeness)
            cpu_us.append(results[node.name].cpu_us)
    cpu_us.sort()
    ticks = max(golden.of(node.index).workload.ticks for node in rig.nodes)
    budget = Budget(max(cpu_floor_us, math.ceil(cpu_us[-1] * cpu_factor)), 4 * ticks + 64)
    rig.setup.budget = budget
    worst_us = max(round_trips_us)
    # A repetition is harmless, so the first may come soon: ten times the slowest golden round trip.
    retry_us = min(rig.requests.timing.retry_us, max(20_000, 10 * worst_us))
    rig.requests.timing = replace(rig.requests.timing, retry_us=retry_us)
    rig.setup.adjust_busy_time()
    for node in rig.nodes:
        rig.load(node)
    median_us = cpu_us[len(cpu_us) // 2]
    return Calibration(frames, median_us, cpu_us[-1], min(round_trips_us), worst_us, budget)


def _must_be_golden(
    rig: Rig, node: Node, result: NodeResult, frame: int, golden: Golden, likeness: Likeness
) -> None:
    if result.status != DONE:
        with line_fault_named(node, rig.clock):
            raise SetupError(
                f"node {node.name} failed in fault-free frame {frame} of the calibration: "
                f"{rig.setup.why_failed(node, result.reason) or f'status {result.status}'}",
                remedy=_OF_PROGRAMS if rig.setup.is_program else _OF_BOARDS,
            )
    what = f"frame {frame}"
    if result.output_digest != golden.output_digest and not likeness.accepts(
        _output_of(rig, node, result, golden), golden.output
    ):
        _must_match(rig, node, result.output_digest, golden.output_digest, what)
    if likeness.states:
        _must_match(rig, node, result.state_digest, golden.state_digest, what)


def _output_of(rig: Rig, node: Node, result: NodeResult, golden: Golden) -> bytes:
    if result.output or not rig.setup.long_outputs:
        return result.output
    return read_outputs(rig, [node], golden.workload.output_len).get(node.name, b"")


def _must_match(rig: Rig, node: Node, digest: int, golden: int, what: str) -> None:
    if digest != golden:
        of = rig.setup.workload_of(node)
        raise SetupError(
            f"node {node.name} computes {what} of {of} differently from the golden run "
            f"({digest:016x}, expected {golden:016x}): its results could never win a vote",
            remedy=_SAME_PROGRAM if rig.setup.is_program else _SAME_BUILD,
        )
