"""`hil control`: the installed command, beside a run of the installed `hil run --control`."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import HIL, Hil, clean_env, wait_for_row

ENDLESS = ("--pace", "realtime", "--duration", "1h", "--boards", "inproc", "--out", "r")


@pytest.fixture
def going(hil: Hil) -> Iterator[subprocess.Popen[str]]:
    process = hil.start("run", "nominal", *ENDLESS, "--control", "--json")
    wait_for_row(hil.cwd / "r" / "run.db", "SELECT count(*) FROM blocks", process)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_a_run_is_commanded_and_ended(hil: Hil, going: subprocess.Popen[str]) -> None:
    status = hil("control", "r", "status", "--json")
    assert status.code == 0 and status.json["data"]["nodes"]["a"]["state"] == "voting"
    assert hil("control", "r", "isolate", "b").out.startswith("node b is isolated")
    again = hil("control", "r", "isolate", "b")
    assert (again.code, again.out) == (1, "") and "already" in again.err
    assert hil("control", "r", "reintegrate", "node=b", "--json").json["ok"]
    hit = hil(
        "control",
        "r",
        "inject",
        "node=a",
        "target=output",
        "pattern.kind=adjacent",
        "pattern.width=3",
        "bit=1",
        "--yes",
        "--json",
    )
    assert hit.json["data"] == {"upset": 1}
    assert hil("control", "r", "pause").code == 0
    assert hil("control", "r", "note", "all is quiet").code == 0
    assert hil("control", "r", "end").code == 0
    out, err = going.communicate(timeout=30)
    told = json.loads(out)
    assert going.returncode == 130 and "Traceback" not in err
    assert told["outcome"] == "aborted" and told["aborted_by"] and told["commands"] == 6
    assert told["reproducible"] is False and "operator" in told["not_reproducible"]
    assert told["upsets"]["injected"] == 1
    assert hil("replay", "r", "--verify", "--json").code == 0
    summary = hil("replay", "r", "--summary")
    assert "an operator steered it" in summary.out
    late = hil("control", "r", "pause", "--json")
    assert late.code == 2 and "has ended" in late.json["error"]


def test_ctrl_c_is_heard_in_a_pause(hil: Hil, going: subprocess.Popen[str]) -> None:
    assert hil("control", "r", "pause").code == 0
    going.send_signal(signal.SIGINT)
    out, _ = going.communicate(timeout=30)
    assert going.returncode == 130 and json.loads(out)["aborted_by"] == "the user"
    assert not (hil.cwd / "r" / "control.sock").exists()


@pytest.mark.slow
def test_a_killed_run_is_resumed_with_a_fresh_socket(
    hil: Hil, going: subprocess.Popen[str]
) -> None:
    going.kill()
    going.communicate()
    gone = hil("control", "r", "status")
    assert gone.code == 3 and "--resume" in gone.err
    again = hil.start("run", "--resume", "r", "--control", "--json")
    wait_for_row(hil.cwd / "r" / "run.db", "SELECT count(*) FROM notes WHERE text='resumed'", again)
    assert hil("control", "r", "end").code == 0
    again.communicate(timeout=30)
    assert again.returncode == 130


def test_without_control_there_is_no_socket_and_a_command_is_refused(hil: Hil) -> None:
    process = hil.start("run", "nominal", *ENDLESS)
    try:
        wait_for_row(hil.cwd / "r" / "run.db", "SELECT count(*) FROM blocks", process)
        assert not (hil.cwd / "r" / "control.sock").exists()
        refused = hil("control", "r", "pause")
        assert refused.code == 2 and "start the run with --control" in refused.err
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("puase",), "did you mean `pause`?"),
        (("pause", "now"), "does not know what to do with `now`"),
        (("reset",), "needs `node`"),
        (("reset", "a", "b"), "what to do with `b`"),
        (("reset", "a", "node=b"), "given twice"),
        (("cut_power", "a", "returns_after_frames=soon"), "whole number"),
        (("reset", "a"), "no run folder"),
    ],
)
def test_a_wrong_command_exits_2_and_helps(hil: Hil, words: tuple[str, ...], says: str) -> None:
    done = hil("control", "nowhere", *words, "--json")
    assert done.code == 2 and says in done.json["error"]


def test_help_lists_every_command_with_an_example(hil: Hil) -> None:
    text = hil("control", "--help", env={"COLUMNS": "120"}).out
    for example in ("inject node=b target=state bit=7", "pace 10x", "power_on b", "end"):
        assert f"hil control RUN {example}" in text


def on_a_terminal(cwd: Path, typed: str, *words: str) -> tuple[int, str]:
    """`hil` with a keyboard; its exit code, and what it wrote there."""
    host, terminal = pty.openpty()
    try:
        process = subprocess.Popen(
            [HIL, *words],
            cwd=cwd,
            env=clean_env(),
            text=True,
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        os.write(host, typed.encode())
        out, err = process.communicate(timeout=60)
        return process.returncode, out + err
    finally:
        os.close(host)
        os.close(terminal)


@pytest.mark.slow
def test_what_disturbs_the_run_is_asked_for_again_on_a_terminal(
    hil: Hil, going: subprocess.Popen[str]
) -> None:
    def state() -> Any:
        return hil("control", "r", "status", "--json").json["data"]["nodes"]["b"]["state"]

    code, said = on_a_terminal(hil.cwd, "n\n", "control", "r", "isolate", "b")
    assert code == 130 and "isolate b: sure?" in said and state() == "voting"
    code, said = on_a_terminal(hil.cwd, "y\n", "control", "r", "isolate", "b")
    assert code == 0 and state() == "isolated"
    code, said = on_a_terminal(hil.cwd, "", "control", "r", "reintegrate", "b")
    assert code == 0 and "sure" not in said
    assert going.poll() is None
