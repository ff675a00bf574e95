"""`hil demo`: a real run, what happened in it, and its page; it asks for nothing."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.test_screen import Terminal
from tests.command_line import Hil


def test_the_demonstration_shows_three_faults_and_ends_at_the_report(hil: Hil) -> None:
    done = hil("demo", "--out", "shown")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    told = [line for line in lines if line.strip()[:4].strip() in {"60", "140", "220"}]
    for line, what in zip(told, ("b dissents", "c latent", "a SIG"), strict=True):
        assert "majority" in line and what in line
    assert "resync b" in told[0] and "resync c" in told[1] and "restart a" in told[2]
    page = Path(lines[-1].removeprefix("report: "))
    assert page == hil.cwd / "shown" / "report.html"
    assert "<html" in page.read_text(encoding="utf-8")


def test_programs_get_one_object_with_the_page(hil: Hil) -> None:
    done = hil("demo", "--out", "shown", "--json")
    answer = json.loads(done.out)
    assert answer["outcome"] == "pass" and Path(hil.cwd, answer["report"]).is_file()


def test_an_old_run_is_not_written_over(hil: Hil) -> None:
    (hil.cwd / "shown").mkdir()
    (hil.cwd / "shown" / "run.db").write_text("mine")
    done = hil("demo", "--out", "shown")
    assert done.code == 2 and (hil.cwd / "shown" / "run.db").read_text() == "mine"
    assert (
        done.out == "" and "hil replay shown" in done.err and "hil run --resume shown" in done.err
    )
    assert done.err.startswith("hil: shown already holds the record of a run\n")  # and nothing else


@pytest.mark.stress  # three quarters of a minute, of which half a minute is flight
def test_on_a_terminal_the_screen_shows_it_and_leaves_by_itself(hil: Hil) -> None:
    begun = time.monotonic()
    with closing(Terminal(hil, "demo", "--out", "shown")) as terminal:
        terminal.wait_for("VERDICTS")
        assert terminal.end() == 0
    assert time.monotonic() - begun < 120
    assert "report: " in terminal.shown
    assert (hil.cwd / "shown" / "report.html").is_file()


@pytest.mark.slow
def test_who_leaves_the_screen_gets_the_report_of_what_was_flown(hil: Hil) -> None:
    with closing(Terminal(hil, "demo", "--out", "shown")) as terminal:
        terminal.wait_for("VERDICTS")
        terminal.keys("q")
        terminal.wait_for("The run ends.")
        terminal.keys("y")
        assert terminal.end() == 130
    assert "report: " in terminal.shown
