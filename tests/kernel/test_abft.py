"""matmul+abft: the product of NumPy, exact checksums, and what they find."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from .workload_rig import Rig

N = 48
MATRIX = 4 * N * N


def repairs(rig: Rig) -> int:
    return int(struct.unpack("<I", rig.scratch.tobytes()[-4:])[0])


def check_sums(state: bytes) -> None:
    a = np.frombuffer(state[:MATRIX], "<u4").reshape(N, N)
    sums = np.frombuffer(state[MATRIX:], "<u4").reshape(2, N)
    assert (sums[0] == a.sum(axis=1, dtype=np.uint32)).all()
    assert (sums[1] == a.sum(axis=0, dtype=np.uint32)).all()


def test_it_computes_what_matmul_computes_with_the_sums_of_numpy() -> None:
    rig, bare = Rig("matmul+abft", seed=9), Rig("matmul", seed=9)
    for (before, _, output), (plain, _, right) in zip(
        rig.frames(200), bare.frames(200), strict=True
    ):
        assert before[:MATRIX] == plain
        assert output == right
        check_sums(before)


def clean_steps(count: int) -> None:
    rig = Rig("matmul+abft", seed=10)
    for _ in rig.frames(count):
        assert repairs(rig) == 0


def test_clean_steps_raise_no_alarm() -> None:
    clean_steps(3000)


@pytest.mark.stress
@pytest.mark.timeout(1800)
def test_a_million_clean_steps_raise_no_alarm() -> None:
    clean_steps(1_000_000)


def test_flips_in_the_product_are_found_and_put_right() -> None:
    """At least 99 % of single flips of C between its computation and its use; the last row is used
    last, so at the tick before the end every element is still to be used."""
    rig = Rig("matmul+abft", seed=11)
    rig.sense(0)
    begin = rig.state.copy()
    right = rig.step()
    after = rig.state.copy()
    rng = np.random.default_rng(5)
    found = 0
    trials = 1500
    for _ in range(trials):
        rig.state[:] = begin
        row = int(rng.integers(N))
        tick = int(rng.integers(row + 2, N + 2))  # row r of C is complete at tick r + 2
        byte = MATRIX + 4 * N * row + int(rng.integers(4 * N))
        output = rig.step_with_flip(tick, "scratch", byte, int(rng.integers(8)))
        is_right = output == right and bool((rig.state == after).all())
        found += is_right and repairs(rig) == 1
    assert found >= 0.99 * trials


def test_every_flip_of_a_between_steps_is_put_right() -> None:
    rig = Rig("matmul+abft", seed=11)
    rig.sense(0)
    begin = rig.state.copy()
    right = rig.step()
    after = rig.state.copy()
    rng = np.random.default_rng(6)
    for byte in rng.permutation(MATRIX + 4 * N)[:1500].tolist():  # and the sums of rows
        rig.state[:] = begin
        rig.state[byte] ^= 1 << rng.integers(8)
        assert rig.step() == right
        assert (rig.state == after).all()
        assert repairs(rig) == 1


def test_flips_of_b_are_found_where_they_change_the_product() -> None:
    rig = Rig("matmul+abft", seed=11)
    rig.sense(0)
    begin = rig.state.copy()
    right = rig.step()
    after = rig.state.copy()
    rng = np.random.default_rng(7)
    for _ in range(300):
        rig.state[:] = begin
        byte, tick = int(rng.integers(MATRIX)), int(rng.integers(1, N + 1))
        assert rig.step_with_flip(tick, "scratch", byte, int(rng.integers(8))) == right
        assert (rig.state == after).all()
