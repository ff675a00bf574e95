"""Oracle of shadows: many straight lines from a satellite to the Sun's disc, each of them tried
against the ellipsoid x2/a2 + y2/a2 + z2/b2 = 1. Shares nothing with hil.plant.eclipse."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

EQUATOR_KM = 6378.137
POLE_KM = 6356.752314245  # WGS 84, as published
SUN_KM = 695_700.0
AU_KM = 149_597_870.7


def met(r_km: Floats, to_km: Floats, equator_km: float, pole_km: float) -> npt.NDArray[np.bool_]:
    """Whether the straight way from each place to its aim (both (..., 3)) meets the ellipsoid."""
    w = np.array([equator_km**-2, equator_km**-2, pole_km**-2])
    step = to_km - r_km
    # w.(r + t step)^2 = 1 for a t between 0 and 1: the two roots, or none.
    a = np.sum(w * step * step, axis=-1)
    b = 2.0 * np.sum(w * r_km * step, axis=-1)
    c = np.sum(w * r_km * r_km, axis=-1) - 1.0
    under = b * b - 4.0 * a * c
    first = (-b - np.sqrt(np.maximum(under, 0.0))) / (2.0 * a)
    return np.asarray((under > 0.0) & (first > 0.0) & (first < 1.0))


def centre_hidden(
    r_km: Floats, sun_km: Floats, equator_km: float = EQUATOR_KM, pole_km: float = POLE_KM
) -> npt.NDArray[np.bool_]:
    """Whether the Earth hides the middle of the Sun, at each of (N, 3)."""
    return met(r_km, sun_km, equator_km, pole_km)


def seen(
    r_km: Floats,
    sun_km: Floats,
    rays: int,
    equator_km: float = EQUATOR_KM,
    pole_km: float = POLE_KM,
) -> Floats:
    """The part 0..1 of the Sun's disc that is seen from each of (N, 3), by `rays` lines."""
    i = np.arange(rays) + 0.5
    spread = np.sqrt(i / rays)  # a sunflower: even over the disc
    turn = np.pi * (3.0 - np.sqrt(5.0)) * i
    out = np.empty(len(r_km))
    for n, (place, sun) in enumerate(zip(r_km, sun_km, strict=True)):
        away = np.linalg.norm(sun - place)
        toward = (sun - place) / away
        right = np.cross(toward, [0.0, 0.0, 1.0] if abs(toward[2]) < 0.9 else [1.0, 0.0, 0.0])
        right /= np.linalg.norm(right)
        up = np.cross(toward, right)
        # The visible edge of a sphere is a little before its middle.
        middle = place + toward * (away - SUN_KM**2 / away)
        edge = SUN_KM * np.sqrt(1.0 - (SUN_KM / away) ** 2)
        across = (spread * np.cos(turn))[:, None] * right + (spread * np.sin(turn))[:, None] * up
        out[n] = 1.0 - np.mean(met(place, middle + edge * across, equator_km, pole_km))
    return out
