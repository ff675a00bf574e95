"""The result of a campaign as tables with readable columns: one row for each experiment, class,
target, frame or instruction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from hil.errors import UsageError
from hil.export.table import Cell, Column, ColumnType, Table
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_path import step_path
from hil.record.campaign_rows import EFFECTS, ClassRow, InstructionRow, RegionRow
from hil.record.campaign_summary import campaign_summary
from hil.upsets.words import NodeEffect
from hil.word_enum import Word

__all__ = ["CampaignTable", "campaign_table_of"]


class CampaignTable(Word):
    """A table of a campaign's result."""

    EXPERIMENTS = "experiments"
    CLASSES = "classes"
    TARGETS = "targets"
    FRAMES = "frames"
    INSTRUCTIONS = "instructions"


def _columns(text: str) -> tuple[Column, ...]:
    """Return columns from their names; those with a `*` are numbers."""
    return tuple(
        Column(
            name.removesuffix("*"),
            ColumnType.INTEGER if name.endswith("*") else ColumnType.TEXT,
        )
        for name in text.split()
    )


_COUNTS: Final = " ".join(f"{effect}*" for effect in EFFECTS)
_FAULT: Final = "target byte*"
_WHERE: Final = "position* weight*"
_CODE: Final = "address* instruction symbol file line*"


def campaign_table_of(file: CampaignFile, table: CampaignTable) -> Table:
    """Return a table of a result file. The rows are read from it while it is open. Raises:
    UsageError for a table that campaigns of this kind do not have; RecordError, also from the
    rows."""
    is_sampled = file.meta.sampling is not None
    makers = _OF_SAMPLES if is_sampled else _OF_ALL_FAULTS
    if table not in makers:
        kind = "a sampled" if is_sampled else "an exact"
        raise UsageError(
            f"{file.path} is {kind} campaign, which has no table `{table}`",
            remedy=f"tables of it: {', '.join(makers)}",
        )
    return makers[table](file)


def _outcome(effect: NodeEffect, detail: int) -> tuple[Cell, ...]:
    """Return effect, signal of a crash, and wrong bits of an SDC (255: or more)."""
    signal = detail if effect is NodeEffect.CRASH else None
    wrong = detail if effect is NodeEffect.SDC else None
    return (effect.value, signal, wrong)


def _experiments(file: CampaignFile) -> Table:
    """Return one row for each experiment. `weight`: so many faults it stands for; `signal` of a
    crash; `wrong_bits` of an SDC, 255: or more."""

    def rows() -> Iterator[Sequence[Cell]]:
        targets, path = _target_names(file), step_path(file)
        for row in file.classes():
            code = _code(path.at(row.position))
            for bit, (number, detail) in enumerate(zip(row.effects, row.details, strict=True)):
                place = (targets[row.region], row.byte, bit, row.position, row.weight)
                outcome = _outcome(EFFECTS[number], detail)
                yield (f"{row.number}.{bit}", *place, *outcome, *code)

    return Table(
        _columns(f"experiment {_FAULT} bit* {_WHERE} effect signal* wrong_bits* {_CODE}"), rows()
    )


def _classes(file: CampaignFile) -> Table:
    """Return one row for each class, with how many of its eight bits have which effect."""

    def rows() -> Iterator[Sequence[Cell]]:
        targets, path = _target_names(file), step_path(file)
        for row in file.classes():
            place = (targets[row.region], row.byte, row.position, row.weight)
            code = _code(path.at(row.position))
            yield (row.number, *place, *_bits_by_effect(row), *code)

    return Table(_columns(f"class* {_FAULT} {_WHERE} {_COUNTS} {_CODE}"), rows())


def _code(row: InstructionRow | None) -> tuple[Cell, ...]:
    """Return what `_CODE` names of an instruction."""
    if row is None:
        return (None,) * len(_CODE.split())
    return (row.address, row.text, row.symbol or None, row.file or None, row.line or None)


def _bits_by_effect(row: ClassRow) -> Iterator[int]:
    return (row.effects.count(number) for number in range(len(EFFECTS)))


def _targets(file: CampaignFile) -> Table:
    """Return one row for each target, with all its faults: measured ones, and those known without
    an experiment."""
    summary = campaign_summary(file)
    rows: Iterator[Sequence[Cell]] = (
        [t.target, t.length, t.faults, t.measured, *(t.effects[effect] for effect in EFFECTS)]
        for t in summary.targets
    )
    return Table(_columns(f"target bytes* faults* measured* {_COUNTS}"), rows)


def _instructions(file: CampaignFile) -> Table:
    rows = (
        (i.address, i.executions, i.text, i.symbol or None, i.file or None, i.line or None)
        for i in file.instructions()
    )
    return Table(_columns("address* executions* instruction symbol file line*"), rows)


def _target_names(file: CampaignFile) -> dict[int, str]:
    return {region.number: region.target for region in file.regions()}


# --- samples ----------------------------------------------------------------------------------


def _samples(file: CampaignFile) -> Table:
    """Return one row for each sample. `position` counts what `unit` says, in the step of `frame`;
    the instruction is the one that it struck before."""
    sampling = file.meta.sampling
    unit = "" if sampling is None else sampling.moment.value

    def rows() -> Iterator[Sequence[Cell]]:
        targets = _target_names(file)
        code = {row.address: _code(row) for row in file.instructions()}
        for row in file.samples():
            place = (row.frame, targets[row.region], row.byte, row.bit, row.moment, unit)
            outcome = _outcome(row.effect, row.detail)
            at = code.get(row.address, (row.address or None, *(None,) * (len(_code(None)) - 1)))
            yield (str(row.number), *place, *outcome, *at)

    return Table(
        _columns(
            f"experiment frame* {_FAULT} bit* position* unit effect signal* wrong_bits* {_CODE}"
        ),
        rows(),
    )


def _sampled_targets(file: CampaignFile) -> Table:
    """Return one row for each target: all its faults, and what the samples of them came to."""
    counts = file.sample_counts()
    regions = file.regions()

    def row(region: RegionRow) -> Sequence[Cell]:
        here = counts.get(region.number, {})
        numbers = [here.get(effect, 0) for effect in EFFECTS]
        return [region.target, region.length, region.faults, sum(numbers), *numbers]

    return Table(_columns(f"target bytes* faults* samples* {_COUNTS}"), map(row, regions))


def _frames(file: CampaignFile) -> Table:
    """Return one row for each frame: at how many moments a fault can strike, and its path."""
    rows = ((row.frame, row.length, row.path or None) for row in file.frames())
    return Table(_columns("frame* moments* path"), rows)


_OF_ALL_FAULTS: Final[Mapping[CampaignTable, Callable[[CampaignFile], Table]]] = {
    CampaignTable.EXPERIMENTS: _experiments,
    CampaignTable.CLASSES: _classes,
    CampaignTable.TARGETS: _targets,
    CampaignTable.INSTRUCTIONS: _instructions,
}
_OF_SAMPLES: Final[Mapping[CampaignTable, Callable[[CampaignFile], Table]]] = {
    CampaignTable.EXPERIMENTS: _samples,
    CampaignTable.TARGETS: _sampled_targets,
    CampaignTable.FRAMES: _frames,
    CampaignTable.INSTRUCTIONS: _instructions,
}
