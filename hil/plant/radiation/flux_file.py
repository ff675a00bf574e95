"""Files of proton fluxes: CSV over time and energy, exports of SPENVIS and of AP9 (IRENE).

    CSV      a header `t_s,>10,>30,>100` (or `utc`): energies in MeV, and below it one row for each
             time: omnidirectional integral fluxes in protons /cm2/s. Lines with # are comments.
    SPENVIS  its text format of blocks: a mean spectrum (Energy, Integral Flux), which holds all the
             time. The first block of protons is read.
    IRENE    the text output of AP9, with its header of `# Key: value`: integral, or 1PtDiff, which
             is integrated; omnidirectional.

Fluxes are those outside of the wall, in place of the trapped protons of AP8."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.errors import ConfigError, Problem
from hil.plant.radiation.flux_table import FluxTable, integral_of

__all__ = ["read_flux"]

Floats = npt.NDArray[np.float64]

_ENERGY: Final = re.compile(
    r"\s*(?:E\s*)?>?=?\s*([0-9.]+(?:e[-+]?\d+)?)\s*(?:MeV)?\s*", re.IGNORECASE
)
_QUOTED: Final = re.compile(r"'([^']*)'")
_MJD: Final = datetime(1858, 11, 17, tzinfo=timezone.utc)
_EXPECTED: Final = "expected a CSV with a header such as t_s,>10,>30,>100"


def read_flux(path: Path, start_utc: datetime | None, duration_s: float) -> FluxTable:
    """Read a file of fluxes for a run that begins at `start_utc` and lasts `duration_s`.

    Raises:
        ConfigError: The file cannot be read, or does not cover the run; with the line.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise _wrong(path, 1, f"it cannot be read: {error.strerror}") from None
    lines = text.splitlines()
    kind = _kind(path, lines)
    table = kind(path, lines, start_utc)
    _check(path, table, start_utc, duration_s)
    return table


def _kind(
    path: Path, lines: Sequence[str]
) -> Callable[[Path, Sequence[str], datetime | None], FluxTable]:
    first = next((line for line in lines if line.strip()), "")
    if not first:
        raise _wrong(path, 1, "it is empty", _EXPECTED)
    if first.startswith("'*'"):
        return _spenvis
    if any(re.match(r"#\s*(Model type|Energy levels)", line) for line in lines[:40]):
        return _irene
    return _csv


def _wrong(path: Path, line: int, message: str, remedy: str = "") -> ConfigError:
    return ConfigError([Problem(str(path), line, 1, "", message, remedy)])


def _numbers(path: Path, line: int, cells: Sequence[str]) -> list[float]:
    out = []
    for cell in cells:
        try:
            value = float(cell)
        except ValueError:
            raise _wrong(path, line, f"`{cell.strip()[:40]}` is not a number") from None
        if not np.isfinite(value):
            raise _wrong(path, line, f"`{cell.strip()}` is not a finite number")
        out.append(value)
    return out


# --- CSV ------------------------------------------------------------------------------------------


def _csv(path: Path, lines: Sequence[str], start_utc: datetime | None) -> FluxTable:
    energies: list[float] = []
    clock = ""
    times, rows, numbers = [], [], []
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        cells = line.split(",")
        if not energies:
            clock = cells[0].strip().lower()
            energies = _energies(path, number, clock, cells)
            continue
        if len(cells) != len(energies) + 1:
            raise _wrong(path, number, f"{len(cells)} values for {len(energies) + 1} columns")
        times.append(_time(path, number, clock, cells[0], start_utc))
        rows.append(_numbers(path, number, cells[1:]))
        numbers.append(number)
    if not rows:
        raise _wrong(path, 1, "it has no rows", _EXPECTED)
    return _table(path, times, energies, np.array(rows), numbers)


def _energies(path: Path, line: int, clock: str, cells: Sequence[str]) -> list[float]:
    if clock not in ("t_s", "utc"):
        raise _wrong(
            path, line, f"the first column is `{cells[0].strip()[:40]}`; {_EXPECTED}",
            "t_s: seconds from the start of the run; or utc: 2026-03-20T00:00:00Z",
        )  # fmt: skip
    out = []
    for cell in cells[1:]:
        match = _ENERGY.fullmatch(cell)
        if match is None:
            raise _wrong(path, line, f"`{cell.strip()[:40]}` is not an energy", "write MeV, as >30")
        out.append(float(match[1]))
    if not out:
        raise _wrong(path, line, f"it has no energies; {_EXPECTED}")
    return out


def _time(path: Path, line: int, clock: str, cell: str, start_utc: datetime | None) -> float:
    if clock == "t_s":
        return _numbers(path, line, [cell])[0]
    try:
        moment = datetime.fromisoformat(cell.strip().replace("Z", "+00:00"))
    except ValueError:
        raise _wrong(path, line, f"`{cell.strip()[:40]}` is not a valid UTC time") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return _since(moment, start_utc)


def _since(moment: datetime, start_utc: datetime | None) -> float:
    return 0.0 if start_utc is None else (moment - start_utc).total_seconds()


def _table(
    path: Path,
    times: Sequence[float],
    energies: Sequence[float],
    above: Floats,
    lines: Sequence[int],
) -> FluxTable:
    """Return the table, its energies in order. Raises: ConfigError with the line of a bad row."""
    order = np.argsort(np.array(energies), kind="stable")
    mev = np.array(energies)[order]
    above = above[:, order]
    if np.any(np.diff(mev) <= 0.0) or mev[0] <= 0.0:
        raise _wrong(path, lines[0], "an energy is listed twice, or is not positive")
    t_s = np.array(times)
    backwards = np.flatnonzero(np.diff(t_s) <= 0.0)
    if len(backwards):
        raise _wrong(
            path, lines[int(backwards[0]) + 1], "time runs backwards or stands still",
            "sort the rows by time, each time once",
        )  # fmt: skip
    for bad, what in (
        (np.any(above < 0.0, axis=1), "a flux is negative"),
        (
            np.any(np.diff(above, axis=1) > 1e-6 * above[:, :-1] + 1e-12, axis=1),
            "the flux above an energy is larger than that above a lower one",
        ),
    ):
        if np.any(bad):
            remedy = "integral fluxes are expected, not differential ones"
            raise _wrong(path, lines[int(np.argmax(bad))], what, remedy)
    return FluxTable(str(path), t_s, mev, above)


def _check(path: Path, table: FluxTable, start_utc: datetime | None, duration_s: float) -> None:
    if len(table.t_s) == 1:
        return
    first, last = float(table.t_s[0]), float(table.t_s[-1])
    step = float(np.median(np.diff(table.t_s)))
    if first > step or last < duration_s - step:
        began = "" if start_utc is None else f" from {start_utc:%Y-%m-%d %H:%M:%S} UTC on"
        raise _wrong(
            path, 1,
            f"it covers {first:g} s to {last:g} s; the run is 0 to {duration_s:g} s{began}",
            "shorten the run (--duration), set `start_utc:` to the first time, or add rows",
        )  # fmt: skip


# --- SPENVIS --------------------------------------------------------------------------------------


def _spenvis(path: Path, lines: Sequence[str], _start: datetime | None) -> FluxTable:
    begin = 0
    while begin < len(lines):
        end = next(
            (i for i in range(begin, len(lines)) if lines[i].startswith("'End of")), len(lines)
        )
        block = _spenvis_block(path, lines, begin, end)
        if block is not None:
            energies, above, numbers = block
            return _table(path, [0.0], energies, above[None, :], numbers)
        begin = end + 1
    raise _wrong(
        path, 1, "no spectrum of protons was found in this export of SPENVIS",
        "export the trapped proton spectra (spenvis_tri.txt): Energy and Integral Flux",
    )  # fmt: skip


def _spenvis_block(
    path: Path, lines: Sequence[str], begin: int, end: int
) -> tuple[list[float], Floats, list[int]] | None:
    """Return energies, integral fluxes and the line of the first, if a block is of protons."""
    names: list[str] = []
    units: list[str] = []
    electrons = False
    rows: list[list[float]] = []
    numbers: list[int] = []
    for i in range(begin, end):
        line = lines[i].strip()
        if not line.startswith("'"):
            cells = [cell for cell in line.split(",") if cell.strip()]
            if cells and names:
                rows.append(_numbers(path, i + 1, cells))
                numbers.append(i + 1)
            continue
        quoted = _QUOTED.findall(line)
        electrons |= any("electron" in text.lower() for text in quoted)
        variable = re.match(r"'[^']*'\s*,\s*'([^']*)'\s*,\s*(\d+)\s*,\s*'([^']*)'", line)
        if variable:
            names += [variable[3]] * max(1, int(variable[2]))
            units += [variable[1]] * max(1, int(variable[2]))
    lower = [name.lower() for name in names]
    energy = next((i for i, name in enumerate(lower) if "energy" in name), None)
    flux = next((i for i, name in enumerate(lower) if "integral" in name and "flu" in name), None)
    if electrons or energy is None or flux is None or not rows:
        return None
    _check_spenvis_units(path, numbers[0], units[energy], units[flux])
    if any(len(row) <= max(energy, flux) for row in rows):
        raise _wrong(path, numbers[0], "a row has fewer values than the block has variables")
    return [row[energy] for row in rows], np.array([row[flux] for row in rows]), numbers


def _check_spenvis_units(path: Path, line: int, energy: str, flux: str) -> None:
    """Check that energies are in MeV and fluxes in /cm2/s. Raises: ConfigError."""
    plain = re.sub(r"![a-z]|[\s^*()]", "", flux.lower()).replace("sec", "s")
    if "sr" in plain:
        raise _wrong(path, line, "the flux is per steradian", "export it omnidirectional")
    if plain in ("cm-2", "/cm2", "#/cm2"):
        raise _wrong(
            path, line, "this is the fluence of a mission, not a flux",
            "export the fluxes; or divide it by the seconds of the mission",
        )  # fmt: skip
    if plain not in ("cm-2s-1", "/cm2/s", "#/cm2/s"):
        raise _wrong(path, line, f"the unit of the flux is `{flux}`; expected cm-2 s-1")
    if energy.strip().lower() != "mev":
        raise _wrong(path, line, f"the unit of the energy is `{energy}`; expected MeV")


# --- IRENE (AP9) ----------------------------------------------------------------------------------


def _irene(path: Path, lines: Sequence[str], start_utc: datetime | None) -> FluxTable:
    header: dict[str, str] = {}
    data: list[tuple[int, str]] = []
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        match = re.match(r"#\s*([^:#]+?)\s*:\s*(.*)", line)
        if match:
            header.setdefault(match[1].lower(), match[2].strip())
        elif line and not line.startswith("#"):
            data.append((number, line))
    _check_irene(path, header)
    energies = _numbers(path, 1, header["energy levels (mev)"].split())
    if not data:
        raise _wrong(path, 1, "it has no rows")
    width = _time_columns(path, header.get("time format", ""))
    delimiter = header.get("data delimiter", "")
    times, rows = [], []
    for number, line in data:
        cells = line.split(",") if "comma" in delimiter.lower() or "," in line else line.split()
        values = _numbers(path, number, [cell for cell in cells if cell.strip()])
        if len(values) - width - len(energies) not in (0, 3):  # with the position, or without
            raise _wrong(
                path, number, f"{len(values)} values; expected a time and {len(energies)} fluxes"
            )
        times.append(_since(_irene_time(path, number, values[:width]), start_utc))
        rows.append(values[-len(energies) :])
    if start_utc is None:
        times = [t - times[0] for t in times]
    fluxes = np.array(rows)
    if "diff" in header.get("flux type", "").lower():
        fluxes = integral_of(np.array(energies), fluxes)
    return _table(path, times, energies, fluxes, [number for number, _ in data])


def _check_irene(path: Path, header: Mapping[str, str]) -> None:
    species = f"{header.get('model type', '')} {header.get('particle species', '')}".lower()
    if "ae9" in species or "ae8" in species or "e-" in species or "electron" in species:
        raise _wrong(path, 1, "these are electrons", "export the protons (AP9)")
    if "energy levels (mev)" not in header:
        raise _wrong(path, 1, "its header has no `Energy levels (MeV)`")
    direction = header.get("flux direction", "Omnidirectional").lower()
    if "omni" not in direction:
        raise _wrong(path, 1, f"the flux is {direction}", "export it omnidirectional")
    kind = header.get("flux type", "Integral").lower()
    if "fluence" in kind or not ("integral" in kind or "1ptdiff" in kind):
        raise _wrong(path, 1, f"the flux type is {kind}", "export Integral or 1PtDiff")


def _time_columns(path: Path, form: str) -> int:
    plain = form.lower()
    if "month" in plain:
        return 6
    if "julian" in plain or "mjd" in plain:
        return 1
    if "year" in plain and "day" in plain and "sec" in plain:
        return 3
    raise _wrong(path, 1, f"the time format `{form}` is not read", "export Modified Julian Dates")


def _irene_time(path: Path, line: int, values: Sequence[float]) -> datetime:
    try:
        if len(values) == 1:
            return _MJD + timedelta(days=values[0])
        if len(values) == 3:
            begin = datetime(int(values[0]), 1, 1, tzinfo=timezone.utc)
            return begin + timedelta(days=values[1] - 1.0, seconds=values[2])
        year, month, day, hour, minute = (int(v) for v in values[:5])
        begin = datetime(year, month, day, hour, minute, tzinfo=timezone.utc)
        return begin + timedelta(seconds=values[5])
    except (ValueError, OverflowError) as error:
        raise _wrong(path, line, f"the time is not valid: {error}") from None
