"""`train` and its variants against a model in Python's integers, floating point, and upsets."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from numpy.typing import NDArray

from hil.kernel import Golden, workload

from . import train_model
from .train_model import ONE, TrainModel, held_out_digits
from .workload_rig import Rig

VARIANTS = ["train", "train+recheck", "train+rollback"]
COMMON = 9960  # [byte] of the state that all variants have
WEIGHTS_AT, MOMENTUM_AT = 280, 5120
Digits = tuple[NDArray[np.int64], NDArray[np.int64]]


@pytest.fixture(scope="module")
def digits() -> Digits:
    return held_out_digits()


def telemetry(output: bytes) -> tuple[int, int, int, int]:
    """Loss, sum of the squared changes, digest of the weights, steps."""
    return struct.unpack_from("<I", output)[0], *struct.unpack_from("<3Q", output, 56)


@pytest.mark.parametrize("seed", [1, 2])
def test_train_is_that_of_python(digits: Digits, seed: int) -> None:
    rig, model = Rig("train", seed), TrainModel(*digits, seed)
    assert rig.state.tobytes() == model.state
    for _, sensed, output in rig.frames(150):
        assert output == model.step(sensed)
        assert rig.state.tobytes() == model.state


def test_inputs_are_images_that_are_not_trained_on(digits: Digits) -> None:
    rig, seen = Rig("train"), set()
    expected = {
        (im.astype(np.uint8).tobytes(), int(digit)) for im, digit in zip(*digits, strict=True)
    }
    trained = {im.astype(np.uint8).tobytes() for im in digits[0][:256]}
    for frame in range(1500):
        rig.sense(frame)
        data = rig.input.tobytes()
        seen.add((data[:64], struct.unpack_from("<I", data, 64)[0]))
    assert seen <= expected
    assert len(seen) == 364 - 256
    assert not {image for image, _ in seen} & trained


def test_each_epoch_has_every_image_once_in_another_order() -> None:
    rig, orders = Rig("train"), set()
    for _ in range(20):
        for frame in range(16):
            rig.sense(frame)
            rig.step()
        order = rig.state[24:280].tobytes()
        assert sorted(order) == list(range(256))
        orders.add(order)
    assert len(orders) == 20


def test_exponential_and_logarithm_are_those_of_libm() -> None:
    for x in [*range(0, 12 * ONE, 997), 40 * ONE, 512 * ONE]:
        assert train_model.power_of_e(x) / 2**15 == pytest.approx(math.exp(-x / ONE), abs=2e-4)
    for x in range(1 << 15, 10 << 15, 1009):
        assert train_model.logarithm(x) / ONE == pytest.approx(math.log(x / 2**15), abs=5e-5)


def test_gradients_are_those_of_floating_point(digits: Digits) -> None:
    """One step of plain float SGD from the same weights moves them the same way."""
    images, labels = digits
    rig = Rig("train")
    for _ in rig.frames(20):
        pass
    model = TrainModel(*digits, 1)
    for frame in range(20):
        rig.sense(frame)
        model.step(rig.input.tobytes())
    w1, b1, w2, b2 = (v / ONE for v in model.layers(model.weights))
    before = model.momentum / ONE
    picks = TrainModel(*digits, 1, order=list(model.order), place=model.place)
    picks.generator = model.generator
    batch = picks.draw()
    x, y = images[batch] / 16.0, labels[batch]
    z = x @ w1 + b1
    hidden = np.maximum(z, 0)
    scores = hidden @ w2 + b2
    p = np.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    p[np.arange(16), y] -= 1
    back = (p @ w2.T) * (z > 0)
    gradient = np.concatenate([(x.T @ back).ravel(), back.sum(0), (hidden.T @ p).ravel(), p.sum(0)])
    rig.sense(20)
    rig.step()
    momentum = np.frombuffer(rig.state.tobytes(), "<i4", 1210, MOMENTUM_AT) / ONE
    assert np.abs(gradient).max() > 0.5
    assert np.abs(momentum - (before * 7 / 8 + gradient)).max() < 0.02


def test_it_learns_the_digits(digits: Digits) -> None:
    golden, losses, classes = Golden("train", 1), [], []
    labels = {im.astype(np.uint8).tobytes(): int(digit) for im, digit in zip(*digits, strict=True)}
    for _ in range(400):
        golden.step()
        losses.append(telemetry(golden.output)[0] / ONE)
        (chosen,) = struct.unpack_from("<I", golden.output, 12)
        classes.append(chosen == labels[golden.input[:64]])
    assert losses[0] == pytest.approx(math.log(10), abs=0.3)
    assert sum(losses[-64:]) / 64 < 0.05
    assert sum(classes[-200:]) / 200 > 0.9


@pytest.mark.parametrize("seed", range(1, 6))
def test_variants_train_as_train_does_and_raise_no_false_alarm(seed: int) -> None:
    goldens = [Golden(name, seed) for name in VARIANTS]
    for _ in range(600):
        for golden in goldens:
            golden.step()
        assert len({golden.output for golden in goldens}) == 1
        assert len({golden.state[:COMMON] for golden in goldens}) == 1


def flipped(name: str, place: int, bit: int, at: int, region: str = "state") -> tuple[Rig, bytes]:
    """A run to frame `at`, and the output of the step in which a bit is flipped after the images
    were learned."""
    rig = Rig(name)
    for _ in rig.frames(at):
        pass
    rig.sense(at)
    return rig, rig.step_with_flip(18 if region == "scratch" else 0, region, place, bit)


def test_a_spike_of_the_update_is_computed_again_and_heals_the_gradient() -> None:
    golden = Golden("train", 1)
    for _ in range(201):
        golden.step()
    plain = flipped("train", 4 * 5 + 3, 5, 200, "scratch")[1]
    rig, checked = flipped("train+recheck", 4 * 5 + 3, 5, 200, "scratch")
    assert telemetry(plain)[1] > 100 * telemetry(golden.output)[1]
    assert checked[:80] == golden.output[:80]
    assert struct.unpack_from("<II", checked, 80) == (1, 1)
    assert rig.state[:COMMON].tobytes() == golden.state[:COMMON]


def test_a_recheck_cannot_heal_momentum_in_memory() -> None:
    plain = flipped("train", MOMENTUM_AT + 4 * 1045 + 3, 5, 200)[1]
    _, checked = flipped("train+recheck", MOMENTUM_AT + 4 * 1045 + 3, 5, 200)
    assert checked[:80] == plain[:80]
    assert struct.unpack_from("<II", checked, 80) == (1, 0)


def test_a_small_change_is_not_looked_at_again() -> None:
    _, checked = flipped("train+recheck", 4 * 5, 3, 200, "scratch")
    assert struct.unpack_from("<II", checked, 80) == (0, 0)


def test_a_spike_of_the_loss_goes_back_and_catches_up() -> None:
    """After the rollback the run is that of a golden one so many steps before."""
    golden, known = Golden("train", 1), {}
    for _ in range(400):
        golden.step()
        _, _, digest, steps = telemetry(golden.output)
        known[steps] = digest
    rig = Rig("train+rollback")
    for _ in rig.frames(205):
        pass
    rig.state[WEIGHTS_AT + 4 * 1045 + 3] ^= 0x40
    behind = []
    for frame in range(205, 300):
        rig.sense(frame)
        loss, _, digest, steps = telemetry(rig.step())
        behind.append(frame + 1 - steps)
        assert behind[-1] == 0 or frame == 205 or known[steps] == digest
    assert loss < ONE // 2
    assert behind[-1] == 205 - 192 + 1  # the copy is that of step 192; the step itself was dropped
    assert struct.unpack_from("<I", rig.output.tobytes(), 80) == (1,)


def test_a_copy_that_is_damaged_is_not_restored() -> None:
    rig = Rig("train+rollback")
    for _ in rig.frames(205):
        pass
    rig.state[COMMON + 24 + 4000] ^= 1
    rig.state[WEIGHTS_AT + 4 * 1045 + 3] ^= 0x40
    rig.sense(205)
    output = rig.step()
    assert telemetry(output)[3] == 206
    assert struct.unpack_from("<I", output, 80) == (0,)


def test_it_does_not_go_back_twice_for_one_reason() -> None:
    """The weight is damaged again whenever it is restored: training goes on nevertheless."""
    rig, steps = Rig("train+rollback"), 0
    for _ in rig.frames(205):
        pass
    for frame in range(205, 400):
        rig.state[WEIGHTS_AT + 4 * 1045 + 3] |= 0x40
        rig.sense(frame)
        steps = telemetry(rig.step())[3]
    assert steps > 205


@pytest.mark.parametrize("name", VARIANTS)
def test_the_outputs_of_variants_differ_in_nothing_but_counters(name: str) -> None:
    assert workload(name).output_len == 88
    assert workload(name).scratch_len == workload("train").scratch_len
