"""Positions between knots, by cubic Hermite interpolation: SGP4 is the dearest part of a flight.

Over 10 s an orbit differs from the cubic through both ends' positions and velocities by
h^4/384 |r''''|: 0.3 mm in low orbit, 4 mm at the perigee of a transfer orbit. What remains is
SGP4's own, for its velocities are not quite the derivatives of its positions: up to 2 cm in low
orbit, 1.5 m where the Moon and the Sun pull (periods above 225 minutes)."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["KNOTS_S", "hermite", "linear"]

Floats = npt.NDArray[np.float64]

KNOTS_S: Final = 10.0
"""From knot to knot, at most."""


def hermite(r: Floats, v: Floats, parts: int, step_s: float) -> tuple[Floats, Floats]:
    """Return positions and velocities (K parts, 3) in steps of `step_s`, from those at K + 1 knots
    that are `parts` steps apart; those of the last knot are not among them."""
    h = parts * step_s
    x = (np.arange(parts) / parts)[:, None, None]
    y = x - 1.0
    knots, speeds = np.ascontiguousarray(r.T), h * np.ascontiguousarray(v.T)
    r0, v0, v1 = knots[:, :-1], speeds[:, :-1], speeds[:, 1:]
    way = knots[:, 1:] - r0
    position = r0 + (x * x * (3.0 - 2.0 * x)) * way + x * y * y * v0 + x * x * y * v1
    slope = 6.0 * x * -y * way + y * (3.0 * x - 1.0) * v0 + x * (3.0 * x - 2.0) * v1
    return _in_order(position), _in_order(slope / h)


def _in_order(by_part: Floats) -> Floats:
    """Return (parts, 3, K) as (K parts, 3), each coordinate in one piece of memory."""
    out: Floats = np.ascontiguousarray(by_part.transpose(1, 2, 0)).reshape(3, -1).T
    return out


def linear(values: Floats, parts: int) -> Floats:
    """Return values (K parts, ...) between K + 1 knots, linearly, as `hermite`."""
    x = (np.arange(parts) / parts).reshape(1, parts, *(1,) * (values.ndim - 1))
    low, high = values[:-1, None], values[1:, None]
    out: Floats = (low + x * (high - low)).reshape(-1, *values.shape[1:])
    return out
