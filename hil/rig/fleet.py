"""From a scenario's nodes to nodes with boards."""

from __future__ import annotations

from hil.rig.inproc import InprocBoard
from hil.rig.node import Board, Node
from hil.rig.power import make
from hil.rig.process import ProcessBoard, find_agent
from hil.rig.serial_board import SerialBoard
from hil.scenario import BoardKind, Scenario
from hil.scenario import Node as NodeSpec


def _board(spec: NodeSpec, index: int) -> Board:
    if spec.board is BoardKind.INPROC:
        return InprocBoard(spec.name, index)
    if spec.board is BoardKind.PROCESS:
        return ProcessBoard(spec.name, find_agent())
    power = None if spec.power is None else make(spec.name, spec.power)
    return SerialBoard(
        spec.name, spec.port or "", spec.baud,
        adapter=spec.adapter, serial=spec.serial, power=power,
    )  # fmt: skip


def build_nodes(scenario: Scenario) -> list[Node]:
    """One node per entry of the scenario's rig. SetupError if a board's program is missing."""
    return [
        Node(spec.name, index, _board(spec, index)) for index, spec in enumerate(scenario.rig.nodes)
    ]
