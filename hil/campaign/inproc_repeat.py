"""Carrying out one experiment of a campaign in this process again."""

from __future__ import annotations

import numpy as np

from hil.campaign.inproc_samples import FaultBench, InprocBenches, fault_array
from hil.campaign.repetition import Fault, FaultyEnd, Repetition, Seen, changes
from hil.campaign.sampling import FaultTable
from hil.errors import SetupError
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import EFFECTS, MomentUnit
from hil.record.recorded_experiment import RecordedExperiment
from hil.scenario import Scenario, UpsetTarget
from hil.upsets.words import NodeEffect

__all__ = ["repeat_in_process"]


def repeat_in_process(
    scenario: Scenario, file: CampaignFile, recorded: RecordedExperiment
) -> Repetition:
    """Carry out an experiment of a sampled campaign on in-process boards again, and return what it
    leaves.

    Raises: SetupError if the step is not that of the campaign; RecordError."""
    with InprocBenches(scenario).open(0) as bench:
        bench.hold(recorded.frame)
        _check(bench, file, recorded)
        targets = tuple(UpsetTarget(name) for name in file.meta.targets)
        place = (0, recorded.frame, recorded.region, recorded.byte, recorded.bit)
        columns = (np.array([value], np.int64) for value in (*place, recorded.position))
        effect, detail, output, state = bench.inspect(fault_array(FaultTable(*columns), targets))
        right_output, right_state = bench.fault_free()
    seen = Seen(EFFECTS[effect], detail)
    end = None
    if seen.effect not in {NodeEffect.HANG, NodeEffect.CRASH}:
        end = FaultyEnd(changes(right_output, output), changes(right_state, state), 0, 0, 0)
    before = Seen(recorded.effect, recorded.detail)
    fault = _fault(targets[recorded.region], recorded)
    return Repetition(recorded.name, fault, before, seen, None, end)


def _check(bench: FaultBench, file: CampaignFile, recorded: RecordedExperiment) -> None:
    row = file.one_frame(recorded.frame)
    if bench.ticks + 1 != row.length:
        raise SetupError(
            f"this build of the workload is not that of {file.path}: its step has {bench.ticks} "
            f"ticks, the campaign's had {row.length - 1}",
            remedy="use the build that made it, or carry the campaign out again",
        )


def _fault(target: UpsetTarget, recorded: RecordedExperiment) -> Fault:
    return Fault(
        target=target.value,
        byte=recorded.byte,
        bit=recorded.bit,
        place="",
        before=None,
        position=recorded.position,
        weight=1,
        address=0,
        text="",
        symbol="",
        file="",
        line=0,
        execution=0,
        executions=0,
        frame=recorded.frame,
        unit=MomentUnit.TICK,
    )
