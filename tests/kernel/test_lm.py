"""The language model: against the same integers in NumPy, against real numbers, and as a text.

The golden text is that of every machine, compiler and board. After a deliberate change of the
workload write it anew: `text(1, 512)`."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hil.perf.numpy_lm import CHARACTERS, NumpyLm

from .workload_rig import Rig, philox

TABLES = Path(__file__).resolve().parents[2] / "csrc" / "kernel" / "workloads" / "lm_tables.h"
PASSAGE, NONE = 256, 255
WEIGHTS_AT, CACHE_AT = 88, 103_064
LAYERS, HEADS, WINDOW, WIDTH = 2, 4, 64, 64

# Shakespeare, from the tenth of the text that the training held out.
HELD_OUT = """TRANIO:
Is't possible, friend Licio, that Mistress Bianca
Doth fancy any other but Lucentio?
I tell you, sir, she bears me fair in hand.

HORTENSIO:
Sir, to satisfy you in what I have said,
Stand by and mark the manner of his teaching.

LUCENTIO:
Now, mistress, profit you in what you read?

BIANCA:
What, master, read you? first resolve me that.

LUCENTIO:
I read that I profess, the Art to Love.

BIANCA:
And may you prove, sir, master of your art!
"""


def read(rig: Rig, text: str) -> list[float]:
    """Let the model read a text as one prompt; the surprisal [bit] of each character."""
    bits = []
    for place, letter in enumerate(text):
        sensed = struct.pack("<BBHI", place == 0, CHARACTERS.index(letter), 0, 0)
        rig.input[:] = np.frombuffer(sensed, np.uint8)
        code, surprisal, at, of_prompt = struct.unpack("<4I", rig.step())
        assert (chr(code), at, of_prompt) == (letter, place, 1)
        bits.append(surprisal / 32768)
    return bits


def text(seed: int, frames: int) -> str:
    return "".join(chr(output[0]) for _, _, output in Rig("lm", seed).frames(frames))


# --- the integers ---------------------------------------------------------------------------------


def test_lm_is_that_of_numpy_across_passages() -> None:
    rig = Rig("lm", seed=5)
    model = NumpyLm(rig.state.tobytes())
    for frame, (_, sensed, output) in enumerate(rig.frames(PASSAGE + 80)):
        assert output == model.step(sensed), f"frame {frame}"
    assert rig.state.tobytes() == model.state


def test_lm_is_that_of_numpy_with_any_damage_of_its_state() -> None:
    rig, rng = Rig("lm", seed=6), np.random.default_rng(6)
    for _ in rig.frames(70):
        pass
    for trial in range(60):
        if trial % 3:  # bits anywhere; else whole words of the place, the character and the scales
            at = rng.integers(0, len(rig.state), 20)
            rig.state[at] ^= (1 << rng.integers(0, 8, 20)).astype(np.uint8)
        else:
            at = rng.integers(0, WEIGHTS_AT, 4)
            rig.state[at] = rng.integers(0, 256, 4, dtype=np.uint8)
        model = NumpyLm(rig.state.tobytes())
        for frame in range(3):
            rig.sense(70 + trial * 3 + frame)
            assert rig.step() == model.step(rig.input.tobytes()), f"trial {trial}"
        assert rig.state.tobytes() == model.state


def test_lm_restarts_at_each_passage() -> None:
    """Outputs depend on nothing before their passage: readers of a record compute one alone."""
    rig = Rig("lm", seed=7)
    whole = [output for _, _, output in rig.frames(2 * PASSAGE + 40)]
    alone = Rig("lm", seed=7)
    for frame in range(2 * PASSAGE, 2 * PASSAGE + 40):
        alone.sense(frame)
        assert alone.step() == whole[frame]


def test_lm_inputs_are_prompts_and_the_philox_stream() -> None:
    rig = Rig("lm", seed=8)
    prompts = set()
    for passage in range(24):
        prompt = ""
        for place in range(PASSAGE):
            frame = passage * PASSAGE + place
            rig.sense(frame)
            begins, forced, zero, random = struct.unpack("<BBHI", rig.input.tobytes())
            assert (begins, zero) == (place == 0, 0)
            if forced != NONE:
                assert len(prompt) == place
                prompt += CHARACTERS[forced]
            if place % 50 == 0:
                assert random == philox(8, b"wl.lm.01", frame, 0, 0, 0)[0] >> 32
        assert re.fullmatch(r"[A-Za-z ]+:\n[A-Z][A-Za-z ,!]* ", prompt)
        prompts.add(prompt)
    assert len(prompts) >= 6


def test_lm_characters_are_those_of_the_tables() -> None:
    (escaped,) = re.findall(r'lm_characters\[\] = "(.*)";', TABLES.read_text(encoding="utf-8"))
    assert escaped.replace("\\n", "\n") == CHARACTERS


# --- the model ------------------------------------------------------------------------------------


def log2_probabilities(state: bytes, numbers: list[int]) -> NDArray[np.float64]:
    """log2 p of each character after each of `numbers`, by the weights of a state in real numbers:
    exact exponentials and norms, nothing rounded but the weights."""
    scales = np.frombuffer(state, "<u4", 18, 16) / 1.0
    at = WEIGHTS_AT

    def take(*shape: int) -> NDArray[np.float64]:
        nonlocal at
        count = int(np.prod(shape))
        at += count
        return np.frombuffer(state, "i1", count, at - count).reshape(shape) / 1.0

    embed, qkv = take(len(CHARACTERS), WIDTH), take(LAYERS, WIDTH, 3 * WIDTH)
    out, up, down = take(LAYERS, WIDTH, WIDTH), take(LAYERS, WIDTH, 256), take(LAYERS, 256, WIDTH)
    bias = take(LAYERS, HEADS, WINDOW) / 8
    assert at == CACHE_AT

    def norm(h: NDArray[np.float64]) -> NDArray[np.float64]:
        return h / np.sqrt((h * h).mean(axis=-1, keepdims=True)) * 16

    n = len(numbers)
    distance = np.arange(n)[:, None] - np.arange(n)[None, :]
    seen = (distance >= 0) & (distance < WINDOW)
    # 4096 for 1.0 of the stream, as in the workload: the norm makes that of no importance.
    h = embed[numbers] * scales[0] / 2**16
    for layer in range(LAYERS):
        sq, sk, sv, ss, sm, so, su, sd = scales[2 + 8 * layer : 10 + 8 * layer]
        q, k, v = (
            (part * s / 2**24).reshape(n, HEADS, WIDTH // HEADS).transpose(1, 0, 2)
            for part, s in zip(np.split(norm(h) @ qkv[layer], 3, axis=1), (sq, sk, sv), strict=True)
        )
        score = q @ k.transpose(0, 2, 1) * ss / 2**31 + bias[layer][:, np.clip(distance, 0, 63)]
        p = np.where(seen, np.exp2(score - score.max(axis=2, keepdims=True)), 0)
        mean = (p @ v / p.sum(axis=2, keepdims=True)).transpose(1, 0, 2).reshape(n, WIDTH)
        h = h + mean * 256 * sm / 2**24 @ out[layer] * so / 2**24
        hidden = np.maximum(norm(h) @ up[layer] * su / 2**24, 0)
        h = h + hidden @ down[layer] * sd / 2**24
    bits = norm(h) @ embed.T * scales[1] / 2**31
    return np.asarray(bits - np.log2(np.exp2(bits).sum(axis=1, keepdims=True)))


def test_lm_costs_little_beside_real_numbers() -> None:
    rig = Rig("lm")
    state = rig.state.tobytes()
    bits = read(rig, HELD_OUT)
    numbers = [CHARACTERS.index(letter) for letter in HELD_OUT]
    exact = log2_probabilities(state, [0, *numbers[:-1]])[np.arange(len(numbers)), numbers]
    assert np.mean(bits) == pytest.approx(-exact.mean(), abs=0.03)
    assert np.abs(np.array(bits) + exact).max() < 1


def test_lm_has_learned_to_read() -> None:
    """Letters drawn by their frequency take 4.8 bits each."""
    assert np.mean(read(Rig("lm"), HELD_OUT)) < 2.75


def test_lm_surprisal_is_that_of_the_scores() -> None:
    rig = Rig("lm", seed=3)
    for _, _, output in rig.frames(200):
        scores = np.frombuffer(rig.scratch.tobytes(), "<i4", 65, len(rig.scratch) - 260) / 32768
        exact = np.log2(np.exp2(scores - scores.max()).sum()) + scores.max()
        code, surprisal = struct.unpack("<2I", output[:8])
        at = CHARACTERS.index(chr(code))
        assert surprisal / 32768 == pytest.approx(exact - scores[at], abs=0.006)


def test_lm_draws_characters_by_their_probability() -> None:
    """The same place, many random numbers: the frequencies are those of the sharpened scores."""
    rig, rng = Rig("lm", seed=4), np.random.default_rng(4)
    for _ in rig.frames(60):
        pass
    before = rig.state.copy()
    counts, draws = np.zeros(65), 3000
    for _ in range(draws):
        rig.state[:] = before
        random = int(rng.integers(0, 2**32))
        rig.input[:] = np.frombuffer(struct.pack("<BBHI", 0, NONE, 0, random), np.uint8)
        counts[CHARACTERS.index(chr(rig.step()[0]))] += 1
    scores = np.frombuffer(rig.scratch.tobytes(), "<i4", 65, len(rig.scratch) - 260) / 32768
    p = np.exp2((scores - scores.max()) * 1.25)
    p /= p.sum()
    expected = p * draws
    often = expected > 5
    chi2 = float(((counts - expected)[often] ** 2 / expected[often]).sum())
    rest = abs(counts[~often].sum() - expected[~often].sum())
    assert chi2 < 2 * often.sum() + 20
    assert rest < 5 * np.sqrt(expected[~often].sum() + 1)


# --- the text -------------------------------------------------------------------------------------

GOLDEN = """\
MIRANDA:
O brave new world, by the call will mina.

HENRUTUS:
I though thy Volsces her to a which ancing
Binexties victory, would be or evanted,
But cheek! Marcius, what I known come stand
As sould hate heaven. I shall lower yourself.

CAMILLO:
You lay gooKING RICHARD II:
The stars of death, where's unto that relent
To fajesty of and with my gazer;
And which amity---what faults morning wind see
But the speak out shows come to him where
What you me, I come good not office:
I will he is it is like a princely """


def test_lm_writes_the_golden_text() -> None:
    assert text(1, 2 * PASSAGE) == GOLDEN


def test_lm_writes_another_text_for_another_seed() -> None:
    assert text(2, PASSAGE) != text(1, PASSAGE)
