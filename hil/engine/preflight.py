"""Preflight: what is checked on open and calibrated boards before the first frame."""

from __future__ import annotations

from typing import Final

from hil.engine.part_groups import UpsetParts
from hil.errors import SetupError
from hil.rig.backends.capabilities import rate_of
from hil.rig.calibration import Calibration
from hil.rig.program import golden_run
from hil.rig.rig import Rig
from hil.rig.step_count import instructions_behind_ticks
from hil.scenario import Scenario
from hil.upsets.planner import needed_targets

__all__ = ["check_limits", "check_pace", "check_targets"]

_FAST_BAUD: Final = 900_000
"""[bit/s] A line below this rate may be why frames take too long."""


def check_targets(scenario: Scenario, rig: Rig) -> None:
    """Check that the boards can be hit at the targets of all upsets. Raises: SetupError."""
    for name, targets in needed_targets(scenario).items():
        hello = rig.by_name[name].hello
        missing = sorted(targets - hello.targets) if hello else []
        if missing:
            raise SetupError(
                f"the board of node {name} cannot be hit at: {', '.join(missing)}",
                remedy="use a board that can (`--boards process`), or remove these upsets",
            )


def check_limits(rig: Rig, upsets: UpsetParts, calibration: Calibration) -> None:
    """Check all upsets against the registers and the steps of these boards. Raises: ConfigError for
    upsets past their end."""
    limits = upsets.limits
    for node in rig.nodes:
        if node.hello is not None:
            limits.add_board(node.name, node.hello)
    limits.set_slowest_step(calibration.cpu_us_worst)
    for name, steps in limits.steps_needed.items():
        node = rig.by_name[name]
        golden = golden_run(rig.setup.workload, rig.setup.seed, rig.setup.program).of(node.index)
        limits.set_reach(name, instructions_behind_ticks(rig, node, golden, steps))
        rig.load(node)
    limits.check()
    upsets.planner.reach = limits.reach


def check_pace(scenario: Scenario, rig: Rig, calibration: Calibration) -> None:
    """Check that the boards can keep real time: the fastest fault-free frame, with its input and
    answers on the lines, must fit into the time of a frame. Faster than real time, a run may be as
    late as it is. Raises: SetupError."""
    factor = scenario.pace_factor
    best_us = calibration.round_trip_us_best
    if factor is None or factor > 1 or best_us * factor <= scenario.frame_us:
        return
    rates = {n.name: rate for n in rig.nodes if (rate := rate_of(n.link.transport)) is not None}
    slow = [f"{name} at {rate.now} bit/s" for name, rate in rates.items() if rate.now < _FAST_BAUD]
    lines = f" (lines: {', '.join(slow)})" if slow else ""
    raise SetupError(
        f"the boards cannot keep pace: the fastest of {calibration.frames} fault-free frames took "
        f"{best_us / 1000:.3g} ms{lines}, a frame has {scenario.frame_us / factor / 1000:.3g} ms",
        remedy="raise `frame_ms`, or use `--pace free`"
        + ("; state `fast_baud` in the bench file (`hil bench test` finds it)" if slow else ""),
    )
