"""Heat: which temperatures of its nodes a run's screens are to warn of, by the boards' profiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hil.rig.node import Node
from hil.scenario import Scenario

if TYPE_CHECKING:
    from hil.board_types.profile import BoardProfile

__all__ = ["heat_limits"]


def heat_limits(
    scenario: Scenario, nodes: Sequence[Node]
) -> dict[str, dict[str, dict[str, float]]]:
    """By quantity and node: yellow where the board begins to throttle, red half way from there to
    where it switches itself off. The die of the plant's model has the profile that the plant takes;
    a temperature that is measured has that of the board, where it is a real one."""
    found: dict[str, dict[str, dict[str, float]]] = {"die_c": {}, "cpu_temp_c": {}}
    for told, node in zip(scenario.rig.nodes, nodes, strict=True):
        if scenario.plant is not None:
            profile = _named(told.profile or scenario.rig.profile)
            found["die_c"][node.name] = _limits(profile)
        if node.board.kind == "serial":
            real = _named(told.profile) if told.profile else _known(node)
            if real is not None:
                found["cpu_temp_c"][node.name] = _limits(real)
    return found


def _named(profile: str) -> BoardProfile:
    from hil.board_types.catalogue import load_board_profile  # noqa: PLC0415  (few runs need it)

    return load_board_profile(profile)


def _known(node: Node) -> BoardProfile | None:
    from hil.board_types.catalogue import profile_of_model  # noqa: PLC0415  (few runs need it)

    return profile_of_model(node.hello.board) if node.hello is not None else None


def _limits(profile: BoardProfile) -> dict[str, float]:
    throttle_c = profile.thermal.throttle_c.value
    shutdown_c = profile.thermal.shutdown_c.value
    return {"yellow_high": throttle_c, "red_high": (throttle_c + shutdown_c) / 2}
