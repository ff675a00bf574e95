"""Sampled campaigns compared: estimates by hand, McNemar on one list, and ranges that hold."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import scipy

from hil.analysis.sample_comparison import Amount, Counted, SampleComparison, compare_samples
from hil.record.campaign_file import CampaignFile, write_samples
from hil.record.campaign_rows import (
    CampaignMeta,
    FrameRow,
    MomentUnit,
    RegionRow,
    SampleRow,
    SamplingMeta,
)
from hil.upsets.words import NodeEffect

from .small_campaigns import LATENT, MASKED, META, SDC, small_campaign

SAMPLING = SamplingMeta(
    moment=MomentUnit.TICK,
    frames="3",
    draw=7,
    outcome=SDC,
    precision=None,
    confidence=0.95,
    sizes=(100,),
    in_proportion=False,
)


def sampled(
    path: Path,
    effects: Sequence[NodeEffect],
    *,
    faults: int = 1000,
    moment: MomentUnit = MomentUnit.TICK,
    path_digest: str = "",
    first_byte: int = 0,
) -> Path:
    """Write a campaign of samples of the state, of which number i comes to `effects[i]`."""
    meta: CampaignMeta = replace(
        META, targets=("state",), sampling=replace(SAMPLING, moment=moment)
    )
    rows = [
        SampleRow(i, 3, 0, i % 5, first_byte + i % 2, i % 8, effect, 0)
        for i, effect in enumerate(effects)
    ]
    regions = [RegionRow(0, "state", 3, faults, 0, {})]
    write_samples(path, meta, regions, [FrameRow(3, 5, path_digest)], rows)
    return path


def compared(a: Path, b: Path) -> SampleComparison:
    with CampaignFile(a) as file_a, CampaignFile(b) as file_b:
        return compare_samples(file_a, file_b)


def effects(silent: int, latent: int, masked: int) -> list[NodeEffect]:
    return [SDC] * silent + [LATENT] * latent + [MASKED] * masked


def test_shares_become_numbers_of_all_faults(tmp_path: Path) -> None:
    a = sampled(tmp_path / "a", effects(10, 0, 90))
    b = sampled(tmp_path / "b", effects(60, 20, 20), faults=2000)
    comparison = compared(a, b)
    silent = comparison.harm("silent corruptions")
    assert (silent.a.value, silent.b.value) == (100, 1200)
    wilson = scipy.stats.binomtest(10, 100).proportion_ci(0.95, "wilson")
    assert (silent.a.low, silent.a.high) == pytest.approx((1000 * wilson.low, 1000 * wilson.high))
    assert silent.factor == 12
    assert silent.differs
    assert comparison.verdict.startswith("B has about 12 times (")
    assert "B has more latent faults than A" in comparison.verdict


def test_no_difference_is_claimed_that_is_not_shown(tmp_path: Path) -> None:
    a, b = sampled(tmp_path / "a", effects(10, 0, 90)), sampled(tmp_path / "b", effects(14, 0, 86))
    assert "than A is not shown" in compared(a, b).verdict


def test_one_fault_list_is_compared_fault_by_fault(tmp_path: Path) -> None:
    a = sampled(tmp_path / "a", [SDC, SDC, MASKED, MASKED, LATENT, MASKED, MASKED, MASKED])
    b = sampled(tmp_path / "b", [SDC, MASKED, SDC, SDC, SDC, SDC, SDC, MASKED])
    pairing = compared(a, b).pairing
    silent = pairing.counts[0]
    assert (silent.both, silent.test.only_a, silent.test.only_b) == (1, 1, 5)
    assert silent.test.p_value == pytest.approx(scipy.stats.binomtest(1, 6).pvalue)
    assert not pairing.complete


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"first_byte": 1}, "they have other faults"),
        ({"moment": MomentUnit.INSTRUCTION}, "at an instruction in A, at a tick in B"),
    ],
)
def test_other_lists_are_not_paired(tmp_path: Path, change: dict[str, int], reason: str) -> None:
    a = sampled(tmp_path / "a", effects(4, 0, 4), **change)  # type: ignore[arg-type]
    b = sampled(tmp_path / "b", effects(4, 0, 4))
    assert reason in compared(a, b).pairing.reason


def test_the_same_list_for_other_code_is_paired_by_ticks_only(tmp_path: Path) -> None:
    code = MomentUnit.INSTRUCTION
    a = sampled(tmp_path / "a", effects(4, 0, 4), moment=code, path_digest="1")
    b = sampled(tmp_path / "b", effects(4, 0, 4), moment=code, path_digest="2")
    assert "the programs are not" in compared(a, b).pairing.reason
    same = sampled(tmp_path / "c", effects(8, 0, 0), moment=code, path_digest="1")
    assert compared(a, same).pairing.counts[0].test.only_b == 4


def test_an_exact_campaign_has_no_range(tmp_path: Path) -> None:
    """The state of the small campaign has 8 silent corruptions of 160 faults."""
    a = small_campaign(tmp_path / "a")
    b = sampled(tmp_path / "b", effects(10, 50, 40), faults=160)
    comparison = compared(a, b)
    silent = comparison.harm("silent corruptions")
    assert silent.a == Amount(8, 8, 8)
    assert silent.b.value == pytest.approx(16)
    assert "all faults, the other a sample" in comparison.pairing.reason
    assert "only A has output: left out" in comparison.notes


def test_the_range_of_a_factor_holds_as_often_as_it_says(tmp_path: Path) -> None:
    """Two samples of 300 with shares of 0.1 and 0.25: at least 90 % of 200 ranges hold 2.5."""
    rng = random.Random(2)
    held = 0
    for _ in range(200):
        files = []
        for share in (0.1, 0.25):
            silent = sum(rng.random() < share for _ in range(300))
            files.append(silent)
        counted = Counted("sdc", *(amount(silent, 300) for silent in files))
        low, high = counted.factor_range
        held += high is not None and low <= 2.5 <= high
    assert held >= 180


def amount(silent: int, total: int) -> Amount:
    """Return the amount of 1,000 faults, by scipy."""
    range_ = scipy.stats.binomtest(silent, total).proportion_ci(0.95, "wilson")
    return Amount(1000 * silent / total, 1000 * range_.low, 1000 * range_.high)
