"""The columns that a profile may have, and the errors for others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from hil.board_types.channels import Effect
from hil.errors import ConfigError, Problem
from hil.scenario.problems import did_you_mean

__all__ = ["FAMILIES", "HELD", "MAX_ROWS", "RANGES", "TIMES", "hint", "limits", "unusable"]

MAX_ROWS: Final = 20_000_000

_FAR_S: Final = 1e12
RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "t_s": (-_FAR_S, _FAR_S),
    "latitude_deg": (-90.0, 90.0),
    "longitude_deg": (-360.0, 360.0),
    "altitude_km": (0.0, 1e6),
    "beta_deg": (-90.0, 90.0),
    "illumination": (0.0, 1.0),
    "flux_per_cm2_s": (0.0, 1e9),
    "array_w": (0.0, 1e9),
    "bus_w": (0.0, 1e9),
    "bus_v": (0.0, 1e5),
    "load_w": (0.0, 1e9),
    "battery_w": (-1e9, 1e9),
    "soc": (0.0, 1.0),
    "stage": (0.0, 255.0),
}
FAMILIES: Final[Mapping[str, tuple[float, float]]] = {
    "temperature_c": (-273.15, 2000.0),
    "level": (0.0, 3.0),
    "contact": (0.0, 1.0),
    **{f"{kind}_per_day": (0.0, 1e12) for kind in Effect},
}
HELD: Final = frozenset({"level", "contact", "stage"})
"""Whole numbers, which hold until the next row."""

TIMES: Final = (
    "times are seconds from the start of the run: subtract the start from each "
    "(pandas: (t - t.iloc[0]).dt.total_seconds()), in a column `t_s`"
)

_UNITS: Final[Mapping[str, str]] = {
    "_deg": "degrees",
    "_km": "km",
    "_per_cm2_s": "protons /cm2/s",
    "_w": "W",
    "_v": "V",
    "_c": "degrees Celsius",
    "_per_day": "a day",
    "t_s": "seconds",
}
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.+-]{0,63}")
_UNIT_BEHIND: Final = re.compile(r"\s*[\[({/]\s*([^\])}]*)[\])}]?\s*$")
_CALENDAR: Final = frozenset(
    {
        "utc",
        "date",
        "datetime",
        "timestamp",
        "iso",
        "iso8601",
        "epoch",
        "utctime",
        "dateutc",
        "timeutc",
        "datetimeutc",
        "gpstime",
        "tai",
        "localtime",
    }
)
_DAYS: Final = frozenset({"jd", "mjd", "julian", "juliandate", "mjd2000", "modifiedjuliandate"})
_ELAPSED: Final = re.compile(
    r"(?:t|time|times|elapsed|elapsedtime|met|simtime|missiontime|secs?|seconds?|s|ms|millis|"
    r"milliseconds?|us|min|minutes?|h|hours?|days?)(?:in)?(?P<unit>s|secs?|seconds?|ms|millis|us|"
    r"ns|min|minutes?|h|hr|hours?|d|days?)?"
)
_FACTORS: Final[Mapping[str, str]] = {
    "ms": "divide by 1000",
    "us": "divide by 1e6",
    "ns": "divide by 1e9",
    "mi": "multiply by 60",
    "h": "multiply by 3600",
    "d": "multiply by 86400",
}


def limits(name: str) -> tuple[float, float] | None:
    """Return the lowest and the highest value of a column; None if there is no such column."""
    if name in RANGES:
        return RANGES[name]
    family, _, what = name.partition(".")
    return FAMILIES.get(family) if _NAME.fullmatch(what) else None


def hint(name: str) -> str:
    """Return what the user may have meant by an unknown column."""
    base = _UNIT_BEHIND.sub("", name).strip()
    unit_match = _UNIT_BEHIND.search(name)
    unit = "" if unit_match is None else unit_match[1]
    plain = re.sub(r"[^a-z0-9]", "", base.lower())
    if plain in _CALENDAR:
        return TIMES
    if plain in _DAYS:
        return "write `t_s`: seconds from the start of the run, (day - first day) x 86400"
    elapsed = _ELAPSED.fullmatch(plain)
    if elapsed is not None:
        return f"write `t_s`: seconds from the start of the run{_factor(unit, plain, elapsed)}"
    if limits(base) is not None:
        return f"write `{base}`, without a unit{_in_unit(base)}"
    known = [*RANGES, *(f"{family}.NAME" for family in FAMILIES)]
    near = did_you_mean(base, known)
    if near:
        return near + _in_unit(near.split("`")[1])
    return f"known are {', '.join(known)}"


def _factor(unit: str, plain: str, elapsed: re.Match[str]) -> str:
    word = (unit or elapsed["unit"] or ("" if plain.startswith("t") else plain)).strip().lower()
    for begin, factor in _FACTORS.items():
        if word.startswith(begin) or (begin == "ms" and word.startswith("milli")):
            return f"; {factor}"
    return ""


def _in_unit(name: str) -> str:
    family = name.partition(".")[0]
    unit = next((text for end, text in _UNITS.items() if family.endswith(end)), "")
    return f"; its values are in {unit}" if unit else ""


def unusable(file: object, line: int, column: str, message: str, remedy: str = "") -> ConfigError:
    """Return the error for a profile that cannot be used."""
    shown = column if len(column) <= 60 else column[:57] + "..."
    return ConfigError([Problem(str(file), line, 1, shown, message, remedy)])
