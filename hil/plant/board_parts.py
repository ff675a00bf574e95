"""The loads, nodes and conductors that a board adds to power and thermal models, by its profile."""

from __future__ import annotations

from dataclasses import dataclass

from hil.board_types.profile import BoardProfile
from hil.scenario.plant.power import LevelModel, LoadModel
from hil.scenario.plant.thermal import Conductor, ThermalNode

__all__ = ["BoardParts", "board_parts"]


@dataclass(frozen=True, slots=True)
class BoardParts:
    """The parts that a board adds to a satellite: a load, its two thermal nodes, and their
    conductors."""

    load: LoadModel
    nodes: tuple[ThermalNode, ThermalNode]
    conductors: tuple[Conductor, Conductor]


def board_parts(
    profile: BoardProfile,
    name: str,
    *,
    mount: str,
    priority: int,
    keep: str = "off",
    start_c: float = 20.0,
) -> BoardParts:
    """Return the parts of the board `name` of a type, bolted to the thermal node `mount`.

    Its nodes are `NAME.junction` and `NAME.board`, its levels off, suspend (if it can), capped and
    full.
    """
    heat, power = profile.thermal, profile.power
    junction, board = f"{name}.junction", f"{name}.board"
    levels = [LevelModel(name="off", idle_w=power.off_w.value, busy_w=power.off_w.value)]
    if power.suspend_w is not None:
        watts = max(power.suspend_w.value, power.off_w.value)
        levels.append(LevelModel(name="suspend", idle_w=watts, busy_w=watts))
    for level, mode in (("capped", power.capped), ("full", power.full)):
        chosen = power.mode(mode)
        levels.append(
            LevelModel(name=level, idle_w=chosen.idle_w.value, busy_w=chosen.full_w.value)
        )
    return BoardParts(
        LoadModel(
            name=name,
            priority=priority,
            levels=tuple(levels),
            keep=keep,
            node=junction,
            rest_node=board,
            node_share=heat.junction_share.value,
            throttle_c=heat.throttle_c.value,
            throttle_clear_c=heat.throttle_clear_c.value,
            throttle_steps=tuple(step.value for step in heat.throttle_steps),
            throttle_poll_s=heat.throttle_poll_s.value,
            shutdown_c=heat.shutdown_c.value,
        ),
        (
            ThermalNode(
                name=junction, capacity_j_per_k=heat.junction_j_per_k.value, start_c=start_c
            ),
            ThermalNode(name=board, capacity_j_per_k=heat.board_j_per_k.value, start_c=start_c),
        ),
        (
            Conductor(between=(junction, board), w_per_k=1 / heat.junction_to_board_k_per_w.value),
            Conductor(between=(board, mount), w_per_k=1 / heat.board_to_mount_k_per_w.value),
        ),
    )
