"""The output of `hil bench test`: a row for each board, the faults, and one line with the
result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil.scenario.bench_report import BenchFinding, BenchTestReport, BoardReport, SwitchState
from hil.views.style import BAD, DIM, GOOD, HEAD, WARN, Glyphs, plural

__all__ = ["bench_test_lines"]

_STYLES: Final = {SwitchState.WORKS: GOOD, SwitchState.FAILS: BAD}


def bench_test_lines(report: BenchTestReport, glyphs: Glyphs) -> RenderableType:
    """Return the table of all boards, the faults with their remedies, the notes, and the result."""
    lines: list[RenderableType] = [_table(report, glyphs)]
    for finding in report.findings:
        lines.append(Text(f"{glyphs.bad} {finding.message}", style="red"))
        if finding.remedy:
            lines.append(Text(f"    try: {finding.remedy}", style=DIM))
    lines += [Text(f"{glyphs.warn} {note}", style=WARN) for note in report.notes]
    lines += [Text(f"{report.bench}: {c.board}: {c.kind}: {c.detail}") for c in report.changes]
    lines.append(_result(report, glyphs))
    return Group(*lines)


def _table(report: BenchTestReport, glyphs: Glyphs) -> Table:
    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    out.add_column("board", no_wrap=True)
    out.add_column("agent", overflow="fold")
    for heading in ("round trip, p99", "baud", "highest", "timer", "idle"):
        out.add_column(heading, justify="right", no_wrap=True)
    out.add_column("power", no_wrap=True)
    out.add_column("boot", justify="right", no_wrap=True)
    has_roots = any(board.root is not None for board in report.boards)
    if has_roots:
        out.add_column("root", no_wrap=True)
    for board in report.boards:
        cells = _row(board, report.findings_of(board.board), glyphs)
        out.add_row(*cells, *([Text(board.root or glyphs.none)] if has_roots else ()))
    return out


def _row(board: BoardReport, findings: Sequence[BenchFinding], glyphs: Glyphs) -> list[Text]:
    mark, style = (glyphs.bad, BAD) if findings else (glyphs.ok, GOOD)
    cells = [Text.assemble((f"{mark} ", style), (board.board, HEAD)), _agent(board, findings)]
    cells += [Text(text or glyphs.none) for text in _link_cells(board)]
    power = board.power
    idle = "" if power.idle_a is None else f"{power.idle_a:.2f} A"
    boot = "" if power.boot_s is None else f"{power.boot_s:.1f} s"
    style = _STYLES.get(power.state, "")
    cells += [Text(idle or glyphs.none), Text(power.state, style), Text(boot or glyphs.none)]
    return cells


def _agent(board: BoardReport, findings: Sequence[BenchFinding]) -> Text:
    if board.agent is None:
        return Text(findings[0].fault if findings else "not tested", style=BAD)
    return Text(f"{board.agent.board or board.agent.arch}, agent {board.agent.version}")


def _link_cells(board: BoardReport) -> list[str]:
    rate = "" if board.baud is None else str(board.baud)
    link = board.link
    if link is None:
        return ["", rate, "", ""]
    return [
        f"{link.round_trip_median_ms:.2f}, {link.round_trip_p99_ms:.2f} ms",
        rate,
        "" if link.best_baud is None else str(link.best_baud),
        "" if link.latency_timer_ms is None else f"{link.latency_timer_ms} ms",
    ]


def _result(report: BenchTestReport, glyphs: Glyphs) -> Text:
    boards = plural(len(report.boards), "board")
    if report.ok:
        return Text(f"{glyphs.ok} PASS   {boards} tested, no fault found", style=GOOD)
    faults = plural(len(report.findings), "fault")
    return Text(f"{glyphs.bad} FAIL   {faults} found on {boards}", style=BAD)
