"""Orbit parameter messages (OPM) and ephemerides (OEM, CCSDS 502.0-B): to states.

An OPM has one state, an OEM many; what else they have (covariances, manoeuvres, the mass) is not
flown, and said in a note where it changes the orbit."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final
from xml.etree import ElementTree

from hil.plant.orbit_data.fault import OrbitDataError
from hil.plant.orbit_data.omm_fields import time_of
from hil.plant.orbit_data.omm_text import Message, kvn_messages, local_name
from hil.plant.orbit_data.state_vector import OrbitState

__all__ = ["StateSeries", "kvn_oem", "kvn_opm", "xml_states"]

_AXES: Final = ("X", "Y", "Z")
_AHEAD_OF_UTC_S: Final = {"UTC": 0.0, "UT1": 0.0, "GPS": 18.0, "TAI": 37.0, "TT": 69.184}
_SINCE: Final = datetime(2017, 1, 1, tzinfo=timezone.utc)
_ROW: Final = re.compile(r"\d{4}-\d")


@dataclass(frozen=True, slots=True)
class StateSeries:
    """The states of one object, in order of time."""

    name: str
    designator: str
    states: tuple[OrbitState, ...]
    notes: tuple[str, ...] = ()


def kvn_opm(text: str) -> list[StateSeries]:
    """Return the state of an OPM in KVN. Raises: OrbitDataError if it has none."""
    without = "\n".join(_no_repeats(text))
    return [_of_opm(message) for message in kvn_messages(without)]


def _no_repeats(text: str) -> Iterator[str]:
    """Yield the lines of an OPM with the header's name as it is for all messages."""
    for line in text.splitlines():
        yield re.sub(r"^\s*CCSDS_OPM_VERS", "CCSDS_OMM_VERS", line)


def _of_opm(message: Message) -> StateSeries:
    meta = message.fields
    r = [_number(message, axis) for axis in _AXES]
    v = [_number(message, f"{axis}_DOT") for axis in _AXES]
    epoch = _utc(message.fields.get("EPOCH", ""), meta, message.line_of("EPOCH"))
    state = OrbitState(
        epoch, _three(r), _three(v), _frame(meta, message.line), message.line_of("X")
    )
    notes: tuple[str, ...] = ()
    if "MAN_EPOCH_IGNITION" in meta:
        notes = ("the OPM has manoeuvres, which are not flown",)
    return StateSeries(meta.get("OBJECT_NAME", ""), meta.get("OBJECT_ID", ""), (state,), notes)


def kvn_oem(text: str) -> list[StateSeries]:
    """Return the states of an OEM in KVN: one series for each object, of all its segments.

    Raises: OrbitDataError if a line is not what it must be."""
    segments: list[tuple[dict[str, str], list[OrbitState]]] = []
    meta: dict[str, str] = {}
    skipped = False
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("COMMENT"):
            continue
        if line in ("COVARIANCE_START", "COVARIANCE_STOP"):
            skipped = line == "COVARIANCE_START"
        elif skipped or line.startswith("CCSDS_OEM_VERS"):
            continue
        elif line == "META_START":
            meta = {}
            segments.append((meta, []))
        elif "=" in line:
            key, _, value = line.partition("=")
            meta[key.strip().upper()] = value.strip()
        elif _ROW.match(line):
            if not segments:
                raise OrbitDataError("states before META_START", line=number)
            segments[-1][1].append(_of_row(line.split(), meta, number))
        elif line != "META_STOP":
            raise OrbitDataError(f"`{line[:40]}` is not a valid line of an OEM", line=number)
    return _series(segments)


def _of_row(cells: Sequence[str], meta: dict[str, str], line: int) -> OrbitState:
    try:
        values = [float(cell) for cell in cells[1:]]
    except ValueError:
        values = []
    if len(values) not in (6, 9) or not all(map(math.isfinite, values)):
        raise OrbitDataError(
            "a state is a time, three of position and three of velocity",
            "expected: 2026-03-20T00:00:00 X Y Z X_DOT Y_DOT Z_DOT, in km and km/s",
            line,
        )
    epoch = _utc(cells[0], meta, line)
    return OrbitState(epoch, _three(values[:3]), _three(values[3:6]), _frame(meta, line), line)


def _series(segments: Sequence[tuple[dict[str, str], list[OrbitState]]]) -> list[StateSeries]:
    by_object: dict[tuple[str, str], list[OrbitState]] = {}
    for meta, states in segments:
        key = (meta.get("OBJECT_NAME", ""), meta.get("OBJECT_ID", ""))
        by_object.setdefault(key, []).extend(states)
    out = []
    for (name, designator), states in by_object.items():
        if not states:
            raise OrbitDataError(f"the OEM has no states of {name or designator}")
        ordered = tuple(sorted(states, key=lambda state: state.epoch_utc))
        out.append(StateSeries(name, designator, ordered))
    if not out:
        raise OrbitDataError("the OEM has no states", "it needs META_START, META_STOP and states")
    return out


def xml_states(root: ElementTree.Element) -> list[StateSeries]:
    """Return the states of the OPM and OEM in an XML document. Raises: OrbitDataError."""
    segments: list[tuple[dict[str, str], list[OrbitState]]] = []
    for segment in (e for e in root.iter() if local_name(e) == "segment"):
        meta = {
            local_name(leaf): (leaf.text or "").strip()
            for part in segment
            if local_name(part) == "metadata"
            for leaf in part.iter()
        }
        states = []
        for vector in (e for e in segment.iter() if local_name(e) == "stateVector"):
            message = Message()
            for leaf in vector:
                message.add(local_name(leaf), (leaf.text or "").strip(), 0)
            r = [_number(message, axis) for axis in _AXES]
            v = [_number(message, f"{axis}_DOT") for axis in _AXES]
            epoch = _utc(message.fields.get("EPOCH", ""), meta, 0)
            states.append(OrbitState(epoch, _three(r), _three(v), _frame(meta, 0)))
        segments.append((meta, states))
    return _series(segments)


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = values
    return x, y, z


def _number(message: Message, key: str) -> float:
    value = message.fields.get(key)
    if not value:
        raise OrbitDataError(f"the state has no {key}", "it needs X, Y, Z, X_DOT, Y_DOT and Z_DOT")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise OrbitDataError(f"{key} is `{value}`, not a number", line=message.line_of(key))
    return number


def _frame(meta: dict[str, str], line: int) -> str:
    centre = meta.get("CENTER_NAME", "EARTH").upper()
    if centre not in ("EARTH", "399", ""):
        raise OrbitDataError(f"the state is around {centre}; only the Earth is modelled", line=line)
    frame = meta.get("REF_FRAME", "")
    if not frame:
        raise OrbitDataError("the state has no REF_FRAME", "add it, as REF_FRAME = EME2000")
    return frame


def _utc(value: str, meta: dict[str, str], line: int) -> datetime:
    scale = meta.get("TIME_SYSTEM", "UTC").upper() or "UTC"
    moment = time_of(value, line)
    if scale not in _AHEAD_OF_UTC_S or (_AHEAD_OF_UTC_S[scale] and moment < _SINCE):
        raise OrbitDataError(
            f"TIME_SYSTEM {scale} is not read for {moment:%Y}", "write the epochs in UTC", line
        )
    return moment - timedelta(seconds=_AHEAD_OF_UTC_S[scale])
