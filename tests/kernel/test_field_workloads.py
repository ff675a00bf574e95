"""The workloads that the field compares on, against NumPy, zlib, `sorted`, published vectors, and
filters written another way."""

from __future__ import annotations

import math
import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray

from .digest_models import encrypt_block, expand_key
from .test_workloads import Truth, angle_between
from .workload_rig import Rig, philox

# --- fft ------------------------------------------------------------------------------------------

SCALE = 32767
STAGE_ERROR = 1.6
"""[1/32768] The most that a stage adds to an error: a product is rounded (1/2), its factor is (1/2
and 1/32768 of the value), half of that counts, and the half is rounded (1/2)."""


def values_of(scratch: NDArray[np.uint8]) -> NDArray[np.complex128]:
    pairs = np.frombuffer(scratch.tobytes(), "<i2").reshape(256, 2).astype(float)
    return np.asarray(pairs[:, 0] + 1j * pairs[:, 1])


def test_fft_is_that_of_numpy_within_its_rounding() -> None:
    rig = Rig("fft", seed=3)
    worst, squares = 0.0, []
    for before, sensed, _ in rig.frames(200):
        block = np.frombuffer(before[:256] + sensed, "<i2").astype(float)
        errors = np.abs(values_of(rig.scratch) - np.fft.fft(block) / 256)
        worst = max(worst, float(errors.max()))
        squares.append(float((errors**2).mean()))
        assert rig.state[:256].tobytes() == sensed
    assert worst < 8 * STAGE_ERROR * math.sqrt(2)
    assert math.sqrt(np.mean(squares)) < 1.5


@pytest.mark.parametrize("block", ["extremes", "steps", "random"])
def test_fft_keeps_the_energy_of_any_samples(block: str) -> None:
    """Parseval: the sum of the squares, of samples as large as there are."""
    rig, rng = Rig("fft"), np.random.default_rng(5)
    for _ in range(20):
        samples = {
            "extremes": rng.choice([-32768, 32767], 256),
            "steps": np.where(np.arange(256) % 32 < 16, 32767, -32768),
            "random": rng.integers(-32768, 32768, 256),
        }[block]
        raw = samples.astype("<i2").tobytes()
        rig.state[:256] = np.frombuffer(raw[:256], np.uint8)
        rig.input[:] = np.frombuffer(raw[256:], np.uint8)
        rig.step()
        energy = float((np.abs(values_of(rig.scratch)) ** 2).sum()) * 256
        assert energy == pytest.approx(float((samples.astype(float) ** 2).sum()), rel=0.02)


def test_fft_finds_the_tones_that_the_seed_chooses() -> None:
    for seed in range(1, 9):
        rig = Rig("fft", seed)
        for _ in rig.frames(40):
            pass
        means = np.frombuffer(rig.state[256:768].tobytes(), "<u4")
        wide = philox(seed, b"wl.fft.1", 0, 0, 0, 1)[0] / 2**64 * 256
        bin_ = min(wide, 256 - wide)
        assert abs(int(means.argmax()) - bin_) <= 1


def test_fft_averages_power_in_bands() -> None:
    rig = Rig("fft", seed=2)
    means = [0] * 128
    for frame, (_, _, output) in enumerate(rig.frames(50)):
        power = np.abs(values_of(rig.scratch)[:128]) ** 2
        means = [m - (m >> 3) + (round(p) >> 3) for m, p in zip(means, power, strict=True)]
        assert rig.state[256:].tobytes() == struct.pack("<128IQ", *means, frame + 1)
        assert output == struct.pack("<32I", *(sum(means[i : i + 4]) for i in range(0, 128, 4)))


# --- qsort ----------------------------------------------------------------------------------------


def mixed_keys(before: bytes, sensed: bytes) -> list[int]:
    given = struct.unpack("<16I", sensed)
    keys = struct.unpack("<256I", before[:1024])
    return [((k << 11 | k >> 21) * 0x9E3779B1 + given[i % 16]) % 2**32 for i, k in enumerate(keys)]


def test_qsort_sorts_as_python_does() -> None:
    rig = Rig("qsort", seed=4)
    for frame, (before, sensed, output) in enumerate(rig.frames(500)):
        ordered = sorted(mixed_keys(before, sensed))
        assert rig.state.tobytes() == struct.pack("<256IQ", *ordered, frame + 1)
        assert output == struct.pack("<64I", *ordered[::4])
        assert rig.scratch[:4].tobytes() == bytes(4), "segments are left"


INVERSE = pow(0x9E3779B1, -1, 2**32)


@pytest.mark.parametrize("order", ["rising", "falling", "equal", "two", "organ", "saw"])
def test_qsort_sorts_what_is_hard_for_a_quicksort(order: str) -> None:
    keys = {
        "rising": list(range(256)),
        "falling": list(range(256, 0, -1)),
        "equal": [7] * 256,
        "two": [i % 2 for i in range(256)],
        "organ": [min(i, 256 - i) for i in range(256)],
        "saw": [i % 16 for i in range(256)],
    }[order]
    rig = Rig("qsort")
    rig.input[:] = 0
    mixed = [k * INVERSE % 2**32 for k in keys]  # so that these are the keys once they are mixed
    before = struct.pack("<256I", *((k >> 11 | k << 21) % 2**32 for k in mixed))
    rig.state[:1024] = np.frombuffer(before, np.uint8)
    assert mixed_keys(before, bytes(64)) == keys
    assert rig.step() == struct.pack("<64I", *sorted(keys)[::4])


# --- aes128 ---------------------------------------------------------------------------------------


def encrypted(key: str, chain: str, text: str) -> bytes:
    rig = Rig("aes128")
    rig.state[:32] = np.frombuffer(bytes.fromhex(key + chain), np.uint8)
    data = bytes.fromhex(text)
    rig.input[: len(data)] = np.frombuffer(data, np.uint8)
    return bytes(rig.step()[: len(data)])


@pytest.mark.parametrize(
    ("key", "chain", "text", "cipher"),
    [
        (  # FIPS 197, appendix B
            "2b7e151628aed2a6abf7158809cf4f3c",
            "00" * 16,
            "3243f6a8885a308d313198a2e0370734",
            "3925841d02dc09fbdc118597196a0b32",
        ),
        (  # FIPS 197, appendix C.1
            "000102030405060708090a0b0c0d0e0f",
            "00" * 16,
            "00112233445566778899aabbccddeeff",
            "69c4e0d86a7b0430d8cdb78070b4c55a",
        ),
        (  # NIST SP 800-38A, F.2.1: CBC, four blocks
            "2b7e151628aed2a6abf7158809cf4f3c",
            "000102030405060708090a0b0c0d0e0f",
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
            "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
            "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
            "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
        ),
    ],
)
def test_aes128_gives_the_published_vectors(key: str, chain: str, text: str, cipher: str) -> None:
    assert encrypted(key, chain, text) == bytes.fromhex(cipher)
    keys = expand_key(bytes.fromhex(key))
    if len(text) == 32:  # so that the independent one is right, too
        assert encrypt_block(bytes.fromhex(text), keys) == bytes.fromhex(cipher)


def test_aes128_chains_blocks_and_steps() -> None:
    rig = Rig("aes128", seed=9)
    key, chain = (rig.state[i : i + 16].tobytes() for i in (0, 16))
    keys = expand_key(key)
    for frame, (_, sensed, output) in enumerate(rig.frames(10)):
        expected = b""
        for i in range(0, 128, 16):
            block = bytes(a ^ b for a, b in zip(chain, sensed[i : i + 16], strict=True))
            chain = encrypt_block(block, keys)
            expected += chain
        assert output == expected
        assert rig.state.tobytes() == key + chain + struct.pack("<Q", frame + 1)


# --- crc32 ----------------------------------------------------------------------------------------


def test_crc32_is_that_of_zlib() -> None:
    rig = Rig("crc32", seed=6)
    ring = [rig.state[i : i + 64].tobytes() for i in range(16, 1040, 64)]
    total = 0
    for frame, (_, sensed, output) in enumerate(rig.frames(200)):
        ring = [*ring[1:], sensed]
        total = zlib.crc32(sensed, total)
        assert output == struct.pack("<IIQ", zlib.crc32(b"".join(ring)), total, frame + 1)
        assert rig.state[:16].tobytes() == struct.pack("<QII", frame + 1, total, 0)


def test_crc32_shows_every_single_bit_of_the_ring() -> None:
    rig = Rig("crc32")
    rig.sense(0)
    state = rig.state.copy()
    golden = rig.step()
    for byte in range(16 + 64, 1040):  # slot 0 is replaced
        rig.state[:] = state
        assert rig.step_with_flip(0, "state", byte, byte % 8)[:4] != golden[:4]


# --- mekf -----------------------------------------------------------------------------------------

DT_S = 0.1
R = 1e-8


class Filter:
    """The same filter as matrices: quaternions as rotation matrices, and all three axes of the
    measurement at once."""

    def __init__(self) -> None:
        self.attitude = np.eye(3)
        self.bias = np.zeros(3)
        self.p = np.diag([1.0] * 3 + [1e-4] * 3)

    def step(self, rate: NDArray[np.float64], measured: NDArray[np.float64]) -> None:
        turn = (rate - self.bias) * DT_S
        x = cross(turn)
        f = np.block(
            [[np.eye(3) - x + 0.5 * x @ x, -DT_S * np.eye(3)], [np.zeros((3, 3)), np.eye(3)]]
        )
        self.p = f @ self.p @ f.T + np.diag([1e-10] * 3 + [1e-14] * 3)
        half = 0.5 * turn
        self.attitude = self.attitude @ rotation(np.array([1 - 0.5 * half @ half, *half]))
        difference = self.attitude.T @ rotation(measured)  # of Rodrigues' vector
        error = (
            2
            * np.array(
                [
                    difference[2, 1] - difference[1, 2],
                    difference[0, 2] - difference[2, 0],
                    difference[1, 0] - difference[0, 1],
                ]
            )
            / (1 + np.trace(difference))
        )
        gain = self.p[:, :3] @ np.linalg.inv(self.p[:3, :3] + R * np.eye(3))
        correction = gain @ error
        kept = np.eye(6) - gain @ np.eye(3, 6)
        self.p = kept @ self.p @ kept.T + gain @ (R * np.eye(3)) @ gain.T  # Joseph's form
        self.attitude = self.attitude @ rotation(np.array([1.0, *(0.5 * correction[:3])]))
        self.bias = self.bias + correction[3:]


def cross(v: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])


def rotation(q: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation of a quaternion, of any length."""
    x = cross(q[1:])
    square = float(q @ q)
    return np.asarray(np.eye(3) + (2 * q[0] * x + 2 * x @ x) / square)


def covariance_of(state: bytes) -> NDArray[np.float64]:
    p = np.zeros((6, 6))
    p[np.triu_indices(6)] = struct.unpack_from("<21d", state, 56)
    return np.asarray(p + np.triu(p, 1).T)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_mekf_is_the_filter_in_matrices(seed: int) -> None:
    rig, other = Rig("mekf", seed), Filter()
    for frame, (_, sensed, output) in enumerate(rig.frames(600)):
        values = np.array(struct.unpack("<7d", sensed))
        other.step(values[:3], values[3:])
        *q, b0, b1, b2, variance = struct.unpack("<8d", output)
        assert np.abs(rotation(np.array(q)) - other.attitude).max() < 1e-9
        assert np.abs(np.array([b0, b1, b2]) - other.bias).max() < 1e-9
        state = rig.state.tobytes()
        assert covariance_of(state) == pytest.approx(other.p, rel=1e-5, abs=1e-14)
        assert variance == pytest.approx(float(np.trace(other.p[:3, :3])) / 3, rel=1e-5)
        assert state[:56] == output[:56]
        assert struct.unpack_from("<4I", state, 224) == (frame + 1, 0, 0, 0)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_mekf_converges_to_the_truth_and_knows_how_well(seed: int) -> None:
    rig, truth = Rig("mekf", seed), Truth(seed)
    normalised: list[float] = []
    for frame, (_, _, output) in enumerate(rig.frames(3000)):
        q0, q1, q2, q3, *bias, variance = struct.unpack("<8d", output)
        assert math.hypot(q0, q1, q2, q3) == pytest.approx(1, abs=1e-14)
        if frame >= 1000:
            error = angle_between((q0, q1, q2, q3), truth.attitude(frame))
            normalised.append(error**2 / (3 * variance))
            assert error < 2.5e-4
            assert bias == pytest.approx(truth.bias, abs=3e-5)
    assert 0.8 < np.mean(normalised) < 1.25  # the square of the error, in what the filter expects


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1e300, 3.9, -1.9, 5e-324])
@pytest.mark.parametrize("at", range(28))
def test_mekf_recovers_from_any_damage_of_its_state(bad: float, at: int) -> None:
    rig, truth = Rig("mekf"), Truth(1)
    for _ in rig.frames(50):
        pass
    rig.state[8 * at : 8 * at + 8] = np.frombuffer(struct.pack("<d", bad), np.uint8)
    for frame in range(50, 90):
        rig.sense(frame)
        values = struct.unpack("<8d", rig.step())
        assert all(map(math.isfinite, values))
        assert math.hypot(*values[:4]) == pytest.approx(1, abs=1e-12)
        assert all(map(math.isfinite, struct.unpack_from("<28d", rig.state.tobytes())))
    q0, q1, q2, q3, *_ = values
    assert angle_between((q0, q1, q2, q3), truth.attitude(89)) < 1e-3


@pytest.mark.parametrize("at", range(7))
def test_mekf_rejects_a_measurement_that_cannot_be(at: int) -> None:
    """NaN, and a plausible value that is far from the estimate."""
    for damage in (math.nan, 0.7):
        rig, truth = Rig("mekf"), Truth(1)
        for _ in rig.frames(1000):
            pass
        rig.sense(1000)
        rig.input[8 * at : 8 * at + 8] = np.frombuffer(struct.pack("<d", damage), np.uint8)
        q0, q1, q2, q3, *_ = struct.unpack("<8d", rig.step())
        limit = 0.1 if at < 3 else 1e-3  # a wrong rate is believed
        assert angle_between((q0, q1, q2, q3), truth.attitude(1000)) < limit


def test_mekf_starts_again_if_the_measurements_stay_elsewhere() -> None:
    rig = Rig("mekf")
    for _ in rig.frames(200):
        pass
    errors = []
    elsewhere = (0.5, 0.5, 0.5, 0.5)
    for frame in range(200, 210):
        rig.sense(frame)
        rig.input[:24] = 0
        rig.input[24:] = np.frombuffer(struct.pack("<4d", *elsewhere), np.uint8)
        q0, q1, q2, q3, *_ = struct.unpack("<8d", rig.step())
        errors.append(angle_between((q0, q1, q2, q3), elsewhere))
    assert min(errors[:4]) > 0.1
    assert max(errors[5:]) < 0.01
