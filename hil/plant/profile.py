"""Profiles: the plant's values over time, as a file. Read to replace models, written to keep them.

CSV with a header, or NPZ with an array per column. `t_s` counts from the start of the run, rising.
Units are in the names; unknown columns are refused.

    t_s                          time
    latitude_deg longitude_deg altitude_km beta_deg    where it is (shown on the map)
    illumination                 0 umbra .. 1 full sun: for arrays and faces
    flux_per_cm2_s               protons behind the wall: rates follow it
    array_w                      what all arrays could give at their reference temperature
    bus_w                        what there is for the boards: more is shed, by priority
    bus_v load_w battery_w soc stage                   what came of it (shown, not used)
    temperature_c.PART           of a thermal node, as a.junction or structure
    level.NODE                   of a board: 0 off, 1 suspend, 2 capped, 3 full
    seu_per_day.NODE mbu_... sefi_... sel_...          real upset rates: accel multiplies them
    contact.STATION              1 while it hears the satellite

Between rows values are interpolated; levels, stages and contacts, which are whole numbers, hold
until the next row. A gap is a step of more than ten times the usual one, or of more than three
times those before and after it."""

from __future__ import annotations

import csv
import io
import math
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hil.errors import ConfigError, Problem
from hil.scenario.problems import did_you_mean

__all__ = ["Profile", "read_profile", "write_profile"]

Floats = npt.NDArray[np.float64]

_ANY: Final = (-math.inf, math.inf)
_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "t_s": _ANY, "latitude_deg": (-90.0, 90.0), "longitude_deg": (-360.0, 360.0),
    "altitude_km": (0.0, 1e6), "beta_deg": (-90.0, 90.0), "illumination": (0.0, 1.0),
    "flux_per_cm2_s": (0.0, 1e9), "array_w": (0.0, 1e9), "bus_w": (0.0, 1e9),
    "bus_v": (0.0, 1e5), "load_w": (0.0, 1e9), "battery_w": (-1e9, 1e9), "soc": (0.0, 1.0),
    "stage": (0.0, 255.0),
}  # fmt: skip
_FAMILIES: Final[Mapping[str, tuple[float, float]]] = {
    "temperature_c": (-273.15, 2000.0), "level": (0.0, 3.0), "contact": (0.0, 1.0),
    "seu_per_day": (0.0, 1e12), "mbu_per_day": (0.0, 1e12), "sefi_per_day": (0.0, 1e12),
    "sel_per_day": (0.0, 1e12),
}  # fmt: skip
_HELD: Final = frozenset({"level", "contact", "stage"})
_GAP_FACTOR: Final = 10.0
_ALONE_FACTOR: Final = 3.0
_MAX_ROWS: Final = 20_000_000
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.+-]{0,63}")


class Profile:
    """Columns over time; every value is finite and in range, `t_s` rises without gaps."""

    def __init__(self, file: str, columns: Mapping[str, Floats]) -> None:
        self.file = file
        self._columns = dict(columns)
        self.t_s = self._columns["t_s"]

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    @property
    def names(self) -> tuple[str, ...]:
        """The columns besides the time."""
        return tuple(name for name in self._columns if name != "t_s")

    def family(self, family: str) -> dict[str, str]:
        """The columns FAMILY.X by their X."""
        begin = f"{family}."
        return {n[len(begin) :]: n for n in self._columns if n.startswith(begin)}

    def at(self, name: str, t_s: Floats) -> Floats:
        """The values (N,) of a column at `t_s` (N,)."""
        values = self._columns[name]
        if name.split(".", maxsplit=1)[0] in _HELD:
            rows = np.searchsorted(self.t_s, t_s + 1e-9, side="right") - 1
            return np.asarray(values[np.clip(rows, 0, len(values) - 1)])
        return np.asarray(np.interp(t_s, self.t_s, values))

    def require(self, duration_s: float, nodes: Iterable[str], parts: Iterable[str]) -> None:
        """Raise ConfigError unless it covers a run and names only nodes and parts that exist."""
        problems = []
        first, last = float(self.t_s[0]), float(self.t_s[-1])
        if first > 0.0 or last < duration_s - 1e-6:
            remedy = "times count from the start of the run: subtract the first one, or add rows"
            if first <= 0.0 < last:
                remedy = f"shorten the run (--duration {last:g}s), or add rows"
            problems.append(
                self._problem(
                    "t_s",
                    f"it covers {first:g} s to {last:g} s; the run is 0 to {duration_s:g} s",
                    remedy,
                )
            )
        known_nodes, known_parts = list(nodes), list(parts)
        for family in _FAMILIES:
            if family == "contact":
                continue
            known = known_parts if family == "temperature_c" else known_nodes
            for what, column in self.family(family).items():
                if what not in known:
                    problems.append(
                        self._problem(
                            column,
                            f"there is no `{what}`; expected {', '.join(known)}",
                            did_you_mean(what, known),
                        )
                    )
        if problems:
            raise ConfigError(problems)

    def _problem(self, column: str, message: str, remedy: str) -> Problem:
        return Problem(self.file, 1, 1, column, message, remedy)


def read_profile(path: Path) -> Profile:
    """A profile of a file. ConfigError, with the line where there is one, if it is not usable."""
    if path.suffix.lower() == ".npz":
        return _checked(str(path), _npz(path), lines=None)
    if path.suffix.lower() == ".csv":
        return _checked(str(path), *_csv(path))
    raise _wrong(path, 1, "", "it is neither .csv nor .npz", "rename it, or convert it")


def _wrong(path: Path | str, line: int, column: str, message: str, remedy: str = "") -> ConfigError:
    return ConfigError([Problem(str(path), line, 1, column, message, remedy)])


def _csv(path: Path) -> tuple[dict[str, Floats], list[int]]:
    """The columns, and the line of each of their rows."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(path, 1, "", f"it cannot be read: {error}") from None
    rows = csv.reader(io.StringIO(text))
    header = [name.strip() for name in next(rows, [])]
    if not header or header == [""]:
        raise _wrong(path, 1, "", "it is empty", "give it a header line, beginning with t_s")
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and mark in header[0]:
            raise _wrong(
                path, 1, "", f"its columns are separated by {name}; expected commas",
                "and decimals by points",
            )  # fmt: skip
    if header[0].startswith("#"):
        raise _wrong(path, 1, "", "a comment; expected the names of the columns", "remove it")
    values: list[list[float]] = [[] for _ in header]
    lines: list[int] = []
    for row in rows:
        if not row or (len(row) == 1 and not row[0].strip()):
            continue
        if len(row) != len(header):
            raise _wrong(
                path, rows.line_num, "", f"{len(row)} values for {len(header)} columns",
                "every row has a value for every column",
            )  # fmt: skip
        lines.append(rows.line_num)
        for column, cell in enumerate(row):
            try:
                values[column].append(float(cell.replace("_", "?")))  # 1_0 is Python's, not CSV's
            except ValueError:
                what = f"`{cell.strip()[:40]}`" if cell.strip() else "nothing"
                raise _wrong(
                    path, rows.line_num, header[column], f"{what} is no number",
                    "a profile has no gaps: leave out the row, or the column",
                ) from None  # fmt: skip
    repeated = [name for index, name in enumerate(header) if name in header[:index]]
    if repeated:
        raise _wrong(path, 1, repeated[0], "this column is there twice", "remove one")
    return {name: np.array(column) for name, column in zip(header, values, strict=True)}, lines


def _npz(path: Path) -> dict[str, Floats]:
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            columns = {name: _real(name, file[name]) for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, KeyError, AttributeError) as error:
        raise _wrong(path, 1, "", f"it is no npz file of numbers: {error}") from None
    lengths = {name: column.shape for name, column in columns.items()}
    if len(set(lengths.values())) > 1 or any(len(shape) != 1 for shape in lengths.values()):
        shapes = ", ".join(f"{name} {shape}" for name, shape in lengths.items())
        raise _wrong(path, 1, "", f"its columns differ in length: {shapes}")
    return columns


def _real(name: str, values: npt.NDArray[Any]) -> Floats:
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{name} is of type {values.dtype}")
    return np.asarray(values, dtype=np.float64)


def _checked(file: str, columns: dict[str, Floats], lines: list[int] | None) -> Profile:
    problems: list[Problem] = []

    def add(row: int, column: str, message: str, remedy: str = "") -> None:
        line = 1 if lines is None or row < 0 else lines[row]
        where = f" (row {row})" if lines is None and row >= 0 else ""
        problems.append(Problem(file, line, 1, column, message + where, remedy))

    if "t_s" not in columns:
        add(-1, "t_s", "the column `t_s` is missing", "add the time in seconds")
    for name, values in columns.items():
        limits = _limits(name)
        if limits is None:
            families = [f"{family}.NAME" for family in _FAMILIES]
            known = [*_RANGES, *families]
            hint = did_you_mean(name, known) or f"known are {', '.join(known)}"
            add(-1, name, f"there is no column `{name[:60]}`", hint)
            continue
        bad = ~np.isfinite(values)
        if np.any(bad):
            add(int(np.argmax(bad)), name, "it is not a finite number", "a profile has no gaps")
            continue
        outside = (values < limits[0]) | (values > limits[1])
        if np.any(outside):
            row = int(np.argmax(outside))
            add(
                row, name,
                f"{values[row]:g} is out of range; expected {limits[0]:g} to {limits[1]:g}",
            )  # fmt: skip
        elif name.split(".", maxsplit=1)[0] in _HELD and np.any(values % 1.0):
            row = int(np.argmax(values % 1.0 != 0.0))
            add(row, name, f"{values[row]:g} is no whole number", "it holds until the next row")
    if "t_s" in columns and not problems:
        _check_time(columns["t_s"], add)
    if problems:
        raise ConfigError(problems)
    return Profile(file, columns)


def _check_time(t_s: Floats, add: object) -> None:
    assert callable(add)
    if not 2 <= len(t_s) <= _MAX_ROWS:
        add(-1, "t_s", f"{len(t_s)} rows; expected 2 to {_MAX_ROWS}")
        return
    steps = np.diff(t_s)
    if np.any(steps <= 0):
        row = int(np.argmax(steps <= 0)) + 1
        add(
            row, "t_s",
            f"time runs backwards or stands still: {t_s[row]:g} s after {t_s[row - 1]:g} s",
            "sort the rows by time, each time once",
        )  # fmt: skip
        return
    beside = np.concatenate([steps[:1], steps, steps[-1:]])  # the first and last have one neighbour
    beside[0], beside[-1] = (0.0, 0.0) if len(steps) > 1 else (np.inf, np.inf)
    alone = steps > _ALONE_FACTOR * np.maximum(beside[:-2], beside[2:])
    gaps = alone | (steps > _GAP_FACTOR * float(np.median(steps)))
    if np.any(gaps):
        row = int(np.argmax(gaps)) + 1
        add(
            row, "t_s",
            f"a gap from {t_s[row - 1]:g} s to {t_s[row]:g} s, where rows are usually "
            f"{float(np.median(steps)):g} s apart",
            "fill it, or cut the profile there",
        )  # fmt: skip


def _limits(name: str) -> tuple[float, float] | None:
    if name in _RANGES:
        return _RANGES[name]
    family, _, what = name.partition(".")
    return _FAMILIES.get(family) if _NAME.fullmatch(what) else None


def write_profile(path: Path, columns: Mapping[str, Floats]) -> None:
    """Write columns as csv or npz, by the suffix; numbers as short as they are exact to 9 digits.

    OSError if the file cannot be written."""
    if path.suffix.lower() == ".npz":
        arrays: dict[str, Any] = dict(columns)  # before NumPy 2.1 every keyword is an array
        with path.open("wb") as file:
            np.savez_compressed(file, **arrays)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            out.writerow([f"{value:.9g}" for value in row])
