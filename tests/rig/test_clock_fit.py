"""Clocks: a synthetic one whose drift is known, and a real board's."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from hil.clock import HOST
from hil.rig.backends.process import ProcessBoard
from hil.rig.calls import Timing
from hil.rig.clock_fit import ClockFit
from hil.rig.node import Node
from hil.rig.rig import Rig

HOUR_US = 3_600_000_000


class Clock:
    """A board that started at `start_us` of the host's clock and drifts."""

    def __init__(self, rng: random.Random, drift_ppm: float) -> None:
        self.rng = rng
        self.start_us = rng.randrange(10**9, 10**12)
        self.rate = 1 + drift_ppm * 1e-6  # host microseconds in a board's

    def board_us(self, host_us: float) -> int:
        return int((host_us - self.start_us) / self.rate)

    def host_us(self, board_us: float) -> float:
        return self.start_us + board_us * self.rate

    def ask(self, at_us: float) -> tuple[int, int, int]:
        """A request: a fixed way there and back, and waiting that is mostly short."""
        there = 150 + self.rng.expovariate(1 / 200)
        back = 150 + self.rng.expovariate(1 / 400)
        if self.rng.random() < 0.05:
            back += self.rng.uniform(0, 50_000)
        return int(at_us), int(at_us + there + back) + 1, self.board_us(at_us + there)


@pytest.mark.parametrize("drift_ppm", [-80.0, -3.0, 0.0, 25.0, 120.0])
def test_offset_and_drift_are_found_and_the_error_is_what_it_says(drift_ppm: float) -> None:
    rng = random.Random(f"clock {drift_ppm}")
    clock = Clock(rng, drift_ppm)
    fit = ClockFit()
    inside = checks = 0
    for second in range(5, 3 * 3600, 5):
        fit.add(*clock.ask(clock.start_us + second * 1e6 + rng.uniform(0, 1e5)))
        if second % 60 == 0:
            estimate = fit.estimate
            assert estimate is not None
            for board_us in (estimate.at_board_us, estimate.at_board_us + 30_000_000):
                error = abs(estimate.to_host_us(board_us) - clock.host_us(board_us))
                inside += error <= estimate.uncertainty_at_us(board_us)
                checks += 1
    assert inside >= 0.99 * checks, (inside, checks)
    estimate = fit.estimate
    assert estimate is not None
    assert abs(estimate.drift_ppm - drift_ppm) < 0.2
    assert estimate.uncertainty_us < 500
    assert len(fit._kept) <= 64 and fit.measurements == 3 * 720 - 1


def test_one_measurement_gives_the_offset_within_half_the_round_trip() -> None:
    fit = ClockFit()
    assert fit.estimate is None
    fit.add(1_000_000, 1_000_400, 5_000)
    estimate = fit.estimate
    assert estimate is not None
    assert estimate.to_host_us(5_000) == pytest.approx(1_000_200, abs=1)
    assert 200 <= estimate.uncertainty_us <= 202 and estimate.samples == 1
    assert estimate.uncertainty_at_us(HOUR_US) > 1_000_000, "nothing is known of its drift"


def test_long_round_trips_do_no_harm() -> None:
    fit = ClockFit()
    for second in range(100):
        late = 0 if second % 3 else 400_000
        host = 10**9 + second * 10**6
        fit.add(host, host + 300 + late, second * 10**6 + 150)
    estimate = fit.estimate
    assert estimate is not None
    assert abs(estimate.to_host_us(50 * 10**6) - (10**9 + 50 * 10**6)) < 5
    assert abs(estimate.drift_ppm) < 1


def asymmetric(rng: random.Random) -> tuple[float, float]:
    return 200 + rng.expovariate(1 / 50), 2500 + rng.expovariate(1 / 500)


def symmetric(rng: random.Random) -> tuple[float, float]:
    return 200 + rng.expovariate(1 / 100), 200 + rng.expovariate(1 / 100)


@pytest.mark.parametrize("ways", [symmetric, asymmetric])
@pytest.mark.parametrize("jump_us", [5_000, 1_000_000, -1_000_000, -60_000_000])
def test_a_clock_jump_is_detected_and_the_clock_measured_again(
    ways: Callable[[random.Random], tuple[float, float]], jump_us: int
) -> None:
    """It stood still while the board, or its emulator, slept; or was set. The true moment stays
    inside what is said, at once and for what was before."""
    rng = random.Random(f"{ways.__name__} {jump_us}")
    rate, start_us, fit, jumps = 1 + 100e-6, 10**12, ClockFit(), []
    for second in range(400):
        there, back = ways(rng)
        sent = start_us + second * 10**6
        jumped = jump_us if second >= 200 else 0
        board = 10**8 + (second * 10**6 + there) * rate + jumped
        said = fit.add(sent, int(sent + there + back) + 1, int(board))
        if said:
            jumps.append((second, said))
        estimate = fit.estimate
        assert estimate is not None
        off = abs(estimate.to_host_us(board) - (sent + there))
        assert off <= estimate.uncertainty_at_us(board), second
    ((when, by_us),) = jumps
    assert when == 200 and by_us == pytest.approx(jump_us / rate, abs=3_500)
    assert (
        estimate is not None
        and estimate.drift_ppm == pytest.approx(-100, abs=2)
        and fit.measurements == 400
    )
    assert estimate.uncertainty_at_us(10**8 + 199e6 - 10**8) == math.inf, "another clock's time"


def test_a_clock_that_runs_unevenly_is_as_uncertain_as_it_is() -> None:
    """Its quartz becomes warm: no straight line goes through."""
    rng, fit, board = random.Random("warm"), ClockFit(), 0.0
    for second in range(1200):
        there, back = symmetric(rng)
        board += 1e6 * (1 + (second / 1200) * 40e-6)
        sent = 10**9 + second * 10**6
        fit.add(sent, int(sent + there + back) + 1, int(board + there))
        estimate = fit.estimate
        assert estimate is not None
        off = abs(estimate.to_host_us(board) - sent)
        assert off <= estimate.uncertainty_at_us(board), second


def test_a_restart_resets_the_clock_fit() -> None:
    fit = ClockFit()
    fit.add(100, 200, 50)
    fit.restart()
    assert fit.estimate is None and fit.measurements == 0


def test_a_real_board_s_clock_is_placed_on_the_host_s() -> None:
    """Its process shares our clock, so the truth is known: no drift, and an offset that two
    independent ways of asking agree on."""
    node = Node("n0", 0, ProcessBoard("n0"))
    rig = Rig([node], "attitude", 1, Timing())
    began = HOST.now_us()
    rig.open()
    for _ in range(200):
        rig.health([node])
    estimate = node.clock.estimate
    assert estimate is not None
    assert node.clock.measurements >= 200
    assert began <= estimate.offset_us + estimate.uncertainty_us
    before = HOST.now_us()
    uptime = rig.health([node])["n0"].uptime_us
    after = HOST.now_us()
    placed = estimate.to_host_us(uptime)
    slack = estimate.uncertainty_at_us(uptime)
    assert before - slack <= placed <= after + slack
    first = estimate.offset_us
    rig.power_cycle(node)
    again = node.clock.estimate
    assert again is not None and again.offset_us > first, "another start, another zero"
    rig.close()
