"""A recorded run with a plant, upsets and repairs, and its database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hil import api
from hil.record.recorded_scenario import RecordedScenario
from hil.record.row_values import RecordedNode
from hil.record.run_meta import RunMeta
from hil.record.sqlite_recorder import SqliteRecorder
from hil.redundancy.voting import record_length
from hil.run_outcome import RunOutcome
from hil.scenario import parse_scenario


@pytest.fixture(scope="session")
def flown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flown") / "run"
    return api.run("saa-pass", boards="inproc", out=folder).folder


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A run whose process ended without recording an end: no process holds its lock."""
    setup = {"schema": 1, "workload": "attitude", "frames": 9, "rig": {"board": "inproc"}}
    scenario = RecordedScenario.of(parse_scenario(json.dumps(setup)))
    meta = RunMeta(scenario=scenario, outcome=RunOutcome.RUNNING)
    recorder = SqliteRecorder.begin(tmp_path / "run.db", meta)
    recorder.node(RecordedNode(0, "a", "inproc"))
    recorder.frame(bytes(record_length(1)))
    recorder.commit()
    recorder.close()
    return tmp_path


@pytest.fixture
def database(flown: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{(flown / 'run.db').as_uri()}?mode=ro", uri=True)) as db:
        yield db
