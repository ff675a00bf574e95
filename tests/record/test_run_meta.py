"""What a record says of its whole run, also one of another version, or a damaged one."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hil.errors import RecordError
from hil.record.reader import Reader
from hil.record.recorded_scenario import RecordedAlarmLimits, RecordedScenario
from hil.record.run_meta import RecordedCalibration, RunMeta
from hil.record.snapshot_rows import last_ids_in, with_last_ids
from hil.record.sqlite_recorder import SqliteRecorder
from hil.scenario.words import Unvoted

FOREIGN = {
    "schema": 99,
    "name": "later",
    "summary": "from a newer hil",
    "workload": "attitude",
    "frame_ms": 20.0,
    "frames": 500,
    "pace": "60x",
    "novelty": {"nobody": "knows"},
    "rig": {"scheme": "tmr", "unvoted_output": None, "unvoted_frames": 12},
    "upsets": {"accel": 20.0, "one_at_a_time": True},
    "plant": {"radiation": {"events": ["october-1989"]}},
    "alarms": {"soc": {"yellow_low": 0.6, "persistence": 5, "eclipse": {"yellow_low": 0.45}}},
}


def test_a_scenario_that_this_hil_would_refuse_is_readable() -> None:
    text = json.dumps(FOREIGN)
    assert RecordedScenario.parse(text) == RecordedScenario(
        text,
        "later",
        "from a newer hil",
        "attitude",
        None,
        "tmr",
        "60x",
        20.0,
        20_000,
        500,
        unvoted_output="",
        unvoted_frames=12,
        one_at_a_time=True,
        solar_events=True,
        alarms={
            "soc": RecordedAlarmLimits(
                yellow_low=0.6, persistence=5, eclipse=RecordedAlarmLimits(yellow_low=0.45)
            )
        },
    )
    with pytest.raises(ValueError, match="novelty"):
        RecordedScenario.parse(text).validated()


@pytest.mark.parametrize(
    "content",
    [
        None,
        7,
        [],
        {"rig": 7, "upsets": "none", "plant": [], "alarms": 3},
        {"name": None, "frame_ms": "long", "frames": "many", "upsets": {"accel": "x"}},
        {"frame_ms": 0, "alarms": {"soc": 3}, "plant": {"radiation": None}},
        {"frame_ms": -1e999, "rig": {"scheme": [], "unvoted_frames": "few"}},
    ],
)
def test_a_fact_of_a_scenario_that_makes_no_sense_has_its_default(content: object) -> None:
    text = json.dumps(content)
    assert RecordedScenario.parse(text) == RecordedScenario(text)


def test_a_former_word_of_a_record_is_read_as_the_present_one() -> None:
    text = '{"schema": 1, "workload": "sha256", "frames": 9, "rig": {"unvoted_output": "degraded"}}'
    scenario = RecordedScenario.parse(text)
    assert (scenario.unvoted_output, scenario.text) == ("last_node", text)
    assert scenario.validated().rig.unvoted is Unvoted.LAST_NODE


def test_former_keys_of_a_rig_are_read_as_the_present_ones() -> None:
    orbit = '{"epoch_utc": "2026-01-01T00:00:00", "inclination_deg": 51.6, "altitude_km": 420}'
    text = f'{{"schema": 1, "workload": "sha256", "frames": 9, "plant": {{"orbit": {orbit}}},'
    text += """
        "rig": {"scheme": "tmr", "calm_scheme": %s, "calm_below_flux": 7.0}}"""
    assert RecordedScenario.parse(text % "null").validated().rig.follows is None
    follows = RecordedScenario.parse(text % '"dmr"').validated().rig.follows
    assert follows is not None
    assert follows.text == "tmr in anomaly, tmr in storm, else dmr"
    assert follows.anomaly_flux == follows.storm_flux == 7.0


def test_a_scenario_without_a_rule_of_unvoted_output_is_older_than_the_rule() -> None:
    assert RecordedScenario.parse('{"rig": {"scheme": "dmr"}}').unvoted_output is None


@pytest.mark.parametrize("damage", ["", "{", "[1", "7", '"text"', "null"])
def test_damaged_properties_are_left_out(damage: str) -> None:
    keys = ("scenario", "calibration", "anomaly", "board_limits", "left_out", "command", "result")
    meta = RunMeta.parse({**dict.fromkeys(keys, damage), "seed": "x", "outcome": "pass"})
    assert meta == RunMeta(scenario=RecordedScenario(damage), outcome="pass")


def test_a_calibration_of_the_first_records_is_read() -> None:
    told = {"frames": 32, "cpu_us_median": 7, "cpu_us_worst": 9, "budget_cpu_us": 5000}
    meta = RunMeta.parse({"calibration": json.dumps(told)})
    assert meta.calibration == RecordedCalibration(32, 7, 9, 0, 5000, 0)


def test_a_reader_says_that_a_scenario_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    SqliteRecorder.begin(path, RunMeta(scenario=RecordedScenario.parse("{"))).close()
    with closing(Reader(path)) as reader:
        assert reader.run_meta.scenario == RecordedScenario("{")
        with pytest.raises(RecordError, match="`scenario` cannot be read"):
            _ = reader.scenario


def test_the_rows_of_meta_hold_texts_as_they_are_and_others_as_json(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    limits = {"die_c": {"a": RecordedAlarmLimits(yellow_high=80.0, red_high=90.5)}}
    meta = RunMeta(
        hil_version="0.1.2",
        command=("run", "x"),
        seed=5,
        anomaly=((-57, -51),),
        board_limits=limits,
        left_out=(),
        outcome="running",
    )
    SqliteRecorder.begin(path, meta).close()
    with closing(sqlite3.connect(path)) as db:
        rows = dict(db.execute("SELECT key, value FROM meta").fetchall())
    assert rows == {
        "hil_version": "0.1.2",
        "command": '["run", "x"]',
        "seed": "5",
        "anomaly": "[[-57, -51]]",
        "board_limits": '{"die_c": {"a": {"yellow_high": 80.0, "red_high": 90.5}}}',
        "left_out": "[]",
        "outcome": "running",
    }


@pytest.mark.parametrize("engine", [{}, {"version": 3, "held": "00ff", "plant": None}])
def test_a_snapshot_holds_the_last_ids_beside_what_the_engine_wrote(
    engine: dict[str, object],
) -> None:
    text = with_last_ids(json.dumps(engine), 7, 2)
    assert text == json.dumps({**engine, "rows": {"transitions": 7, "repairs": 2}})
    assert last_ids_in(text) == (7, 2)
    assert last_ids_in(json.dumps(engine)) == last_ids_in("{") == (None, None)
