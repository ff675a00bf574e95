"""One experiment of a result file, by its name."""

from __future__ import annotations

from dataclasses import dataclass

from hil.errors import UsageError
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import EFFECTS
from hil.record.experiment_id import ClassBit, parse_experiment_id
from hil.upsets.words import NodeEffect

__all__ = ["RecordedExperiment", "recorded_experiment"]


@dataclass(frozen=True, slots=True)
class RecordedExperiment:
    """An experiment and what came of it: bit `bit` of `byte` of the region of number `region`,
    before the instruction at `position` of the step of `frame`; it stands for `weight` faults.
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
    if file.meta.sampling is not None:
        raise UsageError(
            f"{file.path} is a sampled campaign; --repeat and --gdb take exact ones",
            remedy="a list of its one fault carries it out: hil campaign SCENARIO --faults FILE",
        )
    experiment = parse_experiment_id(name)
    if not isinstance(experiment, ClassBit):
        raise UsageError(
            f"{file.path} is an exact campaign, whose experiments are CLASS.BIT",
            remedy=f"such as {experiment}.0",
        )
    return _of_class(file, experiment)


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
        remedy=f"its classes are 0 to {meta.classes - 1}",
    )
