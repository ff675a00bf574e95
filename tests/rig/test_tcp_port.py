"""An agent's own TCP port: who becomes its host, and who does not."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hil.errors import SetupError
from hil.kernel import Decoder, encode
from hil.rig import tcp_transport
from hil.rig.agent_token import AgentToken, Handshake, read_token
from hil.rig.backends.process import find_agent
from hil.rig.backends.serial_board import SerialBoard
from hil.rig.tcp_transport import TcpTransport, open_port
from hil.rig.transport import PortError, PortFault, TransportLost
from hil.wire.messages import ANSWER, Msg
from tests.waiting import wait_until

from .tcp_agent import TOKEN, TcpAgent, write_token
from .test_transport import works

OTHER = "another token of at least 16 bytes"


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[TcpAgent]:
    with TcpAgent(tmp_path) as running:
        yield running


def dial(agent: TcpAgent) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", agent.number), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def line(connection: socket.socket) -> bytes:
    """The next line; what there is before the end if the connection is closed."""
    text = b""
    with contextlib.suppress(ConnectionResetError):
        while not text.endswith(b"\n") and (part := connection.recv(1)):
            text += part
    return text


def client(agent: TcpAgent) -> socket.socket:
    """A connection that has proved the token."""
    connection = dial(agent)
    handshake = Handshake(read_token(agent.token_file), line(connection))
    connection.sendall(handshake.line)
    assert handshake.accepts(line(connection))
    return connection


def answers(connection: socket.socket) -> bool:
    """Whether an agent answers HELLO there."""
    connection.sendall(encode(Msg.HELLO, 7))
    decoder = Decoder()
    while data := connection.recv(4096):
        frames, _ = decoder.push(data)  # an agent that has started says HELLO unasked, with seq 0
        if any(frame.type == Msg.HELLO | ANSWER and frame.seq == 7 for frame in frames):
            return True
    return False


def open_files(agent: TcpAgent) -> int:
    return len(list(Path(f"/proc/{agent.pid}/fd").iterdir()))


def is_free(agent: TcpAgent) -> bool:
    with dial(agent) as connection:
        return line(connection) != b"hil-agent 1 busy\n"


def is_served(agent: TcpAgent) -> bool:
    with client(agent) as connection:
        return answers(connection)


# --- a host that knows the token ------------------------------------------------------------------


def test_a_board_works_behind_its_own_tcp_port(agent: TcpAgent) -> None:
    works(agent.board())
    works(agent.board())  # the place is free again


def test_small_frames_are_not_held_back_at_either_end(agent: TcpAgent) -> None:
    transport = open_port(agent.url, 115200, str(agent.token_file))
    assert transport.fd is not None
    with socket.socket(fileno=os.dup(transport.fd)) as same:
        assert same.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    transport.close()


def test_an_agent_that_resets_keeps_its_client(agent: TcpAgent) -> None:
    with client(agent) as connection:
        assert answers(connection)
        connection.sendall(encode(Msg.RESET, 8))
        connection.settimeout(0.05)
        end_s = time.monotonic() + 60
        while True:  # a request is lost while the process image changes
            with contextlib.suppress(TimeoutError):
                assert answers(connection)
                break
            assert time.monotonic() < end_s
        with dial(agent) as second:
            assert line(second) == b"hil-agent 1 busy\n"
    assert is_served(agent)


def test_frames_right_behind_the_proof_are_not_lost(agent: TcpAgent) -> None:
    with dial(agent) as connection:
        handshake = Handshake(read_token(agent.token_file), line(connection))
        connection.sendall(handshake.line + encode(Msg.HELLO, 7))
        assert handshake.accepts(line(connection))
        decoder, seqs = Decoder(), {0}
        while 7 not in seqs:
            seqs |= {frame.seq for frame in decoder.push(connection.recv(4096))[0]}


def test_the_proof_may_come_byte_by_byte(agent: TcpAgent) -> None:
    with dial(agent) as connection:
        handshake = Handshake(read_token(agent.token_file), line(connection))
        for byte in handshake.line:
            connection.sendall(bytes([byte]))
        assert handshake.accepts(line(connection))
        assert answers(connection)


# --- one client at a time -------------------------------------------------------------------------


def test_a_second_client_is_told_so_and_the_first_goes_on(agent: TcpAgent) -> None:
    with client(agent) as first:
        with pytest.raises(PortError, match="is in use by another client of its agent") as caught:
            TcpTransport(agent.url, read_token(agent.token_file))
        assert caught.value.why is PortFault.BUSY
        assert answers(first)
    TcpTransport(agent.url, read_token(agent.token_file)).close()


def test_a_client_of_this_computer_is_named(agent: TcpAgent) -> None:
    first = open_port(agent.url, 115200, str(agent.token_file))
    with pytest.raises(PortError, match=rf"in use by .*\(pid {os.getpid()}, user "):
        open_port(agent.url, 115200, str(agent.token_file))
    first.close()
    open_port(agent.url, 115200, str(agent.token_file)).close()


def test_a_client_that_was_killed_frees_the_place(agent: TcpAgent) -> None:
    code = (
        "import sys; from hil.rig.tcp_transport import open_port; "
        "t = open_port(sys.argv[1], 0, sys.argv[2]); print(flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", code, agent.url, str(agent.token_file)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with dial(agent) as second:
            assert line(second) == b"hil-agent 1 busy\n"
        holder.kill()
    assert is_served(agent)


def test_a_client_whose_computer_is_gone_is_looked_for(agent: TcpAgent) -> None:
    """No packet says that it is gone: the agent's end probes it. Its timer is in /proc/net/tcp."""
    with client(agent) as connection:
        assert answers(connection)
        port = f"{agent.number:04X}"

        def keepalive_ticks() -> int | None:
            for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
                words = row.split()
                timer, ticks = words[5].split(":")
                if words[1].endswith(f":{port}") and words[3] == "01" and timer == "02":
                    return int(ticks, 16)
            return None

        assert wait_until(keepalive_ticks) <= 400, "of 10 ms: it is asked after 4 s of silence"


@pytest.mark.slow
def test_a_client_that_takes_no_answers_loses_its_place(agent: TcpAgent) -> None:
    """It is there, and its computer acknowledges; it does not read what it has asked for."""
    requests = b"".join(encode(Msg.HELLO, number) for number in range(1, 200))
    with client(agent) as connection:
        connection.settimeout(1)
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(requests)
        wait_until(lambda: is_free(agent), 60)
    assert is_served(agent)


# --- those that are not the host ------------------------------------------------------------------


def test_a_wrong_token_is_refused_and_the_right_one_is_not(agent: TcpAgent, tmp_path: Path) -> None:
    wrong = read_token(write_token(tmp_path / "wrong", OTHER))
    with pytest.raises(PortError, match=rf"the agent refuses the token in {wrong.file}") as caught:
        TcpTransport(agent.url, wrong)
    assert caught.value.why is PortFault.PERMISSION
    assert "--token-file" in (caught.value.remedy or "")
    assert is_served(agent)


def hostile_lines() -> list[bytes]:
    rng = random.Random("hostile")
    hexes = "0123456789abcdef"
    forged = "".join(rng.choice(hexes) for _ in range(32)) + " "
    forged += "".join(rng.choice(hexes) for _ in range(64)) + "\n"
    return [
        b"",
        b"\n",
        b"\0" * 98,
        b"\xff" * 5000,
        encode(Msg.HELLO, 7) * 20,
        encode(Msg.RESET, 8) * 20,
        forged.encode(),
        forged.upper().encode(),
        forged.replace(" ", "\n").encode(),
        forged[:-1].encode() + b"x",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 40,
        *(rng.randbytes(rng.randrange(1, 400)) for _ in range(200)),
    ]


def test_no_byte_of_a_stranger_reaches_the_agent(agent: TcpAgent) -> None:
    """The answer is `refused` or the end of the connection, never a frame."""
    for text in hostile_lines():
        with dial(agent) as connection:
            assert line(connection).startswith(b"hil-agent 1 ")
            with contextlib.suppress(OSError):
                connection.sendall(text)
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            with contextlib.suppress(OSError):
                while part := connection.recv(4096):
                    answer += part
            assert answer in (b"", b"refused\n"), text
    with client(agent) as connection:
        assert answers(connection)
        fds = open_files(agent)
        assert fds < 20, "nothing of them has stayed"


def test_a_proof_cannot_be_used_again(agent: TcpAgent) -> None:
    with dial(agent) as connection:
        handshake = Handshake(read_token(agent.token_file), line(connection))
        connection.sendall(handshake.line)
        assert handshake.accepts(line(connection))
    with dial(agent) as connection:
        line(connection)
        connection.sendall(handshake.line)
        assert line(connection) == b"refused\n"


def test_the_proof_of_the_agent_is_not_one_of_a_host(agent: TcpAgent) -> None:
    """Its answer to a host, sent back as that of a host with the same numbers, is refused."""
    first = dial(agent)
    token = read_token(agent.token_file)
    handshake = Handshake(token, line(first))
    first.sendall(handshake.line)
    mirrored = line(first)[3:]
    first.close()
    with dial(agent) as connection:
        line(connection)
        connection.sendall(handshake.line[:33] + mirrored)
        assert line(connection) == b"refused\n"


def test_silent_connections_do_not_keep_the_host_out(agent: TcpAgent) -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(dial(agent)) for _ in range(20)]
        assert all(line(connection) for connection in silent)
        host = stack.enter_context(client(agent))
        assert answers(host)
        last = [line(connection) for connection in silent]
        assert last[:16] == [b""] * 16, "new ones took their places"
        assert set(last[16:]) <= {b"busy\n", b""}
        assert open_files(agent) < 20


@pytest.mark.slow
def test_a_silent_connection_is_closed_in_the_end(agent: TcpAgent) -> None:
    with dial(agent) as silent:
        line(silent)
        began_s = time.monotonic()
        assert line(silent) == b"refused\n" and line(silent) == b""
        assert time.monotonic() - began_s > 4, "a slow host has its time"


@pytest.mark.slow
def test_an_agent_survives_many_connections_that_come_and_go(agent: TcpAgent) -> None:
    for number in range(300):
        connection = dial(agent)
        if number % 3:
            connection.send(b"0" * (number % 98))
        connection.close()
    assert is_served(agent)
    assert open_files(agent) < 20


# --- the command line of the agent ----------------------------------------------------------------


def started(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(find_agent()), *map(str, words)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "spec", ["tcp:", "tcp:x", "tcp:99999", "tcp:-1", "tcp:lab-pc:4000", "tcp:1:"]
)
def test_an_address_that_is_none_is_refused(spec: str, tmp_path: Path) -> None:
    done = started("--port", spec, "--token-file", write_token(tmp_path / "token"))
    assert done.returncode == 3
    assert f"cannot listen at {spec}" in done.stderr and "expected tcp:PORT" in done.stderr


def test_a_tcp_port_needs_a_token_and_others_have_none(tmp_path: Path) -> None:
    token = write_token(tmp_path / "token")
    for words in (("--port", "tcp:0"), ("--port", "pty", "--token-file", token)):
        done = started(*words)
        assert done.returncode == 2 and "a tcp: port needs --token-file" in done.stderr


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: None, "No such file"),
        (lambda path: write_token(path, "short\n"), "expected a token of 16 to 256 bytes"),
        (lambda path: write_token(path, "x" * 300), "expected a token of 16 to 256 bytes"),
        (lambda path: write_token(path).chmod(0o644), "everybody may read"),
        (lambda path: path.mkdir(), "not a readable file"),
    ],
    ids=["missing", "short", "long", "readable", "folder"],
)
def test_a_token_file_that_is_no_good_is_named_at_both_ends(
    make: Callable[[Path], object], why: str, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    make(path)
    done = started("--port", "tcp:0", "--token-file", path)
    assert done.returncode == 3
    assert f"the token file {path} cannot be used: {why}" in done.stderr or why in done.stderr
    with pytest.raises(SetupError, match=f"the token file {path} "):
        read_token(path)


def test_it_listens_on_this_computer_alone_unless_an_address_is_given(tmp_path: Path) -> None:
    with TcpAgent(tmp_path) as own:
        assert own.url == f"tcp://127.0.0.1:{own.number}"
        done = started("--port", f"tcp:{own.number}", "--token-file", own.token_file)
        assert done.returncode == 3 and "Address already in use" in done.stderr
    with TcpAgent(tmp_path, "tcp:0.0.0.0:0") as every:
        assert every.url == f"tcp://0.0.0.0:{every.number}"
        assert is_served(every)


def has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as tried:
        tried.bind(("::1", 0))
        return True
    return False


@pytest.mark.skipif(not has_ipv6(), reason="this computer has no IPv6")
def test_an_ipv6_address_stands_in_brackets(tmp_path: Path) -> None:
    with TcpAgent(tmp_path, "tcp:[::1]:0") as agent:
        assert agent.url == f"tcp://[::1]:{agent.number}"
        works(agent.board())


# --- the host's end -------------------------------------------------------------------------------

Answer = Callable[[socket.socket], None]


@contextlib.contextmanager
def impostor(answer: Answer) -> Iterator[str]:
    """The URL of something that is no agent."""

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection, contextlib.suppress(OSError):
            answer(connection)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        thread.join(60)


def without_token(connection: socket.socket) -> None:
    """It takes any proof, and makes one of its own without the token."""
    connection.sendall(b"hil-agent 1 " + b"0" * 32 + b"\n")
    connection.recv(200)
    connection.sendall(b"ok " + b"0" * 64 + b"\n")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (without_token, "what answers there does not know the token"),
        (lambda c: c.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"), "no hil-agent of this release answers"),
        (lambda c: c.sendall(b"x" * 4096), "no hil-agent of this release answers there"),
        (lambda c: c.sendall(b"hil-agent 2 " + b"0" * 32 + b"\n"), "no hil-agent of this release"),
        (lambda c: c.close(), "answers there, but nothing"),
        (lambda c: c.recv(1), "it says nothing for 0.2 s"),
    ],
    ids=["no token", "ssh", "noise", "newer", "closed", "silent"],
)
def test_what_is_no_agent_is_named(
    answer: Answer, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "0.2 s" in message:
        monkeypatch.setattr(tcp_transport, "_HANDSHAKE_S", 0.2)
    with impostor(answer) as url, pytest.raises(PortError) as caught:
        TcpTransport(url, AgentToken(Path("token"), TOKEN.encode()))
    assert url in caught.value.message and message in caught.value.message


def test_a_port_at_which_nobody_listens_says_how_to_start_an_agent(tmp_path: Path) -> None:
    with pytest.raises(PortError, match="Connection refused") as caught:
        open_port("tcp://127.0.0.1:1", 115200, str(write_token(tmp_path / "token")))
    assert "--port tcp:ADDRESS:PORT" in (caught.value.remedy or "")


def test_a_port_without_a_token_says_where_to_write_it() -> None:
    with pytest.raises(PortError, match="asks for a token") as caught:
        SerialBoard("a", "tcp://127.0.0.1:1", 115200).connect()
    assert "token_file:" in (caught.value.remedy or "")


def test_an_agent_that_ends_is_lost(agent: TcpAgent) -> None:
    transport = open_port(agent.url, 115200, str(agent.token_file))
    agent.kill()

    def lost() -> bool:
        try:
            transport.read()
        except TransportLost:
            return True
        return False

    wait_until(lost)
    with pytest.raises(TransportLost):
        transport.write(b"x")
    transport.close()
    transport.close()


def test_a_token_does_not_show_itself(tmp_path: Path) -> None:
    token = read_token(write_token(tmp_path / "token"))
    assert token.value == TOKEN.encode(), "without the line feed"
    assert TOKEN not in repr(token)
