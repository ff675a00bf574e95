"""`hil run`: exit codes, what goes to stdout and what to stderr, and the JSON contract."""

from __future__ import annotations

import json
import os
import pty
import re
import resource
import select
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial

from hil.cli.entry import main
from hil.exit_codes import Exit
from hil.kernel import WIRE_VERSION, Decoder, Workload, encode
from hil.plant.build import BuiltPlant, build_plant
from hil.scenario import Scenario
from tests.amount import mostly_slow
from tests.command_line import Hil, clean_env, wait_for_row
from tests.hearing import hear_signals

KEYS = {
    "outcome",
    "run_dir",
    "run_digest",
    "seed",
    "frames",
    "verdicts",
    "upsets",
    "recoveries",
    "availability",
    "slips",
    "expectations",
}
UPSET_KEYS = {
    *("injected", "verified", "by_target", "by_node_effect", "by_system_outcome", "by_activation")
}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f]")  # all but tab and newline
COLOUR = re.compile(r"\x1b\[[0-9;]*m")

TINY = "schema: 1\nworkload: infer\nframes: 20\nrig: {board: inproc}\n"


# --- how a run can end ----------------------------------------------------------------------------


@pytest.mark.parametrize("boards", ["inproc", "process"])
def test_a_pass_exits_0_with_the_contract_as_json(hil: Hil, boards: str) -> None:
    done = hil("run", "memory-storm", "--frames", 300, "--boards", boards, "--json", "--out", "r")
    answer = done.json
    assert answer.keys() >= KEYS
    assert answer["upsets"].keys() >= UPSET_KEYS
    # So short a storm need not bring the 60 upsets that the scenario expects.
    assert [done.code, answer["outcome"]] in ([0, "pass"], [1, "fail"])
    assert answer["frames"] == 300
    assert answer["seed"] == 20
    assert re.fullmatch("[0-9a-f]{64}", answer["run_digest"])
    assert all(
        e.keys() == {"metric", "wanted", "measured", "ok", "default"}
        for e in answer["expectations"]
    )
    assert {p.name for p in (hil.cwd / "r").iterdir()} >= {"run.db", "manifest.json", "junit.xml"}


@pytest.mark.slow
def test_the_same_seed_is_the_same_digest_on_every_board(hil: Hil) -> None:
    digests = {
        hil("run", "memory-storm", "--frames", 200, "--boards", b, "--json").json["run_digest"]
        for b in ("inproc", "inproc", "process")
    }
    assert len(digests) == 1


def test_nominal_passes_and_says_so_on_stdout_alone(hil: Hil) -> None:
    done = hil("run", "nominal", "--frames", 40, "--boards", "inproc")
    assert done.code == 0
    assert "PASS" in done.out
    assert "unanimous 40" in done.out
    assert "PASS" not in done.err
    assert "SOFTWARE boards" in done.err
    assert "no hardware" in done.err


def test_a_failed_expectation_exits_1_and_shows_what_failed_first(hil: Hil) -> None:
    done = hil("run", "two-faults", "--frames", 240, "--boards", "inproc", "--out", "r")
    assert done.code == 1
    assert "FAIL" in done.out.splitlines()[0]
    assert "What failed first, 2.000 s into the flight" in done.out
    assert "frame 200  a wrong output left the system" in done.out
    assert "hil replay r --frames 197:203" in done.out
    assert re.search(r"sdc_frames == 0: measured \d+", done.out.splitlines()[-1])


def test_acceleration_is_said_wherever_rates_are(hil: Hil) -> None:
    done = hil("run", "memory-storm", "--frames", 50, "--boards", "inproc", "--accel", 4)
    assert "ACCELERATED 4x" in done.err
    assert "ACCELERATED 4x" in done.out


def test_quiet_is_one_line(hil: Hil) -> None:
    done = hil("run", "nominal", "--frames", 20, "--boards", "inproc", "-q", "--out", "r")
    assert done.err == ""
    assert re.fullmatch("PASS r [0-9a-f]{64}\n", done.out)


def test_runs_are_numbered_below_runs(hil: Hil) -> None:
    answers = [
        hil("run", "nominal", "--frames", 5, "--boards", "inproc", "--json").json for _ in range(2)
    ]
    folders = {answer["run_dir"] for answer in answers}
    assert len(folders) == 2
    assert all(re.fullmatch(r"runs/\d{8}T\d{6}Z-nominal(-\d)?", f) for f in folders)


# --- wrong command lines and files ----------------------------------------------------------------

BAD_FILES = {
    "not YAML": "workload: [infer\n",
    "a list": "- infer\n",
    "empty": "",
    "unknown key": TINY + "colour: red\n",
    "unknown workload": TINY.replace("infer", "inferr"),
    "impossible value": TINY.replace("frames: 20", "frames: -3"),
    "newer schema": TINY.replace("schema: 1", "schema: 99"),
    "upset of no node": TINY + "upsets: {events: [{frame: 1, node: z, target: state}]}\n",
    "serial without port": TINY.replace("inproc", "serial"),
    "duplicate key": TINY + "frames: 30\n",
    "binary": "\x00\x01\x02",
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_a_wrong_scenario_exits_2_and_names_the_place(hil: Hil, what: str) -> None:
    hil.write("bad.yaml", BAD_FILES[what])
    done = hil("run", "bad.yaml", "--json")
    assert done.code == 2
    answer = done.json
    assert answer["outcome"] == "error"
    assert answer.keys() >= KEYS
    assert answer["problems"]
    assert done.err.startswith("hil: ")
    assert "bad.yaml" in done.err
    assert not (hil.cwd / "runs").exists()


WRONG_WORDS = {
    "no scenario": (),
    "unknown scenario": ("quickstrat",),
    "missing file": ("./nowhere.yaml",),
    "a folder": ("./",),
    "unknown option": ("nominal", "--frobnicate"),
    "no number": ("nominal", "--frames", "many"),
    "bad scheme": ("nominal", "--scheme", "quad"),
    "bad board": ("nominal", "--boards", "cardboard"),
    "bad pace": ("nominal", "--pace", "slow"),
    "bad duration": ("nominal", "--duration", "90"),
    "two lengths": ("nominal", "--duration", "1s", "--frames", "5"),
    "two kinds of boards": ("nominal", "--boards", "inproc", "--bench", "b.yaml"),
    "missing bench": ("nominal", "--bench", "b.yaml"),
    "no acceleration": ("nominal", "--accel", "0"),
    "negative seed": ("nominal", "--seed", "-1"),
    "two scenarios": ("nominal", "hang"),
    "resume with a scenario": ("nominal", "--resume", "r"),
    "resume of nothing": ("--resume", "r"),
    "zero byte": ("nomi\nnal",),
}


@pytest.mark.parametrize("what", WRONG_WORDS)
def test_a_wrong_command_line_exits_2(hil: Hil, what: str) -> None:
    done = hil("run", *WRONG_WORDS[what], "--json")
    assert done.code == 2
    assert done.err == f"hil: {done.json['error']}\n"
    assert done.json["outcome"] == "error"
    assert not (hil.cwd / "runs").exists()


def test_without_json_stdout_stays_empty_when_nothing_was_run(hil: Hil) -> None:
    for words in (("run", "nope"), ("run", "--nope"), ("nope",), ()):
        done = hil(*words)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("hil: ")


def test_a_name_that_is_nearly_right_gets_a_hint(hil: Hil) -> None:
    assert "`quickstart`" in hil("run", "quickstrat").err


# --- environment ----------------------------------------------------------------------------------


def bench_of(hil: Hil, *ports: str) -> None:
    boards = [f"  - {{name: n{i}, port: '{port}'}}\n" for i, port in enumerate(ports)]
    hil.write("bench.yaml", "schema: 1\nboards:\n" + "".join(boards))


def test_a_missing_agent_exits_3_and_leaves_nothing_behind(hil: Hil) -> None:
    done = hil("run", "nominal", "--json", env={"HIL_AGENT": "/nonexistent/agent"})
    assert done.code == 3
    assert "/nonexistent/agent" in done.json["error"]
    assert done.json["run_dir"] is None
    assert list((hil.cwd / "runs").iterdir()) == []


def test_an_agent_that_is_another_program_exits_3(hil: Hil) -> None:
    done = hil("run", "nominal", "--json", env={"HIL_AGENT": "/bin/true"})
    assert done.code == 3
    assert "did not start" in done.json["error"]


def test_a_port_that_does_not_exist_exits_3(hil: Hil) -> None:
    bench_of(hil, "/dev/ttyNOPE0")
    done = hil("run", "nominal", "--scheme", "simplex", "--bench", "bench.yaml")
    assert done.code == 3
    assert "/dev/ttyNOPE0 does not exist" in done.err
    assert "try: " in done.err


def test_a_bench_with_too_few_boards_exits_2(hil: Hil) -> None:
    bench_of(hil, "/dev/ttyNOPE0")
    done = hil("run", "nominal", "--bench", "bench.yaml")
    assert done.code == 2
    assert "needs 3" in done.err


@contextmanager
def pty_pair() -> Iterator[tuple[int, str]]:
    ours, theirs = pty.openpty()
    try:
        yield ours, os.ttyname(theirs)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_port_in_use_exits_3_and_names_the_user(hil: Hil) -> None:
    with pty_pair() as (_, port), serial.Serial(port, exclusive=True):
        bench_of(hil, port)
        done = hil("run", "nominal", "--scheme", "simplex", "--bench", "bench.yaml")
    assert done.code == 3
    assert f"port {port} is in use" in done.err
    assert f"(pid {os.getpid()})" in done.err


@pytest.mark.slow
def test_a_port_with_nobody_behind_it_exits_3(hil: Hil) -> None:
    with pty_pair() as (_, port):
        bench_of(hil, port)
        hil.write("s.yaml", TINY + "timeouts: {lost_after_ms: 300, retry_ms: 100}\n")
        done = hil("run", "s.yaml", "--scheme", "simplex", "--bench", "bench.yaml")
    assert done.code == 3
    assert "does not answer" in done.err


def answer_in_version(fd: int, version: int, stop: threading.Event) -> None:
    """An agent of another release: it says HELLO in its own wire version."""
    decoder = Decoder()
    while not stop.is_set():
        if select.select([fd], [], [], 0.05)[0]:
            for frame in decoder.push(os.read(fd, 4096))[0]:
                os.write(fd, encode(frame.type | 0x80, frame.seq, b"", version=version))


def test_an_agent_of_another_wire_version_exits_3(hil: Hil) -> None:
    stop = threading.Event()
    with pty_pair() as (ours, port):
        other = threading.Thread(target=answer_in_version, args=(ours, WIRE_VERSION + 1, stop))
        other.start()
        try:
            bench_of(hil, port)
            done = hil("run", "nominal", "--scheme", "simplex", "--bench", "bench.yaml", "--json")
        finally:
            stop.set()
            other.join()
    assert done.code == 3
    assert f"wire version {WIRE_VERSION + 1}" in done.json["error"]
    assert done.json["error_kind"] == "VersionMismatch"


# --- the record cannot be written -----------------------------------------------------------------


def test_out_that_holds_a_record_is_not_overwritten(hil: Hil) -> None:
    hil.write("s.yaml", TINY)
    assert hil("run", "s.yaml", "--out", "r", "-q").code == 0
    before = (hil.cwd / "r" / "run.db").read_bytes()
    done = hil("run", "s.yaml", "--out", "r")
    assert done.code == 2
    assert "already holds the record" in done.err
    assert (hil.cwd / "r" / "run.db").read_bytes() == before


@pytest.mark.parametrize("out", ["file", "file/below", "/proc/nowhere"])
def test_out_that_cannot_be_made_exits_3(hil: Hil, out: str) -> None:
    hil.write("file", "in the way")
    hil.write("s.yaml", TINY)
    done = hil("run", "s.yaml", "--out", out, "--json")
    assert done.code == 3
    assert out in done.json["error"]


@pytest.mark.slow
def test_a_disk_that_becomes_full_exits_3_and_keeps_what_was_written(hil: Hil) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))

    done = hil(
        "run",
        "memory-storm",
        "--frames",
        200_000,
        "--boards",
        "process",
        "--out",
        "r",
        "--json",
        before=small_files,
    )
    assert done.code == 3
    assert done.json["outcome"] == "error"
    assert done.err.count("hil: ") == 1
    assert "free disk space" in done.err
    assert done.json["frames"] > 0
    assert 0 < done.json["availability"] <= 1
    again = hil("replay", "r", "--verify", "--json")
    assert again.code == 0, again.out
    assert again.json["complete"] is False
    assert again.json["frames"] == done.json["frames"]
    assert hil("verify", "r/evidence.json").code == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_stdout_that_takes_nothing_exits_3(hil: Hil) -> None:
    hil.write("s.yaml", TINY)
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        process = hil.start("run", "s.yaml", stdout=full)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "cannot write to stdout" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [("run", "s.yaml"), ("run", "s.yaml", "--json"), ("schema",)])
def test_a_reader_who_leaves_is_no_error(hil: Hil, words: tuple[str, ...]) -> None:
    hil.write("s.yaml", TINY)
    read, write = os.pipe()
    os.close(read)
    process = hil.start(*words, stdout=write)
    os.close(write)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "roken" not in err
    assert "Exception" not in err


# --- signals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_the_first_signal_ends_after_the_frame(hil: Hil, number: signal.Signals) -> None:
    words = ("--pace", "realtime", "--duration", "1h", "--boards", "inproc", "--out", "r")
    process = hil.start("run", "nominal", *words, "--json")
    wait_for_row(hil.cwd / "r" / "run.db", "SELECT count(*) FROM blocks", process)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    answer = json.loads(out)
    assert answer["outcome"] == "aborted"
    assert answer["frames"] > 0
    assert "Traceback" not in err
    assert "stopping after this frame" in err
    again = hil("replay", "r", "--verify", "--json")
    assert again.code == 0
    assert again.json["frames"] == answer["frames"]
    assert again.json["run_digest"] == answer["run_digest"]


@pytest.mark.slow
@pytest.mark.timeout(120)  # a frame takes a minute
def test_the_second_signal_ends_at_once(hil: Hil) -> None:
    hil.write("slow.yaml", TINY + "frame_ms: 60000\npace: realtime\n")
    process = hil.start("run", "slow.yaml", "--out", "r")
    wait_for_row(hil.cwd / "r" / "run.db", "SELECT count(*) FROM nodes", process)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    for line in process.stderr:
        if "stopping" in line or "interrupted" in line:
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)  # the frame would take a minute
    assert process.returncode == 130
    assert "Traceback" not in err
    assert hil("replay", "r", "--summary").code == 0


CTRL_C_WHILE_LOADING = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
            {more}
sys.meta_path.insert(0, Finder())
from hil.cli import main
main(["run", "s.yaml", "--out", "r", "--json"])
"""
WRAPPED = """
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt as error:
                raise RuntimeError("Error calling __set_name__") from error
"""
"""What Python 3.10 and 3.11 make of it where a class is made."""

LOST_CTRL_C = """
import signal, weakref
import hil.engine.loop
class Object: pass
def call(_):
    signal.raise_signal(signal.{name})
before = hil.engine.loop.Loop.{method}
def lose(self, *words):
    one = Object()
    reference = weakref.ref(one, call)
    del one
    return before(self, *words)
hil.engine.loop.Loop.{method} = lose
from hil.cli import main
main(["run", "s.yaml", "--out", "r", "--json"])
"""
"""Python raises no exception out of the callback of a weak reference."""


@pytest.mark.parametrize("method", ["_prepare", "_all_frames"])
@pytest.mark.parametrize("name", ["SIGINT", pytest.param("SIGTERM", marks=pytest.mark.slow)])
def test_ctrl_c_in_a_callback_of_python_is_not_lost(hil: Hil, method: str, name: str) -> None:
    hil.write("s.yaml", TINY + "frame_ms: 60000\npace: realtime\n")
    done = subprocess.run(
        [sys.executable, "-c", LOST_CTRL_C.format(method=method, name=name)],
        cwd=hil.cwd,
        env=clean_env(),
        text=True,
        timeout=60,
        capture_output=True,
        preexec_fn=hear_signals,
        check=False,
    )
    assert done.returncode == 130
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    assert json.loads(done.stdout)["outcome"] == "aborted"


CTRL_C_BEHIND_A_REPORT = """
import pathlib, signal
replace = pathlib.Path.replace
def interrupted(self, target):
    pathlib.Path.replace = replace
    replace(self, target)
    signal.raise_signal(signal.SIGINT)
pathlib.Path.replace = interrupted
from hil.cli import main
main(["run", "s.yaml", "--out", "r", "--json"])
"""


def test_ctrl_c_right_behind_a_report_is_no_failure_to_write_it(hil: Hil) -> None:
    """The file that was written for it is not there any more then."""
    hil.write("s.yaml", TINY)
    done = subprocess.run(
        [sys.executable, "-c", CTRL_C_BEHIND_A_REPORT],
        cwd=hil.cwd,
        env=clean_env(),
        text=True,
        timeout=60,
        capture_output=True,
        preexec_fn=hear_signals,
        check=False,
    )
    assert done.returncode == 130 and "cannot write" not in done.stderr
    assert json.loads(done.stdout)["outcome"] == "aborted"
    assert json.loads((hil.cwd / "r" / "manifest.json").read_text())["outcome"] == "aborted"


CTRL_C_AT_THE_END = """
import importlib, signal
owner = getattr(importlib.import_module({module!r}), {owner!r})
method = getattr(owner, {method!r})
def interrupted(*words):
    result = method(*words)
    setattr(owner, {method!r}, method)
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    return result
setattr(owner, {method!r}, interrupted)
from hil.cli import main
main(["run", "s.yaml", "--out", "r", "--json"])
"""


@pytest.mark.parametrize(
    ("module", "owner", "method", "ended"),
    [
        pytest.param(
            "hil.engine.loop", "Loop", "_finish", "aborted", marks=pytest.mark.slow, id="in the run"
        ),
        pytest.param(
            "hil.engine.run_recorder", "RunRecorder", "settle", "aborted", id="the end is recorded"
        ),
        pytest.param(
            "hil.rig.rig", "Rig", "close", "untested", marks=pytest.mark.slow, id="it is closed"
        ),
    ],
)
def test_a_run_that_is_ended_at_once_has_evidence_that_its_record_shows(
    hil: Hil, module: str, owner: str, method: str, ended: str
) -> None:
    """And its context as it is then: a kernel log is wanted most of a run that failed."""
    hil.write("s.yaml", TINY + "expect: none\n")
    done = subprocess.run(
        [sys.executable, "-c", CTRL_C_AT_THE_END.format(module=module, owner=owner, method=method)],
        cwd=hil.cwd,
        env=clean_env(),
        text=True,
        timeout=60,
        capture_output=True,
        preexec_fn=hear_signals,
        check=False,
    )
    assert done.returncode == 130, done.stderr
    assert json.loads((hil.cwd / "r" / "manifest.json").read_text())["outcome"] == ended
    evidence = json.loads((hil.cwd / "r" / "evidence.json").read_text())
    assert evidence["verdict"]["outcome"] == ended
    log = evidence["context"]["host_kernel_log"]
    assert log["after"] is not None or "readable" in log["unknown"]
    assert all(image["sha256"] for image in evidence["images"])
    verified = hil("verify", "r/evidence.json")
    assert verified.code == 0, verified.out


@pytest.mark.slow
def test_who_presses_ctrl_c_more_than_twice_gets_no_traceback(hil: Hil) -> None:
    """The third one comes while the end is told."""
    hil.write("s.yaml", TINY)
    code = (
        "import signal\n"
        "import hil.cli.failures as failures\n"
        "told = failures.recorded\n"
        "def recorded(folder):\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "    return told(folder)\n"
        "failures.recorded = recorded\n"
        "import hil.engine.loop\n"
        "hil.engine.loop.Loop.run = lambda self: signal.raise_signal(signal.SIGINT)\n"
        "from hil.cli import main\n"
        "main(['run', 's.yaml', '--out', 'r', '--json'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=hil.cwd,
        env=clean_env(),
        text=True,
        timeout=60,
        capture_output=True,
        preexec_fn=hear_signals,
        check=False,
    )
    assert done.returncode == 130 and "Traceback" not in done.stderr
    assert json.loads(done.stdout)["outcome"] == "aborted"


@pytest.mark.parametrize(
    ("module", "more"),
    mostly_slow(
        [
            ("typer", ""),
            ("hil.engine.loop", ""),
            ("hil.engine.loop", WRAPPED),
            ("hil.scenario.load", ""),
            ("typer.core", ""),
        ],
        keep=3,
    ),
)
@pytest.mark.parametrize("name", ["SIGINT", pytest.param("SIGTERM", marks=pytest.mark.slow)])
def test_ctrl_c_before_the_first_frame_is_told_like_any_other(
    hil: Hil, module: str, more: str, name: str
) -> None:
    hil.write("s.yaml", TINY)
    code = CTRL_C_WHILE_LOADING.format(module=module, more=more)
    if more:
        code = code.replace("            os.kill(os.getpid(), signal.SIGINT)\n", "")
    code = code.replace("SIGINT", name)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=hil.cwd,
        env=clean_env(),
        text=True,
        timeout=60,
        capture_output=True,
        preexec_fn=hear_signals,
        check=False,
    )
    assert done.returncode == 130
    assert "Traceback" not in done.stderr and "hil: interrupted" in done.stderr
    answer = json.loads(done.stdout)
    assert (answer["outcome"], answer["exit_code"]) == ("aborted", 130)
    assert not answer["frames"]
    manifest = json.loads((hil.cwd / "r" / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["outcome"], manifest["exit_code"]) == ("aborted", 130)
    assert ' errors="1"' in (hil.cwd / "r" / "junit.xml").read_text(encoding="utf-8")


@pytest.mark.slow
def test_an_interrupted_run_can_be_resumed_to_the_same_digest(hil: Hil) -> None:
    words = ("memory-storm", "--duration", "10s", "--boards", "inproc")
    whole = hil("run", *words, "--json").json
    process = hil.start("run", *words, "--pace", "5x", "--out", "r", "--json")
    wait_for_row(hil.cwd / "r" / "run.db", "SELECT count(*) FROM blocks", process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    done = hil("run", "--resume", "r", "--json")
    assert done.code == 0, done.err
    assert done.json["frames"] == whole["frames"]
    assert done.json["run_digest"] == whole["run_digest"]


# --- what is shown where --------------------------------------------------------------------------


@pytest.mark.slow
def test_without_a_terminal_there_are_no_control_codes(hil: Hil) -> None:
    for env in ({}, {"FORCE_COLOR": "1"}, {"CI": "true"}):
        done = hil("run", "memory-storm", "--frames", 200, "--boards", "inproc", env=env)
        assert not CONTROL.search(done.out + done.err)
        assert max(map(len, done.out.splitlines())) <= 90  # a run digest and its label


@pytest.mark.parametrize("env", mostly_slow([{}, {"COLUMNS": "20"}], keep=1))
def test_ascii_streams_get_ascii(hil: Hil, env: dict[str, str]) -> None:
    ascii_only = {"PYTHONIOENCODING": "ascii", **env}
    done = hil("run", "two-faults", "--frames", 240, "--boards", "inproc", env=ascii_only)
    assert done.code == 1
    assert (done.out + done.err).isascii()
    assert "x FAIL" in done.out
    assert "?" not in done.out


def on_terminal(hil: Hil, *words: object, **env: str) -> tuple[int, str]:
    """Run with a terminal of 80 columns; exit code and everything that was shown."""
    ours, theirs = pty.openpty()
    assert hil.ready is not None
    process = hil.ready.start(
        [str(word) for word in words],
        hil.cwd,
        clean_env(TERM="xterm", COLUMNS="80", **env),
        lead=True,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the last one has closed it
            break
        if not part:
            break
        shown += part
    os.close(ours)
    return process.wait(timeout=30), shown.decode()


@pytest.mark.slow
def test_a_terminal_gets_colours_and_a_moving_bar(hil: Hil) -> None:
    code, shown = on_terminal(
        hil, "run", "memory-storm", "--boards", "process", "--frames", 1500, "--no-tui"
    )
    assert code == 0
    assert COLOUR.search(shown)
    assert "frames/s" in shown
    assert "\x1b[?25h" in shown  # the cursor is given back


def test_no_color_means_none_on_a_terminal(hil: Hil) -> None:
    code, shown = on_terminal(
        hil, "run", "two-faults", "--frames", 240, "--boards", "process", "--no-tui", NO_COLOR="1"
    )
    assert code == 1
    assert not re.search(r"\x1b\[[0-9;]*(3|4)[0-9][0-9;]*m", shown)
    assert "FAIL" in shown


def test_ci_with_a_terminal_gets_plain_lines(hil: Hil) -> None:
    _, shown = on_terminal(hil, "run", "nominal", "--frames", 200, CI="1", NO_COLOR="1")
    assert "\x1b[?25" not in shown
    assert "\x1b[1A" not in shown


# --- defects --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_internal_error_is_a_line_and_a_file(hil: Hil) -> None:
    hil.write("s.yaml", TINY)
    code = (
        "import hil.engine.loop\n"
        "def broken(self): raise ZeroDivisionError('of all things')\n"
        "hil.engine.loop.Loop.run = broken\n"
        "from hil.cli import main\n"
        "main(['run', 's.yaml', '--out', 'r', '--json'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=hil.cwd,
        env=clean_env(),
        text=True,
        timeout=60,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "internal error: ZeroDivisionError: of all things; please report it" in done.stderr
    answer = json.loads(done.stdout)
    assert answer["outcome"] == "error"
    assert answer["run_dir"] == "r"
    (saved,) = (hil.cwd / "r").glob("hil-internal-error-*.txt")
    assert "Traceback" in saved.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_record_of_an_aborted_run_says_aborted(hil: Hil) -> None:
    process = hil.start("run", "nominal", "--pace", "realtime", "--duration", "1h", "--out", "r")
    wait_for_row(hil.cwd / "r" / "run.db", "SELECT count(*) FROM blocks", process)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "ABORTED" in out
    db = sqlite3.connect(hil.cwd / "r" / "run.db")
    assert db.execute("SELECT value FROM meta WHERE key='outcome'").fetchone() == ("aborted",)
    db.close()
    manifest = json.loads((hil.cwd / "r" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["outcome"] == "aborted"


ORBITING = """\
schema: 1
workload: infer
frames: 20
frame_ms: 1000
rig: {board: inproc, profile: raspberry-pi-4b}
plant:
  orbit: {epoch_utc: "2026-03-20T00:00:00Z", altitude_km: 420, inclination_deg: 51.64}
expect: {frames: 20}
"""


def test_a_run_builds_its_plant_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []

    def counted(scenario: Scenario, workload: Workload | None = None) -> BuiltPlant:
        built.append(scenario.name)
        return build_plant(scenario, workload)

    monkeypatch.setattr("hil.plant.build.build_plant", counted)
    (tmp_path / "orbiting.yaml").write_text(ORBITING)
    words = ["run", str(tmp_path / "orbiting.yaml"), "--no-tui", "--quiet"]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--out", str(tmp_path / "run")])
    assert ended.value.code == Exit.PASS
    assert built == ["orbiting"]
