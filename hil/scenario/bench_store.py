"""Reads a bench file for editing, and replaces it safely: there may be no other copy."""

from __future__ import annotations

import os
from pathlib import Path

from hil.errors import RecordError
from hil.scenario.bench_edit import BenchText

__all__ = ["read_bench_file", "write_bench_file"]


def read_bench_file(bench: Path) -> tuple[BenchText, str]:
    """Return the text of a bench file, with line feeds, and the line ends that the file has.

    Raises: RecordError if it cannot be read."""
    try:
        original = bench.read_bytes().decode("utf-8")
    except OSError as error:
        raise RecordError(
            f"cannot read {bench}: {error.strerror}", remedy="was it moved?"
        ) from error
    ends = "\r\n" if original.count("\r\n") == original.count("\n") > 0 else "\n"
    return BenchText(original.replace(ends, "\n"), str(bench)), ends


def write_bench_file(bench: Path, text: str) -> None:
    """Replace the bench file atomically, unless it is the same. Raises: RecordError."""
    content = text.encode()
    if bench.exists() and bench.read_bytes() == content:
        return
    if bench.exists() and not os.access(bench, os.W_OK):
        raise RecordError(f"cannot write {bench}: it is read-only", remedy=f"chmod u+w {bench}")
    beside = bench.with_name(f".{bench.name}.new")
    try:
        beside.write_bytes(content)
        if bench.exists():
            beside.chmod(bench.stat().st_mode & 0o777)
        beside.replace(bench.resolve())
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise RecordError(
            f"cannot write {bench}: {error.strerror}", remedy="free its folder, or use another file"
        ) from error
