"""Hostile, broken, slow and foreign clients: the run goes on, and answers what it understands."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shlex
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hil.control import server
from hil.control.answers import Answer, AnswerData, NodeInRun, RunStatus, UpsetOrdered, answer_of
from hil.control.client import Client, takes_commands
from hil.control.commands import (
    COMMANDS,
    CutPower,
    EndRun,
    InjectUpset,
    ReportStatus,
    SetPace,
    WriteNote,
)
from hil.control.protocol import (
    LINE_MAX,
    Request,
    parse_request,
    recorded_command,
    request_line,
)
from hil.control.server import Server
from hil.control.words import command_of
from hil.errors import SetupError, UsageError
from hil.json_values import JsonKey
from tests.descriptors import open_descriptors
from tests.waiting import wait_until

from .conftest import Start, raw

NOBODY = 65534


def answer(line: bytes) -> dict[str, Any]:
    got = parse_request(line)
    assert isinstance(got, Answer), got
    told: dict[str, Any] = json.loads(got.line())
    assert told["ok"] is False and told["text"] and told["text"].isprintable()
    return told


# --- lines --------------------------------------------------------------------------------------


def test_a_request_survives_the_line() -> None:
    keys = (JsonKey("pattern", (JsonKey("kind", "bit"),)), JsonKey("permanent", True))
    request = Request(InjectUpset("b", "state", keys), 7)
    assert parse_request(request_line(request).rstrip(b"\n")) == request


@pytest.mark.parametrize(
    "data",
    [
        None,
        UpsetOrdered(3),
        RunStatus(True, 7, 100, None, (NodeInRun("a", "isolated", True, False, True),)),
        RunStatus(False, 8, 100, 2.5, ()),
    ],
)
def test_an_answer_survives_the_line_with_the_data_of_its_command(data: AnswerData | None) -> None:
    sent = Answer(True, "done", "", "me", 4, 7, data)
    assert answer_of(sent.line(), None if data is None else type(data)) == sent


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (UpsetOrdered, {"upset": "3"}),
        (UpsetOrdered, {"upset": True}),
        (UpsetOrdered, {"number": 3}),
        (UpsetOrdered, [3]),
        (RunStatus, {"paused": 1, "frame": 0, "frames": 1, "pace": None, "nodes": {}}),
        (RunStatus, {"paused": False, "frame": 0, "frames": 1, "pace": "x", "nodes": {}}),
        (RunStatus, {"paused": False, "frame": 0, "frames": 1, "pace": 1, "nodes": {"a": 1}}),
    ],
)
def test_an_answer_with_other_data_is_none_of_a_run(kind: type[AnswerData], data: object) -> None:
    content = {**Answer(True, "done").as_json(), "data": data}
    assert answer_of(json.dumps(content).encode(), kind) is None


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("explode", "{}"), ("note", "{}"), ("note", "[1]"), ("note", "{"), ("note", '{"x": 1}')],
)
def test_a_recorded_command_of_another_version_is_read_as_none(name: str, arguments: str) -> None:
    assert recorded_command(name, arguments) is None


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_valid(name: str) -> None:
    assert COMMANDS[name].examples
    for example in COMMANDS[name].examples:
        command, *words = shlex.split(example)
        assert command == name
        line = request_line(Request(command_of(name, words)))
        assert isinstance(parse_request(line.rstrip(b"\n")), Request)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"[" * 4000, "malformed"),
        (b"{" * 4000, "malformed"),
        (b"9" * 5000, "malformed"),
        (b"null", "malformed"),
        (b"[1]", "malformed"),
        (b"{}", "version"),
        (b'{"hil": true, "command": "pause"}', "version"),
        (b'{"hil": 2, "command": "pause"}', "version"),
        (b'{"hil": 1}', "malformed"),
        (b'{"hil": 1, "command": 3}', "malformed"),
        (b'{"hil": 1, "command": "puase"}', "unknown"),
        (b'{"hil": 1, "command": "pause", "sudo": 1}', "malformed"),
        (b'{"hil": 1, "command": "pause", "arguments": []}', "malformed"),
        (b'{"hil": 1, "command": "pause", "arguments": {"x": 1}}', "arguments"),
        (b'{"hil": 1, "command": "pause", "id": [1]}', "malformed"),
        (b'{"hil": 1, "command": "pause", "id": 1e999}', "malformed"),
        (b'{"hil": 1, "command": "reset"}', "arguments"),
        (b'{"hil": 1, "command": "reset", "arguments": {"node": 7}}', "arguments"),
        (b'{"hil": 1, "command": "reset", "arguments": {"node": " "}}', "arguments"),
        (b'{"hil": 1, "command": "note", "arguments": {"text": "\\u001b[2J"}}', "arguments"),
        (b'{"hil": 1, "command": "note", "arguments": {"text": "\\ud800"}}', "arguments"),
        (b'{"hil": 1, "command": "note", "arguments": {"text": NaN}}', "malformed"),
        (b'{"hil": 1, "command": "\\u001b]0;x\\u0007"}', "unknown"),
        (
            b'{"hil": 1, "command": "cut_power", "arguments": '
            b'{"node": "a", "returns_after_frames": true}}',
            "arguments",
        ),
        (
            b'{"hil": 1, "command": "inject", "arguments": '
            b'{"node": "a", "target": "state", "pattern": {"kind": ["bit"]}}}',
            "arguments",
        ),
    ],
)
def test_a_wrong_line_has_one_clear_answer(line: bytes, error: str) -> None:
    assert answer(line)["error"] == error


def test_random_changes_of_valid_lines_are_answered_or_valid() -> None:
    rng = random.Random(4)
    lines = [
        request_line(Request(InjectUpset("b", "state", (JsonKey("bit", 7),)), 1)),
        request_line(Request(WriteNote("hello"), "x")),
        request_line(Request(SetPace("10x"))),
    ]
    for _ in range(20_000):
        line = bytearray(rng.choice(lines)[:-1])
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(line))
            how = rng.randrange(3)
            if how == 0:
                line[at] = rng.randrange(256)
            elif how == 1:
                del line[at]
            else:
                line[at:at] = rng.choice((b'"', b"{", b"}", b"\\u0000", b"[", b"9" * 40, b","))
        got = parse_request(bytes(line))
        if isinstance(got, Request):
            name = got.command.command.name
            assert recorded_command(name, json.dumps(got.command.as_json())) == got.command
        else:
            assert got.error and got.text.isprintable() and got.line().endswith(b"\n")


# --- a run under attack -------------------------------------------------------------------------


def line_of(sock: socket.socket) -> dict[str, Any]:
    got = b""
    while not got.endswith(b"\n"):
        part = sock.recv(1)
        assert part, f"hung up after {got!r}"
        got += part
    told: dict[str, Any] = json.loads(got)
    return told


def test_wrong_lines_are_answered_one_by_one_and_the_right_one_after_them(start: Start) -> None:
    run = start()
    with raw(run.folder) as sock:
        wrong = [b"", b"{]", b'{"hil":1,"command":"x"}', b"\x00\x01"]
        for line in wrong:
            sock.sendall(line + b"\n")
            assert line_of(sock)["ok"] is False
        sock.sendall(b"\n".join(wrong) + b"\n" + request_line(Request(ReportStatus(), "me")))
        for _ in wrong:
            assert line_of(sock)["ok"] is False
        told = line_of(sock)
        assert told["ok"] and told["id"] == "me" and told["hil"] == 1
        sock.sendall(b"x" * (LINE_MAX + 5000))
        assert "not more" in line_of(sock)["text"]
        with contextlib.suppress(ConnectionResetError):  # what it sent was not even read
            assert sock.recv(1) == b""
    assert run.done("status")


@pytest.mark.slow
def test_noise_neither_ends_nor_stops_a_run(start: Start) -> None:
    run = start(pace="free", board="process")
    over = threading.Event()

    def shout(seed: int) -> None:
        rng = random.Random(seed)
        while not over.is_set():
            try:
                with raw(run.folder) as sock:
                    sock.settimeout(0.2)
                    for _ in range(200):
                        sock.sendall(rng.choice((b"\n" * 500, b'{"hil":1}\n', rng.randbytes(900))))
            except OSError:
                pass

    threads = [threading.Thread(target=shout, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    try:
        run.wait_frames(500)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert run.end().unexplained == 0


def test_clients_that_hang_or_never_read_delay_nobody(start: Start) -> None:
    run = start()
    hanging = [raw(run.folder) for _ in range(10)]
    try:
        for n, sock in enumerate(hanging):
            if n % 2:
                sock.sendall(b'{"hil": 1, "comm')
            else:
                sock.settimeout(0.2)
                try:
                    for _ in range(3000):  # until nobody takes any more
                        sock.sendall(request_line(Request(ReportStatus())) * 20)
                except TimeoutError:
                    pass
        run.done("note", text="still here")  # while they hang
        run.wait_frames(20)
    finally:
        for sock in hanging:
            sock.close()
    assert run.end().outcome == "aborted"


def test_who_begins_a_line_and_does_not_end_it_is_told_and_dropped(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_STALLED_S", 0.1)
    run = start()
    with raw(run.folder) as sock:
        sock.sendall(b'{"hil": 1, "comm')
        assert "no progress" in line_of(sock)["text"]
        assert sock.recv(1) == b""
    run.done("status")  # its own client was silent for longer


def test_who_closes_his_sending_half_is_answered_all_the_same(start: Start) -> None:
    run = start()
    with raw(run.folder) as sock:
        sock.sendall(request_line(Request(ReportStatus(), "last")))
        sock.shutdown(socket.SHUT_WR)
        assert line_of(sock)["id"] == "last"
        assert sock.recv(1) == b""


def test_an_unread_answer_does_not_hold_up_the_end(start: Start) -> None:
    run = start()
    with raw(run.folder) as sock:
        sock.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            while True:  # until the answers fill the socket, and no request is taken any more
                sock.sendall(request_line(Request(ReportStatus())) * 20)
        began_s = time.monotonic()
        assert run.end().outcome == "aborted"
        assert time.monotonic() - began_s < server._STALLED_S / 2


def test_a_server_that_is_closed_answers_no_order_late(tmp_path: Path) -> None:
    with Server(tmp_path) as closed, raw(tmp_path) as sock:
        sock.sendall(request_line(Request(ReportStatus())))
        order = wait_until(closed.inbox.take)
        closed.close()
        order.reply(Answer(True, "too late"))
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(1) == b""


def test_too_many_clients_are_told_so_and_places_become_free(start: Start) -> None:
    run = start()
    crowd: list[socket.socket] = []
    try:
        for _ in range(31):
            crowd.append(raw(run.folder))
            crowd[-1].sendall(request_line(Request(ReportStatus())))
            assert line_of(crowd[-1])["ok"]
        with raw(run.folder) as one_more:
            assert line_of(one_more)["error"] == "busy"
        with Client(run.folder) as polite:
            assert polite.send(ReportStatus()).error == "busy"
    finally:
        for sock in crowd:
            sock.close()

    def free() -> bool:
        with Client(run.folder) as client:
            return client.send(ReportStatus()).ok

    wait_until(free)


def test_three_clients_at_once_are_all_served_and_recorded(start: Start) -> None:
    run = start(pace="free")
    told: dict[int, list[int | None]] = {}

    def work(number: int) -> None:
        with Client(run.folder) as client:
            told[number] = [client.send(WriteNote(f"{number}/{k}")).number for k in range(20)]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(n for numbers in told.values() for n in numbers if n) == list(range(1, 61))
    rows = run.rows("SELECT id, arguments FROM commands")
    for number, numbers in told.items():
        mine = [
            r["id"] for r in rows if json.loads(r["arguments"])["text"].startswith(f"{number}/")
        ]
        assert mine == numbers


def test_a_client_killed_within_a_line_leaves_nothing(start: Start) -> None:
    run = start()
    code = """
        import socket, sys, time
        s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
        s.sendall(b'{"hil": 1, "command": "end"'); print("sent", flush=True); time.sleep(60)
    """
    victim = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(run.folder / "control.sock")],
        stdout=subprocess.PIPE,
    )
    with victim:
        assert victim.stdout is not None and victim.stdout.readline() == b"sent\n"
        victim.send_signal(signal.SIGKILL)
    run.wait_frames(10)
    assert run.rows("SELECT 1 FROM commands") == []


def test_who_leaves_before_the_answer_is_obeyed_all_the_same(start: Start) -> None:
    run = start()
    with raw(run.folder) as sock:
        sock.sendall(request_line(Request(WriteNote("bye"))))
    assert run.wait_row("SELECT command FROM commands")["command"] == "note"


def test_what_waits_when_the_run_ends_is_told(start: Start) -> None:
    run = start()
    run.done("pause")
    with raw(run.folder) as sock:
        sock.sendall(request_line(Request(EndRun())) + request_line(Request(ReportStatus())))
        assert line_of(sock)["ok"]
        run.result()
        left = sock.recv(4096)
        assert left == b"" or json.loads(left)["error"] == "ended"


# --- whose socket it is -------------------------------------------------------------------------


def test_only_its_user_may_open_it(start: Start) -> None:
    run = start()
    found = os.stat(run.folder / "control.sock")
    assert stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o600


STRANGER = """
    import os, socket, sys
    os.chdir(sys.argv[1])
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect("control.sock")
    except PermissionError:
        print("may not connect"); sys.exit()
    try:
        s.sendall(b'{"hil": 1, "command": "end", "arguments": {}}\\n')
    except OSError:
        pass
    print(s.recv(4096).decode(), end="")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_is_refused_even_where_the_mode_lets_him_in(start: Start) -> None:
    run = start()

    def stranger() -> str:
        return subprocess.run(
            [sys.executable, "-c", textwrap.dedent(STRANGER), str(run.folder)],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout

    assert stranger() == "may not connect\n"
    (run.folder / "control.sock").chmod(0o666)
    told = json.loads(stranger())
    assert told["error"] == "denied" and not told["ok"]
    run.wait_frames(5)
    assert run.rows("SELECT 1 FROM commands") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_a_client_does_not_talk_to_a_stranger(tmp_path: Path) -> None:
    code = """
        import os, socket, sys
        os.chdir(sys.argv[1])
        s = socket.socket(socket.AF_UNIX)
        os.chmod(".", 0o777)
        os.setgid(65534); os.setuid(65534)
        s.bind("control.sock"); s.listen(); print("up", flush=True)
        sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == b"up\n"
        with pytest.raises(SetupError, match="not by you"):
            Client(tmp_path)


def test_a_folder_where_everybody_may_write_is_not_trusted(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(SetupError, match="everybody may write"):
        Server(tmp_path)
    assert not takes_commands(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_a_folder_of_another_user_is_not_trusted(tmp_path: Path) -> None:
    os.chown(tmp_path, NOBODY, NOBODY)
    with pytest.raises(SetupError, match="another user"):
        Server(tmp_path)


# --- where it is --------------------------------------------------------------------------------


def test_a_path_longer_than_a_socket_address_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    with Server(deep), Client(deep) as client:
        assert takes_commands(deep)
        client.close()
    assert not takes_commands(deep) and list(deep.iterdir()) == []


def test_without_a_socket_the_sender_hears_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--control"):
        Client(tmp_path)
    with pytest.raises(UsageError, match="no run folder"):
        Client(tmp_path / "nowhere")


def test_the_socket_of_a_killed_run_is_named_so_and_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "control.sock"))
    with pytest.raises(SetupError, match="killed"):
        Client(tmp_path)
    with Server(tmp_path), Client(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_socket_of_a_living_run_is_not_taken_over(tmp_path: Path) -> None:
    with Server(tmp_path):
        with pytest.raises(UsageError, match="another process"):
            Server(tmp_path)
        with Client(tmp_path):
            pass


def test_a_file_with_the_name_of_the_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "control.sock").write_text("mine")
    with pytest.raises(SetupError, match="is not a socket"):
        Server(tmp_path)
    assert (tmp_path / "control.sock").read_text() == "mine"


def test_a_server_leaves_no_thread_and_no_descriptor(tmp_path: Path) -> None:
    before, threads = open_descriptors(), threading.active_count()
    for _ in range(20):
        with Server(tmp_path), Client(tmp_path):
            pass
    assert (open_descriptors(), threading.active_count()) == (before, threads)


def test_a_client_refuses_nonsense_before_sending(start: Start) -> None:
    run = start()
    for command in (WriteNote("a\x1b"), WriteNote(" "), CutPower("b", 0)):
        with pytest.raises(UsageError):
            run.client.send(command)
    keys = tuple(JsonKey(f"k{n}", "x" * 499) for n in range(25))
    with pytest.raises(UsageError, match="bytes"):
        run.client.send(InjectUpset("a", "state", keys))
