"""Snapshots: the parts of a run as plain data in its record, and back.

What is taken at the end of a frame, while nothing is under way, is enough to go on from there as if
the run had never stopped (`hil.engine.resume` reads it). Nodes hold the golden state then, unless
a wrong majority has won: what they hold is then read from one of them. What else lies in them
must be known, or no snapshot is taken (see `hil.engine.holdings`)."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from hil.engine import resume
from hil.engine.healing import RepairScheduler
from hil.engine.parts import Parts
from hil.engine.verdict import VerdictStage
from hil.errors import LinkError, NodeError
from hil.kernel import digest64
from hil.record.recorder import Recorder
from hil.redundancy.checkpoints import HostCopy
from hil.redundancy.recovery import NodeState
from hil.redundancy.voting import unpack
from hil.rig.node import DONE, Node, PowerCut
from hil.rig.resync import read_output, read_state, write_output, write_state
from hil.wire.messages import Arm, Sync

if TYPE_CHECKING:
    from hil.engine.plant_coupling import PlantCoupling

__all__ = ["ready", "restore", "take"]


def ready(parts: Parts, scheduler: RepairScheduler, *, exact: bool) -> bool:
    """The run can be taken up from here, and with `exact` then ends as if it had not stopped."""
    if not parts.settled or not _alike(parts, scheduler):
        return False
    if not exact:
        return True
    frame = parts.golden.next_frame
    known = all(parts.holdings.can_be_made_again(n, frame) for n in parts.recovery.in_service)
    return known and not any(_keeps_damage(parts, node) for node in parts.nodes)


def _alike(parts: Parts, scheduler: RepairScheduler) -> bool:
    """Some nodes are in service, and all of them hold the output and the state that were agreed on
    in the last frame: one that was just healed has still its own output."""
    verdict = scheduler.agreed
    if verdict is None or verdict.frame != parts.golden.next_frame - 1:
        return False
    agreed = (DONE, verdict.output, verdict.state)
    ballots = [verdict.ballots[parts.by_name[name].index] for name in parts.recovery.in_service]
    found = {(b.status, b.output_digest, b.state_digest) for b in ballots}
    return found == {agreed}


def _keeps_damage(parts: Parts, node: Node) -> bool:
    """The plant has taken the node out, and will have it healed with the damage still in it."""
    if not parts.recovery.is_shed(node.name) or not node.powered:
        return False
    lasting = parts.holdings.lasting(node.name, parts.golden.next_frame)
    return bool(lasting) or parts.holdings.checkpoints_doubtful(node.name)


def take(
    parts: Parts,
    scheduler: RepairScheduler,
    verdicts: VerdictStage,
    coupling: PlantCoupling | None,
    record: Recorder,
) -> bool:
    """Let the run be taken up again from here. False, and nothing done, if a node cannot be
    read."""
    try:
        state, output = _held(parts, scheduler)
    except (LinkError, NodeError):
        return False
    frame, holdings = parts.golden.next_frame, parts.holdings
    names = parts.recovery.in_service
    kept = {name: holdings.checkpoints(name) or [] for name in names}
    copy = parts.checkpoints.copy
    record.snapshot(
        frame,
        parts.golden.state,
        {
            "version": resume.SNAPSHOT_VERSION,
            "numbered": parts.planner.numbered,
            "ordered": parts.planner.ordered,
            "held": state.hex(),
            "output": output.hex(),
            "checkpoints": {
                name: [[c.frame, c.state_digest] for c, _ in found] for name, found in kept.items()
            },
            "copy": None if copy is None else [copy.frame, copy.state.hex()],
            "judge": verdicts.memory(),
            "outside": parts.outside.memory(),
            "lasting": {name: holdings.memory(name, frame) for name in names},
            "upsets": parts.classifier.count,
            "dormant": resume.dormant_memory(parts.classifier.dormant),
            "contaminated": parts.classifier.contaminated_nodes,
            "metrics": {
                **resume.metrics_memory(parts.metrics),
                "wall_us": parts.metrics.wall_us + record.wall_us,
            },
            "recovery": parts.recovery.memory(),
            "power_cuts": {n.name: sorted(c.value for c in n.power_cuts) for n in parts.nodes},
            "returning": parts.injector.power.returning,
            "permanent": {n: [asdict(a) for a in arms] for n, arms in _permanent(parts)},
            "agreed": scheduler.agreed.record.hex() if scheduler.agreed else "",
            "plant": None if coupling is None else coupling.memory(),
        },
        {c.frame: state for found in kept.values() for c, state in found},
    )
    return True


def _permanent(parts: Parts) -> list[tuple[str, list[Arm]]]:
    return list(parts.injector.permanent.items())


def _held(parts: Parts, scheduler: RepairScheduler) -> tuple[bytes, bytes]:
    """State (empty: the golden one) and output of the nodes in service. A run with deadlines cannot
    wait for a whole state, and is not reproducible anyway."""
    golden, agreed = parts.golden, scheduler.agreed
    holders = [] if parts.deadlines else scheduler.holders
    if agreed is None or not holders or agreed.state == golden.state_digest:
        return b"", golden.output
    workload = golden.workload
    return (
        read_state(parts.rig, holders[0], workload.state_len),
        read_output(parts.rig, holders[0], workload.output_len),
    )


def restore(
    snapshot: resume.RunSnapshot,
    parts: Parts,
    scheduler: RepairScheduler,
    verdicts: VerdictStage,
    coupling: PlantCoupling | None,
) -> None:
    """Bring everything to where the run was at the snapshot; nodes hold their initial state."""
    engine = snapshot.engine
    initial = parts.golden.state
    parts.golden.resume(snapshot.frame, snapshot.state)
    resume.recall_metrics(parts.metrics, engine["metrics"])
    parts.planner.skip(parts.nominal(snapshot.frame), engine["numbered"], engine["ordered"])
    if coupling is not None:
        coupling.recall(engine["plant"])
    parts.recovery.recall(engine["recovery"])
    scheduler.agreed = unpack(bytes.fromhex(engine["agreed"])) if engine["agreed"] else None
    parts.injector.power.returning = [(at, name) for at, name in engine["returning"]]
    parts.injector.permanent = {
        name: [Arm(**arm) for arm in arms] for name, arms in engine["permanent"].items()
    }
    parts.classifier.recall(engine["upsets"], snapshot.dormant, engine["contaminated"])
    verdicts.recall(engine["judge"])
    parts.outside.recall(engine["outside"])
    if engine["copy"] is not None:
        at, state = engine["copy"][0], bytes.fromhex(engine["copy"][1])
        parts.checkpoints.copy = HostCopy(at, state, digest64(state))
    for node in parts.nodes:
        node.power_cuts = {PowerCut(who) for who in engine["power_cuts"][node.name]}
        if not node.powered:
            node.board.power_off()
            node.link.detach("no power")
        elif parts.recovery.state(node.name) is not NodeState.ISOLATED:
            _go_on(snapshot, parts, node, initial)


def _go_on(snapshot: resume.RunSnapshot, parts: Parts, node: Node, initial: bytes) -> None:
    """Put into the node what it held at the snapshot, and let it go on."""
    rig, engine, current = parts.rig, snapshot.engine, initial
    checkpoints = [
        (Sync(frame, digest), snapshot.states[frame])
        for frame, digest in engine["checkpoints"][node.name]
    ]
    for checkpoint, state in checkpoints:
        write_state(rig, node, current, state)
        rig.sync(node, checkpoint.frame, checkpoint.state_digest)
        parts.checkpoints.take_again(node, checkpoint)
        current = state
    held = bytes.fromhex(engine["held"]) or snapshot.state
    agreed = Sync(snapshot.frame - 1, digest64(held))
    write_state(rig, node, current, held)
    write_output(rig, node, bytes.fromhex(engine["output"]))
    rig.sync(node, agreed.frame, agreed.state_digest)
    if not checkpoints:
        parts.checkpoints.take_again(node, agreed)
    arms = [Arm(**arm) for arm in engine["lasting"][node.name]]
    parts.injector.arm_again(node, arms)
    parts.holdings.recall(node.name, arms, checkpoints)
