"""Field cases of the flight: inputs that users of such tools fell over, and what is said of them
(F04, F14 to F19, F29, F32)."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from hil.doctor.files import check
from hil.plant.scenario_orbit import orbit_of
from hil.plant.survey import survey
from hil.scenario import load_scenario

HERE = Path(__file__).parent / "flight"

SCENARIO = (
    "schema: 1\nworkload: attitude\nduration: 600s\nframe_ms: 1000\n"
    "rig: {scheme: simplex, board: inproc, profile: raspberry-pi-4b}\n"
)


def told(name: str) -> list[str]:
    """The problems of a file, without the folder it lies in."""
    return [str(p).replace(f"{HERE}/", "") for p in check(str(HERE / name)).problems]


def told_of_profile(folder: Path, name: str, content: bytes, more: str = "") -> list[str]:
    """The problems of a scenario with that profile."""
    (folder / name).write_bytes(content)
    scenario = folder / "scenario.yaml"
    scenario.write_text(f"{SCENARIO}plant: {{profile: {name}{more}}}\n")
    return [str(p).replace(f"{folder}/", "") for p in check(str(scenario)).problems]


def test_f04_a_dawn_dusk_day_has_the_eclipses_of_an_ellipsoid() -> None:
    """9 of at most 215 s, 1274 s in all; around a sphere they would be 15, 405 s and 5315 s."""
    found = survey(load_scenario(HERE / "dawn_dusk.yaml"))
    assert found.figures.eclipses == 9
    assert found.figures.longest_eclipse_s == 215.0
    dark = float(np.sum(found.columns["illumination"][:-1] < 0.5))
    assert dark == pytest.approx(1274.0, abs=5.0)


def test_f14_an_omm_is_flown() -> None:
    assert told("omm.yaml") == []
    plant = load_scenario(HERE / "omm.yaml").plant
    assert plant is not None and plant.orbit is not None
    orbit = orbit_of(plant.orbit, plant)
    assert 86400.0 / orbit.period_s == pytest.approx(15.22, abs=1e-6)
    (problem,) = told("omm_file.yaml")
    assert problem.startswith("omm_file.yaml:8:10: $.plant.orbit: there is no file ")
    assert problem.endswith("probe.json; is it beside the scenario?")


def test_f15_a_missing_checksum_is_computed() -> None:
    assert told("tle_without_checksum.yaml") == []


def test_f15c_a_file_name_in_place_of_a_tle_is_that_file() -> None:
    (problem,) = told("tle_in_a_file.yaml")
    assert "there is no file " in problem and "station.tle" in problem


def test_f15c_lines_around_a_set_are_passed_over() -> None:
    assert told("tle_with_a_header.yaml") == []


def test_f16_an_unclosed_quote_is_reported_where_it_opens(tmp_path: Path) -> None:
    content = b't_s,illumination\n0,"1.0\n' + b"".join(
        b"%d,1.0\n" % t for t in range(10, 200_000, 10)
    )
    assert told_of_profile(tmp_path, "p.csv", content) == [
        "p.csv:2:1: a quote is opened in this line and not closed in it; "
        "close it; numbers need none"
    ]


def test_f17_a_damaged_npz_is_reported_as_damaged(tmp_path: Path) -> None:
    path = tmp_path / "p.npz"
    np.savez_compressed(path, t_s=np.arange(0.0, 700.0, 10.0), soc=np.linspace(0, 1, 70))
    content = bytearray(path.read_bytes())
    content[60:90] = b"\xff" * 30
    (problem,) = told_of_profile(tmp_path, "p.npz", bytes(content))
    assert problem.startswith("p.npz:1:1: it is damaged: ")
    with pytest.raises(zlib.error):  # what came out of it before
        np.load(path)["t_s"]


def test_f18_rows_are_dense_around_an_event(tmp_path: Path) -> None:
    times = sorted({*range(0, 601, 60), *range(230, 250), *range(400, 420)})
    content = "t_s,illumination\n" + "".join(f"{t},1.0\n" for t in times)
    assert told_of_profile(tmp_path, "p.csv", content.encode()) == []


def test_f18_what_looks_like_a_gap_can_be_allowed(tmp_path: Path) -> None:
    content = b"t_s,illumination\n0,1\n1,1\n2,1\n300,1\n301,1\n600,1\n"
    (problem,) = told_of_profile(tmp_path, "p.csv", content)
    assert "allow it with `max_gap_s: 298`" in problem
    assert told_of_profile(tmp_path, "p.csv", content, ", max_gap_s: 300") == []


def test_f19_times_of_the_calendar_and_units_in_the_header(tmp_path: Path) -> None:
    content = b"utc,illumination [-]\n2026-03-20T00:00:00.000Z,1.0\n"
    first, second = told_of_profile(tmp_path, "p.csv", content)
    assert first.startswith("p.csv:1:1: utc: there is no column `utc`; times are seconds from")
    assert second.endswith("write `illumination`, without a unit")


def test_f29_what_a_cell_would_do_to_a_terminal_is_shown(tmp_path: Path) -> None:
    content = b"t_s,illumination\n0,\x1b]0;a new title\x07\x1b[31mred\n"
    (problem,) = told_of_profile(tmp_path, "p.csv", content)
    assert "`\\x1b]0;a new title\\x07\\x1b[31mred`" in problem


def test_f32_a_number_with_underscores_is_written_without() -> None:
    (problem,) = told("underscore.yaml")
    assert problem.startswith("underscore.yaml:3:9: $.frames: the text `10_000`")
    assert problem.endswith("; write 10000")
