"""The attitude: how the spacecraft's faces look towards sun, Earth and space along its track.

The spacecraft flies with one side down. `shade` is across the sun and the nadir: a face that has
its edge to both, as a radiator between a dawn-dusk orbit's sun and the ground."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.plant.earth import EARTH_RADIUS_KM
from hil.plant.orbit import Track
from hil.scenario.plant.thermal import Pointing

__all__ = ["Faces", "earth_views"]

Floats = npt.NDArray[np.float64]

_TINY: Final = 1e-9
_SIGN: Final = {
    Pointing.ANTI_SUN: (Pointing.SUN, -1.0),
    Pointing.ZENITH: (Pointing.NADIR, -1.0),
    Pointing.WAKE: (Pointing.RAM, -1.0),
    Pointing.SOUTH: (Pointing.NORTH, -1.0),
    Pointing.ANTI_SHADE: (Pointing.SHADE, -1.0),
}


class Faces:
    """The geometry of one track, computed once for all faces."""

    def __init__(self, track: Track) -> None:
        r, v, self._sun = track.r_teme_km, track.v_teme_kmps, track.sun_teme
        self._radius_km = np.sqrt(_dot(r, r))
        self._up = r / self._radius_km[:, None]
        self._normal = _unit(_cross(r, v))
        self.sun_zenith_cos = _dot(self._up, self._sun)
        self._cosines: dict[Pointing, tuple[Floats, Floats | float]] = {}
        self._views: dict[Pointing, Floats] = {}
        self._constant: dict[float, Floats] = {}

    def sun_cos(self, pointing: Pointing) -> Floats:
        """Return the cosine (N,) of the face's normal against the sun; negative is behind."""
        base, sign = _SIGN.get(pointing, (pointing, 1.0))
        return sign * self._of(base)[0]

    def earth_view(self, pointing: Pointing) -> Floats:
        """Return the view factor (N,) of the face to Earth."""
        if pointing not in self._views:
            base, sign = _SIGN.get(pointing, (pointing, 1.0))
            nadir = sign * self._of(base)[1]
            if isinstance(nadir, float):  # the same for all faces that look so
                nadir += 0.0  # -0.0 is 0.0
                if nadir not in self._constant:
                    self._constant[nadir] = earth_views(self._radius_km, nadir)
                self._views[pointing] = self._constant[nadir]
            else:
                self._views[pointing] = earth_views(self._radius_km, nadir)
        return self._views[pointing]

    def columns(self, pointings: Sequence[Pointing]) -> tuple[Floats, Floats]:
        """Return `sun_cos` and `earth_view`, each (N, F), of these faces."""
        shape = (len(pointings), len(self._radius_km))  # a face's values side by side in memory
        sun, view = np.empty(shape), np.empty(shape)
        for row, pointing in enumerate(pointings):
            sun[row] = self.sun_cos(pointing)
            view[row] = self.earth_view(pointing)
        return sun.T, view.T

    def _of(self, base: Pointing) -> tuple[Floats, Floats | float]:
        """Return the cosines (N,) against sun and nadir of one of the five base directions."""
        if base not in self._cosines:
            zenith = self.sun_zenith_cos
            if base is Pointing.SUN:
                self._cosines[base] = np.ones(len(zenith)), -zenith
            elif base is Pointing.NADIR:
                self._cosines[base] = -zenith, 1.0
            elif base is Pointing.RAM:
                ram = _cross(self._normal, self._up)
                self._cosines[base] = _dot(ram, self._sun), 0.0
            elif base is Pointing.NORTH:
                self._cosines[base] = _dot(self._normal, self._sun), 0.0
            else:
                self._cosines[base] = np.zeros(len(zenith)), 0.0
        return self._cosines[base]


def earth_views(radius_km: Floats, nadir_cos: Floats | float) -> Floats:
    """Compute `hil.plant.thermal.earth_view_factor` for many places (N,) at once."""
    h = np.maximum(radius_km / EARTH_RADIUS_KM, 1.0 + _TINY)
    if isinstance(nadir_cos, float) and nadir_cos == 1.0:
        return np.asarray(1.0 / (h * h))
    if isinstance(nadir_cos, float) and nadir_cos == -1.0:
        return np.zeros(len(h))
    if isinstance(nadir_cos, float) and nadir_cos == 0.0:  # half of the disc: what remains below
        root = np.sqrt(h * h - 1.0)
        return np.asarray(
            0.5 - np.arcsin(np.minimum(1.0, root / h)) / np.pi - root / (np.pi * h * h)
        )
    cosine = np.broadcast_to(np.clip(nadir_cos, -1.0, 1.0), h.shape)
    whole = np.maximum(cosine, 0.0) / (h * h)
    cut = np.abs(cosine * h) < 1.0
    c, hc = cosine[cut], h[cut]
    sine = np.sqrt(1.0 - c * c)
    root = np.sqrt(hc * hc - 1.0)
    limb = np.sqrt(np.maximum(0.0, 1.0 - hc * hc * c * c))
    part = (
        0.5
        - np.arcsin(np.minimum(1.0, root / (hc * sine))) / np.pi
        + (c * np.arccos(np.clip(-root * c / sine, -1.0, 1.0)) - root * limb) / (np.pi * hc * hc)
    )
    out = np.array(whole)
    out[cut] = part
    return out


def _dot(a: Floats, b: Floats) -> Floats:
    out: Floats = a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1] + a[:, 2] * b[:, 2]
    return out


def _cross(a: Floats, b: Floats) -> Floats:
    out = np.empty_like(a)
    out[:, 0] = a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1]
    out[:, 1] = a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]
    out[:, 2] = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return out


def _unit(a: Floats) -> Floats:
    out: Floats = a / np.maximum(np.sqrt(_dot(a, a)), _TINY)[:, None]
    return out
