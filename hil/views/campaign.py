"""The summary of a campaign, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil.record.campaign_endings import SEVERITIES, FateWord, severities_of_workload
from hil.record.campaign_rows import EFFECTS
from hil.record.campaign_summary import CampaignSummary, TargetTotals
from hil.upsets.words import NodeEffect
from hil.views.style import BAD, DIM, HEAD, Glyphs

__all__ = ["campaign_table"]

_PERCENT: Final = 100.0
_SCIENTIFIC_FROM: Final = 10_000_000_000
"""Numbers up to here are exact, and stand beside all shares in 80 columns."""
_RANGES_SHOWN: Final = 5


def campaign_table(summary: CampaignSummary, glyphs: Glyphs) -> RenderableType:
    """Return the outcomes of all faults, by target, as shares of all faults of each."""
    meta = summary.meta
    table = Table(box=None, pad_edge=False, header_style=HEAD)
    table.add_column("target")
    for heading in ("bytes", "faults", *(effect.value for effect in EFFECTS)):
        table.add_column(heading, justify="right", no_wrap=True)
    for totals in summary.targets:
        table.add_row(*_row(totals, glyphs))
    if len(summary.targets) > 1:
        table.add_row(*_row(summary.total, glyphs), style=HEAD)
    more = _more(summary, glyphs)
    where = f"step {meta.frame} of {meta.workload} (seed {meta.seed}), {meta.instructions:,} "
    return Group(
        Text(f"Every single-bit fault of {where}instructions, on {meta.board} ({meta.arch})"),
        Text(""),
        table,
        Text(""),
        Text(
            f"Shares in % of all faults: each bit of a target before each instruction. "
            f"{summary.experiments:,} experiments stand for {summary.total.measured:,} of them; "
            f"the others are overwritten, or read by nobody. {_certainty(summary)}"
            f"{_part_of(summary)}",
            style=DIM,
        ),
        Text(
            f"Activated, that is read before they are overwritten: {_activated(summary)}.",
            style=DIM,
        ),
        *more,
    )


def _activated(summary: CampaignSummary) -> str:
    """Return the share of the faults of each target that an instruction reads first."""
    targets = (*summary.targets, summary.total) if len(summary.targets) > 1 else summary.targets
    return ", ".join(
        f"{t.target} {_PERCENT * t.measured / t.faults if t.faults else 0.0:.1f} %" for t in targets
    )


def _more(summary: CampaignSummary, glyphs: Glyphs) -> list[RenderableType]:
    """Return the tables of what was asked for beyond effects."""
    parts: list[RenderableType] = []
    rows = (*summary.targets, summary.total) if len(summary.targets) > 1 else summary.targets
    if summary.meta.severity:
        parts += [Text(""), _severities(summary, rows, glyphs)]
    if summary.meta.follow:
        table = _small_table("latent", "faults", *(fate.value for fate in FateWord), "in step")
        for totals in rows:
            counts = [
                sum(n for (f, _), n in totals.fates.items() if f is fate) for fate in FateWord
            ]
            shown = [
                step for (fate, step), _ in totals.fates.items() if fate is not FateWord.LATENT
            ]
            last = f"1 to {max(shown)}" if shown else glyphs.none
            table.add_row(totals.target, *_counts((sum(counts), *counts), glyphs), last)
        parts += [Text(""), table]
    return parts


def _severities(
    summary: CampaignSummary, rows: Sequence[TargetTotals], glyphs: Glyphs
) -> RenderableType:
    workload = summary.meta.workload
    known = severities_of_workload(workload)
    if not known:
        return Text(
            f"Severity: the output of {workload} has no class and no numbers that are known, so a "
            "wrong one is only that.",
            style=DIM,
        )
    table = _small_table("severity", "sdc", *(SEVERITIES[severity] for severity in known))
    for totals in rows:
        counts = [totals.severity[severity] for severity in known]
        table.add_row(totals.target, *_counts((totals.effects[NodeEffect.SDC], *counts), glyphs))
    return table


def _small_table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style=HEAD)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left")
    return table


def _counts(counts: Sequence[int], glyphs: Glyphs) -> list[str]:
    return [_count(count) if count else glyphs.none for count in counts]


def _certainty(summary: CampaignSummary) -> str:
    """Return how exact the counts are: where instructions cannot be counted, CPU time tells
    hangs."""
    if not summary.total.effects[NodeEffect.HANG]:
        return "Exact: there is no interval."
    return (
        "Exact, but for loops whose instructions cannot be counted and that last just as long as "
        "the limit of CPU time: these may be hangs in one campaign and not in another."
    )


def _part_of(summary: CampaignSummary) -> str:
    """Return what a file lacks that is a part of a campaign."""
    if summary.is_complete:
        return ""
    ranges = [f"{first:,} to {end - 1:,}" for first, end in summary.missing]
    shown = ", ".join(ranges[:_RANGES_SHOWN])
    more = f" and {len(ranges) - _RANGES_SHOWN} more ranges" if ranges[_RANGES_SHOWN:] else ""
    total = summary.total
    share = _PERCENT * total.open / total.faults if total.faults else 0.0
    return (
        f" This is a part of a campaign of {summary.meta.classes:,} classes: {shown}{more} are "
        f"missing, which stand for {share:.3f} % of all faults. `hil campaign A --merge B --out C` "
        "puts parts together."
    )


def _row(totals: TargetTotals, glyphs: Glyphs) -> list[Text]:
    cells = [Text(totals.target), Text(f"{totals.length:,}"), Text(_count(totals.faults))]
    for effect in EFFECTS:
        count = totals.effects[effect]
        text = f"{_PERCENT * totals.share(effect):.3f}" if count else glyphs.none
        cells.append(Text(text, style=BAD if effect is NodeEffect.SDC and count else ""))
    return cells


def _count(faults: int) -> str:
    return f"{faults:.3e}" if faults >= _SCIENTIFIC_FROM else f"{faults:,}"
