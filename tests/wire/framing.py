"""Frames by the specification, and the C decoder beside them.

The truth is a decoder of ten lines over PyPI `cobs` and `google_crc32c`, which sees the whole
stream at once."""

from __future__ import annotations

import struct
from collections import Counter

import google_crc32c
from cobs import cobs

from hil._kernel import ffi, lib

__all__ = ["Decoder", "Outcome", "encode", "expected"]

# What became of one frame: its (type, seq, payload), or the name of a counter.
Outcome = tuple[int, int, bytes] | str

REASONS = {
    lib.HIL_ERR_CRC: "crc_errors",
    lib.HIL_ERR_PAYLOAD: "format_errors",
    lib.HIL_ERR_VERSION: "version_errors",
    lib.HIL_ERR_EXHAUSTED: "overruns",
}


def encode(type_: int, seq: int, payload: bytes, version: int = lib.WIRE_VERSION) -> bytes:
    raw = struct.pack("<BBH", version, type_, seq) + payload
    raw += struct.pack("<I", google_crc32c.value(raw))
    return b"\0" + bytes(cobs.encode(raw)) + b"\0"


def judge(run: bytes) -> Outcome:
    """What the specification says of one run of non-zero bytes."""
    if len(run) > 1037:
        return "overruns"
    try:
        raw = cobs.decode(run)
    except cobs.DecodeError:
        return "format_errors"
    if len(raw) > 1032:
        return "overruns"
    if len(raw) < 8:
        return "format_errors"
    if struct.unpack("<I", raw[-4:])[0] != google_crc32c.value(raw[:-4]):
        return "crc_errors"
    version, type_, seq = struct.unpack("<BBH", raw[:4])
    return (type_, seq, raw[4:-4]) if version == lib.WIRE_VERSION else "version_errors"


def expected(stream: bytes) -> list[Outcome]:
    *whole, rest = stream.split(b"\0")
    return [judge(run) for run in whole if run] + (["overruns"] if len(rest) > 1037 else [])


class Decoder:
    """The C decoder, fed with pieces."""

    def __init__(self) -> None:
        self.d = ffi.new("hil_wire_decoder_t *")
        self.outcomes: list[Outcome] = []
        lib.wire_decoder_init(self.d)

    def push(self, data: bytes) -> None:
        frame, used = ffi.new("hil_wire_frame_t *"), ffi.new("size_t *")
        while data:
            result = lib.wire_decoder_push(self.d, data, len(data), used, frame)
            assert 0 < used[0] <= len(data)
            assert result != 0 or used[0] == len(data)
            if result == 1:
                payload = bytes(ffi.buffer(frame.payload, frame.len))
                self.outcomes.append((frame.type, frame.seq, payload))
            elif result < 0:
                self.outcomes.append(REASONS[result])
            data = data[used[0] :]

    def check_counters(self, stream: bytes) -> None:
        """Every outcome is in exactly one counter."""
        counters = self.d.counters
        tally = Counter(o if isinstance(o, str) else "frames" for o in self.outcomes)
        for name in ["frames", *REASONS.values()]:
            assert getattr(counters, name) == tally[name], name
        assert counters.bytes == len(stream)
