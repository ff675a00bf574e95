"""The numbers of a campaign's page: each is a sum of the result file's rows, and together they are
all faults that there are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import EFFECTS
from hil.report.campaign_figures import CampaignFigures, by_function, by_line, figures_of

pytestmark = pytest.mark.ptrace


@pytest.fixture(scope="module")
def figures(result: Path) -> CampaignFigures:
    with CampaignFile(result) as file:
        return figures_of(file)


@pytest.mark.slow
def test_bytes_and_bits_add_up_to_the_summary(figures: CampaignFigures) -> None:
    for region, totals in zip(figures.regions, figures.summary.targets, strict=True):
        wanted = [totals.effects[effect] for effect in EFFECTS]
        assert region.by_byte.sum(axis=0).tolist() == wanted
        assert region.by_bit.sum(axis=0).tolist() == wanted
        assert region.by_byte.min() >= 0 and region.by_bit.min() >= 0


def test_instructions_read_what_was_measured(figures: CampaignFigures) -> None:
    assert figures.read_by.sum() == figures.summary.total.measured
    functions = by_function(figures)
    measured = sum(int(group.counts.sum()) for group in functions)
    assert measured == figures.summary.total.measured
    assert sum(group.executions for group in functions) == figures.summary.meta.instructions


def test_lines_read_what_their_instructions_read(figures: CampaignFigures) -> None:
    lines = by_line(figures)
    rows = figures.instructions
    assert lines.keys() == {(row.file, row.line) for row in rows if row.file}
    without = [number for number, row in enumerate(rows) if not row.file]
    assert len(without) <= 2  # assembly: the agent's trap
    measured = sum(int(group.counts.sum()) for group in lines.values())
    assert measured + figures.read_by[without].sum() == figures.summary.total.measured


def test_the_path_executes_each_instruction_as_often_as_the_step_did(
    figures: CampaignFigures,
) -> None:
    executions = np.bincount(figures.path, minlength=len(figures.instructions)).tolist()
    assert executions == [row.executions for row in figures.instructions]


@pytest.mark.slow
def test_counts_are_those_of_a_walk_through_the_rows(figures: CampaignFigures) -> None:
    """Class by class, with plain arithmetic."""
    classes = figures.classes
    by_byte: Counter[tuple[int, int, int]] = Counter()
    by_address: Counter[tuple[int, int]] = Counter()
    for i in range(len(classes.position)):
        for effect in classes.effects[i].tolist():
            place = (int(classes.region[i]), int(classes.byte[i]), effect)
            by_byte[place] += int(classes.weight[i])
            address = figures.instructions[figures.path[int(classes.position[i])]].address
            by_address[address, effect] += int(classes.weight[i])
    for unread in figures.step.unread:
        by_byte[unread.region, unread.byte, EFFECTS.index(unread.effect)] += 8 * unread.weight
    for number, region in enumerate(figures.regions):
        for byte in range(region.row.length):
            for effect in range(1, len(EFFECTS)):  # masked ones include what is overwritten
                assert region.by_byte[byte, effect] == by_byte[number, byte, effect]
    for number, row in enumerate(figures.instructions):
        for effect in range(len(EFFECTS)):
            assert figures.read_by[number, effect] == by_address[row.address, effect]


def test_the_unread_rows_are_those_of_the_regions(figures: CampaignFigures) -> None:
    for region in figures.regions:
        sums: Counter[str] = Counter()
        for row in figures.step.unread:
            if row.region == region.row.number:
                sums[row.effect] += 8 * row.weight
        assert sums == Counter({e: n for e, n in region.row.unread.items() if n})
