"""The interval between checkpoints by Young and Daly, and the words that are scrubbed per frame."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from hil.doctor.files import check
from hil.engine.loop import Loop
from hil.engine.parts import assemble
from hil.scenario import Scenario

COST_S, PER_S, FRAME_S = 0.04, 0.02, 0.01
ONE_WAY = {"targets": ["state"], "per_s": PER_S}


def scenario(recovery: dict[str, Any], **data: Any) -> Scenario:
    base = {"workload": "attitude", "frames": 20, "rig": {"scheme": "dmr", "board": "inproc"}}
    upsets = {"rates": [ONE_WAY], "accel": 5.0}
    return Scenario.model_validate(
        {**base, "upsets": upsets, "recovery": recovery, "expect": "none", **data}
    )


def test_young_is_the_root_of_twice_the_cost_times_the_mean_time() -> None:
    """Two nodes, 0.02 upsets a second each, accelerated 5 times: one in 5 s."""
    s = scenario({"checkpoint_every": "young", "checkpoint_cost": "40ms"})
    assert s.upsets_per_s == pytest.approx(0.2)
    assert s.checkpoint_every == round(math.sqrt(2 * COST_S * 5.0) / FRAME_S) == 63


def test_daly_is_the_optimum_of_the_exact_time_of_a_run() -> None:
    """Minimised by search: M exp(R/M) (exp((T + cost)/M) - 1)/T has no closed optimum."""
    s = scenario(
        {
            "checkpoint_every": "daly",
            "checkpoint_cost": "400ms",
            "mean_time_between_upsets": "5s",
        }
    )
    times = {k: math.expm1((k * FRAME_S + 0.4) / 5.0) / (k * FRAME_S) for k in range(1, 2000)}
    best = min(times, key=lambda k: times[k])
    assert abs(s.checkpoint_every - best) <= 2
    assert abs(round(math.sqrt(2 * 0.4 * 5.0) / FRAME_S) - best) > 10, "where Young is farther off"


def test_no_rule_is_named_where_each_frame_has_a_checkpoint(tmp_path: Path) -> None:
    every = {"checkpoint_every": "young", "checkpoint_cost": "40ms"}
    s = scenario(every, rig={"scheme": "dual_execution", "board": "inproc"})
    path = tmp_path / "dual.yaml"
    path.write_text(json.dumps(s.model_dump(mode="json", by_alias=True, exclude_unset=True)))
    assert "checkpoint" not in check(str(path)).summary


def test_chosen_interval_is_printed_by_check_and_stands_in_the_manifest(tmp_path: Path) -> None:
    s = scenario({"checkpoint_every": "young", "checkpoint_cost": "40ms"})
    path = tmp_path / "young.yaml"
    path.write_text(json.dumps(s.model_dump(mode="json", by_alias=True, exclude_unset=True)))
    assert "a checkpoint every 63 frames, by Young" in check(str(path)).summary
    out = tmp_path / "run"
    out.mkdir()
    Loop(s, out).run()
    assert json.loads((out / "manifest.json").read_text())["checkpoint_every_frames"] == 63


@pytest.mark.parametrize(
    ("recovery", "message"),
    [
        ({"checkpoint_every": "young"}, "how long a checkpoint takes"),
        ({"checkpoint_cost": "40ms"}, "`checkpoint_every: 16` does not follow"),
        ({"checkpoint_every": "jung"}, "not a valid interval"),
        ({"checkpoint_every": "daly", "checkpoint_cost": "40"}, "not a duration"),
    ],
)
def test_rule_without_its_numbers_is_refused(recovery: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scenario(recovery)


def test_rule_without_a_rate_of_upsets_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the rate of upsets"):
        scenario({"checkpoint_every": "young", "checkpoint_cost": "1ms"}, upsets={})


@pytest.mark.parametrize(("every", "words"), [(1, 8), (3, 3), (8, 1), (400, 1)])
def test_checkpoint_is_scrubbed_once_in_the_stated_frames(every: int, words: int) -> None:
    """The state of `attitude` has 64 bytes: 8 words."""
    parts = assemble(scenario({"scrub_every": every}))
    assert parts.rig.setup.scrub_words == words
    assert words * every >= 8 > (words - 1) * every
