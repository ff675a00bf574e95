"""Temperature alarm limits of boards, computed from their profiles for the record. The limits of a
scenario are read in `hil.scenario.alarms`, all of them for a screen in `hil.views.alarm_limits`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hil.record.recorded_scenario import RecordedAlarmLimits
from hil.rig.node import Node
from hil.scenario import Scenario
from hil.scenario.words import BoardKind

if TYPE_CHECKING:
    from hil.board_types.profile import BoardProfile

__all__ = ["heat_limits"]


def heat_limits(
    scenario: Scenario, nodes: Sequence[Node]
) -> dict[str, dict[str, RecordedAlarmLimits]]:
    """Return limits [degree C] by quantity and node: yellow is where the board begins to throttle,
    red is half way from there to where it switches itself off.

    The modelled die (`die_c`) has the limits of the profile that the plant uses; the measured
    temperature (`cpu_temp_c`) has those of the real board, if it is known."""
    limits: dict[str, dict[str, RecordedAlarmLimits]] = {"die_c": {}, "cpu_temp_c": {}}
    for config, node in zip(scenario.rig.nodes, nodes, strict=True):
        if scenario.plant is not None:
            profile = _named(config.profile or scenario.rig.profile)
            limits["die_c"][node.name] = _limits(profile)
        if node.board.kind == BoardKind.SERIAL:
            real = _named(config.profile) if config.profile else _known(node)
            if real is not None:
                limits["cpu_temp_c"][node.name] = _limits(real)
    return limits


def _named(profile: str) -> BoardProfile:
    from hil.board_types.catalogue import load_board_profile  # noqa: PLC0415  (few runs need it)

    return load_board_profile(profile)


def _known(node: Node) -> BoardProfile | None:
    from hil.board_types.catalogue import profile_of_model  # noqa: PLC0415  (few runs need it)

    return profile_of_model(node.hello.board) if node.hello is not None else None


def _limits(profile: BoardProfile) -> RecordedAlarmLimits:
    throttle_c = profile.thermal.throttle_c.value
    shutdown_c = profile.thermal.shutdown_c.value
    return RecordedAlarmLimits(yellow_high=throttle_c, red_high=(throttle_c + shutdown_c) / 2)
