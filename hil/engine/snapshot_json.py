"""Converts the snapshot of the engine to the text of a JSON object, which a record keeps, and back.

No other module knows its keys. A key that was added after version 3 had begun is optional when an
object is read, so that older runs of that version can be resumed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hil.engine.metrics import Metrics
from hil.engine.outside_influence import OutsideSnapshot
from hil.engine.snapshot_model import DormantUpset, EngineSnapshot
from hil.engine.verdict import VerdictSnapshot
from hil.errors import HilError, RecordError
from hil.kernel import digest64
from hil.redundancy.checkpoints import HostCopy
from hil.redundancy.field_vote import FieldMemory
from hil.redundancy.hold import HeldOutput, HoldSnapshot
from hil.redundancy.orbit_scheme import OrbitSchemeSnapshot
from hil.redundancy.primary import PrimarySnapshot
from hil.redundancy.recovery import NodeRecoverySnapshot, NodeState
from hil.redundancy.voting import VerdictKind, unpack
from hil.rig.node import PowerCut
from hil.wire.messages import Arm, Sync

if TYPE_CHECKING:
    from hil.engine.plant_coupling import PlantSnapshot
    from hil.plant.flight import FlightSnapshot

__all__ = ["damaged", "snapshot_in", "text_of"]


def text_of(snapshot: EngineSnapshot) -> str:
    """Return `snapshot` as the text of a JSON object, with its version."""
    return json.dumps(_object_of(snapshot))


def _object_of(snapshot: EngineSnapshot) -> dict[str, object]:
    copy, plant = snapshot.copy, snapshot.plant
    return {
        "version": snapshot.VERSION,
        "numbered": snapshot.numbered,
        "ordered": snapshot.ordered,
        "held": snapshot.held.hex(),
        "output": snapshot.output.hex(),
        "checkpoints": {
            name: [[sync.frame, sync.state_digest] for sync in checkpoints]
            for name, checkpoints in snapshot.checkpoints.items()
        },
        "copy": None if copy is None else [copy.frame, copy.state.hex()],
        "judge": _verdicts(snapshot.verdicts),
        "outside": _outside(snapshot.outside),
        "lasting": _arms(snapshot.lasting),
        "upsets": snapshot.upsets,
        "dormant": [_dormant(upset) for upset in snapshot.dormant],
        "contaminated": list(snapshot.contaminated),
        "metrics": _metrics(snapshot.metrics),
        "recovery": {name: _recovery(node) for name, node in snapshot.recovery.items()},
        "power_cuts": {
            name: sorted(cut.value for cut in cuts) for name, cuts in snapshot.power_cuts.items()
        },
        "returning": [[frame, name] for frame, name in snapshot.returning],
        "permanent": _arms(snapshot.permanent),
        "agreed": "" if snapshot.agreed is None else snapshot.agreed.record.hex(),
        "plant": None if plant is None else _plant(plant),
        "unstarted": list(snapshot.unstarted),
        "follows": None if snapshot.follows is None else _follows(snapshot.follows),
    }


def snapshot_in(text: str, *, path: Path, hil_version: str) -> EngineSnapshot:
    """Return the snapshot in a text of `text_of`, to which the record may have added a key. `path`
    and `hil_version` of the record are for messages.

    Raises:
        RecordError: The snapshot is of another version, or a part of it is missing or damaged.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise damaged(path, error) from error
    if not isinstance(data, dict):
        raise damaged(path, TypeError("it is not a JSON object"))
    version, known = data.get("version"), EngineSnapshot.VERSION
    if version != known:
        other = "without a version" if version is None else f"of version {version!r}"
        raise RecordError(
            f"{path} holds a snapshot {other}, and this hil resumes from version {known} only",
            remedy=f"resume this run with the hil that began it ({hil_version}), or run it again",
        )
    try:
        return _snapshot_from(data)
    except (LookupError, TypeError, ValueError, AttributeError, HilError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> RecordError:
    """Return the error for a snapshot that cannot be read because of `error`."""
    return RecordError(
        f"{path} holds a damaged snapshot: {type(error).__name__}: {error}", remedy="run it again"
    )


def _snapshot_from(data: Mapping[str, Any]) -> EngineSnapshot:
    copy, plant = data["copy"], data["plant"]
    return EngineSnapshot(
        numbered=data["numbered"],
        ordered=data["ordered"],
        held=bytes.fromhex(data["held"]),
        output=bytes.fromhex(data["output"]),
        checkpoints={
            name: tuple(Sync(frame, digest) for frame, digest in checkpoints)
            for name, checkpoints in data["checkpoints"].items()
        },
        copy=None if copy is None else _copy_from(*copy),
        verdicts=_verdicts_from(data["judge"]),
        outside=_outside_from(data["outside"]),
        lasting=_arms_from(data["lasting"]),
        upsets=data["upsets"],
        dormant=tuple(_dormant_from(upset) for upset in data["dormant"]),
        contaminated=tuple(data["contaminated"]),
        metrics=_metrics_from(data["metrics"]),
        recovery={name: _recovery_from(node) for name, node in data["recovery"].items()},
        power_cuts={
            name: frozenset(PowerCut(cut) for cut in cuts)
            for name, cuts in data["power_cuts"].items()
        },
        returning=_frames_from(data["returning"]),
        permanent=_arms_from(data["permanent"]),
        agreed=unpack(bytes.fromhex(data["agreed"])) if data["agreed"] else None,
        plant=None if plant is None else _plant_from(plant),
        unstarted=tuple(data.get("unstarted", ())),
        follows=_follows_from(data.get("follows")),
    )


# --- parts: each to JSON, and back --------------------------------------------------------------


def _copy_from(frame: int, state: str) -> HostCopy:
    content = bytes.fromhex(state)
    return HostCopy(frame, content, digest64(content))


def _follows(follows: OrbitSchemeSnapshot) -> dict[str, object]:
    return {
        "until_us": [list(pair) for pair in follows.until_us],
        "errors": [list(pair) for pair in follows.errors],
        "reason": follows.reason,
        "pending": follows.pending,
    }


def _follows_from(data: Mapping[str, Any] | None) -> OrbitSchemeSnapshot | None:
    if data is None:
        return None
    return OrbitSchemeSnapshot(
        tuple((size, until) for size, until in data["until_us"]),
        tuple((at, count) for at, count in data["errors"]),
        data["reason"],
        data["pending"],
    )


def _frames_from(pairs: Iterable[tuple[int, str]]) -> tuple[tuple[int, str], ...]:
    return tuple((frame, name) for frame, name in pairs)


def _arms(arms: Mapping[str, Iterable[Arm]]) -> dict[str, object]:
    return {name: [asdict(arm) for arm in of_node] for name, of_node in arms.items()}


def _arms_from(data: Mapping[str, Any]) -> dict[str, tuple[Arm, ...]]:
    return {name: tuple(Arm(**arm) for arm in of_node) for name, of_node in data.items()}


def _dormant(upset: DormantUpset) -> object:
    """Return the id alone if the other fields have their defaults, as for most upsets."""
    more = [upset.hold_frames, upset.permanent, upset.boot]
    return [upset.id, *more] if any(more) else upset.id


def _dormant_from(data: Any) -> DormantUpset:
    return DormantUpset(*data) if isinstance(data, list) else DormantUpset(data)


def _verdicts(verdicts: VerdictSnapshot) -> dict[str, object]:
    last = verdicts.hold.last
    held = None if last is None else [last.frame, last.digest, last.wrong, last.output.hex()]
    return {
        "not_before": verdicts.rollback_not_before,
        "tried": sorted(verdicts.rollback_tried),
        "failures": verdicts.rollback_failures,
        "seen": verdicts.rollback_seen,
        "frames_alone": verdicts.frames_alone,
        "hold": {"last": held, "frames_unvoted": verdicts.hold.frames_unvoted},
        "voter": [
            [None if m.last is None else m.last.hex(), m.held, list(m.records)]
            for m in verdicts.memory
        ],
        "primary": list(verdicts.primary),
    }


def _verdicts_from(data: Mapping[str, Any]) -> VerdictSnapshot:
    hold, held = data["hold"], None
    if hold["last"] is not None:
        frame, digest, wrong, output = hold["last"]
        held = HeldOutput(frame, digest, wrong, bytes.fromhex(output))
    return VerdictSnapshot(
        rollback_not_before=data["not_before"],
        rollback_tried=frozenset(data.get("tried", ())),
        rollback_failures=data.get("failures", 0),
        rollback_seen=data.get("seen", -1),
        frames_alone=data["frames_alone"],
        hold=HoldSnapshot(held, hold["frames_unvoted"]),
        memory=tuple(
            FieldMemory(None if last is None else bytes.fromhex(last), held_for, tuple(records))
            for last, held_for, records in data.get("voter", ())
        ),
        primary=PrimarySnapshot(*data.get("primary", ())),
    )


def _outside(outside: OutsideSnapshot) -> dict[str, object]:
    return {
        "first": None if outside.first is None else list(outside.first),
        "count": outside.count,
        "frames": [[frame, name] for name, frame in outside.latest.items()],
        "ends": {name: [end] for name, end in outside.ends.items()},
        "fixed": dict(outside.fixed),
    }


def _outside_from(data: Mapping[str, Any]) -> OutsideSnapshot:
    first, frames = data["first"], sorted(_frames_from(data["frames"]))
    return OutsideSnapshot(
        first=None if first is None else (first[0], first[1]),
        count=data.get("count", len(frames)),  # once, all frames were in the list
        latest={name: frame for frame, name in frames},
        ends={name: ends[0] for name, ends in data["ends"].items() if ends},
        fixed=dict(data.get("fixed", {})),
    )


def _metrics(metrics: Metrics) -> dict[str, object]:
    counters = asdict(metrics)
    counters["voting"] = dict(metrics.voting)  # before Python 3.12 asdict spoils a Counter
    counters["verdicts"] = {kind.name: count for kind, count in metrics.verdicts.items()}
    return counters


def _metrics_from(data: Mapping[str, Any]) -> Metrics:
    counters = dict(data)
    voting, verdicts = counters.pop("voting"), counters.pop("verdicts")
    return Metrics(
        **counters,
        voting=Counter({int(voters): count for voters, count in voting.items()}),
        verdicts=Counter({VerdictKind[name]: count for name, count in verdicts.items()}),
    )


def _recovery(node: NodeRecoverySnapshot) -> dict[str, object]:
    return {
        "state": node.state.value,
        "agreed": node.agreed,
        "held": node.held,
        "shed": node.shed,
        "out": node.out,
        "tried": {rung.value: list(frames) for rung, frames in node.tried.items()},
    }


def _recovery_from(data: Mapping[str, Any]) -> NodeRecoverySnapshot:
    return NodeRecoverySnapshot(
        state=NodeState(data["state"]),
        agreed=data["agreed"],
        tried={NodeState(rung): tuple(frames) for rung, frames in data["tried"].items()},
        held=data.get("held", False),
        shed=data.get("shed", False),
        out=data.get("out", False),
    )


def _plant(plant: PlantSnapshot) -> dict[str, object]:
    return {
        "flight": _flight(plant.flight),
        "counts": {
            "sheds": plant.sheds,
            "latch_ups": plant.latch_ups,
            "too_hot": plant.too_hot,
        },
        "row_at_us": plant.row_at_us,
        "nodes": {name: asdict(node) for name, node in plant.nodes.items()},
    }


def _plant_from(data: Mapping[str, Any]) -> PlantSnapshot:
    from hil.engine.plant_coupling import (  # noqa: PLC0415  (heavy, and seldom needed)
        NodePowerSnapshot,
        PlantSnapshot,
    )

    return PlantSnapshot(
        flight=_flight_from(data["flight"]),
        **data["counts"],
        row_at_us=data["row_at_us"],
        nodes={name: NodePowerSnapshot(**node) for name, node in data["nodes"].items()},
    )


def _flight(flight: FlightSnapshot) -> dict[str, object]:
    power = flight.power
    return {
        "done": flight.done,
        "state": None if power is None else power.state.hex(),
        "temperature_k": None if power is None else list(power.temperature_k),
        "draws": {name: asdict(draw) for name, draw in flight.draws.items()},
        "totals": asdict(flight.totals),
    }


def _flight_from(data: Mapping[str, Any]) -> FlightSnapshot:
    from hil.plant.energy_totals import Totals  # noqa: PLC0415  (heavy, and seldom needed)
    from hil.plant.flight import FlightSnapshot  # noqa: PLC0415
    from hil.plant.moment import Draw  # noqa: PLC0415
    from hil.plant.power_block import PowerSnapshot  # noqa: PLC0415

    power = None
    if data["state"] is not None:
        power = PowerSnapshot(bytes.fromhex(data["state"]), tuple(data["temperature_k"]))
    return FlightSnapshot(
        done=data["done"],
        power=power,
        draws={name: Draw(**draw) for name, draw in data["draws"].items()},
        totals=Totals(**data["totals"]),
    )
