"""Ports: what is said when they cannot be opened, and what travels over every kind of them."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import selectors
import socket
import subprocess
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
from serial import rfc2217

from hil.errors import LinkTimeout, SetupError, VersionMismatch
from hil.kernel import WIRE_VERSION, Decoder, Golden, encode
from hil.rig import transport as transport_module
from hil.rig.backends.process import ProcessBoard, find_agent
from hil.rig.backends.serial_board import SerialBoard
from hil.rig.calls import Timing
from hil.rig.link import Link
from hil.rig.node import Node
from hil.rig.resync import read_state
from hil.rig.rig import Rig
from hil.rig.transport import PortError, PortFault, SerialTransport, TransportLost
from hil.wire.messages import ANSWER, Msg
from tests.virtual_clock import VirtualClock

from .contract import SEED, TIMING, is_golden, one

PORT_HOLDER = """
import sys, serial
port = serial.Serial(sys.argv[1], exclusive=True)
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    """A raw pty: the board's end as a descriptor, the host's end as a path."""
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    for fd in (slave, master):
        with contextlib.suppress(OSError):
            os.close(fd)


def test_a_missing_port_is_named_with_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as caught:
        SerialTransport(str(tmp_path / "ttyUSB7"))
    assert str(tmp_path / "ttyUSB7") in caught.value.message
    assert "does not exist" in caught.value.message
    assert "/dev/serial/by-id" in (caught.value.remedy or "")


def test_a_port_in_use_names_who_uses_it(pty: tuple[int, str]) -> None:
    _, path = pty
    holder = subprocess.Popen(
        [sys.executable, "-c", PORT_HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(
            SetupError, match=rf"{path} is in use by .*python.* \(pid {holder.pid}\)"
        ):
            SerialTransport(path)
        holder.kill()


def test_a_board_in_use_names_the_host_and_not_its_agent() -> None:
    board = ProcessBoard("n0")
    first = board.connect()
    with pytest.raises(SetupError) as caught:
        board.connect()
    assert f"(pid {os.getpid()})" in caught.value.message
    assert f"(pid {board.pid})" not in caught.value.message
    first.close()
    board.connect().close()
    board.shut_down()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_a_port_without_permission_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "ttyS0"
    path.touch(mode=0o000)
    with pytest.raises(SetupError, match="permission denied") as caught:
        SerialTransport(str(path))
    assert "dialout" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("port", "why"),
    [
        ("no-such-scheme://x", "protocol 'no-such-scheme' not known"),
        ("socket://127.0.0.1:1", "Connection refused"),
        ("socket://a..b:1", "the name of its host is not valid"),
        ("rfc2217://a..b:1", "the name of its host is not valid"),
        (f"socket://{70 * 'a'}.b:1", "the name of its host is not valid"),
        ("hwgrep://FT(232", "unterminated subpattern"),
        ("hwgrep://no such adapter", "no ports found matching regexp"),
        ("alt:///dev/null?class=Unknown", "unknown class: 'Unknown'"),
        ("spy:///dev/null?what", "unknown option: 'what'"),
        ("/dev/null", "it is not a serial port"),
    ],
)
def test_what_cannot_be_opened_is_a_setup_error_that_says_why(port: str, why: str) -> None:
    with pytest.raises(SetupError) as caught:
        SerialTransport(port)
    assert caught.value.message.startswith(f"port {port} cannot be opened: ")
    assert why in caught.value.message and "Errno" not in caught.value.message


def test_a_port_that_is_not_a_terminal_is_a_setup_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match="cannot be opened"):
        SerialTransport(str(tmp_path / "file"))


def test_a_url_in_use_names_who_uses_it_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        code = (
            "import sys; from hil.rig.transport import SerialTransport as T; "
            "t = T(sys.argv[1]); print(flush=True); sys.stdin.read()"
        )
        holder = subprocess.Popen(
            [sys.executable, "-c", code, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        with holder:
            assert holder.stdout is not None
            holder.stdout.readline()
            with pytest.raises(
                SetupError, match=rf"{url} is in use by \S+ \(pid {holder.pid}, user "
            ) as caught:
                SerialTransport(url)
            assert isinstance(caught.value, PortError) and caught.value.why is PortFault.BUSY
            holder.kill()
        SerialTransport(url).close()  # a lock does not outlive its holder
        first = SerialTransport(url)
        with pytest.raises(SetupError, match=rf"in use by .*\(pid {os.getpid()}, user "):
            SerialTransport(url)
        first.close()


def test_closing_a_port_does_not_drop_the_line_that_resets_boards(pty: tuple[int, str]) -> None:
    fd = os.open(pty[1], os.O_RDWR | os.O_NOCTTY)
    settings = termios.tcgetattr(fd)
    settings[2] |= termios.HUPCL
    termios.tcsetattr(fd, termios.TCSANOW, settings)
    assert termios.tcgetattr(fd)[2] & termios.HUPCL
    SerialTransport(pty[1]).close()
    assert not termios.tcgetattr(fd)[2] & termios.HUPCL
    os.close(fd)


def test_a_node_that_is_open_can_be_connected_again(pty: tuple[int, str]) -> None:
    board = ProcessBoard("n0")
    rig = Rig([Node("n0", 0, board)], "sha256", SEED, TIMING)
    rig.open()
    first = rig.nodes[0].hello
    again = rig.connect(rig.nodes[0])
    assert first is not None and again.boot_id == first.boot_id
    assert rig.nodes[0].link.statistics.reconnects == 1
    rig.close()


def test_another_board_than_the_expected_is_refused(tmp_path: Path) -> None:
    tree = tmp_path / "proc" / "device-tree"
    tree.mkdir(parents=True)
    (tree / "serial-number").write_text("10000000d6a1b2c3\0")
    process = subprocess.Popen(
        [str(find_agent()), "--port", "pty", "--sys-root", str(tmp_path), "--exit-with-parent"],
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        port = process.stdout.readline().decode().split()[1]
        for expected, right in (("10000000d6a1b2c3", True), ("1000000000000000", False)):
            board = SerialBoard("left", port, 115200, serial=expected)
            rig = Rig([Node("left", 0, board)], "sha256", SEED, TIMING)
            if right:
                rig.open()
            else:
                with pytest.raises(SetupError, match="another board answers, with serial number"):
                    rig.open()
            rig.close()
        process.kill()


# --- life of a port -----------------------------------------------------------------------------


def test_bytes_travel_both_ways_and_reading_never_waits(pty: tuple[int, str]) -> None:
    master, path = pty
    transport = SerialTransport(path)
    assert transport.read() == b""
    sent = bytes(range(256)) * 8
    transport.write(sent)
    got = b""
    while len(got) < len(sent):
        got += os.read(master, 4096)
    assert got == sent
    os.write(master, sent)
    got = b""
    while len(got) < len(sent):
        assert select.select([transport.fd], [], [], 5)[0]  # type: ignore[type-var]
        got += transport.read()
    assert got == sent
    transport.close()
    transport.close()
    with pytest.raises(TransportLost, match="closed"):
        transport.read()


def test_a_far_end_that_is_gone_is_reported_from_then_on(pty: tuple[int, str]) -> None:
    master, path = pty
    transport = SerialTransport(path)
    os.close(master)
    for _ in range(3):
        with pytest.raises(TransportLost):
            transport.read()
        with pytest.raises(TransportLost):
            transport.write(b"x")
    link = Link("n0", transport)
    link.receive()
    assert not link.connected
    assert path in link.lost_reason
    os.dup2(os.open(os.devnull, os.O_RDWR), master)  # so that the fixture may close it


def test_an_end_that_takes_nothing_is_lost(
    pty: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_module, "_WRITE_TIMEOUT_S", 0.05)
    transport = SerialTransport(pty[1])
    with pytest.raises(TransportLost, match="takes no bytes"):
        transport.write(bytes(1 << 20))
    transport.close()


# --- agents that are not ours -------------------------------------------------------------------


class FakeAgent(threading.Thread):
    """Answers every request in another wire version, on the board's end of a pty, until `end`."""

    def __init__(self, master: int, version: int) -> None:
        super().__init__(daemon=True)
        self.master = master
        self.version = version
        self.asked = 0
        self._ended, self._end = os.pipe()

    def run(self) -> None:
        decoder = Decoder()
        while True:
            ready, _, _ = select.select([self.master, self._ended], [], [])
            if self._ended in ready:
                return
            frames, _ = decoder.push(os.read(self.master, 4096))
            for frame in frames:
                self.asked += 1
                answer = encode(frame.type | ANSWER, frame.seq, bytes(80), version=self.version)
                os.write(self.master, answer)

    def end(self) -> None:
        """Before its descriptor is closed: the number is given to others."""
        os.write(self._end, b"x")
        self.join(60)
        assert not self.is_alive()
        os.close(self._end)
        os.close(self._ended)


def test_another_wire_version_is_a_version_mismatch(pty: tuple[int, str]) -> None:
    master, path = pty
    agent = FakeAgent(master, version=WIRE_VERSION + 1)
    agent.start()
    patient = Timing(retry_us=30_000_000, lost_after_us=60_000_000)  # an answer ends it, not time
    rig = Rig([Node("left", 0, SerialBoard("left", path, 115200))], "sha256", SEED, patient)
    with pytest.raises(VersionMismatch) as caught:
        rig.open()
    rig.close()
    agent.end()
    told = f"its agent speaks wire version {WIRE_VERSION + 1}, this hil speaks {WIRE_VERSION}"
    assert caught.value.message == f"node left: {told}"
    assert "same release" in (caught.value.remedy or "")
    assert agent.asked == 1


def test_nobody_behind_a_port_is_a_timeout_with_advice(pty: tuple[int, str]) -> None:
    timing = Timing(retry_us=2_000, lost_after_us=60_000)
    clock = VirtualClock()
    node = Node("left", 0, SerialBoard("left", pty[1], 115200), clock)
    rig = Rig([node], "sha256", SEED, timing, clock)
    with pytest.raises(LinkTimeout, match="node left does not answer: no answer for 60 ms") as told:
        rig.open()
    assert clock.elapsed_us == 60_000
    assert "hil-agent" in (told.value.remedy or "")
    assert node.link.statistics.retries == 4, "after 2, 6, 14 and 30 ms"
    rig.close()


# --- every kind of port -------------------------------------------------------------------------


def bridge(connection: socket.socket, process: subprocess.Popen[bytes]) -> None:
    """Bytes between a socket and the agent's pipes, until one of them ends."""
    assert process.stdin is not None and process.stdout is not None
    with connection, selectors.DefaultSelector() as both:
        both.register(connection, selectors.EVENT_READ)
        both.register(process.stdout, selectors.EVENT_READ)
        while True:
            for key, _ in both.select():
                data = os.read(key.fd, 4096)
                if not data:
                    return
                if key.fileobj is connection:
                    process.stdin.write(data)
                    process.stdin.flush()
                else:
                    connection.sendall(data)


@pytest.fixture
def tcp_port() -> Iterator[str]:
    """A pyserial URL of an agent behind a plain TCP server."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        subprocess.Popen(
            [str(find_agent()), "--port", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process,
    ):
        server.settimeout(20)
        thread = threading.Thread(target=lambda: bridge(server.accept()[0], process))
        thread.start()
        yield f"socket://127.0.0.1:{server.getsockname()[1]}"
        process.kill()
        thread.join(20)


class WithoutModemLines(serial.Serial):
    """A pty has none, and the server asks for them."""

    cts = dsr = ri = cd = False

    def _update_rts_state(self) -> None: ...

    def _update_dtr_state(self) -> None: ...


def serve_rfc2217(connection: socket.socket, path: str) -> None:
    """A minimal RFC 2217 server between a socket and a serial port, until the socket ends."""

    class Telnet:
        def write(self, data: bytes) -> None:
            connection.sendall(data)

    with connection, WithoutModemLines(path, timeout=0) as port:
        manager = rfc2217.PortManager(port, Telnet())  # type: ignore[arg-type]
        while True:
            for ready in select.select([connection, port], [], [])[0]:  # type: ignore[type-var]
                if ready is port:
                    connection.sendall(b"".join(manager.escape(port.read(4096))))
                elif data := connection.recv(4096):
                    port.write(b"".join(manager.filter(data)))
                else:
                    return


@pytest.fixture
def rfc2217_port() -> Iterator[str]:
    """A pyserial URL of an agent's pty behind an RFC 2217 server."""
    board = ProcessBoard("far")
    board.connect().close()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        thread = threading.Thread(target=lambda: serve_rfc2217(server.accept()[0], board.port))
        thread.start()
        yield f"rfc2217://127.0.0.1:{server.getsockname()[1]}"
        thread.join(20)
    board.shut_down()


@pytest.mark.filterwarnings("ignore:set(Name|Daemon):DeprecationWarning")  # pyserial's
@pytest.mark.parametrize("kind", ["tcp_port", "rfc2217_port"])
def test_a_board_works_behind_every_kind_of_url(kind: str, request: pytest.FixtureRequest) -> None:
    works(SerialBoard("n0", request.getfixturevalue(kind), 115200))


@pytest.fixture
def many_descriptors(request: pytest.FixtureRequest) -> Iterator[None]:
    """More open files than select() has room for, so that every new one has a larger number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    with contextlib.ExitStack() as files:
        while files.enter_context(Path(os.devnull).open("rb")).fileno() < 1100:
            pass
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_socket_works_with_more_files_open_than_select_takes(
    many_descriptors: None, tcp_port: str
) -> None:
    works(SerialBoard("n0", tcp_port, 115200))


def test_a_process_board_works_with_more_files_open_than_select_takes(
    many_descriptors: None,
) -> None:
    works(ProcessBoard("n0"))


def test_a_port_that_takes_nothing_is_lost_with_more_files_open_than_select_takes(
    many_descriptors: None, pty: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_module, "_WRITE_TIMEOUT_S", 0.01)
    transport = SerialTransport(pty[1])
    assert transport.fd is not None and transport.fd > 1023
    with pytest.raises(TransportLost, match="takes no bytes"):
        transport.write(bytes(1 << 20))
    transport.close()


def works(board: SerialBoard | ProcessBoard) -> None:
    """Open it, compute 20 frames right, and read everything back without a repetition."""
    timing = Timing(retry_us=500_000, lost_after_us=10_000_000)
    rig = Rig([Node("n0", 0, board)], "matmul", SEED, timing)
    rig.open()
    rig.load(rig.nodes[0])
    golden = Golden("matmul", SEED)
    for frame in range(20):
        golden.step()
        assert is_golden(one(rig, frame, golden.input), golden)
    assert read_state(rig, rig.nodes[0], golden.workload.state_len) == golden.state
    assert rig.nodes[0].link.statistics.retries == 0
    rig.requests.ask(rig.nodes[0], Msg.HEALTH)
    rig.close()


def test_a_far_end_that_hangs_up_is_lost() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        transport = SerialTransport(f"socket://127.0.0.1:{server.getsockname()[1]}")
        server.accept()[0].close()
        assert select.select([transport.fd], [], [], 5)[0]  # type: ignore[type-var]
        with pytest.raises(TransportLost):
            transport.read()
        transport.close()


@pytest.mark.parametrize(("baud", "two"), [(9600, False), (115200, False), (230400, True)])
def test_fast_lines_have_two_stop_bits(baud: int, *, two: bool) -> None:
    ours, theirs = os.openpty()
    try:
        for first in (baud, 115200):  # opened at the rate, or raised to it
            transport = SerialTransport(os.ttyname(theirs), first)
            transport.set_rate(baud)
            assert bool(termios.tcgetattr(theirs)[2] & termios.CSTOPB) == two
            transport.close()
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_terminal_that_got_the_number_of_a_closed_one_is_not_its_board() -> None:
    """A board that is looked for would otherwise take the port of somebody else's."""
    ends = os.openpty()
    board = SerialBoard("a", os.ttyname(ends[1]), 115200)
    for _ in range(2):
        board.connect().close()  # the same terminal is opened as often as need be
    made_ns = os.stat(board.port).st_ctime_ns
    board._pty._made_ns = made_ns - 1  # as if the one that it knew had been made before
    with pytest.raises(SetupError, match="of another program"):
        board.connect()
    for end in ends:
        os.close(end)
