"""Proton fluxes over time and energy that were given, in place of the belt's table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["FluxTable", "GivenProtons", "integral_of"]

Floats = npt.NDArray[np.float64]


def integral_of(energies_mev: Floats, differential: Floats) -> Floats:
    """Return the flux above each energy (T, E) of a differential flux (T, E) [/cm2/s/MeV].

    Between two energies it is a power law; beyond the last there is nothing."""
    low, high = energies_mev[:-1], energies_mev[1:]
    f, g = differential[:, :-1], differential[:, 1:]
    both = (f > 0.0) & (g > 0.0)
    slope = np.zeros_like(f)
    np.divide(
        np.log(np.where(both, g / np.where(f > 0, f, 1.0), 1.0)), np.log(high / low), out=slope
    )
    plain = 0.5 * (f + g) * (high - low)
    near = np.abs(slope + 1.0) < 1e-6
    safe = np.where(near, 0.0, slope)
    power = f * low * ((high / low) ** (safe + 1.0) - 1.0) / (safe + 1.0)
    pieces = np.where(both, np.where(near, f * low * np.log(high / low), power), plain)
    total = np.cumsum(pieces[:, ::-1], axis=1)[:, ::-1]
    return np.concatenate([total, np.zeros((len(differential), 1))], axis=1)


@dataclass(frozen=True, slots=True)
class FluxTable:
    """Omnidirectional integral proton flux outside of the wall [/cm2/s].

    `t_s` (T,) from the start of the run, rising; `energies_mev` (E,) rising; `above` (T, E), never
    rising with energy. One row holds all the time. `file`: where it is from."""

    file: str
    t_s: Floats
    energies_mev: Floats
    above: Floats

    def at(self, t_s: Floats) -> GivenProtons:
        """Return the protons at times (N,), interpolated between rows."""
        if len(self.t_s) == 1:
            rows = np.repeat(self.above, len(t_s), axis=0)
        else:
            columns = [np.interp(t_s, self.t_s, column) for column in self.above.T]
            rows = np.stack(columns, axis=1)
        return GivenProtons(self.energies_mev, rows, np.arange(len(t_s)))


@dataclass(frozen=True, slots=True)
class GivenProtons:
    """Given protons at N times, in the form of `ap8.Trapped`."""

    energies_mev: Floats
    at_nodes: Floats  # (N, energies)
    active: npt.NDArray[np.intp]

    def above_active(self, energies_mev: Floats) -> Floats:
        """Return the flux above each of the energies (N, M), exponential between the given ones;
        beyond them that of the nearest."""
        nodes = self.energies_mev
        if len(nodes) == 1:
            return np.repeat(self.at_nodes, len(energies_mev), axis=1)
        out = np.empty((len(self.at_nodes), len(energies_mev)))
        for column, energy in enumerate(energies_mev):
            held = float(np.clip(energy, nodes[0], nodes[-1]))
            i = min(int(np.searchsorted(nodes, held, side="right")) - 1, len(nodes) - 2)
            x = (held - nodes[i]) / (nodes[i + 1] - nodes[i])
            low, high = self.at_nodes[:, i], self.at_nodes[:, i + 1]
            both = high > 0.0
            between = low * (1.0 - x)
            between[both] = low[both] ** (1.0 - x) * high[both] ** x
            out[:, column] = between
        return out
