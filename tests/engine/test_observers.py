"""What an observer of a run is told, against what its record has."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.engine.loop import Loop
from hil.engine.observers import FramesDone, NodeRepair, RunEvent, RunObserver
from hil.engine.result import RunProgress
from hil.record.reader import Reader
from hil.redundancy.recovery import Transition
from hil.scenario import Scenario
from hil.upsets.upset import Upset

FRAMES = 300


def scenario() -> Scenario:
    hits = [
        {"frame": 40, "node": "b", "target": "output", "bit": 5},
        {"frame": 200, "node": "c", "target": "cpu", "sefi": "crash"},
    ]
    return Scenario.model_validate(
        {
            "workload": "attitude",
            "frames": FRAMES,
            "rig": {"scheme": "tmr", "board": "inproc"},
            "upsets": {"events": hits},
            "expect": "none",
        }
    )


class Log(RunObserver):
    """Keeps all that it is told."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.frames: list[FramesDone] = []
        self.events: list[RunEvent] = []
        self.phases: list[str] = []

    def on_start(self, next_frame: int) -> None:
        self.started.append(next_frame)

    def on_frame(self, done: FramesDone) -> None:
        self.frames.append(done)

    def on_event(self, event: RunEvent) -> None:
        self.events.append(event)

    def on_progress(self, progress: RunProgress) -> None:
        self.phases.append(progress.phase)


def rows(out: Path, sql: str) -> list[tuple[object, ...]]:
    reader = Reader(out)
    try:
        return [tuple(row) for row in reader.rows(sql)]
    finally:
        reader.close()


@pytest.mark.parametrize("batch", [True, False])
def test_an_observer_gets_every_frame_once_and_every_recorded_event(
    tmp_path: Path, batch: bool
) -> None:
    log = Log()
    Loop(scenario(), tmp_path, batch=batch, observers=[log]).run()
    assert log.started == [0] and log.phases[0] == "opening"
    assert sum(done.computed for done in log.frames) == FRAMES
    assert log.frames[-1].next_frame == FRAMES
    assert (len(log.frames) < FRAMES) is batch, "batches are told as a whole"
    for done in log.frames:
        assert done.verdict is not None and done.verdict.frame == done.next_frame - 1
    upsets = {e.plan.id: e for e in log.events if isinstance(e, Upset)}
    assert [
        (u.plan.id, str(u.assessment.effect), str(u.assessment.outcome)) for u in upsets.values()
    ] == rows(tmp_path, "SELECT id, effect, outcome FROM upsets ORDER BY id")
    edges = [e for e in log.events if isinstance(e, Transition)]
    assert [(e.frame, e.node, e.after.value) for e in edges] == rows(
        tmp_path, "SELECT frame, node, after FROM transitions ORDER BY id"
    )
    repairs = [e for e in log.events if isinstance(e, NodeRepair)]
    assert [(r.frame, r.node, r.attempt.action) for r in repairs] == rows(
        tmp_path, "SELECT frame, node, action FROM repairs ORDER BY id"
    )


def test_observers_do_not_change_the_run(tmp_path: Path) -> None:
    digests = []
    for name, observers in (("alone", []), ("observed", [Log(), Log()])):
        (tmp_path / name).mkdir()
        digests.append(Loop(scenario(), tmp_path / name, observers=observers).run().run_digest)
    assert digests[0] == digests[1]


def test_what_an_observer_raises_ends_the_run_and_its_record_says_so(tmp_path: Path) -> None:
    class Broken(RunObserver):
        def on_frame(self, done: FramesDone) -> None:
            raise RuntimeError("the display is gone")

    with pytest.raises(RuntimeError, match="the display is gone"):
        Loop(scenario(), tmp_path, batch=False, observers=[Broken()]).run()
    assert rows(tmp_path, "SELECT text FROM notes") == [("failed: the display is gone",)]
    assert rows(tmp_path, "SELECT value FROM meta WHERE key='outcome'") == [("error",)]
