"""`hil orbit --sweep` and `hil orbit FILE`: as its users see them."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hil.record.campaign_file import write_samples
from hil.record.campaign_rows import FrameRow, MomentUnit, RegionRow, SampleRow, SamplingMeta
from tests.command_line import Hil

from ..analysis.small_campaigns import MASKED, META, SDC, small_campaign

PLANT = """workload: infer
frames: 600
frame_ms: 1000
rig: {board: inproc, profile: raspberry-pi-zero-2w}
plant:
  orbit: {epoch_utc: 2026-03-20T00:00:00Z, altitude_km: 420.0, inclination_deg: 51.64}
"""
MEASURED = PLANT.replace("zero-2w", "4b") + "  radiation: {data: stand-in}\n"
TLE = (
    "ISS (ZARYA)\r\n1 25544U 98067A   26079.50000000  .00010000  00000-0  18000-3 0  9992\r\n"
    "2 25544  51.6400 100.0000 0003967  90.0000 270.0000 15.50000000412347\r\n"
)


def test_a_sweep_is_a_table_a_file_and_a_figure(hil: Hil) -> None:
    (hil.cwd / "s.yaml").write_text(PLANT)
    sweep = ("--sweep", "altitude_km=500:1500:500", "--sweep", "inclination_deg=51.6,98")
    done = hil("orbit", "s.yaml", *sweep, "-o", "t.csv")
    assert done.code == 0 and "6 orbits, a day of each, on raspberry-pi-zero-2w" in done.out
    rows = list(csv.DictReader((hil.cwd / "t.csv").read_text().splitlines()))
    assert [(float(r["altitude_km"]), float(r["inclination_deg"])) for r in rows] == [
        (a, i) for a in (500.0, 1000.0, 1500.0) for i in (51.6, 98.0)
    ]
    stops = [float(r["stops_per_day"]) for r in rows[::2]]
    assert 0.0 < stops[0] < stops[1] < stops[2]
    points = hil("orbit", "s.yaml", *sweep, "--json").json["points"]
    assert points[5]["at"] == {"altitude_km": 1500.0, "inclination_deg": 98.0}
    assert points[5]["duration_s"] == 86_400.0
    first = next(iter(points[0]["rates_per_day"].values()))
    assert first["by_kind"]["sefi"]["best"] == pytest.approx(stops[0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--sweep", "altitude_km"), "has no `=`"),
        (("--sweep", "altitude=400:500:50"), "did you mean `altitude_km`"),
        (("--sweep", "altitude_km=400:500"), "FIRST:LAST:STEP"),
        (("--sweep", "altitude_km=a"), "not a number"),
        (("--sweep", "altitude_km=400:500:0.001"), "take a larger step"),
        (("--sweep", "altitude_km=10"), "cannot fly altitude_km=10"),
        (("--sweep", "inclination_deg=190"), "cannot fly inclination_deg=190"),
        (("--sweep", "altitude_km=500", "-o", "x.npz"), "does not end in .csv"),
        (("--sweep", "altitude_km=500", "--reliability", "1.5"), "is not a probability"),
        (("--sweep", "altitude_km=500", "--mission", "soon"), "--mission: "),
        (("--campaign", "x.campaign"), "belongs to a sweep"),
    ],
)
def test_what_cannot_be_swept_is_refused(hil: Hil, arguments: tuple[str, ...], words: str) -> None:
    (hil.cwd / "s.yaml").write_text(PLANT)
    done = hil("orbit", "s.yaml", *arguments)
    assert done.code == 2 and words in done.err and "Traceback" not in done.err, done.err


def sample(path: Path, wrong: int, classes: int = 100) -> None:
    """Write a sampled campaign of which so many of 100 samples are silent corruptions, half of them
    before the step."""
    sampling = SamplingMeta(MomentUnit.TICK, "3", 1, SDC, None, 0.95, (100,), in_proportion=False)
    effects = [SDC] * wrong + [MASKED] * (100 - wrong)
    rows = [SampleRow(i, 3, 0, i % 2, 0, 0, effect, 0) for i, effect in enumerate(effects)]
    about = replace(META, targets=("state",), sampling=sampling, classes=classes)
    regions = [RegionRow(0, "state", 1 << 20, 80 << 20, 0, {})]
    write_samples(path, about, regions, [FrameRow(3, 10, "")], rows)


@pytest.mark.slow
def test_the_campaign_of_a_sweep_may_be_a_sample(hil: Hil) -> None:
    (hil.cwd / "s.yaml").write_text(MEASURED)

    def point(wrong: int) -> Any:
        sample(hil.cwd / f"{wrong}.campaign", wrong)
        words = ("--sweep", "altitude_km=800", "--campaign", f"{wrong}.campaign", "--json")
        return hil("orbit", "s.yaml", *words).json["points"][0]

    none, fifth, two_fifths = (point(wrong)["node_failures_per_day"] for wrong in (0, 20, 40))
    assert none < fifth
    assert two_fifths - none == pytest.approx(2 * (fifth - none))
    # Of no failure in 100 samples the upper end of the interval is not zero.
    assert point(0)["reliability_pessimistic"]["simplex"] < point(0)["reliability"]["simplex"]


def test_a_part_of_a_campaign_has_no_rates(hil: Hil) -> None:
    (hil.cwd / "s.yaml").write_text(MEASURED)
    sample(hil.cwd / "sample.campaign", 20, classes=200)
    small_campaign(hil.cwd / "exact.campaign", classes=4)
    for name in ("sample", "exact"):
        words = ("--sweep", "altitude_km=800", "--campaign", f"{name}.campaign")
        done = hil("orbit", "s.yaml", *words)
        assert done.code == 2 and "is a part of a campaign" in done.err


def test_a_file_with_an_orbit_alone_flies(hil: Hil) -> None:
    (hil.cwd / "iss.tle").write_text(TLE)
    done = hil("orbit", "iss.tle", "--every", "600")
    assert done.code == 0 and "51.64°" in done.out and "raspberry-pi-4b" in done.out
    done = hil("orbit", "iss.tle", "--sweep", "altitude_km=500")
    assert done.code == 2 and "Traceback" not in done.err


def test_what_is_wrong_with_a_file_of_an_orbit_alone_is_said(hil: Hil) -> None:
    """It is no scenario, in which that would have a place."""
    (hil.cwd / "iss.tle").write_bytes(TLE.replace("9992", "9993").encode())
    done = hil("orbit", "iss.tle")
    assert done.code == 2 and "iss.tle:1:1: the checksum of line 1 of the TLE is 2" in done.err
    (hil.cwd / "falls.tle").write_text(
        "1 25544U 98067A   26079.50000000  .00000000  00000-0  99999+0 0  999\n"
        "2 25544  51.6400 100.0000 0001000  50.0000 310.0000 16.40000000    0\n"
    )
    done = hil("orbit", "falls.tle")
    assert done.code == 2 and "falls.tle: the orbit ends at 2026-03-20 12:0" in done.err
