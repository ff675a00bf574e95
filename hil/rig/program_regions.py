"""The regions that a program has named in its first answer, and their content, as the golden run
keeps it (csrc/port/linux/EXEC.md, version 2)."""

from __future__ import annotations

import math
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Final

from hil.kernel import ELEMENTS, NamedRegion

__all__ = ["RegionMemory", "declared_regions", "region_digest"]

_RANK_MAX: Final = 6
_PIECE: Final = 1 << 16
_BYTES_MAX: Final = 64 << 20
_INFO: Final = struct.Struct("<32sBBBBI6I")
_NAME: Final = re.compile(rb"[A-Za-z0-9_.:/-]{1,31}")
_USES: Final = ("other", "weights", "activations")
_SIZES: Final = (1, 1, 1, 2, 2, 4, 4, 8, 8, 2, 2, 4, 8, 1)

Read = Callable[[int, int, int], bytes | None]
Write = Callable[[int, int, bytes], bool]


def region_digest(content: bytes | memoryview) -> int:
    """Return the digest of a region: the Adler-32 of its bytes above their CRC-32."""
    return zlib.adler32(content) << 32 | zlib.crc32(content)


def declared_regions(declarations: bytes, own_len: int) -> tuple[NamedRegion, ...]:
    """Return the regions in an answer to INIT, whose state of its own has `own_len` bytes.

    Raises: ValueError, with what is wrong."""
    regions: list[NamedRegion] = []
    offset = own_len
    for field in _INFO.iter_unpack(declarations):
        padded, element, use, place, rank, length = field[:6]
        name = padded.rstrip(b"\0")
        if not _NAME.fullmatch(name):
            raise ValueError(f"the name {name[:32]!r}; expected 1 to 31 of A-Z a-z 0-9 _ . : / -")
        text = name.decode()
        if element >= len(ELEMENTS) or use >= len(_USES) or place > 1 or rank > _RANK_MAX:
            raise ValueError(f"{text} has an unknown element, use, place or rank")
        shape = field[6 : 6 + rank]
        if any(field[6 + rank :]) or math.prod(shape) * _SIZES[element] != length or not length:
            raise ValueError(f"{text} has {length} bytes, and its shape {shape} others")
        if any(text == other.name for other in regions):
            raise ValueError(f"two are called {text}")
        kind = ELEMENTS[element]
        regions.append(NamedRegion(text, kind, _USES[use], place == 1, shape, offset, length))
        offset += length
        if offset - own_len > _BYTES_MAX:
            raise ValueError(f"they have more than {_BYTES_MAX >> 20} MiB")
    return tuple(regions)


class RegionMemory:
    """The content of all regions of a program, kept like that of the program. `read` and `write`
    ask it, with the number of the region and the offset in it. Not thread-safe."""

    def __init__(self, regions: Sequence[NamedRegion], read: Read, write: Write) -> None:
        self.regions = tuple(regions)
        self._read = read
        self._write = write
        self._parts: list[bytes] = [b"" for _ in regions]
        self._digests = [-1 for _ in regions]
        self._content = b""

    @property
    def content(self) -> bytes:
        """Return the bytes of all regions, one behind the other."""
        return self._content

    def read_all(self) -> bool:
        """Read all regions; return whether the program sent what it was asked for."""
        return all(self._take(number, None) for number in range(len(self.regions)))

    def update(self, digests: Sequence[int]) -> bool:
        """Read the regions whose digests the program states otherwise than before; return whether
        it sent them, and they have these digests."""
        return all(
            digest == self._digests[number] or self._take(number, digest)
            for number, digest in enumerate(digests)
        )

    def write_all(self, content: bytes) -> bool:
        """Give the program another content of all regions; return whether it has that then."""
        at = 0
        for number, region in enumerate(self.regions):
            wanted = content[at : at + region.length]
            at += region.length
            if wanted == self._parts[number]:
                continue
            for offset in range(0, region.length, _PIECE):
                if not self._write(number, offset, wanted[offset : offset + _PIECE]):
                    return False
            if not self._take(number, region_digest(wanted)):
                return False
        return True

    def _take(self, number: int, digest: int | None) -> bool:
        """Read one region, which has this digest if one is given."""
        length = self.regions[number].length
        pieces: list[bytes] = []
        for offset in range(0, length, _PIECE):
            wanted = min(_PIECE, length - offset)
            piece = self._read(number, offset, wanted)
            if piece is None or len(piece) != wanted:
                return False
            pieces.append(piece)
        part = b"".join(pieces)
        if digest not in (None, region_digest(part)):
            return False
        self._parts[number], self._digests[number] = part, region_digest(part)
        self._content = b"".join(self._parts)
        return True
