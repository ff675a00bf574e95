"""A hit of a register or of the stack does the same in every run, wherever the agent runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("hits.py")


def what_they_did(out: Path, workload: str, hits: int, addresses: str) -> list[str]:
    command = [sys.executable, str(PROGRAM), str(out), workload, str(hits), addresses]
    # The length of the environment moves what the system puts on a stack.
    environment = os.environ | {"HIL_TEST_PADDING": "x" * (17 * len(out.name) + len(str(out)))}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return done.stdout.splitlines()


def check(tmp_path: Path, workload: str, hits: int, times: int, addresses: str) -> None:
    first = what_they_did(tmp_path / "0", workload, hits, addresses)
    rows = [json.loads(line) for line in first[1:]]
    assert len(rows) == hits
    injected = [row for row in rows if row["state"] == "injected"]
    assert {row["target"] for row in injected} == {"gpr", "vector", "stack"}
    assert len(injected) > hits * 2 // 3
    for time in range(1, times):
        again = what_they_did(tmp_path / ("x" * time), workload, hits, addresses)
        differ = [(a, b) for a, b in zip(first, again, strict=True) if a != b]
        assert not differ, differ[:3]


@pytest.mark.slow
@pytest.mark.parametrize("workload", ["attitude", "sha256"])
def test_1000_hits_of_registers_and_stack_repeat_in_every_run(
    tmp_path: Path, workload: str
) -> None:
    check(tmp_path, workload, hits=1000, times=3, addresses="fixed")


@pytest.mark.slow
def test_hits_repeat_where_the_system_keeps_addresses_random(tmp_path: Path) -> None:
    """The agent must be linked statically for that: CI has the library that it takes."""
    check(tmp_path, "attitude", hits=500, times=3, addresses="random")
