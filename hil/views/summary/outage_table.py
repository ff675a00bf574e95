"""The outages by node: their number, their lengths, MTTR and MTBF."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from hil.record.outages import NodeOutages, node_outages, recorded_outages, timed_by_host
from hil.record.span_rows import all_nodes
from hil.views.style import WARN, duration
from hil.views.summary.layout import columns, section
from hil.views.summary.recorded_run import RecordedRun

__all__ = ["outage_table"]


def outage_table(run: RecordedRun) -> RenderableType | None:
    """Return the outages by node; None if every node voted in every frame."""
    boards = {node.name: node.board for node in all_nodes(run.reader)}
    by_host = timed_by_host(boards, paced=run.scenario.pace != "free")
    outages = node_outages(
        recorded_outages(run.reader),
        list(boards),
        by_host,
        run.frame_us,
        frames=run.result.flown,
        wall_us=run.result.wall_us,
    )
    if not outages:
        return None
    out = columns()
    out.add_column("node", no_wrap=True)
    for name in ("times", "in all", "longest", "MTTR", "MTBF"):
        out.add_column(name, justify="right", no_wrap=True)
    for node in outages:
        out.add_row(*_cells(node))
    time = "real time" if by_host else "simulated time"
    return section(f"Out of the vote, in {time}", out)


def _cells(node: NodeOutages) -> list[str | Text]:
    name = Text(f"{node.node}, not back", style=WARN) if node.away else node.node
    times = (node.out_s, node.longest_s, node.mttr_s, node.mtbf_s)
    return [name, f"{node.outages:,}", *(_time_text(time_s) for time_s in times)]


def _time_text(time_s: float | None) -> str:
    return "-" if time_s is None else duration(round(time_s * 1e6))
