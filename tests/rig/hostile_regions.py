"""A worker of protocol version 2 that misbehaves in the way its first argument names: where it is
asked for its regions, or declares them. With a second argument, `frame`, from then on."""

from __future__ import annotations

import os
import struct
import sys
import time
import zlib
from pathlib import Path

HEADER = struct.Struct("<4sBBHI")
INIT, STEP, READ, WRITE = 1, 2, 3, 4
STATE, INPUT, OUTPUT = 8, 8, 8


def declaration(
    name: bytes = b"weights", element: int = 0, shape: tuple[int, ...] = (64,), length: int = 64
) -> bytes:
    sizes = [*shape, *[0] * (6 - len(shape))][:6]
    return struct.pack("<32sBBBBI6I", name, element, 1, 0, len(shape), length, *sizes)


DECLARED = {
    "no-name": [declaration(b"")],
    "long-name": [declaration(b"n" * 32)],
    "bad-name": [declaration(b"a\x1b[31mb")],
    "hidden-name": [declaration(b"a\0b")],
    "twice-named": [declaration(), declaration()],
    "unknown-element": [declaration(element=14)],
    "other-shape": [declaration(shape=(65,))],
    "other-size": [declaration(element=11)],
    "deep": [declaration(shape=(1, 1, 1, 1, 1, 1, 64))],
    "empty": [declaration(shape=(0,), length=0)],
    "wraps": [declaration(shape=(2**31, 2**31, 4), length=0)],
    "huge": [declaration(shape=(2**26 + 1,), length=2**26 + 1)],
    "together-huge": [
        declaration(b"a", shape=(2**26,), length=2**26),
        declaration(b"b", shape=(1,), length=1),
    ],
    "many": [declaration(b"r%d" % i, shape=(1,), length=1) for i in range(257)],
}


def say(version: int, kind: int, body: bytes) -> None:
    message = HEADER.pack(b"HILX", version, kind, 0, len(body)) + body
    sys.stdout.buffer.write(message + struct.pack("<I", zlib.crc32(message)))
    sys.stdout.buffer.flush()


def digest(content: bytes) -> bytes:
    return struct.pack("<II", zlib.crc32(content), zlib.adler32(content))


def answer_badly(kind: str, type_: int, body: bytes, memory: bytearray) -> bytes | None:
    """The answer to READ or WRITE; None: a good one."""
    if type_ == READ:
        number, offset, length = struct.unpack("<III", body)
        content = bytes(memory[offset : offset + length])
        if kind == "read-hangs":
            time.sleep(1000)
        if kind == "read-crashes":
            os.abort()
        if kind == "read-exits":
            os._exit(3)
        return {
            "read-other-region": struct.pack("<III", number + 1, offset, length) + content,
            "read-other-place": struct.pack("<III", number, offset + 1, length) + content,
            "read-short": body + content[:-1],
            "read-long": body + content + b"x",
            "read-nothing": b"",
            "read-grows": struct.pack("<III", number, offset, length + 8) + content + bytes(8),
            "read-lies": body + bytes(len(content)),
        }.get(kind)
    place = body[:12]
    return {
        "write-other-place": place[:4] + struct.pack("<II", 7, 7),
        "write-nothing": b"",
        "write-long": place + b"x",
    }.get(kind)


def compute(kind: str, bad: bool, body: bytes, memory: bytearray) -> None:
    (frame,) = struct.unpack("<Q", body[:8])
    if bad and kind not in ("deaf", "slow-step"):
        memory[frame % 64] ^= 0x5A  # so that it is read
    if kind == "slow-step":
        time.sleep(0.3)
    stated = digest(bytes(memory))
    if bad and kind == "other-digest":
        stated = bytes(8)
    if bad and kind == "more-digests":
        stated += bytes(8)
    if bad and kind == "no-digest":
        stated = b""
    say(2, STEP, body[:24] + stated)
    if bad and kind == "chatters":
        say(2, READ, b"")


def main() -> None:
    kind = sys.argv[1]
    frame_from = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    memory = bytearray(range(64))
    bad = False
    while header := sys.stdin.buffer.read(HEADER.size):
        _, _, type_, _, length = HEADER.unpack(header)
        body = sys.stdin.buffer.read(length + 4)[:-4]
        if type_ == INIT:
            declared = DECLARED.get(kind, [declaration()])
            if kind == "another-after-restart" and not first_time(sys.argv[3]):
                declared = [declaration(shape=(72,), length=72)]
                memory += bytes(8)
            missing = 3 if kind == "too-few" else 0
            sizes = struct.pack("<IIII", STATE, INPUT, OUTPUT, len(declared) + missing)
            say(2, INIT, sizes + b"".join(declared) + bytes(STATE))
        elif type_ == STEP:
            bad = struct.unpack("<Q", body[:8])[0] >= frame_from
            compute(kind, bad, body, memory)
        elif bad and (answer := answer_badly(kind, type_, body, memory)) is not None:
            say(2, type_, answer)
        elif type_ == READ:
            _, offset, length = struct.unpack("<III", body)
            say(2, READ, body + memory[offset : offset + length])
        else:
            _, offset, length = struct.unpack("<III", body[:12])
            if kind != "deaf":
                memory[offset : offset + length] = body[12:]
            say(2, WRITE, body[:12])


def first_time(marker: str) -> bool:
    """Whether no agent has started this program before; the golden run does not count."""
    if not Path(f"/proc/{os.getppid()}/comm").read_text().startswith("hil-agent"):
        return True
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


if __name__ == "__main__":
    main()
