"""The parts of one run, built from its scenario. The loop decides the order in which they work.

`Parts` also answers what needs several of them: the time, and whether anything is under way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hil.clock import HOST, Clock
from hil.engine.hidden_state import HiddenState
from hil.engine.metrics import Metrics
from hil.engine.outside_influence import OutsideInfluence
from hil.engine.repair_executor import RepairExecutor
from hil.kernel import Golden
from hil.redundancy.checkpoints import Checkpoints
from hil.redundancy.electorate import Scheme
from hil.redundancy.recovery import RUNGS, Policy, RecoveryMachine
from hil.redundancy.rollback import Rollback
from hil.rig.board_kinds import build_nodes
from hil.rig.calls import Timing
from hil.rig.node import Node
from hil.rig.pacer import Pacer
from hil.rig.program import PREFIX, golden_run
from hil.rig.rig import Rig
from hil.scenario import BoardKind, Scenario
from hil.upsets.injection import Injector
from hil.upsets.limits import UpsetLimits
from hil.upsets.outcome import UpsetClassifier
from hil.upsets.planner import UpsetPlanner

if TYPE_CHECKING:
    from hil.plant.build import BuiltPlant

__all__ = ["Parts", "assemble"]


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one run. `plant` is None in a run without one; `virtual`: the time of all boards
    is virtual, so that they miss no deadline."""

    scenario: Scenario
    nodes: tuple[Node, ...]
    by_name: dict[str, Node]
    golden: Golden
    rig: Rig
    scheme: Scheme
    checkpoints: Checkpoints
    rollback: Rollback
    executor: RepairExecutor
    recovery: RecoveryMachine
    limits: UpsetLimits
    planner: UpsetPlanner
    classifier: UpsetClassifier
    metrics: Metrics
    injector: Injector
    hidden_state: HiddenState
    outside: OutsideInfluence
    pacer: Pacer
    plant: BuiltPlant | None
    virtual: bool
    frame_us: int

    def nominal(self, frame: int) -> int:
        """Return the number that the frame would have if none before it had been skipped."""
        return frame + self.metrics.skipped

    def t_us(self, frame: int) -> int:
        """Return the simulated time at the beginning of a frame that is run now [us]."""
        return self.nominal(frame) * self.frame_us

    @property
    def deadlines(self) -> bool:
        """Return whether the end of a frame is the deadline for answers."""
        return self.pacer.paced and not self.virtual

    @property
    def settled(self) -> bool:
        """Return whether nothing is under way: no repair, and no upset without an outcome."""
        return (
            self.recovery.settled
            and not self.classifier.open
            and not self.injector.watch.active
            and not self.injector.uncollected
        )


def assemble(scenario: Scenario, clock: Clock = HOST, plant: BuiltPlant | None = None) -> Parts:
    """Return the parts of a run of `scenario` on `clock`; no board is opened yet. `plant` is that
    of the scenario if it has been built and not advanced; otherwise it is built here.

    Raises:
        SetupError: an agent or a program that the scenario needs is missing.
        ConfigError: the scenario's plant or upsets are not possible."""
    nodes = tuple(build_nodes(scenario, clock))
    names = [node.name for node in nodes]
    golden = golden_run(scenario.workload_name, scenario.seed)
    limits = UpsetLimits(scenario, golden.workload)
    limits.check()
    timeouts = scenario.timeouts
    timing = Timing(int(timeouts.retry_ms * 1000), int(timeouts.lost_after_ms * 1000))
    if scenario.pace_factor is not None:  # frames have their times: noise is waited for no longer
        timing = replace(timing, noise_patience=1)
    rig = Rig(nodes, scenario.workload_name, scenario.seed, timing, clock)
    rig.setup.scrub_words = scenario.recovery.scrub_words
    plant = plant or _plant_of(scenario)
    virtual = all(n.board is BoardKind.INPROC for n in scenario.rig.nodes)
    checkpoints = Checkpoints(
        rig,
        scenario.recovery.checkpoint_every,
        golden.workload.state_len,
        deadlines=scenario.pace_factor is not None and not virtual,
    )
    rollback = Rollback(rig, golden, checkpoints)
    strikes = None if plant is None else plant.strikes
    return Parts(
        scenario=scenario,
        nodes=nodes,
        by_name={node.name: node for node in nodes},
        golden=golden,
        rig=rig,
        scheme=Scheme(len(nodes), scenario.rig.unvoted, scenario.rig.unvoted_frames),
        checkpoints=checkpoints,
        rollback=rollback,
        executor=RepairExecutor(rig, golden, rollback),
        recovery=RecoveryMachine(names, _policy(scenario)),
        limits=limits,
        planner=UpsetPlanner(scenario, golden.workload, strikes),
        classifier=UpsetClassifier(names),
        metrics=Metrics(),
        injector=Injector(rig, golden.workload.state_len, scenario.recovery.checkpoint_every),
        hidden_state=HiddenState(rig, golden, checkpoints),
        outside=OutsideInfluence(
            nodes, virtual=virtual, programs=golden.workload.name.startswith(PREFIX)
        ),
        pacer=Pacer(scenario.frame_us, scenario.pace_factor, clock),
        plant=plant,
        virtual=virtual,
        frame_us=scenario.frame_us,
    )


def _plant_of(scenario: Scenario) -> BuiltPlant | None:
    if scenario.plant is None:
        return None
    from hil.plant.build import build_plant  # noqa: PLC0415  (few scenarios have one; it is heavy)

    return build_plant(scenario)


def _policy(scenario: Scenario) -> Policy:
    r = scenario.recovery
    attempts = dict(zip(RUNGS, (r.resyncs, r.restarts, r.resets, r.power_cycles), strict=True))
    return Policy(attempts, r.window_frames, r.reintegrate_frames)
