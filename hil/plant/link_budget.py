"""The budget of a radio link: which bit rate it closes with, over distance.

    C/N0 [dBHz]  = EIRP + G/T + 228.6 - free-space loss - other losses
    rate [bit/s] = 10 ** ((C/N0 - required Eb/N0 - margin) / 10)

The free-space loss is 20 log10(4 pi d / wavelength) (Recommendation ITU-R P.525), 228.6 dB is
Boltzmann's constant. `other losses` are one number: atmosphere, rain, pointing, polarisation and
the receiver's implementation. They do not grow towards the horizon here, so state those of the
lowest elevation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

__all__ = ["LinkBudget", "free_space_loss_db", "slant_range_km"]

LIGHT_M_S: Final = 299_792_458.0
BOLTZMANN_DBW_K_HZ: Final = 10.0 * math.log10(1.380649e-23)


def free_space_loss_db(distance_km: float, frequency_mhz: float) -> float:
    """Return the free-space loss between isotropic antennas [dB]."""
    wavelength_m = LIGHT_M_S / (frequency_mhz * 1e6)
    return 20.0 * math.log10(4.0 * math.pi * distance_km * 1e3 / wavelength_m)


def slant_range_km(elevation_deg: float, altitude_km: float, radius_km: float = 6371.0) -> float:
    """Return the distance to a satellite that stands at an elevation above a spherical Earth."""
    sine = math.sin(math.radians(elevation_deg))
    height = (radius_km + altitude_km) / radius_km
    cosine_squared = 1.0 - sine * sine
    return radius_km * (math.sqrt(height * height - cosine_squared) - sine)


@dataclass(frozen=True, slots=True)
class LinkBudget:
    """One direction of a radio link. `rates_bit_s`: the rates that the modem has, in any order, of
    which the highest that closes is used; empty: any rate, up to `max_bit_s`."""

    frequency_mhz: float
    eirp_dbw: float
    g_over_t_db_k: float
    losses_db: float
    required_eb_n0_db: float
    margin_db: float
    rates_bit_s: tuple[int, ...] = ()
    max_bit_s: int = 1_000_000_000

    def c_over_n0_dbhz(self, distance_km: float) -> float:
        """Return the carrier over the noise density [dBHz]."""
        loss = free_space_loss_db(distance_km, self.frequency_mhz) + self.losses_db
        return self.eirp_dbw + self.g_over_t_db_k - loss - BOLTZMANN_DBW_K_HZ

    def closing_bit_s(self, distance_km: float) -> float:
        """Return the rate at which the link just has its required Eb/N0 and margin [bit/s]."""
        spare = self.c_over_n0_dbhz(distance_km) - self.required_eb_n0_db - self.margin_db
        return float(10.0 ** min(18.0, spare / 10.0))

    def rate_bit_s(self, distance_km: float) -> int:
        """Return the rate that is used [bit/s]; 0: the link does not close."""
        closing = self.closing_bit_s(distance_km)
        if self.rates_bit_s:
            return max((rate for rate in self.rates_bit_s if rate <= closing), default=0)
        return min(int(closing), self.max_bit_s)
