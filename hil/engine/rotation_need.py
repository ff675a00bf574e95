"""The need for nodes of a scheme whose nodes rest in turn (`hil.redundancy.rotation`)."""

from __future__ import annotations

from collections.abc import Sequence

from hil.engine.part_groups import FrameTimes
from hil.engine.run_controls import RunControls
from hil.redundancy.electorate import Scheme
from hil.redundancy.recovery import NodeState
from hil.redundancy.rotation import HAND_OVER, UNDECIDED, Rotation

__all__ = ["RotationNeed"]


class RotationNeed:
    """The need of one run for nodes. It depends on the number of the frame, the last verdict and
    the states of the nodes only, so that a run that is resumed goes on with it. Not thread-safe."""

    def __init__(
        self, controls: RunControls, times: FrameTimes, scheme: Scheme, rotation: Rotation
    ) -> None:
        self._controls = controls
        self._times = times
        self._scheme = scheme
        self._rotation = rotation

    @property
    def reason(self) -> str:
        """Return why a node is woken now."""
        return HAND_OVER if self._is_decided else UNDECIDED

    @property
    def is_due(self) -> bool:
        """Return whether a node is to be switched on or off now, or as soon as nothing is under
        way."""
        return len(self._controls.recovery.in_service) != self.wanted()

    def next_change(self, nominal: int) -> int:
        """Return the first frame after `nominal` in which the number may change by plan."""
        return self._rotation.next_turn(nominal)

    def wanted(self) -> int:
        """Return how many nodes are to be in service from now on."""
        recovery = self._controls.recovery
        voting = recovery.in_state(NodeState.VOTING)
        resting = self._resting
        return self._rotation.wanted(resting, recovery.in_service, voting, decided=self._is_decided)

    def first_to_stay(self, serving: Sequence[str]) -> Sequence[str]:
        """Return the nodes in service, those that are switched off first at the end."""
        resting = self._resting
        return sorted(serving, key=lambda name: name == resting)

    @property
    def _resting(self) -> str:
        return self._rotation.resting(self._times.nominal(self._controls.next_frame))

    @property
    def _is_decided(self) -> bool:
        verdict = self._controls.agreed
        return verdict is None or self._scheme.is_compared(verdict)
