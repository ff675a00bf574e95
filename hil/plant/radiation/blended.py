"""Radiation between the minimum and the maximum of the solar cycle."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from hil.plant.radiation.crosssection import Section

__all__ = ["Along", "BlendedRadiation"]

Floats = npt.NDArray[np.float64]


class Along(Protocol):
    """The radiation along one track."""

    def proton_flux(self) -> Floats:
        """Return the protons behind the wall [/cm2/s] (N,)."""
        ...

    def solar_proton_flux(self) -> Floats:
        """Return those of solar particle events alone [/cm2/s] (N,)."""
        ...

    def rate(self, section: Section) -> Floats:
        """Return the events per second (N,) of a section, without acceleration."""
        ...


class BlendedRadiation:
    """The mean of two radiations, `active` with the weight `activity`: fluxes of a model of two
    phases in between, linearly [A]."""

    def __init__(self, quiet: Along, active: Along, activity: float) -> None:
        self._quiet = quiet
        self._active = active
        self._activity = activity

    def proton_flux(self) -> Floats:
        """Return the protons behind the wall [/cm2/s] (N,)."""
        return self._mean(self._quiet.proton_flux(), self._active.proton_flux())

    def solar_proton_flux(self) -> Floats:
        """Return those of solar particle events alone [/cm2/s] (N,)."""
        return self._mean(self._quiet.solar_proton_flux(), self._active.solar_proton_flux())

    def rate(self, section: Section) -> Floats:
        """Return the events per second (N,) of a section, without acceleration."""
        return self._mean(self._quiet.rate(section), self._active.rate(section))

    def _mean(self, quiet: Floats, active: Floats) -> Floats:
        return (1.0 - self._activity) * quiet + self._activity * active
