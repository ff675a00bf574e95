"""`hil discover`: what answers, what does not and why, and the bench file that comes of it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hil.rig.backends.process import find_agent
from hil.scenario import load_bench
from tests.command_line import Hil

HOLDER = (
    "import sys, serial; p = serial.Serial(sys.argv[1], exclusive=True); print(flush=True); "
    "sys.stdin.read()"
)


class Agents:
    """Agents on ptys of their own, each behind a name that stays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *options: str) -> str:
        process = subprocess.Popen(
            [str(find_agent()), "--port", "pty", "--exit-with-parent", *options],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        port = process.stdout.readline().decode().split()[1]
        path = self.folder / name
        path.unlink(missing_ok=True)
        path.symlink_to(port)
        self.running[name] = process
        return str(path)

    def stop(self, name: str) -> None:
        process = self.running.pop(name)
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        (self.folder / name).unlink()


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[Agents]:
    made = Agents(tmp_path)
    yield made
    for name in list(made.running):
        made.stop(name)


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    for fd in (master, slave):
        with contextlib.suppress(OSError):
            os.close(fd)


def by_port(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["port"]: entry for entry in content["boards"] + content["others"]}


def test_what_answers_and_what_does_not_and_why(
    hil: Hil, agents: Agents, silent: tuple[int, str], tmp_path: Path
) -> None:
    board = agents.start("tty0")
    _, quiet = silent
    chatter, slave = os.openpty()
    tty.setraw(slave)
    console = os.ttyname(slave)

    def getty() -> None:
        with contextlib.suppress(OSError):
            while os.read(chatter, 100):
                os.write(chatter, b"\r\nraspberrypi login: ")

    threading.Thread(target=getty, daemon=True).start()
    busy = agents.start("tty1")
    missing = str(tmp_path / "nothing")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        done = hil(
            "discover",
            board,
            quiet,
            console,
            busy,
            missing,
            "--baud",
            115200,
            "--wait",
            0.3,
            "--json",
        )
        holder.kill()
    os.close(slave)
    os.close(chatter)
    assert done.code == 0
    found = by_port(done.json)
    assert found[board]["cores"] >= 1 and found[board]["agent_version"]
    assert found[board]["memory_mib"] > 0 and found[board]["arch"]
    assert found[quiet]["why"] == "silent" and "hil-agent" in found[quiet]["remedy"]
    assert found[console]["why"] == "talks" and "raspberrypi login:" in found[console]["reason"]
    assert found[busy]["why"] == "busy" and f"(pid {holder.pid})" in found[busy]["reason"]
    assert found[missing]["why"] == "missing"
    assert done.json["changes"] == [] and done.json["bench"] is None


def test_nobody_there_exits_3(hil: Hil, silent: tuple[int, str]) -> None:
    done = hil("discover", silent[1], "--wait", 0.1)
    assert done.code == 3 and "0 boards answered" in done.out


@pytest.mark.slow
def test_a_bench_is_written_merged_and_run(hil: Hil, agents: Agents, tmp_path: Path) -> None:
    ports = [agents.start(f"tty{n}") for n in range(3)]
    bench = tmp_path / "bench.yaml"
    done = hil("discover", *ports, "-o", bench, "--json")
    assert [c["kind"] for c in done.json["changes"]] == ["new"] * 3
    assert [b.port for b in load_bench(bench).boards] == ports
    run = hil("run", "nominal", "--frames", 30, "--bench", bench, "--json")
    assert run.code == 0 and run.json["outcome"] == "pass"

    # Its owner renames, comments, and reorders; a board goes away, another comes.
    text = bench.read_text().replace("name: board-1", "name: left  # mine")
    bench.write_text(text + "# the end\n")
    agents.stop("tty1")
    new = agents.start("tty9")
    again = hil("discover", *ports, new, "-o", bench, "--wait", 3, "--json")
    kinds = {(c["board"], c["kind"]) for c in again.json["changes"]}
    assert kinds == {("board-2", "absent"), ("board-1", "new")}
    after = bench.read_text()
    assert "name: left  # mine" in after and after.endswith("# the end\n")
    assert [(b.name, b.absent) for b in load_bench(bench).boards] == [
        ("left", False),
        ("board-2", True),
        ("board-3", False),
        ("board-1", False),
    ]
    run = hil("run", "nominal", "--frames", 30, "--bench", bench, "--json")
    assert run.code == 0 and "not used of the bench: board-2" in run.err

    # It comes back; nothing else changes, and a third look changes nothing at all.
    agents.start("tty1")
    back = hil("discover", "-o", bench, "--wait", 10, "--baud", 115200, "--json")
    assert [(c["board"], c["kind"]) for c in back.json["changes"]] == [("board-2", "back")]
    kept = bench.read_text()
    assert kept == after.replace("absent: true", "absent: false")
    same = hil("discover", *ports, new, "-o", bench, "--json")
    assert same.json["changes"] == [] and bench.read_text() == kept


def test_a_mixed_rig_is_allowed_and_said(hil: Hil, agents: Agents) -> None:
    hil.write("bench.yaml", f"boards: [{{name: real, port: {agents.start('tty0')}}}]\n")
    words = ("run", "nominal", "--frames", 30, "--bench", "bench.yaml")
    refused = hil(*words)
    assert refused.code == 2 and "--boards process" in refused.err
    done = hil(*words, "--boards", "process", "--json")
    assert done.code == 0
    assert "MIXED rig: real on real boards, b, c on software boards (process)" in " ".join(
        done.err.split()
    )
    manifest = json.loads((Path(hil.cwd) / done.json["run_dir"] / "manifest.json").read_text())
    assert "real" in json.dumps(manifest)


def test_a_board_is_known_by_its_own_number_wherever_it_hangs(hil: Hil, tmp_path: Path) -> None:
    tree = tmp_path / "proc" / "device-tree"
    tree.mkdir(parents=True)
    (tree / "serial-number").write_text("d6a1b2c3\0")
    with subprocess.Popen(
        [str(find_agent()), "--port", "pty", "--sys-root", str(tmp_path), "--exit-with-parent"],
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        port = process.stdout.readline().decode().split()[1]
        hil.write("b.yaml", "boards:\n- {name: x, port: /dev/ttyUSB7, serial: d6a1b2c3}  # mine\n")
        done = hil("discover", port, "-o", "b.yaml", "--json")
        process.kill()
    assert [(c["board"], c["kind"]) for c in done.json["changes"]] == [("x", "moved")]
    assert (hil.cwd / "b.yaml").read_text() == (
        f"boards:\n- {{name: x, port: {port}, serial: d6a1b2c3}}  # mine\n"
    )


def test_wrong_files_and_options_exit_2(hil: Hil) -> None:
    hil.write("bench.yaml", "boards: 5\n")
    wrong = hil("discover", "/dev/null", "-o", "bench.yaml")
    assert wrong.code == 2 and "bench.yaml:1:9" in wrong.err
    assert hil("discover", "--baud", 7).code == 2
    assert hil("discover", "--wait", -1).code == 2


def test_a_capture_is_written_by_the_command_line(hil: Hil) -> None:
    done = hil(
        "run", "nominal", "--boards", "process", "--frames", 20, "--capture", "-q", "--out", "r"
    )
    assert done.code == 0
    assert (hil.cwd / "r" / "capture.pcapng").read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"


def test_a_file_of_another_system_keeps_its_line_ends_and_an_empty_one_is_begun(
    hil: Hil, agents: Agents, tmp_path: Path
) -> None:
    port = agents.start("one")
    bench = tmp_path / "bench.yaml"
    written = "# mine\r\nschema: 1\r\nboards:\r\n  - {name: old, port: /dev/ttyUSB77}  # kept\r\n"
    bench.write_bytes(written.encode())
    assert hil("discover", port, "-o", str(bench)).code == 0
    content = bench.read_bytes()
    assert content.startswith(written.encode()) and len(load_bench(bench).boards) == 2
    assert content.count(b"\n") == content.count(b"\r\n")
    bench.write_text("\n")
    assert hil("discover", port, "-o", str(bench)).code == 0
    assert len(load_bench(bench).boards) == 1


def test_a_serial_number_that_two_boards_have_identifies_neither(
    hil: Hil, agents: Agents, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    (root / "proc/device-tree").mkdir(parents=True)
    (root / "proc/device-tree/serial-number").write_text("1000\0")
    ports = [agents.start(name, "--sys-root", str(root)) for name in ("one", "two")]
    bench = tmp_path / "bench.yaml"
    for order in (ports, ports[::-1]):
        done = hil("discover", *order, "-o", str(bench), "--json")
        assert "serial number 1000 answers at several ports" in done.json["notes"][0]
        boards = load_bench(bench).boards
        assert [(b.port, b.serial) for b in boards] == [(port, None) for port in ports]
    assert "1000 answers at several" in hil("discover", *ports).out


def test_a_new_board_of_a_known_kind_gets_the_rate_of_its_profile(
    hil: Hil, agents: Agents, tmp_path: Path
) -> None:
    ports = []
    for name, model in (
        ("pi", "Raspberry Pi 4 Model B Rev 1.4"),
        ("jetson", "NVIDIA Jetson Orin Nano Developer Kit"),
        ("other", "X570 AORUS"),
    ):
        tree = tmp_path / f"tree-{name}" / "proc/device-tree"
        tree.mkdir(parents=True)
        (tree / "model").write_text(f"{model}\0")
        ports.append(agents.start(name, "--sys-root", str(tmp_path / f"tree-{name}")))
    bench = tmp_path / "bench.yaml"
    assert hil("discover", *ports, "-o", str(bench)).code == 0
    assert [b.fast_baud for b in load_bench(bench).boards] == [921600, 921600, None]
    bench.write_text(f"boards:\n  - {{name: mine, port: {ports[0]}}}\n")
    assert hil("discover", ports[0], "-o", str(bench)).code == 0
    assert load_bench(bench).boards[0].fast_baud is None, "who left it out meant it"
