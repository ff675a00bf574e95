"""Make a program of yours a worker of hil (`workload: exec`): copy this one file beside it.

    import hil_worker

    worker = hil_worker.Worker(input_len=8, output_len=16)
    weights = worker.region("weights", bytearray(1024), use="weights")

    def step(frame, state, data):           # state and data are bytes
        ...
        return state, output                # and so are these

    worker.run(step)

It needs nothing but Python (3.9); regions may be NumPy arrays, or anything else that shares its
memory. The rules are those of csrc/port/linux/EXEC.md: state and output depend on nothing but what
`step` is given, the seed, and the regions. What is printed goes to standard error, of which the
agent keeps the last 4 KiB. SPDX-License-Identifier: Apache-2.0"""

from __future__ import annotations

import os
import re
import struct
import sys
import zlib
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, NamedTuple

__all__ = ["Worker", "crc32c"]

Step = Callable[[int, bytes, bytes], tuple[bytes, bytes]]
Init = Callable[[int], bytes]
ReadMemory = Callable[[int, int], bytes]
WriteMemory = Callable[[int, bytes], None]
Digest = Callable[[], int]
Access = tuple[ReadMemory, WriteMemory, Digest]

_INIT, _STEP, _READ, _WRITE = 1, 2, 3, 4
_HEADER = struct.Struct("<4sBBHI")
_PLACE = struct.Struct("<III")
_U64 = struct.Struct("<Q")
_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,31}")
_USES = ("other", "weights", "activations")
_ELEMENTS = {
    "bytes": (0, 1),
    "int8": (1, 1),
    "uint8": (2, 1),
    "int16": (3, 2),
    "uint16": (4, 2),
    "int32": (5, 4),
    "uint32": (6, 4),
    "int64": (7, 8),
    "uint64": (8, 8),
    "fp16": (9, 2),
    "bf16": (10, 2),
    "fp32": (11, 4),
    "fp64": (12, 8),
    "bool": (13, 1),
}
_FORMATS = {
    "b": "int8",
    "B": "uint8",
    "h": "int16",
    "H": "uint16",
    "i": "int32",
    "I": "uint32",
    "q": "int64",
    "Q": "uint64",
    "e": "fp16",
    "f": "fp32",
    "d": "fp64",
    "?": "bool",
}


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of `data`: of the first request, which has 20 bytes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class _Region(NamedTuple):
    declaration: bytes
    read: ReadMemory
    write: WriteMemory
    digest: Digest


def _digest(content: Any) -> int:
    """Return the digest of a region: the Adler-32 of its bytes above their CRC-32."""
    return zlib.adler32(content) << 32 | zlib.crc32(content)


class Worker:
    """A program as a worker: its sizes, the memory that it names, and the conversation with the
    agent."""

    def __init__(self, *, input_len: int, output_len: int) -> None:
        if not 0 <= input_len <= 256 or not 1 <= output_len <= 65536:
            raise ValueError("an input has 0 to 256 bytes, an output 1 to 65536")
        self.input_len = input_len
        self.output_len = output_len
        self._regions: list[_Region] = []
        self._names: list[str] = []
        self._state_len = 0

    # --- regions ----------------------------------------------------------------------------------

    def region(
        self, name: str, memory: Any, *, use: str = "other", element: str | None = None
    ) -> Any:
        """Name memory that upsets may hit, and that is compared and healed with the state: a NumPy
        array, a bytearray, an array.array, or anything with a writable buffer in one piece. It must
        stay where it is: change it in place (`array[:] = ...`). `use`: "weights", "activations" or
        "other"; `element`: what its bytes are, if that is not known from it, such as "bf16".
        Returns `memory`."""
        view = memoryview(memory)
        if view.readonly or not view.c_contiguous:
            raise ValueError(f"{name}: its memory cannot be written, or is not in one piece")
        kind = element or _FORMATS.get(view.format.lstrip("<=@"))
        if kind is None and view.format in ("l", "L"):
            kind = ("int" if view.format == "l" else "uint") + str(8 * view.itemsize)
        shape: Sequence[int] = view.shape or ()
        if kind is None or len(shape) > 6 or _ELEMENTS[kind][1] != view.itemsize:
            kind, shape = "bytes", (view.nbytes,)
        octets = view.cast("B")

        def write(offset: int, data: bytes) -> None:
            octets[offset : offset + len(data)] = data

        def read(offset: int, length: int) -> bytes:
            return bytes(octets[offset : offset + length])

        access = (read, write, lambda: _digest(octets))
        self._add(name, kind, use, shape, access, on_device=False)
        return memory

    def device_region(
        self,
        name: str,
        shape: Sequence[int],
        element: str,
        read: ReadMemory,
        write: WriteMemory,
        *,
        use: str = "other",
        digest: Digest | None = None,
    ) -> None:
        """Name memory of a GPU or another device, which these functions read and write:
        `read(offset, length)` returns bytes, `write(offset, data)` puts them there, and what is
        read then must be what the device has. `digest()`: of all of it, as `digest_of` computes it;
        default: all of it is read after each step."""
        length = _bytes_of(shape, element)
        access = (read, write, digest or (lambda: _digest(read(0, length))))
        self._add(name, element, use, shape, access, on_device=True)

    @staticmethod
    def digest_of(content: bytes) -> int:
        """Return the digest of the content of a region."""
        return _digest(content)

    def _add(
        self,
        name: str,
        element: str,
        use: str,
        shape: Sequence[int],
        access: Access,
        *,
        on_device: bool,
    ) -> None:
        if not _NAME.fullmatch(name) or name in self._names:
            raise ValueError(f"{name!r}: expected another name of 1 to 31 of A-Z a-z 0-9 _ . : / -")
        if use not in _USES:
            raise ValueError(f"{name}: use {use!r}; expected one of {', '.join(_USES)}")
        length = _bytes_of(shape, element)
        if not length:
            raise ValueError(f"{name}: it is empty")
        sizes = [*shape, *[0] * (6 - len(shape))]
        place = (_ELEMENTS[element][0], _USES.index(use), int(on_device), len(shape))
        declaration = struct.pack("<32sBBBBI6I", name.encode(), *place, length, *sizes)
        self._names.append(name)
        self._regions.append(_Region(declaration, *access))

    # --- the conversation -------------------------------------------------------------------------

    def run(self, step: Step, init: Init | None = None) -> None:
        """Answer the agent until it closes the pipe. `init(seed)` returns the state of its own
        before the first frame; without it, or if that is empty, the program has none. It may also
        put the first content into the regions."""
        source, sink = sys.stdin.buffer, _own_output()
        while len(header := source.read(_HEADER.size)) == _HEADER.size:
            magic, version, kind, _, length = _HEADER.unpack(header)
            body = source.read(length)
            crc = zlib.crc32(header + body) if version == 2 else crc32c(header + body)
            if magic != b"HILX" or source.read(4) != struct.pack("<I", crc):
                sys.exit("hil_worker: this is not a request of hil-agent")
            if kind == _INIT:
                answer = self._first_answer(b"" if init is None else init(*_U64.unpack(body)))
            elif kind == _STEP:
                answer = self._answer_of_step(step, body)
            else:
                answer = self._answer_about_region(kind, body)
            message = _HEADER.pack(b"HILX", 2, kind, 0, len(answer)) + answer
            sink.write(message + struct.pack("<I", zlib.crc32(message)))
            sink.flush()

    def _answer_of_step(self, step: Step, body: bytes) -> bytes:
        (frame,), end = _U64.unpack_from(body), _U64.size + self._state_len
        state, output = step(frame, body[_U64.size : end], body[end:])
        if len(state) != self._state_len or len(output) != self.output_len:
            sys.exit(
                f"hil_worker: the step returned {len(state)} bytes of state and {len(output)} of "
                f"output; expected {self._state_len} and {self.output_len}"
            )
        digests = b"".join(_U64.pack(region.digest()) for region in self._regions)
        return body[: _U64.size] + state + output + digests

    def _answer_about_region(self, kind: int, body: bytes) -> bytes:
        number, offset, length = _PLACE.unpack_from(body)
        region = self._regions[number]
        if kind == _READ:
            return body + region.read(offset, length)
        if kind != _WRITE:
            sys.exit(f"hil_worker: a request of unknown type {kind}: the agent is newer")
        region.write(offset, body[_PLACE.size :])
        return body[: _PLACE.size]

    def _first_answer(self, state: bytes) -> bytes:
        self._state_len = len(state)
        declarations = [region.declaration for region in self._regions]
        sizes = (len(state), self.input_len, self.output_len, len(declarations))
        return struct.pack("<IIII", *sizes) + b"".join(declarations) + state


def _bytes_of(shape: Sequence[int], element: str) -> int:
    if element not in _ELEMENTS:
        raise ValueError(f"element {element!r}; expected one of {', '.join(_ELEMENTS)}")
    length = _ELEMENTS[element][1]
    for size in shape:
        length *= size
    return length


def _own_output() -> BinaryIO:
    """Return standard output for the agent alone: what libraries print there goes to standard
    error."""
    sys.stdout.flush()
    mine = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return mine
