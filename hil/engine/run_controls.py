"""The controls of a run: what the operator and the plant coupling may use between two frames.

It gives access to the parts that they act on, and has the orders that concern more than one part.
They use nothing else of the loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hil.engine.part_groups import FrameTimes, UpsetParts, is_settled
from hil.engine.repair_scheduler import RepairScheduler
from hil.engine.run_recorder import RunRecorder
from hil.record.recorder_protocol import Recorder
from hil.redundancy.recovery import Action, NodeState, RecoveryMachine
from hil.redundancy.voting import Verdict
from hil.rig.power import PowerEvent
from hil.rig.rig import Rig
from hil.scenario import Scenario
from hil.upsets.upset import Upset

__all__ = ["RunControls"]


class RunControls:
    """Steers one run between its frames. Not thread-safe: only the thread of the run calls it.
    `forget_silence` makes all nodes count as having answered. `may_wake` says, by frame and name,
    whether a node that could have power again may: in a cold start they wait for their turns."""

    def __init__(
        self,
        scenario: Scenario,
        rig: Rig,
        recovery: RecoveryMachine,
        upsets: UpsetParts,
        times: FrameTimes,
        *,
        recorder: RunRecorder,
        scheduler: RepairScheduler,
        forget_silence: Callable[[], None],
    ) -> None:
        self.scenario = scenario
        self.rig = rig
        self.recovery = recovery
        self.planner = upsets.planner
        self.limits = upsets.limits
        self.injector = upsets.injector
        self.pacer = times.pacer
        self._upsets = upsets
        self._times = times
        self._recorder = recorder
        self._scheduler = scheduler
        self._forget_silence = forget_silence
        self.may_wake: Callable[[int, str], bool] = lambda _frame, _name: True

    @property
    def next_frame(self) -> int:
        """Return the frame before which orders are carried out now."""
        return self._times.next_frame

    def record_power(self, frame: int, event: PowerEvent) -> None:
        """Count and record what a bench supply measured, or how it failed."""
        self._recorder.power(frame, event)

    @property
    def record(self) -> Recorder:
        """Return the open record of the run."""
        return self._recorder.record

    @property
    def can_repair(self) -> bool:
        """Return whether nodes can be repaired: there has been a verdict."""
        return self._scheduler.agreed is not None

    @property
    def agreed(self) -> Verdict | None:
        """Return the verdict of the last frame; None before the first."""
        return self._scheduler.agreed

    @property
    def settled(self) -> bool:
        """Return whether nothing is under way: no repair, and no upset without an outcome."""
        return is_settled(self.recovery, self._upsets)

    def node_states(self) -> dict[str, NodeState]:
        """Return the state of each node, in the order of the rig."""
        return {node.name: self.recovery.state(node.name) for node in self.rig.nodes}

    def carry_out(self, frame: int, actions: Sequence[Action]) -> None:
        """Carry out repairs before `frame`, and record the transitions of recovery."""
        self._scheduler.carry_out(actions, at=frame)
        self._recorder.transitions()

    def follow(self, upset: Upset) -> None:
        """Follow the effects and the outcome of an upset from now on."""
        self.injector.uncollected.remove(upset)
        self._upsets.classifier.add(upset)

    def change_pace(self, factor: float | None) -> None:
        """Change the pace from the next frame on: simulated time per real time, None: unpaced."""
        self.pacer.change(self.scenario.frame_us, factor)
        self.skip_elapsed_time()

    def skip_elapsed_time(self) -> None:
        """Ignore the time since the last frame: the run was paused or waited on purpose."""
        self.pacer.restart()
        self._forget_silence()  # no node was asked meanwhile, so none was silent
