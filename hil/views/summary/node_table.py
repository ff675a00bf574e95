"""The nodes: their final states, links, power and firmware flags."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from hil.record.queries import isolated_though_right, node_power, throttled_readings
from hil.views.style import BAD, DIM, WARN, plural, state_text
from hil.views.summary.layout import columns, count_cell, count_text, section, unbroken
from hil.views.summary.recorded_run import RecordedRun
from hil.wire.throttling import FLAGS, flag_words, flags_now, flags_since_boot

__all__ = ["node_table"]

_LINK_COUNTS: Final = ("rx_errors", "naks", "retries", "reconnects")


def node_table(run: RecordedRun) -> RenderableType:
    """Return each node's final state and link counters, and below them what its board reported."""
    ends = {
        r["node"]: r["after"]
        for r in run.reader.rows("SELECT node, after FROM transitions ORDER BY id")
    }
    links = {r["node"]: r for r in run.reader.rows("SELECT * FROM links")}
    out = columns()
    out.add_column("node", min_width=12)
    out.add_column("board", no_wrap=True)
    for name in ("sent", "received", "errors", "naks", "retries", "reconn."):
        out.add_column(name, justify="right", no_wrap=True)
    where: list[RenderableType] = []
    for node in run.reader.rows("SELECT * FROM nodes ORDER BY idx"):
        if node["board"] == "serial":
            known = (node["name"] + ":", node["model"], node["serial"], "at", node["port"])
            where.append(unbroken(Text("   " + " ".join(filter(None, known)), style=DIM)))
        link = links.get(node["idx"])
        state = state_text(node["name"], ends.get(node["name"], "voting"), run.glyphs)
        cells: list[RenderableType] = [state, node["board"]]
        if ends.get(node["name"]) == "isolated" and _isolated_though_right(run, node["name"]):
            text = f"{node['name']} was right when it was isolated: a wrong majority outvoted it"
            where.append(Text(f"   {run.glyphs.bad} {text}", style=BAD))
        if link is not None:
            cells += [
                f"{count_text(link['tx_frames'])}/{count_text(link['tx_bytes'])}",
                f"{count_text(link['rx_frames'])}/{count_text(link['rx_bytes'])}",
                *(count_cell(run.glyphs, link[count]) for count in _LINK_COUNTS),
            ]
        out.add_row(*cells)
        where += _measured_power(run, node["idx"], node["name"])
        where += _firmware_flags(run, node["idx"], node["name"])
    return Group(section("Nodes, and frames/bytes on their links", out), *where)


def _measured_power(run: RecordedRun, index: int, name: str) -> Iterator[RenderableType]:
    """Yield the power that a board draws by its own sensors."""
    row = node_power(run.reader, index)
    if row is not None and row["readings"]:
        text = (
            f"{name}: draws {row['mean_mw'] / 1e3:.2f} W, at most "
            f"{row['most_mw'] / 1e3:.2f} W, "
            f"by its own sensors ({plural(row['readings'], 'reading')})"
        )
        yield Text(f"   {text}", style=DIM)


def _firmware_flags(run: RecordedRun, index: int, name: str) -> Iterator[RenderableType]:
    """Yield what a board's firmware reported of its supply and clock, in the run and before it."""
    rows = throttled_readings(run.reader, index)
    readings = sum(row["readings"] for row in rows)
    shown = 0
    for bit in FLAGS:
        held = sum(r["readings"] for r in rows if (flags_now(r["throttled"]) or 0) & bit)
        if held:
            shown |= bit
            text = f"{name}: {flag_words(bit)} in {held:,} of {plural(readings, 'reading')}"
            yield Text(f"   {run.glyphs.warn} {text}", style=WARN)
    since = 0
    for row in rows:
        since |= flags_since_boot(row["throttled"]) or 0
    if since & ~shown:
        text = f"{name}: {flag_words(since & ~shown)} since its boot, in none of its readings"
        yield Text(f"   {text}", style=DIM)


def _isolated_though_right(run: RecordedRun, node: str) -> bool:
    rows = run.reader.rows(
        "SELECT frame FROM transitions WHERE node=? AND after='isolated' ORDER BY id DESC LIMIT 1",
        node,
    )
    return bool(rows) and isolated_though_right(run.reader, rows[0]["frame"], node)
