"""The streaming decoder on damaged streams."""

from __future__ import annotations

import random

import pytest

from hil._kernel import lib
from tests.wire.framing import Decoder, encode, expected


def decode_in_cuts(stream: bytes, rng: random.Random, longest: int) -> Decoder:
    decoder = Decoder()
    at = 0
    while at < len(stream):
        n = rng.randint(1, longest)
        decoder.push(stream[at : at + n])
        at += n
    return decoder


def random_frame(rng: random.Random) -> tuple[tuple[int, int, bytes], bytes]:
    length = rng.choice([0, 1, rng.randint(0, 60), rng.randint(230, 270), rng.randint(0, 1024)])
    zero_share = rng.choice([0.0, 0.02, 0.5])
    payload = bytes(0 if rng.random() < zero_share else rng.randint(1, 255) for _ in range(length))
    frame = (rng.randrange(256), rng.randrange(65536), payload)
    return frame, encode(*frame)


@pytest.mark.parametrize("longest", [1, 7, 100, 5000])
def test_frames_between_garbage_are_all_found(longest: int) -> None:
    rng = random.Random(longest)
    stream, frames = b"", []
    for _ in range(300):
        kind = rng.randrange(4)
        if kind == 0:  # noise, ended by nothing but the frame behind it
            stream += rng.randbytes(rng.choice([1, 10, 100, 1500]))
        elif kind == 1:
            stream += bytes(rng.randint(1, 5))
        frame, coded = random_frame(rng)
        frames.append(frame)
        stream += coded
    decoder = decode_in_cuts(stream, rng, longest)
    assert decoder.outcomes == expected(stream)
    assert [o for o in decoder.outcomes if not isinstance(o, str)] == frames
    decoder.check_counters(stream)


@pytest.mark.parametrize("seed", range(8))
def test_damaged_streams_decode_as_the_specification_says(seed: int) -> None:
    rng = random.Random(100 + seed)
    stream = bytearray()
    for _ in range(250):
        frame, coded = random_frame(rng)
        piece = bytearray(coded)
        kind = rng.randrange(7)
        if kind == 0:
            del piece[rng.randrange(len(piece))]
        elif kind == 1:
            piece.insert(rng.randrange(len(piece)), rng.randrange(256))
        elif kind == 2:
            piece[rng.randrange(len(piece))] = rng.randrange(256)
        elif kind == 3:
            del piece[rng.randrange(len(piece)) :]
        elif kind == 4:
            piece = bytearray(encode(*frame, version=rng.choice([0, lib.WIRE_VERSION + 1, 255])))
        elif kind == 5 and rng.random() < 0.3:
            piece = bytearray(rng.randint(1, 255) for _ in range(rng.randint(1030, 2500)))
        stream += piece
    decoder = decode_in_cuts(bytes(stream), rng, 300)
    assert decoder.outcomes == expected(bytes(stream))
    assert len(set(map(type, decoder.outcomes))) == 2
    decoder.check_counters(bytes(stream))


@pytest.mark.parametrize("flips", [1, 2, 3])
def test_up_to_three_flipped_bits_never_make_a_wrong_frame(flips: int) -> None:
    rng = random.Random(200 + flips)
    for _ in range(4000):
        _, coded = random_frame(rng)
        damaged = bytearray(coded)
        for bit in rng.sample(range(8, 8 * (len(coded) - 1)), flips):
            damaged[bit // 8] ^= 1 << bit % 8
        decoder = Decoder()
        decoder.push(bytes(damaged))
        assert decoder.outcomes, "damage inside a frame is always reported"
        assert all(isinstance(o, str) for o in decoder.outcomes)
        assert decoder.d.counters.frames == 0


def test_a_flipped_bit_in_a_stream_costs_at_most_one_frame() -> None:
    rng = random.Random(300)
    for _ in range(200):
        pairs = [random_frame(rng) for _ in range(6)]
        frames, stream = [f for f, _ in pairs], bytearray(b"".join(c for _, c in pairs))
        bit = rng.randrange(8 * len(stream))
        stream[bit // 8] ^= 1 << bit % 8
        decoder = decode_in_cuts(bytes(stream), rng, 400)
        found = [o for o in decoder.outcomes if not isinstance(o, str)]
        assert all(f in frames for f in found)
        assert len(found) >= 5
        decoder.check_counters(bytes(stream))


def test_every_single_cut_of_two_frames_makes_no_difference() -> None:
    stream = encode(1, 2, b"\x01" * 300) + encode(3, 4, bytes(20))
    for cut in range(len(stream) + 1):
        decoder = Decoder()
        decoder.push(stream[:cut])
        decoder.push(stream[cut:])
        assert decoder.outcomes == [(1, 2, b"\x01" * 300), (3, 4, bytes(20))]


def test_what_an_overrun_holds_is_not_decoded() -> None:
    inner = encode(1, 2, b"inside")[1:-1]
    stream = b"\x41" * 1040 + inner + b"\0" + encode(3, 4, b"after")
    decoder = decode_in_cuts(stream, random.Random(400), 50)
    assert decoder.outcomes == ["overruns", (3, 4, b"after")]
    decoder.check_counters(stream)


def test_the_version_of_the_peer_is_known_after_a_frame_of_any_version() -> None:
    for version in (0, 1, 2, 3, 255):
        decoder = Decoder()
        decoder.push(encode(0x81, 0, b"whatever a later version says", version))
        assert decoder.d.peer_version == version
        assert decoder.d.counters.version_errors == (version != lib.WIRE_VERSION)
