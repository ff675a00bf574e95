"""A hit of a register or of the stack does the same in every run, wherever the agent runs."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hil.engine.loop import Loop
from hil.engine.outside_influence import OutsideInfluence
from hil.errors import NodeError, TraceForbidden
from hil.rig.node import Node
from hil.scenario import Scenario

CSRC = Path(__file__).parents[2] / "csrc"
PROGRAM = Path(__file__).with_name("hits.py")


def what_they_did(out: Path, workload: str, hits: int, addresses: str) -> list[str]:
    command = [sys.executable, str(PROGRAM), str(out), workload, str(hits), addresses]
    # The length of the environment moves what the system puts on a stack.
    environment = os.environ | {"HIL_TEST_PADDING": "x" * (17 * len(out.name) + len(str(out)))}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return done.stdout.splitlines()


def check(tmp_path: Path, workload: str, hits: int, times: int, addresses: str) -> None:
    first = what_they_did(tmp_path / "0", workload, hits, addresses)
    assert json.loads(first[0])["why"] == ""
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
def test_hundreds_of_hits_of_registers_and_stack_repeat_in_every_run(
    tmp_path: Path, workload: str
) -> None:
    check(tmp_path, workload, hits=400, times=3, addresses="fixed")


@pytest.mark.slow
def test_hits_repeat_where_the_system_keeps_addresses_random(tmp_path: Path) -> None:
    """The agent must be linked statically for that: CI has the library that it takes."""
    check(tmp_path, "attitude", hits=500, times=3, addresses="random")


@pytest.fixture(scope="module")
def dynamic_agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The product's agent as it is built where there is no static C library."""
    return built_agent(tmp_path_factory.mktemp("agents") / "dynamic-agent", "now")


def built_agent(made: Path, binding: str) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler here, to build an agent with")
    layers = [CSRC / layer for layer in ("kernel", "wire", "agent", "port/linux")]
    folders = (*layers, CSRC / "kernel/workloads")
    sources = [source for folder in folders for source in sorted(folder.glob("*.c"))]
    subprocess.run(
        [
            compiler,
            "-std=c11",
            "-O2",
            "-ffp-contract=off",
            "-fno-tree-slp-vectorize",
            "-fPIE",
            "-pie",
            f"-Wl,-z,{binding}",
            "-D_GNU_SOURCE",
            "-D_FILE_OFFSET_BITS=64",
            *(f"-I{layer}" for layer in layers),
            "-o",
            made,
            *sources,
        ],
        check=True,
    )
    return made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("addresses", "why"),
    [
        ("fixed", ""),
        (
            "random",
            "registers, stack or machine code of node a were hit, and the addresses of its agent "
            "are random (`hil doctor`: *addresses*)",
        ),
    ],
)
def test_hits_where_addresses_are_random_are_not_called_reproducible(
    tmp_path: Path,
    dynamic_agent: Path,
    monkeypatch: pytest.MonkeyPatch,
    addresses: str,
    why: str,
) -> None:
    monkeypatch.setenv("HIL_AGENT", str(dynamic_agent))
    told = json.loads(what_they_did(tmp_path / "run", "attitude", 20, addresses)[0])
    assert told["why"] == why


@pytest.mark.slow
def test_a_worker_that_crashes_at_its_start_is_not_said_to_be_forbidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One whose functions are bound when they are called: a worker cannot note where they are."""
    monkeypatch.setenv("HIL_AGENT", str(built_agent(tmp_path / "lazy-agent", "lazy")))
    scenario = Scenario.model_validate({"workload": "attitude", "frames": 3})
    with pytest.raises(NodeError, match=f"errno {errno.EFAULT}") as failed:
        Loop(scenario, tmp_path).run()
    assert not isinstance(failed.value, TraceForbidden)


@pytest.mark.parametrize(
    ("board", "target", "why"),
    [
        ("inproc", "agent", ""),
        ("process", "state", ""),
        (
            "process",
            "agent",
            "the memory of node b's agent was hit, which holds times that it measured",
        ),
    ],
)
def test_hits_of_what_an_agent_has_measured_are_not_called_reproducible(
    tmp_path: Path, board: str, target: str, why: str
) -> None:
    scenario = Scenario.model_validate(
        {
            "workload": "attitude",
            "frames": 30,
            "rig": {"scheme": "tmr", "board": board},
            "upsets": {"events": [{"frame": 10, "node": "b", "target": target, "bit": 0}]},
        }
    )
    assert Loop(scenario, tmp_path).run().not_reproducible == why


class FarBoard:
    """A board of which this computer does not see more than its answers."""


@pytest.mark.parametrize("fixed", [None, False])
def test_addresses_that_nobody_knows_stay_unknown_in_a_run_that_goes_on(
    fixed: bool | None,
) -> None:
    board = FarBoard()
    if fixed is not None:
        board.fixed_addresses = fixed  # type: ignore[attr-defined]
    before = OutsideInfluence([Node("a", 0, board)], virtual=False)  # type: ignore[arg-type]
    assert before.addresses([]) == ""
    told = before.addresses(["a"])
    assert ("not known" in told) == (fixed is None) and told
    now = FarBoard()
    now.fixed_addresses = True  # type: ignore[attr-defined]
    after = OutsideInfluence([Node("a", 0, now)], virtual=False)  # type: ignore[arg-type]
    after.restore(before.snapshot())
    assert after.addresses(["a"]) == told
