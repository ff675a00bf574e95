"""Reads the last snapshot of a run that was killed, lost its power or was aborted, to resume it.

A snapshot is taken every few seconds when no upset is open, no node is being repaired, and the
hidden state of all nodes can be reproduced. Frames recorded after it are dropped and computed
again, so that a resumed run ends with the run digest of an uninterrupted one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from hil.engine.snapshot_json import damaged, snapshot_in
from hil.engine.snapshot_model import DormantUpset, EngineSnapshot
from hil.errors import RecordError, UsageError
from hil.record.reader import Reader, not_begun
from hil.record.row_values import RecordedUpset
from hil.record.snapshot_rows import recorded_snapshot, upset_at_snapshot
from hil.run_outcome import RunOutcome
from hil.scenario import Scenario
from hil.upsets.upset import Assessment, InjectionReport, Upset, UpsetPlan
from hil.upsets.words import (
    Activation,
    NodeEffect,
    SystemOutcome,
    UpsetState,
    UpsetTarget,
    kind_of,
)


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """The values from which a run is resumed before `frame`, with `state` on every node. `states`:
    those in checkpoints, by frame; `dormant`: settled upsets that may still have an effect."""

    frame: int
    state: bytes
    engine: EngineSnapshot
    states: Mapping[int, bytes]
    dormant: tuple[Upset, ...]


def open_run(run: Path) -> tuple[Scenario, Path]:
    """Return the scenario of an unfinished run, and its folder.

    Raises:
        RecordError: there is no usable record.
        UsageError: the run is complete.
    """
    reader = Reader(run)
    try:
        outcome = reader.meta.get("outcome", "")
        if reader.is_complete and outcome != RunOutcome.ABORTED:
            raise UsageError(
                f"the run in {run} is complete ({outcome}); there is nothing to resume",
                remedy="start a new one without --resume",
            )
        if "scenario" not in reader.meta:
            raise not_begun(reader.path)
        return reader.scenario.validated(), reader.path.parent
    except ValidationError as error:
        raise RecordError(f"{reader.path} holds a scenario that this hil cannot read") from error
    finally:
        reader.close()


def read_snapshot(run_dir: Path) -> RunSnapshot | None:
    """Return the last snapshot of a run; None if it ended before the first one.

    Raises:
        RecordError: The snapshot is of another version of hil, or damaged.
    """
    reader = Reader(run_dir)
    try:
        recorded = recorded_snapshot(reader)
        if recorded is None:
            return None
        engine = snapshot_in(
            recorded.engine,
            path=reader.path,
            hil_version=reader.run_meta.hil_version or "unknown",
        )
        try:
            dormant = tuple(_dormant(reader, upset) for upset in engine.dormant)
        except (LookupError, ValueError) as error:  # it is not there, or has a word of no upset
            raise damaged(reader.path, error) from error
        return RunSnapshot(recorded.frame, recorded.state, engine, recorded.states, dormant)
    finally:
        reader.close()


def _dormant(reader: Reader, dormant: DormantUpset) -> Upset:
    row = upset_at_snapshot(reader, dormant.id)
    return _upset(
        row,
        hold_frames=dormant.hold_frames,
        permanent=dormant.permanent,
        boot=dormant.boot,
    )


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
        activation=Activation(row.activation),
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
