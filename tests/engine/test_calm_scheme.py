"""A rig whose third node is on only where the flux of protons is high."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hil.engine.loop import Loop
from hil.kernel import workload
from hil.plant.build import build_plant
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.redundancy.voting import unpack_all
from hil.scenario import Scenario
from hil.verification.replay import verify
from tests.between_frames import between_frames
from tests.engine.snapshots import snapshot_every_frame

FRAMES = 400
LAG = 5
"""Frames from the order to switch a node on until it votes: boot, and three that agree."""
ORBIT = {
    "epoch_utc": "2026-03-20T00:00:00Z",
    "altitude_km": 500.0,
    "inclination_deg": 51.64,
    "mean_anomaly_deg": 175.0,
    "raan_deg": 305.0,
}


def scenario(board: str = "inproc", **data: Any) -> Scenario:
    rig = {"scheme": "tmr", "calm_scheme": "dmr", "calm_below_flux": 200.0, "board": board}
    base: dict[str, Any] = {
        "workload": "attitude",
        "frames": FRAMES,
        "frame_ms": 3000,
        "rig": {**rig, **data.pop("rig", {})},
        "plant": {"orbit": ORBIT, "radiation": {"data": "stand-in"}, "step_s": 3.0},
        "upsets": {"accel": 100, "orbit": {"voted_accel": 1.0e8}},
        "expect": "none",
    }
    return Scenario.model_validate({**base, **data})


def run(s: Scenario, out: Path, **how: Any) -> RunResult:
    out.mkdir(exist_ok=True)
    return Loop(s, out, **how).run()


def differences(out: Path) -> list[str]:
    with closing(Reader(out)) as reader:
        return [str(difference) for difference in verify(reader).differences]


def voters(out: Path) -> list[int]:
    with closing(Reader(out)) as reader:
        return [v.voters for *_, data in reader.blocks() for v in unpack_all(data, 3)]


def flux(s: Scenario) -> list[float]:
    """The flux in each frame, from a plant of its own."""
    sky = build_plant(s, workload("attitude")).sky
    values: list[float] = []
    while len(values) < FRAMES:
        block = sky.block_of(len(values))
        values += [float(value) for value in block.flux_per_cm2_s]
    return values[:FRAMES]


def test_third_node_votes_where_the_flux_is_high_and_is_off_elsewhere(tmp_path: Path) -> None:
    s = scenario(upsets={})
    result = run(s, tmp_path / "run")
    high = [value >= s.rig.calm_below_flux for value in flux(s)]
    assert 20 < sum(high) < FRAMES - 20, "the orbit has both"
    found = voters(tmp_path / "run")
    for k in range(LAG, FRAMES):
        wanted = set(high[k - LAG : k + 1])
        if len(wanted) == 1:
            assert found[k] == (0b111 if wanted.pop() else 0b011), k
    assert result.availability == 1 and result.metrics["outages"] == 0
    assert differences(tmp_path / "run") == []


@pytest.mark.slow
def test_digest_is_the_same_on_boards_of_each_kind_and_when_resumed(tmp_path: Path) -> None:
    results = [run(scenario(board), tmp_path / board) for board in ("inproc", "process")]
    assert results[0].upsets.injected > 0 and results[0].run_digest == results[1].run_digest
    out = tmp_path / "parts"
    out.mkdir()
    loop = Loop(scenario(), out, **between_frames(lambda: loop.next_frame >= 250))
    snapshot_every_frame(loop)
    assert loop.run().outcome == "aborted"
    assert run(scenario(), out, resume_run=True).run_digest == results[0].run_digest
    assert differences(out) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"plant": None, "upsets": {}}, "there is no plant"),
        ({"rig": {"calm_scheme": "tmr"}}, "no fewer nodes"),
        ({"rig": {"calm_scheme": "dual_execution"}}, "cannot be changed"),
        ({"rig": {"scheme": "triple_pairs"}}, "cannot be changed"),
    ],
)
def test_schemes_that_cannot_follow_the_orbit_are_refused(
    data: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        scenario(**data)
