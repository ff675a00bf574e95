"""Every flip of a weight in several number formats, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil.campaign.weight_flips import BROKEN_RISE, BitGroup, WeightFlips, bit_groups
from hil.scenario.models import BitRole
from hil.views.style import BAD, DIM, HEAD, Glyphs

__all__ = ["weight_flips_table"]

_ELSEWHERE: Final[Mapping[tuple[str, BitRole], str]] = {
    ("int8", BitRole.SIGN): "1 of 40",
    ("int8", BitRole.MAGNITUDE): "0 of 120",
    ("bf16", BitRole.SIGN): "0 of 40",
    ("bf16", BitRole.TOP_EXPONENT): "40 of 40",
    ("bf16", BitRole.EXPONENT): "0 of 120",
    ("bf16", BitRole.FRACTION): "0 of 80",
    ("fp16", BitRole.SIGN): "0 of 40",
    ("fp16", BitRole.TOP_EXPONENT): "39 of 40",
    ("fp16", BitRole.EXPONENT): "0 of 120",
    ("fp16", BitRole.FRACTION): "0 of 80",
    ("fp32", BitRole.SIGN): "0 of 40",
    ("fp32", BitRole.TOP_EXPONENT): "39 of 40",
    ("fp32", BitRole.EXPONENT): "0 of 120",
    ("fp32", BitRole.FRACTION): "0 of 80",
}
"""The same criterion for a language model of 106,560 parameters, some bits, 40 weights each."""


def weight_flips_table(results: Sequence[WeightFlips], glyphs: Glyphs) -> RenderableType:
    """Return for each format and role of a bit how many flips break the model."""
    table = Table(box=None, pad_edge=False, header_style=HEAD)
    table.add_column("workload")
    table.add_column("bits")
    for heading in ("flips", "broken", "share", "NaN", "worst rise", "drawn", "elsewhere"):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        for number, group in enumerate(bit_groups(result)):
            name = "" if number else result.workload
            table.add_row(name, *_row(result.layout.format.name, group, glyphs))
    first = results[0]
    losses = ", ".join(
        f"{r.workload} {r.loss:.4f} nat ({r.right} of {r.images} right)" for r in results
    )
    return Group(
        Text(
            f"Every bit of each of {first.layout.weights:,} weights, flipped; loss over "
            f"{first.images} images (seed {first.seed})"
        ),
        Text(""),
        table,
        Text(""),
        Text(f"Without a flip: {losses}.", style=DIM),
        Text(
            f"Broken: the loss rises by more than {BROKEN_RISE:g} nat, or is no number. All flips "
            "are counted; drawn: 40 weights for each bit, of the same. Elsewhere: so many of 40 "
            "weights for some of the bits of a language model of 106,560 parameters.",
            style=DIM,
        ),
    )


def _row(name: str, group: BitGroup, glyphs: Glyphs) -> list[Text]:
    share = f"{100 * group.broken / group.flips:.2f} %" if group.broken else glyphs.none
    bits = f"{group.bits[0]}" if len(group.bits) == 1 else f"{group.bits[0]} to {group.bits[-1]}"
    style = BAD if group.broken else ""
    return [
        Text(f"{group.role.value} ({bits})"),
        Text(f"{group.flips:,}"),
        Text(f"{group.broken:,}" if group.broken else glyphs.none, style=style),
        Text(share, style=style),
        Text(f"{group.nan:,}" if group.nan else glyphs.none),
        Text(f"{group.worst_rise:.2g}"),
        Text(f"{group.drawn_broken} of {group.drawn}"),
        Text(_ELSEWHERE.get((name, group.role), glyphs.none), style=DIM),
    ]
