"""The record: what it holds, who can read it when, and what it survives."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from hil.engine import loop as loop_module
from hil.engine import resume, run_folder
from hil.engine.loop import Loop
from hil.errors import HilError, RecordError, UsageError
from hil.record import sqlite_recorder
from hil.record.reader import Reader
from hil.record.row_counts import injected_by_effect, injected_by_outcome, injected_effects
from hil.record.run_meta import RunMeta
from hil.record.run_result import RunResult
from hil.record.schema import SCHEMA_VERSION
from hil.record.sqlite_recorder import SqliteRecorder
from hil.redundancy.voting import VerdictKind, record_length, unpack_all, vote_again
from hil.scenario import Scenario
from tests.amount import mostly_slow
from tests.between_frames import between_frames

DEADLINE_S = 60


def scenario(**data: Any) -> Scenario:
    """Everything that fills a table: upsets, repairs, a lost board."""
    return Scenario.model_validate(
        {
            "name": "record",
            "workload": "infer",
            "seed": 4,
            "frames": 400,
            "rig": {"scheme": "tmr", "board": "inproc"},
            "recovery": {"resyncs": 50, "restarts": 50, "resets": 50},
            "upsets": {
                "one_at_a_time": True,
                "events": [
                    {"frame": 30, "node": "a", "target": "output", "tick": 14},
                    {"frame": 60, "node": "b", "target": "cpu", "sefi": "crash"},
                    {"frame": 90, "node": "c", "target": "link", "noise": "drop"},
                ],
                "rates": [{"targets": ["state", "input", "output"], "per_s": 2}],
            },
            "expect": {"sdc_escaped": 0, "upsets.injected": ">= 5", "availability": 1},
            **data,
        }
    )


def run(s: Scenario, out: Path) -> RunResult:
    out.mkdir(exist_ok=True)
    return Loop(s, out).run()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return run(scenario(), tmp_path_factory.mktemp("finished"))


def copy_of(result: RunResult, to: Path) -> sqlite3.Connection:
    """A copy of a finished record that may be damaged."""
    source = sqlite3.connect(result.run_dir / "run.db")
    target = sqlite3.connect(to / "run.db")
    source.backup(target)
    source.close()
    return target


# --- what it holds ------------------------------------------------------------------------------


def test_blocks_hold_every_frame_and_rows_repeat_the_notable_ones(finished: RunResult) -> None:
    reader = Reader(finished.run_dir)
    verdicts = list(reader.verdicts())
    assert [v.frame for v in verdicts] == list(range(400))
    counts = {k.name.lower(): sum(v.kind is k for v in verdicts) for k in VerdictKind}
    assert counts == finished.verdicts
    assert [vote_again(v) for v in verdicts] == verdicts
    notable = reader.rows("SELECT * FROM frames ORDER BY frame")
    assert len(notable) > 5
    for row in notable:
        v = verdicts[row["frame"]]
        assert (
            row["verdict"],
            row["voters"],
            row["agree"],
            row["dissent"],
            row["latent"],
            row["flags"],
        ) == (
            v.kind.name.lower(),
            v.voters,
            v.agree,
            v.dissent,
            v.latent,
            v.flags,
        )
        assert (row["output"], row["state"]) == (f"{v.output:016x}", f"{v.state:016x}")
        assert row["t_us"] == row["frame"] * 10_000
        assert (row["output"] == row["golden_output"]) == v.correct
        replies = reader.rows("SELECT * FROM replies WHERE frame=? AND execution=0", row["frame"])
        assert len(replies) == 3
        for reply, ballot in zip(replies, v.ballots, strict=True):
            assert reply["output_digest"] == f"{ballot.output_digest:016x}"
            assert reply["signal"] == ballot.signal
    loud = {v.frame for v in verdicts if v.kind is not VerdictKind.UNANIMOUS}
    assert loud <= {row["frame"] for row in notable}
    reader.close()


def test_blocks_are_as_long_as_they_say(finished: RunResult) -> None:
    reader = Reader(finished.run_dir)
    expected_first = 0
    for first, count, data in reader.blocks():
        assert first == expected_first and len(data) == count * record_length(3)
        assert [v.frame for v in unpack_all(data, 3)] == list(range(first, first + count))
        expected_first += count
    assert expected_first == 400
    reader.close()


def test_upsets_repairs_and_transitions_agree_with_the_result(finished: RunResult) -> None:
    reader = Reader(finished.run_dir)
    upsets = reader.rows("SELECT * FROM upsets ORDER BY id")
    assert [u["id"] for u in upsets] == list(range(1, len(upsets) + 1))
    injected = [u for u in upsets if u["state"] == "injected" and u["verified"]]
    assert len(injected) == finished.upsets.injected >= 5
    for column, counts in (
        ("target", finished.upsets.by_target),
        ("effect", finished.upsets.by_node_effect),
        ("outcome", finished.upsets.by_system_outcome),
    ):
        assert {k: n for k, n in counts.items() if n} == {
            k: sum(u[column] == k for u in injected) for k in {u[column] for u in injected}
        }
    assert finished.upsets.by_activation["unknown"] == sum(not u["activation"] for u in injected)
    assert all(u["resolved_frame"] >= u["frame"] for u in injected)
    repairs = reader.rows("SELECT * FROM repairs")
    assert sum(r["ok"] for r in repairs) == finished.recoveries == len(repairs)
    for row in reader.rows("SELECT * FROM damage"):
        xor = int.from_bytes(row["found"], "little") ^ int.from_bytes(row["voted"], "little")
        assert row["diff_bits"] == xor.bit_count() > 0
    states = dict.fromkeys("abc", "voting")
    for t in reader.rows("SELECT * FROM transitions ORDER BY id"):
        assert states[t["node"]] == t["before"]
        states[t["node"]] = t["after"]
    assert set(states.values()) == {"voting"}
    reader.close()


def test_upsets_whose_effect_was_not_seen_are_counted_as_unknown(
    finished: RunResult, tmp_path: Path
) -> None:
    folder = shutil.copytree(finished.run_dir, tmp_path / "run")
    with contextlib.closing(sqlite3.connect(folder / "run.db")) as db, db:
        db.execute("UPDATE upsets SET effect='', outcome='' WHERE id=1")
    with contextlib.closing(Reader(folder)) as reader:
        effects, outcomes = injected_by_effect(reader), injected_by_outcome(reader)
        by_target = injected_effects(reader)
    injected = finished.upsets.injected
    assert effects["unknown"] == outcomes["unknown"] == 1
    assert sum(effects.values()) == sum(outcomes.values()) == injected
    assert sum(counts.get("unknown", 0) for counts in by_target.values()) == 1


def test_every_node_has_a_row_a_link_and_its_health(finished: RunResult) -> None:
    reader = Reader(finished.run_dir)
    assert reader.node_names == ["a", "b", "c"]
    for row in reader.rows("SELECT * FROM links"):
        assert row["tx_frames"] > 50 and row["rx_frames"] > 50
    (noisy,) = reader.rows("SELECT retries FROM links WHERE node=2")
    assert noisy["retries"] >= 1
    assert {r["node"] for r in reader.rows("SELECT node FROM health")} == {0, 1, 2}
    reader.close()


# --- manifest and JUnit -------------------------------------------------------------------------


def test_the_manifest_identifies_and_summarises_the_run(finished: RunResult) -> None:
    manifest = json.loads((finished.run_dir / "manifest.json").read_text())
    s = scenario()
    assert manifest["outcome"] == "pass" == finished.outcome
    assert manifest["run_digest"] == finished.run_digest
    assert re.fullmatch(r"[0-9a-f]{64}", manifest["run_digest"])
    assert manifest["seed"] == 4 and manifest["frames"] == 400
    assert Scenario.model_validate(manifest["scenario"]) == s
    text = json.dumps(manifest["scenario"], sort_keys=True, separators=(",", ":"))
    assert manifest["config_hash"] == hashlib.sha256(text.encode()).hexdigest()
    assert [n["name"] for n in manifest["nodes"]] == ["a", "b", "c"]
    assert {n["board"] for n in manifest["nodes"]} == {"inproc"}
    for key in (
        "hil_version",
        "python",
        "system",
        "finished_utc",
        "verdicts",
        "upsets",
        "recoveries",
        "availability",
        "slips",
        "expectations",
        "accel",
    ):
        assert key in manifest
    assert {e["metric"]: e["ok"] for e in manifest["expectations"]} == {
        "sdc_escaped": True,
        "upsets.injected": True,
        "availability": True,
        "events.missed": True,
    }


def test_the_result_in_the_record_is_that_of_the_run(finished: RunResult) -> None:
    reader = Reader(finished.run_dir)
    assert reader.meta["outcome"] == "pass"
    assert reader.meta_json("result") == json.loads(json.dumps(finished.as_json()))
    assert Scenario.model_validate(reader.meta_json("scenario")) == scenario()
    assert reader.db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
    reader.close()


def test_junit_has_a_case_for_each_expectation_and_says_what_was_measured(tmp_path: Path) -> None:
    result = run(scenario(expect={"sdc_escaped": 0, "recoveries": 77}), tmp_path)
    assert result.outcome == "fail"
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()  # noqa: S314 - our own file
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "1", "0")
    cases = {case.get("name"): case.find("failure") for case in suite.iter("testcase")}
    assert list(cases) == [
        "frames were run",
        "sdc_escaped == 0",
        "recoveries == 77",
        "events.missed == 0",
    ]
    failed = cases.pop("recoveries == 77")
    assert failed is not None
    assert failed.get("message") == f"measured {result.recoveries}, expected == 77"
    assert set(cases.values()) == {None}
    properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
    assert properties["run_digest"] == result.run_digest and properties["seed"] == "4"


# --- the run digest -----------------------------------------------------------------------------


def test_the_reader_computes_the_same_digest_as_the_run(finished: RunResult) -> None:
    reader = Reader(finished.run_dir)
    assert reader.run_digest() == finished.run_digest
    reader.close()


def test_a_changed_bit_anywhere_in_a_block_changes_the_digest(
    finished: RunResult, tmp_path: Path
) -> None:
    db = copy_of(finished, tmp_path)
    first, data = db.execute("SELECT first_frame, data FROM blocks ORDER BY first_frame").fetchone()
    digests = {finished.run_digest}
    for bit in range(0, len(data) * 8, len(data) * 8 // 23):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        db.execute("UPDATE blocks SET data=? WHERE first_frame=?", (bytes(changed), first))
        db.commit()
        reader = Reader(tmp_path)
        digests.add(reader.run_digest())
        reader.close()
    assert len(digests) >= 24
    db.close()


@pytest.mark.parametrize(
    ("sql", "matters"),
    [
        ("UPDATE upsets SET outcome='no_effect' WHERE id=1", True),
        ("UPDATE upsets SET bit=bit+1 WHERE target='output'", True),
        ("DELETE FROM upsets WHERE id=2", True),
        ("UPDATE transitions SET after='isolated' WHERE id=1", True),
        ("UPDATE transitions SET wall_us=wall_us+1", False),
        ("UPDATE upsets SET at_us=at_us+1", False),
        ("UPDATE health SET uptime_us=0", False),
        ("UPDATE repairs SET duration_wall_us=0", False),
        ("INSERT INTO notes VALUES (NULL, 1, 1, 'a word')", False),
    ],
)
def test_what_happened_is_in_the_digest_and_real_time_is_not(
    finished: RunResult, tmp_path: Path, sql: str, matters: bool
) -> None:
    db = copy_of(finished, tmp_path)
    assert db.execute(sql).rowcount > 0
    db.commit()
    db.close()
    reader = Reader(tmp_path)
    assert (reader.run_digest() != finished.run_digest) == matters
    reader.close()


# --- reading what is no record ------------------------------------------------------------------


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no record"):
        Reader(tmp_path)
    (tmp_path / "run.db").write_text("this is no database, not at all, whatever its name says")
    with pytest.raises(RecordError, match="is not a record of hil"):
        Reader(tmp_path)


def test_a_record_of_a_newer_version_is_refused(finished: RunResult, tmp_path: Path) -> None:
    db = copy_of(finished, tmp_path)
    db.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    db.commit()
    db.close()
    with pytest.raises(RecordError, match="newer"):
        Reader(tmp_path)


def test_a_reader_never_writes(finished: RunResult) -> None:
    reader = Reader(finished.run_dir)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.db.execute("DELETE FROM blocks")
    reader.close()


def test_a_folder_that_holds_a_record_is_not_written_over(finished: RunResult) -> None:
    with pytest.raises(HilError, match="already"):
        run_folder.create(scenario(), finished.run_dir)


# --- readers while it is written ----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("replaced", [False, True])
def test_a_record_that_is_deleted_while_it_is_written_ends_at_the_next_commit(
    tmp_path: Path, replaced: bool
) -> None:
    path = tmp_path / "r" / "run.db"
    path.parent.mkdir()
    recorder = SqliteRecorder.begin(path, RunMeta(outcome="running"))
    recorder.frame(bytes(record_length(1)))
    recorder.commit()
    shutil.rmtree(path.parent)
    if replaced:
        path.parent.mkdir()
        path.write_bytes(b"")
    recorder.frame(bytes(record_length(1)))
    with pytest.raises(RecordError, match="was deleted or replaced during the run"):
        recorder.commit()
    with pytest.raises(RecordError, match="was deleted or replaced during the run"):
        recorder.close()


def test_several_readers_follow_a_run_that_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_recorder, "_COMMIT_S", 0.02)
    errors: list[Exception] = []
    seen: list[set[int]] = [set() for _ in range(4)]
    over = threading.Event()

    def follow(mine: set[int]) -> None:
        try:
            while not over.is_set():
                if over.wait(0.01) or not (tmp_path / "run.db").exists():
                    continue
                try:
                    reader = Reader(tmp_path)
                except RecordError as error:
                    if mine:  # it was a record already
                        errors.append(error)
                    continue
                verdicts = list(reader.verdicts())
                assert [v.frame for v in verdicts] == list(range(len(verdicts)))
                assert len(verdicts) >= max(mine, default=0), "what was committed stays"
                mine.add(len(verdicts))
                reader.close()
        except (AssertionError, HilError, sqlite3.Error) as error:
            errors.append(error)

    threads = [threading.Thread(target=follow, args=(mine,)) for mine in seen]
    for thread in threads:
        thread.start()
    try:
        s = scenario(rig={"scheme": "tmr", "board": "process"}, frames=800)
        result = run(s, tmp_path)
    finally:
        over.set()
        for thread in threads:
            thread.join(DEADLINE_S)
    assert errors == []
    assert all(len(mine) > 3 for mine in seen), "each reader saw the record grow"
    assert result.outcome == "pass"


# --- kill -9, and going on ----------------------------------------------------------------------

HOST = """
import json, sys
from pathlib import Path
from hil.engine import loop; from hil.engine import resume
from hil.record import sqlite_recorder
from hil.scenario import Scenario
out, again = Path(sys.argv[1]), sys.argv[2] == "resume"
loop._SNAPSHOT_US = 100_000
sqlite_recorder._COMMIT_S = 0.02
s = resume.open_run(out)[0] if again else Scenario.model_validate(json.loads(sys.argv[3]))
print(loop.Loop(s, out, resume_run=again).run().run_digest)
"""


def host(out: Path, s: Scenario) -> subprocess.Popen[bytes]:
    out.mkdir()
    given = json.dumps(s.model_dump(mode="json", by_alias=True))
    command = [sys.executable, "-c", HOST, str(out), "new", given]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def recorded(out: Path) -> tuple[int, int]:
    """Frames on disk, and the frame of the snapshot (0: none)."""
    try:
        reader = Reader(out)
    except RecordError:
        return 0, 0
    try:
        frames = reader.rows("SELECT coalesce(sum(count), 0) FROM blocks")[0][0]
        snapshots = reader.rows("SELECT frame FROM snapshot")
        return frames, snapshots[0][0] if snapshots else 0
    except RecordError:
        return 0, 0
    finally:
        reader.close()


def kill_when(process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    try:
        while not ready():
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.002)
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def long_scenario(board: str) -> Scenario:
    return scenario(
        frames=4000,
        frame_ms=1,
        rig={"scheme": "tmr", "board": board},
        workload="attitude",
        upsets={
            "one_at_a_time": True,
            "events": [
                {"frame": f, "node": "abc"[f % 3], "target": "cpu", "sefi": "crash"}
                for f in range(200, 4000, 400)
            ],
            "rates": [{"targets": ["state", "input", "output", "link"], "per_s": 30}],
        },
        expect={},
    )


@pytest.mark.slow
@pytest.mark.parametrize("moment", [1, 3])
def test_a_run_whose_host_was_killed_is_readable_and_resumes_to_the_same_digest(
    tmp_path: Path, moment: int
) -> None:
    s = long_scenario("process")
    out = tmp_path / "killed"
    snapshots: set[int] = set()

    def ready() -> bool:
        frames, snapshot = recorded(out)
        snapshots.add(snapshot)
        return len(snapshots - {0}) >= moment and frames > snapshot

    kill_when(host(out, s), ready)
    reader = Reader(out)
    verdicts = list(reader.verdicts())
    assert 0 < len(verdicts) < 4000
    assert [v.frame for v in verdicts] == list(range(len(verdicts)))
    assert [vote_again(v) for v in verdicts] == verdicts
    assert reader.meta["outcome"] == "running"
    reader.close()

    again, folder = resume.open_run(out)
    assert (again, folder) == (s, out)
    snapshot = resume.read_snapshot(out)
    assert snapshot is not None and 0 < snapshot.frame <= len(verdicts)
    resumed = Loop(again, out, resume_run=True).run()
    whole = run(s, tmp_path / "whole")
    assert resumed.run_digest == whole.run_digest
    assert resumed.frames == whole.frames and resumed.verdicts == whole.verdicts
    assert resumed.upsets == whole.upsets and resumed.recoveries == whole.recoveries
    reader = Reader(out)
    assert reader.run_digest() == whole.run_digest
    assert [v.frame for v in reader.verdicts()] == list(range(4000))
    assert [r["text"] for r in reader.rows("SELECT text FROM notes")] == ["resumed"]
    assert json.loads((out / "manifest.json").read_text())["run_digest"] == whole.run_digest
    reader.close()


@pytest.mark.slow
def test_a_run_that_was_killed_before_its_first_snapshot_starts_from_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = scenario(frames=1200, rig={"scheme": "tmr", "board": "process"})
    out = tmp_path / "killed"
    out.mkdir()

    class Cut(Exception):
        """The power fails."""

    def stop() -> bool:
        if loop.next_frame == 700:
            raise Cut
        return False

    loop = Loop(s, out, **between_frames(stop))
    with pytest.raises(Cut):
        loop.run()
    assert resume.read_snapshot(out) is None
    assert Loop(s, out, resume_run=True).run().run_digest == run(s, tmp_path / "b").run_digest


@pytest.mark.parametrize("at", mostly_slow([510, 150, 450], keep=1))
def test_an_aborted_run_resumes_to_the_same_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr(loop_module, "_SNAPSHOT_US", 0)
    s = scenario(
        frames=600,
        upsets={
            "events": [
                {"frame": 120, "node": "b", "target": "board", "returns_after_frames": 280},
                {
                    "frame": 420,
                    "node": "a",
                    "target": "output",
                    "bit": 5,
                    "permanent": True,
                    "pattern": "stuck",
                },
            ],
            "rates": [{"targets": ["state", "input", "output"], "per_s": 3}],
        },
    )
    out = tmp_path / "aborted"
    out.mkdir()
    loop = Loop(s, out, batch=False, **between_frames(lambda: loop.next_frame == at))
    assert loop.run().outcome == "aborted"
    assert resume.open_run(out)[0] == s
    resumed = Loop(s, out, resume_run=True).run()
    whole = run(s, tmp_path / "whole")
    assert resumed.run_digest == whole.run_digest
    assert {**resumed.as_json(), "run_dir": ""} == {**whole.as_json(), "run_dir": ""}


def test_a_wrong_state_that_has_won_is_still_there_in_the_resumed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of three are hit alike, so that all hold a wrong state; and then healed of something
    else, so that nothing is under way."""
    monkeypatch.setattr(loop_module, "_SNAPSHOT_US", 0)
    hits = [{"frame": 50, "node": node, "target": "state", "bit": 77} for node in "ab"]
    others = [
        {"frame": frame, "node": node, "target": "output", "tick": 14}
        for frame, node in ((70, "a"), (90, "b"), (200, "c"), (250, "b"))
    ]
    s = scenario(frames=300, upsets={"events": hits + others}, expect={})
    out = tmp_path / "aborted"
    out.mkdir()
    loop = Loop(s, out, batch=False, **between_frames(lambda: loop.next_frame == 150))
    loop.run()
    snapshot = resume.read_snapshot(out)
    assert snapshot is not None and snapshot.frame > 100
    assert snapshot.engine.held not in (b"", snapshot.state)
    resumed = Loop(s, out, resume_run=True).run()
    whole = run(s, tmp_path / "whole")
    assert {**resumed.as_json(), "run_dir": ""} == {**whole.as_json(), "run_dir": ""}


def test_power_that_returns_just_after_the_snapshot_returns_in_the_resumed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "_SNAPSHOT_US", 0)
    event = {"frame": 50, "node": "b", "target": "board", "returns_after_frames": 94}
    s = scenario(frames=200, upsets={"events": [event]}, expect={})
    out = tmp_path / "aborted"
    out.mkdir()
    loop = Loop(s, out, batch=False, **between_frames(lambda: loop.next_frame == 144))
    loop.run()
    snapshot = resume.read_snapshot(out)
    assert snapshot is not None and snapshot.frame == 144
    resumed = Loop(s, out, resume_run=True).run()
    assert resumed.metrics["isolated"] == 0
    assert resumed.run_digest == run(s, tmp_path / "whole").run_digest


def test_unexplained_anomalies_before_and_after_the_snapshot_are_all_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody pulls the power behind the rig's back, before and after an abort."""
    monkeypatch.setattr(loop_module, "_SNAPSHOT_US", 0)
    s = scenario(frames=300, upsets={}, recovery={"power_cycles": 9}, expect={})

    def runner(frames: set[int], end: int, *, again: bool) -> RunResult:
        def stop() -> bool:
            frame = loop.next_frame
            if frame in frames:
                loop.controls.rig.nodes[1].board.power_off()
            return frame == end

        loop = Loop(s, tmp_path, batch=False, resume_run=again, **between_frames(stop))
        return loop.run()

    first = runner({20, 60}, 150, again=False)
    assert (first.outcome, first.unexplained) == ("aborted", 2)
    second = runner({200, 230, 260}, 300, again=True)
    assert second.unexplained == 5
    reader = Reader(tmp_path)
    anomalies = reader.rows("SELECT id, frame FROM anomalies ORDER BY id")
    assert [(a["id"], a["frame"]) for a in anomalies] == [
        (1, 20),
        (2, 60),
        (3, 200),
        (4, 230),
        (5, 260),
    ]
    reader.close()


def test_a_complete_run_is_not_resumed(finished: RunResult) -> None:
    with pytest.raises(UsageError, match="complete"):
        resume.open_run(finished.run_dir)


# --- a full disk --------------------------------------------------------------------------------


def pages_of(path: Path) -> int:
    db = sqlite3.connect(path)
    try:
        return int(db.execute("PRAGMA page_count").fetchone()[0])
    finally:
        db.close()


@pytest.mark.slow
def test_a_disk_that_becomes_full_at_any_point_is_an_error_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite is told that no more than N pages fit, for N from few to as many as are needed."""
    monkeypatch.setattr(sqlite_recorder, "_COMMIT_S", 0.0)
    s = scenario(frames=120)
    whole = run(s, tmp_path / "whole")
    needed = pages_of(whole.run_dir / "run.db")
    connect = sqlite3.connect
    committed: list[int] = []
    ends = 0
    at_the_frames = range(max(2, needed - 16), needed)  # what is known before them comes first
    for pages in [*sorted({*range(2, needed, max(1, needed // 25)), *at_the_frames}), needed + 5]:
        out = tmp_path / str(pages)

        class Small(sqlite3.Connection):
            limit = pages

            def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
                cursor = super().execute(sql, *args)
                if sql.startswith("PRAGMA synchronous"):
                    super().execute(f"PRAGMA max_page_count={self.limit}")
                return cursor

        monkeypatch.setattr(
            sqlite3,
            "connect",
            lambda *a, factory=Small, **k: (
                connect(*a, **k) if k.get("uri") else connect(*a, factory=factory, **k)
            ),
        )
        told: RecordError | None = None
        try:
            assert run(s, out).run_digest == whole.run_digest
            ends += 1
        except RecordError as error:
            told = error
        finally:
            monkeypatch.setattr(sqlite3, "connect", connect)
        assert told is None or ("full" in str(told) and told.remedy)
        try:
            reader = Reader(out)
        except RecordError:
            assert not committed, "so small that not even its tables fit"
            continue
        verdicts = list(reader.verdicts())
        assert [v.frame for v in verdicts] == list(range(len(verdicts)))
        assert [vote_again(v) for v in verdicts] == verdicts
        committed.append(len(verdicts))
        reader.close()
    assert ends == 1, "only where all of it fits"
    assert committed == sorted(committed) and committed[-1] == 120
    assert len([c for c in committed if 0 < c < 120]) >= 5


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_file_system_that_is_really_full_is_an_error_too(tmp_path: Path) -> None:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", str(tmp_path)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        with pytest.raises(RecordError) as caught:
            run(scenario(frames=200_000, upsets={}, expect={}), tmp_path)
        assert caught.value.remedy and "disk" in caught.value.remedy
        reader = Reader(tmp_path)
        verdicts = list(reader.verdicts())
        assert [v.frame for v in verdicts] == list(range(len(verdicts)))
        reader.close()
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_record_cannot_be_begun_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot"):
        SqliteRecorder.begin(tmp_path / "missing" / "run.db", RunMeta())
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError):
        run_folder.create(scenario(), tmp_path / "file" / "below")


@pytest.mark.slow
def test_a_killed_host_leaves_no_agents_behind(tmp_path: Path) -> None:
    process = host(tmp_path / "run", long_scenario("process"))

    def agents() -> list[int]:
        text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        return [int(pid) for pid in text.split()]

    mine: list[int] = []

    def ready() -> bool:
        mine[:] = agents()
        return len(mine) == 3 and recorded(tmp_path / "run")[0] > 100

    kill_when(process, ready)
    deadline = time.monotonic() + DEADLINE_S
    while [pid for pid in mine if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert process.returncode == -signal.SIGKILL


KILLED = """
import os, sqlite3, sys
statements = 0
def before(_statement):
    global statements
    statements += 1
    if statements > int(os.environ["STATEMENTS"]):
        os._exit(9)
connect = sqlite3.connect
def traced(*arguments, **options):
    db = connect(*arguments, **options)
    db.set_trace_callback(before)
    return db
sqlite3.connect = traced
import runpy
runpy.run_module("hil", run_name="__main__")
"""


@pytest.mark.parametrize("statements", mostly_slow([20, 0, 5, 10, 30, 40, 50], keep=1))
def test_a_run_that_was_killed_while_its_record_began_is_said_to_have_none(
    tmp_path: Path, statements: int
) -> None:
    words = ["run", "nominal", "--boards", "inproc", "--frames", "20", "--no-tui", "--out", "r"]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *words],
        cwd=tmp_path, env={**os.environ, "STATEMENTS": str(statements)}, capture_output=True,
        check=False,
    )  # fmt: skip
    assert killed.returncode == 9
    with pytest.raises(RecordError, match="holds nothing yet: its run was ended before it began"):
        resume.open_run(tmp_path / "r")
