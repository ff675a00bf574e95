"""Records of older schemas are read and resumed as if they were of the current one; a reader leaves
them as they are. Those of a newer one are refused with what to do.

`schemas/N.sql` is the layout with which version N began. A record of it is made of one of today,
less what came later."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from hil.engine import loop as loop_module
from hil.engine import resume
from hil.engine.loop import Loop
from hil.errors import RecordError
from hil.record.live import LiveRecord, State
from hil.record.migrations import MIGRATIONS
from hil.record.reader import Reader
from hil.record.row_counts import injected_by_activation, node_power
from hil.record.schema import SCHEMA_VERSION, TABLES
from hil.record.seal import SEAL, seal_of
from hil.record.sqlite_recorder import SqliteRecorder
from hil.record.telemetry_queries import has_plant, link_counts
from hil.scenario import Scenario
from hil.verification.replay import verify
from tests.between_frames import between_frames

SCHEMAS = Path(__file__).with_name("schemas")
OLDER = range(1, SCHEMA_VERSION)
FRAMES, STOPPED_AT = 160, 110
COUNTED_SINCE = 3
"""The version with which `link_counts` came."""


def scenario() -> Scenario:
    return Scenario.model_validate(
        {
            "name": "older",
            "workload": "attitude",
            "seed": 5,
            "frames": FRAMES,
            "rig": {"scheme": "tmr", "board": "inproc"},
            "upsets": {
                "events": [
                    {"frame": 10, "node": "a", "target": "output", "tick": 6},
                    {"frame": 130, "node": "c", "target": "state", "bit": 9},
                ]
            },
        }
    )


def columns(db: sqlite3.Connection, name: str) -> list[str]:
    return [column[0] for column in db.execute(f"SELECT * FROM {name}").description]


def layout(db: sqlite3.Connection) -> dict[str, list[str]]:
    """The columns, in order, that queries find in all that the current schema has."""
    return {name: columns(db, name) for name in current_layout()}


def current_layout() -> dict[str, list[str]]:
    """The same of the current schema itself."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(TABLES)
        kinds = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
        return {name: columns(db, name) for (name,) in db.execute(kinds).fetchall()}


def make_older(run: Path, version: int) -> None:
    """Let the record in `run` be as a hil of that version would have written it."""
    path = run / "run.db"
    newer = path.rename(run / "newer.db")
    with closing(sqlite3.connect(path)) as db:
        db.executescript((SCHEMAS / f"{version}.sql").read_text(encoding="utf-8"))
        db.execute("ATTACH ? AS newer", (str(newer),))
        tables = db.execute("SELECT name FROM main.sqlite_master WHERE type='table'").fetchall()
        known = {row[0] for row in db.execute("SELECT name FROM newer.sqlite_master")}
        for (table,) in tables:
            if table in known:
                names = columns(db, f"main.{table}")
                db.execute(f"INSERT INTO main.{table} SELECT {', '.join(names)} FROM newer.{table}")
        db.commit()
        db.execute("DETACH newer")
        db.execute(f"PRAGMA user_version={version}")
        if db.execute("SELECT 1 FROM meta WHERE key=?", (SEAL,)).fetchone():
            db.execute("UPDATE meta SET value=? WHERE key=?", (seal_of(db).text, SEAL))
        db.commit()
    newer.unlink()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished")
    Loop(scenario(), out, batch=False).run()
    return out


@pytest.fixture(scope="module")
def aborted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped after a snapshot."""
    out = tmp_path_factory.mktemp("aborted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop_module, "_SNAPSHOT_US", 0)
        loop = Loop(
            scenario(), out, batch=False, **between_frames(lambda: loop.next_frame == STOPPED_AT)
        )
        assert loop.run().outcome == "aborted"
    return out


def copy(run: Path, to: Path, version: int) -> Path:
    shutil.copytree(run, to)
    make_older(to, version)
    return to


# --- every version is known -----------------------------------------------------------------------


def test_a_changed_schema_has_a_new_number_and_a_step() -> None:
    """If this fails: raise SCHEMA_VERSION, add a step to MIGRATIONS, and write the new file."""
    known = (SCHEMAS / f"{SCHEMA_VERSION}.sql").read_text(encoding="utf-8")
    assert TABLES.strip() == known.strip()
    assert sorted(int(path.stem) for path in SCHEMAS.iterdir()) == [*OLDER, SCHEMA_VERSION]
    assert [step.version for step in MIGRATIONS] == [version + 1 for version in OLDER]


# --- reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", OLDER)
def test_a_reader_finds_the_current_schema_and_leaves_the_record_as_it_is(
    finished: Path, tmp_path: Path, version: int
) -> None:
    run = copy(finished, tmp_path / "run", version)
    before = (run / "run.db").read_bytes()
    reader = Reader(run)
    assert reader.version == version
    assert layout(reader.db) == current_layout()
    assert not has_plant(reader) and node_power(reader, 0) is None
    assert (link_counts(reader, 2**62, 0, newest=False) is None) == (version < COUNTED_SINCE)
    assert set(injected_by_activation(reader)) == {"unknown"}
    reader.close()
    assert (run / "run.db").read_bytes() == before
    assert sorted(path.name for path in run.glob("run.db*")) == ["run.db"]


@pytest.mark.parametrize("version", OLDER)
def test_a_viewer_finds_the_current_schema_and_leaves_the_record_as_it_is(
    finished: Path, tmp_path: Path, version: int
) -> None:
    run = copy(finished, tmp_path / "run", version)
    before = (run / "run.db").read_bytes()
    record = LiveRecord(run)
    assert record.poll() and record.state is State.ENDED and record.last == FRAMES - 1
    assert record._db is not None and layout(record._db) == current_layout()
    assert record.rows("SELECT power_mw, round_trip_us FROM health WHERE power_mw > 0") == []
    assert record.state is State.ENDED
    record.close()
    assert (run / "run.db").read_bytes() == before


@pytest.mark.parametrize("version", OLDER)
def test_an_older_record_is_verified_with_its_own_digest(
    finished: Path, tmp_path: Path, version: int
) -> None:
    run = copy(finished, tmp_path / "run", version)
    (run / "manifest.json").unlink()  # it has the record digest of the newer record
    reader = Reader(run)
    verification = verify(reader)
    assert verification.ok, verification.differences
    assert reader.run_digest() == verification.run_digest
    reader.close()


def test_a_table_that_a_record_of_today_lacks_is_damage_and_said(
    finished: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    with closing(sqlite3.connect(run / "run.db")) as db:
        db.execute("DROP TABLE plant")
    record = LiveRecord(run)
    record.poll()
    assert record.rows("SELECT * FROM plant") == []
    assert record.state is State.LOST and "no such table: plant" in record.reason
    record.close()


# --- resuming -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", OLDER)
def test_a_run_of_an_older_schema_is_resumed_to_the_digest_of_an_undisturbed_one(
    aborted: Path, finished: Path, tmp_path: Path, version: int
) -> None:
    """Version 1 began without snapshots: such a run begins anew, in its own record."""
    run = copy(aborted, tmp_path / "run", version)
    snapshot = resume.read_snapshot(run)
    assert (snapshot is None) == (version == 1)
    resumed = Loop(scenario(), run, resume_run=True).run()
    whole, reader = Reader(finished), Reader(run)
    assert reader.version == SCHEMA_VERSION
    assert layout(reader.db) == current_layout()
    assert resumed.run_digest == whole.run_digest() == reader.run_digest()
    notes = [row["text"] for row in reader.rows("SELECT text FROM notes")]
    assert f"the record was brought from version {version} to {SCHEMA_VERSION}" in notes
    verification = verify(reader)
    assert verification.ok, verification.differences
    reader.close()
    whole.close()


def test_a_viewer_that_has_an_older_record_open_sees_what_its_resumed_run_adds(
    aborted: Path, tmp_path: Path
) -> None:
    run = copy(aborted, tmp_path / "run", 2)
    with closing(sqlite3.connect(run / "run.db")) as db:  # its host was killed
        db.execute("UPDATE meta SET value='running' WHERE key='outcome'")
        db.commit()
    record = LiveRecord(run)
    record.poll()
    assert record.state is State.RUNNING
    recorder = SqliteRecorder.resume(run / "run.db", 0)
    with closing(sqlite3.connect(run / "run.db")) as db:
        db.execute("INSERT INTO link_counts VALUES (1, 3, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0)")
        db.commit()
    record.poll()
    counts = link_counts(record, 2**62, 0, newest=False)
    assert counts is not None and counts.tx_frames == 7
    record.close()
    recorder.close()


# --- a newer one ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "use",
    [Reader, lambda run: SqliteRecorder.resume(run / "run.db", 0)],
    ids=["read", "resumed"],
)
def test_a_newer_record_is_refused_with_what_where_and_what_to_do(
    finished: Path, tmp_path: Path, use: Callable[[Path], object]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    with closing(sqlite3.connect(run / "run.db")) as db:
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
        rows = list(db.iterdump())
    with pytest.raises(RecordError) as error:
        use(run)
    assert error.value.message == (
        f"{run / 'run.db'} was written by a newer hil: its record version is {SCHEMA_VERSION + 1}, "
        f"and this hil reads versions up to {SCHEMA_VERSION}"
    )
    assert "update hil" in str(error.value.remedy)
    with closing(sqlite3.connect(run / "run.db")) as db:
        assert list(db.iterdump()) == rows
