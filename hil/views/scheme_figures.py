"""Redundancy schemes compared: a table, over a swept key if there is one, and a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil.views.orbit import require_plotting, save_figure
from hil.views.style import BAD, DIM, HEAD, Glyphs, plural

if TYPE_CHECKING:
    from hil.analysis.scheme_figures import SchemeFigures

__all__ = ["ComparedScheme", "draw_schemes", "schemes_report"]


@dataclass(frozen=True, slots=True)
class ComparedScheme:
    """One row: a scheme, at a value of the swept key (None without one). `predicted`: the
    reliability that a model gives; None where no model fits the scenario."""

    figures: SchemeFigures
    value: float | None = None
    predicted: float | None = None


def schemes_report(
    name: str, key: str | None, rows: Sequence[ComparedScheme], notes: Sequence[str], glyphs: Glyphs
) -> Group:
    """Return the table of the schemes that were compared, and what its columns are."""
    table = Table(box=None, pad_edge=False, header_style=HEAD)
    if key is not None:
        table.add_column(key, justify="right")
    table.add_column("scheme")
    modelled = any(row.predicted is not None for row in rows)
    headings = ["available", "wrong", "escapes of single hits", "MTTF", "MTTR", "lossless runs"]
    headings += ["model"] if modelled else []
    woken = any(row.figures.woken for row in rows)
    headings += ["boards", "steps", "J", "B on links", *(["woken"] if woken else [])]
    for heading in headings:
        table.add_column(heading, justify="right")
    for row in rows:
        value = glyphs.none if row.value is None else f"{row.value:g}"
        switched = (
            [f"{row.figures.woken:,} ({row.figures.waking_frames:,} frames)"] if woken else []
        )
        cells: list[str | Text] = [] if key is None else [value]
        table.add_row(*cells, *_cells(row, glyphs, modelled=modelled), *switched)
    first = rows[0].figures
    title = (
        f"{name}: {plural(first.runs, 'run')} of {first.frames // first.runs:,} frames each, the "
        "same seeds, orbit and workload for all"
    )
    legend = (
        "wrong: frames with a wrong output. MTTR: with outages that the end of a run "
        "cuts short, until there. escapes of single hits: of every bit of state, input "
        "and output of every node at every tick of one step, counted exactly. boards, steps, J: "
        "for each right frame. B on links: to and from all boards for each frame, of the first "
        "200 that are computed."
        + (" woken: nodes from stand-by, and the frames until they voted." if woken else "")
    )
    parts: list[RenderableType] = [Text(title, style=HEAD), Text(""), table, Text("")]
    parts += [Text(note) for note in (*notes, *_not_counted(rows))]
    return Group(*parts, Text(legend, style=DIM))


def _not_counted(rows: Sequence[ComparedScheme]) -> list[str]:
    """Return why the single hits of schemes are not counted, each reason once."""
    figures = [row.figures for row in rows]
    lines = [
        f"Single hits of {f.scheme} are not counted: {f.not_counted}."
        for f in figures
        if f.not_counted is not None
    ]
    return list(dict.fromkeys(lines))


def _cells(row: ComparedScheme, glyphs: Glyphs, *, modelled: bool) -> list[str | Text]:
    f, none = row.figures, glyphs.none
    hits = f.counted
    low, high = f.reliability_interval
    cells: list[str | Text] = [
        f.scheme,
        _availability(f.availability),
        Text(f"{f.wrong:,}", style=BAD if f.wrong else ""),
        none if hits is None else f"{hits.escaped:,} of {hits.hits:,}",
        none if f.mean_time_to_failure_s is None else _seconds(f.mean_time_to_failure_s),
        none if f.mean_time_to_repair_s is None else _seconds(f.mean_time_to_repair_s),
        f"{f.lossless} of {f.runs} ({low:.2f} to {high:.2f})",
    ]
    if modelled:
        cells.append(none if row.predicted is None else f"{row.predicted:.3f}")
    costs = f.boards_per_right_frame, f.steps_per_right_frame, f.energy_per_right_frame_j
    cells += [none if value is None else f"{value:.3g}" for value in costs]
    return [*cells, f"{f.bytes_per_frame:,.0f}"]


def _availability(share: float) -> str:
    return f"{100.0 * share:.4g} %" if share < 0.9999 or share == 1.0 else f"1-{1.0 - share:.1e}"


def _seconds(seconds: float) -> str:
    for unit, length in (("d", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2.0 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


@dataclass(frozen=True, slots=True)
class _Panel:
    """One part of the picture."""

    label: str
    value: Callable[[SchemeFigures], float | None]


_PANELS: Final = (
    _Panel("availability", lambda f: f.availability),
    _Panel("runs without a failure", lambda f: f.reliability),
    _Panel("wrong frames", lambda f: float(f.wrong)),
    _Panel("MTTF [s]", lambda f: f.mean_time_to_failure_s),
    _Panel("MTTR [s]", lambda f: f.mean_time_to_repair_s),
    _Panel("J per right frame", lambda f: f.energy_per_right_frame_j),
    _Panel("steps per right frame", lambda f: f.steps_per_right_frame),
    _Panel("bytes on links per frame", lambda f: f.bytes_per_frame),
)


def draw_schemes(name: str, key: str | None, rows: Sequence[ComparedScheme], path: Path) -> None:
    """Draw the schemes: bars, or curves over the swept key with the model's as a dashed line.

    Raises: as `hil.views.orbit.require_plotting` and `save_figure`."""
    require_plotting(path)
    import matplotlib as mpl  # noqa: PLC0415  (heavy, and an extra)

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(4, 2, figsize=(10, 10))
    for axis, panel in zip(axes.ravel(), _PANELS, strict=True):
        if key is None:
            _bars(axis, panel, rows)
        else:
            _curves(axis, panel, rows)
            axis.set_xlabel(key, fontsize=8)
        axis.set_ylabel(panel.label, fontsize=8)
        axis.grid(alpha=0.3)
    if key is not None:
        axes[0][1].legend(fontsize=6)
    figure.suptitle(name, fontsize=10)
    save_figure(figure, path)


def _bars(axis: Any, panel: _Panel, rows: Sequence[ComparedScheme]) -> None:
    values = [panel.value(row.figures) or 0.0 for row in rows]
    axis.bar([row.figures.scheme for row in rows], values)
    axis.tick_params(axis="x", labelsize=7)


def _curves(axis: Any, panel: _Panel, rows: Sequence[ComparedScheme]) -> None:
    for number, scheme in enumerate(dict.fromkeys(row.figures.scheme for row in rows)):
        own = [row for row in rows if row.figures.scheme == scheme]
        xs = [row.value for row in own]
        ys = [panel.value(row.figures) for row in own]
        axis.plot(xs, ys, "o-", color=f"C{number}", markersize=3, linewidth=1, label=scheme)
        if panel.label == "runs without a failure":
            ends = [row.figures.reliability_interval for row in own]
            axis.fill_between(
                xs, [e.low for e in ends], [e.high for e in ends], color=f"C{number}", alpha=0.15
            )
            predicted = [row.predicted for row in own]
            if None not in predicted:
                axis.plot(xs, predicted, "--", color=f"C{number}", label=f"{scheme}, model")
