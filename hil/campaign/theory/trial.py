"""One short run of a whole rig in this process, with engine, boards, voter and recovery, and what
it showed. Nothing of it is kept."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hil.campaign.theory.order import TheoryOrder
from hil.engine.loop import Loop, RunSetup
from hil.engine.observers import FramesDone, RunObserver
from hil.record.null_recorder import NullRecorder
from hil.redundancy.voting import STATE_SPLIT, Verdict
from hil.scenario import Scenario

if TYPE_CHECKING:
    from hil.record.run_meta import RunMeta
    from hil.rig.clock_fit import ClockEstimate
    from hil.wire.messages import Health

__all__ = ["NO_REPAIR", "Trial", "bare_scenario", "run_trials"]

NO_REPAIR: Final = {
    "resyncs": 0,
    "restarts": 0,
    "resets": 0,
    "power_cycles": 0,
    "rollbacks": 0,
    "checkpoint_every": 0,
    "scrub_words": 0,
    "window_frames": 1_000_000,
}
"""The recovery that repairs nothing: a node is excluded at its first fault."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run. `lost_in`: the first frame without a right output on which a majority agrees, None
    if all had one; `frames` until the end; `rollbacks` in them. `wrong`: a wrong output was
    delivered; `right_at_end`: the last frame had a right one. `steps` that the first board has
    computed, and `uncorrected` words of its checkpoints that its scrubber met and could not
    correct; both 0 if it did not answer at the end."""

    lost_in: int | None
    frames: int
    rollbacks: int
    wrong: bool
    right_at_end: bool
    steps: int
    uncorrected: int

    @property
    def lost(self) -> bool:
        """Return whether the system failed."""
        return self.lost_in is not None


def bare_scenario(seed: int, scheme: str, frames: int, **more: Any) -> Scenario:
    """Return a scenario of boards in this process, with frames of a second that need a majority."""
    content = {
        "name": "theory",
        "workload": "attitude",
        "seed": seed,
        "frames": frames,
        "frame_ms": 1000,
        "rig": {"scheme": scheme, "board": "inproc"},
        "timeouts": {"calibration_frames": 4},
        "recovery": NO_REPAIR,
        "expect": "none",
        **more,
    }
    return Scenario.model_validate(content)


def run_trials(
    scenarios: Iterable[Scenario], order: TheoryOrder, *, patience: int | None = 0
) -> list[Trial]:
    """Run each scenario and return what it showed. A run ends after more than `patience` frames in
    a row without a right output on which a majority agrees; None: it never ends early. Raises: what
    a run raises."""
    trials: list[Trial] = []
    with tempfile.TemporaryDirectory(prefix="hil-theory-") as folder:
        for number, scenario in enumerate(scenarios):
            trials.append(_run(scenario, Path(folder) / str(number), patience=patience))
            order.report(len(trials), order.runs)
    return trials


class _HealthKeeper(NullRecorder):
    """Keeps the last health that each board reported, by its number."""

    def __init__(self, meta: RunMeta) -> None:
        super().__init__(meta)
        self.last: dict[int, Health] = {}

    def health(
        self,
        frame: int,  # noqa: ARG002
        node: int,
        h: Health,
        round_trip_us: int | None = None,  # noqa: ARG002
        clock: ClockEstimate | None = None,  # noqa: ARG002
    ) -> None:
        """Keep the health of a board."""
        self.last[node] = h


class _Watch(RunObserver):
    """Notes the first frame without a majority, and what the first board had done before."""

    def __init__(self) -> None:
        self.loop: Loop | None = None
        self.lost_in: int | None = None
        self.steps_before = self.uncorrected_before = 0
        self.frames = self.lost_for = 0
        self.wrong = False
        self.right_at_end = False

    def on_start(self, next_frame: int) -> None:
        del next_frame
        assert self.loop is not None
        rig = self.loop.controls.rig
        health = rig.health(rig.nodes[:1])[rig.nodes[0].name]
        if health is not None:
            self.steps_before, self.uncorrected_before = health.steps, health.uncorrected

    def on_frame(self, done: FramesDone) -> None:
        self.frames = done.next_frame
        if done.verdict is not None:
            self.right_at_end = done.verdict.delivered and done.verdict.correct
            self.wrong |= done.verdict.delivered and not done.verdict.correct
            lost = _is_lost(done.verdict)
            self.lost_for = self.lost_for + 1 if lost else 0
            if lost and self.lost_in is None:
                self.lost_in = done.next_frame - 1


def _is_lost(verdict: Verdict) -> bool:
    wrong = not (verdict.delivered and verdict.correct) or verdict.held
    return wrong or bool(verdict.flags & STATE_SPLIT)


def _run(scenario: Scenario, folder: Path, *, patience: int | None) -> Trial:
    watch = _Watch()
    folder.mkdir()
    stop: Callable[[], bool] = lambda: patience is not None and watch.lost_for > patience  # noqa: E731
    observers: Sequence[RunObserver] = [watch]
    loop = watch.loop = Loop(
        scenario, folder, observers=observers, stop=stop, setup=RunSetup(recorders=_HealthKeeper)
    )
    result = loop.run()
    record = loop.controls.record
    assert isinstance(record, _HealthKeeper)
    health = record.last.get(0)
    return Trial(
        watch.lost_in,
        watch.frames,
        int(result.metrics["rollbacks"]),
        watch.wrong,
        watch.right_at_end,
        0 if health is None else health.steps - watch.steps_before,
        0 if health is None else health.uncorrected - watch.uncorrected_before,
    )
