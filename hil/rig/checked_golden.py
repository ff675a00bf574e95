"""The golden run of a rig of a doer and its checkers, which compute another, reduced workload."""

from __future__ import annotations

from typing import Final

from hil.kernel import Golden

_COMPARED: Final = 16
"""[frame] Two workloads whose inputs are drawn otherwise differ in the first already."""

__all__ = ["CheckedGolden"]


class CheckedGolden(Golden):
    """The golden run of the doer, the node with index 0, beside that of its checkers, `reduced`:
    both take the same inputs, and advance together."""

    def __init__(self, workload: str, reduced: str, seed: int) -> None:
        super().__init__(workload, seed)
        self.reduced = Golden(reduced, seed)

    @property
    def takes_same_inputs(self) -> bool:
        """Return whether doer and checkers take the same inputs, by those of the first frames."""
        frames = range(_COMPARED)
        return all(self.input_of(frame) == self.reduced.input_of(frame) for frame in frames)

    def step(self) -> None:
        """Compute the next frame of both."""
        super().step()
        self.reduced.step()

    def of(self, node: int) -> Golden:
        """Return the golden run of what the node with this index computes."""
        return self.reduced if node else self
