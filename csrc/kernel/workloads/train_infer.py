"""Train the digit classifier of infer.c, quantise it to int8, and write infer_tables.h.

Data: the 1797 handwritten digits of 8 x 8 pixels in scikit-learn (``load_digits``). Split: the
indices of each class are shuffled by ``default_rng(SPLIT_SEED)`` and every fifth goes to the
held-out set; the network sees only the rest. Nothing is chosen by looking at the held-out set: the
number of epochs is fixed and the last weights are taken.

Network: conv 3x3 (1 -> C1), ReLU; conv 3x3 stride 2 (C1 -> C2), ReLU; dense (4*4*C2 -> 10).
Quantised after training: weights symmetric int8 with one scale per layer, activations 0..127,
biases int32, rescaling by a 24-bit fixed-point multiplier. Seeds are fixed; sums in BLAS may still
round otherwise on another machine: the committed header, not this script, defines the workload.

Usage: ``python train_infer.py [OUT.h]`` (numpy, scikit-learn; ten seconds).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

F32 = np.float32
Array = NDArray[Any]

SPLIT_SEED = 20240101
TRAIN_SEED = 7
EPOCHS = 160
BATCH = 64
C1, C2 = 8, 16
SHIFT = 24  # fixed point of the multipliers; RESCALE_SHIFT in infer.c


def dataset() -> tuple[Array, Array]:
    """Return all images, uint8 (1797, 64) with pixels 0..16, and labels, (1797,)."""
    digits = load_digits()
    return digits.data.astype(np.uint8), digits.target.astype(np.uint8)


def split(labels: Array) -> tuple[Array, Array]:
    """Return the indices of the training set and of the held-out set, both ascending."""
    rng = np.random.default_rng(SPLIT_SEED)
    held = np.concatenate([rng.permutation(np.flatnonzero(labels == c))[::5] for c in range(10)])
    return np.setdiff1d(np.arange(len(labels)), held), np.sort(held)


def augment(x: Array, rng: np.random.Generator) -> Array:
    """Return (n, 8, 8) images with a small random rotation, scale, shear and shift, bilinear."""
    n = len(x)
    angle = rng.uniform(-0.25, 0.25, n)
    scale = rng.uniform(0.9, 1.12, (n, 2))
    shear = rng.uniform(-0.15, 0.15, n)
    shift = rng.uniform(-0.9, 0.9, (n, 2))
    grid = np.arange(8) - 3.5
    gy, gx = np.meshgrid(grid, grid, indexing="ij")
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    sx = (cos * gx - sin * gy) * scale[:, 0, None, None] + shear[:, None, None] * gy
    sy = (sin * gx + cos * gy) * scale[:, 1, None, None]
    sx = sx + 3.5 + shift[:, 0, None, None]
    sy = sy + 3.5 + shift[:, 1, None, None]
    padded = np.zeros((n, 14, 14), F32)
    padded[:, 3:11, 3:11] = x
    sx, sy = np.clip(sx + 3, 0, 12.999), np.clip(sy + 3, 0, 12.999)
    ix, iy = sx.astype(int), sy.astype(int)
    fx, fy = (sx - ix).astype(F32), (sy - iy).astype(F32)
    k = np.arange(n)[:, None, None]
    top = padded[k, iy, ix] * (1 - fx) + padded[k, iy, ix + 1] * fx
    low = padded[k, iy + 1, ix] * (1 - fx) + padded[k, iy + 1, ix + 1] * fx
    return np.asarray(top * (1 - fy) + low * fy, F32)


def patches(x: Array, stride: int) -> Array:
    """Return 3x3 neighbourhoods, zero padded: (n, 8, 8, c) -> (n, 8/stride, 8/stride, 9 * c)."""
    side = 8 // stride
    p = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    views = [
        p[:, ky : ky + 8 : stride, kx : kx + 8 : stride][:, :side, :side]
        for ky in range(3)
        for kx in range(3)
    ]
    return np.concatenate(views, axis=-1)


def unpatches(d: Array, stride: int, channels: int) -> Array:
    """Return the transpose of ``patches``."""
    out = np.zeros((len(d), 10, 10, channels), F32)
    for k in range(9):
        ky, kx = divmod(k, 3)
        part = d[..., k * channels : (k + 1) * channels]
        out[:, ky : ky + 8 : stride, kx : kx + 8 : stride] += part
    return out[:, 1:9, 1:9]


def train(x: Array, y: Array) -> list[Array]:
    """Return w1 (9, C1), b1, w2 (9*C1, C2), b2, w3 (16*C2, 10), b3: by Adam with weight decay."""
    rng = np.random.default_rng(TRAIN_SEED)
    shapes = [(9, C1), (9 * C1, C2), (16 * C2, 10)]
    params: list[Array] = []
    for rows, cols in shapes:
        params += [(rng.standard_normal((rows, cols)) * np.sqrt(2 / rows)).astype(F32)]
        params += [np.zeros(cols, F32)]
    mean = [np.zeros_like(p) for p in params]
    var = [np.zeros_like(p) for p in params]
    steps, t = EPOCHS * (len(x) // BATCH), 0
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for start in range(0, len(x) - BATCH + 1, BATCH):
            pick = order[start : start + BATCH]
            w1, b1, w2, b2, w3, b3 = params
            image = augment(x[pick].reshape(-1, 8, 8), rng)[..., None]
            p1 = patches(image, 1)
            a1 = np.maximum(p1 @ w1 + b1, 0)
            p2 = patches(a1, 2)
            a2 = np.maximum(p2 @ w2 + b2, 0)
            flat = a2.reshape(BATCH, -1)
            keep = (rng.random(flat.shape) > 0.2) / F32(0.8)  # dropout
            dropped = (flat * keep).astype(F32)
            z = dropped @ w3 + b3
            e = np.exp(z - z.max(1, keepdims=True))
            target = np.full((BATCH, 10), 0.05 / 10, F32)  # label smoothing
            target[np.arange(BATCH), y[pick]] += F32(0.95)
            dz = ((e / e.sum(1, keepdims=True) - target) / BATCH).astype(F32)
            d2 = ((dz @ w3.T) * keep).reshape(a2.shape).astype(F32) * (a2 > 0)
            d1 = unpatches(d2 @ w2.T, 2, C1) * (a1 > 0)
            grads = [
                np.tensordot(p1, d1, ([0, 1, 2], [0, 1, 2])), d1.sum((0, 1, 2)),
                np.tensordot(p2, d2, ([0, 1, 2], [0, 1, 2])), d2.sum((0, 1, 2)),
                dropped.T @ dz, dz.sum(0),
            ]  # fmt: skip
            t += 1
            rate = 4e-3 * 0.5 * (1 + np.cos(np.pi * t / steps))
            for i, g in enumerate(grads):
                mean[i] = 0.9 * mean[i] + 0.1 * g
                var[i] = 0.999 * var[i] + 0.001 * g * g
                move = (mean[i] / (1 - 0.9**t)) / (np.sqrt(var[i] / (1 - 0.999**t)) + 1e-8)
                decay = 1e-3 * params[i] if i % 2 == 0 else 0
                params[i] = (params[i] - rate * (move + decay)).astype(F32)
    return params


def quantise(params: list[Array], x: Array) -> list[Array]:
    """Return w1, b1, w2, b2, w3, b3, multipliers as integers; ranges from images |x| (n, 64)."""
    w1, b1, w2, b2, w3, b3 = (p.astype(float) for p in params)
    real = x.reshape(-1, 8, 8, 1) / 16.0
    a1 = np.maximum(patches(real, 1) @ w1 + b1, 0)
    a2 = np.maximum(patches(a1, 2) @ w2 + b2, 0)
    in_scale = 1 / 16.0  # pixels 0..16 enter as they are
    out: list[Array] = []
    multipliers = []
    for w, b, act in ((w1, b1, a1), (w2, b2, a2), (w3, b3, None)):
        w_scale = float(np.abs(w).max()) / 127
        out += [np.rint(w / w_scale).astype(int), np.rint(b / (w_scale * in_scale)).astype(int)]
        if act is not None:
            act_scale = float(np.quantile(act, 0.9999)) / 127
            multipliers.append(round(w_scale * in_scale / act_scale * 2**SHIFT))
            in_scale = act_scale
    return [*out, np.array(multipliers)]


def infer(q: list[Array], x: Array) -> Array:
    """Return the logits (n, 10) of the quantised network for images |x| (n, 64), in integers."""
    w1, b1, w2, b2, w3, b3, multipliers = q

    def rescale(acc: Array, multiplier: int) -> Array:
        rounded = (np.maximum(acc, 0) * multiplier + (1 << (SHIFT - 1))) >> SHIFT
        return np.asarray(np.minimum(rounded, 127))

    a1 = rescale(patches(x.astype(np.int64).reshape(-1, 8, 8, 1), 1) @ w1 + b1, int(multipliers[0]))
    a2 = rescale(patches(a1, 2) @ w2 + b2, int(multipliers[1]))
    return np.asarray(a2.reshape(len(x), -1) @ w3 + b3)


def table(ctype: str, name: str, values: Array, columns: int) -> str:
    """Return a C array, in rows of |columns| numbers."""
    flat = [str(int(v)) for v in np.ravel(values)]
    rows = [", ".join(flat[i : i + columns]) for i in range(0, len(flat), columns)]
    return f"static const {ctype} {name}[{len(flat)}] = {{\n    " + ",\n    ".join(rows) + "};\n"


def main(out: Path) -> None:
    """Train and quantise the network, and write its tables."""
    images, labels = dataset()
    train_at, held_at = split(labels)
    params = train((images[train_at] / 16.0).astype(F32), labels[train_at])
    q = quantise(params, images[train_at])

    def score(at: Array) -> str:
        right = int(np.sum(infer(q, images[at]).argmax(1) == labels[at]))
        return f"{right}/{len(at)} = {100 * right / len(at):.2f} %"

    count, sizes = len(held_at), f"{len(train_at)} images to train, {len(held_at)} held out"
    scores = f"held out {score(held_at)}, training set {score(train_at)}"
    text = f"""\
/* Quantised digit classifier and held-out images. SPDX-License-Identifier: Apache-2.0
 *
 * Written by train_infer.py; do not edit. Digits of scikit-learn's load_digits (UCI "Optical
 * Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, CC BY 4.0), split by class with
 * seed {SPLIT_SEED}: {sizes}. Training: seed {TRAIN_SEED}, {EPOCHS} epochs.
 * Accuracy of these integers: {scores}.
 *
 * Convolution weights: [ky][kx][input channel][output channel]; dense: [y][x][channel][class]. */
#ifndef HIL_INFER_TABLES_H
#define HIL_INFER_TABLES_H

#include <stdint.h>

enum {{ INFER_C1 = {C1}, INFER_C2 = {C2}, INFER_HELD_OUT = {count} }};

"""
    for i, (name, columns) in enumerate((("conv1", C1), ("conv2", C2), ("dense", 10))):
        text += table("int8_t", f"infer_{name}_weights", q[2 * i], columns) + "\n"
        text += table("int32_t", f"infer_{name}_biases", q[2 * i + 1], 8) + "\n"
    text += table("uint32_t", "infer_multipliers", q[6], 2) + "\n"
    text += "/* Pixels 0..16, row by row. */\n"
    text += table("uint8_t", "infer_images", images[held_at], 32) + "\n"
    text += table("uint8_t", "infer_labels", labels[held_at], 36) + "\n#endif\n"
    out.write_text(text, encoding="utf-8")
    print(scores, file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("infer_tables.h"))
