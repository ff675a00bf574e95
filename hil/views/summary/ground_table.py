"""The table of what went to the ground: how much, how late, and what was dropped."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from hil.record.offload_figures import FlowFigures, OffloadFigures, offload_figures
from hil.record.offload_rows import offload_rows
from hil.views.style import BAD, WARN, duration, plural
from hil.views.summary.layout import columns, count_cell, section, size_text
from hil.views.summary.recorded_run import RecordedRun
from hil.wire.ground import ItemKind

__all__ = ["ground_lines", "ground_table"]


def ground_table(run: RecordedRun) -> RenderableType | None:
    """Return what went to the ground, by kind; None in a run without a link to it."""
    rows = offload_rows(run.reader)
    if not rows.contacts and not rows.items:
        return None
    figures = offload_figures(rows, run.result.flown * run.frame_us)
    out = columns()
    out.add_column("for the ground", no_wrap=True)
    for name in ("items", "came down", "volume", "median", "worst", "dropped", "waiting"):
        out.add_column(name, justify="right", no_wrap=True)
    for kind, flow in figures.flows.items():
        out.add_row(kind, *_cells(run, flow))
    lines = [Padding(line, (0, 0, 0, 3)) for line in ground_lines(figures)]
    return section("Ground", Group(out, *lines))


def _cells(run: RecordedRun, flow: FlowFigures) -> list[RenderableType]:
    none = count_cell(run.glyphs, 0)
    return [
        f"{flow.items:,}",
        f"{flow.delivered:,}",
        size_text(flow.bytes_down),
        duration(flow.median_s * 1e6) if flow.delivered else none,
        duration(flow.max_s * 1e6) if flow.delivered else none,
        Text(f"{flow.dropped:,}", style=WARN) if flow.dropped else none,
        f"{flow.waiting:,}" if flow.waiting else none,
    ]


def ground_lines(figures: OffloadFigures) -> list[Text]:
    """Return the figures of the whole link, as sentences."""
    lines = [_contacts_line(figures)]
    if (results := figures.flows.get(ItemKind.RESULT)) is not None:
        age = f"newest result on the ground: at worst {_time(figures.oldest_s)} old"
        lines.append(Text(age if results.delivered else "no result came down"))
    if figures.answered:
        median, worst = (_time(s) for s in figures.answer_s)
        lines.append(
            Text(
                f"the ground answered {plural(figures.answered, 'frame')}, {figures.rescued:,} of "
                f"them without a right output on board; after {median}, at worst {worst}"
            )
        )
    if figures.reseeds:
        lines.append(Text(f"{plural(figures.reseeds, 'state')} came up from the ground"))
    if figures.wrong:
        lines.append(Text(f"{plural(figures.wrong, 'wrong result')} came down", style=BAD))
    return lines


def _contacts_line(figures: OffloadFigures) -> Text:
    if not figures.contacts:
        return Text("no contact with the ground: nothing could come down")
    return Text(
        f"{plural(figures.contacts, 'contact')}, {_time(figures.contact_s)}, room for "
        f"{size_text(figures.capacity_bytes)}; {size_text(figures.delivered_bytes)} came down"
    )


def _time(seconds: float) -> str:
    return duration(seconds * 1e6)
