"""Time stands still here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.record.live import LiveRecord


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every record was written this very moment, by a process that lives."""
    monkeypatch.setattr(LiveRecord, "age_s", lambda _self: 0.1)
    monkeypatch.setattr(LiveRecord, "_has_no_writer", lambda _self: False)


@pytest.fixture(autouse=True)
def records_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tests look at records without a screen, whose end would close them."""
    opened: list[LiveRecord] = []
    begin = LiveRecord.__init__

    def remember(source: LiveRecord, run: Path) -> None:
        begin(source, run)
        opened.append(source)

    monkeypatch.setattr(LiveRecord, "__init__", remember)
    yield
    for source in opened:
        source.close()
