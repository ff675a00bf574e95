"""Maps each kind of board to its class; a new kind gets its case here and its word in
`hil.scenario.words.BoardKind`. The boards are in `hil.rig.backends` and `hil.rig.emulated`."""

from __future__ import annotations

from collections.abc import Mapping

from hil.board_types.supply_limits import check_supply, supply_range
from hil.clock import HOST, Clock
from hil.rig.backends.inproc import InprocBoard
from hil.rig.backends.process import ProcessBoard, agent_with, find_agent
from hil.rig.backends.serial_board import SerialBoard
from hil.rig.console.port import ConsolePort
from hil.rig.emulated.board import EmulatedBoard
from hil.rig.labgrid_place import LabgridPlace
from hil.rig.node import Board, Node
from hil.rig.onnx_program import model_programs
from hil.rig.own_workload import OwnWorkload, own_workload
from hil.rig.pair_cores import core_of, usable_cores
from hil.rig.power import make
from hil.scenario import BoardKind, Scenario, UpsetTarget
from hil.scenario import NodeConfig as NodeSpec
from hil.scenario.console import CONSOLE_BAUD
from hil.scenario.console_patterns import own_patterns


def _board(
    spec: NodeSpec,
    index: int,
    own: OwnWorkload | None,
    programs: Mapping[str, tuple[str, ...]],
    *,
    beside: bool,
    core: int | None,
) -> Board:
    """Return the board of `spec`, whose agent has the workload `own` if there is one, and computes
    on `core` if it is a process. Each kind has its case: mypy reports a kind without one."""
    match spec.board:
        case BoardKind.INPROC:
            return InprocBoard(spec.name, index, own)
        case BoardKind.PROCESS:
            agent = find_agent() if own is None else agent_with(own)
            return ProcessBoard(spec.name, agent, programs, core)
        case BoardKind.EMULATED:
            workloads = () if own is None else (own.source,)
            return EmulatedBoard(spec.name, can_return=beside, workloads=workloads)
        case BoardKind.SERIAL:
            return _serial_board(spec)


def _serial_board(spec: NodeSpec) -> SerialBoard:
    power = None
    place = None if spec.labgrid is None else LabgridPlace(spec.labgrid)
    supply = spec.power if spec.power is not None or place is None else place.supply()
    if supply is not None:
        check_supply(spec.name, supply, spec.profile)
        power = make(spec.name, supply, supply_range(spec.profile))
    board = SerialBoard(
        spec.name,
        spec.port or "",
        spec.baud,
        fast_baud=spec.fast_baud,
        adapter=spec.adapter,
        serial=spec.serial,
        power=power,
        boot_s=spec.boot_s,
    )
    board.token_file, board.place = spec.token_file, place
    if spec.console is not None:
        board.console = ConsolePort(spec.console, spec.console_baud or CONSOLE_BAUD)
    return board


def build_nodes(scenario: Scenario, clock: Clock = HOST) -> list[Node]:
    """Return one node per entry of the scenario's rig.

    Raises: SetupError if a board's program is missing; ConfigError if the C file that is the
    workload cannot be used."""
    own, programs = own_workload(scenario), model_programs(scenario)
    upsets = scenario.upsets
    # A run that depends on real time continues while an emulated board boots; a reproducible run
    # waits for it.
    beside = scenario.pace_factor is not None or any(
        target is UpsetTarget.BOARD_RAM
        for target in (
            *(event.target for event in upsets.events),
            *(target for rate in upsets.rates for target in rate.targets),
        )
    )
    cores = usable_cores() if scenario.rig.scheme.pairs else ()
    nodes = [
        Node(
            spec.name,
            index,
            _board(spec, index, own, programs, beside=beside, core=core_of(index, cores)),
            clock,
        )
        for index, spec in enumerate(scenario.rig.nodes)
    ]
    for node in nodes:
        node.console.look_for(own_patterns(scenario.console_patterns))
    return nodes
