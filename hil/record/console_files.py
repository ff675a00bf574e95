"""The console logs beside a record: whether they are those of its run. When a run ends, its record
gets the digest of each log; a log without one, or of another digest, came later."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hil.errors import RecordError
from hil.record.reader import Reader
from hil.record.recorded_context import recorded_context

__all__ = ["ConsoleCheck", "check_consoles", "console_file", "file_digest"]

_FOLDER: Final = "console"


def console_file(run_dir: Path, node: str) -> Path:
    """Return where the console log of a node stands."""
    return run_dir / _FOLDER / f"{node}.log"


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file. Raises: OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class ConsoleCheck:
    """The console logs beside a record: `matching` its digests; `doubts` what speaks against the
    others, by their paths; `unknown`, of which the record cannot say anything."""

    matching: tuple[Path, ...] = ()
    doubts: Mapping[Path, str] = field(default_factory=dict)
    unknown: tuple[Path, ...] = ()


def check_consoles(reader: Reader) -> ConsoleCheck:
    """Compare the console logs beside a record with their digests. All are unknown while a run goes
    on, if its end was not recorded, and beside older records, which have no digests of logs.

    Raises: RecordError if the record, or a log, cannot be read."""
    folder = reader.path.parent / _FOLDER
    present = sorted(folder.iterdir()) if folder.is_dir() else []
    context = recorded_context(reader)
    if context is None or not reader.is_complete:
        return ConsoleCheck(unknown=tuple(present))
    known = {
        console_file(reader.path.parent, name): node.console.sha256
        for name, node in context.nodes.items()
        if node.console is not None
    }
    doubts = {
        path: why
        for path in sorted({*known, *present})
        if (why := _doubt(path, known.get(path))) is not None
    }
    return ConsoleCheck(tuple(path for path in known if path not in doubts), doubts)


def _doubt(path: Path, sha256: str | None) -> str | None:
    """Return why a log is not the one with this digest; None if it is."""
    name = f"{_FOLDER}/{path.name}"
    if sha256 is None:
        return f"{name} is not of this run: its record knows no such console log"
    if not path.is_file():
        return f"{name} is missing, of which the record has the digest"
    try:
        now = file_digest(path)
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror or error}") from error
    return None if now == sha256 else f"{name} was changed: it is not the console log of the run"
