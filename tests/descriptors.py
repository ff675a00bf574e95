"""What this process has open, to be compared before and after."""

from __future__ import annotations

import gc
from pathlib import Path

__all__ = ["open_descriptors"]


def open_descriptors() -> int:
    """How many descriptors are open; not those that earlier tests left to the garbage collector,
    which else closes them in the midst of another test."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))
