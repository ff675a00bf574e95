"""What an emulated board is made of, without switching one on; and its power, with one."""

from __future__ import annotations

import os
import select
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from hil.errors import SetupError
from hil.kernel import Random
from hil.rig.emulated import board as board_module
from hil.rig.emulated import cpio, fetch
from hil.rig.emulated.board import EmulatedBoard
from hil.rig.emulated.machine import Machine
from hil.rig.emulated.outlet import serve
from hil.rig.emulated.ram import RAM_BYTES, Ram, kernel_span
from hil.rig.transport import TransportLost
from hil.scenario.words import PatternKind, RamPart

from ..emulated import machines, possible

__all__ = ["possible"]


def test_an_archive_holds_what_was_put_in() -> None:
    made = cpio.archive(
        [cpio.directory("dev"), cpio.device("dev/console", 5, 1), cpio.program("init", b"12345")]
    )
    assert made == cpio.archive(
        [cpio.directory("dev"), cpio.device("dev/console", 5, 1), cpio.program("init", b"12345")]
    )
    assert len(made) % 4 == 0
    if shutil.which("cpio"):
        listed = subprocess.run(
            ["cpio", "-tv"], input=made, capture_output=True, check=True, timeout=20
        ).stdout.decode()
        assert listed.count("\n") == 3 and "5,   1" in listed and "-rwxr-xr-x" in listed
    at, found = 0, []
    while at < len(made):  # the format, read independently
        fields = [int(made[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        assert made[at : at + 6] == b"070701"
        name_at = at + 110
        name = made[name_at : name_at + fields[11] - 1].decode()
        content_at = name_at + fields[11] + -(name_at + fields[11]) % 4
        found.append((name, fields[1], made[content_at : content_at + fields[6]], fields[9:11]))
        at = content_at + fields[6] + -fields[6] % 4
    assert found == [
        ("dev", 0o40755, b"", [0, 0]),
        ("dev/console", 0o20600, b"", [5, 1]),
        ("init", 0o100755, b"12345", [0, 0]),
        ("TRAILER!!!", 0, b"", [0, 0]),
    ]


def test_the_kernel_is_where_its_header_puts_it(tmp_path: Path) -> None:
    image = tmp_path / "Image"
    for offset, where in ((0, 2 << 20), (0x80000, 0x80000)):
        image.write_bytes(struct.pack("<8xQQQ24xI", offset, 5 << 20, 10, 0x644D5241) + bytes(9))
        assert kernel_span(image) == (where, 5 << 20)
    image.write_bytes(b"\x1f\x8b" + bytes(100))
    assert kernel_span(image) == (0, 0)


def test_memory_is_zero_takes_no_room_and_vanishes() -> None:
    ram = Ram()
    assert ram.read(RAM_BYTES - 8, 8) == bytes(8)
    ram.write(12345, b"abc")
    assert ram.read(12344, 5) == b"\0abc\0"
    assert os.fstat(ram.fd).st_blocks * 512 < 1 << 20
    ram.close()
    ram.close()


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("apt-get", "there is no apt-get here"),
        ("qemu", "qemu-system-aarch64 is missing"),
        ("HIL_QEMU", "HIL_QEMU names .*none, which is not a program"),
    ],
)
def test_what_is_missing_is_named_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str, words: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("HIL_EMULATED_KERNEL", "HIL_EMULATED_DTB"):
        monkeypatch.delenv(name, raising=False)
    if tool != "apt-get":
        monkeypatch.delenv("HIL_QEMU", raising=False)
        if tool == "HIL_QEMU":
            monkeypatch.setenv("HIL_QEMU", str(tmp_path / "none"))
        else:
            monkeypatch.setenv("PATH", str(tmp_path))
        make: Callable[[], object] = partial(EmulatedBoard, "a")
    else:
        monkeypatch.setenv("PATH", str(tmp_path))
        make = fetch.boot_files
    with pytest.raises(SetupError, match=words) as caught:
        make()
    assert caught.value.remedy


def test_without_a_network_the_error_of_apt_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`apt-get update` only warns then; that there is no such package is not what is wrong."""
    for tool in ("apt-get", "apt-cache", "dpkg-deb"):
        (tmp_path / tool).write_text(
            "#!/bin/sh\n"
            'case "$*" in *update)\n'
            "  echo \"W: Failed to fetch http://x.org  Could not resolve 'x.org'\" >&2; exit 0;;\n"
            "esac\necho 'E: No packages found' >&2; exit 100\n"
        )
        (tmp_path / tool).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("HIL_EMULATED_KERNEL", raising=False)
    with pytest.raises(SetupError, match=r"has reached no archive .*Could not resolve 'x.org'"):
        fetch.boot_files()


def test_a_kernel_of_ones_own_needs_its_device_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel, dtb = tmp_path / "Image", tmp_path / "a.dtb"
    kernel.touch()
    monkeypatch.setenv("HIL_EMULATED_KERNEL", str(kernel))
    monkeypatch.delenv("HIL_EMULATED_DTB", raising=False)
    with pytest.raises(SetupError, match="HIL_EMULATED_DTB is not"):
        fetch.boot_files()
    monkeypatch.setenv("HIL_EMULATED_DTB", str(dtb))
    with pytest.raises(SetupError, match="cannot be read"):
        fetch.boot_files()
    dtb.touch()
    assert fetch.boot_files().kernel == kernel


def no_linux(folder: Path, *code: int) -> None:
    """A kernel that says nothing: arm64 machine code, and a device tree with nothing in it."""
    image = bytearray(4096)
    struct.pack_into("<I4xQQ", image, 0, 0x14000010, 0x80000, len(image))  # b .+0x40
    image[56:60] = b"ARM\x64"
    struct.pack_into(f"<{len(code)}I", image, 64, *code)
    (folder / "Image").write_bytes(image)
    names = b"#address-cells\0#size-cells\0"
    tree = struct.pack(">12I", 1, 0, 3, 4, 0, 2, 3, 4, 15, 1, 2, 9)  # a root with these two
    at = 56 + len(tree)
    head = (0xD00DFEED, at + len(names), 56, at, 40, 17, 16, 0, len(names), len(tree))
    (folder / "a.dtb").write_bytes(struct.pack(">10I", *head) + bytes(16) + tree + names)


@pytest.fixture
def no_guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., EmulatedBoard]:
    """Boards that run some machine code in place of a kernel."""
    if shutil.which("qemu-system-aarch64") is None:
        pytest.skip("there is no QEMU here")
    agent = tmp_path / "agent"  # it is never started
    header = bytearray(64)
    struct.pack_into("<4sB13xH34xH", header, 0, b"\x7fELF", 2, 183, 56)
    agent.write_bytes(header)
    monkeypatch.setenv("HIL_EMULATED_KERNEL", str(tmp_path / "Image"))
    monkeypatch.setenv("HIL_EMULATED_DTB", str(tmp_path / "a.dtb"))
    monkeypatch.setenv("HIL_AGENT_AARCH64", str(agent))

    def board(*code: int) -> EmulatedBoard:
        no_linux(tmp_path, *code)
        return EmulatedBoard("a")

    return board


def test_a_board_is_asked_how_it_ended_while_its_power_goes_off(
    no_guest: Callable[..., EmulatedBoard], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread switches it: here the question comes when all of the machine is closed, and
    the board does not know yet."""
    board = no_guest(0xD503207F, 0x17FFFFFF)  # wfi; b .-4
    board.connect()
    assert board.condition(disconnected=False) is None
    told = []
    off = Machine.power_off

    def asked(machine: Machine) -> None:
        off(machine)
        told.extend([board.condition(disconnected=True), machine.last_message()])

    monkeypatch.setattr(Machine, "power_off", asked)
    board.power_off()
    assert told == ["no power", ""]
    assert board.condition(disconnected=True) == "no power"
    assert machines() == []


@pytest.mark.parametrize(
    ("code", "mute_cpu_s", "idle_us", "words"),
    [  # each may wait for its own sign for long: a busy computer gives one of them late
        pytest.param(
            (0x14000000,),  # b .
            1.0,
            60_000_000,
            "has shown no output in .* of CPU time",
            marks=pytest.mark.slow,
        ),
        (
            (0xD503207F, 0x17FFFFFF),  # wfi; b .-4
            15.0,
            600_000,
            "has shown no output, and it was idle",
        ),
    ],
    ids=["spins", "sleeps"],
)
def test_a_kernel_without_console_output_fails_before_the_boot_timeout(
    no_guest: Callable[..., EmulatedBoard],
    monkeypatch: pytest.MonkeyPatch,
    code: tuple[int, ...],
    mute_cpu_s: float,
    idle_us: int,
    words: str,
) -> None:
    monkeypatch.setattr(board_module, "_MUTE_CPU_S", mute_cpu_s)
    monkeypatch.setattr(board_module, "_IDLE_US", idle_us)
    monkeypatch.setattr(board_module, "_IDLE_CPU_S", 0.5)
    with pytest.raises(SetupError, match=rf"no agent answered in \d+ s: .*{words}") as caught:
        serve(no_guest(*code), lambda *_: pytest.fail("it cannot have booted"))
    assert "arm64" in (caught.value.remedy or "")
    assert machines() == []


# --- with a machine -------------------------------------------------------------------------------


def hear(board: EmulatedBoard, seconds: float = 100) -> bytes:
    """What the board says until its agent does."""
    transport = board.connect()
    got = b""
    while b"\0" not in got and transport.fd is not None:
        if not select.select([transport.fd], [], [], seconds)[0]:
            break
        got += transport.read()
    return got


_PATTERNS = (
    (PatternKind.BIT, 1),
    (PatternKind.ADJACENT, 3),
    (PatternKind.ZERO_WORD, 32),
    (PatternKind.RANDOM_WORD, 64),
)


@pytest.mark.slow
@pytest.mark.emulated
@pytest.mark.usefixtures("possible")
def test_power_and_memory_of_a_real_machine() -> None:
    board = EmulatedBoard("a")
    try:
        assert board.condition(disconnected=False) == "no power"
        assert b"Linux version" in hear(board), "the console's chatter comes first"
        transport, first = board.connect(), board.pid
        random = Random(1, 1)
        for kind, width in _PATTERNS:
            for part in RamPart:
                hit = board.hit_ram(kind, random.bits64() >> 1, width, random.bits64(), part)
                assert hit.verified and hit.after == hit.wanted
                assert hit.address < 960 << 20
        hit = board.hit_ram(PatternKind.BIT, 8 * ((900 << 20) + 77) + 3, 1, 0, RamPart.ALL)
        assert hit.address == (900 << 20) + 77 and hit.space == 8 * 960 << 20
        assert hit.before[0] ^ hit.after[0] == 1 << 3
        board.power_off()
        assert machines() == []
        with pytest.raises(TransportLost):
            transport.read()
        with pytest.raises(SetupError, match="no power"):
            board.hit_ram(PatternKind.BIT, 1, 1, 0, RamPart.ALL)
        assert board.boots == hit.boot == 1
        board.power_cycle()
        assert b"Linux version" in hear(board)
        assert board.pid != first and len(machines()) == 1 and board.boots == 2
    finally:
        board.shut_down()
    board.shut_down()
    assert machines() == []


@pytest.mark.slow
@pytest.mark.emulated
@pytest.mark.usefixtures("possible")
def test_an_emulator_dies_with_hil(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom hil.rig.emulated.board import EmulatedBoard\n"
        "b = EmulatedBoard('a'); b.connect(); print(b.pid, flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=tmp_path,
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        fd = os.pidfd_open(pid)
        process.kill()
        assert select.select([fd], [], [], 20)[0], "it outlived the process that started it"
        os.close(fd)
