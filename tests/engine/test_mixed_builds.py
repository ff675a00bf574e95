"""A rig of which one board computes with floating-point numbers of another build, by choice."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hil.board_types.agent_build import build_agent
from hil.board_types.compilers import find_compiler, native
from hil.engine.loop import Loop
from hil.errors import SetupError
from hil.kernel import workload
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.scenario import Scenario
from hil.verification.replay import verify

pytestmark = pytest.mark.slow

LAST_TICK = workload("attitude").ticks
VOTER = {"kind": "mid_value", "tolerance": 1e-12, "state": "ignore"}


@pytest.fixture(scope="module")
def other_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An agent whose compiler may reorder floating-point operations."""
    target = native()
    if target is None:
        pytest.skip("agents are not built for this computer")
    compiler = find_compiler(target)
    loose = replace(compiler, command=(*compiler.command, "-ffast-math"))
    return build_agent(target, tmp_path_factory.mktemp("agent") / "hil-agent", loose).path


@pytest.fixture
def port(other_build: Path) -> Iterator[str]:
    command = [str(other_build), "--port", "pty", "--exit-with-parent"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.kill()


def run(port: str, voter: object, out: Path) -> RunResult:
    out.mkdir()
    events: list[dict[str, Any]] = [
        {"frame": 40, "node": "a", "target": "output", "tick": LAST_TICK, "bit": 60},
        {"frame": 60, "node": "b", "target": "state", "bit": 60},
        {"frame": 80, "node": "c", "target": "state", "bit": 60},
    ]
    nodes = ["a", "b", {"name": "c", "board": "serial", "port": port}]
    scenario = Scenario.model_validate(
        {
            "workload": "attitude",
            "seed": 3,
            "frames": 120,
            "rig": {"scheme": "tmr", "voter": voter, "nodes": nodes},
            "upsets": {"events": events},
            "expect": {"sdc_frames": 0, "availability": 1, "unexplained": 0, "isolated": 0},
        }
    )
    return Loop(scenario, out).run()


def test_the_nodes_agree_within_the_tolerance_and_faults_are_outvoted(
    port: str, tmp_path: Path
) -> None:
    result = run(port, VOTER, tmp_path / "r")
    assert result.outcome == "pass"
    assert result.upsets.by_node_effect["sdc"] == 3
    assert result.upsets.by_system_outcome["corrected"] == 3
    reader = Reader(tmp_path / "r")
    differing = reader.rows("SELECT count(DISTINCT output_digest) > 1 FROM replies GROUP BY frame")
    plain = reader.rows("SELECT count(*) FROM frames WHERE verdict = 'unanimous' AND dissent = 0")
    checked = verify(reader)
    reader.close()
    assert sum(row[0] for row in differing) > 60, "the builds compute different bits"
    assert plain[0][0] > 100 and checked.ok, checked.differences


@pytest.mark.parametrize("voter", ["exact", {**VOTER, "state": "exact"}])
def test_the_exact_majority_refuses_such_a_rig(port: str, voter: object, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"node c computes frame \d+ of attitude differently"):
        run(port, voter, tmp_path / "r")
