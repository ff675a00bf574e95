"""The trace of a step: the registers before each of its instructions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "Addresses",
    "Trace",
    "counters_of",
    "counters_of_path",
    "path_digests",
    "unpack_trace",
]

Addresses: TypeAlias = npt.NDArray[np.uint64]

_PATH_FACTOR = 0x100000001B3
_WORD = (1 << 64) - 1
_INVERSE = pow(_PATH_FACTOR, -1, 1 << 64)


@dataclass(frozen=True, slots=True)
class Trace:
    """The registers before each instruction of a fault-free step: `registers` has the shape
    (instructions, registers), the program counter last."""

    registers: Addresses

    @property
    def length(self) -> int:
        """Return the number of instructions."""
        return len(self.registers)

    @property
    def pc(self) -> Addresses:
        """Return the program counter before each instruction."""
        return self.registers[:, -1]


def unpack_trace(packed: bytes, register_count: int) -> Trace:
    """Return the trace that a board has packed (hil_campaign_trace_t). Raises: ValueError if the
    bytes are not one."""
    rows = list(_rows([packed], register_count))
    return Trace(np.array(rows, dtype=np.uint64).reshape(-1, register_count))


def counters_of(parts: Iterable[bytes], register_count: int) -> Iterator[int]:
    """Yield the program counter before each instruction of a trace that is packed in `parts`, each
    of whole entries. Raises: ValueError if they are not those of a trace."""
    for row in _rows(parts, register_count):
        yield row[-1]


def _rows(parts: Iterable[bytes], register_count: int) -> Iterator[list[int]]:
    values = [0] * register_count
    last = register_count - 1
    for packed in parts:
        at, end = 0, len(packed)
        try:
            while at < end:
                changed = packed[at]
                difference, at = _difference(packed, at + 1)
                values[last] = values[last] + difference & _WORD
                for _ in range(changed):
                    index = packed[at]
                    difference, at = _difference(packed, at + 1)
                    values[index] = values[index] + difference & _WORD
                yield values.copy()
        except IndexError:
            raise ValueError("the trace of the step is cut off") from None


def _difference(packed: bytes, at: int) -> tuple[int, int]:
    """Return the signed difference at `at`, and where it ends."""
    byte = packed[at]
    at += 1
    value, shift = byte & 0x7F, 7
    while byte & 0x80:
        byte = packed[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
    return (value >> 1) ^ -(value & 1), at


def path_digests(pc: Addresses) -> list[int]:
    """Return the digest of the path before each instruction, and after the last one
    (hil_campaign_outcomes_t.path)."""
    digests, digest = [0], 0
    for address in pc.tolist():
        digest = (digest ^ address) * _PATH_FACTOR & _WORD
        digests.append(digest)
    return digests


def counters_of_path(digests: Addresses) -> Addresses:
    """Return the program counters before each instruction whose `path_digests` these are: each
    digest is made of the one before and of one counter, in a way that can be undone."""
    undone: Addresses = digests[1:] * np.uint64(_INVERSE)  # modulo 2^64
    counters: Addresses = undone ^ digests[:-1]
    return counters
