"""A table as a CSV file: RFC 4180, UTF-8, a line of names first; an empty field where there is no
value."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hil.errors import SetupError
from hil.export.table import Table

__all__ = ["complete_file", "write_csv"]


@contextmanager
def complete_file(path: Path) -> Iterator[Path]:
    """Yield the path of a draft that becomes the file at `path` at the end: all of it is there, or
    nothing. Raises: SetupError if it cannot be written."""
    draft = path.with_name(f".{path.name}.new")
    try:
        yield draft
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.replace(path)
    except OSError as error:
        raise SetupError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)


def write_csv(table: Table, path: Path, *, missing: str = "") -> int:
    """Write a table to a new file; return the number of its rows. `missing`: what stands for no
    value. Raises: SetupError if it cannot be written, and what the rows raise."""
    count = 0
    with complete_file(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([column.name for column in table.columns])
        for row in table.rows:
            writer.writerow([missing if cell is None else cell for cell in row])
            count += 1
    return count
