"""From the nodes of a scenario to boards."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.rig import board_kinds
from hil.rig.emulated.board import EmulatedBoard
from hil.scenario import BoardKind, NodeConfig, Scenario


@pytest.mark.parametrize("kind", BoardKind)
def test_every_kind_of_board_is_built_as_itself(
    kind: BoardKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_kinds, "find_agent", lambda: Path("hil-agent"))
    # Without the emulator, which may not be installed.
    monkeypatch.setattr(EmulatedBoard, "__init__", lambda *_, **__: None)
    port = "/dev/nothing" if kind is BoardKind.SERIAL else None
    spec = NodeConfig(name="a", board=kind, port=port)
    given = {"schema": 1, "name": "t", "workload": "attitude", "frames": 1}
    rig = {"scheme": "simplex", "nodes": [spec]}
    scenario = Scenario.model_validate({**given, "rig": rig})
    (node,) = board_kinds.build_nodes(scenario)
    assert node.board.kind == kind
