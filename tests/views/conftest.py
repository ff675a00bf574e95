"""Time stands still here."""

from __future__ import annotations

import pytest

from hil.views.screen.source import Source


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every record was written this very moment, by a process that lives."""
    monkeypatch.setattr(Source, "age_s", lambda _self: 0.1)
    monkeypatch.setattr(Source, "writer_is_gone", lambda _self: False)
