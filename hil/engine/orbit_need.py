"""The need for nodes of a scheme that follows the orbit: the plant and the counters of the boards
are read once in every step of the plant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hil.engine.run_controls import RunControls
from hil.engine.stand_by import NEVER
from hil.redundancy.orbit_scheme import OrbitReadings, OrbitScheme

if TYPE_CHECKING:
    from hil.engine.plant_coupling import PlantCoupling

__all__ = ["OrbitNeed"]


class OrbitNeed:
    """The need of one run for nodes; `beyond`: nodes that are wanted besides those of the scheme,
    hot spares. Not thread-safe."""

    def __init__(
        self, controls: RunControls, coupling: PlantCoupling, scheme: OrbitScheme, beyond: int
    ) -> None:
        self._controls = controls
        self._coupling = coupling
        self._scheme = scheme
        self._beyond = beyond
        self._read_at: int | None = None
        self._wanted = 0
        self._counted: dict[str, int] = {}
        self._corrected: int | None = None
        if scheme.counts_errors:
            scheme.late_errors = self._scrubbed

    @property
    def reason(self) -> str:
        """Return why nodes are woken now."""
        return self._scheme.reason

    @property
    def is_due(self) -> bool:
        """Return whether the plant has advanced since the last reading, or more nodes serve than
        are wanted: they are switched off as soon as nothing is under way."""
        serving = len(self._controls.recovery.in_service)
        return self._coupling.flight.done != self._read_at or serving > self._wanted

    def wanted(self) -> int:
        """Return how many nodes are to be in service from now on."""
        coupling = self._coupling
        step = coupling.flight.done
        if step != self._read_at:
            self._read_at = step
            solar = coupling.solar_flux_per_cm2_s
            other = coupling.flux_per_cm2_s - solar
            errors = self._scrubbed() + self._hardware() if self._scheme.counts_errors else 0
            readings = OrbitReadings(step * coupling.flight.step_us, other, solar, errors)
            self._wanted = self._beyond + self._scheme.wanted(readings)
        return self._wanted

    def next_change(self, nominal: int) -> int:  # noqa: ARG002
        """Return that nothing is planned: the plant decides."""
        return NEVER

    def first_to_stay(self, serving: Sequence[str]) -> Sequence[str]:
        """Return the nodes in their order."""
        return serving

    def _scrubbed(self) -> int:
        """Return the errors that the scrubbers of nodes in service have counted since the last
        call."""
        controls, errors = self._controls, 0
        nodes = [controls.rig.by_name[name] for name in controls.recovery.in_service]
        for name, health in controls.rig.health(nodes).items():
            now = health.corrected + health.uncorrected
            before = self._counted.get(name, 0)
            errors += now - before if now >= before else now  # its agent has started again
            self._counted[name] = now
        return errors

    def _hardware(self) -> int:
        """Return the errors that the memories of boards have corrected since the last call, as the
        plant models them."""
        before, self._corrected = self._corrected, self._coupling.corrected
        return 0 if before is None else self._corrected - before
