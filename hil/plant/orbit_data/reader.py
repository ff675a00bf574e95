"""Finds the format of a text with orbit data, and the wanted object in it.

Read are TLE (with names or without; Alpha-5), OMM in JSON, CSV, XML and KVN, and states: OPM and
OEM in KVN and XML. The text decides, not the name of its file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from hil.plant.orbit_data.celestial_frames import state_in_teme
from hil.plant.orbit_data.fault import OrbitDataError
from hil.plant.orbit_data.mean_set import MeanSet
from hil.plant.orbit_data.omm_fields import mean_set_of, number_of, time_of
from hil.plant.orbit_data.omm_text import (
    Message,
    csv_messages,
    json_messages,
    kvn_messages,
    local_name,
    parse_xml,
    xml_messages,
)
from hil.plant.orbit_data.sgp4_satellite import satellite_of
from hil.plant.orbit_data.state_vector import mean_set_of_state
from hil.plant.orbit_data.states import StateSeries, kvn_oem, kvn_opm, xml_states
from hil.scenario.plant.tle_lines import TleSet, tle_sets

__all__ = ["FoundOrbit", "decoded", "find_orbit"]

_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class FoundOrbit:
    """The orbit of one object: the two lines of a TLE, or mean elements; and remarks."""

    tle: tuple[str, str] | None = None
    elements: MeanSet | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Object:
    """One object in a text; `found` makes its orbit, given when the run starts."""

    name: str
    number: int
    designator: str
    epoch_utc: datetime | None
    found: Callable[[datetime | None], FoundOrbit]


def decoded(content: bytes) -> str:
    """Return the text of a file, without a byte order mark.

    Raises:
        OrbitDataError: It is compressed, or no text.
    """
    for magic, what in ((b"\x1f\x8b", "gzip"), (b"PK\x03\x04", "zip"), (b"BZh", "bzip2")):
        if content.startswith(magic):
            raise OrbitDataError(f"the file is compressed ({what})", "unpack it first")
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
        if "\x00" in text:
            raise OrbitDataError(
                "the file is not text", "expected a TLE, an OMM or states"
            ) from None
        return text


def find_orbit(text: str, wanted: str | int | None, start_utc: datetime | None) -> FoundOrbit:
    """Return the orbit of the object `wanted` (a name, a catalogue number, or an international
    designator; None: the only one). Of several sets of one object that nearest to the start of the
    run is taken, without a start the latest.

    Raises:
        OrbitDataError: The format is not known, the object is not there, or cannot be flown.
    """
    objects = _objects(text.lstrip("\ufeff"))
    return _chosen(objects, wanted, start_utc).found(start_utc)


# --- formats --------------------------------------------------------------------------------------

_NOT_READ: Final = (
    (r"<!doctype html|<html", "a web page, not orbit data", "save the data itself"),
    (r"No GP data found|Invalid query|no results", "the answer of a server without data", ""),
    (r"#[cd]P?\d{4}", "an SP3 ephemeris, which is not read", "give an OEM, an OMM or a TLE"),
    (r"stk\.v\.", "an STK ephemeris, which is not read", "export it as an OEM"),
    (r"CCSDS_(OCM|TDM|CDM|AEM|APM)", "a CCSDS message without an orbit that is read",
     "give an OMM, OPM or OEM"),
)  # fmt: skip


def _objects(text: str) -> list[_Object]:
    begin = text.lstrip()[:400]
    if not begin:
        raise OrbitDataError("there is nothing in it", "expected a TLE, an OMM, an OPM or an OEM")
    for pattern, what, remedy in _NOT_READ:
        if re.match(pattern, begin, re.IGNORECASE):
            raise OrbitDataError(f"this is {what}", remedy or "is the object's number right?")
    if begin[0] in "[{":
        return [_of_message(m) for m in json_messages(text)]
    if begin[0] == "<":
        return _of_xml(text)
    if re.search(r"^\s*CCSDS_OEM_VERS", text, re.MULTILINE):
        return [_of_series(series) for series in kvn_oem(text)]
    if re.search(r"^\s*CCSDS_OPM_VERS", text, re.MULTILINE):
        return [_of_series(series) for series in kvn_opm(text)]
    first = begin.splitlines()[0].upper()
    if "," in first and "EPOCH" in first and "MEAN_MOTION" in first:
        return [_of_message(m) for m in csv_messages(text)]
    if re.search(r"^\s*(CCSDS_OMM_VERS|MEAN_MOTION|SEMI_MAJOR_AXIS)\s*=", text, re.MULTILINE):
        return [_of_message(m) for m in kvn_messages(text)]
    if re.search(r"^\s*X_DOT\s*=", text, re.MULTILINE):
        return [_of_series(series) for series in kvn_opm(text)]
    sets = tle_sets(text.splitlines())
    if sets:
        return [_of_tle(one) for one in sets]
    raise OrbitDataError(
        "no orbit was found in it",
        "expected a TLE (lines beginning with `1 ` and `2 `), an OMM (JSON, CSV, XML, KVN), an OPM "
        "or an OEM",
        1,
    )


def _of_xml(text: str) -> list[_Object]:
    root = parse_xml(text)
    kinds = {local_name(e) for e in root.iter()}
    if "omm" in kinds:
        return [_of_message(message) for message in xml_messages(root)]
    if kinds & {"opm", "oem"}:
        return [_of_series(series) for series in xml_states(root)]
    raise OrbitDataError(
        f"this XML is a `{local_name(root)}`, without an orbit that is read",
        "expected omm, opm or oem, alone or in ndm",
    )


def _of_message(message: Message) -> _Object:
    fields = message.fields
    try:
        epoch = time_of(fields["EPOCH"]) if fields.get("EPOCH") else None
    except OrbitDataError:
        epoch = None
    return _Object(
        fields.get("OBJECT_NAME", ""),
        number_of(fields.get("NORAD_CAT_ID")),
        fields.get("OBJECT_ID", ""),
        epoch,
        lambda _start: FoundOrbit(elements=mean_set_of(message)),
    )


def _of_tle(one: TleSet) -> _Object:
    return _Object(
        one.name,
        number_of(one.line1[2:7].strip()),
        one.line1[9:17].strip(),
        one.epoch_utc,
        lambda _start: FoundOrbit(tle=(one.line1, one.line2)),
    )


def _of_series(series: StateSeries) -> _Object:
    def found(start: datetime | None) -> FoundOrbit:
        wanted = series.states[0].epoch_utc if start is None else start
        nearest = min(series.states, key=lambda s: abs((s.epoch_utc - wanted).total_seconds()))
        elements = mean_set_of_state(nearest, name=series.name)
        notes = [*series.notes, "SGP4 was fitted to a state: without drag, which a state has not"]
        if len(series.states) > 1:
            notes.append(_departure(series, elements))
        return FoundOrbit(elements=elements, notes=tuple(notes))

    return _Object(series.name, 0, series.designator, series.states[0].epoch_utc, found)


def _departure(series: StateSeries, elements: MeanSet) -> str:
    """Return how far the fitted orbit is from the other states of an ephemeris."""
    satellite, furthest, when = satellite_of(elements), 0.0, 0.0
    for state in series.states[:: max(1, len(series.states) // 200)]:
        minutes = (state.epoch_utc - elements.epoch_utc).total_seconds() / 60.0
        code, r, _ = satellite.sgp4_tsince(minutes)
        there, _ = state_in_teme(
            state.frame,
            state.epoch_utc,
            np.array(state.position_km),
            np.array(state.velocity_kmps),
        )
        away = float("inf") if code else float(np.linalg.norm(np.array(r) - there))
        if away > furthest:
            furthest, when = away, minutes
    return (
        f"the ephemeris itself is not followed: SGP4 from its state of "
        f"{elements.epoch_utc:%Y-%m-%d %H:%M} is up to {furthest:.1f} km away from its states "
        f"({when / 60.0:.1f} h from there)"
    )


# --- which object ---------------------------------------------------------------------------------


def _chosen(
    objects: Sequence[_Object], wanted: str | int | None, start_utc: datetime | None
) -> _Object:
    if not objects:
        raise OrbitDataError("there is no object in it")
    matching = list(objects) if wanted is None else _matching(objects, str(wanted).strip())
    if not matching:
        raise OrbitDataError(f"there is no object `{wanted}` in it; it has {_listed(objects)}")
    kinds = {(o.number, o.name if not o.number else "", o.designator) for o in matching}
    if len(kinds) > 1:
        what = f"{len(kinds)} objects" if wanted is None else f"`{wanted}` is {len(kinds)} objects"
        raise OrbitDataError(
            f"{what} in it: {_listed(matching)}",
            f"name one: `object: {matching[0].number or matching[0].name!r}`",
        )
    with_epoch = [o for o in matching if o.epoch_utc is not None]
    if not with_epoch:
        return matching[0]

    def away(one: _Object) -> float:
        assert one.epoch_utc is not None
        if start_utc is None:
            return -one.epoch_utc.timestamp()
        return abs((one.epoch_utc - start_utc).total_seconds())

    return min(with_epoch, key=away)


def _matching(objects: Sequence[_Object], wanted: str) -> list[_Object]:
    number = number_of(wanted)
    if number:
        by_number = [o for o in objects if o.number == number]
        if by_number:
            return by_number
    plain = wanted.casefold()
    same = [o for o in objects if plain in (o.name.casefold(), o.designator.casefold())]
    return same or [o for o in objects if plain in o.name.casefold()]


def _listed(objects: Sequence[_Object]) -> str:
    seen = list(dict.fromkeys(_label(o) for o in objects))
    more = f" and {len(seen) - _SHOWN} more" if len(seen) > _SHOWN else ""
    return ", ".join(seen[:_SHOWN]) + more


def _label(one: _Object) -> str:
    number = str(one.number) if one.number else one.designator
    if one.name and number:
        return f"{one.name} ({number})"
    return one.name or number or "one without a name"
