"""A bench that somebody else uses: who it is, and waiting for it."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.rig.backends.process import find_agent
from hil.rig.reservation import BenchReservation, uses_of, uses_of_power
from hil.scenario import load_bench
from tests.command_line import Hil
from tests.rig.supplies.running import running_supply

from .test_screen import Terminal

ALTERNATE_SCREEN = "\x1b[?1049h"
TINY = "workload: sha256\nframes: 20\nrig: {scheme: simplex}\n"


@pytest.fixture
def bench(hil: Hil) -> Iterator[Path]:
    """A bench of one agent."""
    words = [str(find_agent()), "--port", "pty", "--exit-with-parent"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as agent:
        assert agent.stdout is not None
        port = agent.stdout.readline().decode().split()[1]
        hil.write("s.yaml", TINY)
        yield hil.write("bench.yaml", f"schema: 1\nboards: [{{name: left, port: {port}}}]\n")
        agent.kill()


def reserved(bench: Path) -> BenchReservation:
    held = BenchReservation(
        [use for board in load_bench(bench).boards for use in uses_of(board)], "/home/ann/runs/one"
    )
    held.acquire()
    return held


def test_a_run_on_a_bench_in_use_exits_3_and_names_the_owner(hil: Hil, bench: Path) -> None:
    with reserved(bench):
        done = hil("run", "s.yaml", "--bench", bench)
        assert done.code == 3
        assert "of left is in use by" in done.err and "run /home/ann/runs/one" in done.err
        done = hil("run", "s.yaml", "--bench", bench, "--wait-bench", "100ms")
        assert done.code == 3 and "still after 0.1 s" in done.err
        done = hil("bench", "test", bench)
        assert done.code == 3 and "run /home/ann/runs/one" in done.err
    assert hil("run", "s.yaml", "--bench", bench).code == 0


@pytest.mark.slow
def test_a_run_waits_for_the_bench_and_says_for_whom(hil: Hil, bench: Path) -> None:
    held = reserved(bench)
    run = hil.start("run", "s.yaml", "--bench", bench, "--wait-bench", "10m")
    with run:
        assert run.stderr is not None
        seen = ""
        for line in run.stderr:
            seen = line
            if "waiting for it" in line:
                break
        assert "is in use by" in seen and "run /home/ann/runs/one" in seen
        held.release()
        out, err = run.communicate(timeout=100)
    assert run.returncode == 0, out + err


@pytest.mark.slow
def test_a_run_with_a_screen_waits_before_the_screen_appears(hil: Hil, bench: Path) -> None:
    held = reserved(bench)
    terminal = Terminal(hil, "run", "s.yaml", "--bench", str(bench), "--wait-bench", "10m")
    try:
        terminal.wait_for("waiting for it", 100)
        assert "run /home/ann/runs/one" in " ".join(terminal.shown.split())
        assert ALTERNATE_SCREEN not in terminal.shown
        held.release()
        terminal.wait_for(ALTERNATE_SCREEN, 100)
        terminal.wait_for("PASS", 100)
        terminal.keys("q")
        assert terminal.end() == 0
    finally:
        terminal.close()


@pytest.mark.slow
def test_ctrl_c_ends_the_waiting(hil: Hil, bench: Path) -> None:
    with reserved(bench):
        run = hil.start("run", "s.yaml", "--bench", bench, "--wait-bench", "10m")
        with run:
            assert run.stderr is not None
            assert any("waiting for it" in line for line in run.stderr)
            run.send_signal(signal.SIGINT)
            run.communicate(timeout=100)
    assert run.returncode == 130


def test_what_a_run_has_reserved_is_not_switched_by_hand_unless_forced(
    hil: Hil, tmp_path: Path
) -> None:
    pytest.importorskip("pyvisa_py", reason="pyvisa-py is not installed")
    with running_supply(tmp_path) as supply:
        scpi = f'kind: scpi, resource: "{supply.resource}", off_s: 0.01, timeout_s: 2'
        bench = hil.write(
            "bench.yaml",
            "schema: 1\nboards:\n"
            f"  - {{name: left, port: /dev/tty-left, power: {{{scpi}, channel: 1}}}}\n"
            f"  - {{name: right, port: /dev/tty-right, power: {{{scpi}, channel: 2}}}}\n",
        )
        left = load_bench(bench).boards[0]
        with BenchReservation(uses_of_power(left), "/home/ann/runs/one") as held:
            held.acquire()
            for action in ("on", "off", "cycle"):
                done = hil("power", action, "left", "--bench", bench)
                assert done.code == 3 and "run /home/ann/runs/one" in done.err
                assert "--force" in done.err
            assert supply.reached(1) == []
            read = hil("power", "read", "left", "--bench", bench, "--json")
            assert read.code == 0 and json.loads(read.out)["ok"]
            assert hil("power", "off", "right", "--bench", bench).code == 0
            assert hil("power", "off", "left", "--bench", bench, "--force").code == 0
            assert [words[2] for words in supply.reached(1, "OUTP")] == ["OFF"]


@pytest.mark.parametrize("option", ["--wait-bench", "--wait-boards"])
def test_a_wait_that_is_not_a_time_is_refused(hil: Hil, option: str) -> None:
    done = hil("run", "nominal", option, "soon")
    assert done.code == 2 and option in done.err
