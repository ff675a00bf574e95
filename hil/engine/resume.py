"""Taking up a run again from its last snapshot, after a kill, a power cut or an abort.

A snapshot is made every few seconds, when no upset is open, no node is being repaired, and whatever
lies in the nodes can be put there again. What was recorded after it is dropped and computed again,
so that a resumed run ends with the run digest of an undisturbed one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from hil.engine.metrics import Metrics
from hil.errors import RecordError, UsageError
from hil.record.reader import Reader
from hil.record.row_values import RecordedUpset
from hil.record.snapshot_rows import recorded_snapshot, upset_at_snapshot
from hil.redundancy.voting import VerdictKind
from hil.scenario import Scenario
from hil.upsets.upset import Assessment, InjectionReport, Upset, UpsetPlan
from hil.upsets.words import NodeEffect, SystemOutcome, UpsetState, UpsetTarget, kind_of

SNAPSHOT_VERSION: Final = 3


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """Where a run can be taken up: before `frame`, with `state` on every node. `states`: what is in
    checkpoints, by frame; `dormant`: the upsets that may still strike."""

    frame: int
    state: bytes
    engine: dict[str, Any]
    states: dict[int, bytes]
    dormant: tuple[Upset, ...]


def open_run(run: Path) -> tuple[Scenario, Path]:
    """The scenario of an unfinished run, and its folder.

    RecordError if there is no usable record, UsageError if the run is complete.
    """
    reader = Reader(run)
    try:
        outcome = reader.meta.get("outcome", "")
        if reader.is_complete and outcome != "aborted":
            raise UsageError(
                f"the run in {run} is complete ({outcome}); there is nothing to resume",
                remedy="start a new one without --resume",
            )
        return Scenario.model_validate(reader.meta_json("scenario")), reader.path.parent
    except ValidationError as error:
        raise RecordError(f"{reader.path} holds a scenario that this hil cannot read") from error
    finally:
        reader.close()


def read_snapshot(run_dir: Path) -> RunSnapshot | None:
    """The last snapshot of a run; None if it ended before the first one."""
    reader = Reader(run_dir)
    try:
        recorded = recorded_snapshot(reader)
        if recorded is None:
            return None
        engine = recorded.engine
        if engine.get("version") != SNAPSHOT_VERSION:
            raise RecordError(
                f"{reader.path} holds a snapshot of another version of hil",
                remedy="resume this run with the hil that began it "
                f"({reader.meta.get('hil_version', 'unknown')}), or run it again",
            )
        dormant = tuple(_dormant(reader, memory) for memory in engine["dormant"])
        return RunSnapshot(recorded.frame, recorded.state, engine, recorded.states, dormant)
    finally:
        reader.close()


def dormant_memory(dormant: dict[str, list[Upset]]) -> list[int | list[Any]]:
    """Upsets that may still strike: the id of each, and what of it has no column."""
    out: list[int | list[Any]] = []
    for upset in (u for upsets in dormant.values() for u in upsets):
        plan = upset.plan
        more = [plan.hold_frames, plan.permanent, upset.report.boot]
        out.append([plan.id, *more] if any(more) else plan.id)
    return out


def _dormant(reader: Reader, memory: int | list[Any]) -> Upset:
    id_, hold_frames, permanent, boot = (
        memory if isinstance(memory, list) else (memory, 0, False, 0)
    )
    row = upset_at_snapshot(reader, id_)
    return _upset(row, hold_frames=hold_frames, permanent=permanent, boot=boot)


def _upset(row: RecordedUpset, *, hold_frames: int, permanent: bool, boot: int) -> Upset:
    """Return an upset as it was recorded. What was planned beyond its position is not known."""
    target = UpsetTarget(row.target)
    plan = UpsetPlan(
        row.frame,
        row.node,
        target,
        kind_of(target, row.kind),
        row.source,
        row.id,
        tick=row.planned_tick,
        steps=row.planned_steps,
        us=row.planned_us,
        hold_frames=hold_frames,
        permanent=permanent,
    )
    report = InjectionReport(
        UpsetState(row.state),
        detail=row.detail,
        verified=bool(row.verified),
        changed=bool(row.changed),
        persisted=bool(row.persisted),
        tick=row.tick,
        steps=row.steps,
        at_us=row.at_us,
        pc_offset=row.pc_offset,
        bit=row.bit,
        space=row.space,
        before=row.before,
        after=row.after,
        boot=boot,
    )
    assessment = Assessment(
        NodeEffect(row.effect),
        signal=row.signal,
        outcome=SystemOutcome(row.outcome),
        shared=bool(row.shared),
        dormant=bool(row.dormant),
        detected_frame=row.detected_frame,
        resolved_frame=row.resolved_frame,
    )
    return Upset(plan, report, assessment)


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
