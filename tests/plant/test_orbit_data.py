"""Orbits as others write them: each format against the sgp4 library's own readers, states against
SGP4 and skyfield; and a sentence for each that cannot fly."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from sgp4 import omm as sgp4_omm
from sgp4.api import WGS72, Satrec

from hil.plant.orbit import Orbit
from hil.plant.orbit_data.celestial_frames import state_in_teme
from hil.plant.orbit_data.fault import OrbitDataError
from hil.plant.orbit_data.omm_fields import number_of
from hil.plant.orbit_data.reader import FoundOrbit, decoded, find_orbit
from hil.plant.orbit_data.state_vector import OrbitState, mean_set_of_state

ONE = "1 25544U 98067A   26079.50000000  .00010000  00000-0  18000-3 0  9992"
TWO = "2 25544  51.6400 100.0000 0003967  90.0000 270.0000 15.50000000412347"
FIELDS: dict[str, Any] = {
    "OBJECT_NAME": "TESTSAT 1",
    "OBJECT_ID": "2026-190A",
    "EPOCH": "2026-09-01T03:12:45.123456",
    "MEAN_MOTION": 15.22,
    "ECCENTRICITY": 0.0012,
    "INCLINATION": 97.5,
    "RA_OF_ASC_NODE": 210.1,
    "ARG_OF_PERICENTER": 80.0,
    "MEAN_ANOMALY": 280.2,
    "EPHEMERIS_TYPE": 0,
    "CLASSIFICATION_TYPE": "U",
    "NORAD_CAT_ID": 25544,
    "ELEMENT_SET_NO": 999,
    "REV_AT_EPOCH": 120,
    "BSTAR": 0.0003,
    "MEAN_MOTION_DOT": 2.1e-5,
    "MEAN_MOTION_DDOT": 0,
}
OTHER = {**FIELDS, "OBJECT_NAME": "TESTSAT 2", "NORAD_CAT_ID": 100124, "INCLINATION": 53.0}
HEAD = (
    "CCSDS_OMM_VERS = 2.0\nCREATION_DATE = 2026-09-01T00:00:00\nORIGINATOR = X\n"
    "CENTER_NAME = EARTH\nREF_FRAME = TEME\nTIME_SYSTEM = UTC\nMEAN_ELEMENT_THEORY = SGP4\n"
)


def as_csv(*messages: dict[str, Any]) -> str:
    rows = [",".join(FIELDS), *(",".join(map(str, m.values())) for m in messages)]
    return "\r\n".join(rows) + "\r\n"


def as_kvn(message: dict[str, Any]) -> str:
    units = {"MEAN_MOTION": " [rev/day]", "INCLINATION": " [deg]"}
    return HEAD + "".join(f"{k} = {v}{units.get(k, '')}\n" for k, v in message.items())


def as_xml(*messages: dict[str, Any]) -> str:
    meta = ("OBJECT_NAME", "OBJECT_ID")
    tle: tuple[str, ...] = (
        "EPHEMERIS_TYPE",
        "CLASSIFICATION_TYPE",
        "NORAD_CAT_ID",
        "ELEMENT_SET_NO",
    )
    tle += ("REV_AT_EPOCH", "BSTAR", "MEAN_MOTION_DOT", "MEAN_MOTION_DDOT")
    out = ""
    for m in messages:
        fields = {k: f"<{k}>{v}</{k}>" for k, v in m.items()}
        out += (
            '<omm id="CCSDS_OMM_VERS" version="2.0"><header/><body><segment><metadata>'
            + "".join(fields[k] for k in meta)
            + "<CENTER_NAME>EARTH</CENTER_NAME><REF_FRAME>TEME</REF_FRAME></metadata>"
            + "<data><meanElements>"
            + "".join(v for k, v in fields.items() if k not in (*meta, *tle))
            + "</meanElements><tleParameters>"
            + "".join(fields[k] for k in tle)
            + "</tleParameters></data></segment></body></omm>"
        )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<ndm>{out}</ndm>'


def orbit_of(found: FoundOrbit, start: datetime | None = None) -> Orbit:
    if found.tle is not None:
        return Orbit.from_tle(*found.tle, start_utc=start)
    assert found.elements is not None
    return Orbit.from_mean_set(found.elements, start_utc=start)


def positions(satellite: Any, minutes: float) -> np.ndarray[Any, Any]:
    code, r, _ = satellite.sgp4_tsince(minutes)
    assert code == 0
    return np.array(r)


FORMATS = {
    "json": json.dumps([FIELDS]),
    "one object of json": json.dumps(FIELDS),
    "text in json, as Space-Track writes it": json.dumps([{k: str(v) for k, v in FIELDS.items()}]),
    "lower case": json.dumps({k.lower(): v for k, v in FIELDS.items()}),
    "nested": json.dumps({"omm": {"header": {}, "data": FIELDS}}),
    "csv": as_csv(FIELDS),
    "kvn": as_kvn(FIELDS),
    "kvn without a header": as_kvn(FIELDS)[len(HEAD) :],
    "xml": as_xml(FIELDS),
    "with a byte order mark": "\ufeff" + as_csv(FIELDS),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_an_omm_flies_as_the_sgp4_library_reads_it(kind: str) -> None:
    reference = Satrec()
    (fields,) = sgp4_omm.parse_csv(io.StringIO(as_csv(FIELDS)))
    sgp4_omm.initialize(reference, fields)
    orbit = orbit_of(find_orbit(FORMATS[kind], None, None))
    assert f"{orbit.epoch_utc:%Y-%m-%dT%H:%M:%S.%f}" == FIELDS["EPOCH"]
    found = orbit.positions_teme_km(np.array([0.0, 86_400.0]))[0]
    for row, minutes in enumerate((0.0, 1440.0)):
        assert np.linalg.norm(found[row] - positions(reference, minutes)) < 0.01


def test_the_xml_of_several_is_that_of_the_sgp4_library() -> None:
    text = as_xml(FIELDS, OTHER)
    reference = Satrec()
    sgp4_omm.initialize(reference, next(iter(sgp4_omm.parse_xml(io.StringIO(text)))))
    orbit = orbit_of(find_orbit(text, "TESTSAT 1", None))
    found = orbit.positions_teme_km(np.array([3600.0]))[0][0]
    assert np.linalg.norm(found - positions(reference, 60.0)) < 0.01


@pytest.mark.parametrize("wanted", [100124, "100124", "testsat 2", "SAT 2", "A0124"])
@pytest.mark.parametrize("text", [json.dumps([FIELDS, OTHER]), as_csv(FIELDS, OTHER)])
def test_one_of_several_is_chosen_by_name_or_number(wanted: str | int, text: str) -> None:
    elements = find_orbit(text, wanted, None).elements
    assert elements is not None and elements.inclination_deg == 53.0


def test_of_several_sets_of_an_object_the_nearest_is_flown() -> None:
    later = {**FIELDS, "EPOCH": "2026-09-03T00:00:00"}
    text = json.dumps([FIELDS, later])
    for start, day in ((None, 3), (datetime(2026, 9, 1, 6, tzinfo=timezone.utc), 1)):
        elements = find_orbit(text, None, start).elements
        assert elements is not None and elements.epoch_utc.day == day


@pytest.mark.parametrize(
    "text",
    [
        f"ISS (ZARYA)\r\n{ONE}  \r\n{TWO}\t\r\n",
        f"\ufeff0 ISS (ZARYA)\n{ONE}\n{TWO}\n",
        f"{ONE[:-1]}\n{TWO[:-1]}\n",
        f"# comment\n\n{ONE}\n{TWO}\n\n",
    ],
)
def test_a_tle_is_found_among_what_surrounds_it(text: str) -> None:
    orbit = orbit_of(find_orbit(text, None, None))
    reference = Satrec.twoline2rv(ONE, TWO, WGS72)
    assert orbit.positions_teme_km(np.zeros(1))[0][0] == pytest.approx(positions(reference, 0.0))


@pytest.mark.parametrize(
    ("text", "number"),
    [("25544", 25544), ("A0000", 100_000), ("E8493", 148_493), ("J2931", 182_931),
     ("P4018", 234_018), ("Z9999", 339_999), ("", 0), (None, 0), (100_123, 100_123)],
)  # fmt: skip
def test_numbers_of_alpha_5(text: Any, number: int) -> None:
    """Those of Space-Track's description of Alpha-5."""
    assert number_of(text) == number


def test_a_utf_16_file_is_text() -> None:
    assert find_orbit(decoded(f"ISS\n{ONE}\n{TWO}".encode("utf-16")), None, None).tle == (ONE, TWO)


# --- states ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("motion", "e", "i"),
    [(15.5, 0.0004, 51.6), (14.2, 0.0, 98.2), (15.2, 0.0, 0.0), (2.0057, 0.004, 55.0),
     (2.27, 0.73, 7.0), (2.006, 0.7, 63.4), (1.0027, 0.0002, 0.05)],
)  # fmt: skip
def test_mean_elements_come_back_from_the_state_that_sgp4_makes_of_them(
    motion: float, e: float, i: float
) -> None:
    satellite = Satrec()
    epoch = datetime(2026, 3, 20, tzinfo=timezone.utc)
    days = (epoch - datetime(1949, 12, 31, tzinfo=timezone.utc)) / timedelta(days=1)
    n = motion * 2 * np.pi / 1440
    satellite.sgp4init(
        WGS72, "i", 1, days, 0.0, 0.0, 0.0, e, 1.2, np.radians(i), 2.0, n, 0.4
    )  # fmt: skip
    code, r, v = satellite.sgp4_tsince(0.0)
    assert code == 0
    orbit = Orbit.from_mean_set(mean_set_of_state(OrbitState(epoch, r, v, "TEME")))
    found = orbit.positions_teme_km(np.array([0.0, 86_400.0]))[0]
    slow = motion < 1.01  # geostationary, of hardly any inclination
    assert np.linalg.norm(found[0] - r) < (0.5 if slow else 1e-3)
    assert np.linalg.norm(found[1] - positions(satellite, 1440.0)) < (5.0 if slow else 0.1)


def test_states_of_other_frames_are_those_of_skyfield() -> None:
    api = pytest.importorskip("skyfield.api")
    framelib, sgp4lib = (
        pytest.importorskip("skyfield.framelib"),
        pytest.importorskip("skyfield.sgp4lib"),
    )
    load = api.Loader(".", verbose=False)
    timescale = load.timescale(builtin=True)
    for year in (2005, 2026, 2035):
        epoch = datetime(year, 7, 3, 5, 6, 7, tzinfo=timezone.utc)
        t = timescale.from_datetime(epoch)
        to_teme = sgp4lib.TEME.rotation_at(t)
        r, v = np.array([5102.5, 4123.0, 2190.3]), np.array([-4.7, 1.2, 6.1])
        found, speed = state_in_teme("GCRF", epoch, r, v)
        assert np.linalg.norm(found - to_teme @ r) < 0.008  # 0.2 arc seconds
        assert np.linalg.norm(speed - to_teme @ v) < 1e-5
        fixed = framelib.itrs.rotation_at(t)
        found, _ = state_in_teme("ITRF2020", epoch, fixed @ r, v)
        assert np.linalg.norm(found - to_teme @ r) < 0.4  # UT1 is not known: up to 0.9 s


def test_the_velocity_of_an_earth_fixed_state_is_that_of_its_motion() -> None:
    epoch = datetime(2026, 3, 20, tzinfo=timezone.utc)
    r, v = np.array([6793.137, 100.0, -50.0]), np.array([0.5, 4.26, 6.0])
    _, speed = state_in_teme("ITRF", epoch, r, v)
    later, _ = state_in_teme("ITRF", epoch + timedelta(seconds=1), r + v, v)
    before, _ = state_in_teme("ITRF", epoch - timedelta(seconds=1), r - v, v)
    assert (later - before) / 2.0 == pytest.approx(speed, abs=1e-4)


OPM = (
    "CCSDS_OPM_VERS = 2.0\nCREATION_DATE = 2026-03-20T00:00:00\nORIGINATOR = X\n"
    "OBJECT_NAME = SAT\nOBJECT_ID = 2026-001A\nCENTER_NAME = EARTH\nREF_FRAME = TEME\n"
    "TIME_SYSTEM = UTC\nEPOCH = 2026-079T00:00:00.000\nX = 6793.137 [km]\nY = 0 [km]\n"
    "Z = 0 [km]\nX_DOT = 0 [km/s]\nY_DOT = 4.7537 [km/s]\nZ_DOT = 6.0063 [km/s]\nMASS = 9 [kg]\n"
)


def test_an_opm_is_at_its_state() -> None:
    found = find_orbit(OPM, None, None)
    r, v = orbit_of(found).positions_teme_km(np.zeros(1))
    assert r[0] == pytest.approx([6793.137, 0.0, 0.0], abs=1e-3)
    assert v[0] == pytest.approx([0.0, 4.7537, 6.0063], abs=1e-6)
    assert "without drag" in found.notes[0]


def oem(states: list[str]) -> str:
    head = OPM.split("EPOCH = ", maxsplit=1)[0].replace("OPM", "OEM")
    start = head.index("OBJECT_NAME")
    return head[:start] + "META_START\n" + head[start:] + "META_STOP\n" + "\n".join(states) + "\n"


def test_an_ephemeris_says_how_far_sgp4_leaves_it() -> None:
    satellite = Satrec.twoline2rv(ONE, TWO, WGS72)
    rows = []
    for minute in range(0, 600, 10):
        _, r, v = satellite.sgp4_tsince(float(minute))
        when = datetime(2026, 3, 20, 12, tzinfo=timezone.utc) + timedelta(minutes=minute)
        rows.append(f"{when:%Y-%m-%dT%H:%M:%S} " + " ".join(f"{x:.9f}" for x in (*r, *v)))
    start = datetime(2026, 3, 20, 15, tzinfo=timezone.utc)
    found = find_orbit(oem(rows), "SAT", start)
    assert found.elements is not None and found.elements.epoch_utc == start
    away = float(found.notes[1].split("up to ")[1].split(" km")[0])
    assert away < 1.0, "only the drag is missing"


# --- what cannot fly ------------------------------------------------------------------------------


def changed(**fields: Any) -> str:
    return json.dumps([{**FIELDS, **fields}])


CANNOT = {
    "decayed": (changed(DECAY_DATE="2026-09-05"), "decayed on 2026-09-05"),
    "below ground": (changed(MEAN_MOTION=17.2), "below ground"),
    "in dense air": (changed(MEAN_MOTION=16.75, ECCENTRICITY=0.0001), "km high: below 100 km"),
    "hyperbolic": (changed(ECCENTRICITY=1.2), "hyperbolic"),
    "digits of a TLE": (changed(ECCENTRICITY=12000), "without their decimal point"),
    "radians a minute": (changed(MEAN_MOTION=0.06641), "radians a minute it would be 15.2"),
    "radians a second": (changed(MEAN_MOTION=0.0011068), "radians a second it would be 15.2"),
    "degrees a day": (changed(MEAN_MOTION=5479.2), "degrees a day it would be 15.22"),
    "metres": (json.dumps({k: v for k, v in FIELDS.items() if k != "MEAN_MOTION"}
                          | {"SEMI_MAJOR_AXIS": 6878137.0}), "beyond the Moon"),
    "SGP4-XP": (changed(EPHEMERIS_TYPE=4), "SGP4-XP"),
    "another theory": (changed(MEAN_ELEMENT_THEORY="DSST"), "only SGP4 is flown"),
    "around Mars": (as_kvn(FIELDS).replace("EARTH", "MARS"), "CENTER_NAME is MARS"),
    "another frame": (as_kvn(FIELDS).replace("TEME", "EME2000"), "only TEME is flown"),
    "GPS time": (as_kvn(FIELDS).replace("UTC", "GPS"), "18 s ahead"),
    "no number": (changed(INCLINATION="abc"), "INCLINATION is `abc`, which is not a number"),
    "no epoch": (changed(EPOCH=""), "the OMM has no EPOCH"),
    "no time": (changed(EPOCH="yesterday"), "`yesterday` is not a time"),
    "inclination": (changed(INCLINATION=190.0), "0 to 180 degrees"),
    "two objects": (json.dumps([FIELDS, OTHER]), "2 objects in it: TESTSAT 1 (25544)"),
    "a cut file": (json.dumps([FIELDS])[:-30], "not valid JSON"),
    "a cut row": (as_csv(FIELDS)[:-20], "values for 17 keywords"),
    "a cut document": (as_xml(FIELDS)[:-20], "not valid XML"),
    "entities": ('<!DOCTYPE x [<!ENTITY a "b">]><omm/>', "DOCTYPE"),
    "a list of numbers": ("[1, 2]", "something else than objects"),
    "a web page": ("<!DOCTYPE html><html></html>", "a web page"),
    "no data": ("No GP data found", "the answer of a server without data"),
    "SP3": ("#cP2026  3 20", "SP3"),
    "another message": ("CCSDS_CDM_VERS = 1.0", "without an orbit"),
    "nothing": ("\n\n", "nothing in it"),
    "prose": ("the orbit is nice", "no orbit was found"),
    "another document": ("<kml></kml>", "this XML is a `kml`"),
    "state in metres": (OPM.replace("6793.137", "6793137.0"), "in metres"),
    "escape": (OPM.replace("4.7537", "9.9"), "an escape (hyperbolic)"),
    "inside": (OPM.replace("6793.137", "6000.0"), "inside the Earth"),
    "falling": (OPM.replace("4.7537", "2.0"), "below ground"),
    "frame of a state": (OPM.replace("TEME", "RTN"), "the frame RTN is not known"),
    "no frame": (OPM.replace("REF_FRAME = TEME\n", ""), "no REF_FRAME"),
    "no velocity": (OPM.replace("Z_DOT = 6.0063 [km/s]\n", ""), "no Z_DOT"),
    "a short row": (oem(["2026-03-20T00:00:00 1 2 3"]), "a state is a time"),
    "no states": (oem([]), "no states"),
}  # fmt: skip


@pytest.mark.parametrize("case", CANNOT)
def test_what_cannot_fly_gets_a_sentence(case: str) -> None:
    text, words = CANNOT[case]
    with pytest.raises(OrbitDataError) as caught:
        orbit_of(find_orbit(text, None, None))
    assert words in f"{caught.value.message} {caught.value.remedy}"


@pytest.mark.parametrize("content", [b"\x1f\x8b123", b"PK\x03\x04", b"\x80\x00\x01"])
def test_what_is_no_text_is_said(content: bytes) -> None:
    with pytest.raises(OrbitDataError, match=r"compressed|not text"):
        decoded(content)


def test_lines_are_named() -> None:
    text = as_csv(FIELDS, {**FIELDS, "INCLINATION": "x"})
    with pytest.raises(OrbitDataError) as caught:
        orbit_of(find_orbit(text.replace("TESTSAT 1,2026-190A", "B,2026-190B", 1), "TESTSAT", None))
    assert caught.value.line == 3
