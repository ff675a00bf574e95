"""Journals of campaigns: one that was killed at any moment continues, or has not begun."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from hil.errors import RecordError
from hil.record.campaign_journal import CampaignJournal

IDENTITY = {"plan": "one"}

KILLED = """
import os, sqlite3, sys
from pathlib import Path
from hil.record.campaign_journal import CampaignJournal
seen = 0
def statement(text):
    global seen
    seen += 1
    if seen > int(sys.argv[2]):
        os._exit(9)
connect = sqlite3.connect
def traced(*arguments, **options):
    db = connect(*arguments, **options)
    db.set_trace_callback(statement)
    return db
sqlite3.connect = traced
with CampaignJournal(Path(sys.argv[1]), {"plan": "one"}):
    pass
"""


def killed_at(statement: int, path: Path) -> bool:
    """Begin a journal in a process that ends, as if killed, before that statement."""
    words = [sys.executable, "-c", KILLED, str(path), str(statement)]
    return subprocess.run(words, check=False, env=os.environ).returncode == 9


def test_one_that_was_killed_while_it_began_begins_again(tmp_path: Path) -> None:
    for statement in range(100):
        path = tmp_path / f"{statement}.part"
        if not killed_at(statement, path):
            break
        with CampaignJournal(path, IDENTITY) as journal:
            journal.add(0, b"\x00", b"")
            assert journal.parts() == [(0, b"\x00", b"")]
    assert 5 < statement < 100, "all statements of its beginning were tried"


def test_one_without_an_identity_is_not_taken_for_this_campaign_s(tmp_path: Path) -> None:
    path = tmp_path / "a.part"
    with CampaignJournal(path, IDENTITY):
        pass
    db = sqlite3.connect(path)
    db.execute("DELETE FROM identity")
    db.commit()
    db.close()
    with pytest.raises(RecordError, match="another campaign"):
        CampaignJournal(path, IDENTITY)
