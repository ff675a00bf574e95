"""`replay --verify` refuses every change: in every table and column, found from the schema itself,
in the manifest and in JUnit. A forger who computes the record digest again is found by whatever can
be computed from frames and rows."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hil.engine.junit import JUNIT, junit_of, junit_run
from hil.engine.loop import Loop
from hil.engine.run_reports import MANIFEST
from hil.errors import RecordError
from hil.kernel import workload
from hil.record.reader import Reader
from hil.record.schema import TABLES
from hil.record.seal import SEAL, difference, seal_of
from hil.scenario import Scenario
from hil.verification.findings import Verification
from hil.verification.replay import verify
from tests.amount import mostly_slow
from tests.between_frames import between_frames

LAST_TICK = workload("attitude").ticks


def scenario(**data: Any) -> Scenario:
    return Scenario.model_validate(
        {
            "name": "tampered",
            "workload": "attitude",
            "seed": 5,
            "frames": 80,
            "rig": {"scheme": "tmr", "board": "inproc"},
            "upsets": {
                "events": [
                    {"frame": 10, "node": "a", "target": "output", "tick": LAST_TICK},
                    {"frame": 30, "node": "b", "target": "cpu", "sefi": "crash"},
                    {"frame": 50, "node": "c", "target": "state", "bit": 9},
                ],
            },
            "expect": {"sdc_frames": 0},
            **data,
        }
    )


def run(s: Scenario, out: Path) -> Path:
    out.mkdir()
    Loop(s, out, batch=False).run()
    return out


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(scenario(), tmp_path_factory.mktemp("tampered") / "r")


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of three are hit alike: wrong outputs leave the system."""
    hits = [{"frame": 20, "node": n, "target": "output", "tick": LAST_TICK, "bit": 3} for n in "ab"]
    s = scenario(upsets={"events": hits})
    return run(s, tmp_path_factory.mktemp("failed") / "r")


def verified(folder: Path) -> Verification:
    reader = Reader(folder)
    try:
        return verify(reader)
    finally:
        reader.close()


def after(honest: Path, to: Path, *changes: str) -> Verification:
    """What is found in a copy that was changed by these statements."""
    copy = shutil.copytree(honest, to / "copy")
    try:
        with closing(sqlite3.connect(copy / "run.db")) as db, db:
            db.execute("PRAGMA ignore_check_constraints=1")
            for change in changes:
                db.execute(change)
        return verified(Path(copy))
    finally:
        shutil.rmtree(copy)


# --- every table and column -----------------------------------------------------------------------


def schema() -> dict[str, list[tuple[str, str]]]:
    """Columns and their types by table, of the schema as it is today."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(TABLES)
        names = db.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()
        return {
            name: [(row[1], row[2]) for row in db.execute(f"PRAGMA table_info({name})")]
            for (name,) in names
        }


CHANGED = {
    "INTEGER": "coalesce({0}, 0) + 1000003",
    "REAL": "coalesce({0}, 0) + 0.5",
    "TEXT": "coalesce({0}, '') || 'x'",
    "BLOB": "cast(coalesce({0}, x'') || x'01' AS BLOB)",
}
EXAMPLE = {"INTEGER": "1", "REAL": "1.5", "TEXT": "'text'", "BLOB": "x'0102'"}


def one(db: sqlite3.Connection, table: str, where: str = "1") -> str:
    """The condition that picks the first row of a table."""
    keys = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[5]]
    row = db.execute(
        f"SELECT {', '.join(f'quote({key})' for key in keys)} FROM {table} WHERE {where}"
    ).fetchone()
    return " AND ".join(f"{key} IS {value}" for key, value in zip(keys, row, strict=True))


def edits(honest: Path, table: str) -> Iterator[str]:
    """A statement for each column, and one that removes a row; for a table without rows one that
    adds one."""
    columns = schema()[table]
    with closing(sqlite3.connect(honest / "run.db")) as db:
        if not db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]:
            yield f"INSERT INTO {table} VALUES ({', '.join(EXAMPLE[t] for _, t in columns)})"
            return
        row = one(db, table)
    for column, type_ in columns:
        yield f"UPDATE {table} SET {column}={CHANGED[type_].format(column)} WHERE {row}"
    yield f"DELETE FROM {table} WHERE {row}"


def test_the_honest_record_is_verified(honest: Path, failed: Path) -> None:
    for folder in (honest, failed):
        found = verified(folder)
        assert found.ok and found.frames == 80, found.differences
        assert (
            found.record_digest
            == json.loads((folder / "manifest.json").read_text())["record_digest"]
        )


@pytest.mark.parametrize("table", schema())
def test_every_column_and_every_row_of_every_table_is_covered(
    honest: Path, tmp_path: Path, table: str
) -> None:
    changes = list(edits(honest, table))
    for change in changes:
        found = after(honest, tmp_path, change)
        assert not found.ok and found.count, change
        assert f"table `{table}`" in " ".join(map(str, found.differences)) or found.count >= 20


@pytest.mark.parametrize(
    "value", mostly_slow(["'text'", "x'ff'", "-1", "1e300", "NULL", "char(0)", "9e18"], keep=1)
)
def test_values_of_another_kind_are_differences_and_no_failures(
    honest: Path, tmp_path: Path, value: str
) -> None:
    for table, columns in schema().items():
        with closing(sqlite3.connect(honest / "run.db")) as db:
            if not db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]:
                continue
            row = one(db, table)
        for column, _ in columns:
            change = f"UPDATE OR IGNORE {table} SET {column}={value} WHERE {row}"
            try:
                found = after(honest, tmp_path, change)
            except (sqlite3.IntegrityError, RecordError):
                continue
            assert not found.ok or value == "NULL" or "-1" in value, change


@pytest.mark.parametrize("table", schema())
def test_the_record_digest_alone_sees_a_change_in_every_column(table: str) -> None:
    """Also in tables that this run has no rows of."""
    columns = schema()[table]
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(TABLES)
        values = ", ".join(EXAMPLE[type_] for _, type_ in columns)
        db.execute(f"INSERT INTO {table} VALUES ({values})")
        before = seal_of(db)
        for column, type_ in columns:
            db.execute("SAVEPOINT one")
            db.execute("PRAGMA ignore_check_constraints=1")
            db.execute(f"UPDATE {table} SET {column}={CHANGED[type_].format(column)}")
            assert [what for what, _, _ in difference(before.as_json(), seal_of(db))] == [
                f"table `{table}`",
                "record digest",
            ]
            db.execute("ROLLBACK TO one")
        assert not list(difference(before.as_json(), seal_of(db)))


def test_equal_numbers_and_texts_of_other_types_are_other_values() -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x)")
        seen = set()
        for value in ("1", "1.0", "'1'", "x'31'", "NULL", "''", "x''", '\'["hex","31"]\''):
            db.execute(f"INSERT OR REPLACE INTO t VALUES (1, {value})")
            seen.add(seal_of(db).record_digest)
        assert len(seen) == 8


@pytest.mark.slow
def test_every_entry_of_meta_is_covered(honest: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(honest / "run.db")) as db:
        keys = [key for (key,) in db.execute("SELECT key FROM meta")]
    assert {"scenario", "config_hash", "result", "outcome", SEAL, "reports", "command"} <= set(keys)
    for key in keys:
        for change in (
            f"UPDATE meta SET value=value || ' ' WHERE key='{key}'",
            f"UPDATE meta SET key=key || '2' WHERE key='{key}'",
            f"DELETE FROM meta WHERE key='{key}'",
        ):
            if key == SEAL and "|| ' '" in change:
                continue  # as JSON the same
            found = after(honest, tmp_path, change)
            assert not found.ok or not found.complete, change


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE more (id INTEGER PRIMARY KEY)",
        "CREATE INDEX more ON frames (verdict)",
        "DROP VIEW verdict_counts",
        "CREATE TRIGGER more AFTER INSERT ON notes BEGIN SELECT 1; END",
        "ALTER TABLE notes ADD COLUMN more TEXT",
        "PRAGMA user_version=1",
        "INSERT INTO notes VALUES (NULL, 3, 5, 'nothing happened')",
    ],
)
def test_the_schema_is_covered(honest: Path, tmp_path: Path, change: str) -> None:
    assert not after(honest, tmp_path, change).ok or "user_version" in change


# --- manifest.json and junit.xml ------------------------------------------------------------------


def copied(honest: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(honest, tmp_path / "copy"))


@pytest.mark.slow
def test_every_entry_of_the_manifest_is_covered(honest: Path, tmp_path: Path) -> None:
    copy = copied(honest, tmp_path)
    path = copy / "manifest.json"
    content = json.loads(path.read_text())
    assert {"scenario", "config_hash", "nodes", "command", "record_digest"} <= set(content)
    for key, value in content.items():
        for changed in ({**content, key: [value]}, {k: v for k, v in content.items() if k != key}):
            path.write_text(json.dumps(changed))
            found = verified(copy)
            assert not found.ok, key
            assert f"`{key}` in manifest.json" in " ".join(map(str, found.differences))
    path.write_text(json.dumps({**content, "more": 1}))
    assert not verified(copy).ok
    path.write_text(json.dumps(content))
    assert verified(copy).ok


def test_junit_is_covered(failed: Path, tmp_path: Path) -> None:
    copy = copied(failed, tmp_path)
    path = copy / "junit.xml"
    text = path.read_text()
    for old, new in (
        ('failures="1"', 'failures="0"'),
        ("<failure", "<skipped"),
        ("tampered", "other"),
        ("</testsuite>", "<testcase/></testsuite>"),
    ):
        assert old in text
        path.write_text(text.replace(old, new, 1))
        assert not verified(copy).ok, old
    path.write_text(text)
    assert verified(copy).ok


def test_a_missing_report_is_reported_and_is_not_a_difference(honest: Path, tmp_path: Path) -> None:
    copy = copied(honest, tmp_path)
    (copy / "manifest.json").unlink()
    (copy / "junit.xml").unlink()
    found = verified(copy)
    assert found.ok
    assert "there is no manifest.json beside the record" in found.not_covered
    assert "there is no junit.xml beside the record" in found.not_covered


# --- a forger who computes every digest again -----------------------------------------------------


def forge(folder: Path, change: Callable[[sqlite3.Connection], None]) -> Verification:
    """Change a record, and then make run digest, reports and seal of what it says now."""
    with closing(sqlite3.connect(folder / "run.db")) as db, db:
        change(db)
    reader = Reader(folder)
    digest = reader.run_digest()
    reader.close()
    with closing(sqlite3.connect(folder / "run.db")) as db, db:
        result, reports = (meta(db, key) for key in ("result", "reports"))
        result["run_digest"] = digest
        reports["content"] |= result
        put(db, "result", result)
        put(db, "reports", reports)
        seal(db, folder, reports)
    return verified(folder)


def seal(db: sqlite3.Connection, folder: Path, reports: dict[str, Any]) -> None:
    junit = junit_of(junit_run(reports["content"]))
    reports[JUNIT] = hashlib.sha256(junit).hexdigest()
    put(db, "reports", reports)
    made = seal_of(db)
    put(db, SEAL, made.as_json())
    (folder / JUNIT).write_bytes(junit)
    content = {**reports["content"], "record_digest": made.record_digest}
    (folder / MANIFEST).write_text(json.dumps(content, indent=2))


def meta(db: sqlite3.Connection, key: str) -> Any:
    return json.loads(db.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()[0])


def put(db: sqlite3.Connection, key: str, value: Any) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    db.execute("UPDATE meta SET value=? WHERE key=?", (text, key))


def passed(db: sqlite3.Connection) -> None:
    """The result says that everything was as expected."""
    result = meta(db, "result")
    for e in result["expectations"]:
        e["ok"] = True
    put(db, "result", {**result, "outcome": "pass", "exit_code": 0})
    put(db, "outcome", "pass")


def test_a_record_rewritten_without_a_change_is_verified(failed: Path, tmp_path: Path) -> None:
    assert forge(copied(failed, tmp_path), lambda db: None).ok


def test_a_forged_pass_is_refused_by_the_expectations(failed: Path, tmp_path: Path) -> None:
    found = forge(copied(failed, tmp_path), passed)
    told = " ".join(map(str, found.differences))
    assert "expectation of `sdc_frames`" in told
    assert "outcome that follows from the expectations: recorded pass, now fail" in told


def test_forged_metrics_are_refused_by_the_frames(failed: Path, tmp_path: Path) -> None:
    def change(db: sqlite3.Connection) -> None:
        passed(db)
        result = meta(db, "result")
        result["metrics"] |= {"sdc_frames": 0, "sdc_upsets": 0}
        for e in result["expectations"]:
            e["measured"] = 0 if e["metric"] == "sdc_frames" else e["measured"]
        put(db, "result", result)

    told = " ".join(map(str, forge(copied(failed, tmp_path), change).differences))
    assert "metric `sdc_frames`: recorded 0, now" in told


def test_a_softer_scenario_is_refused_by_its_hash_or_by_its_reports(
    failed: Path, tmp_path: Path
) -> None:
    """Whoever changes the scenario, its hash and everything else writes a record of another run."""

    def change(db: sqlite3.Connection) -> None:
        passed(db)
        s = meta(db, "scenario")
        s["expect"] = {"frames": 80}
        put(db, "scenario", s)

    told = " ".join(map(str, forge(copied(failed, tmp_path), change).differences))
    assert "config hash of the scenario" in told


def test_a_wrong_output_that_is_called_correct_is_refused_by_the_golden_run(
    failed: Path, tmp_path: Path
) -> None:
    """In the packed frame and in its row, with the golden digest to match."""

    def change(db: sqlite3.Connection) -> None:
        first, data = db.execute(
            "SELECT first_frame, data FROM blocks WHERE first_frame <= 20 "
            "ORDER BY first_frame DESC LIMIT 1"
        ).fetchone()
        frames = bytearray(data)
        frames[(20 - first) * (32 + 3 * 18) + 11] |= 2  # CORRECT
        db.execute("UPDATE blocks SET data=? WHERE first_frame=?", (bytes(frames), first))
        db.execute("UPDATE frames SET golden_output=output, flags=flags | 2 WHERE frame=20")

    found = forge(copied(failed, tmp_path), change)
    told = " ".join(map(str, found.differences))
    assert "frame 20: output is that of the golden run: recorded True, now False" in told
    assert "frame 20: `golden_output` of its row" in told


def test_an_output_that_was_taken_out_is_missed(honest: Path, tmp_path: Path) -> None:
    def change(db: sqlite3.Connection) -> None:
        db.execute("UPDATE frames SET value = NULL")

    found = forge(copied(honest, tmp_path), change)
    assert any("recorded missing in `frames`, now there" in str(d) for d in found.differences)


def test_another_seed_is_refused_by_the_golden_run(honest: Path, tmp_path: Path) -> None:
    def change(db: sqlite3.Connection) -> None:
        put(db, "scenario", {**meta(db, "scenario"), "seed": 6})
        put(db, "seed", "6")

    assert "output is that of the golden run" in " ".join(
        map(str, forge(copied(honest, tmp_path), change).differences)
    )


# --- what is not (yet) whole ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM meta WHERE key='outcome'",
        "UPDATE meta SET value='fai' WHERE key='outcome'",
        "UPDATE meta SET value='running' WHERE key='outcome'",
        "UPDATE meta SET value='error' WHERE key='outcome'",
        "UPDATE meta SET value='' WHERE key='outcome'",
    ],
)
def test_an_ended_run_cannot_be_called_unfinished(
    failed: Path, tmp_path: Path, change: str
) -> None:
    """So that nothing of its end would be compared with anything."""
    everything = ["DELETE FROM repairs", "DELETE FROM health", "UPDATE upsets SET effect='masked'"]
    assert not after(failed, tmp_path / "a", change, *everything).ok
    bare = [change, "DELETE FROM meta WHERE key IN ('result', 'reports', 'seal')"]
    assert not after(failed, tmp_path / "b", *bare).ok  # its manifest says that it ended


def test_the_seal_is_compared_letter_by_letter(honest: Path, tmp_path: Path) -> None:
    assert not after(honest, tmp_path / "a", "UPDATE meta SET value=value||' ' WHERE key='seal'").ok
    assert not after(honest, tmp_path / "b", "PRAGMA application_id=7").ok


def test_nothing_that_was_recorded_is_nothing_that_was_verified(tmp_path: Path) -> None:
    tmp_path.joinpath("r").mkdir()
    assert Loop(scenario(), tmp_path / "r", stop=lambda: True).run().frames == 0
    found = verified(tmp_path / "r")
    assert found.empty and not found.ok and not found.as_json()["verified"]


def test_the_record_of_a_killed_run_says_what_was_verified(tmp_path: Path) -> None:
    class Cut(BaseException):
        """The power fails."""

    out = tmp_path / "r"
    out.mkdir()

    def stop() -> bool:
        if loop.next_frame == 60:
            loop.controls.record.commit()
            shutil.copytree(out, tmp_path / "killed")
            raise Cut
        return False

    loop = Loop(scenario(), out, batch=False, **between_frames(stop))
    with pytest.raises(Cut):
        loop.run()
    found = verified(tmp_path / "killed")
    assert found.ok and not found.complete and found.frames == 60
    assert any("not finished" in line for line in found.not_covered)


def test_an_old_record_is_verified_as_far_as_it_can_be(honest: Path, tmp_path: Path) -> None:
    found = after(
        honest,
        tmp_path,
        "DELETE FROM meta WHERE key IN ('seal', 'reports')",
        "DROP TABLE upsets_at_snapshot",
        "DROP TABLE snapshot_states",
        "PRAGMA user_version=1",
    )
    assert any("written by an older hil" in line for line in found.not_covered)
    assert found.record_digest == ""


def test_a_resumed_run_is_sealed_again(tmp_path: Path) -> None:
    out = tmp_path / "r"
    out.mkdir()
    loop = Loop(scenario(), out, batch=False, **between_frames(lambda: loop.next_frame == 40))
    assert loop.run().outcome == "aborted"
    assert verified(out).ok
    assert Loop(scenario(), out, resume_run=True).run().outcome == "pass"
    found = verified(out)
    assert found.ok and found.complete, found.differences
