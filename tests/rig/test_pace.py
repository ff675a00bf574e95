"""The pace of a run, on a clock that passes only when it is waited for."""

from __future__ import annotations

import pytest

from hil.rig.pacer import Pacer
from tests.virtual_clock import VirtualClock

NEVER = lambda: False  # noqa: E731


@pytest.mark.parametrize(("factor", "period_us"), [(1.0, 10_000), (20.0, 500), (0.5, 20_000)])
def test_frames_begin_a_period_apart(factor: float, period_us: int) -> None:
    clock = VirtualClock()
    pacer = Pacer(10_000, factor, clock)
    begins = []
    for _ in range(5):
        assert pacer.wait(NEVER) == 0
        begins.append(clock.elapsed_us)
        clock.advance(period_us * 0.9)  # what the frame takes
    assert begins == [n * period_us for n in range(5)]


def test_a_free_run_waits_for_nothing() -> None:
    clock = VirtualClock()
    pacer = Pacer(10_000, None, clock)
    assert [pacer.wait(NEVER) for _ in range(3)] == [0, 0, 0]
    assert clock.elapsed_us == 0 and not pacer.paced and pacer.early_us == 0


def test_a_frame_that_is_late_by_less_than_a_period_is_made_up_for() -> None:
    clock = VirtualClock()
    pacer = Pacer(10_000, 1.0, clock)
    pacer.wait(NEVER)
    clock.advance(19_000)
    assert pacer.wait(NEVER) == 0, "9 ms late"
    clock.advance(500)
    assert pacer.wait(NEVER) == 0
    assert clock.elapsed_us == 20_000


def test_a_delay_of_more_than_a_period_moves_the_schedule_and_is_reported() -> None:
    clock = VirtualClock()
    pacer = Pacer(10_000, 1.0, clock)
    pacer.wait(NEVER)
    clock.advance(35_000)
    assert pacer.wait(NEVER) == 25_000, "it was due at 10 ms"
    assert pacer.wait(NEVER) == 0
    assert clock.elapsed_us == 45_000, "no burst of frames"


def test_time_that_was_let_pass_on_purpose_is_not_late() -> None:
    clock = VirtualClock()
    pacer = Pacer(10_000, 1.0, clock)
    pacer.wait(NEVER)
    clock.advance(700_000)
    pacer.restart()
    assert pacer.wait(NEVER) == 0
    assert clock.elapsed_us == 700_000


def test_another_pace_begins_with_the_next_frame() -> None:
    clock = VirtualClock()
    pacer = Pacer(1_000_000, 1.0, clock)
    pacer.wait(NEVER)
    pacer.change(1_000_000, 20.0)
    begins = []
    for _ in range(3):
        pacer.wait(NEVER)
        begins.append(clock.elapsed_us)
    assert begins == [0, 50_000, 100_000]


def test_a_long_wait_is_ended_by_a_stop_within_a_fifth_of_a_second() -> None:
    clock = VirtualClock()
    pacer = Pacer(60_000_000, 1.0, clock)
    pacer.wait(NEVER)
    pacer.wait(lambda: clock.elapsed_us >= 1_000_000)
    assert 1_000_000 <= clock.elapsed_us <= 1_200_000


def test_what_is_left_of_a_frame_and_how_early_the_next_one_would_be() -> None:
    clock = VirtualClock()
    pacer = Pacer(10_000, 1.0, clock)
    pacer.wait(NEVER)
    clock.advance(4_000)
    assert (pacer.left_us(), pacer.early_us) == (6_000, 6_000)
    clock.advance(9_000)
    assert (pacer.left_us(), pacer.early_us) == (0, 0)
