"""Packed frames as a NumPy array, with a field for each part of a frame (hil.record.schema)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.errors import RecordError
from hil.redundancy.voting import record_length

__all__ = ["frame_array"]


def frame_array(data: bytes, nodes: int) -> NDArray[Any]:
    """Return the packed frames in `data` as one structured array, shape (frames,): `frame`,
    `verdict`, `voters`, `flags`, `agree`, `dissent`, `latent`, `output`, `state`, and `node` with
    the ballots, shape (frames, nodes). Raises: RecordError if their length is not that of frames
    of so many nodes."""
    ballot = np.dtype([("status", "u1"), ("signal", "u1"), ("output", "<u8"), ("state", "<u8")])
    layout = np.dtype(
        [
            ("frame", "<u8"),
            *((name, "u1") for name in ("verdict", "nodes", "voters", "flags")),
            *((name, "u1") for name in ("agree", "dissent", "latent", "zero")),
            ("output", "<u8"),
            ("state", "<u8"),
            ("node", ballot, (nodes,)),
        ]
    )
    if layout.itemsize != record_length(nodes) or len(data) % layout.itemsize:
        raise RecordError("its frames have another length")
    return np.frombuffer(data, layout)
