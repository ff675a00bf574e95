"""The bytes that leave the system are those that were voted on, whatever an agent says of them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hil.engine.loop import Loop
from hil.record.reader import Reader
from hil.rig.backends.process import ProcessBoard
from hil.scenario import Scenario
from tests.amount import mostly_slow

ROOT = Path(__file__).resolve().parents[2]
LIES_IN = range(107, 400, 10)


@pytest.fixture(scope="module")
def lying_agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The product's agent, but that it changes a bit of its output after it has digested it."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler here, to build the lying agent with")
    csrc = ROOT / "csrc"
    layers = ("kernel", "wire", "agent", "port/linux")
    sources = [
        source
        for folder in (*layers, "kernel/workloads")
        for source in sorted((csrc / folder).glob("*.c"))
    ]
    made = tmp_path_factory.mktemp("agents") / "lying-agent"
    subprocess.run(
        [
            compiler,
            "-std=c11",
            "-O2",
            "-ffp-contract=off",
            "-fno-tree-slp-vectorize",
            "-D_GNU_SOURCE",
            "-D_FILE_OFFSET_BITS=64",
            *(f"-I{csrc / layer}" for layer in layers),
            "-no-pie",
            "-Wl,-z,now,--wrap=hil_reply_pack",
            "-o",
            made,
            ROOT / "tests/rig/agents/lying.c",
            *sources,
        ],
        check=True,
    )
    return made


def lying(node: int, scheme: str, agent: Path, out: Path) -> Loop:
    scenario = Scenario.model_validate(
        {
            "workload": "matmul",
            "frames": 400,
            "rig": {"scheme": scheme, "board": "process"},
            "expect": {"sdc_escaped": 0},
        }
    )
    out.mkdir()
    loop = Loop(scenario, out)
    loop.controls.rig.nodes[node].board = ProcessBoard(loop.controls.rig.nodes[node].name, agent)
    return loop


@pytest.mark.parametrize("node", mostly_slow([0, 1, 2], keep=1))
@pytest.mark.slow
def test_an_agent_that_lies_after_digesting_is_outvoted_in_the_same_frame(
    node: int, lying_agent: Path, tmp_path: Path
) -> None:
    result = lying(node, "tmr", lying_agent, tmp_path / "run").run()
    assert result.metrics["sdc_frames"] == 0
    assert result.availability == 1.0
    reader = Reader(tmp_path / "run")
    try:
        dissents = [v.frame for v in reader.verdicts() if v.dissent]
        assert all(v.dissent == 1 << node for v in reader.verdicts() if v.dissent)
    finally:
        reader.close()
    assert dissents == list(LIES_IN)


@pytest.mark.slow
def test_a_pair_with_a_liar_delivers_no_wrong_output(lying_agent: Path, tmp_path: Path) -> None:
    result = lying(0, "dmr", lying_agent, tmp_path / "run").run()
    assert result.metrics["sdc_frames"] == 0
    assert result.metrics["unresolved"] == len(LIES_IN)  # it lies again when it computes again
