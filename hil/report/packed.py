"""Arrays of numbers, packed into a page: as bytes in planes (all lowest bytes first), compressed
and in base64. `page/packed.js` unpacks them."""

from __future__ import annotations

import base64
import zlib
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["packed", "unpacked"]

Numbers: TypeAlias = npt.NDArray[np.int64]
Bytes: TypeAlias = npt.NDArray[np.uint8]

_LEVEL = 9
_WIDTH = 4


def packed(numbers: npt.ArrayLike, *, differences: bool = False) -> str:
    """Return numbers from 0 to 2**32 - 1, packed; with `differences`, the differences of each to
    the one before (modulo 2**32), which makes ascending numbers small. Raises: ValueError."""
    values: Numbers = np.asarray(numbers, dtype=np.int64).ravel()
    if len(values) and not 0 <= values.min() <= values.max() < 1 << (8 * _WIDTH):
        raise ValueError("a number does not fit into 32 bits")
    if differences:
        values = np.diff(values, prepend=0) % (1 << (8 * _WIDTH))
    planes: Bytes = values.astype("<u4").view(np.uint8).reshape(-1, _WIDTH).T
    content = zlib.compress(np.ascontiguousarray(planes).tobytes(), _LEVEL)
    return base64.b64encode(content).decode("ascii")


def unpacked(text: str, *, differences: bool = False) -> Numbers:
    """Return the numbers that `packed` has packed. Raises: ValueError."""
    try:
        content = zlib.decompress(base64.b64decode(text, validate=True))
    except zlib.error as error:
        raise ValueError(str(error)) from error
    planes: Bytes = np.frombuffer(content, dtype=np.uint8).reshape(_WIDTH, -1)
    values: Numbers = np.ascontiguousarray(planes.T).view("<u4").ravel().astype(np.int64)
    return np.cumsum(values) % (1 << (8 * _WIDTH)) if differences else values
