"""Taking up a run again from its last snapshot, after a kill, a power cut or an abort.

A snapshot is made every few seconds, when no upset is open and no node is being repaired. What was
recorded after it is dropped and computed again, so that a resumed run ends with the run digest of
an undisturbed one (except for faults that lay dormant in worker processes: those are new)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hil.errors import RecordError, UsageError
from hil.injector import Planned
from hil.metrics import Metrics
from hil.outcome import Upset
from hil.record.reader import Reader
from hil.rig.messages import Arm
from hil.scenario import Scenario
from hil.voter import VerdictKind


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where a run can be taken up: before `frame`, with `state` on every node."""

    frame: int
    state: bytes
    engine: dict[str, Any]
    upsets: tuple[Upset, ...]


def open_run(run: Path) -> tuple[Scenario, Path]:
    """The scenario of an unfinished run, and its folder.

    RecordError if there is no usable record, UsageError if the run is complete.
    """
    reader = Reader(run)
    try:
        outcome = reader.meta.get("outcome", "")
        if outcome in ("pass", "fail"):
            raise UsageError(
                f"the run in {run} is complete ({outcome}); there is nothing to resume",
                remedy="start a new one without --resume",
            )
        return Scenario.model_validate(reader.meta_json("scenario")), reader.path.parent
    except ValidationError as error:
        raise RecordError(f"{reader.path} holds a scenario that this hil cannot read") from error
    finally:
        reader.close()


def read_snapshot(run_dir: Path) -> Snapshot | None:
    """The last snapshot of a run; None if it ended before the first one."""
    reader = Reader(run_dir)
    try:
        rows = reader.rows("SELECT frame, state, engine FROM snapshot")
        if not rows:
            return None
        frame, state, engine = rows[0]
        upsets = tuple(
            _upset(dict(row))
            for row in reader.rows("SELECT * FROM upsets WHERE frame < ? ORDER BY id", frame)
        )
        return Snapshot(frame, state, json.loads(engine), upsets)
    finally:
        reader.close()


def _upset(row: dict[str, Any]) -> Upset:
    """An upset as it was recorded. What was planned beyond its position is not known any more."""
    plan = Planned(
        row["frame"],
        row["node"],
        row["target"],
        row["kind"],
        row["source"],
        row["id"],
        tick=row["planned_tick"],
        steps=row["planned_steps"],
        us=row["planned_us"],
    )
    kept = (
        "state", "detail", "verified", "changed", "persisted", "tick", "steps", "at_us",
        "pc_offset", "bit", "space", "before", "after", "effect", "signal", "outcome", "shared",
        "dormant", "detected_frame", "resolved_frame",
    )  # fmt: skip
    return Upset(plan, **{name: row[name] for name in kept})


def metrics_memory(metrics: Metrics) -> dict[str, Any]:
    """Metrics as plain data."""
    data = asdict(metrics)
    data["voting"] = dict(metrics.voting)  # asdict makes nonsense of a Counter before Python 3.12
    data["verdicts"] = {kind.name: count for kind, count in metrics.verdicts.items()}
    return data


def recall_metrics(metrics: Metrics, data: dict[str, Any]) -> None:
    """Take over what `metrics_memory` gave."""
    for name, value in data.items():
        if name == "voting":
            metrics.voting.update({int(k): count for k, count in value.items()})
        elif name == "verdicts":
            metrics.verdicts.update({VerdictKind[k]: count for k, count in value.items()})
        else:
            setattr(metrics, name, value)


def arm_memory(arms: dict[str, list[Arm]]) -> dict[str, Any]:
    """Permanent faults as plain data."""
    return {node: [asdict(arm) for arm in kept] for node, kept in arms.items()}


def recall_arms(data: dict[str, Any]) -> dict[str, list[Arm]]:
    """Permanent faults from what `arm_memory` gave."""
    return {node: [Arm(**arm) for arm in kept] for node, kept in data.items()}
