"""Eclipses against closed forms (O3, O4, O5, O8), a day of SGP4 (O7), satkit and brahe."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy as np
import numpy.typing as npt
import pytest

from hil.plant.eclipse import EARTH_RADIUS_KM, illumination, visible_fraction
from hil.plant.orbit import MU_KM3_S2, Elements, Orbit, Track

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
    """With the Sun on the x axis."""
    sun = np.tile([1.0, 0.0, 0.0], (len(r_km), 1))
    return illumination(r_km, sun, np.full(len(r_km), sun_au))


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


def test_o7_a_day_of_the_space_station(iss_day: Track) -> None:
    dark = (iss_day.illumination < 0.5).astype(int)
    starts, ends = np.flatnonzero(np.diff(dark) == 1), np.flatnonzero(np.diff(dark) == -1)
    assert iss_day.illumination[0] == 1.0
    whole = ends[:15] - starts[:15]
    assert len(ends) == 15
    assert whole.mean() == pytest.approx(2162.2, abs=1.0)
    assert (starts[1], ends[1]) == pytest.approx((7276, 9438), abs=1.0)
    assert iss_day.illumination.mean() == pytest.approx(0.6128, abs=2e-4)
    assert iss_day.beta_deg[0] == pytest.approx(0.287, abs=0.002)


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
    at = np.flatnonzero((iss_day.illumination > 0.0) & (iss_day.illumination < 1.0))[:60]
    at = np.concatenate([at, np.arange(0, 86400, 907)])
    sun_m = iss_day.sun_teme[at] * iss_day.sun_distance_au[at, None] * 149_597_870_700.0
    theirs = [
        satkit.sun.shadowfunc(sun, r * 1000.0)
        for sun, r in zip(sun_m, iss_day.r_teme_km[at], strict=True)
    ]
    assert iss_day.illumination[at] == pytest.approx(np.array(theirs), abs=2e-3)


def test_eclipse_agrees_with_brahe(iss_day: Track, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAHE_NETWORK_MODE", "offline")
    brahe = pytest.importorskip("brahe")
    at = np.flatnonzero((iss_day.illumination > 0.0) & (iss_day.illumination < 1.0))[:60]
    sun_m = iss_day.sun_teme[at] * iss_day.sun_distance_au[at, None] * 149_597_870_700.0
    theirs = [
        brahe.eclipse_conical(r * 1000.0, sun)
        for sun, r in zip(sun_m, iss_day.r_teme_km[at], strict=True)
    ]
    assert iss_day.illumination[at] == pytest.approx(np.array(theirs), abs=5e-3)
