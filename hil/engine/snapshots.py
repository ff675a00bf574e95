"""Snapshots: takes the state of a run into its record, and restores a run from it.

A snapshot is taken at the end of a frame when nothing is under way. A run that is resumed from it
(`hil.engine.resume`) continues as if it had never stopped. The nodes have the golden state then,
unless a wrong majority has won the vote: their state is then read from one of them. Their hidden
state must be known, or no snapshot is taken (`hil.engine.hidden_state`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hil.engine.part_groups import is_settled
from hil.engine.parts import Parts
from hil.engine.repair_scheduler import RepairScheduler
from hil.engine.resume import RunSnapshot
from hil.engine.snapshot_json import text_of
from hil.engine.snapshot_model import DormantUpset, EngineSnapshot
from hil.engine.verdict import VerdictStage
from hil.errors import LinkError, NodeError
from hil.kernel import digest64
from hil.record.recorder_protocol import Recorder
from hil.redundancy.recovery import NodeState
from hil.rig.node import DONE, Node
from hil.rig.resync import read_output, read_state, write_output, write_state
from hil.upsets.upset import Upset
from hil.wire.messages import Sync

if TYPE_CHECKING:
    from hil.engine.plant_coupling import PlantCoupling

__all__ = ["ready", "restore", "take"]


def ready(parts: Parts, scheduler: RepairScheduler, *, exact: bool) -> bool:
    """Return whether a snapshot can be taken now; with `exact`, whether a run that is resumed from
    it also ends with the same digest."""
    recovery, hidden = parts.redundancy.recovery, parts.upsets.hidden_state
    if not is_settled(recovery, parts.upsets) or not _alike(parts, scheduler):
        return False
    cold = parts.redundancy.cold_start
    if cold is not None and cold.under_way:
        return False
    if parts.upsets.classifier.waiting:
        return False
    if not exact:
        return True
    frame = parts.golden.next_frame
    known = all(hidden.can_be_made_again(name, frame) for name in recovery.in_service)
    return known and not any(_keeps_damage(parts, node) for node in parts.rig.nodes)


def _alike(parts: Parts, scheduler: RepairScheduler) -> bool:
    """Return whether nodes are in service and all of them have the output and the state that were
    agreed on in the last frame. A node that was just repaired still has an output of its own."""
    verdict, nodes = scheduler.agreed, parts.rig.by_name
    if verdict is None or verdict.frame != parts.golden.next_frame - 1:
        return False
    agreed = (DONE, verdict.output, verdict.state)
    serving = parts.redundancy.recovery.in_service
    ballots = [verdict.ballots[nodes[name].index] for name in serving]
    answers = {(b.status, b.output_digest, b.state_digest) for b in ballots}
    return answers == {agreed}


def _keeps_damage(parts: Parts, node: Node) -> bool:
    """Return whether the plant has shed the node, which returns with its damage later."""
    if not parts.redundancy.recovery.is_shed(node.name) or not node.powered:
        return False
    hidden = parts.upsets.hidden_state
    lasting = hidden.lasting(node.name, parts.golden.next_frame)
    return bool(lasting) or hidden.checkpoints_doubtful(node.name)


def take(
    parts: Parts,
    scheduler: RepairScheduler,
    verdicts: VerdictStage,
    coupling: PlantCoupling | None,
    record: Recorder,
) -> bool:
    """Take a snapshot into the record. Return False, without one, if a node cannot be read."""
    try:
        state, output = _held(parts, scheduler)
    except (LinkError, NodeError):
        return False
    frame, redundancy, upsets = parts.golden.next_frame, parts.redundancy, parts.upsets
    serving, hidden = redundancy.recovery.in_service, upsets.hidden_state
    checkpoints = {name: hidden.checkpoints(name) or [] for name in serving}
    metrics = parts.metrics.snapshot()
    reconnects = sum(node.link.statistics.reconnects for node in parts.rig.nodes)
    snapshot = EngineSnapshot(
        numbered=upsets.planner.numbered,
        ordered=upsets.planner.ordered,
        held=state,
        output=output,
        checkpoints={
            name: tuple(sync for sync, _ in of_node) for name, of_node in checkpoints.items()
        },
        copy=redundancy.checkpoints.copy,
        verdicts=verdicts.snapshot(),
        outside=parts.outside.snapshot(),
        lasting={name: hidden.arms(name, frame) for name in checkpoints},
        upsets=upsets.classifier.count,
        dormant=_dormant(upsets.classifier.dormant),
        contaminated=tuple(upsets.classifier.contaminated_nodes),
        metrics=replace(
            metrics,
            wall_us=metrics.wall_us + record.wall_us,
            reconnects=metrics.reconnects + reconnects,
        ),
        recovery=redundancy.recovery.snapshot(),
        power_cuts={node.name: frozenset(node.power_cuts) for node in parts.rig.nodes},
        returning=tuple(upsets.injector.power.returning),
        permanent={name: tuple(arms) for name, arms in upsets.injector.permanent.items()},
        agreed=scheduler.agreed,
        plant=None if coupling is None else coupling.snapshot(),
        unstarted=tuple(node.name for node in parts.rig.nodes if node.starts_after_power_cycle),
        follows=None if redundancy.follows is None else redundancy.follows.snapshot(),
    )
    states = {sync.frame: state for of_node in checkpoints.values() for sync, state in of_node}
    record.snapshot(frame, parts.golden.state, text_of(snapshot), states)
    return True


def _dormant(dormant: Mapping[str, Sequence[Upset]]) -> tuple[DormantUpset, ...]:
    return tuple(
        DormantUpset(u.plan.id, u.plan.hold_frames, u.plan.permanent, u.report.boot)
        for upsets in dormant.values()
        for u in upsets
    )


def _held(parts: Parts, scheduler: RepairScheduler) -> tuple[bytes, bytes]:
    """Return state (empty: the golden one) and output of the nodes in service. In a run with
    deadlines nothing is read: that takes too long, and the run is not reproducible anyway."""
    golden, agreed = parts.golden, scheduler.agreed
    holders = [] if parts.times.deadlines else scheduler.holders
    if agreed is None or not holders or agreed.state == golden.state_digest:
        return b"", golden.output
    workload = golden.workload
    return (
        read_state(parts.rig, holders[0], workload.state_len),
        read_output(parts.rig, holders[0], workload.output_len),
    )


def restore(
    snapshot: RunSnapshot,
    parts: Parts,
    scheduler: RepairScheduler,
    verdicts: VerdictStage,
    coupling: PlantCoupling | None,
) -> None:
    """Restore all parts and nodes to a snapshot; the nodes have their initial state before."""
    engine, upsets, recovery = snapshot.engine, parts.upsets, parts.redundancy.recovery
    initial = parts.golden.state
    parts.golden.resume(snapshot.frame, snapshot.state)
    parts.metrics.restore(engine.metrics)
    upsets.planner.skip(parts.times.nominal(snapshot.frame), engine.numbered, engine.ordered)
    if coupling is not None:
        assert engine.plant is not None
        coupling.restore(engine.plant)
    recovery.restore(engine.recovery)
    scheduler.agreed = engine.agreed
    upsets.injector.power.returning = list(engine.returning)
    upsets.injector.permanent = {name: list(arms) for name, arms in engine.permanent.items()}
    upsets.classifier.recall(engine.upsets, snapshot.dormant, engine.contaminated)
    verdicts.restore(engine.verdicts)
    parts.outside.restore(engine.outside)
    if engine.follows is not None and parts.redundancy.follows is not None:
        parts.redundancy.follows.restore(engine.follows)
    if engine.copy is not None:
        parts.redundancy.checkpoints.copy = engine.copy
    for node in parts.rig.nodes:
        node.power_cuts = set(engine.power_cuts[node.name])
        node.starts_after_power_cycle = node.name in engine.unstarted
        if not node.powered:
            node.board.power_off()
            node.link.detach("no power")
        elif recovery.state(node.name) is not NodeState.ISOLATED:
            _restore_node(snapshot, parts, node, initial)


def _restore_node(snapshot: RunSnapshot, parts: Parts, node: Node, initial: bytes) -> None:
    """Give a node the checkpoints, state, output and damage that it had at the snapshot."""
    rig, engine, current = parts.rig, snapshot.engine, initial
    checkpoints = [(sync, snapshot.states[sync.frame]) for sync in engine.checkpoints[node.name]]
    for checkpoint, state in checkpoints:
        write_state(rig, node, current, state)
        rig.sync(node, checkpoint.frame, checkpoint.state_digest)
        parts.redundancy.checkpoints.take_now(node, checkpoint)
        current = state
    held = engine.held or snapshot.state
    agreed = Sync(snapshot.frame - 1, digest64(held))
    write_state(rig, node, current, held)
    write_output(rig, node, engine.output)
    rig.sync(node, agreed.frame, agreed.state_digest)
    if not checkpoints:
        parts.redundancy.checkpoints.take_now(node, agreed)
    arms = list(engine.lasting[node.name])
    parts.upsets.injector.arm_again(node, arms)
    parts.upsets.hidden_state.restore(node.name, arms, checkpoints)
