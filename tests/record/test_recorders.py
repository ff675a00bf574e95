"""The contract of recorders: one that writes a record and one that keeps nothing tell the same."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from hil.engine.loop import Loop, RunSetup
from hil.errors import UsageError
from hil.record.null_recorder import NullRecorder
from hil.record.recorded_scenario import RecordedAlarmLimits, RecordedScenario
from hil.record.recorder_protocol import Recorder, Recorders
from hil.record.row_values import (
    RecordedNode,
    RecordedOrbit,
    RecordedPlant,
    RecordedPlantNode,
)
from hil.record.rows import upset_row
from hil.record.run_meta import RecordedCalibration, RunMeta
from hil.record.run_result import RunResult
from hil.record.schema import UPSET_COLUMN_NAMES
from hil.record.sqlite_recorder import SqliteRecorder
from hil.redundancy.recovery import NodeState, Transition
from hil.scenario import BoardAction, PatternKind, Scenario
from hil.upsets.upset import Assessment, InjectionReport, Upset, UpsetPlan
from hil.upsets.words import NodeEffect, SystemOutcome, UpsetState, UpsetTarget

KINDS: list[Recorders] = [SqliteRecorder, NullRecorder]


def scenario(**changes: Any) -> Scenario:
    return Scenario.model_validate(
        {
            "name": "recorders",
            "workload": "attitude",
            "seed": 5,
            "frames": 400,
            "frame_ms": 1,
            "rig": {"scheme": "tmr", "board": "inproc"},
            "upsets": {
                "rates": [{"targets": ["state", "output", "checkpoint"], "per_s": 60}],
                "events": [{"frame": 100, "node": "b", "target": "state"}],
            },
            **changes,
        }
    )


META = RunMeta(
    hil_version="0.1.2",
    python="3.12.1",
    system="Linux 6.1 x86_64",
    started_utc="2026-11-29T03:00:00+00:00",
    command=("run", "--seed", "5"),
    wire_version=3,
    record_version=4,
    scenario=RecordedScenario.of(scenario()),
    config_hash="5eed",
    seed=5,
    calibration=RecordedCalibration(3, 20, 30, 400, 5000, 120),
    anomaly=((-57, -51), (-54, -51)),
    board_limits={"die_c": {"a": RecordedAlarmLimits(yellow_high=80.0, red_high=90.0)}},
    left_out=("1 upset event",),
    outcome="running",
)
"""Every property that a run has when it begins."""


def run(folder: Path, recorders: Recorders, **changes: Any) -> RunResult:
    folder.mkdir()
    return Loop(scenario(**changes), folder, setup=RunSetup(recorders=recorders)).run()


def answers(recorder: Recorder) -> list[object]:
    """What a tally says of a recorded story."""
    recorder.node(RecordedNode(0, "a", "inproc"))
    recorder.node(RecordedNode(1, "b", "inproc"))
    recorder.frame(bytes(68))
    recorder.frames(bytes(2 * 68), 2)
    plan = UpsetPlan(1, "b", UpsetTarget.BOARD, BoardAction.POWER_LOSS, "event 0", 1)
    made = InjectionReport(UpsetState.INJECTED, verified=True)
    upset = Upset(plan, made, Assessment(NodeEffect.CRASH))
    recorder.upset(upset)
    upset.assessment.outcome, upset.assessment.resolved_frame = SystemOutcome.RECOVERED, 2
    recorder.upset(upset)
    failed = UpsetPlan(2, "a", UpsetTarget.AGENT, PatternKind.BIT, "rate", 2)
    recorder.upset(Upset(failed, InjectionReport(UpsetState.FAILED)))
    recorder.transition(Transition(1, "b", NodeState.VOTING, NodeState.SUSPECT, "silent"))
    who = ("ann", 1, 2)
    recorder.command(2, who, "note", "{}", ok=True, answer="noted")
    recorder.command(2, who, "inject", "{}", ok=True, answer="done")
    recorder.command(2, who, "inject", "{}", ok=False, answer="no such node")
    recorder.commit()
    tally = recorder.tally
    out = [
        tally.run_digest(),
        sorted(tally.upset_counts()),
        tally.events_injected(),
        tally.nodes_hit(["agent", "board"]),
        [tally.absent_since(node) for node in "ab"],
        [tally.hit_its_board("b", since) for since in (1, 2, 3)],
        tally.hit_its_board("a", 0),
        tally.run_meta(),
        tally.last_command(),
        [tally.commands_but(names) for names in ([], ["note"], ["inject"])],
    ]
    recorder.close()
    return out


def test_a_recorder_without_a_record_answers_as_the_one_that_writes_it(tmp_path: Path) -> None:
    told = [answers(kind.begin(tmp_path / "run.db", META)) for kind in KINDS]
    assert told[1] == told[0]
    assert told[0][2:] == [
        1,
        ["b", "a"],
        [0, 1],
        [True, True, False],
        False,
        META,
        3,
        [2, 1, 1],
    ]


def test_a_run_without_a_record_has_the_result_of_one_with_it(tmp_path: Path) -> None:
    recorded = run(tmp_path / "recorded", SqliteRecorder)
    unrecorded = run(tmp_path / "unrecorded", NullRecorder)
    assert recorded.upsets.injected > 5 and recorded.recoveries > 0
    assert unrecorded.run_digest == recorded.run_digest
    assert {**unrecorded.as_json(), "run_dir": ""} == {**recorded.as_json(), "run_dir": ""}


def test_a_run_without_a_record_opens_no_database(tmp_path: Path) -> None:
    run(tmp_path / "run", NullRecorder)
    assert (tmp_path / "run" / "manifest.json").exists()
    assert not list((tmp_path / "run").glob("run.db*"))


def test_a_run_without_a_record_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be resumed without its record"):
        NullRecorder.resume(tmp_path / "run.db", 5)


def test_the_columns_of_upsets_have_the_names_of_their_table(tmp_path: Path) -> None:
    SqliteRecorder.begin(tmp_path / "run.db", RunMeta()).close()
    with closing(sqlite3.connect(tmp_path / "run.db")) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(upsets)")]
    assert list(UPSET_COLUMN_NAMES) == columns
    assert len(
        upset_row(Upset(UpsetPlan(1, "a", UpsetTarget.STATE, PatternKind.BIT, "rate", 1)))
    ) == len(columns)


@pytest.mark.parametrize(
    ("table", "value"),
    [
        ("nodes", RecordedNode),
        ("orbit", RecordedOrbit),
        ("plant", RecordedPlant),
        ("plant_nodes", RecordedPlantNode),
    ],
)
def test_values_that_are_written_have_the_columns_of_their_table(
    table: str, value: type, tmp_path: Path
) -> None:
    SqliteRecorder.begin(tmp_path / "run.db", RunMeta()).close()
    with closing(sqlite3.connect(tmp_path / "run.db")) as db:
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    assert [field.name for field in fields(value)] == columns
