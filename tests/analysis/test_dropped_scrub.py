"""The story of the dropped state scrub: campaigns find the regression, runs show what it does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from hil.analysis.comparison import Comparison, compare
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import EFFECTS
from hil.record.campaign_step import class_columns
from hil.rig.own_workload import own_workload
from hil.scenario import load_scenario
from hil.upsets.words import NodeEffect

from .elevator_model import BLOCK, COPIES, step

pytestmark = [pytest.mark.ptrace, pytest.mark.slow]

STORY = "dropped-state-scrub"
FRAME = 3


def hil(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hil", *words],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def campaigns(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("story")
    for build in ("build-a", "build-b"):
        ended = hil(folder, "campaign", f"{STORY}/{build}", "--exact")
        assert ended.returncode == 0, ended.stderr
    return folder / "build-a.campaign", folder / "build-b.campaign"


@pytest.fixture(scope="module")
def comparison(campaigns: tuple[Path, Path]) -> Comparison:
    with CampaignFile(campaigns[0]) as a, CampaignFile(campaigns[1]) as b:
        return compare(a, b, 5)


def test_the_comparison_finds_the_regression(comparison: Comparison) -> None:
    state = {q.name: q for q in comparison.targets["state"]}
    assert state["sdc"].a == 0
    assert state["sdc"].b > 100_000
    assert state["latent"].factor is not None
    assert state["latent"].factor > 10
    assert comparison.verdict.startswith("B has ")
    assert "times the silent corruptions of A" in comparison.verdict
    cost = {q.name: q for q in comparison.cost}
    assert cost["instructions"].b < cost["instructions"].a  # dropping it looked like a gain
    assert cost["memory"].a == cost["memory"].b
    assert "the same number is not the same moment" in comparison.pairing.reason
    assert all(place.rank_a is None for place in comparison.bytes if place.name[:5] == "state")
    assert any(place.name.startswith("state ") for place in comparison.bytes)


# --- every fault of the state, predicted by a model in Python ---------------------------------


def steps(build: str) -> tuple[bytes, bytes]:
    """The state before the step of the campaigns, and its input; on the way the model is checked
    against the controller itself."""
    scenario = load_scenario(f"{STORY}/{build}")
    own = own_workload(scenario)
    assert own is not None
    golden = own.golden_run(scenario.seed)
    state = golden.state
    before = b""
    for frame in range(1300):
        golden.step()
        before = state if frame == FRAME else before
        state, output = step(state, golden.input, scrubs=build == "build-a")
        assert (state, output) == (golden.state, golden.output), frame
    return before, golden.input_of(FRAME)


@pytest.mark.parametrize("build", ["build-a", "build-b"])
def test_faults_of_the_state_come_to_what_a_model_says(
    campaigns: tuple[Path, Path], build: str
) -> None:
    """Each class of the state ends where the step reads it, before it has changed anything: flip
    the bit there in the model."""
    scrubs = build == "build-a"
    before, given = steps(build)
    right = step(before, given, scrubs=scrubs)
    predicted: Counter[NodeEffect] = Counter()
    with CampaignFile(campaigns[0 if scrubs else 1]) as file:
        state = next(r.number for r in file.regions() if r.target == "state")
        columns = class_columns(file)
    for at in range(len(columns.region)):
        if columns.region[at] != state:
            continue
        byte, weight = int(columns.byte[at]), int(columns.weight[at])
        for bit in range(8):
            flipped = bytearray(before)
            flipped[byte] ^= 1 << bit
            now = step(bytes(flipped), given, scrubs=scrubs)
            effect = (
                NodeEffect.SDC if now[1] != right[1]
                else NodeEffect.LATENT if now[0] != right[0]
                else NodeEffect.MASKED
            )  # fmt: skip
            assert EFFECTS[columns.effects[at, bit]] is effect, (byte, bit)
            predicted[effect] += weight
    assert len(before) == COPIES * BLOCK
    if scrubs:
        assert set(predicted) == {NodeEffect.MASKED}
    else:
        assert predicted[NodeEffect.SDC]
        assert predicted[NodeEffect.LATENT]


# --- runs -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_same_upsets_pass_one_build_and_fail_the_other(tmp_path: Path) -> None:
    """What a campaign of one step calls latent goes on: over frames, build B delivers what is
    wrong, until the end."""
    runs = {}
    for build, code in (("build-a", 0), ("build-b", 1)):
        ended = hil(tmp_path, "run", f"{STORY}/{build}", "--json", "--boards", "inproc")
        assert ended.returncode == code, ended.stderr
        runs[build] = json.loads(ended.stdout)["metrics"]
    a, b = runs["build-a"], runs["build-b"]
    assert a["upsets.injected"] == b["upsets.injected"] >= 30
    assert a["sdc_frames"] == 0
    assert b["sdc_frames"] > 500
