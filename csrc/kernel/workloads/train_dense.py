"""Train the classifier of dense.c, convert it to each number format, and write dense_tables.h.

Data, split and images are those of ``train_infer.py``. Network: 64 pixels, (pixel - 8) / 8 ->
dense, HIDDEN units, ReLU -> dense, 10 logits. A fixed number of epochs by Adam with weight decay;
the last weights are taken, whatever the held-out images say. With this seed every unit is used by
more than a quarter of the images: flips in the weights of an unused one would show nothing.

Formats: binary32; bfloat16 and binary16, rounded to nearest even; int8 symmetric with one scale per
layer, activations 0..127, biases int32, logits in units of 2^-16 nat. Ranges for range restriction:
the largest activation of each unit, and the least and largest logit of each class, over the images
to train. The committed header, not this script, defines the workload.

Usage: ``python train_dense.py [OUT.h]`` (numpy, scikit-learn; half a minute).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from train_infer import F32, Array, augment, dataset, split, table

TRAIN_SEED = 16
EPOCHS = 200
BATCH = 64
HIDDEN = 32
DECAY = 2e-3
LIMIT = 1.9375  # of a weight: below 2 the top exponent bit of each is zero, as in larger models
RESCALE_SHIFT, LOGIT_SHIFT = 24, 8  # as in dense.c
LOGIT_UNIT = 2.0**-16  # [nat] of dense-int8


def centred(pixels: Array) -> Array:
    """Return (n, 64) inputs of images with pixels 0..16."""
    return np.asarray((pixels.astype(F32) - 8) / 8, F32)


def forward(params: list[Array], x: Array) -> tuple[Array, Array]:
    """Return the activations (n, HIDDEN) and the logits (n, 10) of inputs (n, 64)."""
    w1, b1, w2, b2 = params
    a = np.maximum(x @ w1 + b1, 0)
    return a, a @ w2 + b2


def train(images: Array, y: Array) -> list[Array]:
    """Return w1 (64, HIDDEN), b1, w2 (HIDDEN, 10), b2."""
    rng = np.random.default_rng(TRAIN_SEED)
    params: list[Array] = []
    for rows, cols in ((64, HIDDEN), (HIDDEN, 10)):
        params += [(rng.standard_normal((rows, cols)) * np.sqrt(1 / rows)).astype(F32)]
        params += [np.zeros(cols, F32)]
    mean = [np.zeros_like(p) for p in params]
    var = [np.zeros_like(p) for p in params]
    steps, t = EPOCHS * (len(images) // BATCH), 0
    for _ in range(EPOCHS):
        order = rng.permutation(len(images))
        for start in range(0, len(images) - BATCH + 1, BATCH):
            pick = order[start : start + BATCH]
            moved = augment(images[pick].reshape(-1, 8, 8).astype(F32), rng).reshape(BATCH, 64)
            x = centred(moved)
            a, z = forward(params, x)
            e = np.exp(z - z.max(1, keepdims=True))
            target = np.zeros((BATCH, 10), F32)
            target[np.arange(BATCH), y[pick]] = 1
            dz = ((e / e.sum(1, keepdims=True) - target) / BATCH).astype(F32)
            da = (dz @ params[2].T) * (a > 0)
            t += 1
            rate = 4e-3 * 0.5 * (1 + np.cos(np.pi * t / steps))
            for i, g in enumerate((x.T @ da, da.sum(0), a.T @ dz, dz.sum(0))):
                mean[i] = 0.9 * mean[i] + 0.1 * g
                var[i] = 0.999 * var[i] + 0.001 * g * g
                move = (mean[i] / (1 - 0.9**t)) / (np.sqrt(var[i] / (1 - 0.999**t)) + 1e-8)
                decay = DECAY * params[i] if i % 2 == 0 else 0
                params[i] = (params[i] - rate * (move + decay)).astype(F32)
            for i in (0, 2):
                params[i] = np.clip(params[i], -LIMIT, LIMIT)
    return params


def bits32(values: Array) -> Array:
    """Return the bits of binary32 numbers."""
    return np.ravel(np.asarray(values, F32)).view(np.uint32)


def bfloat16_bits(values: Array) -> Array:
    """Return the bits of finite numbers, rounded to nearest even."""
    bits = bits32(values).astype(np.uint64)
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16


def quantise(params: list[Array], x: Array) -> tuple[Array, Array, Array]:
    """Return weights, biases and multipliers as integers; ranges from inputs |x|."""
    w1, b1, w2, b2 = (p.astype(float) for p in params)
    act_scale = float(np.quantile(forward(params, x)[0], 0.9999)) / 127
    scale1, scale2 = (float(np.abs(w).max()) / 127 for w in (w1, w2))
    weights = np.concatenate([np.rint(w1 / scale1).ravel(), np.rint(w2 / scale2).ravel()])
    biases = np.concatenate([np.rint(b1 / (scale1 / 8)), np.rint(b2 / (scale2 * act_scale))])
    multipliers = np.array(
        [
            round(scale1 / 8 / act_scale * 2**RESCALE_SHIFT),
            round(scale2 * act_scale / LOGIT_UNIT * 2**LOGIT_SHIFT),
        ]
    )
    return weights.astype(int), biases.astype(int), multipliers


def main(out: Path) -> None:
    """Train and convert the network, and write its tables."""
    images, labels = dataset()
    train_at, held_at = split(labels)
    params = train(images[train_at], labels[train_at])
    a, z = forward(params, centred(images[train_at]))
    weights, biases, multipliers = quantise(params, centred(images[train_at]))
    both = np.concatenate([params[0].ravel(), params[2].ravel()])
    held = forward(params, centred(images[held_at]))[1]
    right = int(np.sum(held.argmax(1) == labels[held_at]))
    shifted = held - held.max(1, keepdims=True)
    picked = shifted[np.arange(len(held)), labels[held_at]]
    loss = float(np.mean(np.log(np.exp(shifted).sum(1)) - picked))
    score = f"held out {right}/{len(held)} = {100 * right / len(held):.2f} %, loss {loss:.4f} nat"
    text = f"""\
/* Digit classifier of one hidden layer, in four number formats. SPDX-License-Identifier: Apache-2.0
 *
 * Written by train_dense.py; do not edit. Data and split: infer_tables.h. Training: seed
 * {TRAIN_SEED}, {EPOCHS} epochs. In binary32: {score}; largest weight
 * {np.abs(both).max():.3f}. Weights: [input][output] of the first layer, then of the second. */
#ifndef HIL_DENSE_TABLES_H
#define HIL_DENSE_TABLES_H

#include <stdint.h>

enum {{ DENSE_HIDDEN = {HIDDEN} }};

"""
    half = both.astype(np.float16).view(np.uint16)
    text += table("uint32_t", "dense_fp32_weights", bits32(both), 10) + "\n"
    text += table("uint16_t", "dense_bf16_weights", bfloat16_bits(both), 16) + "\n"
    text += table("uint16_t", "dense_fp16_weights", half, 16) + "\n"
    text += table("int8_t", "dense_int8_weights", weights, 20) + "\n"
    text += (
        table("uint32_t", "dense_f32_biases", bits32(np.append(params[1], params[3])), 10) + "\n"
    )
    text += table("int32_t", "dense_int8_biases", biases, 10) + "\n"
    text += table("uint32_t", "dense_int8_multipliers", multipliers, 2) + "\n"
    text += "/* binary32: ranges over the images to train. */\n"
    text += table("uint32_t", "dense_hidden_most", bits32(a.max(0)), 10) + "\n"
    text += table("uint32_t", "dense_logit_least", bits32(z.min(0)), 10) + "\n"
    text += table("uint32_t", "dense_logit_most", bits32(z.max(0)), 10) + "\n#endif\n"
    out.write_text(text, encoding="utf-8")
    print(score, file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("dense_tables.h"))
