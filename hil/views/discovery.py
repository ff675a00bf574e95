"""The output of `hil discover`: each port, and the changes of the bench file."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from hil.scenario.discovery_report import DiscoveredBoard, DiscoveryReport
from hil.views.style import Glyphs, plural

__all__ = ["discovery_lines"]


def discovery_lines(report: DiscoveryReport, glyphs: Glyphs) -> RenderableType:
    """Return the lines that show the result of a discovery."""
    lines: list[RenderableType] = []
    for board in report.boards:
        lines += _board(board, glyphs)
    for other in report.others:
        lines += [
            Text(f"{glyphs.warn} {other.port}", style="yellow"),
            Text(f"    {other.reason}"),
        ]
        if other.remedy:
            lines.append(Text(f"    try: {other.remedy}", style="dim"))
    lines.append(Text(f"{plural(len(report.boards), 'board')} answered", style="bold"))
    lines += [Text(f"{glyphs.warn} {note}", style="yellow") for note in report.notes]
    if report.bench is not None:
        count = len(report.changes)
        lines.append(Text(f"{report.bench}: {plural(count, 'change') if count else 'nothing new'}"))
        lines += [Text(f"    {c.board}: {c.kind}, {c.detail}") for c in report.changes]
    return Group(*lines)


def _board(board: DiscoveredBoard, glyphs: Glyphs) -> list[RenderableType]:
    name = f" = {board.name}" if board.name else ""
    rate = f", {board.baud} baud" if board.baud else ""
    lines: list[RenderableType] = [
        Text(f"{glyphs.ok} {board.port}{name}", style="green"),
        Text(
            f"    {board.board or board.arch}, {plural(board.cores, 'core')}, "
            f"{board.memory_mib:,} MiB, agent {board.agent_version}{rate}"
        ),
    ]
    identity = [
        text
        for text in (
            f"serial number {board.serial}" if board.serial else "",
            f"adapter {board.adapter}" if board.adapter else "",
        )
        if text
    ]
    if identity:
        lines.append(Text(f"    {', '.join(identity)}"))
    return lines
