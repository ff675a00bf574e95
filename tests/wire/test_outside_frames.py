"""What a decoder passes on of a line: every byte that is in no frame, once, in order, in time."""

from __future__ import annotations

import random

import pytest

from hil import kernel
from tests.wire.framing import encode, expected
from tests.wire.test_decoder import random_frame

BOOT = b"U-Boot 2026.01\r\n\r\nStarting kernel ...\r\n[    0.000000] Booting Linux \xe2\x80\xa6\r\n"


class Outside:
    """Collects what a decoder passes on."""

    def __init__(self) -> None:
        self.pieces: list[tuple[bytes, bool]] = []

    def __call__(self, data: bytes, damaged: bool) -> None:
        assert data
        self.pieces.append((data, damaged))

    def of(self, damaged: bool) -> bytes:
        return b"".join(data for data, was in self.pieces if was is damaged)


def outside_by_runs(stream: bytes) -> bytes:
    """The bytes outside frames, told by the reference decoder from each run between zeros."""
    runs = [run for run in stream.split(b"\0") if run]
    return b"".join(run for run in runs if isinstance(expected(run + b"\0")[0], str))


@pytest.mark.parametrize("longest", [1, 7, 100, 5000])
def test_every_byte_outside_frames_is_passed_on_once_and_in_order(longest: int) -> None:
    rng = random.Random(longest)
    stream = b""
    for _ in range(200):
        kind = rng.randrange(6)
        if kind == 0:
            stream += BOOT[: rng.randrange(len(BOOT))]
        elif kind == 1:
            stream += bytes(rng.randint(1, 255) for _ in range(rng.choice([1, 2, 100, 1500])))
        elif kind == 2:
            stream += bytes(rng.randint(1, 5))
        coded = bytearray(random_frame(rng)[1])
        if kind == 3:
            coded[rng.randrange(1, len(coded) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 4:
            del coded[rng.randrange(1, len(coded)) :]
        stream += coded
    outside = Outside()
    decoder, at = kernel.Decoder(outside), 0
    while at < len(stream):
        n = rng.randint(1, longest)
        decoder.push(stream[at : at + n])
        at += n
    decoder.flush()
    assert b"".join(data for data, _ in outside.pieces) == outside_by_runs(stream)


def test_text_is_passed_on_before_any_zero_follows_it() -> None:
    outside = Outside()
    decoder = kernel.Decoder(outside)
    decoder.push(encode(1, 2, b"frame") + b"Kernel pan")
    assert outside.pieces == [(b"Kernel pan", False)]
    decoder.push(b"ic\r\n")
    assert outside.of(damaged=False) == b"Kernel panic\r\n"


def test_a_frame_in_two_pieces_is_not_passed_on() -> None:
    outside = Outside()
    decoder, coded = kernel.Decoder(outside), encode(0x81, 7, bytes(range(200)))
    for cut in range(len(coded)):
        frames = decoder.push(coded[:cut])[0] + decoder.push(coded[cut:])[0]
        assert len(frames) == 1
    assert outside.pieces == []


def test_a_damaged_and_a_cut_off_frame_are_told_from_text() -> None:
    coded = encode(0x81, 7, b"\1" * 20)
    damaged = bytearray(coded)
    damaged[10] ^= 0x40
    outside = Outside()
    decoder = kernel.Decoder(outside)
    decoder.push(bytes(damaged) + b"login: ")
    decoder.push(coded[:12])
    decoder.flush()
    assert outside.of(damaged=True) == bytes(damaged[1:-1]) + coded[1:12]
    assert outside.of(damaged=False) == b"login: "


TEXT = b"\t\n\r\x1b"
LATER = next(v for v in range(kernel.WIRE_VERSION + 1, 32) if v not in TEXT)
"""The next version: those that a text has as characters are left out (csrc/wire/frame.h)."""


def test_the_wire_version_is_no_character_of_a_text() -> None:
    assert kernel.WIRE_VERSION < 32 and kernel.WIRE_VERSION not in TEXT


def test_a_frame_of_another_version_is_no_text() -> None:
    outside = Outside()
    decoder = kernel.Decoder(outside)
    decoder.push(encode(0x81, 0, b"of a later release", LATER))
    assert decoder.peer_version == LATER and outside.pieces == []
