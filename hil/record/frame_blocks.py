"""Packed frames on their way into the table `blocks`, and the hash of all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final

__all__ = ["FrameBlocks"]

_BLOCK_FRAMES: Final = 4096


class FrameBlocks:
    """Collects packed frames until they fill a block. `next_frame` is the first frame that is in no
    block yet; `digest` hashes the bytes of all blocks in order."""

    def __init__(self, earlier: Iterable[tuple[int, bytes]] = ()) -> None:
        """Continue after `earlier` blocks, given by the number of their frames and their bytes."""
        self.next_frame = 0
        self.digest: Any = hashlib.sha256()
        self._data = bytearray()
        self._count = 0
        for count, data in earlier:
            self.next_frame += count
            self.digest.update(data)

    def add(self, records: bytes, count: int) -> None:
        """Append the bytes of `count` packed frames."""
        self._data += records
        self._count += count

    @property
    def is_full(self) -> bool:
        """Return whether the frames that were added make a whole block."""
        return self._count >= _BLOCK_FRAMES

    def take(self) -> tuple[int, int, bytes] | None:
        """Return the frames that were added since as a row of `blocks`; None if there are none."""
        if not self._count:
            return None
        row = (self.next_frame, self._count, bytes(self._data))
        self.digest.update(row[2])
        self.next_frame += self._count
        self._count = 0
        self._data.clear()
        return row
