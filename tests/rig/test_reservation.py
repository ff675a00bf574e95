"""Reservation of ports, supplies and hubs of a bench, across processes and users."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hil.errors import SetupError
from hil.rig import lock_file, port_lock
from hil.rig.lock_file import HeldLock, LockInUse, lock_path, owner_text
from hil.rig.port_lock import PortLock, PortReservation, port_lock_name
from hil.rig.power import resource_lock
from hil.rig.power.resource_lock import InstrumentBusy, ResourceLock
from hil.rig.reservation import (
    BenchInUse,
    BenchReservation,
    BoardUse,
    distinct,
    uses_of,
    uses_of_power,
)
from hil.rig.transport import PortError, PortFault, SerialTransport
from hil.scenario.bench import BenchBoardConfig
from tests.virtual_clock import VirtualClock

HOLDER = """
import sys
from hil.rig.reservation import BenchReservation, BoardUse
held = BenchReservation([BoardUse("it", port=name) for name in sys.argv[2:]], sys.argv[1])
held.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def reserved_elsewhere(*ports: str, run: str = "/runs/theirs") -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has reserved these ports."""
    words = [sys.executable, "-c", HOLDER, run, *ports]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield holder
        holder.kill()


def own_url() -> str:
    """A port that no other test has; nobody serves it."""
    return f"socket://{time.time_ns()}.invalid:4000"


def board(name: str, **keys: Any) -> BenchBoardConfig:
    return BenchBoardConfig.model_validate({"name": name, **keys})


def reservation(*ports: str, **more: Any) -> BenchReservation:
    return BenchReservation(
        [u for n, p in enumerate(ports) for u in uses_of(board(f"b{n}", port=p))], **more
    )


@pytest.mark.slow
def test_who_has_reserved_a_port_is_named_with_user_time_and_run() -> None:
    url = own_url()
    with (
        reserved_elsewhere(url, run="/home/ann/runs/one") as holder,
        pytest.raises(BenchInUse) as caught,
    ):
        reservation(url).acquire()
    assert caught.value.message.startswith(f"port {url} of b0 is in use by ")
    assert f"(pid {holder.pid}, user " in caught.value.message
    assert ", since 20" in caught.value.message and " UTC, run /home/ann/runs/one)" in str(
        caught.value
    )
    assert "--wait-bench" in (caught.value.remedy or "")


@pytest.mark.slow
def test_the_reservation_of_a_process_that_was_killed_is_none() -> None:
    url = own_url()
    with reserved_elsewhere(url) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with reservation(url) as ours:
            ours.acquire()


@pytest.mark.slow
def test_a_reserved_port_is_closed_to_others_also_while_nobody_has_it_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        with reserved_elsewhere(url) as holder:
            with pytest.raises(
                PortError, match=rf"in use by .*\(pid {holder.pid}, user "
            ) as caught:
                SerialTransport(url)
            assert caught.value.why is PortFault.BUSY
        with reservation(url, run="/runs/mine") as ours:
            ours.acquire()
            for _ in range(2):  # it is reserved for this process, which opens it once at a time
                transport = SerialTransport(url)
                with pytest.raises(PortError, match=rf"pid {os.getpid()}, .*run /runs/mine"):
                    SerialTransport(url)
                transport.close()
        SerialTransport(url).close()


@pytest.mark.slow
def test_all_is_reserved_or_nothing() -> None:
    first, second = own_url(), own_url()
    with reserved_elsewhere(second):
        ours = reservation(first, second)
        with pytest.raises(BenchInUse, match=f"port {second} of b1 is in use"):
            ours.acquire()
        with reservation(first) as theirs:
            theirs.acquire()


def test_a_reservation_waits_and_says_for_whom() -> None:
    url = own_url()
    theirs = reservation(url, run="/runs/theirs")
    theirs.acquire()
    ends_us: list[int] = []

    def on_wait(now_us: int) -> None:
        ends_us.append(now_us)
        if len(ends_us) == 30:
            theirs.release()

    clock = VirtualClock(on_wait)
    said: list[str] = []
    with reservation(url, clock=clock) as ours:
        ours.acquire(600_000_000, said.append)
    assert clock.elapsed_us == 15_000_000, "30 times half a second"
    assert len(said) == 2, "at first, and after ten seconds"
    assert "run /runs/theirs" in said[0] and said[0].endswith("waiting for it, 600 s at most")
    assert said[1].endswith("waiting for it, 590 s at most")


def test_a_reservation_that_waits_in_vain_names_the_owner_and_the_time() -> None:
    url, clock = own_url(), VirtualClock()
    with reservation(url) as theirs:
        theirs.acquire()
        with pytest.raises(BenchInUse, match=rf"pid {os.getpid()}, .*still after 2 s"):
            reservation(url, clock=clock).acquire(2_000_000)
    assert clock.elapsed_us == 2_000_000


def test_what_a_board_uses_is_reserved_by_what_it_is(tmp_path: Path) -> None:
    hub = {"kind": "usbhub", "hub": "1-1.4", "port": 2}
    left = board("left", port="/dev/ttyS90", console="/dev/ttyS91", power=hub)
    titles = [use.title for use in uses_of(left)]
    assert titles == [
        "port /dev/ttyS90 of left",
        "console port /dev/ttyS91 of left",
        "port 2 of hub 1-1.4, which switches left,",
    ]
    supply = {"kind": "scpi", "resource": "TCPIP::10.0.0.9::INSTR", "channel": 2}
    other = {**supply, "resource": "tcpip0::10.0.0.9::inst0::instr"}
    names = [uses_of(board("x", port="/dev/ttyS9", power=p))[-1].name for p in (supply, other)]
    assert names[0] == names[1], "two names of one instrument"
    away = uses_of(board("far", adapter="usb-serial:NOTHERE99"))
    assert [(use.kind, use.name) for use in away] == [("adapter", "usb-serial:NOTHERE99")]
    assert [use.port for use in uses_of(board("plain", port="/dev/ttyS9", power={"kind": "mock"}))]


@pytest.mark.parametrize("kind", ["scpi", "http"])
def test_an_output_is_reserved_whatever_name_its_host_is_given(kind: str) -> None:
    port = 20_000 + os.getpid() % 20_000

    def at(host: str) -> list[BoardUse]:
        power: dict[str, Any]
        if kind == "http":
            power = {"kind": "http", "plug": "shelly2", "url": f"http://{host}:{port}"}
        else:
            power = {"kind": "scpi", "resource": f"TCPIP::{host}::{port}::SOCKET", "channel": 1}
        return uses_of_power(board("x", port="/dev/ttyS9", power=power))

    ours, theirs = BenchReservation(at("127.0.0.1")), BenchReservation(at("LocalHost"))
    ours.acquire()
    with pytest.raises(BenchInUse, match=rf"which switches x, is in use by .*pid {os.getpid()}"):
        theirs.acquire()
    ours.release()


def test_two_names_of_one_port_in_one_bench_file_are_no_other_program(tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to("/dev/null")
    boards = [board("left", port="/dev/null"), board("twin", port=str(tmp_path / "alias"))]
    uses = [use for one in boards for use in uses_of(one)]
    with pytest.raises(
        SetupError, match=r"port /dev/null of left and port .*/alias of twin are one"
    ):
        BenchReservation(uses).acquire()
    held = BenchReservation(distinct(uses))  # `hil bench test` names them among its faults
    held.acquire()
    held.release()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("socket://LOCALHOST:4000", "rfc2217://127.0.0.1:4000/?logging=debug"),
        ("socket://lab-pc:4000", "tcp://Lab-PC:4000"),
        ("/dev/null", "/dev/../dev/null"),
    ],
)
def test_two_names_of_one_port_are_one(first: str, second: str) -> None:
    assert port_lock_name(first) == port_lock_name(second)


def test_an_adapter_in_its_socket_is_one_port_whatever_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_lock, "_TTY_CLASS", tmp_path / "class")

    def plug(name: str, interface: str, number: str | None) -> str:
        at = tmp_path / "devices" / interface / (name if number is not None else "")
        at.mkdir(parents=True, exist_ok=True)
        if number:
            (at / "port_number").write_text(f"{number}\n")
        (tmp_path / "class" / name).mkdir(parents=True)
        (tmp_path / "class" / name / "device").symlink_to(at)
        return port_lock_name(f"/dev/{name}")

    first = plug("ttyUSB0", "1-1.3:1.0", "0")
    again = plug("ttyUSB5", "1-1.3:1.0", "0")  # it was plugged in again
    assert first == again
    assert plug("ttyUSB6", "1-1.3:1.0", "1") != first, "another port of one interface"
    assert plug("ttyUSB7", "1-1.3:1.1", "0") != first
    assert plug("ttyUSB8", "1-1.4:1.0", "") != plug("ttyUSB9", "1-1.4:1.0", ""), "old kernels"
    assert plug("ttyACM0", "1-1.5:1.0", None).endswith("1-1.5:1.0")
    assert port_lock.has_lock("/dev/ttyUSB0") and not port_lock.has_lock("/dev/null")
    assert port_lock_name("/dev/null") == "/dev/null"


def test_a_pty_is_another_one_when_its_number_is_given_again(tmp_path: Path) -> None:
    ends = os.openpty()
    link = tmp_path / "board"
    link.symlink_to(os.ttyname(ends[1]))
    assert port_lock_name(str(link)) == port_lock_name(os.ttyname(ends[1])) != os.ttyname(ends[1])
    for end in ends:
        os.close(end)


@pytest.mark.parametrize(
    ("argument", "program"),
    [("/usr/bin/hil", "hil"), ("/lib/hil/__main__.py", "hil"), ("", "python"), ("-c", "-c")],
)
def test_an_owner_is_named_by_its_program(
    argument: str, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [argument])
    assert owner_text("/runs/a\nb").startswith(f"{program} (pid {os.getpid()}, user ")
    assert owner_text("/runs/a\nb").endswith("run /runs/a\\nb)"), "in one line"


def test_the_file_of_a_lock_is_removed_at_its_end_and_never_under_its_owner() -> None:
    name = f"test {time.time_ns()}"
    path = lock_path("output", name)
    first = HeldLock("output", name, "/runs/x")
    with pytest.raises(LockInUse):
        HeldLock("output", name)
    assert path.exists() and path.stat().st_mode & 0o777 == 0o666
    first.release()
    assert not path.exists()
    second = HeldLock("output", name)
    first.release()  # once more: it is not its lock now
    assert path.exists()
    second.release()


def test_a_file_that_is_removed_while_it_is_opened_is_not_the_lock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As by its last owner, between the opening and the locking of the next one."""
    name, opened = f"test {time.time_ns()}", lock_file.open_lock_file
    removed: list[Path] = []

    def open_then_remove(path: Path) -> int:
        fd = opened(path)
        if not removed:
            path.unlink()
            removed.append(path)
        return fd

    monkeypatch.setattr(lock_file, "open_lock_file", open_then_remove)
    held = HeldLock("output", name)
    assert removed and removed[0].exists()
    with pytest.raises(LockInUse):
        HeldLock("output", name)
    held.release()


@pytest.fixture
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of lock files that no other program uses."""
    tmp_path.chmod(0o1777)
    monkeypatch.setattr(lock_file, "_FOLDERS", (str(tmp_path),))
    return tmp_path


def left_behind(path: Path, text: str, age_s: int) -> Path:
    """The file of a lock whose owner was killed so long ago."""
    path.write_text(text)
    now_s = time.time()
    os.utime(path, (now_s, now_s - age_s))
    return path


@pytest.fixture(scope="module")
def ended() -> str:
    """A process that has ended, as a lock file names it."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return f"hil (pid {process.pid}, user root, since 2026-01-01 00:00:00 UTC)\n"


def test_the_files_of_programs_that_were_killed_are_removed_after_an_hour(
    locks: Path, ended: str
) -> None:
    def file(name: str, age_s: int = 7200, more: str = "") -> Path:
        return left_behind(lock_path("port", name), ended + more, age_s)

    for number in range(20):
        file(f"/dev/pts/{number} of {number}")
    stay = [file("young", 60), file("given up", more="in a transaction\n")]
    held = HeldLock("port", "held")
    os.utime(held.path, (0, 0))
    foreign = left_behind(locks / "LCK..ttyUSB0", "   4711\n", 10**6)
    (locks / "hil-port-0123456789abcdef.lock").symlink_to(foreign)
    reserved = BenchReservation([])
    reserved.acquire()
    links = [path for path in locks.iterdir() if path.is_symlink()]
    assert {*locks.iterdir()} - {*links} == {*stay, held.path, foreign}
    reserved.release()
    held.release()


def test_a_lock_file_that_is_just_looked_at_is_waited_for(
    locks: Path, ended: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a program that removes the files of killed ones."""
    path = left_behind(lock_path("port", "x"), ended, 7200)
    other = lock_file.open_lock_file(path)
    assert lock_file.try_lock(other)

    def remove(_: int) -> None:
        path.unlink()
        os.close(other)

    monkeypatch.setattr(lock_file, "HOST", VirtualClock(remove))
    held = HeldLock("port", "x")
    assert held.path.exists() and locks.is_dir()
    held.release()


def test_a_lock_that_is_held_for_an_owner_that_has_ended_is_held(
    locks: Path, ended: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a child that a program has left."""
    path = left_behind(lock_path("port", "x"), ended, 7200)
    other = lock_file.open_lock_file(path)
    assert lock_file.try_lock(other) and locks.is_dir()
    monkeypatch.setattr(lock_file, "HOST", VirtualClock())
    with pytest.raises(LockInUse, match="pid"):
        HeldLock("port", "x")
    os.close(other)


def test_an_instrument_whose_lock_file_is_removed_is_locked_by_the_new_one(
    locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Removed as stale between its opening and its locking."""
    opened = lock_file.open_lock_file
    removed: list[Path] = []

    def open_then_remove(path: Path) -> int:
        fd = opened(path)
        if not removed:
            path.unlink()
            removed.append(path)
        return fd

    monkeypatch.setattr(resource_lock, "open_lock_file", open_then_remove)
    ours, theirs = ResourceLock("supply"), ResourceLock("supply")
    assert ours.acquire(lambda: 1.0) and [*locks.iterdir()] == removed
    with pytest.raises(InstrumentBusy):
        theirs.acquire(lambda: 0.0)
    ours.release(complete=True)


def test_a_port_lock_within_a_reservation_ends_with_it() -> None:
    url = own_url()
    reserved = PortReservation(url)
    lock = PortLock(url)
    lock.release()
    reserved.release()
    PortLock(url).release()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_sees_the_owner_and_may_reserve_after_it() -> None:
    use = BoardUse("it", kind="output", name=f"output 1 of TCPIP0::{time.time_ns()}::INSTR")
    ours = BenchReservation([use], "/runs/ours")
    ours.acquire()
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if not child:  # what it imports is loaded already: it may not read this user's files
        code = 1
        with contextlib.suppress(BaseException):
            for lock in ours._held:
                assert isinstance(lock, HeldLock)
                os.close(lock._fd)  # the copy that a fork has of it would keep it locked
            os.setgid(65534)
            os.setuid(65534)
            theirs = BenchReservation([use], "/runs/theirs")
            try:
                theirs.acquire()
            except BenchInUse as error:
                if f"(pid {os.getppid()}, user " in error.message:
                    os.write(ready[1], b"x")
                    os.read(go[0], 1)
                    theirs.acquire()
                    theirs.release()
                    code = 0
        os.write(ready[1], b"x")
        os._exit(code)
    os.read(ready[0], 1)
    ours.release()
    os.write(go[1], b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for fd in (*ready, *go):
        os.close(fd)
    ours.acquire()
    ours.release()
