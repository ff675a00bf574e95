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
until the next row. Rows may be dense around an event. A step is a gap if it is more than three
times as long as both its neighbours, or more than ten times as long as any two steps that follow,
precede or enclose it; or, with `max_gap_s:` in the scenario, if it is longer than that."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.errors import ConfigError, Problem
from hil.plant.profile_columns import FAMILIES, HELD, MAX_ROWS, hint, limits, unusable
from hil.plant.profile_csv import read_csv
from hil.plant.profile_npz import read_npz
from hil.plant.profile_writer import ProfileWriter
from hil.scenario.problems import did_you_mean

__all__ = ["Profile", "read_profile", "write_profile"]

Floats = npt.NDArray[np.float64]

_GAP_FACTOR: Final = 10.0
_ALONE_FACTOR: Final = 3.0
_AROUND: Final = 5
_MAX_PROBLEMS: Final = 20


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
        """Return the columns besides the time."""
        return tuple(name for name in self._columns if name != "t_s")

    def family(self, family: str) -> dict[str, str]:
        """Return the columns FAMILY.X by their X."""
        begin = f"{family}."
        return {n[len(begin) :]: n for n in self._columns if n.startswith(begin)}

    def at(self, name: str, t_s: Floats) -> Floats:
        """Return the values (N,) of a column at `t_s` (N,)."""
        values = self._columns[name]
        if name.split(".", maxsplit=1)[0] in HELD:
            rows = np.searchsorted(self.t_s, t_s + 1e-9, side="right") - 1
            return np.asarray(values[np.clip(rows, 0, len(values) - 1)])
        return np.asarray(np.interp(t_s, self.t_s, values))

    def require(self, duration_s: float, nodes: Iterable[str], parts: Iterable[str]) -> None:
        """Check that it covers a run and names only nodes and parts that exist. Raises: ConfigError
        if it does not."""
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
        for family in FAMILIES:
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


def read_profile(path: Path, max_gap_s: float | None = None) -> Profile:
    """Read a profile; no step between its rows may be longer than `max_gap_s`.

    None: rows must not be much further apart than those around them.

    Raises:
        ConfigError: The file is not usable; names the line where there is one.
    """
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".npz"):
        raise unusable(path, 1, "", "it is neither .csv nor .npz", "rename it, or convert it")
    remedy = "name a .csv or .npz file"
    try:  # not is_file(): from Python 3.14 on, that reports no error
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise unusable(path, 1, "", "there is no such file", remedy) from None
    except (OSError, ValueError) as error:  # the name is too long, or holds a zero byte
        raise unusable(path, 1, "", f"it cannot be read: {error}") from None
    if not stat.S_ISREG(mode):  # a pipe would be waited for
        raise unusable(path, 1, "", "it is not a regular file", remedy)
    if suffix == ".npz":
        return _checked(str(path), read_npz(path), None, max_gap_s)
    return _checked(str(path), *read_csv(path), max_gap_s)


def _checked(
    file: str, columns: dict[str, Floats], lines: Sequence[int] | None, max_gap_s: float | None
) -> Profile:
    problems: list[Problem] = []

    def add(row: int, column: str, message: str, remedy: str = "") -> None:
        line = 1 if lines is None or row < 0 else lines[row]
        where = f" (row {row})" if lines is None and row >= 0 else ""
        shown = column if len(column) <= 60 else column[:57] + "..."
        problems.append(Problem(file, line, 1, shown, message + where, remedy))

    if "t_s" not in columns:
        add(-1, "t_s", "the column `t_s` is missing", "add the time in seconds")
    for name, values in columns.items():
        span = limits(name)
        if span is None:
            add(-1, name, f"there is no column `{name[:60]}`", hint(name[:200]))
            continue
        bad = ~np.isfinite(values)
        if np.any(bad):
            row = int(np.argmax(bad))
            add(
                row,
                name,
                f"{values[row]} is not a finite number",
                "a profile has no gaps: leave out the row, or the column",
            )
            continue
        outside = (values < span[0]) | (values > span[1])
        if np.any(outside):
            row = int(np.argmax(outside))
            add(
                row,
                name,
                f"{values[row]:g} is out of range; expected {span[0]:g} to {span[1]:g}",
                "times are seconds from the start of the run" if name == "t_s" else "",
            )
        elif name.split(".", maxsplit=1)[0] in HELD and np.any(values % 1.0):
            row = int(np.argmax(values % 1.0 != 0.0))
            add(row, name, f"{values[row]:g} is not a whole number", "it holds until the next row")
    if "t_s" in columns and not problems:
        _check_time(columns["t_s"], add, max_gap_s)
    if problems:
        raise ConfigError(problems[:_MAX_PROBLEMS])
    return Profile(file, columns)


def _check_time(t_s: Floats, add: Callable[..., None], max_gap_s: float | None) -> None:
    if not 2 <= len(t_s) <= MAX_ROWS:
        add(-1, "t_s", f"{len(t_s)} rows; expected 2 to {MAX_ROWS}")
        return
    steps = np.diff(t_s)
    if np.any(steps <= 0):
        row = int(np.argmax(steps <= 0)) + 1
        add(
            row,
            "t_s",
            f"time runs backwards or stands still: {t_s[row]:g} s after {t_s[row - 1]:g} s",
            "sort the rows by time, each time once",
        )
        return
    long = _gaps(steps) if max_gap_s is None else np.flatnonzero(steps > max_gap_s)
    if len(long):
        at = int(long[0])
        usual = f"the rows around are {_around(steps, at):g} s apart"
        if max_gap_s is not None:
            usual = f"`max_gap_s` is {max_gap_s:g}"
        add(
            at + 1,
            "t_s",
            f"a gap from {t_s[at]:g} s to {t_s[at + 1]:g} s, where {usual}",
            "fill it, cut the profile there, or allow it with "
            f"`max_gap_s: {_rounded(float(steps[at]))}`",
        )


def _rounded(step_s: float) -> str:
    """Return a step as a limit that allows it."""
    shown = f"{step_s:.9g}"
    return shown if float(shown) >= step_s else f"{step_s:.17g}"


def _gaps(steps: Floats) -> npt.NDArray[np.int64]:
    """Return the steps that are too long for their surroundings, as the module explains."""
    if len(steps) < 2:
        return np.zeros(0, dtype=np.int64)
    one = np.pad(steps, 1)  # the first and the last have one neighbour
    alone = steps > _ALONE_FACTOR * np.maximum(one[:-2], one[2:])
    two = np.pad(steps, 2, mode="edge")
    before_2, before, after, after_2 = two[:-4], two[1:-3], two[3:-1], two[4:]
    run = np.maximum(np.minimum(before_2, before), np.minimum(after, after_2))
    run = np.maximum(run, np.minimum(before, after))
    return np.flatnonzero(alone | (steps > _GAP_FACTOR * run))


def _around(steps: Floats, at: int) -> float:
    """Return the usual step near the step `at`."""
    near = np.concatenate([steps[max(0, at - _AROUND) : at], steps[at + 1 : at + 1 + _AROUND]])
    return float(np.median(near))


def write_profile(path: Path, columns: Mapping[str, Floats]) -> None:
    """Write columns as CSV or NPZ, by the suffix; numbers as short as is exact to 9 digits.

    Raises:
        OSError: The file cannot be written.
    """
    with ProfileWriter(path) as writer:
        writer.add(columns)
