"""Builds all parts of one run from its scenario. The loop decides the order in which they work.

The loop has all of them, and `hil.engine.stages` hands them out: every other module of the engine
gets the groups (`hil.engine.part_groups`) and the single parts that it works with. Only
`hil.engine.snapshots` gets the whole: a snapshot is the state of every part, and one that it did
not see would begin again in a run that is resumed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from hil.clock import HOST, Clock
from hil.engine.hidden_state import HiddenState
from hil.engine.metrics import Metrics
from hil.engine.outside_influence import OutsideInfluence
from hil.engine.part_groups import FrameTimes, RedundancyParts, UpsetParts
from hil.engine.repair_executor import RepairExecutor
from hil.engine.voter_replicas import VoterReplicas
from hil.errors import ConfigError, Problem
from hil.kernel import Golden, Workload
from hil.redundancy.byzantine import decide_alike
from hil.redundancy.checkpoints import Checkpoints
from hil.redundancy.cold_start import ColdStart
from hil.redundancy.electorate import Scheme
from hil.redundancy.orbit_scheme import OrbitScheme
from hil.redundancy.recovery import RUNGS, Policy, RecoveryMachine
from hil.redundancy.rollback import Rollback
from hil.redundancy.schemes import command_rule, scheme_of
from hil.rig.board_kinds import build_nodes
from hil.rig.calls import Timing
from hil.rig.pacer import Pacer
from hil.rig.pair_cores import cores_text, usable_cores
from hil.rig.program import PREFIX, golden_run, has_long_output
from hil.rig.program_options import ProgramOptions
from hil.rig.receiver_lines import ReceiverLines
from hil.rig.rig import Rig
from hil.scenario import BoardKind, Scenario
from hil.upsets.injection import Injector
from hil.upsets.limits import UpsetLimits
from hil.upsets.outcome import UpsetClassifier
from hil.upsets.planner import UpsetPlanner

if TYPE_CHECKING:
    from hil.plant.build import BuiltPlant

__all__ = ["Parts", "assemble"]

_USUAL: Final = ProgramOptions()


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one run. `plant` is None in a run without one."""

    scenario: Scenario
    rig: Rig
    golden: Golden
    times: FrameTimes
    redundancy: RedundancyParts
    upsets: UpsetParts
    metrics: Metrics
    outside: OutsideInfluence
    plant: BuiltPlant | None


def assemble(
    scenario: Scenario,
    clock: Clock = HOST,
    plant: BuiltPlant | None = None,
    program: ProgramOptions = _USUAL,
) -> Parts:
    """Return the parts of a run of `scenario` on `clock`; no board is opened yet. `plant` is that
    of the scenario if it has been built and not advanced; otherwise it is built here. `program`:
    what the program is given that is the workload, if it is one.

    Raises:
        SetupError: an agent or a program that the scenario needs is missing.
        ConfigError: the scenario's plant or upsets are not possible."""
    nodes = tuple(build_nodes(scenario, clock))
    golden = golden_run(scenario.workload_name, scenario.seed, program)
    limits = UpsetLimits(scenario, golden.workload)
    limits.check()
    timeouts = scenario.timeouts
    timing = Timing(int(timeouts.retry_ms * 1000), int(timeouts.lost_after_ms * 1000))
    pacer, metrics = Pacer(scenario.frame_us, scenario.pace_factor, clock), Metrics()
    if pacer.real_time:  # frames have their times: noise is waited for no longer
        timing = replace(timing, noise_patience=1)
    rig = Rig(nodes, scenario.workload_name, scenario.seed, timing, clock)
    if pairs := scenario.rig.scheme.pairs:
        if any(spec.board is BoardKind.PROCESS for spec in scenario.rig.nodes):
            rig.notes = (cores_text(pairs, usable_cores()),)
    rig.setup.program = program
    rig.setup.long_outputs = has_long_output(golden.workload)
    rig.setup.scrub_words = _scrub_words(scenario, golden.workload.state_len)
    if plant is None or not plant.sky.footprint.sizes:  # those of a program are known only now
        plant = _plant_of(scenario, golden.workload)
    virtual = all(n.board is BoardKind.INPROC for n in scenario.rig.nodes)
    injector = Injector(rig, scenario, golden.workload.state_len)
    redundancy = _redundancy(scenario, rig, golden, injector.lines)
    return Parts(
        scenario=scenario,
        rig=rig,
        golden=golden,
        times=FrameTimes(scenario.frame_count, scenario.frame_us, pacer, golden, metrics, virtual),
        redundancy=redundancy,
        upsets=UpsetParts(
            limits=limits,
            planner=_planner(scenario, golden, plant),
            injector=injector,
            classifier=UpsetClassifier(
                [node.name for node in nodes],
                programs=scenario.exec is not None,
                states_ignored=redundancy.scheme.ignores_states,
            ),
            hidden_state=HiddenState(rig, golden, redundancy.checkpoints),
        ),
        metrics=metrics,
        outside=OutsideInfluence(
            nodes, virtual=virtual, programs=golden.workload.name.startswith(PREFIX)
        ),
        plant=plant,
    )


def _planner(scenario: Scenario, golden: Golden, plant: BuiltPlant | None) -> UpsetPlanner:
    strikes = None if plant is None else plant.strikes
    return UpsetPlanner(scenario, golden.workload, strikes, reduced=golden.of(1).workload)


def _redundancy(
    scenario: Scenario, rig: Rig, golden: Golden, lines: ReceiverLines
) -> RedundancyParts:
    scheme = scheme_of(scenario, golden.workload.output_len)
    checkpoints = Checkpoints(rig, scenario.checkpoint_every, golden.state)
    rollback = Rollback(rig, golden, checkpoints, shares_states=not scheme.ignores_states)
    recovery = RecoveryMachine([node.name for node in rig.nodes], _policy(scenario))
    lines.receives = lambda name: bool(recovery.voters >> rig.by_name[name].index & 1)
    return RedundancyParts(
        scheme=scheme,
        recovery=recovery,
        checkpoints=checkpoints,
        rollback=rollback,
        rollbacks=scenario.recovery.rollbacks,
        executor=RepairExecutor(rig, golden, rollback),
        cold_start=_cold_start(scenario, scheme),
        replicas=_replicas(scenario, rig, lines, scheme),
        follows=None if scenario.rig.follows is None else OrbitScheme(scenario.rig.follows),
    )


def _scrub_words(scenario: Scenario, state_len: int) -> int:
    """Return the words that are scrubbed in every frame, of checkpoints of `state_len` [byte]."""
    recovery = scenario.recovery
    if not recovery.scrub_every:
        return recovery.scrub_words
    return max(1, -(-state_len // (8 * recovery.scrub_every)))


def _cold_start(scenario: Scenario, scheme: Scheme) -> ColdStart | None:
    cold = scenario.recovery.cold_start
    if cold is None:
        return None
    names = [node.name for node in scenario.rig.nodes]
    order = (*cold.order, *(name for name in names if name not in cold.order))
    return ColdStart(command_rule(scenario, scheme), order, cold.apart_frames)


def _replicas(
    scenario: Scenario, rig: Rig, lines: ReceiverLines, scheme: Scheme
) -> VoterReplicas | None:
    if not scenario.rig.voter_per_node:
        return None
    values = scheme.values
    if values is not None and rig.setup.long_outputs:
        raise ConfigError(
            [
                Problem(
                    "",
                    0,
                    0,
                    "$.rig.voter",
                    f"outputs of {scenario.workload_name} are too long for a message, so that "
                    "replicas of the voter have only their digests",
                    "use `voter: exact`, or remove `voter_per_node`",
                )
            ]
        )
    rig.replies = {}
    alike = decide_alike if values is None else values.decide_alike
    return VoterReplicas(rig, lines, exchange=scenario.rig.exchange, alike=alike)


def _plant_of(scenario: Scenario, workload: Workload) -> BuiltPlant | None:
    if scenario.plant is None:
        return None
    from hil.plant.build import build_plant  # noqa: PLC0415  (few scenarios have one; it is heavy)

    return build_plant(scenario, workload)


def _policy(scenario: Scenario) -> Policy:
    r = scenario.recovery
    attempts = dict(zip(RUNGS, (r.resyncs, r.restarts, r.resets, r.power_cycles), strict=True))
    return Policy(attempts, r.window_frames, r.reintegrate_frames)
