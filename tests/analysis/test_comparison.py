"""Comparisons of made-up campaigns, counted by hand (see `small_campaigns`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hil.analysis.comparison import Comparison, HotPlace, Quantity, compare
from hil.record.campaign_file import CampaignFile
from hil.upsets.words import NodeEffect

from .small_campaigns import CRASH, LATENT, MASKED, SDC, small_campaign

WORSE = (SDC, SDC, SDC, SDC, SDC, SDC, MASKED, CRASH)


def compared(a: Path, b: Path, top: int = 5) -> Comparison:
    with CampaignFile(a) as file_a, CampaignFile(b) as file_b:
        return compare(file_a, file_b, top)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return small_campaign(tmp_path / "a"), small_campaign(tmp_path / "b", first=WORSE)


def test_the_verdict_comes_with_absolute_numbers(pair: tuple[Path, Path]) -> None:
    comparison = compared(*pair)
    assert comparison.verdict == (  # 4 x 6 + 8 against 4 x 2 + 8; 4 x 8 + 48 against 4 x 9 + 48
        "B has 2 times the silent corruptions of A: 32 against 16. "
        "It has changed most in state: from 8 to 24. "
        "B has 0.952 times the latent faults of A: 80 against 84."
    )


def test_quantities_by_target_and_in_all(pair: tuple[Path, Path]) -> None:
    comparison = compared(*pair)
    state = {q.name: q for q in comparison.targets["state"]}
    assert state["faults"] == Quantity("faults", 160, 160)
    assert state["sdc"] == Quantity("sdc", 8, 24)
    assert (state["sdc"].difference, state["sdc"].factor) == (16, 3)
    assert state["crash"] == Quantity("crash", 4, 4)
    assert state["failures"] == Quantity("failures", 12, 28)
    assert "hang" not in state
    total = {q.name: q for q in comparison.total}
    assert total["faults"].a == 240
    assert total["failures"] == Quantity("failures", 20, 36)
    cost = {q.name: q for q in comparison.cost}
    assert cost["instructions"].factor == 1
    assert cost["memory"].a == 3
    assert cost["open bits"] == Quantity("open bits", 2.0, 3.6)


def test_where_the_failures_moved(pair: tuple[Path, Path]) -> None:
    comparison = compared(*pair)
    assert comparison.ranked_by == "silent corruptions"
    assert comparison.bytes == (
        HotPlace("state 0", 8, 24, 1, 1),
        HotPlace("output 0", 8, 8, 2, 2),
    )
    assert comparison.functions == (HotPlace("control", 8, 24, 1, 1),)
    (worst,) = comparison.b.instructions
    assert (worst.row.text, worst.row.line, worst.count) == ("op 3", 13, 24)
    assert compared(*pair, top=1).bytes == (HotPlace("state 0", 8, 24, 1, 1),)


def test_the_same_faults_are_compared_one_by_one(pair: tuple[Path, Path]) -> None:
    """Of 16 experiments four are silent corruptions in B alone, and stand for 4 faults each."""
    pairing = compared(*pair).pairing
    assert pairing.experiments == 16
    silent, failure, any_effect = pairing.counts
    assert (silent.both, silent.test.only_a, silent.test.only_b) == (2, 0, 4)
    assert (silent.faults_a, silent.faults_b) == (0, 16)
    assert silent.test.p_value == pytest.approx(2 / 16)
    # A: sdc sdc latent crash - - - -; B: sdc sdc sdc sdc sdc sdc - crash
    assert (failure.both, failure.test.only_a, failure.test.only_b) == (3, 0, 4)
    assert (any_effect.both, any_effect.test.only_a, any_effect.test.only_b) == (12, 0, 3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"instructions": 11}, "10 instructions, B's 11"),
        ({"read_at": 4}, "read other bytes at other instructions"),
        ({"arch": "aarch64"}, "the programs differ"),
    ],
)
def test_other_faults_are_not_paired(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    a = small_campaign(tmp_path / "a")
    b = small_campaign(tmp_path / "b", **change)
    pairing = compared(a, b).pairing
    assert reason in pairing.reason
    assert not pairing.counts


@pytest.mark.parametrize(
    ("first_a", "first_b", "verdict"),
    [
        ((SDC,) * 8, (SDC,) * 8, "A and B have the same number of silent corruptions (40)."),
        ((MASKED,) * 8, (MASKED,) * 8, "A and B have the same number of silent corruptions (8)."),
    ],
)
def test_equal_programs(
    tmp_path: Path, first_a: tuple[NodeEffect, ...], first_b: tuple[NodeEffect, ...], verdict: str
) -> None:
    a = small_campaign(tmp_path / "a", first=first_a)
    b = small_campaign(tmp_path / "b", first=first_b)
    assert compared(a, b).verdict.startswith(verdict)


def test_what_is_none_in_one_is_no_factor() -> None:
    assert Quantity("sdc", 0, 5).factor is None


def test_latent_faults_are_what_is_left(tmp_path: Path) -> None:
    """Without silent corruption in either, the verdict is on failures, then on latent faults."""
    a = small_campaign(tmp_path / "a", first=(LATENT,) * 8)
    b = small_campaign(tmp_path / "b", first=(MASKED,) * 8)
    assert "the latent faults of A" in compared(a, b).verdict
