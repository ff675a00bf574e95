"""What can never be opened as a port is refused with what to write, before anything is opened."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from hil.errors import ConfigError
from hil.scenario.bench import parse_bench
from hil.scenario.bench_edit import NewBoard, fresh_text
from hil.scenario.words import BAUD_RATES


def problem(port: str) -> str:
    text = f"schema: 1\nboards:\n  - name: a\n    port: {port!r}\n"
    with pytest.raises(ConfigError) as caught:
        parse_bench(text, file="b.yaml")
    (found,) = caught.value.problems
    assert (found.file, found.line, found.path) == ("b.yaml", 4, "$.boards[0].port")
    return str(found)


@pytest.mark.parametrize(
    ("port", "what"),
    [
        ("socket://127.0.0.1", "has no port number; expected socket://HOST:PORT"),
        ("rfc2217://host", "has no port number; expected rfc2217://HOST:PORT"),
        ("socket://host:", "has no port number"),
        ("socket://:4000", "names no host"),
        ("socket://", "names no host"),
        ("socket://host:0", "not from 1 to 65535"),
        ("socket://host:70000", "not from 1 to 65535"),
        ("socket://host:abc", "not from 1 to 65535"),
        ("socket://host:-1", "not from 1 to 65535"),
        ("socket://[::1:4000", "not from 1 to 65535"),
        ("socket://::1:4000", "an IPv6 address stands in brackets: socket://[::1]:4000"),
        ("socket:/host:4000", "too few slashes; expected"),
        ("Socket:host:4000", "write socket://host:4000"),
        ("tcp:4000", "write tcp://HOST:4000"),
        (" socket://host:4000", "begins or ends with a space"),
        ("/dev/ttyUSB0 ", "write /dev/ttyUSB0"),
        ("socket://host:+4000", "not from 1 to 65535"),
        ("socket://host:\uff14\uff10", "not from 1 to 65535"),
        ("file:///dev/ttyUSB0", "no kind of port `file://`"),
        ("socket://host:4000/path", "write socket://host:4000"),
        ("socket://host:4000?baud=9600", "socket:// has no option `baud`"),
        ("rfc2217://host:4000?timeout=soon", "expected seconds"),
        ("rfc2217://host:4000?logging=all", "expected debug, info, warning or error"),
        ("tcp://host", "has no port number; expected tcp://HOST:PORT"),
        ("tcp://host:4000?logging=debug", "tcp:// has no option `logging`"),
        ("telnet://host:4000", "did you mean `rfc2217://`?"),
        ("sockt://host:4000", "did you mean `socket://`?"),
        ("loop://", "no kind of port `loop://`"),
        ("10.0.0.5:4000", "write socket://10.0.0.5:4000"),
        ("[::1]:4000", "write socket://[::1]:4000"),
        ("/dev", "is a folder"),
        ("/dev/serial/by-id/", "is a folder"),
        (str(Path(__file__)), "is a regular file"),
        (" ", "is not a valid port"),
        ("hwgrep://FT(232", "unterminated subpattern in its regular expression"),
        ("hwgrep://", "names no port of this computer"),
        ("spy://", "names no port of this computer"),
        ("alt://?class=PosixPollSerial", "names no port of this computer"),
        ("spy:///dev?file=log", "is a folder"),
        (f"alt://{Path(__file__)}", "is a regular file"),
    ],
)
def test_what_is_no_port_is_refused_with_what_to_write(port: str, what: str) -> None:
    assert what in problem(port)


def test_a_pipe_and_a_socket_are_no_ports(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is a named pipe" in problem(str(tmp_path / "pipe"))
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "s"))
        assert "is a socket of programs" in problem(str(tmp_path / "s"))


@pytest.mark.parametrize(
    "port",
    [
        "hwgrep://FT232&n=1",
        "alt:///dev/ttyUSB0?class=PosixPollSerial",
        "/dev/ttyUSB0",
        "/dev/null",
        "x",
        "socket://10.0.0.5:4000",
        "SOCKET://host:65535",
        "socket://[::1]:4000",
        "socket://host:1?logging=debug",
        "spy:///dev/ttyUSB0",
        "rfc2217://host:4000?ign_set_control&timeout=2.5",
        "/dev/serial/by-path/pci-0:1.0-port0",
    ],
)
def test_what_may_be_a_port_is_accepted(port: str) -> None:
    (board,) = parse_bench(fresh_text([(NewBoard("a", port=port), "")])).boards
    assert board.port == port


def test_only_rates_that_agents_know_are_accepted() -> None:
    for rate in BAUD_RATES:
        text = fresh_text([(NewBoard("a", port="x", baud=rate, fast_baud=rate), "")])
        assert parse_bench(text).boards[0].fast_baud == rate
    for rate in (0, -9600, 1200, 2400, 115201, 250_000, 1_843_200, 4_000_001):
        for board in (NewBoard("a", port="x", baud=rate), NewBoard("a", port="x", fast_baud=rate)):
            with pytest.raises(ConfigError, match="is not a rate that agents know"):
                fresh_text([(board, "")])


def test_an_absent_board_keeps_its_place_from_nobody() -> None:
    boards = parse_bench(
        "boards:\n"
        "- {name: a, port: /dev/ttyUSB0, adapter: 'usb-serial:A', absent: true}\n"
        "- {name: b, port: /dev/ttyUSB0, adapter: 'usb-serial:B'}\n"
        "- {name: c, port: /dev/ttyUSB0}\n"
        "- {name: d, port: /dev/ttyUSB0, adapter: 'usb-serial:A'}\n"
    ).boards
    assert [b.name for b in boards] == ["a", "b", "c", "d"]
    for key, text in (("port", "port: x"), ("adapter", "adapter: 'usb-serial:A'")):
        with pytest.raises(ConfigError, match=f"the {key} .* is that of board 1, too"):
            parse_bench(f"boards:\n- {{name: a, {text}}}\n- {{name: b, {text}}}\n")
