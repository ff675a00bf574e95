"""A storm: thousands of single upsets on real processes, every one accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hil.engine.loop import Loop
from hil.kernel import workload
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.scenario import WORKLOADS, Scenario
from hil.upsets.words import EFFECTS
from tests.amount import without_variants

pytestmark = pytest.mark.timeout(1800)

SOME = without_variants(WORKLOADS)
HEALING_MAX = 5  # [frame]
PATTERNS = {"bit": 0.8, "adjacent": 0.1, "zero_word": 0.05, "random_word": 0.05}
MEMORY = ["state", "input", "output", "checkpoint", "stack", "heap", "text", "gpr", "vector"]
NOISES = {"corrupt": 1, "drop": 1, "duplicate": 1, "truncate": 1}
# Damaged code or data in a worker lasts until it is restarted: that must come before an upset
# elsewhere makes two faults of one. Nobody is isolated in a storm.
PATIENT = {"resyncs": 1, "restarts": 10**6, "window_frames": 4}


def storm(name: str, scheme: str, frames: int, out: Path) -> tuple[RunResult, list[dict[str, Any]]]:
    out.mkdir()
    scenario = Scenario.model_validate(
        {
            "workload": name,
            "seed": 11,
            "frames": frames,
            "rig": {"scheme": scheme, "board": "process"},
            "recovery": PATIENT,
            "timeouts": {"lost_after_ms": 5000},
            "upsets": {
                "one_at_a_time": True,
                "rates": [
                    {"targets": MEMORY, "per_s": 6, "steps_max": 400, "patterns": PATTERNS},
                    {"targets": "link", "per_s": 0.3, "noises": NOISES},
                    {"targets": "cpu", "per_s": 0.3},
                ],
            },
        }
    )
    result = Loop(scenario, out).run()
    reader = Reader(out)
    upsets = [dict(row) for row in reader.rows("SELECT * FROM upsets ORDER BY id")]
    assert reader.run_digest() == result.run_digest
    # A worker whose damaged code counts ticks wrongly can no longer be hit where it should be: it
    # passed the budget of ticks, and so it hangs.
    most = 4 * workload(name).ticks + 64
    over = reader.rows("SELECT frame FROM replies WHERE status='done' AND ticks > ?", most)
    assert over == [], f"{name}: done with far too many ticks in {len(over)} frames"
    reader.close()
    return result, upsets


@pytest.mark.parametrize(
    ("workloads", "frames", "least"),
    [
        pytest.param(SOME, 3_000, 5_000, id="some", marks=pytest.mark.slow),
        pytest.param(WORKLOADS, 6_000, 10_000, id="all", marks=pytest.mark.stress),
    ],
)
def test_three_nodes_survive_thousands_of_single_upsets(
    tmp_path: Path, workloads: Sequence[str], frames: int, least: int
) -> None:
    total = 0
    targets: Counter[str] = Counter()
    effects: Counter[str] = Counter()
    for name in workloads:
        result, upsets = storm(name, "tmr", frames, tmp_path / name)
        assert result.frames == frames
        assert result.metrics["sdc_frames"] == 0, name
        assert result.unexplained == 0, name
        assert result.metrics["isolated"] == 0 and result.availability == 1, name
        injected = [u for u in upsets if u["state"] == "injected"]
        for u in injected:
            assert u["verified"], u
            healed = {"no_effect", "corrected", "recovered"}
            if u["frame"] >= frames - HEALING_MAX:
                healed.add("degraded")  # the run ended before it was healed
            assert u["effect"] in EFFECTS and u["outcome"] in healed, u
        # What was not injected says so: the position was never reached, or the board went first.
        missed = [u for u in upsets if u["state"] != "injected"]
        assert {u["state"] for u in missed} <= {"missed", "failed"}
        assert all(u["effect"] == u["outcome"] == "" for u in missed)
        # (Damaged code that no longer stops at ticks, but computes rightly, hides until its
        # restart.)
        assert len(missed) < 0.25 * len(upsets), name
        assert result.upsets.injected == result.upsets.verified == len(injected)
        total += len(injected)
        targets.update(u["target"] for u in injected)
        effects.update(u["effect"] for u in injected)
    assert total >= least
    assert set(targets) == {*MEMORY, "link", "cpu"} and min(targets.values()) > 100
    assert set(effects) | {"late"} == set(EFFECTS)  # whether one is late, this computer decides too


@pytest.mark.slow
def test_a_single_node_shows_what_the_others_would_have_hidden(tmp_path: Path) -> None:
    effects: Counter[str] = Counter()
    escaped = 0
    for name in SOME:
        result, upsets = storm(name, "simplex", 2_000, tmp_path / name)
        injected = [u for u in upsets if u["state"] == "injected"]
        assert len(injected) > 50, name
        assert all(u["verified"] for u in injected)
        assert result.unexplained == 0, name
        effects.update(u["effect"] for u in injected)
        escaped += int(result.metrics["sdc_frames"])
        by_outcome = Counter(u["outcome"] for u in injected)
        assert (by_outcome["sdc_escaped"] > 0) == (result.metrics["sdc_frames"] > 0), name
    assert escaped > 50
    assert effects["sdc"] > 50 and effects["crash"] > 50 and effects["hang"] > 5
