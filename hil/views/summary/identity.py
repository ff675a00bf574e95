"""The identity of a run (calibration, seed, digest, folder), and commands to try next."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from hil.views.style import DIM, HEAD, WARN, duration
from hil.views.summary.layout import grid, unbroken
from hil.views.summary.recorded_run import RecordedRun

__all__ = ["identity", "next_steps"]


def identity(run: RecordedRun) -> RenderableType:
    """Return the calibration, seed, digest and folder of the run."""
    table = grid()
    table.add_column(style=DIM, no_wrap=True)
    table.add_column(overflow="fold")
    c = run.reader.run_meta.calibration
    if c is not None:
        table.add_row(
            "calibration",
            f"a step takes {duration(c.cpu_us_median)} of CPU time (worst "
            f"{duration(c.cpu_us_worst)} in {c.frames} frames);\n"
            f"it counts as hung after {duration(c.budget_cpu_us)}",
        )
    seed = run.reader.meta.get("seed", "?") if run.result.seed is None else run.result.seed
    table.add_row("seed", str(seed))
    if run.result.run_digest:
        table.add_row("run digest", run.result.run_digest)
    why = run.result.not_reproducible
    if why:
        table.add_row("", Text(f"not reproducible: {why}", style=WARN))
    folder = Text.assemble(("   run folder   ", DIM), run.folder)
    return Group(Padding(table, (1, 0, 0, 3)), unbroken(folder))


def next_steps(steps: tuple[tuple[str, str], ...]) -> RenderableType | None:
    """Return commands to try next, each with its purpose; None without any."""
    if not steps:
        return None
    lines = [Text("\n Next", style=HEAD)]
    width = max(len(shows) for _, shows in steps)
    for command, shows in steps:
        lines.append(unbroken(Text.assemble((f"   {shows:{width}}  ", DIM), command)))
    return Group(*lines)
