"""Each workload against an independent computation: hashlib, NumPy, scikit-learn, plain Python.

``workload_golden.json`` holds XXH64 digests of output and state after 100 frames at seed 1; every
machine and compiler must reproduce them. After a deliberate change of a workload write it anew with
the C test program: ``test_workloads golden > tests/kernel/workload_golden.json``.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import struct
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import xxhash
from numpy.typing import NDArray

from hil._kernel import ffi, lib

from .train_model import held_out_digits
from .workload_rig import Rig, philox

HERE = Path(__file__).resolve().parent
TRAIN_INFER = HERE.parents[1] / "csrc" / "kernel" / "workloads" / "train_infer.py"

NAMES = ["attitude", "infer", "matmul", "sha256", "archive"]
NAMES += ["fft", "qsort", "aes128", "crc32", "mekf"]
NAMES += ["train", "train+recheck", "train+rollback"]
NAMES += ["lm", "lm+abft", "matmul+abft"]
NAMES += ["dense-int8", "dense-bf16", "dense-fp16", "dense-fp32"]
NAMES += ["dense-bf16+clip", "dense-fp16+clip", "dense-fp32+clip"]
NAMES += ["dense-bf16+parity", "dense-fp16+parity", "dense-int8+dup", "dense-bf16+dup"]
NAMES += ["dense-int8+secded", "dense-bf16+secded"]
M64 = (1 << 64) - 1


def rotl64(x: int, by: int) -> int:
    return (x << by | x >> (64 - by)) & M64


# Every workload


def test_registry_holds_the_documented_workloads_in_order() -> None:
    names: list[str] = []
    while (workload := lib.workload_at(len(names))) != ffi.NULL:
        names.append(ffi.string(workload.name).decode())
    assert names == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_digests_after_100_frames_are_the_golden_ones(name: str) -> None:
    rig = Rig(name)
    for _ in rig.frames(100):
        pass
    golden = json.loads((HERE / "workload_golden.json").read_text(encoding="utf-8"))
    assert {
        "output": xxhash.xxh64(rig.output.tobytes()).hexdigest(),
        "state": xxhash.xxh64(rig.state.tobytes()).hexdigest(),
    } == golden[name]


def test_golden_table_covers_every_workload() -> None:
    golden = json.loads((HERE / "workload_golden.json").read_text(encoding="utf-8"))
    assert list(golden) == NAMES


@pytest.mark.parametrize(("name", "stream"), [("sha256", b"wl.sha25"), ("matmul", b"wl.matmu")])
def test_random_inputs_are_the_philox_stream_of_seed_and_frame(name: str, stream: bytes) -> None:
    rig = Rig(name, seed=77)
    for frame in (0, 1, 12345, 2**40):
        rig.sense(frame)
        words = [w for i in range(len(rig.input) // 32) for w in philox(77, stream, frame, i, 0, 0)]
        assert rig.input.tobytes() == struct.pack(f"<{len(words)}Q", *words)


# sha256


def test_sha256_chain_is_that_of_hashlib() -> None:
    rig = Rig("sha256")
    for frame, (before, sensed, output) in enumerate(rig.frames(500)):
        chain, steps, links = before[:32], before[32:40], bytearray(before[40:])
        slot = slice(frame % 8 * 32, frame % 8 * 32 + 32)
        old = bytes(links[slot])
        for _ in range(8):
            chain = hashlib.sha256(chain + sensed + old).digest()
        links[slot] = chain
        assert steps == struct.pack("<Q", frame)
        assert output == chain
        assert rig.state.tobytes() == chain + struct.pack("<Q", frame + 1) + bytes(links)


# matmul


def test_matmul_is_that_of_numpy() -> None:
    rig = Rig("matmul")
    n = np.arange(48 * 48, dtype=np.uint32)
    for before, sensed, output in rig.frames(200):
        a = np.frombuffer(before, "<u4").reshape(48, 48)
        x = np.tile(np.frombuffer(sensed, "<u4"), 48 * 3) * (2 * n + 1) + n * np.uint32(0x9E3779B9)
        b = (x ^ x >> np.uint32(15)).reshape(48, 48)
        c = a @ b
        words = [0] * 16
        for i, row_sum in enumerate(c.sum(axis=1, dtype=np.uint32)):
            word = words[i % 16]
            words[i % 16] = ((word << 11 | word >> 21) + int(row_sum)) & 0xFFFFFFFF
        assert output == struct.pack("<16I", *words)
        folded = (a << np.uint32(7) | a >> np.uint32(25)) ^ c
        assert rig.state.tobytes() == folded.astype("<u4").tobytes()


# archive

SLOTS = 4095


def archive_step(words: list[int], sensed: bytes) -> bytes:
    """One step on the state as a list of 64-bit words, in place; returns the output."""
    steps, inputs = words[0], struct.unpack("<8Q", sensed)

    def at(index: int) -> slice:
        return slice((1 + index % SLOTS) * 32, (2 + index % SLOTS) * 32)

    h, record = steps, []
    for w, (previous, replaced) in enumerate(
        zip(words[at(steps + SLOTS - 1)], words[at(steps)], strict=True)
    ):
        h = ((rotl64(h, 23) ^ inputs[w % 8]) * 0x9E3779B97F4A7C15 + previous) & M64
        record.append(h ^ rotl64(replaced, 41))
    words[at(steps)] = record
    lanes = [0, 1, 2, 3]
    for i in range(8):
        for w, word in enumerate(words[at(steps * 8 + i)]):
            lanes[w % 4] = (rotl64(lanes[w % 4], 29) ^ word) * 0xC2B2AE3D27D4EB4F & M64
    words[1:5] = [(s + lane) & M64 for s, lane in zip(words[1:5], lanes, strict=True)]
    words[0] = (steps + 1) & M64
    return struct.pack("<4Q", *lanes)


def test_archive_is_that_of_python_over_a_whole_turn_of_reading() -> None:
    rig = Rig("archive")
    assert len(rig.state) == 1 << 20
    words = list(struct.unpack("<131072Q", rig.state.tobytes()))
    for frame in range(550):
        rig.sense(frame)
        assert rig.step() == archive_step(words, rig.input.tobytes())
    assert rig.state.tobytes() == struct.pack("<131072Q", *words)


def test_archive_shows_a_flipped_bit_when_the_record_is_read_back() -> None:
    good, hit = Rig("archive"), Rig("archive")
    hit.state[(1 + 803) * 256 + 17] ^= 4  # slot 803 is read in step 803 // 8
    differs = []
    for frame in range(300):
        good.sense(frame)
        hit.sense(frame)
        differs.append(good.step() != hit.step())
    assert [i for i, d in enumerate(differs) if d] == [100]


# infer


@pytest.fixture(scope="module")
def train_infer() -> ModuleType:
    pytest.importorskip("sklearn")
    spec = importlib.util.spec_from_file_location("train_infer", TRAIN_INFER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def network_of(state: bytes) -> dict[str, NDArray[np.int64]]:
    """The quantised network in a state of ``infer``: offsets as its C file lays them out."""
    out, at = {}, 16 + 4 * 10
    for name, dtype, shape in (
        ("multipliers", "<u4", (2,)),
        ("biases1", "<i4", (8,)),
        ("biases2", "<i4", (16,)),
        ("biases3", "<i4", (10,)),
        ("weights1", "i1", (3, 3, 8)),
        ("weights2", "i1", (3, 3, 8, 16)),
        ("weights3", "i1", (4, 4, 16, 10)),
    ):
        count = math.prod(shape)
        out[name] = np.frombuffer(state, dtype, count, at).astype(np.int64).reshape(shape)
        at += count * np.dtype(dtype).itemsize
    assert at == len(state)
    return out


def logits_of(net: dict[str, NDArray[np.int64]], image: NDArray[np.uint8]) -> list[int]:
    """The ten logits for one image of 64 pixels."""

    def activate(total: NDArray[np.int64], multiplier: np.int64) -> NDArray[np.int64]:
        return np.asarray(np.minimum(127, (np.maximum(0, total) * multiplier + 2**23) >> 24))

    padded = np.pad(image.reshape(8, 8).astype(np.int64), 1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))  # (8, 8, 3, 3)
    first = np.einsum("yxij,ijc->yxc", windows, net["weights1"]) + net["biases1"]
    first = np.pad(activate(first, net["multipliers"][0]), ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(first, (3, 3), (0, 1))[::2, ::2]
    second = np.einsum("yxcij,ijcd->yxd", windows, net["weights2"]) + net["biases2"]
    second = activate(second, net["multipliers"][1])
    logits = np.einsum("yxd,yxdk->k", second, net["weights3"]) + net["biases3"]
    return [int(v) for v in logits]


def fnv1a(value: int, data: bytes) -> int:
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & M64
    return value


def test_infer_gives_the_logits_of_numpy_and_the_labels_of_scikit_learn(
    train_infer: ModuleType,
) -> None:
    images, labels = train_infer.dataset()
    _, held_out = train_infer.split(labels)
    rig = Rig("infer")
    net = network_of(rig.state.tobytes())
    right, total, tally = 0, 0, [0] * 10
    for index in held_out:
        rig.input[:] = images[index]
        output = rig.step()
        logits = logits_of(net, images[index])
        chosen = logits.index(max(logits))
        assert output == struct.pack("<I10i4x", chosen, *logits)
        right += chosen == labels[index]
        total = fnv1a(total, output)
        tally[chosen] += 1
    assert right / len(held_out) >= 0.97
    assert rig.state[:56].tobytes() == struct.pack("<QQ10I", len(held_out), total, *tally)


def test_infer_draws_every_held_out_image_and_no_other(train_infer: ModuleType) -> None:
    images, labels = train_infer.dataset()
    train, held_out = train_infer.split(labels)
    expected = {images[i].tobytes() for i in held_out}
    assert not expected & {images[i].tobytes() for i in train}
    rig = Rig("infer")
    drawn = set()
    for frame in range(6000):
        rig.sense(frame)
        drawn.add(rig.input.tobytes())
    assert drawn == expected


def test_train_learns_images_and_labels_of_scikit_learn(train_infer: ModuleType) -> None:
    images, labels = train_infer.dataset()
    _, held_out = train_infer.split(labels)
    assert np.array_equal(held_out_digits()[0], images[held_out])
    assert np.array_equal(held_out_digits()[1], labels[held_out])


def test_infer_runs_the_network_in_its_state() -> None:
    rig = Rig("infer")
    rig.sense(0)
    before = rig.step()
    rig.state[-1000] ^= 0x40  # a weight of the dense layer
    rig.state[60] ^= 0x10  # the second multiplier
    net = network_of(rig.state.tobytes())
    output = rig.step()
    assert output != before
    assert struct.unpack("<10i", output[4:44]) == tuple(logits_of(net, rig.input))


# attitude

Quaternion = tuple[float, float, float, float]
DT_S = 0.1


def product(p: Quaternion, q: Quaternion) -> Quaternion:
    """Hamilton product, scalar first, summed in the order of the C code."""
    return (
        p[0] * q[0] - (p[1] * q[1] + p[2] * q[2] + p[3] * q[3]),
        (p[0] * q[1] + p[1] * q[0] + p[2] * q[3]) - p[3] * q[2],
        (p[0] * q[2] + p[2] * q[0] + p[3] * q[1]) - p[1] * q[3],
        (p[0] * q[3] + p[3] * q[0] + p[1] * q[2]) - p[2] * q[1],
    )


def attitude_step(estimate: bytes, sensed: bytes) -> bytes:
    """One step of the filter in Python floats: quaternion and bias, packed."""
    q0, q1, q2, q3, *bias = struct.unpack("<7d", estimate)
    *rate, m0, m1, m2, m3 = struct.unpack("<7d", sensed)
    x, y, z = ((r - b) * (0.5 * DT_S) for r, b in zip(rate, bias, strict=True))
    q = product((q0, q1, q2, q3), (1.0 - 0.5 * (x * x + y * y + z * z), x, y, z))
    d = product((q[0], -q[1], -q[2], -q[3]), (m0, m1, m2, m3))
    error = [(-2.0 if d[0] < 0.0 else 2.0) * v for v in d[1:]]
    x, y, z = ((0.5 * 0.25) * e for e in error)
    bias = [max(-0.125, min(0.125, b - 0.02 * e)) for b, e in zip(bias, error, strict=True)]
    q = product(q, (1.0, x, y, z))
    half = 0.5 * (q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
    scale = 1.0
    for _ in range(5):
        scale = scale * (1.5 - half * scale * scale)
    return struct.pack("<7d", *(v * scale for v in q), *bias)


def angle_between(p: Quaternion, q: Quaternion) -> float:
    """The angle [rad] of the rotation from p to q, whatever their signs."""
    d = product((p[0], -p[1], -p[2], -p[3]), q)
    return 2 * math.atan2(math.hypot(*d[1:]), abs(d[0]))


class Truth:
    """The tumbling body of ``attitude``, from its closed form with libm."""

    def __init__(self, seed: int) -> None:
        words = philox(seed, b"wl.attit", 0, 0, 0, 1)
        self.sigma0, self.delta0 = (w / 2**64 * math.tau for w in words[:2])
        halves = words[2] >> 32, words[2] & 0xFFFFFFFF, words[3] >> 32
        self.bias = [0.01 * (h / 2**31 - 1) for h in halves]
        self.theta = math.acos(0.6)

    def attitude(self, frame: int) -> Quaternion:
        sigma = self.sigma0 + 0.085 * DT_S * frame
        delta = self.delta0 - 0.035 * DT_S * frame
        c, s = math.cos(self.theta / 2), math.sin(self.theta / 2)
        return (
            c * math.cos(sigma),
            s * math.cos(delta),
            s * math.sin(delta),
            c * math.sin(sigma),
        )


@pytest.mark.parametrize("seed", [1, 2])
def test_attitude_is_bit_for_bit_that_of_python(seed: int) -> None:
    rig = Rig("attitude", seed)
    for frame, (before, sensed, output) in enumerate(rig.frames(1000)):
        assert output == attitude_step(before[:56], sensed)
        assert rig.state.tobytes() == output + struct.pack("<II", frame + 1, 0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_attitude_sensors_report_the_tumbling_truth(seed: int) -> None:
    rig, truth = Rig("attitude", seed), Truth(seed)
    signs = set()
    for frame in range(1, 2000):
        rig.sense(frame)
        *rate, m0, m1, m2, m3 = struct.unpack("<7d", rig.input.tobytes())
        measured, now = (m0, m1, m2, m3), truth.attitude(frame)
        assert math.hypot(*measured) == pytest.approx(1, abs=1e-14)
        assert angle_between(measured, now) < 1e-3
        signs.add(sum(a * b for a, b in zip(measured, now, strict=True)) > 0)
        # The mean rate since the frame before, from the attitudes alone.
        q = truth.attitude(frame - 1)
        turn = product((q[0], -q[1], -q[2], -q[3]), now)
        for r, bias, v in zip(rate, truth.bias, turn[1:], strict=True):
            assert r - bias == pytest.approx(2 * v / DT_S, abs=6e-4)
    assert signs == {True, False}


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_attitude_converges_to_the_truth(seed: int) -> None:
    rig, truth = Rig("attitude", seed), Truth(seed)
    for frame, (_, _, output) in enumerate(rig.frames(3000)):
        q0, q1, q2, q3, *bias = struct.unpack("<7d", output)
        error = angle_between((q0, q1, q2, q3), truth.attitude(frame))
        if frame >= 2000:
            assert error < 3e-4
            assert bias == pytest.approx(truth.bias, abs=3e-4)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1e300, 3.0, 1.9])
@pytest.mark.parametrize("at", range(7))
def test_attitude_restarts_from_the_measurement_if_its_state_is_damaged(
    bad: float, at: int
) -> None:
    rig = Rig("attitude")
    for _ in rig.frames(50):
        pass
    rig.state[8 * at : 8 * at + 8] = np.frombuffer(struct.pack("<d", bad), np.uint8)
    rig.sense(50)
    q0, q1, q2, q3, *bias = struct.unpack("<7d", rig.step())
    assert angle_between((q0, q1, q2, q3), Truth(1).attitude(50)) < 0.02
    assert max(map(abs, bias)) < 1e-3
    assert struct.unpack("<II", rig.state[56:].tobytes()) == (51, 1)


@pytest.mark.parametrize("at", range(7))
def test_attitude_coasts_over_a_damaged_input(at: int) -> None:
    rig = Rig("attitude")
    for _ in rig.frames(2000):
        pass
    rig.sense(2000)
    rig.input[8 * at : 8 * at + 8] = 0xFF  # a NaN
    q0, q1, q2, q3, *_ = struct.unpack("<7d", rig.step())
    assert angle_between((q0, q1, q2, q3), Truth(1).attitude(2000)) < 0.02
    assert struct.unpack("<II", rig.state[56:].tobytes()) == (2001, 1)
