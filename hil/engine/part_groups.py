"""The parts of a run in groups, so that a module of the engine gets those that it works with.

`hil.engine.parts` builds them. What is in no group is handed over by itself."""

from __future__ import annotations

from dataclasses import dataclass

from hil.engine.hidden_state import HiddenState
from hil.engine.metrics import Metrics
from hil.engine.repair_executor import RepairExecutor
from hil.engine.voter_replicas import VoterReplicas
from hil.kernel import Golden
from hil.redundancy.checkpoints import Checkpoints
from hil.redundancy.cold_start import ColdStart
from hil.redundancy.electorate import Scheme
from hil.redundancy.orbit_scheme import OrbitScheme
from hil.redundancy.recovery import RecoveryMachine
from hil.redundancy.rollback import Rollback
from hil.rig.pacer import Pacer
from hil.upsets.injection import Injector
from hil.upsets.limits import UpsetLimits
from hil.upsets.outcome import UpsetClassifier
from hil.upsets.planner import UpsetPlanner

__all__ = ["FrameTimes", "RedundancyParts", "UpsetParts", "is_settled"]


@dataclass(frozen=True, slots=True)
class FrameTimes:
    """The numbers and times of the frames of a run: it has `frame_count` frames, of `frame_us` [us]
    each. `pacer` holds them to real time; `golden` and `metrics` know how many were computed and
    skipped. `virtual`: the time of all boards is virtual, so that they miss no deadline."""

    frame_count: int
    frame_us: int
    pacer: Pacer
    golden: Golden
    metrics: Metrics
    virtual: bool

    @property
    def next_frame(self) -> int:
        """Return the number of the frame that is computed next."""
        return self.golden.next_frame

    def nominal(self, frame: int) -> int:
        """Return the number that the frame would have if none before it had been skipped."""
        return frame + self.metrics.skipped

    def number(self, nominal: int) -> int:
        """Return the number of the frame with this nominal one, if none up to it is skipped."""
        return nominal - self.metrics.skipped

    def t_us(self, frame: int) -> int:
        """Return the simulated time at the beginning of a frame that is run now [us]."""
        return self.nominal(frame) * self.frame_us

    @property
    def deadlines(self) -> bool:
        """Return whether the end of a frame is the deadline for answers."""
        return self.pacer.real_time and not self.virtual


@dataclass(frozen=True, slots=True)
class RedundancyParts:
    """The voter, recovery and checkpoints of one run. `rollbacks`: how often an undecided frame is
    computed again; `cold_start`: None if the scenario states none; `replicas`: those of the voter,
    if it has several; `follows`: the scheme that follows the orbit, if it does."""

    scheme: Scheme
    recovery: RecoveryMachine
    checkpoints: Checkpoints
    rollback: Rollback
    rollbacks: int
    executor: RepairExecutor
    cold_start: ColdStart | None = None
    replicas: VoterReplicas | None = None
    follows: OrbitScheme | None = None

    def withholds(self, frames_alone: int) -> bool:
        """Return whether a cold start withholds the output of a node in its `frames_alone`-th
        consecutive frame alone."""
        return self.cold_start is not None and self.cold_start.rule.withholds(frames_alone)


@dataclass(frozen=True, slots=True)
class UpsetParts:
    """The parts that serve an upset from its plan to its outcome, in this order, and the damage
    that it may leave in boards."""

    limits: UpsetLimits
    planner: UpsetPlanner
    injector: Injector
    classifier: UpsetClassifier
    hidden_state: HiddenState


def is_settled(recovery: RecoveryMachine, upsets: UpsetParts) -> bool:
    """Return whether nothing is under way: no repair, and no upset without an outcome."""
    injector = upsets.injector
    return (
        recovery.settled
        and not upsets.classifier.open
        and not injector.watch.active
        and not injector.uncollected
    )
