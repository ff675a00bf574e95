"""What boards and transports can do beyond what all of them can: asked once, in one place."""

from __future__ import annotations

from typing import Any

import pytest

from hil.errors import SetupError
from hil.rig.backends.capabilities import Capabilities, rate_of, set_rate
from hil.rig.backends.inproc import InprocBoard
from hil.rig.backends.process import ProcessBoard
from hil.rig.backends.serial_board import SerialBoard
from hil.rig.emulated.board import EmulatedBoard
from hil.rig.node import Node
from hil.rig.power import make
from hil.scenario.supply import SupplyConfig, SupplyKind


class BareBoard:
    """A board with nothing but what all boards have."""

    kind = "bare"
    name = "a"
    can_cycle = False
    can_return = False

    def connect(self) -> Any:
        raise SetupError("nothing is there")

    def condition(self, *, disconnected: bool) -> str | None:
        return "gone" if disconnected else None

    def power_off(self) -> None: ...

    def power_cycle(self) -> None: ...

    def shut_down(self) -> None: ...


def test_a_board_without_capabilities_has_the_values_of_one_that_cannot() -> None:
    bare = Capabilities(BareBoard())
    assert bare.batch is bare.ram is None
    assert bare.port is bare.serial is bare.power is bare.has_power is None
    assert bare.fast_baud == bare.hold_up_us == bare.boot_timeout_us == bare.stated_boot_us == 0
    assert bare.boots is bare.boot_failure() is bare.processor_use is bare.fixed_addresses is None
    assert bare.unexpected_exits.count == 0


def test_an_inproc_board_is_batched_and_reports_its_power() -> None:
    board = InprocBoard("a", 0)
    of_it = Capabilities(board)
    assert of_it.batch is board and of_it.has_power is True
    board.power_off()
    assert of_it.has_power is False
    assert of_it.ram is of_it.port is of_it.processor_use is None


def test_a_process_board_reports_its_processes(tmp_path: Any) -> None:
    of_it = Capabilities(ProcessBoard("a", tmp_path / "hil-agent"))
    assert of_it.batch is of_it.ram is None
    assert of_it.port == "" and of_it.has_power is False
    assert of_it.processor_use is None and of_it.unexpected_exits.count == 0
    assert of_it.fixed_addresses is True


def test_a_serial_board_has_a_line_a_number_and_perhaps_a_supply() -> None:
    supply = make("a", SupplyConfig(kind=SupplyKind.MOCK))
    board = SerialBoard(
        "a", "/dev/nothing", 115200, fast_baud=921600, serial="7", power=supply, boot_s=90.0
    )
    of_it = Capabilities(board)
    assert (of_it.port, of_it.fast_baud, of_it.serial) == ("/dev/nothing", 921600, "7")
    assert of_it.power is supply and of_it.has_power is None
    assert of_it.hold_up_us == 2_000_000 and of_it.boot_timeout_us == 0
    assert of_it.stated_boot_us == 90_000_000
    plain = Capabilities(SerialBoard("a", "/dev/nothing", 115200))
    assert plain.power is plain.serial is None and plain.fast_baud == 0


def test_an_emulated_board_boots_and_gives_access_to_its_memory() -> None:
    board = EmulatedBoard.__new__(EmulatedBoard)  # without the emulator, which may not be installed
    board._machine, board._boots, board._tail = None, 3, bytearray()
    of_it = Capabilities(board)
    assert of_it.ram is board and of_it.boots == 3 and of_it.boot_timeout_us > 0
    assert of_it.boot_failure() is of_it.batch is of_it.processor_use is None
    assert of_it.port == "no power" and of_it.has_power is False


def test_a_board_that_replaces_another_is_asked_for_its_own_capabilities() -> None:
    node = Node("a", 0, BareBoard())
    assert node.capabilities.batch is None
    node.board = InprocBoard("a", 0)
    assert node.capabilities.batch is node.board


def test_a_transport_without_a_rate_has_rate_none() -> None:
    board = InprocBoard("a", 0)
    assert rate_of(None) is rate_of(board.connect()) is None
    with pytest.raises(OSError, match="no rate"):
        set_rate(board, 115200)
