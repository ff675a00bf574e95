"""A worker for `workload: exec`: an alpha-beta filter, in Python without any library.

    hil-agent --port /dev/serial0 --exec filter=/usr/bin/python3,/usr/local/lib/ab_filter.py

Copy it: only `init` and `step` are about the filter. It computes bit by bit what ab_filter.c does.
../EXEC.md has the rules. SPDX-License-Identifier: Apache-2.0"""

from __future__ import annotations

import struct
import sys

# --- the work -----------------------------------------------------------------------------------

STATE, INPUT, OUTPUT = 24, 8, 16
MASK = 2**64 - 1


def init(seed: int) -> bytes:
    """Position, velocity, steps: integers, so that every machine gets the same bits."""
    return struct.pack("<QQQ", seed, 0, 0)


def divided(value: int, by: int) -> int:
    """Return a quotient rounded towards zero, as in C."""
    return -(-value // by) if value < 0 else value // by


def step(state: bytes, input_: bytes) -> tuple[bytes, bytes]:
    """Return the next state, and the output."""
    position, velocity, steps = struct.unpack("<QQQ", state)
    (measured,) = struct.unpack("<Q", input_)
    predicted = position + velocity & MASK
    residual = measured - predicted & MASK
    residual -= 2**64 if residual >> 63 else 0
    position = predicted + divided(residual, 2) & MASK
    velocity = velocity + divided(residual, 8) & MASK
    after = struct.pack("<QQQ", position, velocity, steps + 1 & MASK)
    return after, after[:OUTPUT]


# --- the protocol -------------------------------------------------------------------------------

INIT, STEP = 1, 2
HEADER = struct.Struct("<4sBBHI")


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of `data`."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def answer(type_: int, body: bytes) -> None:
    """Send an answer to the agent."""
    message = HEADER.pack(b"HILX", 1, type_, 0, len(body)) + body
    sys.stdout.buffer.write(message + struct.pack("<I", crc32c(message)))
    sys.stdout.buffer.flush()


def main() -> int:
    """Answer requests until the agent closes the pipe; return the exit code."""
    while len(header := sys.stdin.buffer.read(HEADER.size)) == HEADER.size:
        _, _, type_, _, length = HEADER.unpack(header)
        body = sys.stdin.buffer.read(length)
        if sys.stdin.buffer.read(4) != struct.pack("<I", crc32c(header + body)):
            return 2
        if type_ == INIT:
            (seed,) = struct.unpack("<Q", body)
            answer(INIT, struct.pack("<III", STATE, INPUT, OUTPUT) + init(seed))
        else:
            state, output = step(body[8 : 8 + STATE], body[8 + STATE :])
            answer(STEP, body[:8] + state + output)
    return 0  # the agent closes the pipe: that is the end


if __name__ == "__main__":
    sys.exit(main())
