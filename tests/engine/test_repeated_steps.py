"""Whole runs of a node that executes each step several times."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hil.engine.loop import Loop
from hil.record.event_queries import replies_of_frame
from hil.record.reader import Reader
from hil.scenario import Scenario, load_scenario
from tests.between_frames import between_frames
from tests.campaign.changed_quarter import ZERO_BYTE, changed_quarter
from tests.engine.snapshots import snapshot_every_frame
from tests.engine.verified_runs import differences, run

SCHEMES = ("dual_execution", "triple_execution")
RATES = [{"targets": ["state", "input", "output", "checkpoint"], "per_s": 15}]


WILD_STORE = """
  if (io->state[63] & 2u) ((hil_workload_io_t *)(uintptr_t)io)->input = io->state;
  if (io->input == io->state) progress->tick++;
"""


def scenario(scheme: str, board: str = "inproc", **data: Any) -> Scenario:
    rig = {"scheme": scheme, "board": board}
    base = {"workload": "attitude", "frames": 60, "rig": rig, "expect": "none"}
    return Scenario.model_validate({**base, **data})


def hit(frame: int, execution: int, target: str = "state", **more: Any) -> dict[str, Any]:
    return {"frame": frame, "node": "a", "target": target, "execution": execution, **more}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_digest_is_the_same_on_boards_of_each_kind(scheme: str, tmp_path: Path) -> None:
    results = []
    for board in ("inproc", "process"):
        out = tmp_path / board
        results.append(run(scenario(scheme, board, upsets={"rates": RATES}), out))
        assert differences(out) == []
    first, second = results
    assert first.upsets.injected > 5 and first.metrics["executions_disagreed"] > 0
    assert first.run_digest == second.run_digest
    assert first.metrics["executions"] == second.metrics["executions"]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("execution", [1, 2])
def test_upset_of_one_execution_reaches_no_other(
    scheme: str, execution: int, tmp_path: Path
) -> None:
    s = scenario(scheme, upsets={"events": [hit(20, execution, bit=77)]})
    result = run(s, tmp_path / "run")
    assert result.availability == 1 and result.upsets.verified == 1
    assert result.upsets.by_system_outcome["corrected"] == 1
    assert result.metrics["executions"] == 60 * s.rig.scheme.executions + (
        scheme == "dual_execution"
    )
    with closing(Reader(tmp_path / "run")) as reader:
        replies = replies_of_frame(reader, 20)
        states = [reply.state_digest for reply in replies]
        assert len(replies) == 3
        odd = [n for n, state in enumerate(states, 1) if states.count(state) == 1]
        assert odd == [execution]
    assert differences(tmp_path / "run") == []


def test_node_whose_last_execution_was_hit_gets_the_agreed_state_back(tmp_path: Path) -> None:
    s = scenario("triple_execution", upsets={"events": [hit(20, 3, bit=77)]})
    result = run(s, tmp_path / "run")
    assert result.availability == 1 and result.metrics["executions"] == 3 * 60 + 1
    assert result.metrics["executions_disagreed"] == 1, "the frames after it are right"
    assert differences(tmp_path / "run") == []


def test_executions_that_all_differ_deliver_nothing(tmp_path: Path) -> None:
    hits = [hit(20, execution, bit=70 + execution) for execution in (1, 2, 3)]
    result = run(scenario("triple_execution", upsets={"events": hits}), tmp_path / "run")
    assert result.metrics["unresolved"] == 1 and result.metrics["sdc_frames"] == 0
    assert result.availability == 59 / 60, "recovery brings the node back within the frame"
    assert differences(tmp_path / "run") == []


def test_permanent_fault_of_the_node_is_wrong_in_all_executions(tmp_path: Path) -> None:
    stuck = {"kind": "stuck", "value": 1}
    fault = hit(20, 1, "output", bit=6, pattern=stuck, permanent=True)
    result = run(scenario("triple_execution", upsets={"events": [fault]}), tmp_path / "run")
    assert result.metrics["sdc_frames"] > 0 and result.metrics["unresolved"] == 0
    assert result.metrics["executions_disagreed"] == 0
    assert result.upsets.by_system_outcome["sdc_escaped"] == 1
    assert differences(tmp_path / "run") == []


@pytest.mark.parametrize(("width", "effect"), [(1, "detected"), (2, "detected")])
def test_checkpoint_that_is_hit_between_two_executions_is_not_restored(
    width: int, effect: str, tmp_path: Path
) -> None:
    """SECDED corrects one bit and refuses two: then the node goes back further."""
    kind = {"kind": "adjacent", "width": 2} if width == 2 else "bit"
    fault = hit(20, 1, "checkpoint", bit=130, pattern=kind)
    result = run(scenario("dual_execution", upsets={"events": [fault]}), tmp_path / "run")
    assert result.availability == 1 and result.metrics["executions_disagreed"] == 0
    assert result.upsets.by_node_effect[effect] == 1
    assert differences(tmp_path / "run") == []


@pytest.mark.parametrize("sefi", ["crash", "hang"])
def test_worker_that_fails_in_one_execution_is_started_again_for_the_next(
    sefi: str, tmp_path: Path
) -> None:
    fault = hit(20, 2, "cpu", sefi=sefi)
    s = scenario("dual_execution", "process", upsets={"events": [fault]})
    result = run(replace_budget(s), tmp_path / "run")
    assert result.availability == 1 and result.upsets.by_node_effect[sefi] == 1
    assert result.upsets.by_system_outcome["recovered"] == 1
    assert differences(tmp_path / "run") == []


@pytest.mark.ptrace
@pytest.mark.slow
@pytest.mark.parametrize("execution", [1, 2])
def test_worker_that_lost_count_is_started_again_before_it_is_wrong_alike(
    execution: int, tmp_path: Path
) -> None:
    """A wild store changes where the worker takes its input from, and how it counts its progress,
    in every step from then on: its outputs are wrong alike, and its state is right before each."""
    data = {
        "workload": "quarter.c",
        "frames": 30,
        "rig": {"scheme": "dual_execution", "board": "process"},
        "upsets": {"events": [hit(20, execution, bit=8 * ZERO_BYTE + 1)]},
        "expect": "none",
    }
    file = changed_quarter(tmp_path, WILD_STORE)
    file.write_text(json.dumps({"schema": 1, **data}), encoding="utf-8")
    result = run(load_scenario(file), tmp_path / "run")
    assert result.upsets.verified == 1
    assert result.upsets.by_system_outcome["recovered"] == 1
    assert result.availability == 1
    assert differences(tmp_path / "run") == []


def replace_budget(s: Scenario) -> Scenario:
    return Scenario.model_validate(
        {**s.model_dump(mode="json", by_alias=True), "timeouts": {"cpu_floor_ms": 10}}
    )


@pytest.mark.parametrize("scheme", SCHEMES)
def test_resumed_run_ends_with_the_same_digest(scheme: str, tmp_path: Path) -> None:
    s = scenario(scheme, upsets={"rates": RATES})
    whole = run(s, tmp_path / "whole")
    out = tmp_path / "parts"
    out.mkdir()
    loop: Loop

    def at_frame_40() -> bool:
        return loop.next_frame >= 40

    loop = Loop(s, out, **between_frames(at_frame_40))
    snapshot_every_frame(loop)
    assert loop.run().outcome == "aborted"
    resumed = run(s, out, resume_run=True)
    assert resumed.run_digest == whole.run_digest
    assert resumed.metrics["executions"] == whole.metrics["executions"]
    assert differences(out) == []


def test_verification_finds_an_execution_that_was_changed(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run(scenario("triple_execution", upsets={"events": [hit(20, 2, bit=77)]}), out)
    with closing(sqlite3.connect(out / "run.db")) as db, db:
        changed = db.execute(
            "UPDATE replies SET (output_digest, state_digest, output) = (SELECT output_digest, "
            "state_digest, output FROM replies WHERE frame = 20 AND execution = 0) "
            "WHERE frame = 20 AND execution = 1"
        )
        assert changed.rowcount == 1
    assert any("its executions disagreed" in text for text in differences(out))


@pytest.mark.parametrize("scheme", ["tmr", "simplex"])
def test_event_in_an_execution_that_there_is_not_is_refused(scheme: str) -> None:
    with pytest.raises(ValueError, match="there is no execution 2"):
        scenario(scheme, upsets={"events": [hit(20, 2)]})
