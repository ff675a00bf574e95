"""The survey of a flight: its rows and sums, block by block, against the whole at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hil.board_types.channels import Effect
from hil.plant.build import build_plant
from hil.plant.course import CourseOf
from hil.plant.profile import read_profile
from hil.plant.profile_writer import ProfileWriter
from hil.plant.sky import BLOCK_STEPS
from hil.plant.survey import fly, row_count, survey
from hil.plant.survey_sums import Runs
from hil.scenario import Scenario


def scenario(duration: str = "3h", step_s: float = 1.0) -> Scenario:
    return Scenario.model_validate(
        {
            "workload": "infer",
            "duration": duration,
            "frame_ms": 60_000.0,
            "rig": {"board": "inproc", "profile": "raspberry-pi-4b"},
            "plant": {
                "orbit": {
                    "epoch_utc": "2026-03-20T00:00:00Z",
                    "altitude_km": 420.0,
                    "inclination_deg": 51.64,
                },
                "radiation": {"data": "stand-in"},
                "step_s": step_s,
            },
        }
    )


@pytest.mark.parametrize("cuts", [[], [7], [1, 2, 3, 50], [40, 41]])
def test_runs_are_the_same_however_the_steps_are_cut(cuts: list[int]) -> None:
    mask = np.array([c == "x" for c in "xx..xxxx.x" * 6 + "xxxxxx.." * 2])
    runs = Runs()
    for part in np.split(mask, cuts):
        runs.add(part)
    words = "".join("x" if m else " " for m in mask).split()
    assert (runs.count, runs.longest, runs.steps) == (
        len(words),
        max(map(len, words)),
        int(mask.sum()),
    )


def test_rows_are_the_moments_of_the_flight_across_blocks() -> None:
    s = scenario()
    rows = survey(s).columns
    built = build_plant(s)
    assert len(rows["t_s"]) == built.sky.steps + 1 == 3 * BLOCK_STEPS + 1 == row_count(s)
    for step in (0, 1, BLOCK_STEPS - 1, BLOCK_STEPS, BLOCK_STEPS + 1, 3 * BLOCK_STEPS):
        moment = built.flight.advance(step * 1_000_000)
        assert rows["t_s"][step] == step
        assert rows["soc"][step] == moment.soc
        assert rows["bus_v"][step] == moment.bus_v
        assert rows["flux_per_cm2_s"][step] == moment.flux_per_cm2_s
        assert rows["temperature_c.a.junction"][step] == moment.temperatures_c["a.junction"]
        assert rows["battery_w"][step] == moment.battery_w
        assert step == 0 or rows["load_w"][step] == moment.load_w
    assert rows["load_w"][0] == rows["load_w"][1], "what the first step will draw"


def test_a_stride_takes_every_nth_row_and_changes_no_figure() -> None:
    every, some = survey(scenario("2h")), survey(scenario("2h"), 7.0)
    assert every.figures == some.figures
    for name, values in some.columns.items():
        assert np.array_equal(values, every.columns[name][::7]), name


def test_figures_are_those_of_the_rows() -> None:
    found = survey(scenario())
    light, flux = found.columns["illumination"][:-1], found.columns["flux_per_cm2_s"][:-1]
    assert found.figures.sunlit == pytest.approx(float(light.mean()))
    assert found.figures.mean_flux_per_cm2_s == pytest.approx(float(flux.mean()))
    assert found.figures.peak_flux_per_cm2_s == float(flux.max())
    flips = float(found.columns["mbu_per_day.a"][:-1].mean())
    board = found.figures.boards["a"]
    assert board.upsets_per_day[Effect.MBU] == pytest.approx(flips)
    assert board.rates.of(Effect.MBU).best == pytest.approx(flips)


@pytest.mark.parametrize("rows", [10, 1440, 1441, 5000])
def test_a_course_has_the_extremes_and_the_mean_of_its_rows(rows: int) -> None:
    values = np.sin(np.arange(rows) * 0.7) * np.arange(rows)
    course_of = CourseOf(rows)
    for part in np.array_split(np.arange(rows), 7):
        course_of.add({"t_s": part.astype(float), "x": values[part]})
    course = course_of.finish()
    column = course.columns["x"]
    assert len(course.t_s) <= 1440 and course.exact is (rows <= 1440)
    assert (column.low.min(), column.high.max()) == (values.min(), values.max())
    per_cell = -(-rows // 1440)
    assert column.mean[0] == pytest.approx(values[:per_cell].mean())
    assert column.mean[-1] == pytest.approx(values[(len(course.t_s) - 1) * per_cell :].mean())


def test_a_profile_written_in_pieces_is_that_written_at_once(tmp_path: Path) -> None:
    s = scenario("70m")
    columns = survey(s).columns
    for suffix in (".csv", ".npz"):
        with ProfileWriter(tmp_path / f"pieces{suffix}") as writer:
            fly(s, None, (writer,))
        with ProfileWriter(tmp_path / f"whole{suffix}") as writer:
            writer.add(columns)
        pieces, whole = (tmp_path / f"{name}{suffix}" for name in ("pieces", "whole"))
        assert pieces.read_bytes() == whole.read_bytes()
        assert len(read_profile(pieces).t_s) == 4201
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "pieces.csv",
        "pieces.npz",
        "whole.csv",
        "whole.npz",
    ]
