"""Emulated boards for tests: whether they are possible here, and some that stay switched on.

A boot takes seconds; tests that do not need a fresh one share boards, whose agent alone starts
anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hil.board_types.agent_build import cached_agent
from hil.board_types.compilers import target_named
from hil.errors import HilError
from hil.rig.calls import Timing
from hil.rig.emulated import machine
from hil.rig.emulated.board import EmulatedBoard
from hil.rig.emulated.fetch import boot_files
from hil.rig.emulated.machine import find_qemu
from hil.rig.node import Board, Node
from hil.rig.rig import Rig


def why_not() -> str:
    """Why there can be no emulated boards here; empty if there can."""
    try:
        find_qemu()
        boot_files()
        cached_agent(target_named("aarch64"))
    except HilError as error:
        return error.message
    return ""


@pytest.fixture(scope="session")
def possible() -> None:
    """Skips where there is no emulator, no kernel to be had, or no compiler for the agent; fails
    there if $HIL_NEED_EMULATED is set, as in CI."""
    reason = why_not()
    if reason and os.environ.get("HIL_NEED_EMULATED"):
        pytest.fail(f"no emulated boards: {reason}")
    if reason:
        pytest.skip(f"no emulated boards: {reason}")


def machines() -> list[int]:
    """Process ids of the emulators that this process started, and that still run."""
    mine = str(Path("/proc/self").resolve().name)
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        stat = process / "stat"
        try:
            text = stat.read_text()
        except OSError:
            continue
        fields = text.rsplit(")", 1)[1].split()
        if "qemu-system" in text and fields[1] == mine and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def let_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `crash` panic the kernels of all boards that are switched on from now on."""
    command = machine._COMMAND_LINE.replace(" -- ", " sysrq_always_enabled -- ")
    monkeypatch.setattr(machine, "_COMMAND_LINE", command)


def crash(board: Board) -> None:
    """Panic the kernel of an emulated board, by the system request that its console takes."""
    assert isinstance(board, EmulatedBoard) and board._machine is not None
    board._machine.monitor.execute("chardev-send-break", id="uart")
    assert board._machine.uart is not None
    board._machine.uart.send(b"c")


class KeptBoard(EmulatedBoard):
    """Stays on when a rig lets go of it, with an agent that has just begun."""

    def shut_down(self) -> None:
        rig = Rig([Node(self.name, 0, self)], "infer", 1, Timing())
        try:
            rig.connect(rig.nodes[0])
            rig.reset(rig.nodes[0])
        except HilError:
            self.power_off()
        finally:
            rig.nodes[0].link.detach("kept")


class Pool:
    """Boards by name."""

    def __init__(self) -> None:
        self._boards: dict[str, KeptBoard] = {}

    def board(self, name: str) -> KeptBoard:
        if name not in self._boards:
            self._boards[name] = KeptBoard(name)
        return self._boards[name]

    def close(self) -> None:
        for board in self._boards.values():
            board.power_off()
