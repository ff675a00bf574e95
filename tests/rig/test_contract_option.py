"""`pytest --hil-bench`: the contract on boards that somebody else started. Tried with three agents
on cables of ptys, whose power is a command that starts and kills them."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hil.rig.backends.process import find_agent

from .cable import cables

HERE = Path(__file__).parent
SWITCH = """#!/bin/sh
# switch.sh on|off NAME PORT
cd {folder}
[ "$1" = off ] && {{ [ -e $2.pid ] && kill -9 $(cat $2.pid); rm -f $2.pid; exit 0; }}
[ -e $2.pid ] || {{ setsid {agent} --port $3 > /dev/null 2>&1 < /dev/null & echo $! > $2.pid; }}
"""


@pytest.mark.slow
def test_the_contract_runs_on_the_boards_of_a_bench_file(tmp_path: Path) -> None:
    script = tmp_path / "switch.sh"
    agent = shlex.quote(str(find_agent()))
    script.write_text(SWITCH.format(folder=shlex.quote(str(tmp_path)), agent=agent))
    script.chmod(0o755)
    lines = ["boards:\n"]
    with cables(tmp_path, "abc") as made:
        for name, cable in zip("abc", made, strict=True):
            switch = [str(script), "{}", name, str(cable.board.path)]
            on, off = ([word.format(way) for word in switch] for way in ("on", "off"))
            subprocess.run(on, check=True)
            lines.append(
                f"- {{name: {name}, port: {cable.host.path}, "
                f"power: {{kind: command, off_s: 0, on: {on}, off: {off}}}}}\n"
            )
        bench = tmp_path / "bench.yaml"
        bench.write_text("".join(lines))
        command = [
            sys.executable,
            "-I",
            "-m",
            "pytest",
            "-n",
            "0",
            "-q",
            "--hil-bench",
            str(bench),
            "-p",
            "no:cacheprovider",
            str(HERE / "test_contract_bench.py"),
        ]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                cwd=HERE.parents[1],
                timeout=110,
                check=False,
            )
        finally:
            for file in tmp_path.glob("*.pid"):
                os.kill(int(file.read_text()), signal.SIGKILL)
    assert done.returncode == 0, done.stdout[-3000:]
    last = done.stdout.strip().splitlines()[-1]
    assert int(last.split(" passed")[0].split()[-1]) >= 43, last
    assert "skipped" not in last and "failed" not in last, last


@pytest.mark.slow
def test_without_a_bench_it_is_skipped_with_the_reason(pytestconfig: pytest.Config) -> None:
    command = [
        sys.executable,
        "-I",
        "-m",
        "pytest",
        "-n",
        "0",
        "-q",
        "-rs",
        "-p",
        "no:cacheprovider",
        str(HERE / "test_contract_bench.py"),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=HERE.parents[1], timeout=100, check=False
    )
    assert done.returncode == 0 and "no bench was given (--hil-bench FILE)" in done.stdout
    assert "passed" not in done.stdout
