"""The worked notebook: its cells run in their order, and it is stored without outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .blocks import ROOT

NOTEBOOK = ROOT / "scenarios" / "one-pass.ipynb"


def code_cells() -> list[dict[str, Any]]:
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert content["nbformat"] == 4
    return [cell for cell in content["cells"] if cell["cell_type"] == "code"]


@pytest.mark.slow
def test_its_cells_run_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for cell in code_cells():
        exec(compile("".join(cell["source"]), cell["id"], "exec"), names)  # noqa: S102
    assert names["run"].passed and len(names["disputed"]) > 0


def test_it_is_stored_without_outputs() -> None:
    assert all(not c["outputs"] and c["execution_count"] is None for c in code_cells())
