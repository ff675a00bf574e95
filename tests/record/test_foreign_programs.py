"""Other programs at the record: one that holds its write lock, ones that have it open, and media on
which nothing can be written. Whoever holds a lock here lets go when the run has come to a frame, or
says that it waits: nothing depends on how long anything takes."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hil.engine import loop as loop_module
from hil.engine.loop import Loop
from hil.engine.observers import ProgressObserver
from hil.engine.result import RunProgress
from hil.errors import RecordError
from hil.record import opening, sqlite_recorder, write_connection
from hil.record.live import LiveRecord, State
from hil.record.opening import is_plain
from hil.record.reader import Reader
from hil.record.run_meta import RunMeta
from hil.record.run_result import RunResult
from hil.record.sqlite_recorder import SqliteRecorder
from hil.scenario import Scenario
from hil.verification.replay import verify
from tests.between_frames import BetweenFrames
from tests.command_line import Hil, wait_for_row

FRAMES = 300


def scenario(frames: int = FRAMES) -> Scenario:
    return Scenario.model_validate(
        {
            "name": "locked",
            "workload": "attitude",
            "seed": 11,
            "frames": frames,
            "frame_ms": 1,
            "rig": {"scheme": "tmr", "board": "inproc"},
            "upsets": {
                "one_at_a_time": True,
                "rates": [{"targets": ["state", "output", "checkpoint"], "per_s": 60}],
            },
            "expect": {"sdc_escaped": 0},
        }
    )


class Holder:
    """Another program that holds the write lock."""

    def __init__(self, run: Path) -> None:
        self._path = run / "run.db"
        self._db: sqlite3.Connection | None = None

    def take(self) -> None:
        self._db = sqlite3.connect(self._path, isolation_level=None, timeout=0)
        self._db.execute("BEGIN IMMEDIATE")

    def detach(self) -> None:
        if self._db is not None:
            self._db.execute("ROLLBACK")
            self._db.close()
            self._db = None


class Owner(Holder):
    """Another program that has the record for itself, as one that recovers a WAL does."""

    def take(self) -> None:
        self._db = sqlite3.connect(self._path, isolation_level=None, timeout=0)
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("BEGIN EXCLUSIVE")


@pytest.fixture(autouse=True)
def busy_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It commits in every frame, takes snapshots wherever it can, tells of every lock."""
    monkeypatch.setattr(sqlite_recorder, "_COMMIT_S", 0.0)
    monkeypatch.setattr(sqlite_recorder, "_NOTED_S", 0.0)
    monkeypatch.setattr(loop_module, "_SNAPSHOT_US", 0)


def run(
    out: Path,
    at: Callable[[int], object] = lambda _: None,
    told: Callable[[str], object] = lambda _: None,
    *,
    end: int = FRAMES,
    resume: bool = False,
) -> RunResult:
    """A run of which `at` is told every frame, and `told` every phase; it is aborted at `end`."""
    out.mkdir(exist_ok=True)

    def stop() -> bool:
        at(loop.next_frame)
        return end < FRAMES and loop.next_frame >= end

    def progress(now: RunProgress) -> None:
        told(now.phase)

    hook = BetweenFrames(stop)
    observers = [ProgressObserver(progress), hook]
    loop = Loop(
        scenario(),
        out,
        batch=False,
        observers=observers,
        stop=lambda: hook.ended,
        resume_run=resume,
    )
    return loop.run()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return run(tmp_path_factory.mktemp("undisturbed"))


def notes(out: Path) -> list[str]:
    reader = Reader(out)
    try:
        return [row["text"] for row in reader.rows("SELECT text FROM notes ORDER BY id")]
    finally:
        reader.close()


def recorded(out: Path) -> int:
    db = sqlite3.connect(f"file:{out}/run.db?mode=ro", uri=True)
    try:
        return int(db.execute("SELECT coalesce(sum(count), 0) FROM blocks").fetchone()[0])
    finally:
        db.close()


# --- the file for itself --------------------------------------------------------------------------


def test_a_record_that_another_program_has_for_itself_is_resumed_once_it_is_free(
    tmp_path: Path,
) -> None:
    run(tmp_path, end=100)
    with closing(sqlite3.connect(tmp_path / "run.db")) as db:
        (frame,) = db.execute("SELECT frame FROM snapshot").fetchone()
    owner, waited = Owner(tmp_path), []

    def on_wait(text: str) -> None:
        waited.append(text)
        owner.detach()

    owner.take()
    SqliteRecorder.resume(tmp_path / "run.db", frame, on_wait).close()
    assert waited == ["waiting for another program that holds a lock on the record"]


def test_the_journal_of_a_program_that_is_at_work_does_not_turn_a_reader_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite waits for that program's lock; only the look for a dead one's journal does not."""
    run(tmp_path)
    owner, roll_back = Owner(tmp_path), opening._roll_back
    (tmp_path / "run.db-journal").write_bytes(bytes(512))

    def then_free(path: Path) -> None:
        roll_back(path)
        owner.detach()

    monkeypatch.setattr(opening, "_roll_back", then_free)
    owner.take()
    assert recorded_by(Reader(tmp_path)) == FRAMES


def recorded_by(reader: Reader) -> int:
    try:
        return len(list(reader.verdicts()))
    finally:
        reader.close()


# --- the write lock -------------------------------------------------------------------------------


def test_a_run_goes_on_while_another_program_holds_the_write_lock(
    tmp_path: Path, undisturbed: RunResult
) -> None:
    holder, seen = Holder(tmp_path), []

    def at(frame: int) -> None:
        if frame == 100:
            holder.take()
        if frame == 250:
            seen.append(recorded(tmp_path))
            holder.detach()

    result = run(tmp_path, at)
    assert seen == [100], "nothing was written meanwhile, and the frames went on"
    assert result.run_digest == undisturbed.run_digest
    assert result.as_json() == {**undisturbed.as_json(), "run_dir": str(tmp_path)}
    (note,) = notes(tmp_path)
    assert "another program held the write lock" in note and "none was lost" in note
    reader = Reader(tmp_path)
    assert reader.run_digest() == undisturbed.run_digest
    reader.close()


def test_a_run_begins_and_takes_all_its_snapshots_while_it_is_locked_and_waits_at_its_end(
    tmp_path: Path, undisturbed: RunResult
) -> None:
    """The lock is taken before the first frame, and let go when the run says that it waits."""
    holder, phases = Holder(tmp_path), []

    def told(phase: str) -> None:
        phases.append(phase)
        if "waiting" in phase:
            assert recorded(tmp_path) == 0
            holder.detach()

    result = run(tmp_path, lambda frame: holder.take() if frame == 0 else None, told)
    assert result.run_digest == undisturbed.run_digest
    assert sum("waiting for another program" in phase for phase in phases) == 1
    assert recorded(tmp_path) == FRAMES


def test_a_killed_run_resumes_while_it_is_locked(tmp_path: Path, undisturbed: RunResult) -> None:
    assert run(tmp_path, end=150).outcome == "aborted"
    holder = Holder(tmp_path)
    holder.take()
    result = run(tmp_path, lambda frame: holder.detach() if frame == 200 else None, resume=True)
    assert result.run_digest == undisturbed.run_digest
    assert notes(tmp_path).count("resumed") == 1


def test_a_run_that_is_aborted_while_it_is_locked_resumes_to_the_same_digest(
    tmp_path: Path, undisturbed: RunResult
) -> None:
    """Upsets that were settled before and after a snapshot that waited are told apart."""
    holder = Holder(tmp_path)

    def told(phase: str) -> None:
        if "waiting" in phase:
            holder.detach()

    run(tmp_path, lambda frame: holder.take() if frame == 60 else None, told, end=190)
    assert run(tmp_path, resume=True).run_digest == undisturbed.run_digest


def test_when_too_much_waits_the_run_waits_too(
    tmp_path: Path, undisturbed: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_recorder, "_PENDING_MAX", 20_000)
    holder, waited_at = Holder(tmp_path), []

    def told(phase: str) -> None:
        if "waiting" in phase:
            waited_at.append(frames[-1])
            holder.detach()

    frames: list[int] = []

    def at(frame: int) -> None:
        frames.append(frame)
        if frame == 50:
            holder.take()

    result = run(tmp_path, at, told)
    assert result.run_digest == undisturbed.run_digest
    (frame,) = waited_at
    assert 50 < frame < FRAMES - 1


def test_a_lock_that_is_never_let_go_ends_the_run_and_it_resumes_to_the_same_digest(
    tmp_path: Path, undisturbed: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_connection, "_PATIENCE_S", 0.0)
    monkeypatch.setattr("hil.engine.run_recorder._FINAL_PATIENCE_S", 0.0)
    holder = Holder(tmp_path)
    with pytest.raises(RecordError, match="another program has held a lock") as caught:
        run(tmp_path, lambda frame: holder.take() if frame == 120 else None)
    assert caught.value.remedy and "--resume" in caught.value.remedy
    holder.detach()
    assert run(tmp_path, resume=True).run_digest == undisturbed.run_digest


def test_what_waits_is_bounded_while_snapshots_follow_each_other(tmp_path: Path) -> None:
    recorder = SqliteRecorder.begin(tmp_path / "run.db", RunMeta())
    holder = Holder(tmp_path)
    holder.take()
    sizes = []
    for frame in range(50):
        recorder.snapshot(frame, bytes(100_000), "{}", {frame: bytes(100_000)})
        recorder.commit()
        sizes.append(recorder._pending.bytes)
    assert max(sizes) < 2 * sizes[0] < 1_000_000
    holder.detach()
    recorder.close()
    reader = Reader(tmp_path)
    assert [r[0] for r in reader.rows("SELECT frame FROM snapshot_states")] == [49]
    reader.close()


PACED = """\
workload: sha256
frames: 60
pace: realtime
frame_ms: 20
rig: {scheme: tmr, board: inproc}
expect: {availability: 1}
"""


@pytest.mark.slow
def test_hil_run_says_that_it_waits_and_passes(tmp_path: Path) -> None:
    hil = Hil(tmp_path)
    path = hil.write("s.yaml", PACED)
    process = hil.start("run", path, "--out", "r", "--no-tui")
    wait_for_row(hil.cwd / "r" / "run.db", "SELECT count(*) FROM blocks", process)
    holder = Holder(hil.cwd / "r")
    holder.take()
    assert process.stderr is not None
    for line in process.stderr:
        if "waiting for another program" in line:
            break
    else:
        raise AssertionError("it never said that it waits")
    holder.detach()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert recorded(hil.cwd / "r") == 60


# --- a plain file at the end ----------------------------------------------------------------------


def files(out: Path) -> set[str]:
    return {p.name for p in out.iterdir() if p.name.startswith("run.")}


def test_a_finished_record_is_one_plain_file(tmp_path: Path) -> None:
    run(tmp_path)
    assert files(tmp_path) == {"run.db"} and is_plain(tmp_path / "run.db")


def test_an_aborted_record_is_one_plain_file_and_resumes_in_wal_mode(tmp_path: Path) -> None:
    run(tmp_path, end=100)
    assert is_plain(tmp_path / "run.db")
    modes: set[bool] = set()
    run(tmp_path, lambda _: modes.add(is_plain(tmp_path / "run.db")), resume=True)
    assert modes == {False} and is_plain(tmp_path / "run.db")


HALF_WRITTEN = """
import os, signal, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
assert db.execute("PRAGMA journal_mode=DELETE").fetchone()[0] == "delete"
db.execute("PRAGMA cache_size=1")  # so that pages are written before the commit
db.execute("BEGIN IMMEDIATE")
db.execute("UPDATE replies SET cpu_us = cpu_us + 1")
db.execute("UPDATE meta SET value = 'fail' WHERE key = 'outcome'")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_half_written_is_undone_by_the_next_reader(
    tmp_path: Path,
) -> None:
    """As when a run is killed while it makes one plain file of its record, at its very end."""
    run(tmp_path / "r")
    path = tmp_path / "r" / "run.db"
    subprocess.run([sys.executable, "-c", HALF_WRITTEN, str(path)], check=False)
    assert path.with_name("run.db-journal").stat().st_size > 0
    reader = Reader(tmp_path / "r")
    try:
        assert verify(reader).ok and reader.meta["outcome"] == "pass"
    finally:
        reader.close()


def test_a_screen_that_looks_on_lets_go_at_the_end_and_goes_on_showing(tmp_path: Path) -> None:
    source = LiveRecord(tmp_path)
    over, states = threading.Event(), []

    def look() -> None:
        while not over.wait(0.01):
            source.poll()
            states.append(source.state)

    def at(frame: int) -> None:
        if frame == 100:
            screen.start()
            while State.RUNNING not in states:
                over.wait(0.01)

    screen = threading.Thread(target=look)
    try:
        run(tmp_path, at)
        assert is_plain(tmp_path / "run.db") and files(tmp_path) == {"run.db"}
    finally:
        over.set()
        screen.join()
    source.poll()
    assert source.state is State.ENDED and State.LOST not in states
    assert source.last == FRAMES - 1 and source.rows("SELECT * FROM upsets")
    assert source.epoch == 1
    source.close()


def test_a_screen_follows_a_run_that_was_aborted_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another reader keeps it from becoming plain, so that the screen reads it without a lock."""
    monkeypatch.setattr(write_connection, "_PLAIN_S", 0.0)
    source = LiveRecord(tmp_path)
    reader: list[Reader] = []
    run(tmp_path, lambda frame: reader.append(Reader(tmp_path)) if frame == 50 else None, end=100)
    assert not is_plain(tmp_path / "run.db")
    source.poll()
    assert (source.state, source.last) == (State.ENDED, 99)
    seen: list[tuple[State, int]] = []

    def at(frame: int) -> None:
        if frame in (200, 299):
            source.poll()
            seen.append((source.state, source.last))

    run(tmp_path, at, resume=True)
    assert seen == [(State.RUNNING, 199), (State.RUNNING, 298)]
    for opened in reader:
        opened.close()
    source.poll()
    assert (source.state, source.last) == (State.ENDED, FRAMES - 1)
    source.close()


def test_a_foreign_reader_may_keep_it_and_the_last_reader_of_hil_makes_it_plain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_connection, "_PLAIN_S", 0.0)
    foreign: list[sqlite3.Connection] = []

    def at(frame: int) -> None:
        if frame == 100:
            foreign.append(sqlite3.connect(tmp_path / "run.db"))
            foreign[0].execute("SELECT count(*) FROM blocks").fetchone()

    assert run(tmp_path, at).outcome == "pass"
    assert not is_plain(tmp_path / "run.db")
    Reader(tmp_path).close()
    assert not is_plain(tmp_path / "run.db")
    assert foreign[0].execute("SELECT sum(count) FROM blocks").fetchone() == (FRAMES,)
    foreign[0].close()
    Reader(tmp_path).close()
    assert files(tmp_path) == {"run.db"} and is_plain(tmp_path / "run.db")


# --- where nothing can be written -----------------------------------------------------------------


@pytest.fixture
def medium() -> Iterator[Path]:
    """A folder that everybody may read, and nobody but root write."""
    folder = Path(tempfile.mkdtemp(prefix="hil-medium-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def sealed(folder: Path) -> None:
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)


def as_nobody(work: Callable[[], str]) -> str:
    """What `work` says in a process that is not root: root may write everywhere."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        text = "it did not say anything"
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            text = work()
        except BaseException as error:  # noqa: BLE001 (whatever it is, it is the answer)
            text = f"{type(error).__name__}: {error}"
        os.write(theirs, text.encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as answer:
        told = answer.read().decode()
    os.waitpid(child, 0)
    return told


def frames_of(folder: Path) -> Callable[[], str]:
    def work() -> str:
        reader = Reader(folder)
        try:
            return f"{sum(count for _, count, _ in reader.blocks())} {reader.run_digest()}"
        finally:
            reader.close()

    return work


def test_a_finished_record_is_read_where_nothing_can_be_written(
    medium: Path, tmp_path: Path, undisturbed: RunResult
) -> None:
    run(tmp_path)
    shutil.copy(tmp_path / "run.db", medium)
    sealed(medium)
    assert as_nobody(frames_of(medium)) == f"{FRAMES} {undisturbed.run_digest}"


def in_wal_mode(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode=WAL")
    db.close()
    assert not is_plain(path)


def test_an_old_record_in_wal_mode_is_read_there_too(
    medium: Path, tmp_path: Path, undisturbed: RunResult
) -> None:
    """As every run left it once, and as an archive of `run.db` alone has it."""
    run(tmp_path)
    shutil.copy(tmp_path / "run.db", medium)
    in_wal_mode(medium / "run.db")
    sealed(medium)
    assert as_nobody(frames_of(medium)) == f"{FRAMES} {undisturbed.run_digest}"

    def watched() -> str:
        source = LiveRecord(medium)
        source.poll()
        return f"{source.state.value} {source.last}"

    assert as_nobody(watched) == f"ended {FRAMES - 1}"


def test_the_record_of_a_killed_run_says_there_why_it_cannot_be_read(
    medium: Path, tmp_path: Path
) -> None:
    class Killed(BaseException):
        """As far as the files are concerned: they are copied as they lie."""

    def at(frame: int) -> None:
        if frame == 200:
            for name in ("run.db", "run.db-wal"):
                shutil.copy(tmp_path / name, medium)
            raise Killed

    with pytest.raises(Killed):
        run(tmp_path, at)
    sealed(medium)
    told = as_nobody(frames_of(medium))
    assert "its run was killed" in told and "run.db-wal" in told and "copy the whole folder" in told
    medium.chmod(0o755)
    writable = tmp_path / "copy"
    shutil.copytree(medium, writable)
    for file in writable.iterdir():
        file.chmod(0o644)
    assert frames_of(writable)().startswith("200 ")


def test_a_file_that_is_no_database_is_called_so(medium: Path) -> None:
    (medium / "run.db").write_bytes(b"nothing of the kind" * 100)
    sealed(medium)
    told: Any = as_nobody(frames_of(medium))
    assert told.startswith("RecordError") and "not a record of hil" in told
