"""A record as the screen reads it: now and then, a few rows at a time, and only what is new.

The run may not have begun, may be writing, may have ended, may be deleted under our eyes. Nothing
here raises for any of that: it is a state. Readers of a WAL database do not wait for its writer,
and the writer does not wait for them. Only at the end of a run the file must be free for a moment,
so that it becomes a plain one: a finished record is read as one that nobody changes until then.
"""

from __future__ import annotations

import enum
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hil.errors import RecordError
from hil.record.id_search import IdSearch
from hil.record.migrations import read_as_current, version_of
from hil.record.opening import beside, is_plain, open_to_read, tidy
from hil.record.packed_frames import ALONE_MAX, PackedFrames
from hil.record.record_tables import RecordTable
from hil.record.row_values import RecordedNode, values_of
from hil.record.run_lock import is_running
from hil.record.run_meta import RunMeta
from hil.record.timeline import Timeline
from hil.redundancy.voting import Verdict
from hil.run_outcome import RunOutcome

__all__ = ["ALONE_MAX", "LiveRecord", "Pulse", "State", "newest_run"]

EVERYTHING: Final = 2**62
"""A frame after all others."""
_BUSY_MS: Final = 50


class State(enum.Enum):
    """The state of a record at this moment."""

    WAITING = "waiting"  # there is none yet
    RUNNING = "running"
    ENDED = "ended"
    LOST = "lost"  # it was there, and is gone or cannot be read


@dataclass(frozen=True, slots=True)
class Pulse:
    """The time of the writer's last commit, and the frame that the run was in."""

    frame: int
    wall_us: int
    unix_us: int
    pid: int


class LiveRecord:
    """The record of the run in `run` (its folder, or the run.db itself).

    `changed` counts what poll has found new; `state`, `reason`, `meta`, `names`, `pulse` and `last`
    (the newest frame, -1 without one) are as of the last poll, as is `is_killed`: the process of
    the run ended without recording an end. `epoch` counts the records that were opened: another one
    in the same place has nothing in common with the one before."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.state = State.WAITING
        self.reason = "the run has not begun"
        self.meta = RunMeta()
        self.nodes: tuple[RecordedNode, ...] = ()
        self.pulse: Pulse | None = None
        self.last = -1
        self.is_killed = False
        self.time = Timeline()
        self.changed = 0
        self.epoch = 0
        self._db: sqlite3.Connection | None = None
        self._version = -1
        self._schema = 0
        self._identity: tuple[int, int] | None = None
        self._frozen: tuple[int, int] | None = None
        """Change time and size of a finished record, while it is read without any lock."""
        self._packed = PackedFrames(self, 0)
        self._ids = IdSearch(self)

    @property
    def path(self) -> Path:
        """Return the file of the record."""
        return self.run if self.run.is_file() else self.run / "run.db"

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the nodes, in their order."""
        return tuple(node.name for node in self.nodes)

    @property
    def frame_us(self) -> int:
        """Return the simulated time from one frame to the next [us]."""
        return self.meta.scenario.frame_us

    @property
    def outcome(self) -> str:
        """Return the outcome of the run as of the last poll: `running` until it ends."""
        return self.meta.outcome

    # --- keeping up ---------------------------------------------------------------------------

    def poll(self) -> bool:
        """Read what is new in the record, and return whether anything is."""
        had_no_writer = self._has_no_writer()
        try:
            has_news = self._looked()
        except RecordError as error:
            remedy = f"; {error.remedy}" if error.remedy else ""
            has_news = self._gone(f"it cannot be read: {error.message}{remedy}")
        except (sqlite3.Error, OSError, ValueError) as error:
            has_news = self._gone(f"it cannot be read: {error}")
        is_killed = had_no_writer and self._has_no_writer() and self.state is State.RUNNING
        has_news |= is_killed != self.is_killed
        self.is_killed = is_killed
        self.changed += has_news
        return has_news

    def _has_no_writer(self) -> bool:
        """Return whether no process holds the lock of an unfinished run. A run that has none before
        its record is read, and none after that, neither ended nor began meanwhile."""
        return self.state is not State.ENDED and not is_running(self.path.parent)

    def _looked(self) -> bool:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return self._gone("its record is gone") if self._identity else self._ended_early()
        identity = (status.st_dev, status.st_ino)
        if self._db is None or identity != self._identity:
            return self._opened(identity)
        if self._frozen is not None:
            if self._frozen == (status.st_mtime_ns, status.st_size) and not self._has_wal():
                return False
            self._reopen(frozen=None)
        version = int(self._db.execute("PRAGMA data_version").fetchone()[0])
        if version == self._version and self.state is not State.LOST:
            return False  # what could not be read once (a lock, a bad sector) is tried again
        if version_of(self._db, self.path) != self._schema:  # its run was resumed by a newer hil
            self._reopen(frozen=None)
            version = int(self._db.execute("PRAGMA data_version").fetchone()[0])
        with self.moment():
            self._refresh(self._db)
        self._version = version
        self._reopen_finished()
        return True

    def _has_wal(self) -> bool:
        return self.path.is_file() and beside(self.path.resolve(), "-wal")

    def _reopen_finished(self) -> None:
        """Open a finished record without any lock: the process that wrote it needs the file alone
        now, to make it a plain one."""
        if self.state is State.ENDED and not self._has_wal() and not is_plain(self.path):
            status = self.path.stat()
            self._reopen(frozen=(status.st_mtime_ns, status.st_size))

    def _reopen(self, frozen: tuple[int, int] | None) -> None:
        """Open the same record again with another connection."""
        if self._db is not None:
            self._db.close()
            self._db = None
        self._db = self._connect(immutable=frozen is not None)
        self._frozen, self._version = frozen, -1

    def _connect(self, *, immutable: bool) -> sqlite3.Connection:
        db = open_to_read(
            self.path, immutable=immutable, check_same_thread=False, isolation_level=None
        )
        try:
            db.row_factory = sqlite3.Row
            db.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
            self._schema = read_as_current(db, self.path)
        except (sqlite3.Error, RecordError):
            db.close()
            raise
        return db

    def _opened(self, identity: tuple[int, int]) -> bool:
        self.close()
        db = self._connect(immutable=False)
        if self._schema == 0:  # its tables are made in one go, in a moment
            db.close()
            return False
        try:
            self._version = int(db.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            db.close()
            raise
        self._db, self._identity, self._frozen = db, identity, None
        self.epoch += 1
        self.meta, self.nodes, self.pulse, self.last = RunMeta(), (), None, -1
        self._packed = PackedFrames(self, 0)
        self._ids.clear()
        with self.moment():
            self._refresh(db)
        self._reopen_finished()
        return True

    def _ended_early(self) -> bool:
        """Return whether only now its reports say that it ended before it recorded anything."""
        try:
            manifest = json.loads((self.path.parent / "manifest.json").read_text(encoding="utf-8"))
            outcome = str(manifest["outcome"])
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return self._gone(f"the run ended before it recorded anything, outcome: {outcome}")

    def _gone(self, reason: str) -> bool:
        news = self.state is not State.LOST or self.reason != reason
        if self.state is not State.WAITING or "gone" not in reason:
            self.state, self.reason = State.LOST, reason
        return news

    def _refresh(self, db: sqlite3.Connection) -> None:
        row = db.execute("SELECT value FROM meta WHERE key='outcome'").fetchone()
        outcome = row[0] if row else RunOutcome.RUNNING
        if outcome != self.meta.outcome:
            texts = {row[0]: row[1] for row in db.execute("SELECT key, value FROM meta")}
            self.meta = RunMeta.parse({"outcome": outcome, **texts})
        self.state = State.RUNNING if outcome == RunOutcome.RUNNING else State.ENDED
        self.reason = ""
        if not self.nodes:
            rows = db.execute("SELECT * FROM nodes ORDER BY idx").fetchall()
            self.nodes = tuple(values_of(RecordedNode, rows))
            self._packed = PackedFrames(self, len(self.nodes))
        row = db.execute(
            "SELECT first_frame + count - 1 FROM blocks ORDER BY first_frame DESC LIMIT 1"
        ).fetchone()
        self.last = row[0] if row else -1
        self._skips(db)
        row = db.execute("SELECT frame, wall_us, unix_us, pid FROM pulse").fetchone()
        self.pulse = Pulse(*row) if row else None

    def _skips(self, db: sqlite3.Connection) -> None:
        if self.frame_us != self.time.frame_us or self.last < self.time.known:
            self.time = Timeline(self.frame_us)
        for frame, t_us in db.execute(
            "SELECT frame, t_us FROM skips WHERE frame > ? ORDER BY frame", (self.time.known,)
        ):
            self.time.skip(frame, t_us)

    def age_s(self) -> float | None:
        """Return the real time since the writer's last commit [s]; None if there was none."""
        return None if self.pulse is None else max(0.0, time.time() - self.pulse.unix_us / 1e6)

    def close(self) -> None:
        """Close the record; the last reader of a finished run makes its file a plain one.
        Idempotent."""
        if self._db is not None:
            self._db.close()
            self._db = None
            if self.state is State.ENDED:
                tidy(self.path)

    # --- asking -------------------------------------------------------------------------------

    @contextmanager
    def moment(self) -> Iterator[None]:
        """Let all queries within read the record of one moment. Kept short: it holds back the
        checkpoint."""
        db = self._db
        if db is None:
            yield
            return
        db.execute("BEGIN")
        try:
            yield
        finally:
            if db.in_transaction:  # SQLite ends one itself where the file cannot be read any more
                db.execute("ROLLBACK")

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Return all rows of a query; none if there is no record (any more)."""
        if self._db is None:
            return []
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            self._gone(f"it cannot be read: {error}")
        return []

    def upto(self, head: int) -> int:
        """Return the last frame that `head` includes: itself, or everything known if it is the
        newest one. What is ordered in a pause has the number of the frame that comes next."""
        return EVERYTHING if head >= self.last else head

    def position(self, table: RecordTable, frame: int) -> int:
        """Return the last id in `table` (not UPSETS) whose frame is not after `frame`; 0 without
        one."""
        return self._ids.last_id(table, frame, self.changed)

    def verdict(self, frame: int) -> Verdict | None:
        """Return the recorded verdict of a frame; None if there is none that can be read."""
        return self._packed.verdict(frame)

    def last_answer(self, frame: int, node: int) -> int | None:
        """Return the last frame up to `frame`, of those in its block, in which a node answered."""
        return self._packed.last_answer(frame, node)

    def frames_alone(self, frame: int) -> int:
        """Return how many consecutive frames, the last of them `frame`, one node answered alone; no
        more than ALONE_MAX are counted."""
        return self._packed.frames_alone(frame)


def newest_run(folder: Path = Path("runs")) -> Path | None:
    """Return the run below `folder` that was begun last; None if there is none."""
    folders = [path for path in folder.glob("*") if path.is_dir()]
    return max(folders, key=lambda path: path.stat().st_mtime_ns, default=None)
