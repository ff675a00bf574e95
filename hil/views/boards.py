"""Board profiles, and installations of agents on boards, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil.board_types.bench_install import BenchInstallation, InstallState
from hil.board_types.profile_summary import DataSetLines, ProfileSummary, StatedFact
from hil.views.style import BAD, DIM, GOOD, HEAD, WARN, Glyphs, plural

__all__ = ["installation_lines", "pages", "radiation", "sheet", "table"]

_GRADES: Final = (
    "M measured by this project, S read in the source, S2 in a text that quotes it, "
    "R remembered, assumed: no source, a reason instead"
)


def table(profiles: Sequence[ProfileSummary], glyphs: Glyphs) -> RenderableType:
    """Return a table with a line for each profile."""
    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    out.add_column("profile", no_wrap=True)
    out.add_column("processor", no_wrap=True)
    out.add_column("memory", justify="right", no_wrap=True)
    out.add_column("full load", justify="right", no_wrap=True)
    out.add_column("serial", no_wrap=True)
    out.add_column("agent", no_wrap=True)
    for profile in profiles:
        agent = profile.target or glyphs.none
        out.add_row(
            Text(profile.name, style=HEAD),
            profile.soc[:22],
            f"{profile.memory_mib / 1024:g} GiB",
            f"{profile.full_w:g} W",
            profile.device or glyphs.none,
            f"{agent}, emulated" if profile.emulated else agent,
        )
    return out


def sheet(profile: ProfileSummary, facts: Sequence[StatedFact], glyphs: Glyphs) -> RenderableType:
    """Return one profile in full: each fact with its grade and its source."""
    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    out.add_column("what", overflow="fold")
    out.add_column("value", overflow="fold")
    out.add_column("grade", no_wrap=True)
    out.add_column("source, or reason", style=DIM, overflow="fold")
    for fact in facts:
        grade = Text(fact.grade)
        if fact.grade == "assumed":
            grade = Text(f"{glyphs.warn} {fact.grade}", style=WARN)
        out.add_row(fact.path, fact.value, grade, fact.origin)
    title = Text.assemble((profile.title, HEAD), f"  {profile.soc}, {profile.family}")
    return Group(title, Text(_GRADES, style=DIM), Text(), out)


def radiation(data_sets: Sequence[DataSetLines], searched: str) -> RenderableType:
    """Return the data sets of a profile as tables: what was observed in which beam."""
    lines: list[RenderableType] = [Text(), Text("radiation", style=HEAD)]
    if searched:
        lines.append(Text(searched, style=DIM))
    if not any(data.is_default for data in data_sets):
        lines.append(Text("no beam data: no upsets, unless a scenario chooses a data set", WARN))
    for data in data_sets:
        default = ", the default" if data.is_default else ""
        lines += [
            Text(),
            Text.assemble((f"data set {data.name}{default}", HEAD), f": {data.title}"),
        ]
        lines.append(Text(f"in the beam: {data.tested}", style=DIM))
        if data.stand_in is not None:
            lines.append(Text(f"not this board: {data.stand_in}", style=WARN))
        out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for heading in ("channel", "observed", "part", "by", "cm2", "curve", "events", "grade"):
            out.add_column(heading, overflow="fold")
        for c in data.channels:
            by = c.particle.replace("_", " ")
            out.add_row(c.name, c.observed, c.part, by, c.sigma, c.dependence, c.counted, c.grade)
        lines.append(out)
    return Group(*lines)


def pages(*parts: RenderableType) -> RenderableType:
    """Return parts one below the other."""
    return Group(*parts)


def installation_lines(done: BenchInstallation, glyphs: Glyphs) -> RenderableType:
    """Return a row for each board with what became of its agent, why some failed, and the
    result."""
    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("board", "host", "result", "agent before", "agent now"):
        out.add_column(heading, no_wrap=True)
    lines: list[RenderableType] = [out]
    failed = [board for board in done.boards if board.state is InstallState.FAILED]
    for board in done.boards:
        mark, style = (glyphs.bad, BAD) if board in failed else (glyphs.ok, GOOD)
        out.add_row(
            Text.assemble((f"{mark} ", style), (board.board, HEAD)),
            Text(board.host),
            Text(board.state, style),
            Text(board.before or glyphs.none),
            Text(board.after or glyphs.none),
        )
    for board in failed:
        lines.append(Text(f"{glyphs.bad} {board.board}: {board.detail}", style="red"))
        if board.remedy:
            lines.append(Text(f"    try: {board.remedy}", style=DIM))
    count = plural(len(done.boards), "board")
    result = f"{glyphs.ok} {count}, none failed"
    if failed:
        result = f"{glyphs.bad} {len(failed)} of {count} failed"
    lines.append(Text(result, style=BAD if failed else GOOD))
    return Group(*lines)
