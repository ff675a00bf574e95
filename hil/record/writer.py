"""Writing a run's record: rows as they happen, committed a few times a second.

WAL mode: viewers read while this writes, and what was committed survives a kill. While another
program holds the write lock, rows wait in memory and the run goes on; a note says so afterwards.
When more waits than `_PENDING_MAX`, and at the end, the run waits for the lock, for `_PATIENCE_S`
at most. Every other failure of the database (a full disk first of all) becomes RecordError; what
was committed before stays readable."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hil.errors import RecordError
from hil.record.digest import canonical_lines, combine, hex64
from hil.record.opening import is_locked, make_plain
from hil.record.pending import Pending
from hil.record.schema import SCHEMA_VERSION, TABLES
from hil.record.seal import SEAL, Seal, seal_of
from hil.redundancy.voting import NodeStatus, Verdict, VerdictKind

if TYPE_CHECKING:  # value types only: a reader of records must not load what makes them
    from hil.redundancy.recovery import Transition
    from hil.rig.clock_fit import ClockEstimate
    from hil.rig.link import LinkStatistics
    from hil.rig.link_state import LinkEvent
    from hil.rig.node import NodeResult
    from hil.rig.power.monitor import PowerEvent
    from hil.rig.resync import Damage
    from hil.upsets.outcome import Anomaly, Upset
    from hil.wire.messages import Health

_COMMIT_S = 0.25
_RETRY_S = 0.05
_PATIENCE_S = 600.0
"""Another program's lock is waited for so long, where it must be waited for."""
_TOLD_S = 1.0
"""A lock that was held for less is not worth a note."""
_PLAIN_S = 3.0
"""Viewers let go of a record within this time after its end."""
_PENDING_MAX = 256 << 20
"""[byte] When more waits in memory for the lock, the run waits, too."""
_BY_FRAME = (
    "frames",
    "replies",
    "upsets",
    "transitions",
    "anomalies",
    "slips",
    "repairs",
    "health",
    "notes",
    "plant",
    "skips",
    "limits",
    "commands",
    "link_events",
    "clocks",
    "power",
    "link_counts",
)
_BLOCK_FRAMES = 4096

_KIND_NAMES = {kind: kind.name.lower() for kind in VerdictKind}
_STATUS_NAMES = {int(status): status.name.lower() for status in NodeStatus}


_INTEGER_MAX: Final = 2**63 - 1


def _integer(value: int) -> int:
    """A number of a board as the record can hold it: a damaged board may count with all 64 bits."""
    return max(-_INTEGER_MAX, min(value, _INTEGER_MAX))


class Writer:
    """The record of one run: `create` or `resume` one. Raises RecordError from every method."""

    def __init__(self, path: Path, on_wait: Callable[[str], None] | None = None) -> None:
        self.path = path
        self._on_wait = on_wait or (lambda _: None)
        self._frames_hash = hashlib.sha256()
        self._block = bytearray()
        self._block_first = 0
        self._block_count = 0
        self._began_s = time.monotonic()
        self._commit_at_s = self._began_s
        self._transitions = 0
        self._anomalies = 0
        self._repairs = 0
        self._commands = 0
        self._carried_out: Counter[str] = Counter()
        self._snapshot = 0
        self._pending = Pending()
        self._locked: tuple[float, int] | None = None
        """Since when another program holds the write lock, and before which frame that began."""
        self._in_wal = False
        self._closed = False
        self._sealed = False
        with self._guard("open"):
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None)
        with self._or_closed(), self._guard("open"):
            self._use_wal()
            self._patiently(self._sync_normally)
            opened = os.stat(path)
            self._identity = (opened.st_dev, opened.st_ino)

    def _use_wal(self) -> None:
        """Change to WAL mode, now or at a later commit: that needs the file for a moment alone."""
        try:
            mode = self._db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if not is_locked(error):
                raise
        else:
            self._in_wal = mode == "wal"

    def _sync_normally(self) -> bool:
        """Sync at checkpoints only. This reads the file: a reader that recovers what a kill left
        in the WAL has it for itself for that moment."""
        self._db.execute("PRAGMA synchronous=NORMAL")
        return True

    @classmethod
    def create(
        cls, path: Path, meta: Mapping[str, Any], on_wait: Callable[[str], None] | None = None
    ) -> Writer:
        """Begin a record; `path` must not exist. `on_wait` is told when a lock is waited for."""
        try:
            writer = cls(path, on_wait)
            with writer._or_closed():
                with writer._guard("create"):
                    writer._patiently(writer._make_tables)
                for key, value in meta.items():
                    writer.meta(key, value)
                writer.settle()
        except BaseException:
            for suffix in ("", "-wal", "-shm", "-journal"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            raise
        return writer

    def _make_tables(self) -> bool:
        """All tables or none: what a full disk leaves is then plainly no record."""
        try:
            self._db.executescript(
                f"BEGIN IMMEDIATE; {TABLES} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"
            )
        except sqlite3.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return True

    @classmethod
    def resume(cls, path: Path, frame: int, on_wait: Callable[[str], None] | None = None) -> Writer:
        """Go on with a record from its snapshot at `frame`; what was recorded after it is
        dropped."""
        writer = cls(path, on_wait)
        with writer._or_closed():
            with writer._guard("resume"):
                writer._patiently(lambda: writer._take_up(frame))
            if writer._block_first != frame:
                raise RecordError(
                    f"{path} has {writer._block_first} frames before its snapshot {frame}"
                )
            writer._drop_from(frame)
            writer._snapshot = frame
            writer.meta("outcome", "running")
            writer.note(frame, "resumed")
            writer.commit()
        return writer

    def _take_up(self, frame: int) -> bool:
        """What is counted and hashed of the record before `frame`."""
        db = self._db
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA_VERSION:
            raise RecordError(
                f"{self.path} has record version {version}, this hil writes {SCHEMA_VERSION}",
                remedy="resume this run with the hil that began it, or run it again",
            )
        self._block_first, self._frames_hash = 0, hashlib.sha256()
        for row in db.execute(
            "SELECT count, data FROM blocks WHERE first_frame < ? ORDER BY first_frame", (frame,)
        ):
            self._block_first += row[0]
            self._frames_hash.update(row[1])

        def one(sql: str) -> int:
            return int(db.execute(f"{sql} WHERE frame < ?", (frame,)).fetchone()[0])

        kept = db.execute("SELECT engine FROM snapshot WHERE frame = ?", (frame,)).fetchone()
        rows = {} if kept is None else json.loads(kept[0]).get("rows", {})
        # What is done at the beginning of a frame has the number of the frame before.
        self._transitions = rows.get("transitions", one("SELECT count(*) FROM transitions"))
        self._anomalies = one("SELECT count(*) FROM anomalies")
        self._repairs = rows.get("repairs", one("SELECT coalesce(max(id), 0) FROM repairs"))
        self._commands = one("SELECT coalesce(max(id), 0) FROM commands")
        counts = db.execute(
            "SELECT command, count(*) FROM commands WHERE ok AND frame < ? GROUP BY 1", (frame,)
        )
        self._carried_out = Counter(dict(counts.fetchall()))
        return True

    def _drop_from(self, frame: int) -> None:
        """Let the record end before `frame`, with the upsets as they were then."""
        drop = self._pending.before_rows
        drop("DELETE FROM blocks WHERE first_frame >= ?", frame)
        for table in _BY_FRAME:
            drop(f"DELETE FROM {table} WHERE frame >= ?", frame)
        drop("DELETE FROM transitions WHERE id > ?", self._transitions)
        drop("DELETE FROM repairs WHERE id > ?", self._repairs)
        drop("DELETE FROM plant_nodes WHERE t_us NOT IN (SELECT t_us FROM plant)")
        drop("DELETE FROM damage WHERE repair NOT IN (SELECT id FROM repairs)")
        drop("DELETE FROM meta WHERE key IN ('result', 'wall_us', 'reports', 'seal')")
        drop(
            "INSERT OR REPLACE INTO upsets SELECT * FROM upsets_at_snapshot WHERE frame < ?", frame
        )
        drop("DELETE FROM upsets_at_snapshot")

    @contextmanager
    def _or_closed(self) -> Iterator[None]:
        """A record that could not be begun is not left open."""
        try:
            yield
        except BaseException:
            self._db.close()
            raise

    @contextmanager
    def _guard(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            remedy = "choose another place with --out"
            if "full" in str(error) or "disk I/O" in str(error):
                remedy = f"free disk space, or {remedy}"
            if doing in {"write", "commit"}:
                remedy += "; what was committed before is kept and can be read"
            raise RecordError(
                f"cannot {doing} the record {self.path}: {error}", remedy=remedy
            ) from error

    def _insert(self, table: str, values: tuple[Any, ...]) -> None:
        """A row, at the next commit: nobody could see it before."""
        self._pending.add(table, values)

    @property
    def wall_us(self) -> int:
        """Real microseconds since the record was opened."""
        return int((time.monotonic() - self._began_s) * 1e6)

    # --- what happens -------------------------------------------------------------------------

    def meta(self, key: str, value: Any) -> None:
        self._insert("meta", (key, value if isinstance(value, str) else json.dumps(value)))

    def node(self, index: int, values: Mapping[str, Any]) -> None:
        columns = (
            "name",
            "board",
            "port",
            "arch",
            "model",
            "serial",
            "agent_version",
            "cores",
            "memory_mib",
        )
        self._insert("nodes", (index, *(values.get(c) for c in columns)))

    def frame(self, record: bytes) -> None:
        """One packed frame."""
        self.frames(record, 1)

    def frames(self, records: bytes, count: int) -> None:
        """Packed frames of a batch."""
        self._block += records
        self._block_count += count
        if self._block_count >= _BLOCK_FRAMES:
            self._flush_block()
        if time.monotonic() >= self._commit_at_s:
            self.commit()

    def notable(
        self,
        verdict: Verdict,
        t_us: int,
        golden: tuple[int, int],
        value: bytes | None,
        executions: list[list[NodeResult]],
    ) -> None:
        """A frame that is more than plain agreement, with all replies of all its executions."""
        self._insert(
            "frames",
            (
                verdict.frame,
                t_us,
                _KIND_NAMES[verdict.kind],
                verdict.voters,
                verdict.agree,
                verdict.dissent,
                verdict.latent,
                verdict.flags,
                hex64(verdict.output),
                hex64(verdict.state),
                hex64(golden[0]),
                hex64(golden[1]),
                value,
            ),
        )
        for execution, results in enumerate(executions):
            for node, r in enumerate(results):
                self._insert(
                    "replies",
                    (
                        verdict.frame,
                        node,
                        execution,
                        _STATUS_NAMES[r.status],
                        r.signal,
                        r.reason,
                        hex64(r.output_digest),
                        hex64(r.state_digest),
                        r.output,
                        r.ticks,
                        r.cpu_us,
                    ),
                )

    def upset(self, u: Upset) -> None:
        """The row of an upset: when it was made, when it is settled, when a dormant one strikes."""
        p = u.plan
        if p.frame < self._snapshot:
            self._pending.before_rows(
                "INSERT OR IGNORE INTO upsets_at_snapshot SELECT * FROM upsets WHERE id=?", p.id
            )
        self._insert(
            "upsets",
            (
                p.id,
                p.frame,
                p.node,
                p.target,
                p.kind,
                p.source,
                u.state,
                u.detail,
                u.verified,
                u.changed,
                u.persisted,
                p.tick,
                p.steps,
                p.us,
                u.tick,
                u.steps,
                u.at_us,
                u.pc_offset,
                u.bit,
                u.space,
                u.before,
                u.after,
                u.effect,
                u.signal,
                u.outcome,
                u.shared,
                u.dormant,
                u.detected_frame,
                u.resolved_frame,
            ),
        )

    def upset_kinds(self) -> list[tuple[str, bool, str, str, str, int]]:
        """State, whether verified, target, effect and outcome of upsets, and how many there are."""
        self.settle()
        with self._guard("read"):
            return self._db.execute(
                "SELECT state, verified, target, effect, outcome, count(*) FROM upsets "
                "GROUP BY state, verified, target, effect, outcome"
            ).fetchall()

    def events_injected(self) -> int:
        """Return how many of the scenario's `upsets.events` were injected and read back."""
        return int(
            self._one(
                "SELECT count(*) FROM upsets WHERE source LIKE 'event %' AND state='injected' "
                "AND verified"
            )
        )

    def nodes_hit(self, targets: Iterable[str]) -> list[str]:
        """Return the nodes of which any of `targets` was injected, or may have been."""
        marks = ",".join("?" * len(wanted := list(targets)))
        with self._guard("read"):
            rows = self._db.execute(
                f"SELECT DISTINCT node FROM upsets WHERE target IN ({marks}) "
                "AND state IN ('injected', 'failed')",
                wanted,
            ).fetchall()
        return [str(row[0]) for row in rows]

    def absent_since(self, node: str) -> int:
        """Return the frame in which a node left the vote last, 0 if it never did."""
        return int(
            self._one(
                "SELECT coalesce(max(frame), 0) FROM transitions WHERE node=? AND before='voting'",
                (node,),
            )
        )

    def hit_its_board(self, node: str, since: int) -> bool:
        """Return whether an upset that can take a whole board away was not over before frame
        `since`: of its power, of its memory or its agent's, or a reset."""
        return bool(
            self._one(
                "SELECT count(*) FROM upsets WHERE node=? AND state='injected' AND verified AND "
                "(target IN ('board', 'board-ram', 'agent') "
                "OR (target='cpu' AND kind='reset')) AND "
                "effect IN ('crash', 'hang', 'reboot') AND "
                "coalesce(resolved_frame, ?) >= ?",
                (node, since, since),
            )
        )

    def recorded_meta(self, key: str) -> str:
        """Return a meta value as it was written, empty if there is none."""
        found = self._one("SELECT max(value) FROM meta WHERE key=?", (key,))
        return "" if found is None else str(found)

    def _one(self, sql: str, values: Sequence[Any] = ()) -> Any:
        self.settle()
        with self._guard("read"):
            return self._db.execute(sql, values).fetchone()[0]

    def check_in_place(self) -> None:
        """Raise RecordError unless what was committed can be read back from `path` by anybody: the
        file may have been deleted or replaced while it was written."""
        expected = self.recorded_meta("outcome"), self.recorded_meta("result")
        try:
            with closing(
                sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True)
            ) as db:
                found = tuple(
                    db.execute("SELECT max(value) FROM meta WHERE key=?", (key,)).fetchone()[0]
                    for key in ("outcome", "result")
                )
                there = os.stat(self.path)
            same = (there.st_dev, there.st_ino) == self._identity and found == expected
            why = "another file is in its place"
        except (sqlite3.Error, OSError) as error:
            same, why = False, str(error)
        if not same:
            raise RecordError(
                f"the record {self.path} was deleted or replaced while the run went on: {why}",
                remedy="run it again, and leave the run folder alone meanwhile",
            )

    def transition(self, t: Transition) -> None:
        self._transitions += 1
        self._insert(
            "transitions",
            (
                self._transitions,
                t.frame,
                t.node,
                t.before.value,
                t.after.value,
                t.cause,
                self.wall_us,
            ),
        )

    def repair(
        self,
        frame: int,
        node: str,
        action: str,
        cause: str,
        *,
        ok: bool,
        detail: str,
        chunks: int = 0,
        bytes_moved: int = 0,
        duration_wall_us: int = 0,
        damage: tuple[Damage, ...] = (),
    ) -> None:
        self._repairs += 1
        self._insert(
            "repairs",
            (
                self._repairs,
                frame,
                node,
                action,
                cause,
                ok,
                detail,
                chunks,
                bytes_moved,
                duration_wall_us,
            ),
        )
        for d in damage:
            self._insert("damage", (self._repairs, d.offset, d.found, d.voted, d.diff_bits))

    def anomaly(self, a: Anomaly) -> None:
        self._anomalies += 1
        self._insert("anomalies", (self._anomalies, a.frame, a.node, a.effect, a.reason))

    def slip(self, frame: int, node: str | None, late_wall_us: int, detail: str) -> None:
        self._insert("slips", (None, frame, node, late_wall_us, detail))

    def _on_wall(self, host_us: float) -> float:
        """A moment of the host's monotonic clock on the record's line."""
        return host_us - self._began_s * 1e6

    def power(self, frame: int, e: PowerEvent) -> None:
        """What a bench supply measured, or did."""
        event = e.error
        if e.cut is not None:
            event = f"cut: it drew {e.cut.amps:g} A, its limit is {e.cut.limit_a:g} A"
        wall_us = max(0, int(self._on_wall(e.at_us)))
        row = (None, frame, e.node, wall_us, e.reading.volts, e.reading.amps, event)
        self._insert("power", row)

    def clock(self, frame: int, node: str, c: ClockEstimate) -> None:
        """Where a board's clock is against this record's real time."""
        self._insert(
            "clocks",
            (
                None,
                frame,
                node,
                self.wall_us,
                self._on_wall(c.offset_us),
                c.drift_ppm,
                c.drift_ppm_error,
                c.uncertainty_us,
                c.samples,
            ),
        )

    def health(
        self,
        frame: int,
        node: int,
        h: Health,
        round_trip_us: int | None = None,
        clock: ClockEstimate | None = None,
    ) -> None:
        placed = None
        if clock is not None:
            placed = _integer(int(self._on_wall(clock.to_host_us(h.uptime_us))))
        rails = json.dumps([[r.name, r.mv, r.ma] for r in h.rails])
        self._insert(
            "health",
            (
                None,
                frame,
                node,
                self.wall_us,
                h.cpu_temp_mc,
                h.clock_khz,
                h.throttled,
                h.rss_kib,
                h.free_mib,
                _integer(h.uptime_us),
                h.steps,
                h.crashes,
                h.hangs,
                h.restarts,
                _integer(h.corrected),
                _integer(h.uncorrected),
                _integer(h.rx_errors),
                _integer(h.duplicates),
                rails,
                round_trip_us,
                placed,
                h.power_mw,
            ),
        )

    def link(self, frame: int, node: int, s: LinkStatistics) -> None:
        """Record the counters of a link as they are after a frame."""
        counts = (
            s.tx_frames,
            s.tx_bytes,
            s.rx_frames,
            s.rx_bytes,
            s.rx_errors,
            s.naks,
            s.retries,
            s.stale,
            s.reconnects,
            s.chatter_bytes,
        )
        self._insert("links", (node, *counts))
        self._insert("link_counts", (None, frame, node, *counts))

    def link_event(self, frame: int, e: LinkEvent) -> None:
        """What became of a link; its time may lie a little before now."""
        wall_us = max(0, int(self._on_wall(e.at_us)))
        self._insert("link_events", (None, frame, e.node, wall_us, e.state.value, e.reason))

    def orbit(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Where the satellite will be: rows of `orbit`, in time order."""
        for row in rows:
            self._insert("orbit", row)

    def plant(self, row: tuple[Any, ...], nodes: Iterable[tuple[Any, ...]]) -> None:
        """What the plant came to: one row of `plant`, and one of `plant_nodes` per node."""
        self._insert("plant", row)
        for node in nodes:
            self._insert("plant_nodes", node)

    def skip(self, frame: int, frames: int, t_us: int) -> None:
        """Quiet frames were not computed before `frame`, which then begins at `t_us`."""
        self._insert("skips", (frame, frames, t_us))

    def limit(self, frame: int, node: str, cause: str, asked: str, applied: str) -> None:
        """What a board was asked to obey, and what it said it does."""
        self._insert("limits", (None, frame, node, cause, asked, applied))

    def command(
        self,
        frame: int,
        who: tuple[str, int, int],
        command: str,
        arguments: str,
        *,
        ok: bool,
        answer: str,
    ) -> None:
        """What an operator asked for; `who` is user name, uid and pid."""
        self._commands += 1
        self._carried_out[command] += ok
        self._insert(
            "commands",
            (self._commands, frame, self.wall_us, *who, command, arguments, ok, answer),
        )

    @property
    def last_command(self) -> int:
        """The id of the last command, 0 if there was none."""
        return self._commands

    def commands_but(self, names: Sequence[str]) -> int:
        """How many commands were carried out, without those of these names."""
        return sum(count for name, count in self._carried_out.items() if name not in names)

    def note(self, frame: int | None, text: str) -> None:
        """Something a reader of the run should know."""
        self._insert("notes", (None, frame, self.wall_us, text))

    def snapshot(
        self, frame: int, state: bytes, engine: Mapping[str, Any], states: Mapping[int, bytes]
    ) -> None:
        """The run can be taken up again before `frame`; `states`: what is in checkpoints."""
        self._flush_block()
        self._pending.cut()  # rows of upsets so far belong to the snapshot before
        self._pending.before_rows("DELETE FROM upsets_at_snapshot")
        self._pending.before_rows("DELETE FROM snapshot_states")
        for kept, content in states.items():
            self._insert("snapshot_states", (kept, content))
        self._snapshot = frame
        rows = {"transitions": self._transitions, "repairs": self._repairs}
        self._insert("snapshot", (1, frame, state, json.dumps({**engine, "rows": rows})))

    # --- keeping it ---------------------------------------------------------------------------

    def _flush_block(self) -> None:
        if not self._block_count:
            return
        data = bytes(self._block)
        self._insert("blocks", (self._block_first, self._block_count, data))
        self._frames_hash.update(data)
        self._block_first += self._block_count
        self._block_count = 0
        self._block.clear()

    def commit(self) -> None:
        """Make everything so far durable and visible to viewers, if nobody holds the write lock;
        then it is tried again in a moment. Only if too much waits is the lock waited for."""
        self._flush_block()
        self._pulse()
        if not self._committed() and self._pending.bytes > _PENDING_MAX:
            self.settle()
        self._commit_at_s = time.monotonic() + _COMMIT_S

    def _pulse(self) -> None:
        self._insert(
            "pulse", (1, self._block_first, self.wall_us, time.time_ns() // 1000, os.getpid())
        )

    def settle(self, patience_s: float | None = None) -> None:
        """Make everything so far durable, and wait for the lock if need be. RecordError if another
        program holds it for longer than `patience_s`."""
        self._flush_block()
        if self._pending.count:
            self._patiently(self._committed, patience_s)

    def settle_or_drop(self, patience_s: float) -> None:
        """Make everything so far durable if that can be done. If not, the disk being full, it is
        dropped, so that there is room for what follows: why the run ended."""
        try:
            self.settle(patience_s)
        except RecordError:
            self._pending.clear()

    def _patiently(self, work: Callable[[], bool], patience_s: float | None = None) -> None:
        """Try until it works: false, or the error of a lock, means later. RecordError."""
        patience_s = _PATIENCE_S if patience_s is None else patience_s
        end_s = time.monotonic() + patience_s
        told = False
        while True:
            with contextlib.suppress(_Later), self._later():
                if work():
                    return
            if time.monotonic() >= end_s:
                raise RecordError(
                    f"another program has held a lock on the record {self.path} for more than "
                    f"{patience_s:g} s",
                    remedy="close that program; what was recorded before is complete, and `hil run "
                    f"--resume {self.path.parent}` goes on from the last snapshot",
                )
            if not told:
                self._on_wait("waiting for another program that holds a lock on the record")
                told = True
            time.sleep(_RETRY_S)

    @staticmethod
    @contextmanager
    def _later() -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if is_locked(error):
                raise _Later from error
            raise

    def _committed(self, seals: list[Seal] | None = None) -> bool:
        """Write everything that waits; False, and it still waits, if another program has the
        lock. With `seals` also the seal of all that, which is appended there."""
        with self._guard("write"):
            if not self._in_wal:
                self._use_wal()
            try:
                self._db.execute("BEGIN IMMEDIATE")
                self._pending.write(self._db)
                if seals is not None:
                    seals.append(seal_of(self._db))
                    row = (SEAL, json.dumps(seals[-1]))
                    self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", row)
                self._db.execute("COMMIT")
            except BaseException as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError) and is_locked(error):
                    if self._locked is None:
                        self._locked = (time.monotonic(), self._block_first)
                    return False
                raise
        waited = self._pending.count
        self._pending.clear()
        if self._locked is not None:
            self._tell_of_lock(*self._locked, waited)
            self._locked = None
        return True

    def _tell_of_lock(self, since_s: float, frame: int, rows: int) -> None:
        seconds = time.monotonic() - since_s
        if seconds >= _TOLD_S and not self._sealed:
            self.note(
                frame,
                f"another program held the write lock of the record for {seconds:.1f} s; {rows} "
                "rows waited in memory, and none was lost",
            )

    def run_digest(self) -> str:
        """The digest of everything recorded so far."""
        self.settle()
        with self._guard("read"):
            return combine(self._frames_hash, canonical_lines(self._db))

    def seal(self, **end: Any) -> str:
        """Write the metas of the end of a run and the digest of everything in the record, as one
        transaction: a run that is killed has either ended or not. Return the digest. Nothing may
        follow but `close`: whatever is written later breaks the seal. RecordError."""
        self.settle()  # what takes long, and maybe a note of a lock that was waited for
        self._flush_block()
        self._pulse()
        for key, value in end.items():
            self.meta(key, value)
        self._sealed = True
        seals: list[Seal] = []
        self._patiently(lambda: self._committed(seals))
        return str(seals[-1]["record_digest"])

    def break_seal(self) -> None:
        """What is written from now on was not part of the end that was sealed."""
        if self._sealed:
            self._sealed = False
            self._pending.clear()  # everything but the end itself was settled before
            self._pending.before_rows(
                "DELETE FROM meta WHERE key IN ('result', 'wall_us', 'reports', ?)", SEAL
            )

    def close(self, patience_s: float | None = None) -> None:
        """Commit, bring the database back to one plain file if nobody else has it open, and close
        it; idempotent. RecordError, with the database closed."""
        try:
            if self._closed:
                return
            self.settle(patience_s)
            with self._guard("close"):
                make_plain(self._db, self.path, _PLAIN_S if patience_s is None else patience_s)
        finally:
            self._closed = True
            self._db.close()


class _Later(Exception):
    """A lock: it may work in a moment."""
