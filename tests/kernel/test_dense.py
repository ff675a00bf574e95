"""The dense-* classifiers against NumPy's float32 and float16; what their protections repair."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hil.scenario.models import model_of

from .workload_rig import Rig

Array = NDArray[Any]

HIDDEN, CLASSES = 32, 10
BIASES = slice(8, 8 + 4 * (HIDDEN + CLASSES))
REAL = ["dense-bf16", "dense-fp16", "dense-fp32"]
NAN = 0x7FC00000


def bfloat16_of(values: Array) -> Array:
    """Numbers rounded to eight significant bits, half to even; below 2^-126 to multiples of
    2^-133."""
    with np.errstate(over="ignore", invalid="ignore"):
        mantissa, exponent = np.frexp(values.astype(np.float64))
        quantum = np.maximum(exponent - 8, -133)
        return np.ldexp(np.rint(np.ldexp(mantissa, exponent - quantum)), quantum).astype(np.float32)


def numbers(raw: bytes, kind: str) -> Array:
    """The float32 values of the numbers of a format."""
    if kind == "dense-bf16":
        return (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    if kind == "dense-fp16":
        return np.frombuffer(raw, "<f2").astype(np.float32)
    return np.frombuffer(raw, "<f4").copy()


def narrow(values: Array, kind: str) -> Array:
    if kind == "dense-bf16":
        return bfloat16_of(values)
    return values.astype(np.float16).astype(np.float32) if kind == "dense-fp16" else values


def layer(x: Array, weights: Array, sums: Array) -> Array:
    """Sums of float32 in the order of the inputs: each operation rounds once."""
    for value, row in zip(x, weights, strict=True):
        sums = sums + value * row
    return sums


@np.errstate(all="ignore")
def logits_of(kind: str, state: bytes, pixels: bytes) -> Array:
    """The bits of the logits, by NumPy."""
    model = model_of(kind)
    assert model is not None
    weights = numbers(state[model.offset : model.end], kind)
    first, last = weights[: 64 * HIDDEN].reshape(64, HIDDEN), weights[64 * HIDDEN :]
    biases = np.frombuffer(state[BIASES], "<f4")
    x = (np.frombuffer(pixels[:64], np.uint8).astype(np.float32) - 8) / np.float32(8)
    sums = layer(x, first, biases[:HIDDEN])
    units = narrow(np.where(sums <= 0, np.float32(0), sums), kind)  # NaN is not <= 0
    logits = layer(units, last.reshape(HIDDEN, CLASSES), biases[HIDDEN:])
    bits: Array = logits.astype(np.float32).view(np.uint32)
    return np.where(np.isnan(logits), np.uint32(NAN), bits)


def chosen(logits: Array) -> int:
    values = logits.view(np.float32)
    best = np.nan_to_num(values, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    is_number = ~np.isnan(values)
    if not is_number.any():
        return 0
    return int(np.flatnonzero(is_number & (best == best[is_number].max()))[0])


def check_output(output: bytes, logits: Array) -> None:
    assert output[4:] == logits.astype("<u4").tobytes()
    assert struct.unpack_from("<I", output)[0] == chosen(logits.astype(np.uint32))


@pytest.mark.parametrize("kind", REAL)
def test_logits_are_those_of_numpy_to_the_last_bit(kind: str) -> None:
    rig = Rig(kind, seed=3)
    for before, sensed, output in rig.frames(40):
        check_output(output, logits_of(kind, before, sensed))


@pytest.mark.parametrize("kind", REAL)
def test_damaged_weights_give_what_ieee_754_says(kind: str) -> None:
    """Infinities, NaN, subnormal numbers, overflow: whatever flips make of weights and biases."""
    rng = np.random.default_rng(15)
    rig, model = Rig(kind, seed=3), model_of(kind)
    assert model is not None
    right = rig.state.copy()
    kinds = set()
    for trial in range(120):
        rig.state[:] = right
        rig.sense(trial)
        if trial % 4 == 3:
            rig.input[:] = rng.integers(0, 256, len(rig.input))
        for _ in range(1 + trial % 12):
            byte = rng.integers(8, len(rig.state))
            rig.state[byte] = rng.integers(0, 256)
        if trial % 3 == 0:  # the highest byte of a weight: infinite, NaN or huge
            size = model.format.bits // 8
            weight = int(rng.integers(model.weights))
            rig.state[model.offset + size * (weight + 1) - 1] = rng.choice([0x7F, 0xFF, 0x7C, 0x7E])
        before = rig.state.tobytes()
        logits = logits_of(kind, before, rig.input.tobytes())
        check_output(rig.step(), logits)
        magnitude = logits & 0x7FFFFFFF
        kinds |= {"nan"} if (logits == NAN).any() else set()
        kinds |= {"infinite"} if (magnitude == 0x7F800000).any() else set()
        kinds |= {"huge"} if ((magnitude > 0x60000000) & (magnitude < 0x7F800000)).any() else set()
    assert kinds >= ({"nan", "infinite"} if kind == "dense-fp16" else {"nan", "huge"})


def test_int8_is_that_of_integers() -> None:
    rig = Rig("dense-int8", seed=3)
    model = model_of("dense-int8")
    assert model is not None
    for before, sensed, output in rig.frames(100):
        weights = np.frombuffer(before[model.offset : model.end], np.int8).astype(np.int64)
        biases = np.frombuffer(before[BIASES], "<i4").astype(np.int64)
        scales = struct.unpack_from("<2I", before, BIASES.stop)
        x = np.frombuffer(sensed[:64], np.uint8).astype(np.int64) - 8
        sums = x @ weights[: 64 * HIDDEN].reshape(64, HIDDEN) + biases[:HIDDEN]
        units = np.minimum(127, (np.maximum(sums, 0) * scales[0] + (1 << 23)) >> 24)
        sums = units @ weights[64 * HIDDEN :].reshape(HIDDEN, CLASSES) + biases[HIDDEN:]
        logits = (sums * scales[1] + 128) >> 8
        assert output[4:] == logits.astype("<i4").tobytes()
        assert output[0] == int(logits.argmax())


@pytest.mark.parametrize("kind", ["dense-int8", *REAL, "dense-bf16+clip"])
def test_most_held_out_images_are_classified(kind: str) -> None:
    rig = Rig(kind, seed=8)
    right = sum(output[0] == sensed[64] for _, sensed, output in rig.frames(300))
    assert right >= 288  # 96 %


def repairs(rig: Rig) -> int:
    return int(struct.unpack("<I", rig.scratch.tobytes()[-4:])[0])


EXACT = ["dense-bf16+parity", "dense-fp16+parity", "dense-int8+dup", "dense-bf16+dup"]
EXACT += ["dense-int8+secded", "dense-bf16+secded"]


@pytest.mark.parametrize("kind", EXACT)
def test_a_protection_changes_no_output_and_repairs_nothing_without_faults(kind: str) -> None:
    rig, bare = Rig(kind, seed=4), Rig(kind.partition("+")[0], seed=4)
    for (_, _, output), (_, _, right) in zip(rig.frames(150), bare.frames(150), strict=True):
        assert output == right
        assert repairs(rig) == 0


@pytest.mark.parametrize("kind", ["dense-bf16", "dense-fp16"])
def test_parity_puts_every_flip_of_a_top_exponent_bit_right(kind: str) -> None:
    rig = Rig(f"{kind}+parity", seed=4)
    model = model_of(kind)
    assert model is not None
    rig.sense(5)
    right, state = rig.step(), rig.state.copy()
    for weight in range(model.weights):
        rig.state[:] = state
        rig.state[model.offset + 2 * weight + 1] ^= 0x40
        assert rig.step() == right
        assert repairs(rig) == 1
        assert (rig.state[8:] == state[8:]).all()
    rows = slice(model.end, model.end + 12)  # parities of rows that are hit are put right, too
    for bit in range(96):
        rig.state[:] = state
        rig.state[rows.start + bit // 8] ^= 1 << bit % 8
        assert rig.step() == right
        assert (rig.state[8:] == state[8:]).all()


@pytest.mark.parametrize("kind", ["dense-int8+secded", "dense-bf16+secded"])
def test_secded_puts_every_flip_of_parameters_and_check_bits_right(kind: str) -> None:
    rig = Rig(kind, seed=4)
    rig.sense(5)
    right, state = rig.step(), rig.state.copy()
    rng = np.random.default_rng(2)
    for byte in range(8, len(state)):
        rig.state[:] = state
        rig.state[byte] ^= 1 << rng.integers(8)
        assert rig.step() == right
        assert repairs(rig) == 1
        assert (rig.state[8:] == state[8:]).all()


@pytest.mark.parametrize("kind", ["dense-int8+dup", "dense-bf16+dup"])
def test_duplication_repairs_activations_that_are_hit(kind: str) -> None:
    rig = Rig(kind, seed=4)
    rig.sense(5)
    right = rig.step()
    stored = 2 * HIDDEN * (1 if "int8" in kind else 2)
    ticks = rig.workload.ticks
    for byte in range(stored):
        assert rig.step_with_flip(ticks - 1, "scratch", byte, byte % 8) == right
        assert repairs(rig) == 1


@pytest.mark.parametrize("kind", REAL)
def test_clipping_keeps_logits_in_the_range_of_training_whatever_a_weight_is(kind: str) -> None:
    rig, bare = Rig(f"{kind}+clip", seed=4), Rig(kind, seed=4)
    model = model_of(kind)
    assert model is not None
    seen = [np.frombuffer(output[4:], "<f4") for _, _, output in bare.frames(300)]
    assert np.abs(seen).max() < 60
    state, rng, size = rig.state.copy(), np.random.default_rng(1), model.format.bits // 8
    wild = 0
    for trial in range(400):
        weight = int(rng.integers(model.weights))
        for one in (rig, bare):
            one.state[:] = state[: len(one.state)]
            one.sense(trial)
            one.state[model.offset + size * (weight + 1) - 1] ^= 0x40  # the top exponent bit
        logits = np.frombuffer(rig.step()[4:], "<f4")
        wild += not np.abs(np.frombuffer(bare.step()[4:], "<f4")).max() < 60
        assert np.abs(logits).max() < 60  # and no NaN
    assert wild > 100
