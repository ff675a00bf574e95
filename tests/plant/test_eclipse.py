"""Eclipses: the ellipsoid against rays to all of the Sun's disc; the sphere, as a special case of
the same code, against closed forms (O3, O4, O5, O8), satkit and brahe."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy as np
import numpy.typing as npt
import pytest

from hil.plant.earth import EARTH_RADIUS_KM
from hil.plant.eclipse import illumination, visible_fraction
from hil.plant.elements import MU_KM3_S2, Elements
from hil.plant.orbit import Orbit, Track
from hil.plant.sun import AU_KM
from tests.plant import rays

Floats = npt.NDArray[np.float64]

STEP_S = 0.1
PARALLEL_AU = 1e6  # a Sun so far that its light is parallel and its disc a point


@pytest.fixture(scope="module")
def iss_day() -> Track:
    """The ISS-like day of the reference document: epoch 2026-03-20, beta 0.287 deg."""
    elements = Elements(
        datetime(2026, 3, 20, tzinfo=timezone.utc), 51.64, altitude_km=420.0, eccentricity=1e-4
    )
    return Orbit.from_elements(elements).propagate(np.arange(86400.0))


def circle(altitude_km: float, beta_deg: float = 0.0, step_s: float = STEP_S) -> Floats:
    """One revolution on a circle around the Earth, in the x-y plane turned by beta about y."""
    a = EARTH_RADIUS_KM + altitude_km
    period_s = 2.0 * np.pi * np.sqrt(a**3 / MU_KM3_S2)
    phase = 2.0 * np.pi * np.arange(0.0, period_s, step_s) / period_s
    beta = np.radians(beta_deg)
    x = np.cos(phase)
    return a * np.stack([x * np.cos(beta), np.sin(phase), x * np.sin(beta)], axis=1)


def light(r_km: Floats, sun_au: float = 1.0) -> Floats:
    """Of a sphere, with the Sun on the x axis."""
    sun = np.tile([1.0, 0.0, 0.0], (len(r_km), 1))
    return illumination(r_km, sun, np.full(len(r_km), sun_au), flattening=0.0)


def sphere_light(track: Track) -> Floats:
    return illumination(track.r_teme_km, track.sun_teme, track.sun_distance_au, flattening=0.0)


def sun_km(track: Track) -> Floats:
    return track.sun_teme * track.sun_distance_au[:, None] * AU_KM


def eclipses(hidden: npt.NDArray[np.bool_]) -> tuple[int, int, int]:
    """Number, the longest and all of them together, in samples."""
    edges = np.diff(np.concatenate([[0], hidden.astype(int), [0]]))
    lengths = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    return len(lengths), int(np.max(lengths, initial=0)), int(np.sum(hidden))


@pytest.mark.parametrize(
    ("altitude_km", "beta_deg"),
    [(420, 69.754), (500, 68.019), (650, 65.164), (800, 62.692), (1400, 55.09)],
)
def test_o3_beta_from_which_there_is_no_eclipse(altitude_km: float, beta_deg: float) -> None:
    assert light(circle(altitude_km, beta_deg - 0.01), PARALLEL_AU).min() == 0.0
    assert light(circle(altitude_km, beta_deg + 0.01), PARALLEL_AU).min() == 1.0


@pytest.mark.parametrize(
    ("altitude_km", "umbra_s", "middle_s", "penumbra_s"),
    [
        (420, 2153.5, 2161.8, 2170.0),
        (500, 2136.9, None, 2153.7),
        (650, 2114.2, None, 2131.6),
    ],
)
def test_o4_and_o5_durations_at_beta_0(
    altitude_km: float, umbra_s: float, middle_s: float | None, penumbra_s: float
) -> None:
    nu = light(circle(altitude_km))
    assert np.count_nonzero(nu == 0.0) * STEP_S == pytest.approx(umbra_s, abs=1.0)
    assert np.count_nonzero(nu < 1.0) * STEP_S == pytest.approx(penumbra_s, abs=1.0)
    if middle_s is not None:
        assert np.count_nonzero(nu < 0.5) * STEP_S == pytest.approx(middle_s, abs=1.0)


def test_o4_parallel_light_makes_a_cylinder() -> None:
    nu = light(circle(420.0), PARALLEL_AU)
    assert np.count_nonzero(nu < 0.5) * STEP_S == pytest.approx(2161.7, abs=1.0)
    assert np.all((nu < 1e-3) | (nu > 1.0 - 1e-3))


def test_o7_a_day_of_the_space_station_around_a_sphere(iss_day: Track) -> None:
    nu = sphere_light(iss_day)
    dark = (nu < 0.5).astype(int)
    starts, ends = np.flatnonzero(np.diff(dark) == 1), np.flatnonzero(np.diff(dark) == -1)
    assert nu[0] == 1.0
    whole = ends[:15] - starts[:15]
    assert len(ends) == 15
    assert whole.mean() == pytest.approx(2162.2, abs=1.0)
    assert (starts[1], ends[1]) == pytest.approx((7276, 9438), abs=1.0)
    assert nu.mean() == pytest.approx(0.6128, abs=2e-4)
    assert iss_day.beta_deg[0] == pytest.approx(0.287, abs=0.002)


# --- the ellipsoid ------------------------------------------------------------------------------

# Number, longest [s] and sum [s] of the eclipses of a day, made by a script that is not ours: the
# line to the middle of the Sun against the ellipsoid. Around a sphere: 2162, 2052 and 405 s.
DAYS = {
    "ISS": (3, 21, 420.0, 51.64, 12.0, (16, 2153, 33262)),
    "10:30": (3, 21, 600.0, "sun-synchronous", 10.5, (15, 2037, 30549)),
    "dawn-dusk": (5, 1, 500.0, "sun-synchronous", 18.0, (9, 215, 1274)),
}


def day_of(name: str, step_s: float = 1.0) -> Track:
    month, day, altitude_km, inclination, local_time_h, _ = DAYS[name]
    elements = Elements(
        datetime(2026, month, day, tzinfo=timezone.utc),
        inclination,  # type: ignore[arg-type]
        altitude_km=altitude_km,
        ascending_node_local_time_h=local_time_h,
    )
    return Orbit.from_elements(elements).propagate(np.arange(0.0, 86400.0, step_s))


@pytest.mark.parametrize("name", list(DAYS))
def test_eclipses_of_a_day_are_those_of_a_flattened_earth(name: str) -> None:
    track = day_of(name)
    number, longest, total = DAYS[name][-1]
    assert eclipses(rays.centre_hidden(track.r_teme_km, sun_km(track))) == (number, longest, total)
    ours = eclipses(track.illumination < 0.5)
    assert ours[:2] == (number, longest)
    # Half of the disc and its middle are hidden a fraction of a second apart.
    assert ours[2] == pytest.approx(total, abs=2 * number)


def test_every_eclipse_begins_and_ends_within_a_second_of_the_rays() -> None:
    for name in DAYS:
        track = day_of(name)
        begins, ends = _edges(track.illumination < 0.5)
        true_begins, true_ends = _edges(rays.centre_hidden(track.r_teme_km, sun_km(track)))
        assert np.max(np.abs(begins - true_begins)) <= 1
        assert np.max(np.abs(ends - true_ends)) <= 1


def _edges(hidden: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    edges = np.diff(hidden.astype(int))
    return np.flatnonzero(edges == 1).astype(float), np.flatnonzero(edges == -1).astype(float)


def _in_penumbra(track: Track, most: int) -> Track:
    at = np.flatnonzero((track.illumination > 0.0) & (track.illumination < 1.0))
    at = at[:: max(1, len(at) // most)]
    values = {
        name: getattr(track, name)[at].copy()
        for name in Track.__slots__
        if isinstance(getattr(track, name), np.ndarray)
    }
    return Track(start_utc=track.start_utc, **values)


@pytest.mark.parametrize("flattening", [1.0 / 298.257223563, 0.0])
def test_the_part_of_the_disc_is_that_of_the_rays(flattening: float) -> None:
    for name in DAYS:
        track = _in_penumbra(day_of(name, 0.5), 12)
        nu = illumination(
            track.r_teme_km, track.sun_teme, track.sun_distance_au, flattening=flattening
        )
        pole_km = rays.EQUATOR_KM * (1.0 - flattening)
        by_rays = rays.seen(track.r_teme_km, sun_km(track), 40_000, pole_km=pole_km)
        assert np.count_nonzero((by_rays > 0.05) & (by_rays < 0.95)) >= 3
        assert nu == pytest.approx(by_rays, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("altitude_km", [150.0, 420.0, 800.0, 2000.0, 20000.0, 35786.0])
@pytest.mark.parametrize("inclination_deg", [0.0, 51.64, 90.0, 97.4])
def test_the_part_of_the_disc_is_that_of_400_000_rays(
    altitude_km: float, inclination_deg: float
) -> None:
    for month, local_time_h in ((1, 0.0), (3, 18.3), (5, 6.1), (6, 12.0), (9, 15.0)):
        elements = Elements(
            datetime(2026, month, 21, tzinfo=timezone.utc),
            inclination_deg,
            altitude_km=altitude_km,
            ascending_node_local_time_h=local_time_h,
        )
        orbit = Orbit.from_elements(elements)
        track = _in_penumbra(orbit.propagate(np.arange(0.0, orbit.period_s, 0.5)), 8)
        by_rays = rays.seen(track.r_teme_km, sun_km(track), 400_000)
        assert track.illumination == pytest.approx(by_rays, abs=1e-4)


@pytest.mark.slow
def test_umbra_and_full_light_are_not_mistaken_far_from_the_limb() -> None:
    """What is settled without looking at the limb agrees with rays to the disc's edge."""
    track = day_of("ISS", 7.0)
    by_rays = rays.seen(track.r_teme_km, sun_km(track), 64)
    assert np.all(by_rays[track.illumination == 0.0] == 0.0)
    assert np.all(by_rays[track.illumination == 1.0] == 1.0)
    assert np.count_nonzero(track.illumination == 0.0) > 4000


@pytest.mark.parametrize("height_km", [21.0, 100.0])
def test_a_grazing_height_raises_the_limb_on_all_sides(height_km: float) -> None:
    track = day_of("dawn-dusk", 2.0)
    nu = illumination(
        track.r_teme_km, track.sun_teme, track.sun_distance_au, grazing_height_km=height_km
    )
    higher = (rays.EQUATOR_KM + height_km, rays.POLE_KM + height_km)
    expected = eclipses(rays.centre_hidden(track.r_teme_km, sun_km(track), *higher))
    assert eclipses(nu < 0.5)[:2] == pytest.approx(expected[:2], abs=1)
    assert expected[2] > 1.5 * eclipses(track.illumination < 0.5)[2]


def test_a_pole_is_lit_where_a_sphere_would_hide_the_sun() -> None:
    """Behind the pole the ellipsoid is 21 km lower; before the equator it is as high."""
    sun, au = np.array([[1.0, 0.0, 0.0]]), np.ones(1)
    over_pole = np.array([[-2300.0, 0.0, EARTH_RADIUS_KM - 10.0]])
    over_equator = np.array([[-2300.0, EARTH_RADIUS_KM - 10.0, 0.0]])
    assert illumination(over_pole, sun, au)[0] > 0.9
    assert illumination(over_pole, sun, au, flattening=0.0)[0] < 0.1
    assert illumination(over_equator, sun, au)[0] < 0.1


def test_o8_half_of_the_sun_is_seen_when_its_centre_sets() -> None:
    sun, earth = np.array([0.00465]), np.array([1.2])
    assert visible_fraction(sun, earth, earth)[0] == pytest.approx(0.5, abs=0.01)


def test_the_visible_fraction_falls_steadily_from_1_to_0() -> None:
    a, b = 0.00465, 1.2
    apart = np.linspace(b - 1.2 * a, b + 1.2 * a, 2001)
    nu = visible_fraction(np.full(2001, a), np.full(2001, b), apart)
    assert nu[0] == 0.0
    assert nu[-1] == 1.0
    assert np.all(np.diff(nu) >= -1e-9)
    # Nearly a chord that crosses the disc: the area of a segment of a circle.
    h = (apart - b) / a
    inside = np.abs(h) < 1.0
    chord = 1.0 - (np.arccos(h[inside]) - h[inside] * np.sqrt(1.0 - h[inside] ** 2)) / np.pi
    assert nu[inside] == pytest.approx(chord, abs=2e-3)


def test_a_small_disc_before_a_large_one_leaves_a_ring() -> None:
    nu = visible_fraction(np.array([0.2]), np.array([0.1]), np.array([0.05]))
    assert nu[0] == pytest.approx(0.75)


def test_the_day_side_is_lit_and_shapes_are_kept() -> None:
    r = circle(420.0, step_s=10.0)
    assert np.all(light(r)[r[:, 0] > 0.0] == 1.0)
    assert light(r[:0]).shape == (0,)


def test_eclipse_agrees_with_satkit(iss_day: Track, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SATKIT_OFFLINE", "1")
    satkit = pytest.importorskip("satkit")
    nu = sphere_light(iss_day)
    at = np.flatnonzero((nu > 0.0) & (nu < 1.0))[:60]
    at = np.concatenate([at, np.arange(0, 86400, 907)])
    sun_m = iss_day.sun_teme[at] * iss_day.sun_distance_au[at, None] * 149_597_870_700.0
    theirs = [
        satkit.sun.shadowfunc(sun, r * 1000.0)
        for sun, r in zip(sun_m, iss_day.r_teme_km[at], strict=True)
    ]
    assert nu[at] == pytest.approx(np.array(theirs), abs=2e-3)


def test_eclipse_agrees_with_brahe(iss_day: Track, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAHE_NETWORK_MODE", "offline")
    brahe = pytest.importorskip("brahe")
    nu = sphere_light(iss_day)
    at = np.flatnonzero((nu > 0.0) & (nu < 1.0))[:60]
    sun_m = iss_day.sun_teme[at] * iss_day.sun_distance_au[at, None] * 149_597_870_700.0
    theirs = [
        brahe.eclipse_conical(r * 1000.0, sun)
        for sun, r in zip(sun_m, iss_day.r_teme_km[at], strict=True)
    ]
    assert nu[at] == pytest.approx(np.array(theirs), abs=5e-3)
