"""Runs with a voter per node whose voters compare values."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from tests.engine.test_voter_replicas import SPACING, every_fault, scenario
from tests.engine.verified_runs import differences, run

LARGE, SMALL = 62, 0  # bits of the first f64 of the output: its exponent, and 2**-52 of its value
TWO_TWO: Final = [
    {"frame": 10, "node": node, "noise": "alter", "bit": bit, "to": ["a", "b"]}
    for node, bit in (("c", LARGE), ("d", LARGE))
]
"""The voters at a and b each get two right outputs and two wrong ones, c and d three right ones."""


@pytest.mark.parametrize("voter", ["mid_value", {"kind": "tolerance", "tolerance": 1e-9}])
@pytest.mark.parametrize("exchange", [False, True])
def test_no_fault_of_the_lines_of_one_node_splits_outputs(
    voter: Any, exchange: bool, tmp_path: Path
) -> None:
    """Each voter has three right values of four; that one of them sees the fourth differ does not
    make its output differ."""
    events = every_fault("abcd")
    s = scenario(events, SPACING * (len(events) + 2), exchange=exchange, voter=voter)
    result = run(s, tmp_path / "run")
    assert result.upsets.injected == len(events) == 6 * 7
    assert result.metrics["copies_differed"] >= 5 * 7  # a duplicate changes nothing
    assert (result.metrics["split_outputs"], result.metrics["sdc_frames"]) == (0, 0)
    assert result.availability == 1
    assert differences(tmp_path / "run") == []


def test_two_against_two_by_value(tmp_path: Path) -> None:
    """By tolerance a and b find two clusters of two, and deliver nothing; c and d do: no more than
    half agree. After an exchange all have the same view, which has no majority for c and d."""
    s = scenario(TWO_TWO, voter={"kind": "tolerance", "tolerance": 1e-9})
    result = run(s, tmp_path / "run")
    assert (result.metrics["split_outputs"], result.metrics["unresolved"]) == (1, 1)
    assert differences(tmp_path / "run") == []


def test_copies_that_differ_within_the_tolerance_are_one_decision(tmp_path: Path) -> None:
    """The exact voter takes them for another value."""
    event = {"frame": 10, "node": "d", "noise": "alter", "bit": SMALL, "to": ["a"]}
    split = {}
    for name, voter in (
        ("exact", "exact"),
        ("value", {"kind": "mid_value", "tolerance": 1e-9}),
    ):
        result = run(scenario([event], voter=voter), tmp_path / name)
        split[name] = result.metrics["split_frames"]
        assert result.metrics["copies_differed"] == 1
    assert split == {"exact": 1, "value": 0}


def test_memory_of_a_voter_is_that_of_the_verdict(tmp_path: Path) -> None:
    """A voter that remembers values has the same memory in all replicas, and verification has it,
    too."""
    events = [*TWO_TWO, {**TWO_TWO[0], "frame": 20, "lasts_frames": 3}]
    s = scenario(events, voter={"kind": "smoothing", "reach": 0.5, "hold_frames": 2})
    run(s, tmp_path / "run")
    assert differences(tmp_path / "run") == []


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM replicas WHERE node = 0",
        "UPDATE replicas SET verdict = substr(verdict, 1, length(verdict) - 1) WHERE node = 0",
        "UPDATE replicas SET verdict = (SELECT verdict FROM replicas WHERE node = 0)",
    ],
)
def test_verification_finds_changed_views(change: str, tmp_path: Path) -> None:
    voter = {"kind": "tolerance", "tolerance": 1e-9}
    run(scenario(TWO_TWO, voter=voter), tmp_path / "run")
    with closing(sqlite3.connect(tmp_path / "run" / "run.db")) as db, db:
        db.execute(change)
    found = differences(tmp_path / "run")
    assert found
