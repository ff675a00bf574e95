"""How much of the Sun's disc a satellite sees past the Earth: umbra, penumbra, full light.

The Earth is a sphere of its equatorial radius without atmosphere, the shadow a cone with penumbra:
the fraction is that of two overlapping discs (Montenbruck and Gill, Satellite Orbits, section
3.4.2, equations 3.85 to 3.87)."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from hil.plant.sun import AU_KM, SUN_RADIUS_KM

__all__ = ["EARTH_RADIUS_KM", "illumination", "visible_fraction"]

Floats = npt.NDArray[np.float64]

EARTH_RADIUS_KM: Final = 6378.137


def visible_fraction(sun_rad: Floats, earth_rad: Floats, apart_rad: Floats) -> Floats:
    """Visible fraction 0..1 of a disc of angular radius `sun_rad` behind one of `earth_rad`.

    `apart_rad` is the angle between their centres; all (N,). Where the nearer disc is the smaller
    one and lies within the other, a ring remains."""
    a, b, c = sun_rad, earth_rad, apart_rad
    fraction = np.ones(np.broadcast(a, b, c).shape)
    fraction = np.where(c <= b - a, 0.0, fraction)
    fraction = np.where(c <= a - b, 1.0 - (b / a) ** 2, fraction)
    partly = (c < a + b) & (c > np.abs(b - a))
    if np.any(partly):
        a, b, c = (np.broadcast_to(v, fraction.shape)[partly] for v in (a, b, c))
        x = (c * c + a * a - b * b) / (2.0 * c)
        y = np.sqrt(np.maximum(a * a - x * x, 0.0))
        overlap = (
            a * a * np.arccos(np.clip(x / a, -1.0, 1.0))
            + b * b * np.arccos(np.clip((c - x) / b, -1.0, 1.0))
            - c * y
        )
        fraction[partly] = np.clip(1.0 - overlap / (np.pi * a * a), 0.0, 1.0)
    return fraction


def illumination(r_km: Floats, sun_unit: Floats, sun_distance_au: Floats) -> Floats:
    """Visible fraction 0..1 of the Sun's disc at `r_km` (N, 3), outside the Earth. Shape (N,).

    `sun_unit` (N, 3) is in the same frame, seen from the Earth's centre; `sun_distance_au` (N,)."""
    along = r_km[:, 0] * sun_unit[:, 0]
    along += r_km[:, 1] * sun_unit[:, 1]
    along += r_km[:, 2] * sun_unit[:, 2]
    light = np.ones(len(r_km))
    # A shadow begins behind the terminator plane: a disc's radius (0.3 degree) is far less than
    # the dip of the horizon at any height where satellites fly.
    night = np.flatnonzero(along < 0.0)
    if night.size == 0:
        return light
    r, along = r_km[night], along[night]
    r2 = r[:, 0] ** 2 + r[:, 1] ** 2 + r[:, 2] ** 2
    sun_km = sun_distance_au[night] * AU_KM
    # Satellite to Sun: d = sun - r; the angle at the satellite is between d and -r.
    d2 = sun_km * sun_km - 2.0 * sun_km * along + r2
    cos_apart = (r2 - sun_km * along) / np.sqrt(d2 * r2)
    light[night] = visible_fraction(
        np.arcsin(SUN_RADIUS_KM / np.sqrt(d2)),
        np.arcsin(np.minimum(EARTH_RADIUS_KM / np.sqrt(r2), 1.0)),
        np.arccos(np.clip(cos_apart, -1.0, 1.0)),
    )
    return light
