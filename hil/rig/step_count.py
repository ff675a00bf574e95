"""Step count: measures how many instructions a board executes after each tick of a step.

An upset a number of instructions after a tick can be injected only if the step has that many. Their
number depends on processor and compiler, so the board measures it: it executes a step instruction
by instruction and reports where the step ended. The steps are those of a fault-free run; the node
must be loaded again afterwards.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hil.errors import NodeError, SetupError
from hil.kernel import Golden
from hil.rig.calls import Timing
from hil.rig.node import Node
from hil.rig.rig import Rig
from hil.wire.messages import Arm, UpsetState

__all__ = ["instructions_behind_ticks"]

_LOST_AFTER_US: Final = 60_000_000
"""A million instructions, one by one, take seconds; in an emulator more."""
_ID: Final = 2**32 - 1


def instructions_behind_ticks(rig: Rig, node: Node, golden: Golden, most: int) -> list[int]:
    """Measure, for each tick from 0 on, how many instructions are executed from there to the end of
    the step; `most` if they are as many or more. `golden` and the node advance together, and the
    output of the node is changed.

    Raises: SetupError if the board cannot count instructions; LinkTimeout if it does not answer;
    NodeError if it refuses the measurement.
    """
    ticks = golden.workload.ticks
    reach = [most] * (ticks + 1)
    first, end = 0, ticks + 1  # the later the tick, the fewer instructions are left
    while first < end:
        middle = (first + end) // 2
        reach[middle] = _measure(rig, node, golden, middle, most)
        first, end = (first, middle) if reach[middle] < most else (middle + 1, end)
    for tick in range(first + 1, ticks + 1):
        if reach[tick] == most:
            reach[tick] = _measure(rig, node, golden, tick, reach[tick - 1])
    return reach


def _measure(rig: Rig, node: Node, golden: Golden, tick: int, most: int) -> int:
    """Return how many instructions follow `tick` in the next step, at most `most`."""
    frame = golden.next_frame
    arm = Arm(id=_ID, frame=frame, target="output", kind="bit", tick=tick, steps=most, width=1)
    refused = rig.arm(node, arm)
    if refused is not None:
        raise NodeError(f"node {node.name} does not count its instructions: {refused}")
    golden.step()
    timing: Timing = replace(rig.requests.timing, lost_after_us=_LOST_AFTER_US)
    rig.step([node], frame, golden.input, timing)
    report = rig.report(node, _ID)
    if report is None:
        raise NodeError(f"node {node.name} does not report where its step ended")
    if report.state is UpsetState.FAILED:
        raise SetupError(
            f"the board of node {node.name} cannot stop after a number of instructions",
            remedy="remove `steps` and `steps_max` from its upsets",
        )
    return most if report.state is UpsetState.INJECTED else report.steps
