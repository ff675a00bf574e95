"""The supplies of a bench as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil.scenario.supply_state import SupplyState
from hil.views.style import DIM, HEAD, Glyphs

__all__ = ["supply_table"]


def supply_table(states: Sequence[SupplyState], glyphs: Glyphs) -> RenderableType:
    """Return a table with a line for each supply, and below it the errors."""
    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    out.add_column("board", no_wrap=True)
    out.add_column("power", no_wrap=True)
    for unit in ("V", "A", "W"):
        out.add_column(unit, justify="right", no_wrap=True)
    out.add_column("supply", overflow="fold", style=DIM)
    for state in states:
        out.add_row(
            Text(state.board, style=HEAD),
            _power(state, glyphs),
            *(_number(v, glyphs) for v in (state.voltage_v, state.current_a, state.power_w)),
            state.supply,
        )
    lines: list[RenderableType] = [out]
    for state in states:
        if state.error:
            lines.append(Text(f"{glyphs.bad} {state.error}", style="red"))
        if state.remedy:
            lines.append(Text(f"    try: {state.remedy}", style=DIM))
    return Group(*lines)


def _power(state: SupplyState, glyphs: Glyphs) -> Text:
    if state.error:
        return Text("unknown", style="red")
    if state.is_on is None:
        return Text(glyphs.none)
    return Text("on", style="green") if state.is_on else Text("off", style="yellow")


def _number(value: float | None, glyphs: Glyphs) -> str:
    return glyphs.none if value is None else f"{value:.3f}"
