"""A recorded run with a plant, upsets and repairs, and its database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hil import api


@pytest.fixture(scope="session")
def flown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flown") / "run"
    return api.run("saa-pass", boards="inproc", out=folder).folder


@pytest.fixture
def database(flown: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{(flown / 'run.db').as_uri()}?mode=ro", uri=True)) as db:
        yield db
