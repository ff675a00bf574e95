"""Models beside measurements, as a table and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil.views.orbit import require_plotting, save_figure
from hil.views.style import BAD, DIM, GOOD, HEAD, WARN, Glyphs, plural

if TYPE_CHECKING:
    from hil.analysis.model_row import ModelRow

__all__ = ["draw_model_rows", "model_rows_report"]


def model_rows_report(experiments: Mapping[str, Sequence[ModelRow]], glyphs: Glyphs) -> Group:
    """Return the table of all rows; below it, which assumption fails where the two part, and from
    what the models' numbers come."""
    table = Table(box=None, pad_edge=False, header_style=HEAD)
    for heading in ("experiment", "model", "quantity"):
        table.add_column(heading)
    for heading in ("predicted", "measured", "95 % interval", "runs"):
        table.add_column(heading, justify="right")
    table.add_column("")
    notes: list[Text] = []
    for name, rows in experiments.items():
        for number, row in enumerate(rows):
            mark = _mark(row, glyphs)
            if not row.agrees:
                notes.append(Text(f"({len(notes) + 1}) {row.model}: {row.verdict}"))
                mark.append(f" ({len(notes)})")
            table.add_row(
                "" if number else name,
                row.model,
                row.quantity,
                f"{row.predicted:.4g}",
                f"{row.measured.value:.4g}",
                f"{row.measured.interval.low:.4g} to {row.measured.interval.high:.4g}",
                str(row.measured.runs),
                mark,
            )
    parts: list[RenderableType] = [table]
    if notes:
        parts += [Text(""), *notes]
    parts += [Text(""), *_sources(experiments), Text(""), _summary(experiments)]
    return Group(*parts)


def _mark(row: ModelRow, glyphs: Glyphs) -> Text:
    if row.agrees:
        return Text(f"{glyphs.ok} agrees", style=GOOD)
    if row.fails:
        return Text("parts", style=WARN)
    return Text(f"{glyphs.bad} parts", style=BAD)


def _sources(experiments: Mapping[str, Sequence[ModelRow]]) -> list[Text]:
    lines = [Text("What the models were given; nothing is fitted", style=HEAD)]
    for name, rows in experiments.items():
        sources = dict.fromkeys(row.derived for row in rows)
        lines += [Text(f"{name}: {derived}", style=DIM) for derived in sources]
    return lines


def _summary(experiments: Mapping[str, Sequence[ModelRow]]) -> Text:
    rows = [row for of_one in experiments.values() for row in of_one]
    kept = [row for row in rows if not row.fails]
    agreeing = sum(row.agrees for row in kept)
    return Text(
        f"{agreeing} of {plural(len(kept), 'model')} whose assumptions the runs keep agree with "
        "the measurement",
        style=HEAD,
    )


def draw_model_rows(experiments: Mapping[str, Sequence[ModelRow]], path: Path) -> None:
    """Draw each measured value with its interval, divided by what the model predicts.

    Raises: as `hil.views.orbit.require_plotting` and `save_figure`."""
    require_plotting(path)
    import matplotlib as mpl  # noqa: PLC0415  (heavy, and an extra)

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    rows = [(name, row) for name, of_one in experiments.items() for row in of_one]
    rows = [(name, row) for name, row in rows if row.predicted > 0.0]
    figure, axis = plt.subplots(figsize=(9, 1.2 + 0.3 * len(rows)))
    for place, (_, row) in enumerate(rows):
        colour = "C2" if row.agrees else "C1" if row.fails else "C3"
        low, high = (end / row.predicted for end in row.measured.interval)
        axis.plot([low, high], [place, place], color=colour, linewidth=2)
        axis.plot([row.measured.value / row.predicted], [place], "o", color=colour, markersize=4)
    axis.axvline(1.0, color="grey", linewidth=0.8)
    axis.set_yticks(range(len(rows)))
    axis.set_yticklabels([f"{name}: {row.model}, {row.quantity}" for name, row in rows], fontsize=6)
    axis.invert_yaxis()
    axis.set_xscale("log")
    axis.set_xlabel("measured / predicted, with the 95 % interval", fontsize=8)
    axis.grid(alpha=0.3)
    save_figure(figure, path)
