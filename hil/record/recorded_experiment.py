"""One experiment of a result file, by its name."""

from __future__ import annotations

from dataclasses import dataclass

from hil.errors import UsageError
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import EFFECTS
from hil.record.experiment_id import ClassBit, SampleNumber, parse_experiment_id
from hil.upsets.words import NodeEffect

__all__ = ["RecordedExperiment", "recorded_experiment"]


@dataclass(frozen=True, slots=True)
class RecordedExperiment:
    """An experiment and what came of it: bit `bit` of `byte` of the region of number `region`,
    before the instruction at `position` of the step of `frame`, or at that tick; it stands for
    `weight` faults.
    `detail`: as that of `hil.record.campaign_rows.ClassRow`."""

    name: str
    frame: int
    region: int
    position: int
    byte: int
    bit: int
    weight: int
    effect: NodeEffect
    detail: int


def recorded_experiment(file: CampaignFile, name: str) -> RecordedExperiment:
    """Return the experiment that `name` names in a result file. Raises: UsageError if it has none
    of this name; RecordError."""
    experiment = parse_experiment_id(name)
    if file.meta.sampling is not None:
        if not isinstance(experiment, SampleNumber):
            raise UsageError(
                f"{file.path} is a sampled campaign, whose experiments are numbers of samples",
                remedy=f"such as {experiment.number}",
            )
        return _of_sample(file, experiment)
    if not isinstance(experiment, ClassBit):
        raise UsageError(
            f"{file.path} is an exact campaign, whose experiments are CLASS.BIT",
            remedy=f"such as {experiment}.0",
        )
    return _of_class(file, experiment)


def _of_sample(file: CampaignFile, sample: SampleNumber) -> RecordedExperiment:
    row = file.one_sample(sample.number)
    if row is None:
        count = file.sample_count()
        part = "is a part of its campaign and has" if count < file.meta.classes else "has"
        raise UsageError(
            f"{file.path} {part} no sample {sample}",
            remedy="`hil export RESULT -o FILE.csv` lists those that it has",
        )
    place = (row.frame, row.region, row.moment, row.byte, row.bit, 1)
    return RecordedExperiment(str(sample), *place, row.effect, row.detail)


def _of_class(file: CampaignFile, experiment: ClassBit) -> RecordedExperiment:
    meta, bit = file.meta, experiment.bit
    row = file.one_class(experiment.number)
    if row is not None:
        place = (row.region, row.position, row.byte, bit, row.weight)
        effect = EFFECTS[row.effects[bit]]
        return RecordedExperiment(str(experiment), meta.frame, *place, effect, row.details[bit])
    if experiment.number < meta.classes:
        raise UsageError(
            f"{file.path} is a part of its campaign and has no class {experiment.number}",
            remedy="name the file of the part that has it",
        )
    raise UsageError(
        f"{file.path} has no class {experiment.number}",
        remedy=f"its classes are 0 to {meta.classes - 1}"
        if meta.classes
        else "it has no experiments: the effect of each of its faults is known without one",
    )
