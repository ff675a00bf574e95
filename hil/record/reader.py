"""Reads the record of a run, finished or still being written, and never changes it.

`db` is a plain read-only sqlite3 connection for everything that has no method here."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from hil.errors import RecordError
from hil.json_values import JsonObject, JsonValue
from hil.record.digest import canonical_lines, combine
from hil.record.migrations import read_as_current
from hil.record.opening import open_to_read, tidy
from hil.record.recorded_scenario import RecordedScenario
from hil.record.run_meta import RunMeta
from hil.record.seal import Seal, seal_of
from hil.redundancy.voting import Verdict, unpack_all
from hil.run_outcome import RunOutcome


def _has_tables(db: sqlite3.Connection) -> bool:
    """Return whether a database holds anything, as far as it can be read."""
    try:
        return bool(db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    except sqlite3.Error:
        return True


def not_begun(path: Path) -> RecordError:
    """Return the error of a record whose run was ended before its properties were written."""
    return RecordError(
        f"{path} holds nothing yet: its run was ended before it began",
        remedy="remove its folder and run the scenario again",
    )


class Reader:
    """The record in a run folder (or the run.db itself). Raises: RecordError if there is none.

    `version` is that of the record; queries find the current schema in older ones, too. `meta` has
    the properties of the run as texts; `run_meta` has them as values."""

    def __init__(self, run: Path) -> None:
        self.path = run / "run.db" if run.is_dir() else run
        if not self.path.is_file():
            raise RecordError(
                f"there is no record at {self.path}",
                remedy="name the folder of a run, as `hil run` printed it (it holds run.db)",
            )
        self.db = open_to_read(self.path)
        try:
            self.db.row_factory = sqlite3.Row
            self.version = read_as_current(self.db, self.path)
            self.meta = {row[0]: row[1] for row in self.db.execute("SELECT key, value FROM meta")}
        except RecordError:
            self.db.close()
            raise
        except sqlite3.Error as error:
            begun = _has_tables(self.db)
            self.db.close()
            if not begun:
                raise not_begun(self.path) from error
            raise RecordError(f"{self.path} is not a record of hil: {error}") from error

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Return all rows of a query. Raises: RecordError if the record is damaged."""
        try:
            return list(self.db.execute(sql, values))
        except sqlite3.Error as error:
            raise RecordError(f"{self.path} cannot be read: {error}") from error

    def hold(self) -> None:
        """Hold all that is read from now on as it was at this moment, until it is closed."""
        self.rows("BEGIN")

    def meta_json(self, key: str) -> JsonValue:
        """Return a value of `meta` that was written as JSON, as whoever wrote the record left it;
        None if there is none. Raises: RecordError if it is not JSON."""
        text = self.meta.get(key)
        if text is None:
            return None
        try:
            value: JsonValue = json.loads(text)
        except ValueError:
            raise RecordError(f"{self.path} is damaged: its `{key}` cannot be read") from None
        return value

    def meta_object(self, key: str) -> JsonObject | None:
        """Return a value of `meta` that is a JSON object, as whoever wrote the record left it; None
        if there is none, or something else. Raises: RecordError if it is not JSON."""
        value = self.meta_json(key)
        return value if isinstance(value, Mapping) else None

    @cached_property
    def run_meta(self) -> RunMeta:
        """Return the properties of the run; those that are damaged are left out."""
        return RunMeta.parse(self.meta)

    @cached_property
    def scenario(self) -> RecordedScenario:
        """Return the scenario of the run, empty if there is none. Raises: RecordError if it is
        damaged."""
        self.meta_json("scenario")
        return self.run_meta.scenario

    @property
    def is_complete(self) -> bool:
        """Return whether the end of the run was recorded, with its result. A run that was aborted
        at once, or that a failure of the rig ended, has none."""
        outcome = self.meta.get("outcome")
        if outcome in {RunOutcome.PASS, RunOutcome.FAIL, RunOutcome.UNTESTED}:
            return True
        result = self.meta_object("result")
        ended = outcome in {RunOutcome.ABORTED, RunOutcome.ERROR}
        return ended and result is not None and result.get("outcome") == outcome

    @property
    def node_names(self) -> list[str]:
        """Return the names of the nodes, in their order. Raises: RecordError if the record is
        damaged."""
        return [row["name"] for row in self.rows("SELECT name FROM nodes ORDER BY idx")]

    @property
    def frame_us(self) -> int:
        """Return the simulated time from one frame to the next [us]."""
        return self.scenario.frame_us

    @property
    def wall_us(self) -> int:
        """Return the real time [us] that the run took. While it is running: from the beginning of
        the record, or of its last part, to the last commit."""
        known = self.meta_json("wall_us") if self.is_complete else None
        if isinstance(known, (int, float)):
            return int(known)
        rows = self.rows("SELECT wall_us FROM pulse")
        return int(rows[0][0]) if rows else 0

    def t_us(self, frame: int) -> int:
        """Return the simulated time [us] at the beginning of a frame; quiet ones that were skipped
        count."""
        row = self.rows("SELECT sum(frames) FROM skips WHERE frame <= ?", frame)[0]
        return (frame + int(row[0] or 0)) * self.frame_us

    def blocks(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield first frame, count and packed bytes of each block, in order."""
        for row in self.rows("SELECT first_frame, count FROM blocks ORDER BY first_frame"):
            data = self.rows("SELECT data FROM blocks WHERE first_frame=?", row[0])[0][0]
            yield row[0], row[1], data

    def verdicts(self) -> Iterator[Verdict]:
        """Yield every recorded verdict, in order. Raises: KernelError if a packed frame is
        damaged."""
        nodes = len(self.node_names)
        for _, _, data in self.blocks():
            yield from unpack_all(data, nodes)

    def run_digest(self) -> str:
        """Compute the run digest again from the contents of the record."""
        frames = hashlib.sha256()
        for _, _, data in self.blocks():
            frames.update(data)
        return combine(frames, canonical_lines(self.db))

    def event_lines(self) -> list[str]:
        """Return the lines of upsets and transitions that the run digest covers, besides frames."""
        return list(canonical_lines(self.db))

    def seal(self) -> Seal:
        """Compute the seal of the record's contents again. Raises: RecordError if they cannot be
        read."""
        try:
            return seal_of(self.db)
        except sqlite3.Error as error:
            raise RecordError(str(error)) from error

    def close(self) -> None:
        """Close the record; the last reader of a finished run makes its file a plain one."""
        self.db.close()
        if self.meta.get("outcome", RunOutcome.RUNNING) != RunOutcome.RUNNING:
            tidy(self.path)
