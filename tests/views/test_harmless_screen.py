"""The screen shows a hostile record without obeying it: every page, and what it asks."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hil.views.screen.app import ScreenApp
from hil.views.screen.model.playback import Player
from tests.views.story import Story
from tests.views.terminal import press, settled

HOSTILE = "\x1b]0;owned\x07\x9b31m\u202etxt"
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
PAGES = ("1", "2", "3", "4", "5", "question_mark", "escape")


@pytest.mark.slow
def test_no_page_holds_a_control_character(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db", frames=400, summary=HOSTILE) as story:
        story.agree(12).outvoted("b").agree(3).anomaly("c").isolate("c").agree(20).end()
    with closing(sqlite3.connect(tmp_path / "run.db")) as db:
        db.execute("UPDATE nodes SET model = ?, port = ?, arch = ?", (HOSTILE,) * 3)
        db.execute("UPDATE transitions SET cause = ?", (HOSTILE,))
        db.execute("UPDATE repairs SET detail = ?, cause = ?", (HOSTILE,) * 2)
        db.execute("UPDATE upsets SET detail = ?, source = ?, kind = ?", (HOSTILE,) * 3)
        db.execute("UPDATE anomalies SET reason = ?", (HOSTILE,))
        db.execute("INSERT INTO notes (frame, wall_us, text) VALUES (3, 300000, ?)", (HOSTILE,))
        db.commit()
    shown = asyncio.run(_pages(tmp_path))
    assert any(r"\x1b]0;owned" in page for page in shown)
    for page in shown:
        assert RAW.search(page) is None, page


async def _pages(run: Path) -> list[str]:
    """What stands on the terminal, cell by cell, after each key."""
    app = ScreenApp([run], player=Player(False, at=14), clock=lambda: 0.0)
    pages = []
    async with app.run_test(size=(160, 50)):

        def page() -> str:
            strips = app.screen._compositor.render_strips()
            return "\n".join("".join(s.text for s in strip) for strip in strips)

        await app.look()
        for key in PAGES:
            await press(app, key)
            pages.append(page())
        app.say(HOSTILE)
        await settled(app)
        pages.append(page())
    assert app.failure is None
    return pages
