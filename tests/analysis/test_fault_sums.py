"""Sums, factors and protection of made-up campaigns, counted by hand (see `small_campaigns`)."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

from hil.analysis.fault_sums import FAILURES, FaultSums, chosen, fault_sums
from hil.analysis.protection import protect_bytes, protect_instructions
from hil.analysis.vulnerability import factors_of
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import EFFECTS
from hil.record.campaign_summary import CampaignSummary, campaign_summary
from hil.upsets.words import NodeEffect

from ..properties import property_of
from .small_campaigns import (
    CRASH,
    DETECTED,
    HANG,
    LATENT,
    MASKED,
    SDC,
    small_campaign,
)


def read(path: Path) -> tuple[CampaignSummary, FaultSums]:
    with CampaignFile(path) as file:
        return campaign_summary(file), fault_sums(file)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[CampaignSummary, FaultSums]:
    return read(small_campaign(tmp_path_factory.mktemp("small") / "small"))


def row(**effects: int) -> list[int]:
    return [effects.get(effect.value, 0) for effect in EFFECTS]


def test_faults_by_byte_instruction_and_function(
    small: tuple[CampaignSummary, FaultSums],
) -> None:
    _, sums = small
    assert sums.by_byte["state"].tolist() == [
        row(masked=16, latent=4 + 32 + 16, sdc=8, crash=4),
        row(latent=32),
    ]
    assert sums.by_byte["output"].tolist() == [row(sdc=8)]
    assert sums.by_instruction.tolist() == [
        row(),
        row(),
        row(latent=32),  # the second time it is executed: position 7
        row(masked=16, latent=4, sdc=8, crash=4),
        row(),
    ]
    functions = {name: of.tolist() for name, of in sums.by_function().items()}
    assert functions["control"] == row(masked=16, latent=36, sdc=8, crash=4)
    assert functions["sense"] == functions["commit"] == row()


def test_all_faults_of_a_byte_that_are_not_overwritten_are_in_its_sum(
    small: tuple[CampaignSummary, FaultSums],
) -> None:
    summary, sums = small
    for totals in summary.targets:
        by_byte = sums.by_byte[totals.target].sum(axis=0)
        for effect in (*FAILURES, LATENT):
            assert by_byte[EFFECTS.index(effect)] == totals.effects[effect]


def test_flips_before_the_first_instruction(small: tuple[CampaignSummary, FaultSums]) -> None:
    _, sums = small
    assert sums.at_start["state"].tolist() == [
        row(masked=4, latent=1, sdc=2, crash=1),
        row(masked=8),  # it is overwritten
    ]
    assert sums.at_start["output"].tolist() == [row(masked=8)]


def test_vulnerability_factors(small: tuple[CampaignSummary, FaultSums]) -> None:
    state, output = factors_of(*small)
    assert (state.avf, state.program, state.parameter) == pytest.approx((0.05, 0.6, 0.125))
    assert (output.avf, output.program) == pytest.approx((0.1, 0.1))
    assert output.parameter is None


def test_what_protection_buys(small: tuple[CampaignSummary, FaultSums]) -> None:
    _, sums = small
    plan = protect_bytes(sums, ["state", "output"])
    assert (plan.places, plan.total) == (3, 16)
    assert [(r.count, r.left, r.names) for r in plan.rows] == [
        (0, 16, ()),
        (1, 8, ("state 0",)),
        (2, 0, ("output 0",)),
    ]
    assert [r.share for r in plan.rows] == pytest.approx([0, 1 / 3, 2 / 3])
    code = protect_instructions(sums)  # what nothing reads is of no instruction
    assert [(r.count, r.left) for r in code.rows] == [(0, 8), (1, 0)]
    assert code.rows[1].names == ("0x100c op 3",)


def test_without_silent_corruption_there_is_nothing_to_protect(tmp_path: Path) -> None:
    masked = small_campaign(tmp_path / "m", first=(MASKED,) * 8, second=(CRASH,) * 8)
    _, sums = read(masked)
    plan = protect_bytes(sums, ["state"])
    assert (plan.total, len(plan.rows)) == (0, 1)


@property_of(st.lists(st.integers(0, 9), min_size=1, max_size=70))
def test_protection_takes_the_worst_first_and_loses_nothing(weights: list[int]) -> None:
    table = np.zeros((len(weights), len(EFFECTS)), dtype=np.int64)
    table[:, EFFECTS.index(SDC)] = weights
    plan = protect_bytes(FaultSums({"state": table}, {}, [], table), ["state"])
    assert plan.total == sum(weights)
    worst = sorted(weights, reverse=True)
    for protected in plan.rows:
        assert protected.left == sum(worst[protected.count :])
    assert plan.rows[-1].left == 0
    assert sum(len(r.names) for r in plan.rows) == sum(w > 0 for w in weights)


EFFECT = st.sampled_from((MASKED, LATENT, SDC, CRASH, HANG, DETECTED))


@property_of(st.tuples(*[EFFECT] * 8), st.tuples(*[EFFECT] * 8), st.integers(0, 6), quick=20)
def test_sums_against_a_count_of_each_single_fault(
    first: tuple[NodeEffect, ...], second: tuple[NodeEffect, ...], read_at: int
) -> None:
    """The fault space of the state, bit by bit and instruction by instruction."""
    with tempfile.TemporaryDirectory() as folder:
        path = small_campaign(Path(folder) / "s", first=first, second=second, read_at=read_at)
        _, sums = read(path)
    counted = np.zeros((2, len(EFFECTS)), dtype=np.int64)
    for position in range(10):
        for bit in range(8):
            effect = first[bit] if position <= read_at else second[bit]
            zero = effect if position <= 7 else LATENT
            counted[0, EFFECTS.index(zero)] += 1
            if position > 5:
                counted[1, EFFECTS.index(LATENT)] += 1
    assert sums.by_byte["state"].tolist() == counted.tolist()
    start = [first.count(effect) for effect in EFFECTS]
    assert sums.at_start["state"][0].tolist() == start
    assert chosen(sums.at_start["state"], FAILURES)[0] == sum(e in FAILURES for e in first)
