"""Checkpoint intervals: Daly's optimum is that of his own time, and frames are counted right."""

from __future__ import annotations

import random

import pytest
import scipy  # whose modules load when used

from hil.analysis.reliability.checkpoint_interval import (
    best_frames,
    daly,
    daly_time,
    frame_overhead,
    young,
)


@pytest.mark.parametrize(("cost", "mean_time"), [(1.0, 1e4), (5.0, 6e2), (300.0, 86_400.0)])
def test_dalys_interval_is_close_to_the_minimum_of_his_time(cost: float, mean_time: float) -> None:
    def time(interval: float) -> float:
        return daly_time(1.0, interval, cost, 10.0, mean_time)

    best = scipy.optimize.minimize_scalar(time, bounds=(1e-3, 20 * mean_time), method="bounded")
    assert daly(cost, mean_time) == pytest.approx(best.x, rel=1e-3)
    assert time(daly(cost, mean_time)) <= time(young(cost, mean_time))


def test_young_is_the_limit_of_rare_failures() -> None:
    assert young(2.0, 100.0) == pytest.approx(20.0)
    assert daly(1.0, 1e10) == pytest.approx(young(1.0, 1e10), rel=1e-4)
    assert daly(100.0, 20.0) == 20.0


def test_overhead_of_frames_is_that_of_counting_them() -> None:
    """A failure in each frame with a small probability: 200 000 frames, counted one by one."""
    chance, extra = random.Random(5), 0.0
    for frame in range(200_000):
        if chance.random() < 0.02:
            extra += frame % 12 + 1
        if frame % 12 == 11:
            extra += 3.0
    assert extra / 200_000 == pytest.approx(frame_overhead(12, 3.0, 0.02), rel=0.02)


@pytest.mark.parametrize(("cost", "failures"), [(0.1, 0.3), (4.0, 0.02), (40.0, 1e-3)])
def test_best_frames_is_the_least_of_all(cost: float, failures: float) -> None:
    overheads = {k: frame_overhead(k, cost, failures) for k in range(1, 2000)}
    assert overheads[best_frames(cost, failures)] == min(overheads.values())
