"""The nodes: their final states, links, power and firmware flags."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from hil.record.first_rows import last_isolation_of
from hil.record.queries import isolated_though_right
from hil.record.row_counts import node_power, throttled_readings
from hil.record.span_rows import all_links, all_nodes, last_states
from hil.redundancy.recovery import NodeState
from hil.redundancy.spares import is_stand_by
from hil.scenario.words import BoardKind
from hil.views.style import BAD, DIM, WARN, plural, state_text
from hil.views.summary.layout import columns, count_cell, count_text, section, unbroken
from hil.views.summary.recorded_run import RecordedRun
from hil.wire.throttling import FLAGS, flag_words, flags_now, flags_since_boot

__all__ = ["node_table"]


def node_table(run: RecordedRun) -> RenderableType:
    """Return each node's final state and link counters, and below them the reports of its board."""
    ends = last_states(run.reader)
    links = all_links(run.reader)
    out = columns()
    out.add_column("node", min_width=12)
    out.add_column("board", no_wrap=True)
    for name in ("sent", "received", "errors", "naks", "retries", "reconn."):
        out.add_column(name, justify="right", no_wrap=True)
    where: list[RenderableType] = []
    for node in all_nodes(run.reader):
        if node.board == BoardKind.SERIAL:
            known = (node.name + ":", node.model, node.serial, "at", node.port)
            where.append(unbroken(Text("   " + " ".join(filter(None, known)), style=DIM)))
        link = links.get(node.idx)
        state = state_text(node.name, ends.get(node.name, "voting"), run.glyphs)
        if ends.get(node.name) == NodeState.ISOLATED and _is_off_by_plan(run, node.name):
            state = Text(f"{run.glyphs.empty} {node.name} on stand-by", style=DIM)
        cells: list[RenderableType] = [state, node.board]
        if ends.get(node.name) == NodeState.ISOLATED and _isolated_though_right(run, node.name):
            text = f"{node.name} was right when it was isolated: a wrong majority outvoted it"
            where.append(Text(f"   {run.glyphs.bad} {text}", style=BAD))
        if link is not None:
            counts = (link.rx_errors, link.naks, link.retries, link.reconnects)
            cells += [
                f"{count_text(link.tx_frames)}/{count_text(link.tx_bytes)}",
                f"{count_text(link.rx_frames)}/{count_text(link.rx_bytes)}",
                *(count_cell(run.glyphs, count) for count in counts),
            ]
        out.add_row(*cells)
        where += _measured_power(run, node.idx, node.name)
        where += _firmware_flags(run, node.idx, node.name)
    return Group(section("Nodes, and frames/bytes on their links", out), *where)


def _measured_power(run: RecordedRun, index: int, name: str) -> Iterator[RenderableType]:
    """Yield the power that a board draws by its own sensors."""
    power = node_power(run.reader, index)
    if power is not None:
        text = (
            f"{name}: draws {power.mean_mw / 1e3:.2f} W, at most {power.most_mw / 1e3:.2f} W, "
            f"by its own sensors ({plural(power.readings, 'reading')})"
        )
        yield Text(f"   {text}", style=DIM)


def _firmware_flags(run: RecordedRun, index: int, name: str) -> Iterator[RenderableType]:
    """Yield the flags of a board's firmware about supply and clock, in the run and before it."""
    rows = throttled_readings(run.reader, index)
    readings = sum(row.readings for row in rows)
    shown = 0
    for bit in FLAGS:
        held = sum(r.readings for r in rows if (flags_now(r.throttled) or 0) & bit)
        if held:
            shown |= bit
            text = f"{name}: {flag_words(bit)} in {held:,} of {plural(readings, 'reading')}"
            yield Text(f"   {run.glyphs.warn} {text}", style=WARN)
    since = 0
    for row in rows:
        since |= flags_since_boot(row.throttled) or 0
    if since & ~shown:
        text = f"{name}: {flag_words(since & ~shown)} since its boot, in none of its readings"
        yield Text(f"   {text}", style=DIM)


def _is_off_by_plan(run: RecordedRun, node: str) -> bool:
    edge = last_isolation_of(run.reader, node)
    return edge is not None and is_stand_by(edge.cause)


def _isolated_though_right(run: RecordedRun, node: str) -> bool:
    edge = last_isolation_of(run.reader, node)
    return edge is not None and isolated_though_right(run.reader, edge.frame, node)
