"""The elevator controller of scenarios/stories/dropped-state-scrub in Python: a model of its own,
with integers as Python has them, limited where the text of the controller says so."""

from __future__ import annotations

import struct
import zlib

__all__ = ["BLOCK", "COPIES", "step"]

WORDS = 25
BLOCK = 4 * WORDS
COPIES = 3
SCHEDULE = 7


def signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word


def limited(value: int, least: int, most: int) -> int:
    if value < least:
        return least
    return most if value > most else value  # noqa: FURB136  (`least` may be above `most`)


def quotient(value: int, by: int) -> int:
    """Division as in C: towards zero."""
    return -(-value // by) if value < 0 else value // by


def sensed(given: bytes) -> list[int]:
    sets = []
    for at in range(0, 60, 20):
        values, check = given[at : at + 16], given[at + 16 : at + 20]
        if zlib.crc32(values) == int.from_bytes(check, "little"):
            sets.append(struct.unpack("<4i", values))
    if not sets:
        return [0] * 4
    chosen = (
        [sorted(column)[1] for column in zip(*sets, strict=True)] if len(sets) == 3 else sets[0]
    )
    return [limited(value, -100000, 100000) for value in chosen]


def step(state: bytes, given: bytes, *, scrubs: bool) -> tuple[bytes, bytes]:
    """Return the state after a step, and its output."""
    copies = [
        struct.unpack(f"<{WORDS}I", state[i * BLOCK : (i + 1) * BLOCK]) for i in range(COPIES)
    ]
    words = list(copies[0])
    if scrubs:
        words = [a & b | a & c | b & c for a, b, c in zip(*copies, strict=True)]
    pitch_rate, load, stick, speed = sensed(given)
    row = SCHEDULE
    for number in range(1, 6):
        if speed >= signed(words[SCHEDULE + 3 * number]):
            row = SCHEDULE + 3 * number
    rate = limited(signed(words[2]), -1000000, 1000000)
    rate += quotient(pitch_rate - rate, 4)
    error = 5 * stick - rate
    integral = limited(signed(words[1]), -4000000, 4000000)
    integral = limited(integral + error, -4000000, 4000000)
    gain, slow = signed(words[row + 1]), signed(words[row + 2])
    command = quotient(gain * error + quotient(slow * integral, 16), 1024)
    if load > 2500:
        command -= 4 * (load - 2500)
    last, slew = signed(words[3]), signed(words[6])
    command = limited(command, last - slew, last + slew)
    command = limited(command, signed(words[5]), signed(words[4]))
    words[2], words[1] = rate % (1 << 32), integral % (1 << 32)
    words[3] = limited(command, -(1 << 31), (1 << 31) - 1) % (1 << 32)
    words[0] = (words[0] + 1) % (1 << 32)
    block = struct.pack(f"<{WORDS}I", *words)
    return block * COPIES, struct.pack("<3I", words[3], words[2], words[0])
