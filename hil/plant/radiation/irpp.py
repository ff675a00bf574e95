"""Upset rates of ions by the integral rectangular parallelepiped (IRPP) method.

The sensitive volume of a bit is a box. An ion upsets it if it deposits more than a critical charge,
LET times the length of its chord; the curve of the cross-section over LET is read as a spread of
that charge over the cells (Petersen et al., IEEE Trans. Nucl. Sci. 39 (1992) 1577; CREME96: Tylka
et al., IEEE Trans. Nucl. Sci. 44 (1997) 2150). So the rate in an isotropic flux is

    rate = integral dL (-dF/dL) S/4 integral dL_c w(L_c) P(chord > depth L_c / L)

with F the omnidirectional integral flux, S the surface of the box (S/4 is the mean of the area that
it shows, Cauchy), w the derivative of the curve and P the distribution of chords.

P is exact, in closed form: for one direction u the lines with a chord longer than r form the area
-d/dr of (a - r u1)(b - r u2)(c - r u3), the overlap of the box with itself moved by r u; the mean
of this polynomial over the directions in which r u stays within the box needs moments of u1, u2,
u3 over parts of the sphere that two planes cut off, all elementary."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.plant.radiation.crosssection import CrossSectionCurve, Weibull

__all__ = ["DEFAULT_DEPTH_UM", "Box", "chord_exceeds", "effective_section", "ion_rate"]

Floats = npt.NDArray[np.float64]

DEFAULT_DEPTH_UM: Final = 1.0
"""Depth of a sensitive volume of which nothing is known: with it the rates that CREME96 gave for a
28 nm FPGA (PolarFire, six curves) are met to 4 %. Half of it gives 1.2 to 1.6 times as many upsets,
twice 0.55 to 0.76."""


@dataclass(frozen=True, slots=True)
class Box:
    """A sensitive volume: two sides of its face and its depth.

    Raises:
        ValueError: A side is not a positive number.
    """

    width_um: float
    length_um: float
    depth_um: float = DEFAULT_DEPTH_UM

    def __post_init__(self) -> None:
        for name, side in zip(("width", "length", "depth"), self.sides, strict=True):
            if not (math.isfinite(side) and side > 0.0):
                raise ValueError(
                    f"the {name} of a sensitive volume must be a positive number of µm, not {side}"
                )

    @classmethod
    def of_face(cls, face_cm2: float, depth_um: float = DEFAULT_DEPTH_UM) -> Box:
        """Return the box with a square face of that area: the limiting cross-section of one bit."""
        side = 1e4 * math.sqrt(face_cm2)
        return cls(side, side, depth_um)

    @property
    def sides(self) -> tuple[float, float, float]:
        """Return the three sides [µm]: width, length, depth."""
        return self.width_um, self.length_um, self.depth_um

    @property
    def mean_projection_cm2(self) -> float:
        """Return the mean over all directions of the area that the box shows: S/4."""
        a, b, c = self.sides
        return 1e-8 * (a * b + b * c + c * a) / 2.0

    @property
    def longest_chord_um(self) -> float:
        """Return the diagonal."""
        return math.hypot(*self.sides)


# --- chords ---------------------------------------------------------------------------------------


def chord_exceeds(box: Box, length_um: Floats) -> Floats:
    """Return the probability that a chord of isotropic, uniform lines is longer than `length_um`.

    1 at 0 and below, 0 from the diagonal of the box on; of the shape of `length_um`.
    """
    r = np.asarray(length_um, dtype=np.float64)
    flat = np.clip(r.reshape(-1), 0.0, box.longest_chord_um)
    total = _mean_overlap_loss(box.sides, flat) / _mean_overlap_loss(box.sides, np.zeros(1))[0]
    total = np.where(flat >= box.longest_chord_um, 0.0, np.clip(total, 0.0, 1.0))
    return total.reshape(r.shape)


@dataclass(slots=True)
class _Moments:
    """Integrals over an octant of directions: of u_i, of u_i u_j (by the k that is left out), and
    of u1 u2 u3.
    """

    first: list[Floats]
    pair: list[Floats]
    triple: Floats


def _mean_overlap_loss(sides: tuple[float, float, float], r: Floats) -> Floats:
    """Integrate -d/dr of the overlap over the octant of directions with r u inside of the box."""
    moments = _octant(r)
    with np.errstate(divide="ignore"):
        limits = [np.minimum(side / r, 1.0) for side in sides]
    for k in range(3):
        _subtract_cap(moments, k, limits[k])
        _add_lune(moments, k, limits)
    a, b, c = sides
    single = moments.first[0] * b * c + moments.first[1] * a * c + moments.first[2] * a * b
    double = moments.pair[0] * a + moments.pair[1] * b + moments.pair[2] * c
    out: Floats = single - 2.0 * r * double + 3.0 * r * r * moments.triple
    return out


def _octant(r: Floats) -> _Moments:
    one = np.ones(r.shape)
    return _Moments(
        [math.pi / 4.0 * one for _ in range(3)], [one / 3.0 for _ in range(3)], one / 8.0
    )


def _subtract_cap(moments: _Moments, k: int, limit: Floats) -> None:
    """Take away the directions with u_k > limit."""
    i, j = (k + 1) % 3, (k + 2) % 3
    rest = 1.0 - limit * limit
    root = np.sqrt(rest)
    segment = 0.5 * (np.arccos(limit) - limit * root)
    moments.first[k] = moments.first[k] - math.pi / 4.0 * rest
    moments.first[i] = moments.first[i] - segment
    moments.first[j] = moments.first[j] - segment
    moments.pair[k] = moments.pair[k] - 0.5 * (2.0 / 3.0 - limit + limit**3 / 3.0)
    for other in (i, j):  # the pair of u_k and the one that is not left out
        moments.pair[other] = moments.pair[other] - root**3 / 3.0
    moments.triple = moments.triple - rest * rest / 8.0


def _add_lune(moments: _Moments, k: int, limits: list[Floats]) -> None:
    """Add the directions with u_i and u_j both above their limits, which were taken away twice."""
    i, j = (k + 1) % 3, (k + 2) % 3
    p, q = limits[i], limits[j]
    rest = np.maximum(1.0 - p * p - q * q, 0.0)
    there = rest > 0.0

    def add(value: Floats) -> Floats:
        return np.where(there, value, 0.0)

    moments.first[k] = moments.first[k] + add(_corner_of_disc(p, q))
    # u_i, seen along i: the half segment u_j > q of a disc whose radius is that at u_i = p.
    for one, low, high in ((i, p, q), (j, q, p)):
        radius2 = 1.0 - low * low
        depth = np.sqrt(np.maximum(radius2 - high * high, 0.0))
        angle = np.arctan2(depth, high)
        moments.first[one] = moments.first[one] + add(0.5 * (radius2 * angle - high * depth))
    moments.pair[k] = moments.pair[k] + add(rest**1.5 / 3.0)
    # u_i u_k leaves out j; u_j u_k leaves out i.
    for left_out, low, high in ((j, p, q), (i, q, p)):
        value = ((1.0 - low * low) ** 1.5 - high**3) / 3.0 - high * rest / 2.0
        moments.pair[left_out] = moments.pair[left_out] + add(value)
    moments.triple = moments.triple + rest * rest / 8.0


def _corner_of_disc(p: Floats, q: Floats) -> Floats:
    """Return the area of the unit disc with x > p and y > q."""
    high = np.sqrt(np.maximum(1.0 - q * q, 0.0))
    high = np.maximum(high, p)
    upper = 0.5 * (high * np.sqrt(np.maximum(1.0 - high * high, 0.0)) + np.arcsin(high))
    lower = 0.5 * (p * np.sqrt(1.0 - p * p) + np.arcsin(p))
    out: Floats = upper - lower - q * (high - p)
    return out


# --- rates ----------------------------------------------------------------------------------------

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)


def effective_section(curve: CrossSectionCurve, box: Box, let: Floats) -> Floats:
    """Return the cross-section [cm2] of a bit in an isotropic flux, at each LET (N,).

    Times the omnidirectional flux between two LETs it gives their events. It rises already below
    the threshold of the curve: at slanting incidence a chord is longer than the box is deep.
    `curve` is that of the bit at normal incidence; its limit sets the share of the box's cells
    that count.
    """
    x = np.asarray(let, dtype=np.float64)
    total = np.zeros(x.shape)
    saturated = float(curve(np.array([1e6]))[0])
    for critical, weight in _critical_lets(curve):
        total += weight * chord_exceeds(box, box.depth_um * critical / np.maximum(x, 1e-12))
    face_cm2 = 1e-8 * box.width_um * box.length_um
    out: Floats = total * (saturated / face_cm2) * box.mean_projection_cm2
    return out


def _critical_lets(curve: CrossSectionCurve) -> list[tuple[float, float]]:
    """Return LETs and their weights, which add up to 1, that stand for the curve's derivative."""
    if not isinstance(curve, Weibull):  # a step
        return [(max(curve.threshold, 1e-9), 1.0)]
    shares = 0.5 * (_NODES + 1.0)
    lets = curve.threshold + curve.width * (-np.log1p(-shares)) ** (1.0 / curve.shape)
    return [(float(x), float(w) / 2.0) for x, w in zip(lets, _WEIGHTS, strict=True)]


def ion_rate(curve: CrossSectionCurve, box: Box, let: Floats, above: Floats) -> Floats:
    """Return the events per time of one bit in an isotropic flux of ions.

    `let` (N,) ascends [MeV cm2/mg]; `above` (..., N) is the omnidirectional flux above each of them
    [per cm2 and time]. Shape (...,). Ions above the last LET count with the cross-section there.
    """
    middle = np.append(np.sqrt(let[:-1] * let[1:]), let[-1])
    sigma = effective_section(curve, box, middle)
    pieces = np.concatenate([above[..., :-1] - above[..., 1:], above[..., -1:]], axis=-1)
    total: Floats = np.asarray(pieces[..., 0] * sigma[0])
    for i in range(1, len(middle)):  # in order: no linear algebra, whose sums differ by machine
        total = total + pieces[..., i] * sigma[i]
    return total
