"""Passes over ground stations, against the definition and against skyfield."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import numpy as np
import pytest

from hil.plant.elements import SUN_SYNCHRONOUS, Elements
from hil.plant.orbit import Orbit
from hil.plant.passes import GroundStation, Pass, elevation_deg, find_passes

EPOCH = datetime(2026, 3, 20, tzinfo=timezone.utc)
SVALBARD = GroundStation("Svalbard", 78.23, 15.39, 0.45)
DAY_S = 86400.0


@pytest.fixture(scope="module")
def orbit() -> Orbit:
    return Orbit.from_elements(
        Elements(
            EPOCH,
            SUN_SYNCHRONOUS,
            altitude_km=650.0,
            eccentricity=1e-4,
            ascending_node_local_time_h=18.0,
        )
    )


@pytest.fixture(scope="module")
def passes(orbit: Orbit) -> tuple[Pass, ...]:
    return find_passes(orbit, SVALBARD, 0.0, DAY_S)


def elevation_at(orbit: Orbit, station: GroundStation, times: list[float]) -> Any:
    return elevation_deg(station, orbit.positions_ecef_km(np.array(times)))


def test_svalbard_sees_every_revolution(passes: tuple[Pass, ...]) -> None:
    assert len(passes) == 15
    assert all(p.whole for p in passes)
    assert [p.rise_s for p in passes] == sorted(p.rise_s for p in passes)


def test_rise_and_set_are_on_the_mask_to_a_tenth_of_a_second(
    orbit: Orbit, passes: tuple[Pass, ...]
) -> None:
    for one in passes:
        around = [one.rise_s - 0.1, one.rise_s + 0.1, one.set_s - 0.1, one.set_s + 0.1]
        before, risen, still, gone = elevation_at(orbit, SVALBARD, around)
        assert before < 5.0 < risen
        assert gone < 5.0 < still


def test_the_culmination_is_the_highest_point(orbit: Orbit, passes: tuple[Pass, ...]) -> None:
    for one in passes:
        t = np.arange(one.rise_s, one.set_s, 0.5)
        sampled = elevation_deg(SVALBARD, orbit.positions_ecef_km(t))
        assert one.max_elevation_deg >= sampled.max() - 1e-9
        assert one.max_elevation_deg == pytest.approx(sampled.max(), abs=0.1)
        assert one.rise_s < one.culmination_s < one.set_s


@pytest.mark.parametrize("mask_deg", [0.0, 5.0, 20.0, 60.0])
@pytest.mark.parametrize("latitude_deg", [-89.9, -35.0, 0.0, 52.0])
def test_nothing_is_missed_and_nothing_invented(
    orbit: Orbit, latitude_deg: float, mask_deg: float
) -> None:
    """Against brute force at 1 s."""
    station = GroundStation("x", latitude_deg, -60.0, min_elevation_deg=mask_deg)
    t = np.arange(0.0, DAY_S)
    above = elevation_deg(station, orbit.positions_ecef_km(t)) > mask_deg
    edges = np.flatnonzero(np.diff(above.astype(int)))
    found = [e for p in find_passes(orbit, station, 0.0, DAY_S) for e in (p.rise_s, p.set_s)]
    inside = [e for e in found if 0.0 < e < DAY_S]
    longer = [
        e for a, b in zip(found[::2], found[1::2], strict=True) if b - a > 1.0 for e in (a, b)
    ]
    assert len(inside) >= len(edges) >= len([e for e in longer if 0.0 < e < DAY_S])
    for edge in edges:
        assert min(abs(e - edge - 0.5) for e in inside) <= 0.6


def test_a_pass_cut_by_the_search_says_so(orbit: Orbit, passes: tuple[Pass, ...]) -> None:
    third = passes[2]
    (first, *_, last) = find_passes(
        orbit, SVALBARD, third.culmination_s + 10.0, passes[4].culmination_s
    )
    assert (first.rise_s, first.whole) == (third.culmination_s + 10.0, False)
    assert first.set_s == pytest.approx(third.set_s, abs=0.05)
    assert (last.set_s, last.whole) == (passes[4].culmination_s, False)


def test_a_station_that_never_sees_it(orbit: Orbit) -> None:
    low = Orbit.from_elements(Elements(EPOCH, 5.0, altitude_km=500.0))
    assert find_passes(low, SVALBARD, 0.0, DAY_S) == ()


def test_a_high_satellite_is_seen_all_the_time() -> None:
    still = Orbit.from_elements(Elements(EPOCH, 0.1, altitude_km=35786.0))
    longitude = float(still.propagate(np.zeros(1)).longitude_deg[0])
    (one,) = find_passes(still, GroundStation("below", 0.0, longitude), 0.0, DAY_S)
    assert (one.rise_s, one.set_s, one.whole) == (0.0, DAY_S, False)
    assert one.max_elevation_deg > 85.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"latitude_deg": 91.0}, "latitude"),
        ({"longitude_deg": 1e4}, "longitude"),
        ({"min_elevation_deg": 90.0}, "minimum elevation"),
        ({"altitude_km": 450.0}, "not on Earth"),
    ],
)
def test_bad_stations(values: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GroundStation(**{"name": "x", "latitude_deg": 0.0, "longitude_deg": 0.0, **values})  # type: ignore[arg-type]


def test_a_search_goes_forward(orbit: Orbit) -> None:
    with pytest.raises(ValueError, match="not after its start"):
        find_passes(orbit, SVALBARD, 10.0, 10.0)


def test_passes_agree_with_skyfield(orbit: Orbit, passes: tuple[Pass, ...]) -> None:
    api = pytest.importorskip("skyfield.api")
    timescale = api.load.timescale(builtin=True)
    satellite = api.EarthSatellite.from_satrec(orbit._satellite, timescale)
    place = api.wgs84.latlon(78.23, 15.39, 450.0)
    # find_events() itself is good to half a second: so its count, and the elevations at our times.
    _, events = satellite.find_events(
        place, timescale.utc(2026, 3, 20), timescale.utc(2026, 3, 21), altitude_degrees=5.0
    )
    assert list(events) == [0, 1, 2] * len(passes)
    ours = np.array([t for p in passes for t in (p.rise_s, p.culmination_s, p.set_s)])
    times = timescale.utc(2026, 3, 20, 0, 0, ours)
    elevation = (satellite - place).at(times).altaz()[0].degrees.reshape(-1, 3)
    assert np.abs(elevation[:, [0, 2]] - 5.0).max() < 0.002
    assert elevation[:, 1] == pytest.approx([p.max_elevation_deg for p in passes], abs=0.02)
