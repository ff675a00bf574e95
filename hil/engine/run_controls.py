"""The controls of a run: what the operator and the plant's coupling reach between two frames.

It names the parts that they act on, and has the orders that concern more than one part. Nothing
else of the loop is theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hil.engine.parts import Parts
from hil.engine.recorder import RunRecorder
from hil.engine.repair_scheduler import RepairScheduler
from hil.record.recorder import Recorder
from hil.redundancy.recovery import Action, NodeState
from hil.upsets.upset import Upset

__all__ = ["RunControls"]


class RunControls:
    """What of one run may be steered from outside of its frames. Not thread-safe: the thread of the
    run alone calls it. `forget_silence` makes all nodes count as heard."""

    def __init__(
        self,
        parts: Parts,
        recorder: RunRecorder,
        scheduler: RepairScheduler,
        forget_silence: Callable[[], None],
    ) -> None:
        self.scenario = parts.scenario
        self.rig = parts.rig
        self.recovery = parts.recovery
        self.planner = parts.planner
        self.limits = parts.limits
        self.injector = parts.injector
        self.pacer = parts.pacer
        self._parts = parts
        self._recorder = recorder
        self._scheduler = scheduler
        self._forget_silence = forget_silence

    @property
    def next_frame(self) -> int:
        """The frame before which everything that is ordered now happens."""
        return self._parts.golden.next_frame

    @property
    def record(self) -> Recorder:
        """Return the open record of the run."""
        return self._recorder.record

    @property
    def can_repair(self) -> bool:
        """Whether there is a frame to heal from."""
        return self._scheduler.agreed is not None

    @property
    def settled(self) -> bool:
        """Whether nothing is under way: no repair, and no upset without its outcome."""
        return self._parts.settled

    def node_states(self) -> dict[str, NodeState]:
        """Return the state of each node, in the order of the rig."""
        return {node.name: self.recovery.state(node.name) for node in self.rig.nodes}

    def carry_out(self, frame: int, actions: Sequence[Action]) -> None:
        """Make repairs that were ordered before `frame`, and record the transitions taken."""
        self._scheduler.carry_out(actions, at=frame)
        self._recorder.transitions()

    def follow(self, upset: Upset) -> None:
        """From now on, what becomes of the node is what becomes of this upset."""
        self.injector.uncollected.remove(upset)
        self._parts.classifier.add(upset)

    def change_pace(self, factor: float | None) -> None:
        """Set another pace from the next frame on: simulated per real time, None for no pace."""
        self.pacer.change(self.scenario.frame_us, factor)
        self.skip_elapsed_time()

    def skip_elapsed_time(self) -> None:
        """Nothing was asked of boards and clock for a while, on purpose."""
        self.pacer.restart()
        self._forget_silence()  # nobody was asked: that nothing was heard means nothing
