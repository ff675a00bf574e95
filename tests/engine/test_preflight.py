"""What is refused before the first frame, on boards that are open."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from hil.engine.loop import Loop, RunSetup
from hil.errors import LinkTimeout, SetupError
from hil.record.run_result import RunResult
from tests.amount import mostly_slow
from tests.engine.cabled_boards import Board, bench, scenario
from tests.rig.cable import End

PATIENT = {"lost_after_ms": 20_000, "retry_ms": 1000, "calibration_frames": 4}


def far_away(_end: End, _data: bytes) -> bool:
    """What travels over this line takes 30 ms each way; nothing is lost."""
    time.sleep(0.03)
    return False


def test_frames_that_are_shorter_than_the_way_to_the_boards_are_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with bench(tmp_path) as boards:
        boards["b"].cable.mute = far_away
        flight = scenario(boards, pace="realtime", frame_ms=40, frames=20, timeouts=PATIENT)
        with pytest.raises(
            SetupError, match="cannot keep pace: the fastest of 4 fault-free"
        ) as got:
            Loop(flight, tmp_path / "run").run()
    assert "a at 115200 bit/s" in got.value.message and "a frame has 40 ms" in got.value.message
    assert "--pace free" in (got.value.remedy or "")


@pytest.mark.parametrize("pace", ["free", "100x"])
def test_a_run_that_promises_no_real_time_is_not_refused_for_its_lines(
    tmp_path: Path, pace: str
) -> None:
    """Faster than real time it is as fast as its boards, and slips say so."""
    (tmp_path / "run").mkdir()
    with bench(tmp_path) as boards:
        boards["b"].cable.mute = far_away
        flight = scenario(boards, pace=pace, frame_ms=40, frames=5, timeouts=PATIENT)
        result = Loop(flight, tmp_path / "run").run()
    assert result.frames == 5 and result.metrics["verdicts.unanimous"] == 5


def wait_run(boards: dict[str, Board], out: Path, wait_s: float) -> RunResult:
    flight = scenario(boards, frames=20, timeouts={**PATIENT, "lost_after_ms": 300, "retry_ms": 50})
    return Loop(flight, out, setup=RunSetup(wait_boards_us=int(wait_s * 1e6))).run()


@pytest.mark.slow
@pytest.mark.parametrize("absent", mostly_slow(["silent", "unplugged", "unplugged later"], keep=1))
def test_boards_that_come_up_within_the_time_to_wait_take_part(tmp_path: Path, absent: str) -> None:
    (tmp_path / "run").mkdir()
    with bench(tmp_path) as boards:
        cable = boards["b"].cable
        boards["b"].kill()
        if absent == "unplugged":
            cable.unplug(cable.host)

        def come_up() -> None:
            if absent == "unplugged later":  # its adapter is enumerated again
                cable.unplug(cable.host)
            if absent != "silent":
                cable.plug(cable.host)
            boards["b"].start()

        back = threading.Timer(4.0, come_up)
        back.start()
        result = wait_run(boards, tmp_path / "run", 60)
        back.join()
    assert result.frames == 20 and result.availability == 1


@pytest.mark.slow
def test_a_board_that_does_not_come_up_in_the_time_to_wait_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with bench(tmp_path) as boards:
        boards["b"].kill()
        began_s = time.monotonic()
        with pytest.raises(LinkTimeout, match="node b does not answer"):
            wait_run(boards, tmp_path / "run", 4)
    assert time.monotonic() - began_s >= 4, "it was waited for"
