"""The gain of protecting the worst places of a program, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil.analysis.protection import ProtectionPlan
from hil.views.style import DIM, HEAD, Glyphs

__all__ = ["protection_report"]

_NAMES_MAX: Final = 34


def protection_report(plans: Sequence[ProtectionPlan], glyphs: Glyphs) -> RenderableType:
    """Return a table for each plan: how many silent corruptions are left, by places."""
    parts: list[RenderableType] = []
    for plan in plans:
        if parts:
            parts.append(Text(""))
        parts += [_heading(plan), _table(plan, glyphs)]
    parts += [
        Text(""),
        Text(
            "A protected byte is corrected, or found wrong, before it is read (ECC, hardened "
            "memory, copies); a protected instruction checks what it reads. sdc left: silent "
            "corruptions of all single-bit faults, bits times instructions.",
            style=DIM,
        ),
    ]
    return Group(*parts)


def _heading(plan: ProtectionPlan) -> Text:
    carriers = plan.rows[-1].count
    return Text(
        f"{carriers:,} of {plan.places:,} {plan.kind} carry {plan.total:,} silent corruptions",
        style=HEAD,
    )


def _table(plan: ProtectionPlan, glyphs: Glyphs) -> Table:
    table = Table(box=None, pad_edge=False, header_style=HEAD)
    share = "of memory" if plan.kind == "bytes" else "of code"
    for heading in ("protect", share, "sdc left", "left"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("the ones added", no_wrap=True)
    for row in plan.rows:
        left = f"{100 * row.left / plan.total:.2f} %" if plan.total else glyphs.none
        names = _names(row.names, plan.kind == "bytes", glyphs)
        table.add_row(f"{row.count:,}", f"{100 * row.share:.2f} %", f"{row.left:,}", left, names)
    return table


def _names(names: Sequence[str], are_bytes: bool, glyphs: Glyphs) -> str:
    text = _ranges(names) if are_bytes else ", ".join(names)
    if len(text) > _NAMES_MAX:
        text = text[: _NAMES_MAX - len(glyphs.cut_off)] + glyphs.cut_off
    return text


def _ranges(names: Sequence[str]) -> str:
    """Return bytes such as `state 3` in their order in memory, consecutive ones as a range."""
    places = [(target, int(byte)) for target, byte in (name.split(" ") for name in names)]
    parts: list[str] = []
    for target in dict.fromkeys(target for target, _ in places):
        bytes_ = sorted(byte for other, byte in places if other == target)
        runs = []
        for _, run in groupby(enumerate(bytes_), lambda pair: pair[1] - pair[0]):
            run_bytes = [byte for _, byte in run]
            first, last = run_bytes[0], run_bytes[-1]
            runs.append(str(first) if first == last else f"{first}-{last}")
        parts.append(f"{target} {', '.join(runs)}")
    return "; ".join(parts)
