"""The file of a proof of a scheme: one SQLite file, the same bit for bit whenever it is repeated.

Beside the proof itself it has every experiment that it rests on: the classes of each node's faults,
and the kind of answer that each of their bits leads to."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.errors import RecordError
from hil.record.result_file import (
    PROOF,
    RESULTS,
    ResultFormat,
    application_of,
    as_record_error,
    insert,
    new_result,
    opened,
)
from hil.record.scheme_proof import (
    AnswerCheck,
    HostFate,
    HostRow,
    ProofRow,
    RunCheck,
    SchemeFate,
    SchemeProof,
    StubbornCheck,
)
from hil.upsets.words import UpsetTarget

__all__ = ["NodeExperiments", "is_proof", "read_proof", "write_proof"]

_FORMAT: Final = ResultFormat(
    RESULTS[PROOF],
    PROOF,
    2,  # 1 called outvoted what is corrected
    """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE fates (number INTEGER PRIMARY KEY, node TEXT NOT NULL, target TEXT NOT NULL,
  fate TEXT NOT NULL, faults INTEGER NOT NULL);
CREATE TABLE host (number INTEGER PRIMARY KEY, part TEXT NOT NULL, field TEXT NOT NULL,
  fate TEXT NOT NULL, bits INTEGER NOT NULL);
CREATE TABLE differences (number INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE kinds (node TEXT NOT NULL, number INTEGER NOT NULL, outcome TEXT NOT NULL,
  failure INTEGER NOT NULL, differs INTEGER NOT NULL, fate TEXT NOT NULL, step INTEGER NOT NULL,
  PRIMARY KEY (node, number)) WITHOUT ROWID;
CREATE TABLE classes (node TEXT NOT NULL, number INTEGER NOT NULL, target TEXT NOT NULL,
  position INTEGER NOT NULL, byte INTEGER NOT NULL, weight INTEGER NOT NULL,
  kind0 INTEGER NOT NULL, kind1 INTEGER NOT NULL, kind2 INTEGER NOT NULL, kind3 INTEGER NOT NULL,
  kind4 INTEGER NOT NULL, kind5 INTEGER NOT NULL, kind6 INTEGER NOT NULL, kind7 INTEGER NOT NULL,
  PRIMARY KEY (node, number)) WITHOUT ROWID;
""",
)
_META: Final = (
    "scheme",
    "workload",
    "seed",
    "frame",
    "board",
    "arch",
    "instructions",
    "experiments",
)


@dataclass(frozen=True, slots=True)
class NodeExperiments:
    """The experiments on one node. `kinds`: outcome, failure, what differs as flags, fate and its
    step. `classes`: target, position, byte, weight, and the number of a kind for each bit."""

    node: str
    kinds: Sequence[tuple[str, int, int, str, int]]
    classes: Iterable[tuple[str, int, int, int, Sequence[int]]]


def is_proof(path: Path) -> bool:
    """Return whether the file at `path` is a proof. Raises: RecordError if it cannot be read."""
    return application_of(path) == _FORMAT.application


def write_proof(
    path: Path, proof: SchemeProof, version: str, nodes: Iterable[NodeExperiments]
) -> None:
    """Write a proof that this `version` of hil has made: all of it, or none. Raises:
    RecordError."""
    with new_result(path, _FORMAT) as db:
        _write(db, proof, version)
        for node in nodes:
            _write_node(db, node)


def _write(db: sqlite3.Connection, proof: SchemeProof, version: str) -> None:
    answers, runs, stubborn = proof.answers, proof.runs, proof.stubborn
    meta = {
        **{key: getattr(proof, key) for key in _META},
        "hil_version": version,
        "holds": proof.holds,
        "answers": [answers.answers, answers.right, answers.wrong, answers.none],
        "runs": [runs.runs, runs.escapes],
        "stubborn": [stubborn.frames, stubborn.orders, stubborn.escaped, stubborn.lost],
        "may_repeat": proof.may_repeat,
    }
    rows = ((key, json.dumps(value)) for key, value in sorted(meta.items()))
    db.executemany(insert("meta", 2), rows)
    fates = (
        (row.node, row.target.value, fate.value, row.fates[fate])
        for row in proof.rows
        for fate in SchemeFate
    )
    db.executemany("INSERT INTO fates (node, target, fate, faults) VALUES (?, ?, ?, ?)", fates)
    bits = (
        (row.part, row.field, fate.value, row.bits[fate]) for row in proof.host for fate in HostFate
    )
    db.executemany("INSERT INTO host (part, field, fate, bits) VALUES (?, ?, ?, ?)", bits)
    texts = ((text,) for text in runs.differences)
    db.executemany("INSERT INTO differences (text) VALUES (?)", texts)


def _write_node(db: sqlite3.Connection, node: NodeExperiments) -> None:
    kinds = ((node.node, number, *kind) for number, kind in enumerate(node.kinds))
    db.executemany(insert("kinds", 7), kinds)
    classes = (
        (node.node, number, *place, *bits) for number, (*place, bits) in enumerate(node.classes)
    )
    db.executemany(insert("classes", 14), classes)


def read_proof(path: Path) -> SchemeProof:
    """Return the proof that is in a file. Raises: RecordError if it is none, or damaged."""
    db, _ = opened(path, _FORMAT)
    with as_record_error(path), closing(db):
        try:
            return _proof(db)
        except (ValueError, KeyError, TypeError) as error:
            raise RecordError(f"{path} is damaged: {error}") from error


def _proof(db: sqlite3.Connection) -> SchemeProof:
    meta = {key: json.loads(value) for key, value in db.execute("SELECT key, value FROM meta")}
    rows: dict[tuple[str, UpsetTarget], Counter[SchemeFate]] = {}
    for node, target, fate, faults in db.execute(
        "SELECT node, target, fate, faults FROM fates ORDER BY number"
    ):
        rows.setdefault((node, UpsetTarget(target)), Counter())[SchemeFate(fate)] = faults
    host: dict[tuple[str, str], Counter[HostFate]] = {}
    for part, field, fate, bits in db.execute(
        "SELECT part, field, fate, bits FROM host ORDER BY number"
    ):
        host.setdefault((part, field), Counter())[HostFate(fate)] = bits
    texts = tuple(text for (text,) in db.execute("SELECT text FROM differences ORDER BY number"))
    runs, escapes = meta["runs"]
    return SchemeProof(
        **{key: meta[key] for key in _META},
        rows=tuple(ProofRow(*place, fates) for place, fates in rows.items()),
        answers=AnswerCheck(*meta["answers"]),
        host=tuple(HostRow(*place, counts) for place, counts in host.items()),
        runs=RunCheck(runs, texts, escapes),
        stubborn=StubbornCheck(*meta.get("stubborn", (0, 0, 0, 0))),  # older files have none
        may_repeat=meta.get("may_repeat", 0),
    )
