"""Pair cores: the processor cores on which the software boards of self-checking pairs compute.

The two nodes of a pair are to fail independently, so their agents get different cores of this
computer where it has two. Boards of other kinds have cores of their own, or none: all `inproc`
boards compute in the process of the host."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

__all__ = ["core_of", "cores_text", "usable_cores"]


def usable_cores() -> tuple[int, ...]:
    """Return the numbers of the cores that this process may use; none where the system does not
    tell."""
    return tuple(sorted(os.sched_getaffinity(0))) if sys.platform == "linux" else ()


def core_of(node: int, cores: Sequence[int]) -> int | None:
    """Return the core for the node at this position of a rig of pairs; None if there are fewer than
    two: then nothing is gained by it."""
    return cores[node % len(cores)] if len(cores) > 1 else None


def cores_text(pairs: int, cores: Sequence[int]) -> str:
    """Return how the process boards of this many pairs share `cores`, for the record."""
    if len(cores) < 2:
        return "pairs: both nodes of a pair share one core of this computer, and its faults"
    used = [core_of(node, cores) for node in range(2 * pairs)]
    names = ", ".join(str(core) for core in sorted({core for core in used if core is not None}))
    text = f"pairs: the nodes of each pair compute on different cores of this computer ({names})"
    return f"{text}, which the pairs share" if len(cores) < len(used) else text
