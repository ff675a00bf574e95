"""Profiles from CSV files. Whatever stands in a file is either numbers or a ConfigError.

Read line by line, so that the first mistake in a file of any size is found at once, and its line is
known: a row never takes more than one line, because numbers need no quotes across lines."""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TextIO

import numpy as np
import numpy.typing as npt

from hil.errors import ConfigError, Problem
from hil.plant.profile_columns import MAX_ROWS, TIMES, hint, limits, unusable
from hil.scenario.numerals import number_remedy

__all__ = ["read_csv"]

Floats = npt.NDArray[np.float64]

_MAX_LINE: Final = 1 << 17
_MAX_CELLS: Final = 400_000_000
_MAX_PROBLEMS: Final = 20

_TIME_OF_DAY: Final = re.compile(
    r"\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{4}|\d+:\d\d"
)
_MISSING: Final = frozenset({"na", "n/a", "null", "none", "-", "--", "?", "missing", "#n/a"})


def read_csv(path: Path) -> tuple[dict[str, Floats], Sequence[int]]:
    """Return the columns of a CSV file, and the line of each of their rows.

    Raises:
        ConfigError: The file is anything but numbers below a header.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            return _table(path, _rows(path, file))
    except OSError as error:
        raise unusable(path, 1, "", f"it cannot be read: {error.strerror or error}") from None


def _table(
    path: Path, rows: Iterator[tuple[int, list[str]]]
) -> tuple[dict[str, Floats], Sequence[int]]:
    line, cells = next(rows, (1, []))
    header = _header(path, line, cells)
    values = [array("d") for _ in header]
    lines = array("q")
    most = min(MAX_ROWS, _MAX_CELLS // len(header))
    for line, cells in rows:
        if len(lines) >= most:
            raise unusable(
                path,
                line,
                "",
                f"more than {most} rows, the most that is read",
                "keep every tenth row, or write fewer columns",
            )
        if len(cells) != len(header):
            raise unusable(path, line, "", *_of_length(cells, len(header)))
        try:
            for column, cell in zip(values, cells, strict=True):
                column.append(float(cell))
        except ValueError:
            pass
        if len(values[-1]) == len(lines) or not _plain(cells):
            raise _no_number(path, line, header, cells)
        lines.append(line)
    columns = {name: np.array(column) for name, column in zip(header, values, strict=True)}
    return columns, lines


def _plain(cells: list[str]) -> bool:
    """Return whether the numbers are such in other programs too: not `1_0`, and no other digits."""
    text = "".join(cells)
    return text.isascii() and "_" not in text


# --- lines -----------------------------------------------------------------------------------


def _rows(path: Path, file: TextIO) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each line that is not blank, with its number."""
    for number, text in _lines(path, file):
        try:
            cells = next(csv.reader([text], strict=True), [])
        except csv.Error as error:
            raise unusable(path, number, "", *_of_quotes(text, str(error))) from None
        if any(cell.strip() for cell in cells):
            yield number, cells


def _of_quotes(text: str, why: str) -> tuple[str, str]:
    if "unexpected end of data" in why:
        return "a quote is opened in this line and not closed in it", "close it; numbers need none"
    if text.count('"'):
        return f"its quotes are wrong: {why}", "remove them; numbers need none"
    return f"it cannot be read as CSV: {why}", "is it the right file?"


def _lines(path: Path, file: TextIO) -> Iterator[tuple[int, str]]:
    """Yield each line without its end, with its number. Raises: ConfigError if it is not text."""
    number = 0
    while True:
        text = file.readline(_MAX_LINE + 1)
        if not text:
            return
        number += 1
        # Before its length: what is not text has no lines, either.
        if not text.isascii():
            _must_be_utf8(path, number, text)
        if "\0" in text:
            raise unusable(
                path,
                number,
                "",
                "it holds a zero byte, so it is not text",
                "save it as UTF-8 text; is it the right file?",
            )
        if len(text) > _MAX_LINE:
            raise unusable(
                path,
                number,
                "",
                f"this line has more than {_MAX_LINE} characters",
                "one row of numbers a line; is it the right file?",
            )
        yield number, text.rstrip("\n")


def _must_be_utf8(path: Path, number: int, text: str) -> None:
    bad = next((char for char in text if "\udc80" <= char <= "\udcff"), None)
    if bad is None:
        return
    wide = number == 1 and text.startswith(("\udcff\udcfe", "\udcfe\udcff"))
    message = f"the byte 0x{ord(bad) & 0xFF:02x} is not UTF-8 text"
    if wide:
        message = "it is UTF-16 text; expected UTF-8"
    raise unusable(path, number, "", message, "save it as UTF-8 text; is it the right file?")


# --- the header ------------------------------------------------------------------------------


def _header(path: Path, line: int, cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    if not names:
        raise unusable(
            path, 1, "", "it is empty", "give it a header line, such as t_s,illumination"
        )
    no_header = _no_header(names)
    if no_header is not None:
        raise unusable(path, line, "", *no_header)
    problems = []
    for index, name in enumerate(names):
        shown = name if len(name) <= 60 else name[:57] + "..."
        what = None
        if not name:
            last = index == len(names) - 1
            what = (
                ("a comma at the end makes a column without a name", "remove it from every line")
                if last
                else ("a column has no name", "name it, or remove it from every line")
            )
        elif name in names[:index]:
            what = "this column is listed twice", "remove one"
        elif limits(name) is None:
            what = f"there is no column `{shown}`", hint(name[:200])
        if what is not None:
            problems.append(Problem(str(path), line, 1, shown, *what))
        if len(problems) == _MAX_PROBLEMS:
            raise ConfigError(problems)
    if "t_s" not in names and not any(p.remedy.find("`t_s`") >= 0 for p in problems):
        problems.append(
            Problem(
                str(path),
                line,
                1,
                "t_s",
                "the column `t_s` is missing",
                "add the time in seconds from the start of the run",
            )
        )
    if problems:
        raise ConfigError(problems)
    return names


def _no_header(names: list[str]) -> tuple[str, str] | None:
    """Return the error for a first line that is not a header."""
    first = names[0]
    if len(names) == 1:
        for mark, what in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if mark in first:
                return (
                    f"its columns are separated by {what}; expected commas",
                    "separate columns by commas, and decimals by points",
                )
    if first.lower().startswith("sep="):
        return "a line for spreadsheets; expected the names of the columns", "remove it"
    if first.startswith("'"):
        return (
            "this looks like an export of SPENVIS; expected the names of the columns",
            "keep its block of numbers below one line of names, such as t_s,altitude_km; days x "
            "86400 are seconds",
        )
    if first.startswith(("#", "%", "//", "!")):
        return (
            "a comment; expected the names of the columns",
            "remove the comments; only the names stand above the numbers",
        )
    if all(_is_number(name) for name in names if name) and any(names):
        return (
            "numbers; expected the names of the columns",
            "add a line above them, such as t_s,illumination",
        )
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# --- rows ------------------------------------------------------------------------------------


def _of_length(cells: list[str], expected: int) -> tuple[str, str]:
    """Return the error for a row of another length than the header."""
    if len(cells) == expected + 1 and not cells[-1].strip():
        return "a comma at the end makes an empty value", "remove it from every line"
    count = (
        f"{len(cells)} value{'s'[: len(cells) != 1]} for {expected} column{'s'[: expected != 1]}"
    )
    if len(cells) == 1 and expected > 1:
        for mark, what in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if mark in cells[0]:
                return f"its values are separated by {what}; expected commas", "use commas"
    if len(cells) == 2 * expected and all(c.strip().lstrip("+-").isdigit() for c in cells):
        return f"{count}: commas for decimals, too?", "write decimals with points, as 0.5"
    return count, "every row has a value for every column"


def _no_number(path: Path, line: int, header: list[str], cells: list[str]) -> ConfigError:
    for name, cell in zip(header, cells, strict=True):
        if not (_is_number(cell) and _plain([cell])):
            return unusable(path, line, name, *_of_cell(cell.strip()))
    raise AssertionError("a row of numbers was refused")


def _of_cell(cell: str) -> tuple[str, str]:
    """Return what is wrong with a value, and what to write."""
    shown = f"`{cell if len(cell) <= 40 else cell[:37] + '...'}`"
    if not cell or cell.lower() in _MISSING:
        return (
            f"{shown} is not a valid value" if cell else "there is no value",
            "a profile has no gaps: leave out the row, or the column",
        )
    if _TIME_OF_DAY.search(cell):
        return f"{shown} is a date or a time of day; expected a number", TIMES
    return f"{shown} is not a number", number_remedy(cell) or "expected for example 0.5 or 1.2e-3"
