"""Variants of a workload with protections in software, beside TMR, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil.analysis.protection_costs import Conditions, VariantCosts
from hil.record.flown_faults import FlownFaults
from hil.views.style import BAD, DIM, HEAD, Glyphs

__all__ = ["protection_costs_table"]

_PERCENT = 100.0


def protection_costs_table(
    rows: Sequence[VariantCosts], conditions: Conditions, glyphs: Glyphs
) -> RenderableType:
    """Return what each variant costs and leaves, the first of them as the measure."""
    table = Table(box=None, pad_edge=False, header_style=HEAD)
    table.add_column("workload", no_wrap=True)
    headings = ("bytes", "µs", "energy", "sdc", "open bits", "other class", "standing bits")
    for heading in (*headings, "wrong", "right/J"):
        table.add_column(heading, justify="right", no_wrap=True)
    best = max(row.right_per_joule(conditions) for row in rows)
    for row in rows:
        table.add_row(*_row(row, rows[0], conditions, glyphs, best))
    return Group(
        table,
        Text(""),
        Text(
            f"Exact campaigns: sdc is the share of all faults of the step that make the output "
            f"wrong, open bits the mean number that are open to it while the step runs (sdc by "
            f"instructions); other class: faults that change the class; standing bits: bits of the "
            f"state whose flip before the step makes {_judged(rows)} and which nothing repairs.",
            style=DIM,
        ),
        Text(
            f"Wrong results at {conditions.upsets_per_bit_day:g} upsets a bit and day, with the "
            f"state loaded again every {conditions.reload_days:g} days; TMR: twice in one frame, "
            f"then healed. Time is that of this computer, power that of a core of "
            f"{conditions.board}, {conditions.core_w:.3g} W; bytes: state, input, output, scratch.",
            style=DIM,
        ),
        *(Text(_flown(row.workload, row.flown)) for row in rows if row.flown is not None),
    )


def _flown(workload: str, flown: FlownFaults) -> str:
    """Return what was measured of three nodes, beside what is computed of them."""
    return (
        f"{workload}, flown: {flown.faults} faults that make one node's output wrong, each in a "
        f"run of three: {flown.wrong} wrong outputs (computed: 0), {flown.lost} runs with a frame "
        f"without one; {flown.pairs} pairs of them, in one frame on two nodes: "
        f"{flown.pairs_wrong} wrong outputs (computed as the worst: {flown.pairs}), "
        f"{flown.pairs_lost} runs with a frame without one. A node was wrong after "
        f"{flown.effective} of these {flown.faults + 2 * flown.pairs} hits."
    )


def _judged(rows: Sequence[VariantCosts]) -> str:
    return "the output wrong" if rows[0].other_class is None else "another class of it"


def _row(
    row: VariantCosts, first: VariantCosts, conditions: Conditions, glyphs: Glyphs, best: float
) -> list[Text]:
    right = row.right_per_joule(conditions)
    other = glyphs.none if row.other_class is None else _share(row.other_class, row.faults, row)
    return [
        Text(row.workload),
        Text(f"{row.memory:,}"),
        Text(f"{row.step_s * 1e6:.3g}"),
        Text(f"{row.joules(conditions) / first.joules(conditions):.2f} x"),
        Text(_share(row.sdc, row.faults, row), style=BAD if row.sdc and row.nodes == 1 else ""),
        Text(glyphs.none if row.nodes > 1 else f"{row.sdc / row.instructions:,.0f}"),
        Text(other),
        Text(glyphs.none if row.nodes > 1 else f"{row.standing_bits:,}"),
        Text(f"{row.wrong(conditions):.2g}"),
        Text(f"{right:.4g}", style=HEAD if right == best else ""),
    ]


def _share(count: int, faults: int, row: VariantCosts) -> str:
    if row.nodes > 1:  # no single fault escapes: `--scheme-proof` proves it
        return "outvoted"
    return f"{_PERCENT * count / faults:.3f} %"
