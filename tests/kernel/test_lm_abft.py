"""lm+abft: the text of lm, checksums that are those of NumPy, and what they find and repair."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from .workload_rig import Rig

LM_LEN, SCRATCH_LEN = 119_448, 936  # [byte] of the state of lm; of all scratch
TICKS, PASSAGE, PLACE = 13, 256, 100
COUNTERS, MULTIPLIERS, EMBED, CACHE = (0, 16), (16, 88), (88, 4248), (103_064, LM_LEN)
WEIGHTS = (88, 102_552)
BIASES = (102_552, 103_064)


def repairs(rig: Rig) -> int:
    return int(struct.unpack("<I", rig.scratch.tobytes()[-4:])[0])


def matrices(state: bytes) -> Iterator[NDArray[np.int8]]:
    """The matrices of a state, in the order of their sums."""
    cells = np.frombuffer(state, np.int8)
    yield cells[:16].reshape(4, 4)
    yield cells[16:88].reshape(18, 4)
    yield cells[88:4248].reshape(65, 64)
    at = 4248
    for rows, columns in ((64, 192), (64, 64), (64, 256), (256, 64), (4, 64)):
        for _ in range(2):
            yield cells[at : at + rows * columns].reshape(rows, columns)
            at += rows * columns
    for part in cells[at:LM_LEN].reshape(4, 64, 4, 16):
        yield from part.transpose(1, 0, 2)


def check_sums(state: bytes) -> None:
    at = LM_LEN
    for matrix in matrices(state):
        sums = [*matrix.sum(axis=1, dtype=np.int16), *matrix.sum(axis=0, dtype=np.int16)]
        assert np.frombuffer(state, "<i2", len(sums), at).tolist() == sums
        at += 2 * len(sums)
    assert at == len(state)


def test_it_writes_what_lm_writes_without_an_alarm_and_keeps_sums_that_are_those_of_numpy() -> None:
    rig, bare = Rig("lm+abft", seed=9), Rig("lm", seed=9)
    pairs = zip(rig.frames(3 * PASSAGE), bare.frames(3 * PASSAGE), strict=True)
    for frame, ((before, _, output), (plain, _, right)) in enumerate(pairs):
        assert before[:LM_LEN] == plain
        assert output == right
        assert repairs(rig) == 0
        if frame % PASSAGE == 80:
            check_sums(before)


@pytest.mark.stress
@pytest.mark.timeout(1800)
def test_a_million_clean_characters_raise_no_alarm() -> None:
    rig = Rig("lm+abft", seed=10)
    for frame in range(1_000_000):
        rig.sense(frame)
        rig.step()
        assert rig.scratch[-4:].tobytes() == bytes(4)


class Repeated:
    """The step at PLACE of a passage, again and again from the same state; `outputs` and `after`
    are those of the fault-free step and of the five that follow."""

    def __init__(self) -> None:
        self.rig = Rig("lm+abft", seed=11)
        for _ in self.rig.frames(PLACE):
            pass
        self.before = self.rig.state.copy()
        self.rig.sense(PLACE)
        self.output = self.rig.step()
        self.following = list(self._following())
        self.after = self.rig.state.copy()

    def _following(self) -> Iterator[bytes]:
        for frame in range(PLACE + 1, PLACE + 6):
            self.rig.sense(frame)
            yield self.rig.step()

    def flip(self, tick: int, region: str, byte: int, bit: int) -> tuple[bool, bool]:
        """Flip a bit at `tick`: whether the outputs are right, and the state after them."""
        self.rig.state[:] = self.before
        self.rig.sense(PLACE)
        output = self.rig.step_with_flip(tick, region, byte, bit)
        outputs_are_right = output == self.output and list(self._following()) == self.following
        return outputs_are_right, bool((self.rig.state == self.after).all())


@pytest.fixture(scope="module")
def repeated() -> Repeated:
    return Repeated()


@pytest.mark.parametrize("part", [COUNTERS, MULTIPLIERS, WEIGHTS, BIASES, CACHE])
def test_no_flip_of_the_model_or_of_its_memory_changes_an_output(
    repeated: Repeated, part: tuple[int, int]
) -> None:
    """Repaired in these steps, or multiplied by zero in all of them."""
    rng, healed, trials = np.random.default_rng(part[0]), 0, 250
    for _ in range(trials):
        where = int(rng.integers(TICKS)), "state", int(rng.integers(*part)), int(rng.integers(8))
        is_right, is_healed = repeated.flip(*where)
        assert is_right, where
        healed += is_healed
    assert healed >= (0.8 if part in (WEIGHTS, CACHE) else 1) * trials


def test_flips_of_sums_change_no_output(repeated: Repeated) -> None:
    rng = np.random.default_rng(3)
    for _ in range(250):
        repeated.rig.state[:] = repeated.before
        repeated.rig.sense(PLACE)
        byte = int(rng.integers(LM_LEN, len(repeated.before)))
        flip = int(rng.integers(TICKS)), "state", byte, int(rng.integers(8))
        assert repeated.rig.step_with_flip(*flip) == repeated.output
        assert (repeated.rig.state[:LM_LEN] == np.frombuffer(after_one(), np.uint8)).all()


def after_one() -> bytes:
    """The state of lm after the step at PLACE."""
    if not _AFTER_ONE:
        bare = Rig("lm", seed=11)
        for _ in bare.frames(PLACE + 1):
            pass
        _AFTER_ONE.append(bare.state.tobytes())
    return _AFTER_ONE[0]


_AFTER_ONE: list[bytes] = []


def test_every_flip_of_a_vector_between_two_phases_is_put_right(repeated: Repeated) -> None:
    rng = np.random.default_rng(4)
    for _ in range(1200):
        byte = int(rng.integers(SCRATCH_LEN - 4))
        where = int(rng.integers(1, TICKS)), "scratch", byte, int(rng.integers(8))
        assert repeated.flip(*where) == (True, True), where


def test_a_burst_in_one_row_is_put_right(repeated: Repeated) -> None:
    rig, rng = repeated.rig, np.random.default_rng(5)
    for _ in range(100):
        rig.state[:] = repeated.before
        row = EMBED[1] + 192 * int(rng.integers(64))
        rig.state[row + rng.choice(192, 5, replace=False)] ^= 1 << int(rng.integers(8))
        rig.sense(PLACE)
        assert rig.step() == repeated.output
        assert (rig.state[:LM_LEN] == np.frombuffer(after_one(), np.uint8)).all()


def test_any_damage_ends_in_bounded_time_and_two_boards_agree_on_it() -> None:
    rng = np.random.default_rng(6)
    one, other = Rig("lm+abft", seed=12), Rig("lm+abft", seed=12)
    for _ in range(60):
        for rig in (one, other):
            rig.scratch[:] = 0
        one.state[rng.integers(0, len(one.state), 200)] = rng.integers(0, 256, 200, dtype=np.uint8)
        other.state[:] = one.state
        frame = int(rng.integers(0, 1000))
        one.sense(frame)
        other.sense(frame)
        assert one.step() == other.step()
        assert (one.state == other.state).all()
