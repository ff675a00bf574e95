"""Opens the record of a run for one answer, as it is at this moment, and says so where the record
is damaged.

A run may have millions of rows, and it may go on: so they are not checked before they are read. If
what reads them fails, the record is looked through for the reason: a value that no run writes, or a
table that is not the one that was sealed. A failure without such a reason is one of hil itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hil.errors import HilError, KernelError, RecordError
from hil.record.reader import Reader
from hil.record.seal import SEAL, difference
from hil.record.sound_tables import unsound_row

__all__ = ["held_record"]


@contextmanager
def held_record(run: Path) -> Iterator[Reader]:
    """Open the record of a run, and yield a reader that sees it as it is now. Raises: RecordError
    if there is none, if it cannot be read, or if it holds what no run writes and the caller failed
    on that."""
    reader = Reader(run)
    try:
        reader.hold()
        yield reader
    except Exception as error:
        if isinstance(error, (HilError, OSError)) and not isinstance(error, KernelError):
            raise
        damage = _damage(reader)
        if damage is None:
            raise
        raise RecordError(
            f"{reader.path} is damaged: {damage}",
            remedy="take the folder from a copy; `hil replay RUN --verify` lists what was changed",
        ) from error
    finally:
        reader.close()


def _damage(reader: Reader) -> str | None:
    """Return a sentence on what in a record no run has written; None if there is nothing."""
    try:
        unsound = unsound_row(reader.db)
        seal = None if unsound is not None else reader.meta_object(SEAL)
        now = None if seal is None else reader.seal()
    except (RecordError, sqlite3.Error) as error:
        return str(error)
    if seal is None or now is None:
        return unsound
    return next(
        (
            f"{what} is not as the run left it (then {before}, now {after})"
            for what, before, after in difference(seal, now)
        ),
        None,
    )
