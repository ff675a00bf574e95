"""What a run keeps in memory does not grow with its frames, upsets, repairs and anomalies."""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from hil.engine.loop import Loop
from hil.engine.outside_influence import OutsideInfluence
from hil.engine.parts import assemble
from hil.rig.backends.capabilities import UnexpectedExits
from hil.rig.backends.process import ProcessBoard
from hil.rig.node import SILENT, Node, NodeResult
from hil.scenario import PatternKind, Scenario, UpsetTarget
from hil.upsets.upset import InjectionReport, Upset, UpsetPlan
from hil.upsets.words import UpsetState

STORM: dict[str, Any] = {
    "workload": "attitude",
    "seed": 11,
    "rig": {"scheme": "tmr", "board": "inproc"},
    "upsets": {
        "rates": [
            {"targets": ["state", "input", "output", "checkpoint"], "per_s": 6},
            {"targets": ["agent", "check-bits"], "per_s": 12},
            {"target": "link", "per_s": 3},
        ]
    },
    "expect": "none",
}
WORKER = [
    {"targets": ["stack", "heap", "text", "gpr", "vector"], "per_s": 6},
    {"target": "cpu", "per_s": 0.5},
]
FIRST_END = "agent process killed by SIGKILL"
GROWTH_MAX = 600
"""[allocated block] Some 60 kB. One object for each of the upsets, or of the frames that are more
than plain agreement, would be several times as many."""


class Blocks:
    """Counts, at some frames of a run, the blocks that Python has allocated: the least of the
    frames from there on, because rows wait for the next commit."""

    def __init__(
        self, scenario: Scenario, run_dir: Path, marks: tuple[int, ...], span: int
    ) -> None:
        self.loop = Loop(scenario, run_dir, stop=self._look)
        self.least = dict.fromkeys(marks, sys.maxsize)
        self.upsets = dict.fromkeys(marks, 0)
        self._span = span

    def _look(self) -> bool:
        frame = self.loop.next_frame
        for mark in self.least:
            if mark <= frame < mark + self._span and frame % (self._span // 10) == 0:
                self.loop.controls.record.commit()
                gc.collect()
                self.least[mark] = min(self.least[mark], sys.getallocatedblocks())
                self.upsets[mark] = self.loop.controls.planner.numbered
        return False


def _scenario(storm: dict[str, Any], frames: int) -> Scenario:
    return Scenario.model_validate({**storm, "frames": frames})


def _growth(scenario: dict[str, Any], run_dir: Path, first: int) -> tuple[int, int]:
    """Run a scenario; return how many blocks, and upsets, there are more after ten times as many
    frames as `first`."""
    span = first // 2
    frames = 10 * first + span
    blocks = Blocks(_scenario(scenario, frames), run_dir, (first, 10 * first), span)
    gc.collect()
    gc.freeze()  # each collection looks at what the run keeps, not at all that tests have loaded
    blocks.loop.run()
    return (
        blocks.least[10 * first] - blocks.least[first],
        blocks.upsets[10 * first] - blocks.upsets[first],
    )


def test_a_storm_of_ten_times_as_many_frames_keeps_as_much(tmp_path: Path) -> None:
    grown, upsets = _growth(STORM, tmp_path, 150)
    assert upsets > 700 and grown < GROWTH_MAX


@pytest.mark.slow
def test_a_storm_on_processes_keeps_as_much(tmp_path: Path) -> None:
    """Workers and agents are started again a hundred times."""
    storm = {**STORM, "workload": "infer", "rig": {"scheme": "tmr", "board": "process"}}
    storm["upsets"] = {"rates": [*STORM["upsets"]["rates"], *WORKER]}
    grown, upsets = _growth(storm, tmp_path, 200)
    assert upsets > 1000 and grown < GROWTH_MAX


def test_upsets_that_wait_for_the_rig_take_no_memory(tmp_path: Path) -> None:
    """Six fall due in each frame, and one is injected."""
    rates = [{"targets": ["input", "output"], "per_s": 200}]
    storm = {**STORM, "upsets": {"one_at_a_time": True, "rates": rates}}
    grown, upsets = _growth(storm, tmp_path, 100)
    assert 400 < upsets <= 900 and grown < GROWTH_MAX


def test_machine_code_that_is_hit_again_and_again_takes_no_memory() -> None:
    lasting = []
    for hits in (100, 1000):
        hidden = assemble(_scenario(STORM, hits)).upsets.hidden_state
        for frame in range(hits):
            plan = UpsetPlan(frame, "a", UpsetTarget.TEXT, PatternKind.BIT, "test", frame + 1)
            hidden.hit(Upset(plan, InjectionReport(UpsetState.INJECTED, verified=True)))
        lasting.append(len(hidden.lasting("a", hits)))
    assert lasting[0] == lasting[1] <= 17, "more cannot be made again anyway"


class FarBoard:
    """A board of which this computer does not see more than its answers."""


def test_signs_of_outside_influence_are_counted_and_not_kept() -> None:
    sizes = []
    for frames in (100, 1000):
        outside = OutsideInfluence([Node("a", 0, FarBoard())], virtual=False)  # type: ignore[arg-type]
        for frame in range(frames):
            outside.note_results(frame, {"a": NodeResult(SILENT, reason="no answer")})
        assert f"node a in frame 0: no answer, and {frames - 1} more" in outside.why
        sizes.append(len(repr(outside.snapshot())))
    assert sizes[1] - sizes[0] <= 2, "the numbers have a digit more"


def test_agents_that_others_killed_are_counted_and_the_first_is_told() -> None:
    board = ProcessBoard("a")
    try:
        for number, ending in enumerate([signal.SIGKILL, signal.SIGTERM, signal.SIGKILL], 1):
            board.connect().close()
            assert board.pid is not None
            os.kill(board.pid, ending)
            while board.has_power:
                pass
            assert board.unexpected_exits == UnexpectedExits(number, FIRST_END)
    finally:
        board.shut_down()
    assert board.unexpected_exits == UnexpectedExits(3, FIRST_END)
