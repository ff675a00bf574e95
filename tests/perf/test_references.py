"""What `hil perf` compares with: measured in the same run, or computed; never of another day."""

from __future__ import annotations

import ast
import io
from pathlib import Path

import pytest

import hil
from hil.perf import PerfRow, run_perf
from hil.views.style import console_for, glyphs_for
from hil.views.tables import perf_row

PERF = Path(hil.__file__).parent / "perf"
FIELDS = list(PerfRow.__dataclass_fields__)


def rows_made() -> list[tuple[str, dict[str, ast.expr]]]:
    """Every place where a row is made, with its arguments by name."""
    found = []
    for path in sorted(PERF.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "PerfRow":
                given = dict(zip(FIELDS, node.args, strict=False))
                given |= {k.arg: k.value for k in node.keywords if k.arg is not None}
                found.append((f"{path.name}:{node.lineno}", given))
    return found


def test_no_reference_is_a_number_that_was_written_down() -> None:
    made = rows_made()
    assert len(made) > 10
    for place, given in made:
        value = given["reference_value"]
        if isinstance(value, ast.Constant):
            assert value.value is None, place
        names = {n.id for n in ast.walk(value) if isinstance(n, ast.Name)}
        assert not any(name.isupper() for name in names), f"{place}: a constant: {names}"


def test_a_measured_reference_is_measured_with_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """SGP4 alone, beside the plant: what this computer takes for it now."""
    from hil.perf import plant_cost  # noqa: PLC0415

    measured = iter([0.5, 0.25, 4.0, 3.0])
    monkeypatch.setattr(plant_cost, "_orbit_s", lambda: next(measured))
    monkeypatch.setattr(plant_cost, "_day_s", lambda: 0.75)
    first, second = (run_perf(quick=True, rows=["plant"])[0] for _ in range(2))
    assert (first.reference_value, first.ratio) == (0.25, 3.0)
    assert (second.reference_value, second.ratio) == (3.0, 0.25)


def test_what_is_computed_says_so() -> None:
    def shown(*, computed: bool) -> str:
        row = PerfRow("bulk", 2.0, "byte/s", "line rate", 4.0, 0.5, "", None, computed=computed)
        text = io.StringIO()
        console_for(text, text).print(perf_row(row, glyphs_for(text)))
        return text.getvalue()

    assert "line rate, computed" in shown(computed=True)
    assert "computed" not in shown(computed=False)
