"""Snapshots: the parts of a run as plain data in its record, and back.

What is taken at the end of a frame, while nothing is under way, is enough to go on from there as if
the run had never stopped (`hil.resume` reads it). Nodes hold the golden state then, unless a wrong
majority has won: what they hold is then read from one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hil import resume
from hil.engine.healing import Healer
from hil.engine.parts import Parts
from hil.errors import LinkError, NodeError
from hil.kernel import digest64
from hil.record.writer import Writer
from hil.recovery import NodeState
from hil.rig.messages import Sync
from hil.rig.node import Node
from hil.rig.resync import read_output, read_state, write_output, write_state
from hil.voter import unpack

if TYPE_CHECKING:
    from hil.steward import Steward

__all__ = ["take", "take_up"]


def take(parts: Parts, healer: Healer, steward: Steward | None, writer: Writer) -> None:
    """Let the run be taken up again from here; from the last snapshot, if a node cannot be read."""
    try:
        state, output = _held(parts, healer)
    except (LinkError, NodeError):
        return
    writer.snapshot(
        parts.golden.next_frame,
        parts.golden.state,
        {
            "numbered": parts.injector.numbered,
            "ordered": parts.injector.ordered,
            "held": state.hex(),
            "output": output.hex(),
            "contaminated": parts.classifier.contaminated_nodes,
            "metrics": resume.metrics_memory(parts.metrics),
            "recovery": parts.recovery.memory(),
            "powered": {n.name: n.powered for n in parts.nodes},
            "returning": parts.delivery.returning,
            "permanent": resume.arm_memory(parts.delivery.permanent),
            "agreed": healer.agreed.record.hex() if healer.agreed else "",
            "plant": None if steward is None else steward.memory(),
        },
    )


def _held(parts: Parts, healer: Healer) -> tuple[bytes, bytes]:
    """State (empty: the golden one) and output of the nodes in service. A run with deadlines cannot
    wait for a whole state, and is not reproducible anyway."""
    golden, agreed = parts.golden, healer.agreed
    holders = [] if parts.deadlines else healer.holders
    if agreed is None or not holders or agreed.state == golden.state_digest:
        return b"", golden.output
    workload = golden.workload
    return (
        read_state(parts.rig, holders[0], workload.state_len),
        read_output(parts.rig, holders[0], workload.output_len),
    )


def take_up(
    snapshot: resume.Snapshot, parts: Parts, healer: Healer, steward: Steward | None
) -> None:
    """Bring everything to where the run was at the snapshot; nodes hold their initial state."""
    engine = snapshot.engine
    initial = parts.golden.state
    parts.golden.resume(snapshot.frame, snapshot.state)
    resume.recall_metrics(parts.metrics, engine["metrics"])
    parts.injector.skip(parts.nominal(snapshot.frame), engine["numbered"], engine.get("ordered", 0))
    if steward is not None:
        steward.recall(engine["plant"])
    parts.recovery.recall(engine["recovery"])
    healer.agreed = unpack(bytes.fromhex(engine["agreed"])) if engine["agreed"] else None
    parts.delivery.returning = [(at, name) for at, name in engine["returning"]]
    parts.delivery.permanent = resume.recall_arms(engine["permanent"])
    damaged = {arm.id for arms in parts.delivery.permanent.values() for arm in arms}
    parts.classifier.recall(snapshot.upsets, damaged, engine.get("contaminated", ()))
    held = bytes.fromhex(engine.get("held", "")) or snapshot.state
    for node in parts.nodes:
        if not engine["powered"][node.name]:
            node.board.power_off()
            node.link.detach("no power")
            node.powered = False
        elif parts.recovery.state(node.name) is not NodeState.ISOLATED:
            write_state(parts.rig, node, initial, held)
            write_output(parts.rig, node, bytes.fromhex(engine["output"]))
            _go_on(parts, node, snapshot.frame, digest64(held))


def _go_on(parts: Parts, node: Node, frame: int, state_digest: int) -> None:
    """State and output are in place: let the node go on with `frame`."""
    parts.rig.sync(node, frame - 1, state_digest)
    parts.checkpoints.take_again(node, Sync(frame - 1, state_digest))
    parts.delivery.rearm_permanent([node], frame)
