"""References of `hil perf` are measured in the same run or computed, never those of another day."""

from __future__ import annotations

import ast
import io
from pathlib import Path

import pytest

import hil
from hil.perf import PerfRow, run_perf
from hil.perf.row import Reference
from hil.views.style import console_for, glyphs_for
from hil.views.tables import perf_row

PERF = Path(hil.__file__).parent / "perf"
FIELDS = list(Reference.__dataclass_fields__)


def calls_of(function: str) -> list[tuple[str, ast.Call]]:
    """Return every call of `function` in hil/perf, with its file and line."""
    return [
        (f"{path.name}:{node.lineno}", node)
        for path in sorted(PERF.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == function
    ]


def test_every_row_is_made_by_make_row() -> None:
    assert [place.partition(":")[0] for place, _ in calls_of("PerfRow")] == ["row.py"]


def test_no_reference_is_a_number_that_was_written_down() -> None:
    calls = calls_of("Reference")
    assert len(calls) > 10
    for place, call in calls:
        arguments = dict(zip(FIELDS, call.args, strict=False))
        arguments |= {k.arg: k.value for k in call.keywords if k.arg is not None}
        value = arguments.get("value")
        if value is None:
            continue
        assert not isinstance(value, ast.Constant), place
        names = {n.id for n in ast.walk(value) if isinstance(n, ast.Name)}
        assert not any(name.isupper() for name in names), f"{place}: a constant: {names}"


def test_a_measured_reference_is_measured_with_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference of the plant is SGP4 alone, on this computer and now."""
    from hil.perf import plant_cost  # noqa: PLC0415

    measured = iter([0.5, 0.25, 4.0, 3.0])
    monkeypatch.setattr(plant_cost, "_orbit_s", lambda: next(measured))
    monkeypatch.setattr(plant_cost, "_day_s", lambda: 0.75)
    first, second = (run_perf(quick=True, rows=["plant"])[0] for _ in range(2))
    assert (first.reference_value, first.ratio) == (0.25, 3.0)
    assert (second.reference_value, second.ratio) == (3.0, 0.25)


def test_a_computed_reference_is_marked() -> None:
    def shown(*, computed: bool) -> str:
        row = PerfRow("bulk", 2.0, "byte/s", "line rate", 4.0, 0.5, "", None, computed=computed)
        text = io.StringIO()
        console_for(text, text).print(perf_row(row, glyphs_for(text)))
        return text.getvalue()

    assert "line rate, computed" in shown(computed=True)
    assert "computed" not in shown(computed=False)
