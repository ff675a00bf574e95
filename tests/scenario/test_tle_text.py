"""Element sets as they are found: with names, headers and comments, several, folded, in a file."""

from __future__ import annotations

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
        (f"A\n{ONE}\n{TWO}\nB\n{ONE}\n{TWO}", "2 sets of elements", "of one satellite"),
        (f"{ONE} {TWO}", "both lines in one", "`tle: |`"),
        ("weather.txt", "looks like the name of a file", "paste them here"),
        ("../data/active.tle", "looks like the name of a file", "paste them here"),
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
def test_the_missing_checksum_is_named_for_either_line(number: int) -> None:
    lines = [ONE, TWO]
    lines[number - 1] = lines[number - 1][:-1]
    digit = (ONE, TWO)[number - 1][-1]
    with pytest.raises(ValueError, match=f"line {number} .* has no checksum, .*: add {digit}"):
        Orbit.from_tle(*lines)


def test_a_cut_line_is_not_taken_for_one_without_a_checksum() -> None:
    with pytest.raises(ValueError, match="68 characters instead of 69"):
        Orbit.from_tle(ONE[:30] + ONE[31:], TWO)


def test_catalogue_numbers_of_six_digits_are_reported_as_such() -> None:
    with pytest.raises(ValueError, match="more than five digits"):
        Orbit.from_tle(ONE.replace("25544U", "125544U"), TWO)


@pytest.mark.parametrize("key", ["omm", "OMM", "MEAN_MOTION", "mean_motion", "NORAD_CAT_ID"])
def test_an_omm_of_any_form_is_reported_as_an_omm(key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        OrbitModel.model_validate({key: 15.22})
    (error,) = caught.value.errors()
    assert error["loc"] == (key,) and "OMM" in error["ctx"]["message"]
