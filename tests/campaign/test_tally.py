"""The counts of a campaign that is going on, against a count of every experiment by itself."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from hil.campaign.executor import RangeOutcomes
from hil.campaign.fault_layout import FaultLayout
from hil.campaign.progress import CampaignTally
from hil.record.campaign_rows import EFFECTS

PER_UNIT = 8


def layout_of(
    rng: random.Random, units: int, lengths: tuple[int, ...], duration: int
) -> FaultLayout:
    target = [rng.randrange(len(lengths)) for _ in range(units)]
    byte = [rng.randrange(lengths[t]) for t in target]
    time = [rng.randrange(duration) for _ in range(units)]
    names = tuple("abcdefg"[: len(lengths)])
    columns = (np.array(c, dtype=np.int64) for c in (target, byte, time))
    return FaultLayout(names, lengths, duration, "instruction", PER_UNIT, *columns)


@pytest.mark.parametrize(
    ("lengths", "duration"), [((64, 56), 1551), ((1, 5000, 3), 100_000), ((9,), 3)]
)
def test_every_experiment_is_counted_once_where_it_lies(
    lengths: tuple[int, ...], duration: int
) -> None:
    rng = random.Random(duration)
    layout = layout_of(rng, 300, lengths, duration)
    tally = CampaignTally(layout)
    effects = bytes(rng.randrange(len(EFFECTS)) for _ in range(300 * PER_UNIT))
    order = list(range(0, 300, 20))
    rng.shuffle(order)
    for number, first in enumerate(order):
        part = effects[first * PER_UNIT : (first + 20) * PER_UNIT]
        tally.add(RangeOutcomes(first, 20, part, part, f"board {number % 2}"))
        assert tally.progress.done == (number + 1) * 20 * PER_UNIT
    progress = tally.progress
    assert progress.done == progress.total == 300 * PER_UNIT
    assert progress.effects == Counter(EFFECTS[e] for e in effects)
    assert sum(tally.workers().values()) == progress.done

    expected: Counter[tuple[int, int, int, int]] = Counter()
    maps = tally.maps()
    for unit in range(300):
        target = int(layout.target[unit])
        rows, columns, _ = maps[target].counts.shape
        row = int(layout.byte[unit]) * rows // lengths[target]
        column = int(layout.time[unit]) * columns // duration
        for bit in range(PER_UNIT):
            expected[target, row, column, effects[unit * PER_UNIT + bit]] += 1
    found = {
        (target, *(int(i) for i in place)): int(one.counts[tuple(place)])
        for target, one in enumerate(maps)
        for place in np.argwhere(one.counts)
    }
    assert found == dict(expected)
    assert [one.target for one in maps] == list(layout.targets)


def test_a_campaign_without_experiments_is_done() -> None:
    tally = CampaignTally(layout_of(random.Random(1), 0, (4,), 10))
    assert (tally.progress.done, tally.progress.total) == (0, 0)
    assert not tally.maps()[0].counts.any()
