"""`train` in Python's own integers and NumPy's: the network, its gradients, the order of the data.

Written from the description at the top of `train_step.h`, not from its code; the images are read
from `infer_tables.h`, which another test compares with scikit-learn. Nothing here wraps around: it
is the model of runs without upsets."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .workload_rig import philox

Integers = NDArray[np.int64]
STREAM = b"wl.train"
PIXELS, HIDDEN, CLASSES, BATCH, IMAGES = 64, 16, 10, 16, 256
PARAMETERS = PIXELS * HIDDEN + HIDDEN + HIDDEN * CLASSES + CLASSES
ONE = 1 << 16


TABLES = Path(__file__).resolve().parents[2] / "csrc/kernel/workloads/infer_tables.h"


def table(name: str) -> Integers:
    """An array of infer_tables.h."""
    text = TABLES.read_text(encoding="utf-8")
    found = re.search(rf"\b{name}\[\d+\] = \{{([^}}]*)\}}", text)
    assert found is not None
    return np.array([int(word) for word in found[1].split(",")], np.int64)


def held_out_digits() -> tuple[Integers, Integers]:
    """The images that infer has not seen, (n, 64), and their labels, (n,)."""
    return table("infer_images").reshape(-1, PIXELS), table("infer_labels")


def halved(x: Any, by: int) -> Any:
    """x / 2^by to the nearest integer, halves up."""
    return (x + (1 << (by - 1))) >> by


def power_of_e(x: int) -> int:
    """e^-x, Q15 of Q16."""
    whole, part = divmod((x * 94548) >> 16, ONE)
    total = 571
    for coefficient in (3657, 15744, 45426, ONE):
        total = coefficient - ((total * part) >> 16)
    return total >> (whole + 1) if whole < 16 else 0


def logarithm(x: int) -> int:
    """ln x, Q16 of Q15: the binary logarithm digit by digit, rounded down, times ln 2."""
    whole = x.bit_length() - 16
    mantissa, digits = x << (31 - 15 - whole), 0
    for _ in range(16):
        mantissa = (mantissa * mantissa) >> 31
        carry = mantissa >> 32
        digits = 2 * digits + carry
        mantissa >>= carry
    return ((whole * ONE + digits) * 45426) >> 16


@dataclass
class TrainModel:
    """A training run. `images` (n, 64) and `labels` (n,): the first 256 are trained on."""

    images: Integers
    labels: Integers
    seed: int
    steps: int = 0
    place: int = 0
    recognised: int = 0
    order: list[int] = field(default_factory=lambda: list(range(IMAGES)))

    def __post_init__(self) -> None:
        words = [
            w for i in range(-(-PARAMETERS // 16)) for w in philox(self.seed, STREAM, i, 0, 0, 1)
        ]
        halves = np.array([w >> (16 * k) & 0xFFFF for w in words for k in range(4)], np.int64)
        self.weights: Integers = halves[:PARAMETERS] * 5 // 8 - 20480
        _, b1, _, b2 = self.layers(self.weights)
        b1[:], b2[:] = 0, 0
        self.momentum: Integers = np.zeros(PARAMETERS, np.int64)
        self.generator = philox(self.seed, STREAM, 0, 0, 0, 2)[0]

    @staticmethod
    def layers(flat: Integers) -> tuple[Integers, Integers, Integers, Integers]:
        """Views of w1 (64, 16), b1, w2 (16, 10), b2 in the parameters."""
        ends = np.cumsum([PIXELS * HIDDEN, HIDDEN, HIDDEN * CLASSES])
        w1, b1, w2, b2 = np.split(flat, ends)
        return w1.reshape(PIXELS, HIDDEN), b1, w2.reshape(HIDDEN, CLASSES), b2

    def forward(self, image: Integers) -> tuple[Integers, Integers]:
        """The activations, Q8, and the logits, Q16."""
        w1, b1, w2, b2 = self.layers(self.weights)
        hidden = np.clip(halved(image @ w1 + (b1 << 4), 12), 0, 4095)
        logits = halved(hidden @ w2 + (b2 << 8), 8)
        return hidden, np.clip(logits, -256 * ONE, 256 * ONE)

    @staticmethod
    def loss(logits: Integers, label: int) -> tuple[int, Integers]:
        """The cross entropy, and what the probabilities are off, both Q16."""
        below = [int(logits.max() - z) for z in logits]
        shares = [power_of_e(x) for x in below]
        total = sum(shares)
        errors = np.array([(s * ONE + total // 2) // total for s in shares], np.int64)
        errors[label] -= ONE
        return logarithm(total) + below[label], errors

    def draw(self) -> list[int]:
        """The next mini-batch."""
        picks = []
        for _ in range(BATCH):
            self.generator = (self.generator * 6364136223846793005 + 1442695040888963407) % 2**64
            left = IMAGES - self.place
            other = self.place + ((self.generator >> 33) * left >> 31)
            order = self.order
            order[self.place], order[other] = order[other], order[self.place]
            picks.append(order[self.place])
            self.place = (self.place + 1) % IMAGES
        return picks

    def step(self, sensed: bytes) -> bytes:
        """Train on a mini-batch; return the output."""
        image = np.frombuffer(sensed, np.uint8, PIXELS).astype(np.int64)
        (label,) = struct.unpack_from("<I", sensed, PIXELS)
        logits = self.forward(image)[1]
        held_out, best = self.loss(logits, label)[0], int(logits.argmax())
        self.recognised += best == label
        losses, right = 0, 0
        first, second = np.zeros((17, HIDDEN), np.int64), np.zeros((17, CLASSES), np.int64)
        pixels = np.zeros((PIXELS, HIDDEN), np.int64)
        for pick in self.draw():
            digit, answer = self.images[pick], int(self.labels[pick])
            hidden, scores = self.forward(digit)
            loss, errors = self.loss(scores, answer)
            losses += loss
            right += int(scores.argmax()) == answer
            back = np.clip(halved(self.layers(self.weights)[2] @ errors, 16), -64 * ONE, 64 * ONE)
            back[hidden == 0] = 0
            pixels += np.outer(digit, back)
            first[16] += back << 4
            second[:16] += halved(np.outer(hidden, errors), 8)
            second[16] += errors
        gradient = np.concatenate(
            [halved(pixels, 4).ravel(), halved(first[16], 4), second[:16].ravel(), second[16]]
        )
        self.momentum = self.momentum - halved(self.momentum, 3) + gradient
        change = halved(self.momentum, 8)
        self.weights = self.weights - change
        self.steps += 1
        digest = 0xCBF29CE484222325
        for momentum, weight in zip(self.momentum.tolist(), self.weights.tolist(), strict=True):
            digest = (digest ^ ((momentum % 2**32) << 32 | weight % 2**32)) * 0x100000001B3 % 2**64
        return struct.pack(
            "<IIII10iQQQII",
            *(losses // BATCH, right, held_out, best, *logits.tolist()),
            *(int((change**2).sum()), digest, self.steps, 0, 0),
        )

    @property
    def state(self) -> bytes:
        """The state of `train`."""
        head = struct.pack("<QQII", self.steps, self.generator, self.place, self.recognised)
        words = np.concatenate([self.weights, self.momentum]).astype("<i4")
        return head + bytes(self.order) + words.tobytes()
