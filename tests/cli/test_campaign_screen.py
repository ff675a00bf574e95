"""The screen of a campaign on a real terminal, and when there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.amount import mostly_slow
from tests.cli.test_screen import Terminal
from tests.command_line import Hil

pytestmark = pytest.mark.ptrace

SCENARIO = "schema: 1\nworkload: {}\nframes: 10\nrig: {{scheme: simplex, board: process}}\n"


@pytest.fixture
def folder(hil: Hil) -> Path:
    for name in ("attitude", "sha256"):
        (hil.cwd / f"{name}.yaml").write_text(SCENARIO.format(name))
    return hil.cwd


@pytest.mark.slow
def test_it_ends_with_the_table(hil: Hil, folder: Path) -> None:
    terminal = Terminal(hil, "campaign", "attitude.yaml", "--exact", "--targets", "state,heap")
    try:
        code = terminal.end()
        assert code == 0, terminal.shown[-2000:]
        assert "\x1b[?1049h" in terminal.shown, "there was a screen"
        _, _, after = terminal.shown.rpartition("\x1b[?1049l")
        assert "Every single-bit fault" in after and "written: attitude.campaign" in after
        assert "experiments," in after
    finally:
        terminal.close()
    assert (folder / "attitude.campaign").exists()


@pytest.mark.slow
def test_q_stops_it_and_the_same_command_continues(hil: Hil, folder: Path) -> None:
    words = ("campaign", "sha256.yaml", "--exact", "--targets", "state,heap")
    terminal = Terminal(hil, *words)
    try:
        terminal.wait_for("experiments/s", 60)
        terminal.keys("q")
        assert terminal.end() == 130, terminal.shown[-2000:]
        assert "Traceback" not in terminal.shown
    finally:
        terminal.close()
    assert (folder / "sha256.campaign.part").exists()
    assert not (folder / "sha256.campaign").exists()
    again = subprocess.run(
        [sys.executable, "-m", "hil", *words], cwd=folder, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert "\x1b" not in again.stdout + again.stderr, "there was no terminal"
    assert (folder / "sha256.campaign").exists()


@pytest.mark.parametrize("option", mostly_slow(["--json", "--no-tui", "--quiet"], keep=1))
def test_who_wants_no_screen_gets_none(hil: Hil, folder: Path, option: str) -> None:
    words = ("campaign", "attitude.yaml", "--exact", "--targets", "state", option)
    terminal = Terminal(hil, *words)
    try:
        assert terminal.end() == 0, terminal.shown[-2000:]
        assert "\x1b[?1049h" not in terminal.shown
        has_note, has_json = "\nwritten:" in terminal.shown, '"experiments"' in terminal.shown
        assert (has_note, has_json) == (option == "--no-tui", option == "--json")
    finally:
        terminal.close()


def test_what_is_wrong_is_said_after_the_screen(hil: Hil, folder: Path) -> None:
    text = (folder / "attitude.yaml").read_text().replace("process", "inproc")
    (folder / "attitude.yaml").write_text(text)
    terminal = Terminal(hil, "campaign", "attitude.yaml", "--exact")
    try:
        assert terminal.end() == 3
        _, _, after = terminal.shown.rpartition("\x1b[?1049l")
        assert "a campaign is not possible on node" in after
        assert "Traceback" not in terminal.shown
    finally:
        terminal.close()
