"""Element sets as they are found: with names, headers and comments, several, folded, in a file."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from hil.plant.orbit import Orbit
from hil.scenario.plant.orbit import OrbitModel

ONE = "1 25544U 98067A   26079.50000000  .00010000  00000-0  18000-3 0  9992"
TWO = "2 25544  51.6400 100.0000 0003967  90.0000 270.0000 15.50000000412347"


@pytest.mark.parametrize(
    "tle",
    [
        [ONE, TWO],
        f"{ONE}\n{TWO}",
        f"{ONE}\r\n{TWO}\r\n",
        ["ISS (ZARYA)", ONE, TWO],
        ["0 ISS (ZARYA)", ONE, TWO],
        f"\n  {ONE}  \n  {TWO}\n\n",
        f"# of 2026-03-20\nSB KEPS @ AMSAT $ORB26079.N\n1 set\nISS\n{ONE}\n{TWO}\n/EX\n",
    ],
)
def test_the_set_is_found_among_other_lines(tle: object) -> None:
    assert OrbitModel.model_validate({"tle": tle}).tle == (ONE, TWO)


@pytest.mark.parametrize(
    ("tle", "message", "remedy"),
    [
        (f"A\n{ONE}\n{TWO}\nB\n{ONE}\n{TWO}", "2 sets of elements", "`object: NAME`"),
        (f"{ONE} {TWO}", "both lines in one", "`tle: |`"),
        ("", "0 lines", "paste them"),
        ([ONE], "1 line;", "paste them"),
        (["a", "b", "c"], "3 lines", "other lines are passed over"),
        ([TWO, ONE, "x"], "which begin with `1 ` and `2 `", "paste them"),
    ],
)
def test_text_that_is_not_a_tle_is_reported_with_a_remedy(
    tle: object, message: str, remedy: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        OrbitModel.model_validate({"tle": tle})
    context = caught.value.errors()[0]["ctx"]
    assert message in context["message"] and remedy in context["remedy"]


@pytest.mark.parametrize("number", [1, 2])
def test_a_missing_checksum_is_computed_and_said(number: int) -> None:
    lines = [ONE, TWO]
    lines[number - 1] = lines[number - 1][:-1]
    assert Orbit.from_tle(*lines).notes == (
        "the TLE has no checksums: damage would not be noticed",
    )


def test_a_cut_line_is_not_taken_for_one_without_a_checksum() -> None:
    with pytest.raises(ValueError, match="68 characters instead of 69"):
        Orbit.from_tle(ONE[:30] + ONE[31:], TWO)


def test_catalogue_numbers_of_six_digits_are_reported_as_such() -> None:
    with pytest.raises(ValueError, match="more than five digits"):
        Orbit.from_tle(ONE.replace("25544U", "125544U"), TWO)


@pytest.mark.parametrize("key", ["tle", "omm", "file"])
@pytest.mark.parametrize("name", ["weather.txt", "../data/active.tle", "gp.json"])
def test_the_name_of_a_file_is_that_of_a_file(key: str, name: str) -> None:
    assert OrbitModel.model_validate({key: name}).file == name


OMM = {
    "OBJECT_NAME": "TESTSAT",
    "EPOCH": "2026-09-01T03:12:45.123456",
    "MEAN_MOTION": 15.22,
    "ECCENTRICITY": 0.0012,
    "INCLINATION": 97.5,
    "RA_OF_ASC_NODE": 210.1,
    "ARG_OF_PERICENTER": 80.0,
    "MEAN_ANOMALY": 280.2,
    "NORAD_CAT_ID": 100123,
}


@pytest.mark.parametrize(
    "orbit",
    [
        {"omm": OMM},
        {"OMM": OMM},
        {"omm": [OMM]},
        {"omm": json.dumps(OMM)},
        {"tle": json.dumps([OMM])},
        OMM,
        {k.lower(): v for k, v in OMM.items()},
    ],
)
def test_an_omm_of_any_form_is_an_omm(orbit: dict[str, Any]) -> None:
    model = OrbitModel.model_validate(orbit)
    assert model.omm is not None
    found = json.loads(model.omm)
    one = found[0] if isinstance(found, list) else found
    assert {k.upper(): v for k, v in one.items()} == OMM


SETS = f"A\n{ONE}\n{TWO}\nB\n{ONE.replace('25544', '25545')}\n{TWO.replace('25544', '25545')}"


@pytest.mark.parametrize(("wanted", "number"), [("A", "25544"), ("b", "25545"), (25545, "25545")])
def test_one_of_several_sets_is_chosen(wanted: str | int, number: str) -> None:
    tle = OrbitModel.model_validate({"tle": SETS, "object": wanted}).tle
    assert tle is not None and tle[0][2:7] == number


def test_an_unknown_name_is_told_which_there_are() -> None:
    with pytest.raises(ValidationError) as caught:
        OrbitModel.model_validate({"tle": SETS, "object": "C"})
    assert "there are A, B" in caught.value.errors()[0]["ctx"]["message"]


KEPLER = {"epoch": "2026-03-20T00:00:00Z", "inc": 51.6}


@pytest.mark.parametrize(
    ("size", "altitude_km"),
    [
        ({"semi_major_axis_km": 6798.137}, 420.0),
        ({"sma_m": 6798137.0}, 420.0),
        ({"a": 6798.137}, 420.0),
        ({"mean_motion": 15.48882}, 420.0),
        ({"period_s": 5578.22}, 420.0),
        ({"period_min": 92.9703}, 420.0),
        ({"altitude": 420.0}, 420.0),
    ],
)
def test_sizes_have_many_names(size: dict[str, float], altitude_km: float) -> None:
    model = OrbitModel.model_validate({**KEPLER, **size})
    assert model.altitude_km == pytest.approx(altitude_km, abs=0.05)
    assert model.inclination_deg == 51.6


@pytest.mark.parametrize(
    ("given", "key", "value"),
    [
        ({"raan": 10.0}, "raan_deg", 10.0),
        ({"raan_rad": math.pi}, "raan_deg", 180.0),
        ({"aop": 20.0}, "argp_deg", 20.0),
        ({"argument_of_perigee": 20.0}, "argp_deg", 20.0),
        ({"ltan": "10:30"}, "ascending_node_local_time_h", 10.5),
        ({"LTDN": "10:30"}, "ascending_node_local_time_h", 22.5),
        ({"mean_anomaly": 5.0}, "mean_anomaly_deg", 5.0),
        ({"true_anomaly": 90.0}, "mean_anomaly_deg", 90.0),
        ({"nu": 90.0, "ecc": 0.1}, "mean_anomaly_deg", 78.56),
    ],
)
def test_angles_have_many_names(given: dict[str, Any], key: str, value: float) -> None:
    """M of nu = 90 degrees, e = 0.1: E = acos 0.1 = 84.26083, M = E - 0.1 sin E."""
    model = OrbitModel.model_validate({**KEPLER, "altitude_km": 500.0, **given})
    assert getattr(model, key) == pytest.approx(value, abs=1e-3)


@pytest.mark.parametrize(
    "epoch", [{"epoch_mjd": 61119.0}, {"jd": 2461119.5}, {"utc": "2026-03-20"}]
)
def test_epochs_may_be_julian(epoch: dict[str, Any]) -> None:
    model = OrbitModel.model_validate({**epoch, "altitude_km": 500.0, "inc": 51.6})
    assert model.epoch_utc == datetime(2026, 3, 20, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("orbit", "key", "words"),
    [
        ({**KEPLER, "sma_km": 6798137}, "sma_km", "in metres? Then write 6798.14"),
        ({**KEPLER, "altitude_km": 400000.0}, "altitude_km", "in metres? Then write 400"),
        ({**KEPLER, "altitude_km": 400, "sma_km": 6800}, "sma_km", "given twice"),
        ({"position_km": [7000, 0, 0]}, "velocity_km_s", "a state needs `velocity_km_s`"),
        ({"file": "a.tle", "inc": 5.0}, "inclination_deg", "the file already says"),
        ({"omm": OMM, "inc": 5.0}, "inclination_deg", "the OMM already says"),
        ({**KEPLER, "altitude_km": 400, "frame": "TEME"}, "frame", "no meaning for elements"),
    ],
)
def test_contradictions_are_said_at_their_key(orbit: dict[str, Any], key: str, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        OrbitModel.model_validate(orbit)
    found = {
        e["loc"][0]: f"{e['ctx']['message']} {e['ctx']['remedy']}" for e in caught.value.errors()
    }
    assert words in found[key]
