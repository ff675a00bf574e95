"""Preventive restarts that are more frequent than a restart takes: a run of them is legal, and
rarely what was meant."""

from __future__ import annotations

import math

from hil.scenario import Scenario
from hil.scenario.recovery import PreventiveAction

__all__ = ["restart_warnings"]


def restart_warnings(scenario: Scenario) -> tuple[str, ...]:
    """Return a warning if the turns of preventive restarts follow each other before the node of the
    last one votes again: then they come late, or a node is missing from the vote all the time. The
    boot time counts where the scenario states it; a rig of one node has nobody to wait for."""
    preventive, rig = scenario.recovery.preventive, scenario.rig
    if preventive is None or rig.size < 2:
        return ()
    apart = max(1, preventive.every_frames // rig.size)
    agree = scenario.recovery.reintegrate_frames
    boot_s = 0.0
    if preventive.action is not PreventiveAction.RESTART:
        boot_s = max((node.boot_s or 0.0 for node in rig.nodes), default=0.0)
    boot = math.ceil(boot_s * 1e6 / scenario.frame_us)
    takes = agree + boot
    if apart > takes:
        return ()
    why = f"`recovery.reintegrate_frames` is {agree}"
    why += f", and a board boots for up to {boot_s:g} s, {boot:,} frames" if boot else ""
    wanted = rig.size * (takes + 1)
    effect = (
        "the restarts come later than planned, and a node is missing from the vote all the time"
        if apart < takes
        else "a node is missing from the vote all the time"
    )
    return (
        f"recovery.preventive: a node is started again every {apart:,} frames (`every_frames` "
        f"{preventive.every_frames:,} for {rig.size} nodes), but votes again only {takes:,} frames "
        f"after that ({why}): {effect}; from `every_frames: {wanted}` on it is not",
    )
