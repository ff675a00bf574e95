"""The fraction of the Sun's disc that a satellite sees past the Earth: umbra, penumbra, full light.

The Earth is the WGS 84 ellipsoid, or one that is higher by a grazing height on all sides. A sphere
of the equatorial radius, as many tools use, makes an eclipse of the ISS 9 s too long, and finds
eclipses of polar orbits where there are none (Adhya et al., "Oblate Earth eclipse state algorithm
for low-Earth-orbiting satellites", J. Spacecraft and Rockets 41, 2004; Vokrouhlicky et al.,
"... IV. Effects of the Earth's polar flattening ...", Astron. Astrophys. 307, 1996).

The limb of an ellipsoid, seen from a point, is a cone of the second degree. Where it crosses the
Sun's disc it is replaced by the circle that has its place and curvature there, and the fraction is
that of two overlapping discs (Montenbruck and Gill, Satellite Orbits, section 3.4.2). Against rays
from all over the disc this is right to 1e-4 of the disc, in low orbit.

Left out: limb darkening (a uniform disc: at most 0.03 of the light, for seconds, first too much and
then too little), the Moon's shadow, and the atmosphere: its refraction and extinction take half of
the light where the line to the Sun passes at some 21 km (the mean of Robertson's SOLAARS fit at 200
to 1400 km of altitude; thesis, Virginia Tech, 2015), and dim a satellite for tens of km around that
(Mallama, arXiv:2112.08310). A grazing height of 21 km stands for that loss."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from hil.plant.earth import EARTH_RADIUS_KM, FLATTENING
from hil.plant.sun import AU_KM, SUN_RADIUS_KM

__all__ = ["illumination", "visible_fraction"]

Floats = npt.NDArray[np.float64]

_MARGIN_KM: Final = 1.0
_TINY: Final = 1e-12


def visible_fraction(sun: Floats, earth: Floats, apart: Floats) -> Floats:
    """Return the visible fraction 0..1 (N,) of a disc of radius `sun` behind one of radius `earth`.

    `apart` is the distance of their centres; all (N,), in the same unit. Where the nearer disc is
    the smaller one and lies within the other, a ring remains.
    """
    a, b, c = sun, earth, apart
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


def illumination(
    r_km: Floats,
    sun_unit: Floats,
    sun_distance_au: Floats,
    *,
    grazing_height_km: float = 0.0,
    flattening: float = FLATTENING,
) -> Floats:
    """Return the visible fraction 0..1 (N,) of the Sun's disc at `r_km` (N, 3), outside the Earth.

    `sun_unit` (N, 3) is in the same frame, seen from the Earth's centre; `sun_distance_au` (N,).
    The frame's z axis is the Earth's axis, as in TEME and ECEF. `grazing_height_km`: light that
    passes lower is lost. `flattening` 0 is a sphere of the equatorial radius.
    """
    equator_km = EARTH_RADIUS_KM + grazing_height_km
    pole_km = EARTH_RADIUS_KM * (1.0 - flattening) + grazing_height_km
    along = _dot(r_km, sun_unit)
    light = np.ones(len(r_km))
    # A shadow begins behind the terminator plane: a disc's radius (0.3 degree) is far less than
    # the dip of the horizon at any height where satellites fly.
    night = np.flatnonzero(along < 0.0)
    if night.size == 0:
        return light
    r, along = r_km[night], along[night]
    sun_km = sun_distance_au[night] * AU_KM
    # The ellipsoid lies between two spheres. Where their shadows, with a margin, agree, it is
    # settled; few steps remain.
    from_axis = np.sqrt(np.maximum(_dot(r, r) - along * along, 0.0))
    spread = -along * ((SUN_RADIUS_KM + equator_km) * 1.01 / sun_km) + _MARGIN_KM
    light[night[from_axis < pole_km - spread]] = 0.0
    near = np.flatnonzero((from_axis >= pole_km - spread) & (from_axis <= equator_km + spread))
    if near.size:
        sun = sun_unit[night[near]] * sun_km[near, None] - r[near]
        light[night[near]] = _at_limb(r[near], sun, equator_km, pole_km)
    return light


def _at_limb(r: Floats, sun: Floats, equator_km: float, pole_km: float) -> Floats:
    """Return the visible fraction of a Sun at the limb: `sun` from the satellite, which is at `r`
    [km].
    """
    distance = np.sqrt(_dot(sun, sun))
    toward = sun / distance[:, None]
    disc = np.tan(np.arcsin(np.minimum(SUN_RADIUS_KM / distance, 1.0)))
    # With lengths in units of the radii, a ray r + s d meets the ellipsoid if
    # (r.d)^2 - d.d (r.r - 1) > 0: a quadratic form of d. Directions are points of the plane that
    # touches the sphere of directions at the Sun: d = sun + x down + y across, down into the Earth.
    scale = 1.0 / np.array([equator_km, equator_km, pole_km])
    place = r * scale
    outside = np.maximum(_dot(place, place) - 1.0, 0.0)
    scaled_sun = toward * scale
    slope = scale * (_dot(place, scaled_sun)[:, None] * place - outside[:, None] * scaled_sun)
    level = _dot(slope, toward)
    down = slope - level[:, None] * toward
    steep = np.maximum(np.sqrt(_dot(down, down)), _TINY * outside + 1e-300)
    down /= steep[:, None]
    across = _cross(toward, down)

    def curved(direction: Floats) -> Floats:
        scaled = direction * scale
        return _dot(place, scaled) ** 2 - outside * _dot(scaled, scaled)

    # Along `down` the limb is at level + 2 steep x + bent x^2 = 0, the root that is near.
    bent = curved(down)
    root = np.sqrt(np.maximum(steep * steep - bent * level, 0.0))
    limb = -level / (steep + root)
    radius = np.maximum(steep + bent * limb, 0.0) / np.maximum(-curved(across), 1e-300)
    return visible_fraction(disc, radius, limb + radius)


def _dot(a: Floats, b: Floats) -> Floats:
    out: Floats = a[:, 0] * b[:, 0]
    out += a[:, 1] * b[:, 1]
    out += a[:, 2] * b[:, 2]
    return out


def _cross(a: Floats, b: Floats) -> Floats:
    out = np.empty_like(a)
    out[:, 0] = a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1]
    out[:, 1] = a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]
    out[:, 2] = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return out
