"""The result of a run in its record: what is written is what is read, and nonsense is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hil.errors import RecordError
from hil.record.result_json import recorded_result
from hil.record.run_result import LostBoard, RunResult, UpsetEvents, UpsetTotals
from hil.run_outcome import RunOutcome
from hil.scenario import ExpectationResult

FOLDER = Path("runs/one")
RESULT = RunResult(
    outcome=RunOutcome.ERROR,
    run_dir=FOLDER,
    name="one",
    seed=2**63,
    campaign_mode="",
    accel=2.0,
    frames=90,
    skipped=10,
    verdicts={"unanimous": 89, "majority": 1},
    upsets=UpsetTotals(
        injected=1,
        verified=1,
        not_injected=2,
        events=UpsetEvents(injected=1, planned=2, missed=1),
        by_target={"state": 1},
        by_node_effect={"latent": 1},
        by_system_outcome={"corrected": 1},
        by_activation={"overwritten": 1},
    ),
    recoveries=1,
    availability=0.99,
    slips=3,
    unexplained=4,
    held_frames=5,
    commands=6,
    wall_us=7_000_000,
    expectations=(
        ExpectationResult("availability", ">= 1", 0.99, ok=False, default=True),
        ExpectationResult("plant.soc_min", ">= 0.5", None, ok=False),
    ),
    run_digest="12" * 32,
    not_reproducible="an operator steered it (6 commands)",
    plant={"soc_min": 0.25},
    metrics={"availability": 0.99, "sdc_frames": 2},
    held_back=1,
    planned_frames=100,
    lost=(LostBoard("b", 80, "no answer"),),
    not_covered=("2 wrong outputs",),
    left_out=("3 upsets of board",),
    aborted_by="",
)


def document(**changes: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(json.dumps(RESULT.as_json()))
    return {**content, **changes}


def read(content: dict[str, Any], *, paced: bool = False) -> RunResult:
    return recorded_result(content, FOLDER, RESULT.wall_us, paced=paced)


def test_a_recorded_result_is_read_as_it_was_written() -> None:
    assert read(document()) == RESULT
    assert json.dumps(read(document()).as_json()) == json.dumps(RESULT.as_json())


def test_a_run_folder_that_was_moved_is_where_it_is_now() -> None:
    assert read(document(run_dir="elsewhere")).run_dir == FOLDER


@pytest.mark.parametrize("key", sorted(set(document()) - {"outcome", "exit_code", "run_dir"}))
def test_a_result_of_an_older_hil_lacks_keys_and_goes_on_lacking_them(key: str) -> None:
    older = document()
    del older[key]
    if key == "lost_boards":  # it then has no error, either
        older = {k: v for k, v in older.items() if k not in ("error", "error_kind", "message")}
        del older["remedy"]
    found = read(older)
    if key in ("error", "error_kind", "message", "remedy"):
        assert found == RESULT
    else:
        assert found.as_json() == older


@pytest.mark.parametrize(("paced", "why"), [(True, "real time"), (False, "`us:`")])
def test_an_older_hil_did_not_say_why_a_run_is_not_reproducible(paced: bool, why: str) -> None:
    older = document(reproducible=False)
    del older["not_reproducible"]
    found = read(older, paced=paced)
    assert not found.reproducible and why in found.not_reproducible


@pytest.mark.parametrize(
    ("key", "nonsense"),
    [
        ("outcome", "excellent"),
        ("outcome", None),
        ("outcome", "running"),
        ("seed", "one"),
        ("frames", 1.5),
        ("frames", True),
        ("availability", "all"),
        ("verdicts", ["unanimous"]),
        ("verdicts", {"unanimous": "89"}),
        ("upsets", 3),
        ("upsets", {"events": []}),
        ("upsets", {"by_target": {"state": None}}),
        ("expectations", {"metric": "availability"}),
        ("expectations", [{"metric": "availability"}]),
        ("expectations", ["availability"]),
        ("lost_boards", [{"node": "b"}]),
        ("lost_boards", "b"),
        ("not_covered", [1]),
        ("left_out", "all"),
        ("metrics", {"availability": "0.99"}),
        ("plant", [1.0]),
        ("reproducible", "yes"),
        ("run_digest", 12),
    ],
)
def test_a_result_that_makes_no_sense_is_a_damaged_record(key: str, nonsense: Any) -> None:
    older = document(**{key: nonsense})
    if key == "reproducible":
        del older["not_reproducible"]
    with pytest.raises(RecordError, match="damaged"):
        read(older)
