"""The forms in which people write an orbit, brought into those of the model.

Elements have many names, states and messages of others are pasted below `tle:` or `omm:`, or named
as a file. Here they get the keys that `OrbitModel` has; values are checked there and in
`hil.plant`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta, timezone
from typing import Any, Final

from hil.scenario.plant.tle_lines import tle_sets
from hil.scenario.problems import Findings

__all__ = ["EARTH_RADIUS_KM", "in_model_form", "is_file_name"]

EARTH_RADIUS_KM: Final = 6378.137
_MU_KM3_S2: Final = 398_600.4418
_DAY_S: Final = 86_400.0
_J2000: Final = datetime(2000, 1, 1, 12, tzinfo=timezone.utc)
_MOON_KM: Final = 384_400.0

_OF_OMM: Final = frozenset({"omm", "norad_cat_id", "ra_of_asc_node", "arg_of_pericenter"})
_SURELY_OMM: Final = frozenset({"MEAN_MOTION", "EPOCH", "OBJECT_NAME"})
_MESSAGE: Final = re.compile(r"\s*[\[{<]|\s*CCSDS_|\s*[A-Z_]+\s*=|.*EPOCH.*,.*MEAN_MOTION")
_FILE: Final = re.compile(r"[^\s].*\.[A-Za-z0-9]{1,5}")

Convert = Callable[[Any], Any]


def _scaled(factor: float) -> Convert:
    return lambda value: value * factor if isinstance(value, (int, float)) else value


def _as_it_is(value: Any) -> Any:
    return value


def _triple(factor: float) -> Convert:
    def convert(value: Any) -> Any:
        if isinstance(value, (list, tuple)) and all(isinstance(x, (int, float)) for x in value):
            return [x * factor for x in value]
        return value

    return convert


def _of_motion(value: Any) -> Any:
    """Return the altitude of a mean motion in revolutions a day."""
    if not isinstance(value, (int, float)) or not 0.0 < value < 20.0:
        return value
    n = value * 2.0 * math.pi / _DAY_S
    return (_MU_KM3_S2 / n**2) ** (1.0 / 3.0) - EARTH_RADIUS_KM


def _of_period_s(value: Any) -> Any:
    return _of_motion(_DAY_S / value) if isinstance(value, (int, float)) and value > 0 else value


def _of_axis(value: Any) -> Any:
    return value - EARTH_RADIUS_KM if isinstance(value, (int, float)) else value


def _of_days(at_j2000: float) -> Convert:
    """Return the conversion of a count of days that is `at_j2000` on 2000-01-01 at noon."""

    def convert(value: Any) -> Any:
        if isinstance(value, (int, float)) and abs(value - at_j2000) < 100_000:
            return _J2000 + timedelta(days=float(value) - at_j2000)
        return value

    return convert


def _clock(value: Any) -> Any:
    """Return hours of a time of day such as 10:30."""
    if isinstance(value, str) and (match := re.fullmatch(r"(\d{1,2}):(\d\d)(?::(\d\d))?", value)):
        return int(match[1]) + int(match[2]) / 60.0 + int(match[3] or 0) / 3600.0
    return value


def _descending(value: Any) -> Any:
    hours = _clock(value)
    return (hours + 12.0) % 24.0 if isinstance(hours, (int, float)) else hours


_DEG: Final = _scaled(180.0 / math.pi)
_JD: Final = _of_days(2_451_545.0)
_MJD: Final = _of_days(51_544.5)


def _names(field: str, convert: Convert, *names: str) -> dict[str, tuple[str, Convert]]:
    return dict.fromkeys(names, (field, convert))


_USUAL: Final[Mapping[str, tuple[str, Convert]]] = {
    **_names("epoch_utc", _as_it_is, "epoch", "date", "utc", "t0"),
    **_names("epoch_utc", _JD, "epoch_jd", "jd"),
    **_names("epoch_utc", _MJD, "epoch_mjd", "mjd"),
    **_names(
        "altitude_km", _of_axis, "semi_major_axis_km", "semimajor_axis_km", "sma_km", "a_km", "a"
    ),
    **_names("altitude_km", _of_axis, "semi_major_axis", "semimajor_axis", "sma"),
    **_names("altitude_km", lambda a: _of_axis(_scaled(1e-3)(a)), "semi_major_axis_m", "sma_m"),
    **_names("altitude_km", _of_motion, "mean_motion", "mean_motion_rev_per_day", "n"),
    **_names("altitude_km", _of_period_s, "period_s", "orbital_period_s"),
    **_names("altitude_km", lambda p: _of_period_s(_scaled(60.0)(p)), "period_min"),
    **_names("altitude_km", _as_it_is, "altitude", "height_km", "alt_km"),
    **_names("eccentricity", _as_it_is, "ecc", "e"),
    **_names("perigee_km", _as_it_is, "perigee_altitude_km", "hp_km", "perigee", "periapsis_km"),
    **_names("apogee_km", _as_it_is, "apogee_altitude_km", "ha_km", "apogee", "apoapsis_km"),
    **_names("inclination_deg", _as_it_is, "inclination", "inc", "inc_deg", "incl", "i", "i_deg"),
    **_names("inclination_deg", _DEG, "inclination_rad", "inc_rad"),
    **_names(
        "raan_deg",
        _as_it_is,
        "raan",
        "right_ascension_deg",
        "right_ascension_of_ascending_node",
        "longitude_of_ascending_node",
        "lan_deg",
        "node_deg",
    ),
    **_names("raan_deg", _DEG, "raan_rad"),
    **_names("ascending_node_local_time_h", _clock, "ltan", "ltan_h", "mltan", "mltan_h"),
    **_names("ascending_node_local_time_h", _descending, "ltdn", "ltdn_h", "mltdn", "mltdn_h"),
    **_names(
        "argp_deg",
        _as_it_is,
        "argp",
        "aop",
        "aop_deg",
        "arg_of_perigee",
        "arg_of_perigee_deg",
        "argument_of_perigee",
        "argument_of_perigee_deg",
        "argument_of_periapsis",
    ),
    **_names("argp_deg", _DEG, "argp_rad", "aop_rad"),
    **_names("mean_anomaly_deg", _as_it_is, "mean_anomaly", "ma", "ma_deg", "m_deg"),
    **_names("mean_anomaly_deg", _DEG, "mean_anomaly_rad"),
    **_names("true_anomaly_deg", _as_it_is, "true_anomaly", "ta", "ta_deg", "nu", "nu_deg"),
    **_names("true_anomaly_deg", _DEG, "true_anomaly_rad"),
    **_names("bstar", _as_it_is, "b_star"),
    **_names("position_km", _as_it_is, "r_km", "position"),
    **_names("position_km", _triple(1e-3), "r_m", "position_m"),
    **_names("velocity_km_s", _as_it_is, "v_km_s", "velocity_kmps", "v_kmps", "velocity"),
    **_names("velocity_km_s", _triple(1e-3), "v_m_s", "velocity_m_s", "velocity_mps"),
    **_names("frame", _as_it_is, "ref_frame", "reference_frame"),
    **_names("object", _as_it_is, "satellite", "object_name"),
    **_names("file", _as_it_is, "path", "filename"),
}


def is_file_name(value: Any) -> bool:
    """Return whether a value is one line that looks like the name of a file."""
    if not isinstance(value, str):
        return False
    text = value.strip()
    is_line = "\n" not in text and not _MESSAGE.match(text) and not text.startswith(("1 ", "2 "))
    return is_line and bool(_FILE.fullmatch(text))


def in_model_form(value: Any, findings: Findings) -> Any:
    """Return the mapping `orbit:` with the keys of the model; what is wrong goes to `findings`."""
    if any(_is_of_omm(key) for key in value) and "omm" not in value and "OMM" not in value:
        rest = ("object", "file")
        message = {k: v for k, v in value.items() if k not in rest}
        value = {"omm": message, **{k: v for k, v in value.items() if k in rest}}
    out: dict[Any, Any] = {}
    origin: dict[Any, Any] = {}
    for key, given in value.items():
        name = key.lower() if isinstance(key, str) else key
        field, convert = _USUAL.get(name, (key if name != "omm" else name, _as_it_is))
        if field in out:
            findings.add(key, f"`{field}` is given twice", "remove one of the two")
            continue
        out[field], origin[field] = convert(given), key
    _pasted(out, findings)
    _true_anomaly(out, findings)
    for field in ("altitude_km", "perigee_km", "apogee_km"):
        height, key = out.get(field), origin.get(field, field)
        if isinstance(height, (int, float)) and height > _MOON_KM:
            given = value[key]
            findings.add(
                key,
                f"`{key}: {given}` is an orbit beyond the Moon",
                f"in metres? Then write {given / 1000.0:g}",
            )
    return out


def _is_of_omm(key: Any) -> bool:
    return isinstance(key, str) and (key.lower() in _OF_OMM or key in _SURELY_OMM)


def _pasted(out: dict[Any, Any], findings: Findings) -> None:
    """Sort what was pasted below `tle:` or `omm:`: text of a message, elements, a file's name."""
    tle = out.get("tle")
    if isinstance(tle, (list, tuple)) and len(tle) == 1:
        tle = tle[0]
    if is_file_name(tle):
        out["file"] = out.pop("tle")
    elif isinstance(tle, str) and _MESSAGE.match(tle):
        out["omm"] = out.pop("tle")
    elif tle is not None and "object" in out:
        _one_of_several(out, tle, findings)
    omm = out.get("omm")
    if is_file_name(omm):
        out["file"] = out.pop("omm")
    elif isinstance(omm, (dict, list)):
        out["omm"] = json.dumps(omm, default=_as_text)


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _one_of_several(out: dict[Any, Any], tle: Any, findings: Findings) -> None:
    """Leave of several sets below `tle:` the wanted one."""
    lines = tle.splitlines() if isinstance(tle, str) else tle
    if not isinstance(lines, (list, tuple)) or not all(isinstance(line, str) for line in lines):
        return
    wanted = str(out.pop("object")).strip().casefold()
    sets = tle_sets(lines)
    found = [
        s
        for s in sets
        if wanted in (s.name.casefold(), s.line1[2:7].strip().casefold().lstrip("0"))
    ] or [s for s in sets if wanted in s.name.casefold()]
    if len(found) == 1:
        out["tle"] = [found[0].line1, found[0].line2]
        return
    names = ", ".join(s.name or s.line1[2:7].strip() for s in sets[:5])
    findings.add("object", f"{len(found)} of the sets are `{wanted}`; there are {names}")


def _true_anomaly(out: dict[Any, Any], findings: Findings) -> None:
    """Replace the true anomaly by the mean anomaly."""
    true = out.pop("true_anomaly_deg", None)
    if true is None:
        return
    if out.get("mean_anomaly_deg") is not None:
        findings.add("true_anomaly_deg", "the mean anomaly is given, too", "remove one of the two")
        return
    e = out.get("eccentricity") or 0.0
    perigee, apogee = out.get("perigee_km"), out.get("apogee_km")
    if isinstance(perigee, (int, float)) and isinstance(apogee, (int, float)):
        e = (apogee - perigee) / (apogee + perigee + 2.0 * EARTH_RADIUS_KM)
    if not isinstance(true, (int, float)) or not isinstance(e, (int, float)) or not 0 <= e < 1:
        out["mean_anomaly_deg"] = true
        return
    half = math.radians(true) / 2.0
    eccentric = 2.0 * math.atan2(
        math.sqrt(1.0 - e) * math.sin(half), math.sqrt(1.0 + e) * math.cos(half)
    )
    out["mean_anomaly_deg"] = math.degrees(eccentric - e * math.sin(eccentric)) % 360.0
