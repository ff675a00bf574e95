"""What is refused before the first frame, on boards that are open."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hil.engine.loop import Loop
from hil.errors import SetupError
from tests.engine.cabled_boards import bench, scenario
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
    assert result.frames == 5
