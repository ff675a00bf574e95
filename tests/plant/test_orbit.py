"""Orbits against closed forms (O1, O2, O9), published SGP4 vectors, skyfield and satkit."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from hil.plant.coordinate_frames import ecef_from_teme, geodetic_from_ecef, gmst_rad
from hil.plant.eclipse import illumination
from hil.plant.elements import SUN_SYNCHRONOUS, Elements, sun_synchronous_inclination_deg
from hil.plant.orbit import Orbit
from hil.plant.sun import AU_KM, sun_position
from tests.plant import rays

EPOCH = datetime(2026, 3, 20, tzinfo=timezone.utc)
ISS = Elements(EPOCH, 51.64, altitude_km=420.0, eccentricity=1e-4)
RE_KM = 6378.137

# Vallado et al., AIAA 2006-6753: Vanguard 1, and what SGP4 must make of it (TEME).
TLE1 = "1 00005U 58002B   00179.78495062  .00000023  00000-0  28098-4 0  4753"
TLE2 = "2 00005  34.2682 348.7242 1859667 331.7664  19.3264 10.82419157413667"


def dawn_dusk(altitude_km: float) -> Elements:
    return Elements(
        EPOCH,
        SUN_SYNCHRONOUS,
        altitude_km=altitude_km,
        eccentricity=1e-4,
        ascending_node_local_time_h=18.0,
    )


def with_checksum(line: str) -> str:
    total = sum(int(c) if c.isdigit() else c == "-" for c in line[:68])
    return f"{line[:68]}{total % 10}"


@pytest.mark.parametrize(
    ("altitude_km", "period_s"),
    [(420, 5578.22), (500, 5676.98), (550, 5738.99), (650, 5863.69), (800, 6052.4)],
)
def test_o1_period(altitude_km: float, period_s: float) -> None:
    orbit = Orbit.from_elements(replace(ISS, altitude_km=altitude_km))
    assert orbit.period_s == pytest.approx(period_s, abs=0.1)


@pytest.mark.parametrize(
    ("altitude_km", "inclination_deg"),
    [(500, 97.401), (600, 97.787), (650, 97.986), (700, 98.188), (800, 98.603)],
)
def test_o2_sun_synchronous_inclination(altitude_km: float, inclination_deg: float) -> None:
    assert sun_synchronous_inclination_deg(RE_KM + altitude_km) == pytest.approx(
        inclination_deg, abs=0.005
    )


def test_o2_aqua_flies_at_the_published_98_2_degrees() -> None:
    assert sun_synchronous_inclination_deg(RE_KM + 705.3) == pytest.approx(98.2, abs=0.02)


@pytest.mark.parametrize(
    ("altitude_km", "betas", "eclipse_days", "sunlit", "longest_min"),
    [
        (500, (59.2, 87.0), 106, 0.944, 22.7),
        pytest.param(650, (58.6, 86.9), 90, 0.960, 19.7, marks=pytest.mark.slow),
        pytest.param(800, None, 76, 0.972, 16.9, marks=pytest.mark.slow),
        (1400, None, 0, 1.0, 0.0),
    ],
)
def test_o9_a_year_of_dawn_and_dusk(
    altitude_km: float,
    betas: tuple[float, float] | None,
    eclipse_days: int,
    sunlit: float,
    longest_min: float,
) -> None:
    orbit = Orbit.from_elements(dawn_dusk(altitude_km))
    track = orbit.propagate(np.arange(0.0, 365 * 86400.0, 80.0))
    sun_km = track.sun_teme * track.sun_distance_au[:, None] * AU_KM
    hidden = rays.centre_hidden(track.r_teme_km, sun_km).reshape(365, 1080)
    # An eclipse hides more than half of the Sun; at 1400 km the penumbra is grazed on two weeks.
    ours = (1.0 - track.illumination).reshape(365, 1080)
    days = np.count_nonzero(ours.max(axis=1) > 0.5)
    assert days == pytest.approx(np.count_nonzero(hidden.any(axis=1)), abs=1)
    assert track.illumination.mean() == pytest.approx(1.0 - hidden.mean(), abs=2e-4)
    # Around a sphere, as the reference document has it.
    round_ = illumination(track.r_teme_km, track.sun_teme, track.sun_distance_au, flattening=0.0)
    per_day = (1.0 - round_).reshape(365, 1080)
    assert np.count_nonzero(per_day.max(axis=1) > 0.5) == pytest.approx(eclipse_days, abs=2)
    assert round_.mean() == pytest.approx(sunlit, abs=0.001)
    beta = np.abs(track.beta_deg)
    if betas is not None:
        assert (beta.min(), beta.max()) == pytest.approx(betas, abs=0.2)
    worst = orbit.propagate(track.t_s[np.argmin(beta)] + np.arange(0.0, 86400.0, 2.0))
    round_ = illumination(worst.r_teme_km, worst.sun_teme, worst.sun_distance_au, flattening=0.0)
    edges = np.flatnonzero(np.diff(np.pad((round_ < 0.5).astype(int), 1)))
    longest = np.max(edges[1::2] - edges[::2], initial=0) * 2.0
    assert longest / 60.0 == pytest.approx(longest_min, abs=0.3)


def test_published_vectors_of_sgp4() -> None:
    r, v = Orbit.from_tle(TLE1, TLE2).positions_teme_km(np.array([0.0, 360.0 * 60.0]))
    assert r[0] == pytest.approx([7022.46529266, -1400.08296755, 0.03995155], abs=2e-6)
    assert v[0] == pytest.approx([1.893841015, 6.405893759, 4.534807250], abs=2e-9)
    assert r[1] == pytest.approx([-7154.03120202, -3783.17682504, -3536.19412294], abs=2e-6)
    assert v[1] == pytest.approx([4.741887409, -4.151817765, -2.093935425], abs=2e-9)


def test_sidereal_time_of_vallado_example_3_5() -> None:
    """1992-08-20 12:14 UT1: 152.578787810 degrees."""
    when = datetime(1992, 8, 20, 12, 14, tzinfo=timezone.utc)
    days = (when - datetime(2000, 1, 1, 12, tzinfo=timezone.utc)) / timedelta(days=1)
    assert math.degrees(float(gmst_rad(np.array(days)))) == pytest.approx(152.57878781, abs=1e-7)


def test_the_sun_of_vallado_example_5_1() -> None:
    """2006-04-02 00:00 UT1: 0.9771945, 0.1924424, 0.0834308 AU, by the same formulas."""
    days = (
        datetime(2006, 4, 2, tzinfo=timezone.utc) - datetime(2000, 1, 1, 12, tzinfo=timezone.utc)
    ) / timedelta(days=1)
    unit, distance_au = sun_position(np.array([days]))
    assert (unit * distance_au)[0] == pytest.approx([0.9771945, 0.1924424, 0.0834308], abs=3e-5)


def test_geodetic_positions_survive_the_round_trip() -> None:
    lat, lon, alt = (
        g.ravel()
        for g in np.meshgrid(
            np.linspace(-90.0, 90.0, 37), np.linspace(-179.0, 180.0, 13), [100.0, 700.0, 36000.0]
        )
    )
    e2 = 0.0066943799901413165
    n = RE_KM / np.sqrt(1.0 - e2 * np.sin(np.radians(lat)) ** 2)
    across = (n + alt) * np.cos(np.radians(lat))
    r = np.stack(
        [
            across * np.cos(np.radians(lon)),
            across * np.sin(np.radians(lon)),
            (n * (1.0 - e2) + alt) * np.sin(np.radians(lat)),
        ],
        axis=1,
    )
    back = geodetic_from_ecef(r)
    assert np.abs(back[0] - lat).max() < 2e-7
    assert np.abs(back[2] - alt).max() < 1e-5
    off_poles = np.abs(lat) < 89.0
    assert np.abs(back[1] - lon)[off_poles].max() < 1e-9


def test_turning_into_ecef_keeps_lengths_and_the_axis() -> None:
    track = Orbit.from_elements(ISS).propagate(np.arange(0.0, 86400.0, 97.0))
    assert np.linalg.norm(track.r_ecef_km, axis=1) == pytest.approx(
        np.linalg.norm(track.r_teme_km, axis=1), rel=1e-14
    )
    assert np.array_equal(track.r_ecef_km[:, 2], track.r_teme_km[:, 2])
    assert ecef_from_teme(np.array([[1.0, 0.0, 0.0]]), np.array([np.pi / 2]))[0] == pytest.approx(
        [0.0, -1.0, 0.0], abs=1e-15
    )


def test_local_time_at_the_ascending_node() -> None:
    """Where latitude goes through 0 northwards, the mean Sun stands in the west at 18 h."""
    orbit = Orbit.from_elements(dawn_dusk(650.0))
    t = np.arange(0.0, 86400.0, 1.0)
    track = orbit.propagate(t)
    north = np.flatnonzero((track.latitude_deg[:-1] < 0.0) & (track.latitude_deg[1:] >= 0.0))
    local_h = (t[north] / 3600.0 + track.longitude_deg[north] / 15.0) % 24.0
    assert local_h == pytest.approx(np.full(len(north), 18.0), abs=0.02)


def test_a_track_is_read_only_and_knows_its_length() -> None:
    track = Orbit.from_elements(ISS).propagate(np.arange(5.0))
    assert len(track) == 5
    assert track.r_teme_km.shape == track.sun_teme.shape == (5, 3)
    with pytest.raises(ValueError, match="read-only"):
        track.altitude_km[0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        track.r_ecef_km[0, 0] = 1.0


def test_times_may_be_anything_in_any_order() -> None:
    orbit = Orbit.from_elements(ISS)
    t = np.array([5000.0, -3600.0, 12.5])
    track = orbit.propagate(t)
    t[0] = 0.0
    assert track.t_s[0] == 5000.0
    for i, at in enumerate((5000.0, -3600.0, 12.5)):
        assert np.array_equal(orbit.propagate(np.array([at])).r_ecef_km[0], track.r_ecef_km[i])
    assert len(orbit.propagate(np.array([]))) == 0


def test_the_start_of_a_run_is_not_the_epoch() -> None:
    later = Orbit.from_elements(ISS, start_utc=EPOCH + timedelta(hours=5))
    now = Orbit.from_elements(ISS)
    assert later.positions_teme_km(np.array([60.0]))[0] == pytest.approx(
        now.positions_teme_km(np.array([5 * 3600.0 + 60.0]))[0], abs=1e-6
    )


def test_perigee_and_apogee_say_the_same_as_size_and_eccentricity() -> None:
    a = RE_KM + 700.0
    one = Elements(EPOCH, 63.4, perigee_km=500.0, apogee_km=900.0)
    two = Elements(EPOCH, 63.4, altitude_km=700.0, eccentricity=200.0 / a)
    assert one.size() == pytest.approx(two.size())
    altitude = Orbit.from_elements(one).propagate(np.arange(0.0, 6000.0, 10.0)).altitude_km
    assert altitude.min() == pytest.approx(500.0, abs=25.0)
    assert altitude.max() == pytest.approx(900.0, abs=25.0)


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"altitude_km": -10.0}, "below ground"),
        ({"altitude_km": 80.0}, "below 100 km"),
        ({"altitude_km": 3000.0, "eccentricity": 0.4}, "below ground"),
        ({"eccentricity": 1.0}, "escape"),
        ({"eccentricity": 1.7}, "escape"),
        ({"eccentricity": -0.1}, "negative"),
        ({"altitude_km": math.nan}, "altitude_km is nan"),
        ({"argp_deg": math.inf}, "argp_deg is inf"),
        ({"inclination_deg": 181.0}, "0..180"),
        ({"inclination_deg": "polar"}, "sun-synchronous"),
        ({"inclination_deg": SUN_SYNCHRONOUS, "altitude_km": 7000.0}, "sun-synchronous"),
        ({"raan_deg": 1.0, "ascending_node_local_time_h": 18.0}, "not both"),
        ({"ascending_node_local_time_h": 25.0}, "0..24"),
        ({"altitude_km": None}, "needs altitude_km"),
        ({"perigee_km": 400.0, "apogee_km": 500.0}, "not both"),
        ({"altitude_km": None, "perigee_km": 400.0}, "needs altitude_km"),
        ({"altitude_km": None, "perigee_km": 400.0, "apogee_km": 500.0}, "already say"),
        (
            {"altitude_km": None, "eccentricity": None, "perigee_km": 500.0, "apogee_km": 400.0},
            "below the perigee",
        ),
        ({"epoch_utc": datetime(2026, 3, 20)}, "no time zone"),  # noqa: DTZ001
    ],
)
def test_bad_elements(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(ISS, **change)


@pytest.mark.parametrize(
    ("line1", "line2", "message"),
    [
        (TLE1[:-1] + "4", TLE2, "checksum of line 1 of the TLE is 3"),
        (TLE1, TLE2.replace("348.7242", "348.7243"), "checksum of line 2"),
        (TLE1[:60], TLE2, "60 characters instead of 69"),
        (TLE2, TLE1, "lines swapped"),
        (TLE1, with_checksum(TLE2.replace("00005", "00006")), "different satellites: 00005 and"),
        (TLE1, with_checksum(TLE2.replace(" 34.2682", " 34,2682")), "wrong column"),
        (TLE1.replace("00179", "OO179"), TLE2, "wrong column"),
        (with_checksum(TLE1.replace("00179.7", "00999.7")), TLE2, "is in no year"),
        (TLE1, with_checksum(TLE2.replace("10.82419157", "00.00000000")), "mean motion"),
        (TLE1, with_checksum(TLE2.replace("1859667", "9859667")), "below ground"),
        ("", TLE2, "0 characters"),
    ],
)
def test_bad_tles(line1: str, line2: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Orbit.from_tle(line1, line2)


def test_a_stale_tle_is_reported_and_an_old_one_refused() -> None:
    epoch = Orbit.from_tle(TLE1, TLE2).epoch_utc
    assert Orbit.from_tle(TLE1, TLE2).notes == ()
    (note,) = Orbit.from_tle(TLE1, TLE2, start_utc=epoch + timedelta(days=20)).notes
    assert "20.0 days before the run's start" in note
    (note,) = Orbit.from_tle(TLE1, TLE2, start_utc=epoch - timedelta(days=8)).notes
    assert "8.0 days after the run's start" in note
    with pytest.raises(ValueError, match="at most 60 days"):
        Orbit.from_tle(TLE1, TLE2, start_utc=epoch + timedelta(days=61))


def test_elements_of_another_decade_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 366 days"):
        Orbit.from_elements(ISS, start_utc=EPOCH + timedelta(days=4000))


def test_a_decaying_orbit_ends_with_the_time_and_the_reason() -> None:
    orbit = Orbit.from_elements(replace(ISS, altitude_km=160.0, bstar=0.01))
    with pytest.raises(ValueError, match=r"ends at 2026-03-2\d .* days into the run: it"):
        orbit.propagate(np.arange(0.0, 20 * 86400.0, 600.0))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_times_must_be_numbers(bad: float) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        Orbit.from_elements(ISS).propagate(np.array([0.0, bad]))


def test_times_are_one_dimensional() -> None:
    with pytest.raises(ValueError, match="one-dimensional"):
        Orbit.from_elements(ISS).propagate(np.zeros((2, 2)))


# --- against other programs ---------------------------------------------------------------------


def test_ground_track_agrees_with_skyfield() -> None:
    """Skyfield turns by full precession, nutation and UT1; the difference is below 0.1 km."""
    api = pytest.importorskip("skyfield.api")
    orbit = Orbit.from_elements(ISS)
    t_s = np.arange(0.0, 86400.0, 1800.0)
    track = orbit.propagate(t_s)
    timescale = api.load.timescale(builtin=True)
    times = timescale.utc(2026, 3, 20, 0, 0, t_s)
    place = api.EarthSatellite.from_satrec(orbit._satellite, timescale).at(times)
    itrs = place.frame_xyz(pytest.importorskip("skyfield.framelib").itrs).km.T
    assert np.linalg.norm(itrs - track.r_ecef_km, axis=1).max() < 0.1
    geographic = api.wgs84.geographic_position_of(place)
    assert np.abs(geographic.latitude.degrees - track.latitude_deg).max() < 1e-3
    assert np.abs(geographic.elevation.km - track.altitude_km).max() < 5e-3


def test_the_sun_agrees_with_satkit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SATKIT_OFFLINE", "1")
    satkit = pytest.importorskip("satkit")
    days = np.arange(9000.0, 9731.0, 17.0)  # 2024 to 2026
    unit, distance_au = sun_position(days)
    for at, direction, au in zip(days, unit, distance_au, strict=True):
        when = datetime(2000, 1, 1, 12, tzinfo=timezone.utc) + timedelta(days=float(at))
        theirs = np.asarray(satkit.sun.pos_mod(satkit.time.from_datetime(when)))
        cosine = theirs @ direction / np.linalg.norm(theirs)
        assert np.degrees(np.arccos(min(1.0, cosine))) < 0.012
        assert np.linalg.norm(theirs) / 149_597_870_700.0 == pytest.approx(au, abs=1e-4)


@pytest.mark.parametrize("step_s", [0.01, 1.0, 3.0, 7.0, 30.0])
@pytest.mark.parametrize(
    ("elements", "most_km"),
    [(ISS, 5e-5), (Elements(ISS.epoch_utc, 7.0, perigee_km=250.0, apogee_km=35786.0), 3e-3)],
    ids=["low", "transfer"],
)
def test_steps_are_centimetres_from_sgp4(elements: Elements, most_km: float, step_s: float) -> None:
    orbit = Orbit.from_elements(elements)
    count = min(3600, round(40_000.0 / step_s))
    steps = orbit.propagate_steps(1234.0, step_s, count)
    exact = orbit.propagate(np.array([1234.0 + step_s * i for i in range(count)]))
    assert steps.t_s == pytest.approx(exact.t_s, abs=1e-9)
    assert np.abs(steps.r_teme_km - exact.r_teme_km).max() < most_km
    assert np.abs(steps.v_teme_kmps - exact.v_teme_kmps).max() < 40 * most_km
    assert np.abs(steps.sun_teme - exact.sun_teme).max() < 1e-11
    assert np.abs(steps.illumination - exact.illumination).max() < 10 * most_km
    assert np.abs(steps.beta_deg - exact.beta_deg).max() < 10 * most_km
