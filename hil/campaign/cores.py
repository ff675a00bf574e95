"""The boards that share a campaign, and the cores that they keep to."""

from __future__ import annotations

import os

from hil.scenario import BoardKind, Scenario

__all__ = ["board_count", "free_cores", "keep_to_core"]

_ALL_CORES = os.sched_getaffinity(0)


def board_count(scenario: Scenario, workers: int) -> int:
    """Return how many of `workers` boards there can be: software boards are as many as are wanted,
    of real ones there are no more than there are."""
    nodes = scenario.rig.nodes
    return min(workers, len(nodes)) if nodes[0].board is BoardKind.SERIAL else workers


def keep_to_core(scenario: Scenario, number: int) -> None:
    """Keep this thread, and the process boards that it starts, to one core: host, agent and worker
    take turns. Others, such as emulators, use several."""
    if scenario.rig.nodes[0].board is BoardKind.PROCESS:
        cores = sorted(_ALL_CORES)
        os.sched_setaffinity(0, {cores[number % len(cores)]})


def free_cores() -> None:
    """Let this thread use all cores again."""
    os.sched_setaffinity(0, _ALL_CORES)
