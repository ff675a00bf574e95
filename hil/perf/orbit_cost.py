"""The command `hil orbit`: CPU time and memory of a day and a year, beside Basilisk."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.assets import module_command
from hil.errors import SetupError
from hil.perf.row import NO_REFERENCE, PerfRow, Reference, make_row

__all__ = ["orbit"]

_DAY_TARGET_S: Final = 1.0
_YEAR_TARGET_S: Final = 60.0
_TARGET_MB: Final = 120.0
_DAYS: Final = 365
_PEER: Final = "Basilisk, the same {} without flux and heat"
_MISSING: Final = "Basilisk is not installed (extra basilisk): no reference"
_SCENARIO: Final = """schema: 1
workload: attitude
duration: {days}d
frame_ms: 1000
rig: {{scheme: tmr, board: process, profile: raspberry-pi-4b}}
plant:
  orbit:
    epoch_utc: 2026-03-20T00:00:00Z
    altitude_km: 420.0
    inclination_deg: 51.64
    eccentricity: 0.0001
  stations:
    - {{name: svalbard, latitude_deg: 78.23, longitude_deg: 15.39, altitude_km: 0.45}}
"""


@dataclass(frozen=True, slots=True)
class _Cost:
    """What a process took: CPU time [s], of the user and the system, and memory [MB]."""

    cpu_s: float
    memory_mb: float
    output: str


def orbit(quick: bool) -> Iterator[PerfRow]:
    """Measure `hil orbit` as a process of its own: a day and a year in steps and rows of 1 s, with
    the start of Python in it. `quick`: a week in place of the year."""
    days = 7 if quick else _DAYS
    name = "a week" if quick else "a year"
    day = min((_flown(1) for _ in range(1 if quick else 3)), key=lambda cost: cost.cpu_s)
    yield make_row(
        "orbit: a day at 1 s rows",
        day.cpu_s,
        "s",
        target=f"<= {_DAY_TARGET_S:g} s",
        ok=day.cpu_s <= _DAY_TARGET_S,
        reference=_basilisk(1.0, "day"),
        note=_note("CPU time of the whole command"),
    )
    long = _flown(days)
    target_s = _DAY_TARGET_S + (_YEAR_TARGET_S - _DAY_TARGET_S) * (days - 1) / (_DAYS - 1)
    yield make_row(
        f"orbit: {name} at 1 s",
        long.cpu_s,
        "s",
        target=f"<= {target_s:.3g} s",
        ok=long.cpu_s <= target_s,
        reference=_basilisk(float(days), name.removeprefix("a ")),
        note=_note("CPU time of the whole command"),
    )
    yield make_row(
        f"orbit: memory of {name}",
        long.memory_mb,
        "MB",
        target=f"<= {_TARGET_MB:g} MB",
        ok=long.memory_mb <= _TARGET_MB,
        reference=Reference("a day", day.memory_mb),
    )


def _note(text: str) -> str:
    return text if _has_basilisk() else f"{text}. {_MISSING}"


def _has_basilisk() -> bool:
    return importlib.util.find_spec("Basilisk") is not None


def _basilisk(days: float, what: str) -> Reference:
    if not _has_basilisk():
        return NO_REFERENCE
    cost = _run(module_command("hil.perf.basilisk_day", f"{days:g}"))
    return Reference(_PEER.format(what), float(cost.output.split()[-1]))


def _flown(days: int) -> _Cost:
    with tempfile.TemporaryDirectory(prefix="hil-perf-") as folder:
        scenario = Path(folder, "flight.yaml")
        scenario.write_text(_SCENARIO.format(days=days), encoding="utf-8")
        return _run([sys.executable, "-m", "hil", "orbit", str(scenario)])


def _run(command: Sequence[str]) -> _Cost:
    """Run a process to its end. Raises: SetupError if it fails."""
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if child.returncode:
        raise SetupError(f"{' '.join(command)} failed: {text.strip()[-300:]}")
    return _Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024.0, text)
