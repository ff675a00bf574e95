"""Workloads written again in Python, as what stands in memory at each tick: so that what a flipped
bit does can be predicted.

Nothing here calls the kernel. Each model is a generator that works on four byte arrays and yields
at every tick; whoever runs it may change any byte then, as an upset does."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import numpy as np

__all__ = ["MODELS", "Memory", "encrypt_block", "expand_key", "predict"]

M32 = (1 << 32) - 1


@dataclass
class Memory:
    """The regions of a step."""

    state: bytearray
    input: bytearray
    output: bytearray
    scratch: bytearray

    def copy(self) -> Memory:
        return Memory(*(bytearray(getattr(self, f.name)) for f in fields(self)))


Model = Callable[[Memory], Iterator[None]]


def predict(model: Model, before: Memory, tick: int, region: str, byte: int, bit: int) -> Memory:
    """The memory after a step in which a bit is flipped at |tick|; 0 is before the step."""
    memory = before.copy()
    ticks = 0
    step = model(memory)
    while True:
        if ticks == tick:
            getattr(memory, region)[byte] ^= 1 << bit
        try:
            next(step)
        except StopIteration:
            return memory
        ticks += 1


def words(data: bytes | bytearray, kind: str = "<u4") -> list[int]:
    return [int(w) for w in np.frombuffer(bytes(data), kind)]


# --- crc32 ----------------------------------------------------------------------------------------


def crc32(m: Memory) -> Iterator[None]:
    steps = int.from_bytes(m.state[:8], "little")
    m.scratch[:] = bytes(4)
    yield
    at = 16 + steps % 16 * 64
    m.state[at : at + 64] = m.input
    yield
    for i in range(1, 17):
        at = 16 + (steps + i) % 16 * 64
        crc = zlib.crc32(m.state[at : at + 64], int.from_bytes(m.scratch, "little"))
        m.scratch[:] = crc.to_bytes(4, "little")
        yield
    total = zlib.crc32(m.input, int.from_bytes(m.state[8:12], "little"))
    after = struct.pack("<QI", (steps + 1) % 2**64, total)
    m.state[:12] = after
    m.output[:] = m.scratch + after[8:] + after[:8]
    yield


# --- qsort ----------------------------------------------------------------------------------------


def qsort(m: Memory) -> Iterator[None]:
    given = words(m.input)
    keys = [
        ((k << 11 | k >> 21) * 0x9E3779B1 + given[i % 16]) & M32
        for i, k in enumerate(words(m.state[:1024]))
    ]
    m.state[:1024] = struct.pack("<256I", *keys)
    m.scratch[:8] = struct.pack("<IHH", 1, 0, 256)
    yield
    for _ in range(32):
        for _ in range(8):
            _one_segment(m)
        yield
    m.state[1024:] = ((int.from_bytes(m.state[1024:], "little") + 1) % 2**64).to_bytes(8, "little")
    m.output[:] = b"".join(m.state[i : i + 4] for i in range(0, 1024, 16))
    yield


def _one_segment(m: Memory) -> None:
    depth = int.from_bytes(m.scratch[:4], "little")
    if not 1 <= depth <= 16:
        return
    first, length = struct.unpack_from("<HH", m.scratch, 4 * depth)
    stack = [struct.unpack_from("<HH", m.scratch, 4 + 4 * i) for i in range(depth - 1)]
    if length and first + length <= 256:
        keys = words(m.state[4 * first : 4 * (first + length)])
        keys[length // 2], keys[-1] = keys[-1], keys[length // 2]
        place = 0
        for i, key in enumerate(keys[:-1]):
            if key < keys[-1]:
                keys[i], keys[place] = keys[place], key
                place += 1
        keys[place], keys[-1] = keys[-1], keys[place]
        m.state[4 * first : 4 * (first + length)] = struct.pack(f"<{length}I", *keys)
        low, high = (first, place), (first + place + 1, length - 1 - place)
        stack += [part for part in ((low, high) if low[1] > high[1] else (high, low)) if part[1]]
    del stack[16:]
    for i, part in enumerate(stack):
        struct.pack_into("<HH", m.scratch, 4 + 4 * i, *part)
    m.scratch[:4] = len(stack).to_bytes(4, "little")


# --- sha256 ---------------------------------------------------------------------------------------


def _primes(count: int) -> list[int]:
    found: list[int] = []
    at = 2
    while len(found) < count:
        if all(at % p for p in found):
            found.append(at)
        at += 1
    return found


def _root(value: int, power: int) -> int:
    """The whole part of the root."""
    low, high = 0, 1 << 64
    while low < high:
        middle = (low + high + 1) // 2
        if middle**power <= value:
            low = middle
        else:
            high = middle - 1
    return low


# FIPS 180-4: 32 bits of the fractions of roots of the first primes.
FIRST_HASH = [math.isqrt(p << 64) & M32 for p in _primes(8)]
CONSTANTS = [_root(p << 96, 3) & M32 for p in _primes(64)]


def _rotr(x: int, by: int) -> int:
    return (x >> by | x << (32 - by)) & M32


def _schedule(block: bytes | bytearray) -> list[int]:
    w = list(struct.unpack(">16I", block))
    for t in range(16, 64):
        x, y = w[t - 15], w[t - 2]
        s0 = _rotr(x, 7) ^ _rotr(x, 18) ^ x >> 3
        s1 = _rotr(y, 17) ^ _rotr(y, 19) ^ y >> 10
        w.append((w[t - 16] + s0 + w[t - 7] + s1) & M32)
    return w


def _compress(h: list[int], w: list[int]) -> list[int]:
    a, b, c, d, e, f, g, k = h
    for t in range(64):
        big1 = _rotr(e, 6) ^ _rotr(e, 11) ^ _rotr(e, 25)
        x = k + big1 + (e & f ^ ~e & M32 & g) + CONSTANTS[t] + w[t]
        big0 = _rotr(a, 2) ^ _rotr(a, 13) ^ _rotr(a, 22)
        y = big0 + (a & b ^ a & c ^ b & c)
        a, b, c, d, e, f, g, k = (x + y) & M32, a, b, c, (d + x) & M32, e, f, g
    return [(old + new) & M32 for old, new in zip(h, (a, b, c, d, e, f, g, k), strict=True)]


def sha256(m: Memory) -> Iterator[None]:
    message, hash_, schedule = slice(0, 128), slice(128, 160), slice(160, 416)
    steps = int.from_bytes(m.state[32:40], "little")
    old = slice(40 + steps % 8 * 32, 72 + steps % 8 * 32)
    padding = b"\x80" + bytes(29) + (96 * 8).to_bytes(2, "big")
    m.scratch[message] = bytes(32) + m.input + m.state[old] + padding
    for _ in range(8):
        m.scratch[:32] = m.state[:32]
        m.scratch[hash_] = struct.pack("<8I", *FIRST_HASH)
        for block in range(2):
            w = _schedule(m.scratch[64 * block : 64 * block + 64])
            m.scratch[schedule] = struct.pack("<64I", *w)
            m.scratch[hash_] = struct.pack("<8I", *_compress(words(m.scratch[hash_]), w))
            yield
        m.state[:32] = struct.pack(">8I", *words(m.scratch[hash_]))
    m.state[old] = m.state[:32]
    m.state[32:40] = ((steps + 1) % 2**64).to_bytes(8, "little")
    m.output[:] = m.state[:32]
    yield


# --- matmul ---------------------------------------------------------------------------------------


def matmul(m: Memory) -> Iterator[None]:
    size = 48 * 48 * 4
    n = np.arange(48 * 48, dtype=np.uint32)
    x = np.tile(np.frombuffer(bytes(m.input), "<u4"), 144) * (2 * n + 1) + n * np.uint32(0x9E3779B9)
    m.scratch[:size] = (x ^ x >> np.uint32(15)).astype("<u4").tobytes()
    m.output[:] = bytes(64)
    yield
    for i in range(48):
        b = np.frombuffer(bytes(m.scratch[:size]), "<u4").reshape(48, 48)
        row = np.frombuffer(bytes(m.state[192 * i : 192 * i + 192]), "<u4") @ b
        m.scratch[size + 192 * i : size + 192 * i + 192] = row.astype("<u4").tobytes()
        at = 4 * (i % 16)
        word = int.from_bytes(m.output[at : at + 4], "little")
        word = ((word << 11 | word >> 21) + int(row.sum(dtype=np.uint32))) & M32
        m.output[at : at + 4] = word.to_bytes(4, "little")
        yield
    a = np.frombuffer(bytes(m.state), "<u4")
    c = np.frombuffer(bytes(m.scratch[size:]), "<u4")
    m.state[:] = ((a << np.uint32(7) | a >> np.uint32(25)) ^ c).astype("<u4").tobytes()
    yield


# --- aes128 ---------------------------------------------------------------------------------------


def _times(a: int, b: int) -> int:
    """The product in GF(2^8) of FIPS 197."""
    product = 0
    while b:
        product ^= a * (b & 1)
        a = (a << 1) ^ 0x11B * (a >> 7)
        b >>= 1
    return product


def _substitute(value: int) -> int:
    """FIPS 197, 5.1.1, from its definition: the inverse, and an affine transformation."""
    inverse = value
    for _ in range(6):  # value ** 254
        inverse = _times(_times(inverse, inverse), value)
    inverse = _times(inverse, inverse)
    return sum(
        ((0x63 >> i) + sum(inverse >> (i + k) % 8 for k in (0, 4, 5, 6, 7)) & 1) << i
        for i in range(8)
    )


S_BOX = [_substitute(value) for value in range(256)]
DOUBLE = [_times(value, 2) for value in range(256)]


def expand_key(key: bytes) -> list[bytes]:
    """The eleven round keys of FIPS 197, 5.2."""
    columns = [key[i : i + 4] for i in range(0, 16, 4)]
    constant = 1
    for i in range(4, 44):
        last = columns[-1]
        if i % 4 == 0:
            last = bytes(S_BOX[b] for b in last[1:] + last[:1])
            last = bytes([last[0] ^ constant]) + last[1:]
            constant = _times(constant, 2)
        columns.append(bytes(a ^ b for a, b in zip(columns[-4], last, strict=True)))
    return [b"".join(columns[i : i + 4]) for i in range(0, 44, 4)]


def encrypt_block(block: bytes, keys: list[bytes]) -> bytes:
    """The cipher of FIPS 197, 5.1."""
    state = bytes(a ^ b for a, b in zip(block, keys[0], strict=True))
    for number, key in enumerate(keys[1:], 1):
        state = bytes(S_BOX[state[(r + 4 * (c + r)) % 16]] for c in range(4) for r in range(4))
        if number < len(keys) - 1:
            mixed = []
            for c in range(0, 16, 4):
                column = state[c : c + 4]
                for r in range(4):
                    p, q, s, t = (column[(r + k) % 4] for k in range(4))
                    mixed.append(DOUBLE[p] ^ DOUBLE[q] ^ q ^ s ^ t)
            state = bytes(mixed)
        state = bytes(a ^ b for a, b in zip(state, key, strict=True))
    return state


def aes128(m: Memory) -> Iterator[None]:
    m.scratch[16:] = b"".join(expand_key(bytes(m.state[:16])))
    m.scratch[:16] = m.state[16:32]
    yield
    for i in range(0, 128, 16):
        keys = [bytes(m.scratch[16 + k : 32 + k]) for k in range(0, 176, 16)]
        block = bytes(a ^ b for a, b in zip(m.scratch[:16], m.input[i : i + 16], strict=True))
        m.scratch[:16] = m.output[i : i + 16] = encrypt_block(block, keys)
        yield
    m.state[16:32] = m.scratch[:16]
    m.state[32:] = ((int.from_bytes(m.state[32:], "little") + 1) % 2**64).to_bytes(8, "little")
    yield


MODELS: dict[str, Model] = {
    "matmul": matmul,
    "sha256": sha256,
    "crc32": crc32,
    "qsort": qsort,
    "aes128": aes128,
}
