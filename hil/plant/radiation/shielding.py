"""Walls of aluminium: which protons pass, and with what energy left.

Straight ahead, continuously slowed down: no straggling, no secondaries. Ranges are the CSDA ranges
of NIST PSTAR for aluminium (ICRU Report 49), good to about 2 %."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = [
    "ALUMINIUM_G_CM3",
    "MAX_SHIELDING_MM",
    "outside_energy_mev",
    "residual_energy_mev",
]

Floats = npt.NDArray[np.float64]

ALUMINIUM_G_CM3: Final = 2.699  # NIST
MAX_SHIELDING_MM: Final = 200.0
"""What stops protons of 267 MeV; the belt's table ends at 300 MeV."""

# NIST PSTAR, aluminium: energy in MeV, CSDA range in g/cm2.
_PSTAR: Final = np.array(
    [
        (1.0, 3.945e-3),
        (1.5, 7.287e-3),
        (2.0, 1.146e-2),
        (3.0, 2.210e-2),
        (4.0, 3.563e-2),
        (5.0, 5.188e-2),
        (6.0, 7.072e-2),
        (7.0, 9.207e-2),
        (8.0, 0.1158),
        (9.0, 0.1420),
        (10.0, 0.1705),
        (12.5, 0.2515),
        (15.0, 0.3462),
        (17.5, 0.4541),
        (20.0, 0.5748),
        (25.0, 0.8533),
        (30.0, 1.180),
        (35.0, 1.552),
        (40.0, 1.968),
        (45.0, 2.427),
        (50.0, 2.928),
        (55.0, 3.469),
        (60.0, 4.050),
        (70.0, 5.325),
        (80.0, 6.747),
        (90.0, 8.309),
        (100.0, 10.01),
        (125.0, 14.80),
        (150.0, 20.32),
        (175.0, 26.51),
        (200.0, 33.31),
        (250.0, 48.55),
        (300.0, 65.72),
        (350.0, 84.54),
        (400.0, 104.8),
        (500.0, 148.9),
        (600.0, 196.8),
        (700.0, 247.6),
        (800.0, 300.8),
        (1000.0, 412.4),
        (1500.0, 708.7),
        (2000.0, 1016.0),
        (3000.0, 1635.0),
        (5000.0, 2853.0),
        (10000.0, 5757.0),
    ]
)
_LOG_ENERGY: Final = np.log(_PSTAR[:, 0])
_LOG_RANGE: Final = np.log(_PSTAR[:, 1])


def _range_g_cm2(energy_mev: Floats) -> Floats:
    """Interpolate the range log-log between the table's points; below 1 MeV in proportion."""
    energy = np.asarray(energy_mev, dtype=np.float64)
    log_energy = np.log(np.maximum(energy, 1e-9))
    inside = np.exp(np.interp(log_energy, _LOG_ENERGY, _LOG_RANGE))
    out: Floats = np.where(energy < _PSTAR[0, 0], energy * _PSTAR[0, 1] / _PSTAR[0, 0], inside)
    return out


def _energy_mev(range_g_cm2: Floats) -> Floats:
    across = np.asarray(range_g_cm2, dtype=np.float64)
    log_range = np.log(np.maximum(across, 1e-9))
    inside = np.exp(np.interp(log_range, _LOG_RANGE, _LOG_ENERGY))
    out: Floats = np.where(across < _PSTAR[0, 1], across * _PSTAR[0, 0] / _PSTAR[0, 1], inside)
    return out


def _areal(thickness_mm: float) -> float:
    if not 0.0 <= thickness_mm <= MAX_SHIELDING_MM:
        raise ValueError(
            f"a wall of {thickness_mm:g} mm of aluminium: it must be 0..{MAX_SHIELDING_MM:g} mm"
        )
    return thickness_mm * 0.1 * ALUMINIUM_G_CM3


def outside_energy_mev(inside_mev: float, thickness_mm: float) -> float:
    """Return the energy [MeV] outside of protons that arrive behind the wall with `inside_mev`.

    With 0 inside: the energy of those that the wall just stops.

    Raises:
        ValueError: The wall is outside of 0..200 mm.
    """
    through = _range_g_cm2(np.array([inside_mev])) + _areal(thickness_mm)
    return float(_energy_mev(through)[0])


def residual_energy_mev(outside_mev: Floats, thickness_mm: float) -> Floats:
    """Return the energy [MeV] left behind the wall, 0 if stopped; of the shape of `outside_mev`.

    Raises:
        ValueError: The wall is outside of 0..200 mm.
    """
    if thickness_mm == 0.0:
        return np.array(outside_mev, dtype=np.float64)
    remaining = _range_g_cm2(outside_mev) - _areal(thickness_mm)
    return _energy_mev(np.maximum(remaining, 0.0))
