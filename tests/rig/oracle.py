"""What upset steps compute, without the kernel: numpy, hashlib, xxhash and Python's own integers.

A target is one number, bit i its bit i. A step is a generator that yields where the kernel's
workload calls its progress hook; whoever drives it changes the buffers there.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import xxhash

from hil.wire.messages import Arm

N = 48
WORD_WIDTHS = (8, 16, 32, 64)


def digest(data: bytes | bytearray) -> int:
    """XXH64, by the xxhash package."""
    return int(xxhash.xxh64_intdigest(bytes(data)))


@dataclass
class Memory:
    """The regions that an upset can hit on every board."""

    state: bytearray
    input: bytearray = field(default_factory=bytearray)
    output: bytearray = field(default_factory=bytearray)

    def of(self, target: str) -> bytearray:
        return {"state": self.state, "input": self.input, "output": self.output}[target]


def matmul(m: Memory) -> Iterator[None]:
    """matmul.c in numpy: B expanded, each row of C, A folded."""
    n = np.arange(N * N, dtype=np.uint32)
    s = np.frombuffer(bytes(m.input), "<u4")
    x = s[n % 16] * (np.uint32(2) * n + np.uint32(1)) + n * np.uint32(0x9E3779B9)
    b = (x ^ x >> np.uint32(15)).reshape(N, N)
    c = np.zeros((N, N), np.uint32)
    m.output[:] = bytes(64)
    yield
    for i in range(N):
        row = np.frombuffer(bytes(m.state[i * 4 * N : (i + 1) * 4 * N]), "<u4")
        c[i] = (row[:, None] * b).sum(axis=0, dtype=np.uint32)
        at = 4 * (i % 16)
        word = int.from_bytes(m.output[at : at + 4], "little")
        word = ((word << 11 | word >> 21) & 0xFFFFFFFF) + int(c[i].sum(dtype=np.uint32))
        m.output[at : at + 4] = (word & 0xFFFFFFFF).to_bytes(4, "little")
        yield
    a = np.frombuffer(bytes(m.state), "<u4").reshape(N, N)
    m.state[:] = ((a << np.uint32(7) | a >> np.uint32(25)) ^ c).astype("<u4").tobytes()
    yield


def sha256(m: Memory) -> Iterator[None]:
    """sha256.c with hashlib; yields for each block of a message, and at the end."""
    steps = int.from_bytes(m.state[32:40], "little")
    link = 40 + steps % 8 * 32
    tail = bytes(m.input) + bytes(m.state[link : link + 32])
    for _ in range(8):
        chain = hashlib.sha256(bytes(m.state[:32]) + tail).digest()
        yield
        yield
        m.state[:32] = chain
    m.state[link : link + 32] = m.state[:32]
    m.state[32:40] = (steps + 1 & (2**64 - 1)).to_bytes(8, "little")
    m.output[:] = m.state[:32]
    yield


STEPS: dict[str, Callable[[Memory], Iterator[None]]] = {"matmul": matmul, "sha256": sha256}


@dataclass(frozen=True)
class Hit:
    """What the board must report of an upset."""

    bit: int
    space: int
    before: bytes
    after: bytes


def place(arm: Arm, size: int) -> tuple[int, int, int]:
    """First byte, length in bytes, first bit of the window of `arm` in a target of `size` bytes."""
    bit = arm.bit % (8 * size)
    if arm.kind in ("bit", "stuck"):
        return bit // 8, 1, bit
    if arm.kind == "adjacent":
        start = min(bit, 8 * size - arm.width)
        return start // 8, (start % 8 + arm.width + 7) // 8, start
    width = arm.width
    start = min(bit // width, 8 * size // width - 1) * width
    return start // 8, width // 8, start


def strike(arm: Arm, target: bytearray) -> Hit:
    """Change `target` as the pattern of `arm` does."""
    offset, length, start = place(arm, len(target))
    before = bytes(target[offset : offset + length])
    number = int.from_bytes(target, "little")
    if arm.kind == "bit":
        number ^= 1 << start
    elif arm.kind == "adjacent":
        number ^= ((1 << arm.width) - 1) << start
    elif arm.kind == "stuck":
        number = number & ~(1 << start) | (arm.value & 1) << start
    else:
        mask = (1 << arm.width) - 1
        value = arm.value & mask if arm.kind == "random_word" else 0
        number = number & ~(mask << start) | value << start
    target[:] = number.to_bytes(len(target), "little")
    return Hit(
        arm.bit % (8 * len(target)),
        8 * len(target),
        before,
        bytes(target[offset : offset + length]),
    )


def run(workload: str, m: Memory, arm: Arm | None) -> Hit | None:
    """One step on `m`, in place, with `arm` striking at its tick; a stuck cell from there on."""
    step = STEPS[workload](m)
    hit: Hit | None = None
    tick = 0
    while True:
        if arm is not None and tick == arm.tick:
            hit = strike(arm, m.of(arm.target))
        elif hit is not None and arm is not None and arm.kind == "stuck":
            strike(arm, m.of(arm.target))
        try:
            next(step)
        except StopIteration:
            break
        tick += 1
    if hit is not None and arm is not None and arm.kind == "stuck":
        strike(arm, m.of(arm.target))
    return hit


def random_arm(
    rng: random.Random, id_: int, frame: int, ticks: int, targets: tuple[str, ...]
) -> Arm:
    """Any portable upset of any pattern."""
    kind = rng.choice(("bit", "bit", "adjacent", "stuck", "zero_word", "random_word"))
    width = {
        "adjacent": rng.randrange(2, 65),
        "zero_word": rng.choice(WORD_WIDTHS),
        "random_word": rng.choice(WORD_WIDTHS),
    }.get(kind, 1)
    return Arm(
        id=id_,
        frame=frame,
        target=rng.choice(targets),
        kind=kind,
        tick=rng.randrange(ticks + 1),
        width=width,
        bit=rng.getrandbits(63),
        value=rng.getrandbits(64),
        hold_frames=1 if kind == "stuck" else 0,
    )
