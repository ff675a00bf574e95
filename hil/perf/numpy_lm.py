"""The language model `lm` in plain NumPy: the same integers as the kernel's, computed another way.

`hil perf` measures the kernel beside it, and the tests compare each output and state with it. The
arithmetic is described in csrc/kernel/workloads/lm.c; here it is done with whole arrays of int64,
and with the quotients and roots of Python."""

from __future__ import annotations

import math
import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["CHARACTERS", "NumpyLm"]

Ints = NDArray[np.int64]

CHARACTERS: Final = "\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""In the order of their numbers."""

_WIDTH, _LAYERS, _HEADS, _WINDOW, _HIDDEN = 64, 2, 4, 64, 256
_HEAD: Final = _WIDTH // _HEADS
_H_LIMIT, _SCORE_LIMIT = 1 << 23, 1 << 26
_MULTIPLIERS: Final = ("q", "k", "v", "score", "mix", "out", "up", "down")


def _shifted(x: Any, by: int) -> Any:
    return (x + (1 << (by - 1))) >> by


def _rescaled(x: Ints, scale: int, by: int = 24, low: int = -127, high: int = 127) -> Ints:
    return np.asarray(np.clip(_shifted(x * scale, by), low, high))


def _norm(h: Ints) -> Ints:
    """Return `h` divided by its root mean square, 16 for 1.0."""
    root = math.isqrt(int((h * h).sum())) or 1
    return np.asarray(np.clip(_shifted(h * (2**38 // root), 31), -127, 127))


def _power(x: Ints) -> Ints:
    """Return 2^-x, for x in 1/32768, in 1/16384."""
    whole, f = x >> 15, x & 32767
    y = 16384 - (11003 * f >> 15) + (2811 * (f * f >> 15) >> 15)
    return np.where(whole <= 14, y >> np.minimum(whole, 14), 0)


def _log2(x: int) -> int:
    """Return log2 of x / 16384 in 1/32768, rounded down bit by bit."""
    whole = x.bit_length() - 1
    out, x = whole - 14, x << (31 - whole)
    for _ in range(15):
        x *= x
        bit = x >> 63
        x >>= 31 + bit
        out = out * 2 + bit
    return out


class NumpyLm:
    """The model in a `state` of the workload, and its memory of the text. Not thread-safe."""

    def __init__(self, state: bytes) -> None:
        self._head = bytearray(state[:16])
        names = ["embed", "logit"]
        names += [f"{name}{layer}" for layer in range(_LAYERS) for name in _MULTIPLIERS]
        at = 16 + 4 * len(names)
        self._scale = dict(zip(names, struct.unpack(f"<{len(names)}I", state[16:at]), strict=True))
        self._weights: dict[str, Ints] = {}
        for name, shape in (
            ("embed", (len(CHARACTERS), _WIDTH)),
            ("qkv", (_LAYERS, _WIDTH, 3 * _WIDTH)),
            ("out", (_LAYERS, _WIDTH, _WIDTH)),
            ("up", (_LAYERS, _WIDTH, _HIDDEN)),
            ("down", (_LAYERS, _HIDDEN, _WIDTH)),
            ("bias", (_LAYERS, _HEADS, _WINDOW)),
        ):
            count = math.prod(shape)
            self._weights[name] = np.frombuffer(state, "i1", count, at).astype(int).reshape(shape)
            at += count
        self._constant = bytes(state[16:at])
        cache = np.frombuffer(state, "i1", len(state) - at, at).astype(int)
        self._cache: Ints = cache.reshape(_LAYERS, 2, _WINDOW, _WIDTH)

    @property
    def state(self) -> bytes:
        """Return the state, as the workload keeps it."""
        return bytes(self._head) + self._constant + self._cache.astype("i1").tobytes()

    def step(self, sensed: bytes) -> bytes:
        """Compute one step from its input; return the output."""
        begins, forced, _, random = struct.unpack("<BBHI", sensed)
        steps, place, last, zero = struct.unpack("<4I", self._head)
        if begins & 1:
            place = last = 0
        w, scale = self._weights, self._scale
        h = _rescaled(
            w["embed"][last if last < len(CHARACTERS) else 0],
            scale["embed"], 16, -_H_LIMIT, _H_LIMIT,
        )  # fmt: skip
        for layer in range(_LAYERS):
            mix = self._attend(h, layer, place)
            h = self._added(h, mix @ w["out"][layer], scale[f"out{layer}"])
            hidden = _rescaled(_norm(h) @ w["up"][layer], scale[f"up{layer}"], low=0, high=255)
            h = self._added(h, hidden @ w["down"][layer], scale[f"down{layer}"])
        logits = w["embed"] @ _norm(h)
        scores = _rescaled(logits, scale["logit"], 16, -_SCORE_LIMIT, _SCORE_LIMIT)
        below = scores.max() - scores
        is_prompt = forced < len(CHARACTERS)
        following = forced if is_prompt else self._drawn(below, random)
        surprisal = int(below[following]) + _log2(int(_power(below).sum()))
        self._head[:] = struct.pack(
            "<4I", steps + 1 & 0xFFFFFFFF, place + 1 & 0xFFFFFFFF, following, zero
        )
        return struct.pack("<4I", ord(CHARACTERS[following]), surprisal, place, is_prompt)

    @staticmethod
    def _added(h: Ints, sums: Ints, scale: int) -> Ints:
        return np.asarray(np.clip(h + _shifted(sums * scale, 24), -_H_LIMIT, _H_LIMIT))

    def _attend(self, h: Ints, layer: int, place: int) -> Ints:
        """Return the mean of the values that the heads attend to, after h is in the cache."""
        scale = self._scale
        projected = (_norm(h) @ self._weights["qkv"][layer]).reshape(3, _WIDTH)
        q = _rescaled(projected[0], scale[f"q{layer}"]).reshape(_HEADS, _HEAD)
        slot = place % _WINDOW
        for which, name in enumerate("kv"):
            values = _rescaled(projected[1 + which], scale[f"{name}{layer}"])
            self._cache[layer, which, slot] = values
        distances = np.arange(min(place, _WINDOW - 1) + 1)
        seen = self._cache[layer][:, (place - distances) % _WINDOW]
        k, v = seen.reshape(2, len(distances), _HEADS, _HEAD)
        bias = self._weights["bias"][layer][:, distances] << 12
        scores = _shifted(np.einsum("hi,dhi->hd", q, k) * scale[f"score{layer}"], 16) + bias
        scores = np.clip(scores, -_SCORE_LIMIT, _SCORE_LIMIT)
        p = _power(scores.max(axis=1, keepdims=True) - scores)
        inverse = 2**36 // p.sum(axis=1)
        mean = _shifted(np.einsum("hd,dhi->hi", p, v) * inverse[:, None], 28)
        return _rescaled(mean.reshape(_WIDTH), scale[f"mix{layer}"])

    @staticmethod
    def _drawn(below: Ints, random: int) -> int:
        """Return the number of the character that a random number draws."""
        cumulated = np.cumsum(_power(below + (below >> 2)))
        return int(np.searchsorted(cumulated, int(cumulated[-1]) * random >> 32, side="right"))
