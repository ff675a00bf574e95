"""`hil theory`: models of reliability beside what runs measure."""

from __future__ import annotations

import pytest

from tests.command_line import Hil


def test_experiment_is_a_table_and_one_object(hil: Hil) -> None:
    answer = hil("theory", "5mr", "--runs", "10", "--json").json
    kept, broken = answer["5mr"]
    assert kept["assumption_that_fails"] is None
    assert kept["low"] <= kept["measured"] <= kept["high"]
    assert "excludes" in broken["assumption_that_fails"]
    assert kept["runs"] == 10


def test_experiments_are_listed(hil: Hil) -> None:
    listed = hil("theory", "--list")
    assert listed.code == 0
    assert "scrubbing" in listed.out
    assert set(hil("theory", "--list", "--json").json) >= {"tmr", "5mr", "persistence"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("tnr",), "no experiment `tnr`"),
        (("tmr", "--runs", "3"), "too few"),
        (("tmr", "-o", "a.txt"), "not a kind of picture"),
    ],
)
def test_what_is_asked_wrongly_is_refused(hil: Hil, words: tuple[str, ...], message: str) -> None:
    done = hil("theory", *words)
    assert done.code == 2
    assert message in done.err
