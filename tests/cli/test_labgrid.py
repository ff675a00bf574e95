"""Places of a real labgrid: coordinator, exporter with ser2net, and a power switch, all here."""

from __future__ import annotations

import contextlib
import http.server
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.command_line import TIMEOUT_S, Done, Hil
from tests.engine.cabled_boards import Board
from tests.rig.cable import cables
from tests.waiting import wait_until

BESIDE = str(Path(sys.executable).parent)
PATH = f"{BESIDE}{os.pathsep}{os.environ.get('PATH', '')}"
PROGRAMS = ("labgrid-client", "labgrid-coordinator", "labgrid-exporter")
MISSING = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
SER2NET = shutil.which("ser2net", path="/usr/sbin:/usr/bin:/usr/local/sbin")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason="labgrid is not installed (the extra `labgrid`)"),
    pytest.mark.skipif(SER2NET is None, reason="ser2net, which labgrid's exporter needs, is not"),
]

SCENARIO = """\
workload: sha256
frames: 400
timeouts: {retry_ms: 200, lost_after_ms: 1000}
rig: {scheme: tmr}
upsets:
  events:
    - {frame: 30, node: left, target: board, action: power_loss, returns_after_frames: 20}
expect: {sdc_frames: 0, reconnects: ">= 1"}
"""
TINY = "workload: sha256\nframes: 10\nrig: {scheme: simplex}\ntimeouts: {retry_ms: 500}\n"
EXPORTS = """\
left:
  RawSerialPort: {{port: {device}, speed: 115200}}
  NetworkPowerPort:
    model: simplerest
    host: 'http://127.0.0.1:{http}/{{index}}/{{value}}'
    index: '1'
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Outlet(http.server.ThreadingHTTPServer):
    """A switch with labgrid's "simplerest": /1/0 is off, /1/1 on, and /1 says which."""

    def __init__(self, board: Board) -> None:
        super().__init__(("127.0.0.1", 0), OutletHandler)
        self.board, self.is_on = board, True
        self.switched: list[bool] = []

    def switch(self, *, on: bool) -> None:
        self.switched.append(on)
        if on and not self.is_on:
            self.board.start()
        elif not on:
            self.board.kill()
        self.is_on = on


class OutletHandler(http.server.BaseHTTPRequestHandler):
    server: Outlet

    def do_GET(self) -> None:
        words = self.path.strip("/").split("/")
        if len(words) == 2:
            self.server.switch(on=words[1] == "1")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"1" if self.server.is_on else b"0")

    def log_message(self, *_: object) -> None: ...


@dataclass
class Lab:
    """A laboratory with one place, `left`."""

    hil: Hil
    env: dict[str, str]
    outlet: Outlet

    def __call__(self, *words: object) -> Done:
        return self.hil(*words, env=self.env)

    def client(self, *words: str, user: str = "me") -> str:
        done = subprocess.run(
            ["labgrid-client", "-p", "left", *words],
            env={**os.environ, **self.env, "LG_USERNAME": user},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return done.stdout + done.stderr

    @property
    def owner(self) -> str:
        (line,) = [x for x in self.client("show").splitlines() if x.startswith("  acquired: ")]
        return line.removeprefix("  acquired: ")


@contextlib.contextmanager
def running(words: list[str], folder: Path, env: dict[str, str]) -> Iterator[None]:
    with (folder / f"{words[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            words, cwd=folder, env={**os.environ, **env}, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(TIMEOUT_S)


@pytest.fixture
def lab(hil: Hil, tmp_path: Path) -> Iterator[Lab]:
    coordinator = f"127.0.0.1:{free_port()}"
    env = {
        "LG_COORDINATOR": coordinator,
        "LG_HOSTNAME": "lab",
        "LG_USERNAME": "me",
        "PATH": f"{PATH}{os.pathsep}/usr/sbin",
    }
    folder = tmp_path / "labgrid"
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("PATH", env["PATH"])
        (cable,) = stack.enter_context(cables(tmp_path, "a"))
        board = Board(cable)
        stack.callback(board.kill)
        outlet = Outlet(board)
        thread = threading.Thread(target=outlet.serve_forever)
        thread.start()
        stack.callback(thread.join)
        stack.callback(outlet.shutdown)
        device, http_port = os.path.realpath(cable.host.path), outlet.server_address[1]
        (folder / "exports.yaml").write_text(EXPORTS.format(device=device, http=http_port))
        exporter = ["labgrid-exporter", "--name", "exp", "--hostname", "127.0.0.1", "exports.yaml"]
        made = Lab(hil, env, outlet)
        stack.enter_context(running(["labgrid-coordinator", "-l", coordinator], folder, env))
        wait_until(lambda: "Error" not in made.client("create"))
        stack.enter_context(running(exporter, folder, env))
        made.client("add-match", "exp/left/*")
        wait_until(lambda: "'NetworkSerialPort'" in made.client("show"))
        hil.write("s.yaml", SCENARIO)
        hil.write("tiny.yaml", TINY)
        hil.write("bench.yaml", "schema: 1\nboards:\n  - {labgrid: left}\n")
        yield made
        outlet.server_close()


@pytest.mark.timeout(300)
def test_a_run_takes_port_and_power_of_a_place_and_gives_it_back(lab: Lab) -> None:
    assert lab("check", "bench.yaml").code == 0
    done = lab("run", "s.yaml", "--bench", "bench.yaml", "--boards", "process", "--json")
    assert done.code == 0, done.err
    assert done.json["upsets"]["injected"] == 1
    assert lab.outlet.switched[-2:] == [False, True], "off and on, by the place's power port"
    assert lab.owner == "None"


@pytest.mark.timeout(300)
def test_a_place_of_somebody_else_is_refused_or_waited_for(lab: Lab) -> None:
    lab.client("acquire", user="ann")
    done = lab("run", "tiny.yaml", "--bench", "bench.yaml")
    assert done.code == 3
    assert "labgrid place left of left is in use by ann on lab" in done.err
    assert lab.owner == "lab/ann"
    words = [str(Path(BESIDE) / "hil"), "run", "tiny.yaml", "--bench", "bench.yaml"]
    with subprocess.Popen(
        [*words, "--wait-bench", "5m"],
        cwd=lab.hil.cwd,
        env={**os.environ, **lab.env},
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stderr is not None
        assert any("in use by ann on lab" in line and "waiting" in line for line in run.stderr)
        lab.client("release", user="ann")
        _, err = run.communicate(timeout=TIMEOUT_S)
    assert run.returncode == 0, err
    assert lab.owner == "None"


@pytest.mark.timeout(300)
def test_a_place_that_the_user_has_acquired_stays_so(lab: Lab) -> None:
    lab.client("acquire")
    done = lab("run", "tiny.yaml", "--bench", "bench.yaml")
    assert done.code == 0, done.err
    assert lab.owner == "lab/me"


@pytest.mark.timeout(300)
def test_the_power_of_a_place_is_switched_by_hand(lab: Lab) -> None:
    power = "power: {kind: labgrid, place: left, off_s: 0}"
    bench = lab.hil.write("power.yaml", f"schema: 1\nboards: [{{labgrid: left, {power}}}]\n")
    assert lab("power", "off", "left", "--bench", bench).code == 0
    assert lab.outlet.switched == [False]
    lab.client("acquire", user="ann")
    done = lab("power", "on", "left", "--bench", bench)
    assert done.code == 3 and "in use by ann on lab" in done.err
    lab.client("release", user="ann")
    assert lab("power", "on", "left", "--bench", bench).code == 0
    assert lab("bench", "test", bench, "--yes").code == 0
    assert lab.owner == "None"


@pytest.mark.timeout(300)
def test_a_coordinator_that_is_not_there_is_named(hil: Hil) -> None:
    hil.write("tiny.yaml", TINY)
    hil.write("bench.yaml", "schema: 1\nboards:\n  - {labgrid: left}\n")
    env = {"LG_COORDINATOR": f"127.0.0.1:{free_port()}", "PATH": PATH}
    done = hil("run", "tiny.yaml", "--bench", "bench.yaml", env=env)
    assert done.code == 3
    assert "labgrid place left: " in done.err and "Could not connect to coordinator" in done.err
