"""The ground section of a run's page: figures of the link, and a table of the kinds of items."""

from __future__ import annotations

from itertools import pairwise

from hil.record.offload_figures import FlowFigures, offload_figures, waiting_bytes
from hil.record.offload_rows import OffloadRows, offload_rows
from hil.record.reader import Reader
from hil.report.markup import table, text
from hil.report.run_page.svg import Line, Point, TimeAxis, chart
from hil.views.style import duration
from hil.views.summary.ground_table import ground_lines
from hil.views.summary.layout import size_text

__all__ = ["ground_section"]

_HEAD = ("for the ground", "items", "came down", "volume", "median", "worst", "dropped", "waiting")


def ground_section(reader: Reader, axis: TimeAxis) -> str:
    """Return the section; empty for a run without a link to the ground. Raises: RecordError if the
    record cannot be read."""
    rows = offload_rows(reader)
    if not rows.contacts and not rows.items:
        return ""
    figures = offload_figures(rows, round(axis.end_us))
    lines = "".join(f"<li>{text(line.plain)}</li>" for line in ground_lines(figures))
    cells = [_row(kind, flow) for kind, flow in figures.flows.items()]
    waiting: list[Point] = [(t_us, size / 1024) for t_us, size in waiting_bytes(rows)]
    charts = chart("Waiting for the ground [KiB]", axis, [Line("waiting", waiting)], zero=True)
    charts += chart("Rate of the downlink [bit/s]", axis, _rates(rows, axis), zero=True, height=110)
    return (
        f"<h2>Ground</h2>{table(_HEAD, cells, name='plain')}<ul>{lines}</ul>{charts}"
        '<p class="note">Latencies are from the end of the frame to the last bit on the ground. '
        "The rate is that of the link budget at the farther end of each step of a pass.</p>"
    )


def _row(kind: str, flow: FlowFigures) -> list[str]:
    came = [duration(flow.median_s * 1e6), duration(flow.max_s * 1e6)] if flow.delivered else []
    return [
        text(kind),
        f"{flow.items:,}",
        f"{flow.delivered:,}",
        size_text(flow.bytes_down),
        *(came or ["", ""]),
        f"{flow.dropped:,}",
        f"{flow.waiting:,}",
    ]


def _rates(rows: OffloadRows, axis: TimeAxis) -> list[Line]:
    """Return the rate of each station as steps, with 0 between its contacts."""
    lines = []
    for station in sorted({contact.station for contact in rows.contacts}):
        own = [c for c in rows.contacts if c.station == station]
        points: list[Point] = [(0, 0.0)]
        for contact in own:
            last_us = points[-1][0]
            if contact.start_us > last_us:
                points += [(last_us, 0.0), (contact.start_us, 0.0)]
            points += [
                (contact.start_us, float(contact.down_bit_s)),
                (contact.end_us, float(contact.down_bit_s)),
            ]
        points += [(points[-1][0], 0.0), (axis.end_us, 0.0)]
        lines.append(Line(station, [a for a, b in pairwise(points) if a != b] + points[-1:]))
    return lines
