"""A layer of a network as a worker for `workload: exec`, with its weights named, in NumPy.

    HIL_EXEC="dense=/usr/bin/python3,$PWD/dense.py" hil run scenario.yaml

Copy it with hil_worker.py. It computes bit by bit what dense.c does.
SPDX-License-Identifier: Apache-2.0"""

from __future__ import annotations

import struct

import hil_worker
import numpy as np

SIZE = 16
MASK = 2**64 - 1

worker = hil_worker.Worker(input_len=SIZE, output_len=4 * SIZE)
weights = worker.region("dense.weight", np.zeros((SIZE, SIZE), "<i1"), use="weights")
sums = worker.region("sums", np.zeros(SIZE, "<i4"), use="activations")


def init(seed: int) -> bytes:
    """Return the program's own state, which counts frames; put weights from the seed into their
    region (xorshift64)."""
    x = seed * 2 + 1 & MASK
    values = []
    for _ in range(SIZE * SIZE):
        x ^= x << 13 & MASK
        x ^= x >> 7
        x ^= x << 17 & MASK
        values.append(x >> 56)
    weights[:] = np.array(values, "u1").view("i1").reshape(SIZE, SIZE)
    return bytes(4)


def step(_frame: int, state: bytes, data: bytes) -> tuple[bytes, bytes]:
    """Return the next state, and the sums as the output."""
    sums[:] = weights.astype(np.int32) @ np.frombuffer(data, "i1").astype(np.int32)
    (count,) = struct.unpack("<I", state)
    return struct.pack("<I", count + 1 & 0xFFFFFFFF), sums.astype("<i4").tobytes()


if __name__ == "__main__":
    worker.run(step, init)
