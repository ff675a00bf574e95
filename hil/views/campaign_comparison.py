"""Two campaigns compared, as text: the verdict first, then absolute numbers beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil.analysis.comparison import (
    Comparison,
    HotInstruction,
    HotPlace,
    Quantity,
    Side,
    factor_text,
)
from hil.analysis.pairing import Pairing
from hil.analysis.sample_comparison import Amount, Counted, SampleComparison, SampleSide
from hil.views.style import BAD, DIM, GOOD, HEAD, Glyphs

__all__ = ["comparison_report", "sample_comparison_report"]

_SCIENTIFIC_FROM: Final = 1e10
_TEXT_MAX: Final = 28


def comparison_report(comparison: Comparison, glyphs: Glyphs) -> RenderableType:
    """Return the comparison of two campaigns."""
    parts: list[RenderableType] = [
        Text(comparison.verdict, style=HEAD),
        Text(""),
        _side("A", comparison.a),
        _side("B", comparison.b),
        *(Text(f"   {note}", style=DIM) for note in comparison.notes),
        Text(""),
        _outcomes(comparison, glyphs),
        Text(""),
        Text(
            "Faults are bits of a target times instructions: all single-bit faults of a step, "
            "each as likely as the others. `failures`: the step delivers a wrong output, or none. "
            "`open bits`: failures / instructions, the bits open to failure at any moment.",
            style=DIM,
        ),
        Text(""),
        *_pairing(comparison.pairing),
    ]
    for title, places in (("Bytes", comparison.bytes), ("Functions", comparison.functions)):
        if places:
            heading = f"{title} with the most {comparison.ranked_by}"
            parts += [Text(""), Text(heading, style=HEAD), _places(places, glyphs)]
    for name, side in (("A", comparison.a), ("B", comparison.b)):
        if side.instructions:
            heading = f"Instructions of {name} with the most {comparison.ranked_by}"
            parts += [Text(""), Text(heading, style=HEAD), _instructions(side.instructions, glyphs)]
    return Group(*parts)


def sample_comparison_report(comparison: SampleComparison, glyphs: Glyphs) -> RenderableType:
    """Return the comparison of two campaigns of which one at least is sampled."""
    table = Table(box=None, pad_edge=False, header_style=HEAD)
    table.add_column("target", no_wrap=True)
    table.add_column("", no_wrap=True)
    for heading in ("A", "B", "B / A"):
        table.add_column(heading, justify="right", no_wrap=True)
    groups = [(target, rows, "") for target, rows in comparison.targets.items()]
    if len(groups) > 1:
        groups.append(("all", comparison.total, HEAD))
    for target, rows, style in groups:
        for number, counted in enumerate(rows):
            name = target if number == 0 else ""
            cells = (_estimated(counted.a), _estimated(counted.b), _factor(counted, glyphs))
            table.add_row(name, counted.name, *cells, style=style)
    sides = (("A", comparison.a), ("B", comparison.b))
    confidence = min(s.confidence for _, s in sides if s.confidence is not None)
    return Group(
        Text(comparison.verdict, style=HEAD),
        Text(""),
        *(_sampled_side(name, side) for name, side in sides),
        *(Text(f"   {note}", style=DIM) for note in comparison.notes),
        Text(""),
        table,
        Text(""),
        Text(
            "Numbers of all faults, estimated from the samples; in brackets the range of each, "
            f"at {100 * confidence:.4g} % confidence. That of B / A is from the far ends of both, "
            f"so it holds with at least {100 * (2 * confidence - 1):.4g} %.",
            style=DIM,
        ),
        Text(""),
        *_pairing(comparison.pairing),
    )


def _sampled_side(name: str, side: SampleSide) -> Text:
    meta = side.meta
    what = "a sample" if side.confidence is not None else "all faults"
    return Text(
        f"{name}  {PurePath(side.path).name}: {what} of {sum(side.faults.values()):,}, "
        f"{side.experiments:,} experiments, {meta.workload} (seed {meta.seed}), on {meta.board} "
        f"({meta.arch})"
    )


def _estimated(amount: Amount) -> Text:
    if amount.low == amount.high:
        return Text(f"{amount.value:,.0f}")
    return Text(f"{amount.value:,.3g} [{amount.low:,.3g}, {amount.high:,.3g}]")


def _factor(counted: Counted, glyphs: Glyphs) -> Text:
    if counted.factor is None:
        return Text(glyphs.none)
    low, high = counted.factor_range
    end = "" if high is None else factor_text(high)
    style = "" if not counted.differs else BAD if counted.factor > 1 else GOOD
    return Text(f"{factor_text(counted.factor)} [{factor_text(low)}, {end}]", style=style)


def _side(name: str, side: Side) -> Text:
    meta = side.meta
    return Text(
        f"{name}  {PurePath(side.path).name}: step {meta.frame} of {meta.workload} "
        f"(seed {meta.seed}), on {meta.board} ({meta.arch})"
    )


def _table(*headings: str) -> Table:
    """Return a table whose first column is text and whose others are numbers."""
    table = Table(box=None, pad_edge=False, header_style=HEAD)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    return table


def _outcomes(comparison: Comparison, glyphs: Glyphs) -> Table:
    table = Table(box=None, pad_edge=False, header_style=HEAD)
    table.add_column("target", no_wrap=True)
    table.add_column("", no_wrap=True)
    for heading in ("A", "B", "B - A", "B / A"):
        table.add_column(heading, justify="right", no_wrap=True)
    several = len(comparison.targets) > 1
    groups = [(target, quantities, "") for target, quantities in comparison.targets.items()]
    if several:
        groups.append(("all", comparison.total, HEAD))
    for target, quantities, style in groups:
        for number, quantity in enumerate(quantities):
            name = target if number == 0 else ""
            table.add_row(name, quantity.name, *_numbers(quantity, glyphs), style=style)
    for number, quantity in enumerate(comparison.cost):
        unit = " [byte]" if quantity.name == "memory" else ""
        name = "cost" if number == 0 else ""
        table.add_row(name, quantity.name + unit, *_numbers(quantity, glyphs))
    return table


def _numbers(q: Quantity, glyphs: Glyphs) -> tuple[Text, Text, Text, Text]:
    factor = Text(glyphs.none)
    if q.a == q.b and q.a:
        factor = Text("1")
    elif q.factor is not None:
        harmful = q.name not in ("faults", "instructions", "memory")
        style = "" if not harmful else BAD if q.factor > 1 else GOOD
        factor = Text(factor_text(q.factor), style=style)
    sign = "+" if q.difference > 0 else ""
    difference = sign + _amount(q.difference) if q.difference else glyphs.none
    return Text(_amount(q.a)), Text(_amount(q.b)), Text(difference), factor


def _amount(value: float) -> str:
    if abs(value) >= _SCIENTIFIC_FROM:
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _pairing(pairing: Pairing) -> list[RenderableType]:
    if pairing.reason:
        return [
            Text("Not compared fault by fault", style=HEAD),
            Text(f"   {pairing.reason}.\n   The absolute numbers above are the comparison."),
        ]
    table = _table("", "both", "only A (b)", "only B (c)", "McNemar's p")
    for counts in pairing.counts:
        test = counts.test
        p = f"{test.p_value:.3g}" if test.p_value else f"10^{test.log10_p:.0f}"
        cells = (counts.both, test.only_a, test.only_b)
        table.add_row(counts.criterion, *(f"{cell:,}" for cell in cells), p)
    lines: list[RenderableType] = [
        Text(f"Fault by fault: {pairing.experiments:,} experiments on the same faults", style=HEAD),
        table,
    ]
    if pairing.complete:
        text = (
            "Both campaigns are complete, so the difference is certain; p says how often a fair "
            "coin would split the experiments on which they disagree so unevenly (two-sided)."
        )
        lines.append(Text(text, style=DIM))
    return lines


def _places(places: Sequence[HotPlace], glyphs: Glyphs) -> Table:
    table = _table("", "A", "rank in A", "B", "rank in B")
    for place in places:
        cells = []
        for count, rank in ((place.a, place.rank_a), (place.b, place.rank_b)):
            cells += [_amount(count) if count else glyphs.none, str(rank or glyphs.none)]
        table.add_row(place.name, *cells)
    return table


def _instructions(instructions: Sequence[HotInstruction], glyphs: Glyphs) -> Table:
    known = any(hot.row.symbol or hot.row.file for hot in instructions)
    table = Table(box=None, pad_edge=False, header_style=HEAD)
    for heading in ("address", "instruction", *(("function", "source") if known else ())):
        table.add_column(heading, no_wrap=True)
    table.add_column("faults", justify="right", no_wrap=True)
    for hot in instructions:
        row = hot.row
        text = row.text
        if len(text) > _TEXT_MAX:
            text = text[: _TEXT_MAX - len(glyphs.cut_off)] + glyphs.cut_off
        cells = [f"{row.address:#x}", text]
        if known:
            source = f"{PurePath(row.file).name}:{row.line}" if row.file else glyphs.none
            cells += [row.symbol or glyphs.none, source]
        table.add_row(*cells, _amount(hot.count))
    return table
