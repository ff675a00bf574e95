"""Speed of the kernel's vote, digest and codec, compared with memcpy, NumPy and zlib on the same
buffers."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from hil._kernel import ffi, lib
from hil.kernel import PAYLOAD_MAX, WIRE_VERSION, check
from hil.perf.row import PerfRow, Reference, fastest, make_row

_GB: Final = 1e9
_MIB: Final = 1 << 20
_SEED: Final = 1


def _buffer(size: int, content: Any = None) -> tuple[Any, Any]:
    """Return a page-aligned NumPy array of uint64 with `size` bytes, and a C pointer to it."""
    memory = np.empty(size + 4096, np.uint8)
    start = -memory.ctypes.data % 4096
    array = memory[start : start + size].view(np.uint64)
    array[:] = 0 if content is None else content
    return array, ffi.from_buffer("uint8_t[]", array)


def vote(quick: bool) -> Iterator[PerfRow]:
    """Measure the bitwise vote of three buffers: its memory traffic (three reads, one write) and
    that of memcpy (one read, one write), and its speed and that of NumPy."""
    rounds = 7 if quick else 25
    where = ffi.new("hil_vote_bits_t *")
    random = np.random.Generator(np.random.Philox(_SEED))
    for mib in (1, 4, 16):
        size = mib * _MIB
        content = random.integers(0, 2**63, size // 8, np.uint64)
        (a, pa), (b, pb), (c, pc), (_, out) = (
            _buffer(size, content),
            _buffer(size, content),
            _buffer(size, content),
            _buffer(size),
        )

        def voting(pa: Any = pa, pb: Any = pb, pc: Any = pc, out: Any = out, n: int = size) -> None:
            lib.vote_bitwise3(pa, pb, pc, out, n, where)

        def copying(
            pa: Any = pa, pb: Any = pb, pc: Any = pc, out: Any = out, n: int = size
        ) -> None:
            ffi.memmove(out, pa, n)
            ffi.memmove(out, pb, n)
            ffi.memmove(out, pc, n)

        def expression(a: Any = a, b: Any = b, c: Any = c) -> Any:
            return (a & b) | (b & c) | (a & c)

        vote_s, copy_s, numpy_s = fastest(rounds, (voting, copying, expression), least_s=0.02)
        value, copied = 4 * size / vote_s / _GB, 6 * size / copy_s / _GB
        yield make_row(
            f"vote {mib} MiB: memory traffic",
            value,
            "GB/s",
            target=">= 0.95 x memcpy",
            ok=value / copied >= 0.95,
            reference=Reference("memcpy, same buffers", copied),
        )
        rate, numpy_rate = size / vote_s / _GB, size / numpy_s / _GB
        yield make_row(
            f"vote {mib} MiB: voted bytes",
            rate,
            "GB/s",
            target=">= 10 x NumPy",
            ok=rate / numpy_rate >= 10,
            reference=Reference("NumPy (a&b)|(b&c)|(a&c)", numpy_rate),
        )


def digest(quick: bool) -> Iterator[PerfRow]:
    """Measure XXH64 of 1 MiB, a NumPy sum of it (which only reads) and zlib.crc32."""
    size = _MIB
    random = np.random.Generator(np.random.Philox(_SEED))
    array, pointer = _buffer(size, random.integers(0, 2**63, size // 8, np.uint64))
    digest_s, sum_s, crc_s = fastest(
        7 if quick else 25,
        (
            lambda: lib.hil_digest64(pointer, size, 0),
            array.sum,
            lambda: zlib.crc32(array),
        ),
    )
    value, read = size / digest_s / _GB, size / sum_s / _GB
    yield make_row(
        "digest 1 MiB",
        value,
        "GB/s",
        target=">= 5 GB/s",
        ok=value >= 5,
        reference=Reference("NumPy sum (reads only)", read),
        note=f"zlib.crc32: {size / crc_s / _GB:.2f} GB/s",
    )


def codec(quick: bool) -> Iterator[PerfRow]:
    """Measure encoding and decoding of wire frames with the longest payload, many in a stream."""
    frames = 64
    random = np.random.Generator(np.random.Philox(_SEED))
    payload = random.integers(0, 256, PAYLOAD_MAX, np.uint8).tobytes()
    cap = lib.WIRE_FRAME_MAX
    stream = ffi.new("uint8_t[]", frames * cap)
    copy = ffi.new("uint8_t[]", frames * cap)
    used = ffi.new("size_t *")
    decoder = ffi.new("hil_wire_decoder_t *")
    frame = ffi.new("hil_wire_frame_t *")
    lib.wire_decoder_init(decoder)
    source = ffi.from_buffer("uint8_t[]", payload)
    check(lib.wire_encode_version(WIRE_VERSION, 1, 1, source, PAYLOAD_MAX, stream, cap, used), "")
    length = int(used[0])

    def encoding() -> None:
        for i in range(frames):
            at = stream + i * length
            lib.wire_encode_version(WIRE_VERSION, 1, 1, source, PAYLOAD_MAX, at, cap, used)

    def decoding() -> None:
        at, end, decoded = 0, frames * length, 0
        while at < end:
            decoded += lib.wire_decoder_push(decoder, stream + at, end - at, used, frame) == 1
            at += used[0]
        assert decoded == frames, "every frame is decoded"

    def copying() -> None:
        for i in range(frames):
            ffi.memmove(copy + i * length, stream + i * length, length)

    actions: list[Callable[[], object]] = [encoding, decoding, copying]
    try:
        cobs: Any = importlib.import_module("cobs.cobs")
        raw = bytes(8) + payload
        packed = cobs.encode(raw)
        actions += [
            lambda: [cobs.encode(raw) for _ in range(frames)],
            lambda: [cobs.decode(packed) for _ in range(frames)],
        ]
    except ImportError:
        pass
    encoding()
    times = fastest(7 if quick else 25, actions, least_s=0.005)
    moved = frames * PAYLOAD_MAX / _GB
    for i, name in enumerate(("encode", "decode")):
        value, copied = moved / times[i], moved / times[2]
        other = f"; cobs of PyPI, without CRC: {moved / times[3 + i]:.2f} GB/s" if times[3:] else ""
        yield make_row(
            f"frame {name}, 1 KiB payloads",
            value,
            "GB/s",
            target=">= 1 GB/s",
            ok=value >= 1,
            reference=Reference("memcpy, frame by frame", copied),
            note=f"COBS and CRC-32C, through cffi{other}",
        )
