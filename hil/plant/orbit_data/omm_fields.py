"""The fields of an orbit mean-elements message (OMM, CCSDS 502.0-B): to mean elements."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Final

from hil.plant.elements import MU_KM3_S2
from hil.plant.orbit_data.fault import OrbitDataError
from hil.plant.orbit_data.mean_set import MeanSet
from hil.plant.orbit_data.omm_text import Message

__all__ = ["mean_set_of", "number_of", "time_of"]

_EARTH: Final = frozenset({"EARTH", "399", ""})
_FRAMES: Final = frozenset({"TEME", "TEMEOFDATE", "TEMEOFEPOCH", ""})
_THEORIES: Final = frozenset({"SGP4", "SGP", "SDP4", "SGP/SGP4", "SGP4/SDP4", ""})
_XP: Final = frozenset({"SGP4-XP", "SGP4XP", "SGP4/XP"})
_XP_TYPE: Final = 4
_OF_XP: Final = "ask for the GP elements (SGP4) of the same object; XP needs a closed propagator"
_ALPHA_5: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def mean_set_of(message: Message) -> MeanSet:
    """Return the mean elements of a message.

    Raises:
        OrbitDataError: It is not of SGP4 around the Earth, a field is missing or not a number, or
            it cannot be flown.
    """
    _check_kind(message)
    decayed = _text(message, "DECAY_DATE") or _text(message, "DECAYED")
    if decayed not in ("", "0", "NULL", "NONE", "FALSE"):
        raise OrbitDataError(
            f"this object decayed on {decayed}",
            "name an object that is in orbit",
            message.line_of("DECAY_DATE"),
        )
    motion = _motion(message)
    try:
        return MeanSet(
            epoch_utc=time_of(_value(message, "EPOCH"), message.line_of("EPOCH")),
            mean_motion=motion,
            eccentricity=_number(message, "ECCENTRICITY"),
            inclination_deg=_number(message, "INCLINATION"),
            raan_deg=_number(message, "RA_OF_ASC_NODE"),
            argp_deg=_number(message, "ARG_OF_PERICENTER"),
            mean_anomaly_deg=_number(message, "MEAN_ANOMALY"),
            bstar=_number(message, "BSTAR", 0.0),
            name=message.fields.get("OBJECT_NAME", ""),
            number=number_of(message.fields.get("NORAD_CAT_ID")),
            source="the OMM's epoch",
        )
    except OrbitDataError as error:
        if error.line:
            raise
        raise OrbitDataError(error.message, error.remedy, message.line) from None


def _check_kind(message: Message) -> None:
    centre, frame = _text(message, "CENTER_NAME"), _text(message, "REF_FRAME")
    theory = _text(message, "MEAN_ELEMENT_THEORY").replace(" ", "")
    scale = _text(message, "TIME_SYSTEM")
    if theory in _XP or _text(message, "EPHEMERIS_TYPE") == str(_XP_TYPE):
        where = message.line_of("EPHEMERIS_TYPE")
        raise OrbitDataError("these elements are of SGP4-XP, which SGP4 cannot fly", _OF_XP, where)
    for key, value, known, expected in (
        ("CENTER_NAME", centre, _EARTH, "EARTH"),
        ("MEAN_ELEMENT_THEORY", theory, _THEORIES, "SGP4"),
        ("REF_FRAME", frame.replace(" ", ""), _FRAMES, "TEME"),
    ):
        if value not in known:
            raise OrbitDataError(
                f"{key} is {value}; only {expected} is flown",
                "ask the source for GP elements (SGP4, TEME), or give a state vector",
                message.line_of(key),
            )
    if scale not in ("", "UTC", "UT1"):
        raise OrbitDataError(
            f"TIME_SYSTEM is {scale}; only UTC is read",
            "write the epoch in UTC: GPS is 18 s ahead of it, TAI 37 s (since 2017)",
            message.line_of("TIME_SYSTEM"),
        )


def _motion(message: Message) -> float:
    if message.fields.get("MEAN_MOTION"):
        return _number(message, "MEAN_MOTION")
    if not message.fields.get("SEMI_MAJOR_AXIS"):
        return _number(message, "MEAN_MOTION")  # it is missing
    a_km = _number(message, "SEMI_MAJOR_AXIS")
    if not a_km > 0.0:
        raise OrbitDataError(
            f"a semi-major axis of {a_km:g} km is not that of an orbit (hyperbolic?)",
            line=message.line_of("SEMI_MAJOR_AXIS"),
        )
    if a_km > 1e6:
        raise OrbitDataError(
            f"a semi-major axis of {a_km:,.0f} km is beyond the Moon",
            f"in metres? Then write {a_km / 1000.0:g}",
            message.line_of("SEMI_MAJOR_AXIS"),
        )
    return 86_400.0 / (2.0 * math.pi * math.sqrt(a_km**3 / MU_KM3_S2))


def _text(message: Message, key: str) -> str:
    return message.fields.get(key, "").upper()


def _value(message: Message, key: str) -> str:
    value = message.fields.get(key, "")
    if not value:
        raise OrbitDataError(
            f"the OMM has no {key}",
            "an OMM needs EPOCH, MEAN_MOTION, ECCENTRICITY, INCLINATION, RA_OF_ASC_NODE, "
            "ARG_OF_PERICENTER and MEAN_ANOMALY",
            message.line,
        )
    return value


def _number(message: Message, key: str, default: float | None = None) -> float:
    if default is not None and not message.fields.get(key):
        return default
    value = _value(message, key)
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise OrbitDataError(
            f"{key} is `{value[:40]}`, which is not a number", line=message.line_of(key)
        )
    return number


def number_of(value: str | int | None) -> int:
    """Return a catalogue number as a whole number, also of Alpha-5 (A0001 is 100001); 0 if there
    is none."""
    text = str(value or "").strip().upper()
    if len(text) == 5 and text[0] in _ALPHA_5 and text[1:].isdigit():
        return (10 + _ALPHA_5.index(text[0])) * 10_000 + int(text[1:])
    return int(text) if text.isdigit() else 0


def time_of(value: str, line: int = 0) -> datetime:
    """Return a time of CCSDS: a date or a day of the year, T, and a time of day; UTC.

    Raises:
        OrbitDataError: It is not such a time.
    """
    text = value.strip().replace(" ", "T").removesuffix("Z")
    whole, _, fraction = text.partition(".")
    for form in ("%Y-%m-%dT%H:%M:%S", "%Y-%jT%H:%M:%S", "%Y-%m-%d", "%Y-%m-%dT%H:%M"):
        try:
            moment = datetime.strptime(whole, form).replace(tzinfo=timezone.utc)
        except ValueError:
            continue
        if fraction and not fraction.isdigit():
            break
        micro = round(float(f"0.{fraction or 0}") * 1e6)
        return moment.replace(microsecond=min(micro, 999_999))
    try:
        moment = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
    except ValueError:
        raise OrbitDataError(
            f"`{value[:40]}` is not a time",
            "expected UTC, as 2026-03-20T00:00:00.000 or 2026-079T00:00:00",
            line,
        ) from None
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment
