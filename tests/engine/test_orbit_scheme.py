"""Rigs whose scheme follows the orbit, or the errors that their nodes count."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hil.engine.loop import Loop
from hil.kernel import workload
from hil.plant.build import build_plant
from hil.record.reader import Reader
from hil.redundancy.voting import unpack_all
from hil.scenario import Scenario
from tests.between_frames import between_frames
from tests.engine.snapshots import snapshot_every_frame
from tests.engine.verified_runs import differences, run

FRAMES = 400
DWELL = "3s"
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
    scheme = {"in_anomaly": "tmr", "else": "dmr", "anomaly_flux": 200.0, "dwell": DWELL}
    rig = {"scheme": {**scheme, **data.pop("scheme", {})}, "board": board}
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
    high = [value >= 200.0 for value in flux(s)]
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


def test_third_node_stays_for_the_dwell_time_after_the_anomaly(tmp_path: Path) -> None:
    run(scenario(upsets={}, scheme={"dwell": "150s"}), tmp_path / "run")
    high = [value >= 200.0 for value in flux(scenario())]
    left = max(k for k in range(FRAMES) if high[k]) + 1
    assert left + 55 < FRAMES
    found = voters(tmp_path / "run")
    off = next(k for k in range(left, FRAMES) if found[k] == 0b011)
    assert off - left == 150 // 3 - 1, "from the last step in which the flux was high"


def test_batches_of_frames_do_not_delay_a_change(tmp_path: Path) -> None:
    """Steps of the plant of 20 frames, of which boards in this process compute many in one call."""
    plant = {"orbit": ORBIT, "radiation": {"data": "stand-in"}, "step_s": 60.0}
    s = scenario(upsets={}, plant=plant)
    digests = {run(s, tmp_path / str(batch), batch=batch).run_digest for batch in (True, False)}
    assert len(digests) == 1 and {0b011, 0b111} <= set(voters(tmp_path / "True"))


def test_storm_is_told_from_the_anomaly(tmp_path: Path) -> None:
    """A solar event reaches the orbit near the poles, where the anomaly is not."""
    orbit = {**ORBIT, "inclination_deg": 97.4, "mean_anomaly_deg": 240.0}
    event = {"onset": "1m", "return_years": 20.0, "rise_h": 0.1}
    plant = {
        "orbit": orbit,
        "radiation": {"data": "stand-in", "trapped": False, "events": [event]},
        "step_s": 3.0,
    }
    found = {}
    for key in ("in_anomaly", "in_storm"):
        scheme = {"in_anomaly": None, "storm_flux": 200.0, key: "tmr"}
        run(scenario(upsets={}, plant=plant, scheme=scheme), tmp_path / key)
        found[key] = 0b111 in voters(tmp_path / key)[LAG:]
    assert found == {"in_anomaly": False, "in_storm": True}


@pytest.mark.slow
def test_errors_that_scrubbers_count_bring_the_third_node_in(tmp_path: Path) -> None:
    """Ten flips of checkpoints within a minute of simulated time, far from anomaly and Sun."""
    events = [{"frame": k, "node": "a", "target": "checkpoint", "bit": k} for k in range(101, 111)]
    scheme = {"in_anomaly": None, "in_errors": "tmr", "errors_per_minute": 3.0, "dwell": "60s"}
    recovery = {"checkpoint_every": 1000, "scrub_words": 4096}
    data: dict[str, Any] = {
        "scheme": scheme,
        "upsets": {"events": events},
        "recovery": recovery,
    }
    result = run(scenario(**data), tmp_path / "run")
    assert result.upsets.injected == 10
    found = voters(tmp_path / "run")
    on = [k for k, mask in enumerate(found) if mask == 0b111 and k >= LAG]
    assert 104 <= on[0] <= 104 + LAG and on[-1] < 160, "and off again when they have stopped"
    assert run(scenario("process", **data), tmp_path / "p").run_digest == result.run_digest


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"plant": None, "upsets": {}}, "there is no plant"),
        ({"scheme": {"else": "tmr"}}, "no more nodes"),
        ({"scheme": {"else": "dual_execution"}}, "cannot be changed"),
        ({"scheme": {"in_anomaly": "triple_pairs"}}, "cannot be changed"),
        ({"scheme": {"in_anomaly": None}}, "no other scheme"),
        ({"rig": {"calm_scheme": "dmr"}}, "`calm_scheme` is written in `scheme:` now"),
        ({"rig": {"calm_below_flux": 9.0}}, "`calm_below_flux` is written in `scheme:` now"),
    ],
)
def test_schemes_that_cannot_follow_the_orbit_are_refused(
    data: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        scenario(**data)


def test_scenario_is_the_same_after_its_own_dump() -> None:
    s = scenario()
    again = Scenario.model_validate(s.model_dump(mode="json", by_alias=True))
    assert again == s and again.rig.follows is not None and again.rig.scheme == "tmr"
