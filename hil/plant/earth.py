"""The Earth's figure: the WGS 84 ellipsoid of revolution about the polar axis."""

from __future__ import annotations

from typing import Final

__all__ = ["EARTH_RADIUS_KM", "FLATTENING"]

EARTH_RADIUS_KM: Final = 6378.137
"""Equatorial radius, WGS 84."""

FLATTENING: Final = 1.0 / 298.257223563
"""The polar radius is shorter than the equatorial one by this share, that is by 21.4 km."""
