"""The result file of a campaign: one SQLite file, the same bit for bit whenever and however often
the campaign is repeated, because it has nothing in it but the results, in their order."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, fields
from pathlib import Path
from typing import Any, Final

from hil.errors import RecordError
from hil.record.campaign_endings import EndingRow, UnreadEnding
from hil.record.campaign_rows import (
    EFFECTS,
    CampaignMeta,
    ClassRow,
    FrameRow,
    InstructionRow,
    MomentUnit,
    PartRow,
    RegionRow,
    SampleRow,
    SamplingMeta,
    StepRows,
)
from hil.record.campaign_soundness import CAMPAIGN_CHECKS
from hil.record.result_file import (
    CAMPAIGN,
    RESULTS,
    ResultFormat,
    as_record_error,
    damaged,
    insert,
    new_result,
    opened,
)
from hil.record.sound_tables import unsound_row
from hil.upsets.words import NodeEffect

__all__ = ["SCHEMA_VERSION", "CampaignFile", "is_database", "write_campaign", "write_samples"]

SCHEMA_VERSION: Final = 6
"""1 had no steps and lines, 2 no samples, 3 no endings; 4 did not say where the scenario is, and
how many classes the whole campaign has; 5 no addresses of samples."""
_ENDINGS_SINCE: Final = 4
_ADDRESSES_SINCE: Final = 6
_PLAIN_TYPES: Final = frozenset({"str", "int", "bool"})
_MAGIC: Final = b"SQLite format 3\0"
_CLASS: Final = "number, region, position, byte, weight, effects, details"
_COUNTS: Final = ", ".join(f"{effect} INTEGER NOT NULL" for effect in EFFECTS)
_UNREAD: Final = ", ".join(f"unread_{effect} INTEGER NOT NULL" for effect in EFFECTS[:3])
_FORMAT: Final = ResultFormat(
    RESULTS[CAMPAIGN],
    CAMPAIGN,
    SCHEMA_VERSION,
    f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE regions (number INTEGER PRIMARY KEY, target TEXT NOT NULL, length INTEGER NOT NULL,
  faults INTEGER NOT NULL, overwritten INTEGER NOT NULL, {_UNREAD});
CREATE TABLE instructions (address INTEGER PRIMARY KEY, executions INTEGER NOT NULL,
  text TEXT NOT NULL, symbol TEXT NOT NULL, file TEXT NOT NULL, line INTEGER NOT NULL);
CREATE TABLE unread (region INTEGER NOT NULL, byte INTEGER NOT NULL, weight INTEGER NOT NULL,
  effect INTEGER NOT NULL, PRIMARY KEY (region, byte)) WITHOUT ROWID;
CREATE TABLE path (position INTEGER PRIMARY KEY, address INTEGER NOT NULL);
CREATE TABLE stack (position INTEGER PRIMARY KEY, byte INTEGER NOT NULL);
CREATE TABLE parts (region INTEGER NOT NULL, first INTEGER NOT NULL, length INTEGER NOT NULL,
  name TEXT NOT NULL, PRIMARY KEY (region, first)) WITHOUT ROWID;
CREATE TABLE sources (file TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE classes (number INTEGER PRIMARY KEY, region INTEGER NOT NULL,
  position INTEGER NOT NULL, byte INTEGER NOT NULL, weight INTEGER NOT NULL,
  {_COUNTS}, effects BLOB NOT NULL, details BLOB NOT NULL);
CREATE TABLE frames (frame INTEGER PRIMARY KEY, length INTEGER NOT NULL, path TEXT NOT NULL);
CREATE TABLE samples (number INTEGER PRIMARY KEY, frame INTEGER NOT NULL, region INTEGER NOT NULL,
  moment INTEGER NOT NULL, byte INTEGER NOT NULL, bit INTEGER NOT NULL, effect TEXT NOT NULL,
  detail INTEGER NOT NULL, address INTEGER NOT NULL);
CREATE TABLE endings (class INTEGER PRIMARY KEY, severity BLOB NOT NULL, errors BLOB NOT NULL,
  fates BLOB NOT NULL, steps BLOB NOT NULL);
CREATE TABLE unread_endings (region INTEGER NOT NULL, byte INTEGER NOT NULL,
  weight INTEGER NOT NULL, severity BLOB NOT NULL, errors BLOB NOT NULL, fates BLOB NOT NULL,
  steps BLOB NOT NULL, PRIMARY KEY (region, byte)) WITHOUT ROWID;
""",
)


def is_database(path: Path) -> bool:
    """Return whether there is an SQLite file at `path`: no other file can be a result."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def write_campaign(
    path: Path,
    meta: CampaignMeta,
    regions: Iterable[RegionRow],
    instructions: Iterable[InstructionRow],
    classes: Iterable[ClassRow],
    step: StepRows,
    *,
    endings: Iterable[EndingRow] = (),
    unread: Iterable[UnreadEnding] = (),
) -> None:
    """Write the result file of an exact campaign, or of a part of one: all of it, or none.
    `endings` and `unread`: what more is known of the experiments. Raises: RecordError, and what the
    iterables raise."""
    with _new_file(path, meta, regions) as db:
        db.executemany(insert("instructions", 6), map(astuple, instructions))
        _write_step(db, step)
        db.executemany(insert("classes", 7 + len(EFFECTS)), map(_class_values, classes))
        db.executemany(insert("endings", 5), map(astuple, endings))
        db.executemany(insert("unread_endings", 7), map(astuple, unread))


def write_samples(
    path: Path,
    meta: CampaignMeta,
    regions: Iterable[RegionRow],
    frames: Iterable[FrameRow],
    samples: Iterable[SampleRow],
    *,
    instructions: Iterable[InstructionRow] = (),
    parts: Iterable[PartRow] = (),
) -> None:
    """Write the result file of a sampled campaign, or of a part of one: all of it, or none.
    `instructions`: those that faults struck before; `parts`: of regions. Raises: RecordError, and
    what the iterables raise."""
    with _new_file(path, meta, regions) as db:
        rows = ((f.frame, f.length, f.path) for f in frames)
        db.executemany(insert("frames", 3), rows)
        db.executemany(insert("samples", 9), map(_sample_values, samples))
        db.executemany(insert("instructions", 6), map(astuple, instructions))
        db.executemany(insert("parts", 4), map(astuple, parts))


@contextmanager
def _new_file(
    path: Path, meta: CampaignMeta, regions: Iterable[RegionRow]
) -> Iterator[sqlite3.Connection]:
    """Return a connection to a new result file with meta and regions."""
    with new_result(path, _FORMAT) as db:
        values = asdict(meta)
        db.executemany(
            insert("meta", 2),
            [(key, json.dumps(value)) for key, value in sorted(values.items())],
        )
        db.executemany(insert("regions", 8), map(_region_values, regions))
        yield db


def _write_step(db: sqlite3.Connection, step: StepRows) -> None:
    unread = ((u.region, u.byte, u.weight, EFFECTS.index(u.effect)) for u in step.unread)
    db.executemany(insert("unread", 4), unread)
    db.executemany(insert("path", 2), map(astuple, step.path))
    db.executemany(insert("stack", 2), map(astuple, step.stack))
    db.executemany(insert("parts", 4), map(astuple, step.parts))
    db.executemany(insert("sources", 2), map(astuple, step.sources))


def _region_values(row: RegionRow) -> tuple[int | str, ...]:
    unread = [row.unread.get(effect, 0) for effect in EFFECTS[:3]]
    return (row.number, row.target, row.length, row.faults, row.overwritten, *unread)


def _class_values(row: ClassRow) -> tuple[int | bytes, ...]:
    counts = [row.effects.count(number) for number in range(len(EFFECTS))]
    place = (row.number, row.region, row.position, row.byte, row.weight)
    return (*place, *counts, row.effects, row.details)


def _sample_values(row: SampleRow) -> tuple[int | str, ...]:
    place = (row.number, row.frame, row.region, row.moment, row.byte, row.bit)
    return (*place, row.effect.value, row.detail, row.address)


def _sampling(values: dict[str, Any]) -> SamplingMeta:
    """Return the sampling that `asdict` and JSON have made of it."""
    values["moment"], values["outcome"] = (
        MomentUnit(values["moment"]),
        NodeEffect(values["outcome"]),
    )
    return SamplingMeta(**{**values, "sizes": tuple(values["sizes"])})


class CampaignFile:
    """Reads the result file at `path`. Use it as a context manager. `version`: of its tables.

    Raises: RecordError if there is none, or it is of another kind or a newer version; all methods,
    if it is damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db, self.version = opened(path, _FORMAT)
        try:
            with as_record_error(path):
                unsound = unsound_row(self._db, counts=True, more=CAMPAIGN_CHECKS)
            if unsound is not None:
                raise damaged(path, unsound)
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> CampaignFile:  # noqa: PYI034  (Python 3.10 has no typing.Self)
        return self

    def __exit__(self, *exc: object) -> None:
        self._db.close()

    def select(self, query: str, values: tuple[int, ...] = ()) -> Sequence[tuple[Any, ...]]:
        """Return all rows of a query of this room. Raises: RecordError."""
        with as_record_error(self.path):
            return self._db.execute(query, values).fetchall()

    @property
    def meta(self) -> CampaignMeta:
        """Return what the campaign was made on. Raises: RecordError if the file is damaged."""
        try:
            values = {k: json.loads(v) for k, v in self.select("SELECT key, value FROM meta")}
            if values.get("sampling"):
                values["sampling"] = _sampling(values["sampling"])
                values["classes"] = values.get("classes") or self.sample_count()
            values.setdefault("classes", self.class_count())  # older files are complete
            return _sound(CampaignMeta(**{**values, "targets": tuple(values["targets"])}))
        except (ValueError, TypeError, KeyError) as error:
            raise RecordError(f"{self.path} is damaged: its table `meta`: {error}") from error

    def regions(self) -> list[RegionRow]:
        """Return the targets, in their order."""
        rows = self.select("SELECT * FROM regions ORDER BY number")
        return [
            RegionRow(r[0], r[1], r[2], r[3], r[4], dict(zip(EFFECTS[:3], r[5:], strict=True)))
            for r in rows
        ]

    def instructions(self) -> list[InstructionRow]:
        """Return the instructions of the step, by address."""
        query = f"SELECT {self._instruction} FROM instructions ORDER BY address"
        return [InstructionRow(*row) for row in self.select(query)]

    def one_instruction(self, address: int) -> InstructionRow | None:
        """Return the instruction at an address; None if the step has none there."""
        query = f"SELECT {self._instruction} FROM instructions WHERE address = ?"
        rows = self.select(query, (address,))
        return InstructionRow(*rows[0]) if rows else None

    @property
    def _instruction(self) -> str:
        places = "" if self.version == 1 else ", symbol, file, line"
        return f"address, executions, text{places}"

    def part_name(self, region: int, byte: int) -> str:
        """Return the name of the register that a byte of a region is part of; empty in memory."""
        if self.version == 1:
            return ""
        query = "SELECT name FROM parts WHERE region = ? AND first <= ? AND first + length > ?"
        rows = self.select(query, (region, byte, byte))
        return str(rows[0][0]) if rows else ""

    def weighted_effects(self) -> dict[int, dict[NodeEffect, int]]:
        """Return, by region, how many faults the experiments stand for, by effect."""
        sums = ", ".join(f"sum(weight * {effect})" for effect in EFFECTS)
        rows = self.select(f"SELECT region, {sums} FROM classes GROUP BY region")
        return {row[0]: dict(zip(EFFECTS, row[1:], strict=True)) for row in rows}

    def endings(self) -> Iterator[tuple[int, int, EndingRow]]:
        """Return what more is known of experiments: the region and the weight of each class, and
        its row."""
        if self.version < _ENDINGS_SINCE:
            return
        query = (
            "SELECT region, weight, endings.* FROM endings JOIN classes ON class = number "
            "ORDER BY class"
        )
        with as_record_error(self.path):
            for row in self._db.execute(query):
                yield row[0], row[1], EndingRow(*row[2:])

    def unread_endings(self) -> Iterator[UnreadEnding]:
        """Return what more is known of hits at the end of the step."""
        if self.version < _ENDINGS_SINCE:
            return
        with as_record_error(self.path):
            for row in self._db.execute("SELECT * FROM unread_endings ORDER BY region, byte"):
                yield UnreadEnding(*row)

    def class_count(self) -> int:
        """Return how many classes the file has."""
        return int(self.select("SELECT count(*) FROM classes")[0][0])

    def experiments(self) -> int:
        """Return how many experiments there were."""
        return 8 * self.class_count()

    def sample_count(self) -> int:
        """Return how many samples the file has."""
        return int(self.select("SELECT count(*) FROM samples")[0][0])

    def missing_ranges(self) -> list[tuple[int, int]]:
        """Return the ranges of classes, or of samples, as (first, end), that the file lacks:
        another part of the campaign has them."""
        meta = self.meta
        table = "classes" if meta.sampling is None else "samples"
        present = self.select(
            "SELECT min(number), max(number) + 1 FROM (SELECT number, number - row_number() OVER "
            f"(ORDER BY number) AS run FROM {table}) GROUP BY run ORDER BY 1"
        )
        ends = [0, *(end for _, end in present)]
        firsts = [*(first for first, _ in present), meta.classes]
        return [(end, first) for end, first in zip(ends, firsts, strict=True) if end < first]

    def classes(self) -> Iterator[ClassRow]:
        """Yield the classes, by number."""
        with as_record_error(self.path):
            for row in self._db.execute(f"SELECT {_CLASS} FROM classes ORDER BY number"):
                yield ClassRow(*row)

    def one_class(self, number: int) -> ClassRow | None:
        """Return one class; None if there is none of this number."""
        rows = self.select(f"SELECT {_CLASS} FROM classes WHERE number = ?", (number,))
        return ClassRow(*rows[0]) if rows else None

    def frames(self) -> list[FrameRow]:
        """Return the frames of a sampled campaign, in their order."""
        rows = self.select("SELECT frame, length, path FROM frames ORDER BY frame")
        return [FrameRow(*row) for row in rows]

    def one_frame(self, frame: int) -> FrameRow:
        """Return one frame of a sampled campaign. Raises: RecordError if it has none of that
        number."""
        for row in self.frames():
            if row.frame == frame:
                return row
        raise RecordError(f"{self.path} is damaged: it has a sample of frame {frame}, and no frame")

    def sample_counts(self) -> dict[int, dict[NodeEffect, int]]:
        """Return, by region, how many samples had which effect."""
        counts: dict[int, dict[NodeEffect, int]] = {}
        rows = self.select("SELECT region, effect, count(*) FROM samples GROUP BY region, effect")
        for region, effect, count in rows:
            counts.setdefault(region, {})[NodeEffect(effect)] = count
        return counts

    def first_moment_counts(self, region: int) -> dict[NodeEffect, int]:
        """Return how many samples of a region that struck before the step had which effect."""
        query = (
            "SELECT effect, count(*) FROM samples WHERE region = ? AND moment = 0 GROUP BY effect"
        )
        rows = self.select(query, (region,))
        return {NodeEffect(effect): count for effect, count in rows}

    def samples(self) -> Iterator[SampleRow]:
        """Yield the samples, by number."""
        with as_record_error(self.path):
            for row in self._db.execute(f"SELECT {self._sample} FROM samples ORDER BY number"):
                yield self._sample_row(row)

    def one_sample(self, number: int) -> SampleRow | None:
        """Return one sample; None if there is none of this number."""
        rows = self.select(f"SELECT {self._sample} FROM samples WHERE number = ?", (number,))
        return self._sample_row(rows[0]) if rows else None

    @property
    def _sample(self) -> str:
        address = "" if self.version < _ADDRESSES_SINCE else ", address"
        return f"number, frame, region, moment, byte, bit, effect, detail{address}"

    def _sample_row(self, row: tuple[Any, ...]) -> SampleRow:
        number, frame, region, moment, byte, bit, effect, detail = row[:_PLACE_COLUMNS]
        address = row[_PLACE_COLUMNS] if len(row) > _PLACE_COLUMNS else 0
        outcome = NodeEffect(effect)
        return SampleRow(number, frame, region, moment, byte, bit, outcome, detail, address)


_PLACE_COLUMNS: Final = 8


def _sound(meta: CampaignMeta) -> CampaignMeta:
    """Return what a campaign was made on. Raises: TypeError if a value is of another type."""
    for field in fields(meta):
        value = getattr(meta, field.name)
        if field.type in _PLAIN_TYPES and type(value).__name__ != field.type:
            raise TypeError(f"`{field.name}` is {value!r}; expected a value of type {field.type}")
    return meta
