"""A worker for `workload: exec` that misbehaves in the way its first argument names."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Any

WORK_S = 0.03
LENGTHY = 48_000


def example() -> Any:
    """The example, which behaves."""
    path = Path(__file__).parents[2] / "csrc/port/linux/examples/ab_filter.py"
    spec = importlib.util.spec_from_file_location("ab_filter", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def say(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def message(ab: Any, type_: int, body: bytes) -> bytes:
    whole = ab.HEADER.pack(b"HILX", 1, type_, 0, len(body)) + body
    return bytes(whole + struct.pack("<I", ab.crc32c(whole)))


def broken(ab: Any, kind: str, body: bytes) -> bytes:
    """The right answer to a STEP, changed."""
    good = message(ab, ab.STEP, body)
    return {
        "crc": good[:-1] + bytes([good[-1] ^ 1]),
        "magic": b"X" + good[1:],
        "version": good[:4] + b"\2" + good[5:],
        "flags": good[:6] + b"\1" + good[7:],
        "type": message(ab, ab.INIT, body),
        "short": message(ab, ab.STEP, body[:-1]),
        "long": message(ab, ab.STEP, body + b"x"),
        "huge": good[:8] + struct.pack("<I", 0xFFFFFFFF) + good[12:],
        "frame": message(ab, ab.STEP, struct.pack("<Q", 99) + body[8:]),
        "twice": good + good,
        "text": b"frame done, all is well\n" * 10,
        "half": good[: len(good) // 2],
    }[kind]


def lengthy(output: bytes) -> bytes:
    """A long output, made of a short one: every 16 bytes are others."""
    pieces = [hashlib.sha256(output + struct.pack("<I", i)).digest() for i in range(LENGTHY // 32)]
    return b"".join(pieces)


def on_a_board() -> bool:
    """Whether an agent has started this program, and not the golden run."""
    return Path(f"/proc/{os.getppid()}/comm").read_text().startswith("hil-agent")


def once(marker: str) -> bool:
    """Whether no other program has been here before."""
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def shout(count: int) -> None:
    """Numbered lines on standard error."""
    sys.stderr.write("".join(f"line {number:04}\n" for number in range(count)))
    sys.stderr.flush()


def end_talking(kind: str) -> bool:
    """End after a word on standard error, if this kind does so here; return whether it is another
    kind that only may do so, and does not."""
    if kind == "shout":
        shout(1000)
        os._exit(3)
    if kind == "once" and on_a_board() and once(sys.argv[3]):  # one node of a run, once
        sys.stderr.write("engine lost\n\x1b[31mout of memory\n\n")
        sys.stderr.flush()
        os._exit(3)
    return kind == "once"


def misbehave(ab: Any, kind: str, body: bytes) -> None:
    if kind == "segv":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif kind.startswith("exit"):
        os._exit(int(kind[4:]))
    elif kind == "sleep":
        time.sleep(1000)
    elif kind == "spin":
        while True:
            pass
    elif kind == "close":
        os.close(1)
        time.sleep(1000)
    elif kind == "flood":
        while True:
            say(b"\xaa" * 65536)
    elif kind == "child":  # leaves somebody behind who holds the pipes
        if os.fork() == 0:
            time.sleep(1000)
        os._exit(0)
    else:
        say(broken(ab, kind, body))
    if kind == "half":
        time.sleep(1000)


def begin_badly(kind: str) -> None:
    """Misbehave before the first request."""
    if kind == "early":
        say(b"hello\n")
    elif kind == "silent":
        time.sleep(1000)
    elif kind == "gone":
        sys.exit(0)
    elif kind == "refuse":
        sys.stderr.write("looking for the engine\nno engine: /opt/e.plan\n")
        sys.exit(4)
    elif kind == "late":
        time.sleep(float(sys.argv[3]))


def main() -> None:
    kind, at = sys.argv[1], int(sys.argv[2])
    ab = example()
    begin_badly(kind)
    while header := sys.stdin.buffer.read(ab.HEADER.size):
        _, _, type_, _, length = ab.HEADER.unpack(header)
        body = sys.stdin.buffer.read(length + 4)[:-4]
        if type_ == ab.INIT:
            sizes = (ab.STATE, ab.INPUT, ab.OUTPUT)
            sizes = {
                "large": (2**21, 8, 16),
                "wide": (24, 8, 65_537),
                "lengthy": (24, 8, LENGTHY),
            }.get(kind, sizes)
            state = ab.init(*struct.unpack("<Q", body))
            state = b"" if kind == "stateless" else state
            sizes = (0, 8, 16) if kind == "stateless" else sizes
            say(message(ab, ab.INIT, struct.pack("<III", *sizes) + state))
            continue
        (frame,) = struct.unpack("<Q", body[:8])
        if kind == "stateless":
            say(message(ab, ab.STEP, body[:8] + body[8:16] + body[:8]))
            continue
        if kind == "noisy":  # more than a pipe holds
            shout(20_000)
        state, output = ab.step(body[8:32], body[32:])
        if kind == "lengthy":
            output = lengthy(output)
        good = body[:8] + state + output
        if frame == at and kind == "lie":
            good = body[:8] + state + bytes(16)
        elif frame == at and kind == "work":  # slow, but right
            long_s = float(sys.argv[3]) if len(sys.argv) > 3 else WORK_S
            until_s = time.process_time() + long_s
            while time.process_time() < until_s:
                pass
        elif frame == at and not end_talking(kind):
            misbehave(ab, kind, good)
            continue
        say(message(ab, ab.STEP, good))
        if frame == at - 1 and kind == "later":  # unasked
            say(b"and another thing")


if __name__ == "__main__":
    main()
