"""Models beside the measurement on the page of a run, and coverage: against numbers by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import scipy  # whose modules load when used

from hil.analysis.coverage import Coverage, coverage_of
from hil.analysis.run_models import RunNumbers, run_model_rows
from hil.report.run_report import runs_page
from tests.command_line import Hil
from tests.report.runs import Read, run


def test_coverage_is_of_effective_faults_with_its_exact_interval() -> None:
    coverage = coverage_of(
        {"no_effect": 50, "corrected": 6, "recovered": 3, "degraded": 0, "sdc_escaped": 1}
    )
    assert (coverage.covered, coverage.effective, coverage.share) == (9, 10, 0.9)
    assert coverage.interval.low == pytest.approx(scipy.stats.beta.ppf(0.025, 9, 2))
    assert coverage.interval.high == pytest.approx(scipy.stats.beta.ppf(0.975, 10, 1))
    assert str(coverage_of({"no_effect": 5})) == "no fault had an effect"


def numbers(**more: Any) -> RunNumbers:
    values = {"nodes": 3, "frames": 1000, "failed": 30, "hits": 300, "coverage": Coverage(9, 10)}
    return RunNumbers(**{**values, **more})


def test_frames_of_a_majority_repaired_between_frames_are_those_of_the_formula() -> None:
    """3 p^2 - 2 p^3 with p = 1 - exp(-0.1)."""
    frames, coverage = run_model_rows(numbers())
    p = 1 - 2.718281828459045**-0.1
    assert frames.predicted == pytest.approx(3 * p**2 - 2 * p**3)
    assert frames.agrees and coverage.predicted == 1.0 and not coverage.agrees
    assert coverage.is_surprise


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"failed": 500, "scheduled": True}, "upsets of this run are scheduled"),
        ({"failed": 500, "outage_frames": 4.0}, "out of the vote for 4 frames on average"),
        ({"failed": 500}, "the runs keep all assumptions"),
    ],
)
def test_where_they_part_the_assumption_that_fails_is_named(more: Any, what: str) -> None:
    frames, _ = run_model_rows(numbers(**more))
    assert what in frames.verdict


def test_two_faulty_nodes_in_a_frame_are_why_coverage_is_not_whole() -> None:
    _, coverage = run_model_rows(numbers(together=7))
    assert "in 7 frames several nodes were faulty" in coverage.verdict
    assert [row.quantity[:8] for row in run_model_rows(numbers(other_rig="pairs"))] == ["coverage"]
    assert run_model_rows(numbers(hits=0)) == []


def test_the_page_has_the_model_beside_the_measurement(tmp_path: Path, hil: Hil) -> None:
    rates = {"rates": [{"per_s": 30, "targets": ["output"]}]}
    folder = run(tmp_path / "r", frames=600, upsets=rates, expect="none")
    text = Read(runs_page([folder])).text
    assert "Theory and measurement" in text
    assert "a majority of 3 nodes, repaired between frames" in text
    assert "share of effective faults detected and recovered" in text
    summary = hil("replay", str(folder), "--summary")
    assert "coverage 100 % (95 %: " in " ".join(summary.out.split())
