"""The places where experiments of a sampled campaign are carried out: what boards and in-process
boards have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeAlias

from hil.campaign.fault_space import FaultSpace
from hil.campaign.sampling import FaultTable

__all__ = ["Bench", "Laboratory", "Part"]

Part: TypeAlias = tuple[bytes, bytes]
"""Effects and details of consecutive experiments, a byte for each."""


class Bench(Protocol):
    """One place where experiments are carried out. For one thread at a time."""

    def carry_out(self, faults: FaultTable) -> Iterator[Part]:
        """Carry out `faults`, which are in order of frames and of the time in them; return the
        outcomes part by part.

        Raises: SetupError, LinkTimeout, NodeError."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class Laboratory(Protocol):
    """All places where the experiments of one campaign are carried out. `space`: the faults that
    there are; `arch`: the processor; `path`: digest of the fault-free steps."""

    space: FaultSpace
    arch: str

    def check_controls(self) -> int:
        """Make hits whose effects are certain; return how many. Raises: SetupError if one is judged
        wrongly."""
        ...

    def bench(self, number: int) -> Bench:
        """Return place `number`, for the thread that calls."""
        ...

    def close(self) -> None:
        """Give back what all of them hold."""
        ...
