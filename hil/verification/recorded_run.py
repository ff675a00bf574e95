"""Result of a recorded run: what its record states, or counts to, without a new vote."""

from __future__ import annotations

from pydantic import ValidationError

from hil.errors import RecordError
from hil.record.reader import Reader
from hil.record.result_json import recorded_result
from hil.record.run_result import RunResult

__all__ = ["campaign_mode", "result_of"]


def campaign_mode(reader: Reader) -> str:
    """Return `Scenario.campaign_mode` of the recorded scenario; empty if it cannot be read."""
    try:
        return reader.scenario.validated().campaign_mode
    except (ValidationError, RecordError):
        return ""


def result_of(reader: Reader) -> RunResult:
    """Return the recorded result of a finished run. Of one that still runs, or did not end
    properly, return what its record counts to. Raises: RecordError if the record is damaged."""
    scenario, run_dir = reader.scenario, reader.path.parent
    recorded = reader.meta_object("result")
    if recorded is not None and reader.is_complete:
        paced = scenario.pace != "free"
        return recorded_result(recorded, run_dir, reader.wall_us, paced=paced)
    from hil.verification.tally import tally  # noqa: PLC0415  (with numpy, for few runs)

    counted = tally(reader)
    return RunResult(
        outcome=reader.meta.get("outcome", "unknown"),
        run_dir=run_dir,
        seed=scenario.seed,
        name=scenario.name or None,
        campaign_mode=campaign_mode(reader),
        accel=scenario.accel,
        frames=counted.frames,
        skipped=counted.skipped,
        verdicts=counted.verdicts,
        upsets=counted.upsets,
        recoveries=counted.recoveries,
        availability=counted.availability,
        slips=counted.slips,
        unexplained=counted.unexplained,
        held_frames=counted.held_frames,
        commands=counted.commands,
        wall_us=reader.wall_us,
        expectations=None,
        metrics={},
        tally=counted,
    )
