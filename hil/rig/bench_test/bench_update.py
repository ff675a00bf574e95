"""Writes what was measured into the bench file: `boot_s` and `fast_baud` of boards without a fault.

Everything else in the file stays as it was written."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

from hil.scenario.bench import BenchBoardConfig, parse_bench
from hil.scenario.bench_report import BenchTestReport, BoardReport
from hil.scenario.bench_store import read_bench_file, write_bench_file
from hil.scenario.discovery_report import BenchChange

__all__ = ["update_bench"]

_MARGIN: Final = 1.5
"""A boot that checks a file system takes longer than the one that was measured."""


def update_bench(file: Path, report: BenchTestReport) -> tuple[BenchChange, ...]:
    """Write the measures of the boards without a fault into the bench file; return what changed.

    Raises: ConfigError, SetupError if the file cannot be edited; RecordError if it cannot be
    written."""
    text, ends = read_bench_file(file)
    rows = {row.board: row for row in report.boards if not report.findings_of(row.board)}
    changes: list[BenchChange] = []
    for index, board in enumerate(parse_bench(text.text, file=str(file)).boards):
        row = rows.get(board.name)
        if row is None:
            continue
        boot_s, fast_baud = _boot_s(row), _fast_baud(row, board)
        if boot_s is not None and boot_s != board.boot_s:
            text.set_key(index, "boot_s", boot_s)
            changes.append(_change(board.name, "boot_s", boot_s, board.boot_s))
        if fast_baud is not None and fast_baud != board.fast_baud:
            text.set_key(index, "fast_baud", fast_baud)
            changes.append(_change(board.name, "fast_baud", fast_baud, board.fast_baud))
    if changes:
        write_bench_file(file, text.finished().replace("\n", ends))
    return tuple(changes)


def _boot_s(row: BoardReport) -> int | None:
    """Return the boot time to write [s], rounded up with a margin; None if none was measured."""
    return None if row.power.boot_s is None else math.ceil(_MARGIN * row.power.boot_s)


def _fast_baud(row: BoardReport, board: BenchBoardConfig) -> int | None:
    """Return the rate to write [bit/s]; None to leave the file as it is. A faster one than `baud`
    that does not work is replaced by `baud`."""
    best = None if row.link is None else row.link.best_baud
    if best is None or (best <= board.baud and board.fast_baud is None):
        return None
    return max(best, board.baud)


def _change(board: str, key: str, new: int, old: float | None) -> BenchChange:
    before = "was not set" if old is None else f"was {old:.10g}"
    return BenchChange(board, key, f"{new}, {before}")
