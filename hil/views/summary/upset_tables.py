"""The injected upsets by target, effect and outcome, and those that were not injected."""

from __future__ import annotations

from collections import Counter
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from hil.views.style import BAD, DIM, HEAD, WARN
from hil.views.summary.layout import columns, count_cell, grid, section
from hil.views.summary.recorded_run import RecordedRun

__all__ = ["upset_tables"]

_EFFECTS: Final = ("masked", "latent", "sdc", "crash", "hang", "reboot", "detected", "late")
_OUTCOMES: Final = (
    "no_effect",
    "corrected",
    "recovered",
    "degraded",
    "detected_unresolved",
    "unavailable",
    "sdc_escaped",
)
_BAD_OUTCOMES: Final = frozenset({"detected_unresolved", "unavailable", "sdc_escaped"})
_OUTCOMES_PER_LINE: Final = 4
_REASONS: Final = 3


def upset_tables(run: RecordedRun) -> RenderableType | None:
    """Return the injected upsets by target and by outcome; None where none was planned."""
    rows = run.reader.rows(
        "SELECT target, CASE WHEN effect='' THEN 'masked' ELSE effect END AS effect, "
        "count(*) AS n FROM upsets WHERE state='injected' AND verified GROUP BY 1, 2"
    )
    if not rows:
        return Group(Text(""), *_not_injected(run)) if _not_injected(run) else None
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        counts.setdefault(row["target"], Counter())[row["effect"]] = row["n"]
    out = columns()
    out.add_column("target", no_wrap=True)
    for name in ("hits", *_EFFECTS):
        out.add_column(name, justify="right", no_wrap=True)
    for target in sorted(counts):
        effects = counts[target]
        values = [effects.total(), *(effects[e] for e in _EFFECTS)]
        out.add_row(target, *(count_cell(run.glyphs, value) for value in values))
    if len(counts) > 1:
        total: Counter[str] = sum(counts.values(), Counter())
        values = [total.total(), *(total[e] for e in _EFFECTS)]
        out.add_row("all", *(count_cell(run.glyphs, value) for value in values), style=HEAD)
    return Group(
        section("Injected faults by target and node effect", out),
        *_not_injected(run),
        section("System-level outcome", _outcome_counts(run)),
    )


def _not_injected(run: RecordedRun) -> list[RenderableType]:
    """Return the upsets that were not injected, by reason."""
    rows = run.reader.rows(
        "SELECT CASE WHEN state='injected' THEN 'not verified' ELSE state END, detail, "
        "group_concat(DISTINCT target), count(*) FROM upsets "
        "WHERE NOT (state='injected' AND verified) GROUP BY 1, 2 ORDER BY 4 DESC"
    )
    lines: list[RenderableType] = []
    for state, detail, targets, count in rows[:_REASONS]:
        why = detail or {"missed": "their position was not reached"}.get(state, "")
        text = f"{count:,} {state}{f': {why}' if why else ''} ({targets.replace(',', ', ')})"
        lines.append(Padding(Text(text, style=WARN), (0, 0, 0, 3)))
    if len(rows) > _REASONS:
        count = sum(row[3] for row in rows[_REASONS:])
        text = f"{count:,} for other reasons"
        lines.append(Padding(Text(text, style=WARN), (0, 0, 0, 3)))
    return lines


def _outcome_counts(run: RecordedRun) -> RenderableType:
    rows = run.reader.rows(
        "SELECT CASE WHEN outcome='' THEN 'no_effect' ELSE outcome END, count(*) "
        "FROM upsets WHERE state='injected' AND verified GROUP BY 1"
    )
    counts = {row[0]: row[1] for row in rows}
    out = grid()
    for _ in range(_OUTCOMES_PER_LINE):
        out.add_column(no_wrap=True)
    cells: list[Text] = []
    for name in _OUTCOMES:
        count = counts.get(name, 0)
        bad = BAD if name in _BAD_OUTCOMES else WARN if name == "degraded" else ""
        words = name.replace("_", " ")
        cells.append(Text(f"{words} {count:,}", style=bad if count else DIM))
    for at in range(0, len(cells), _OUTCOMES_PER_LINE):
        out.add_row(*cells[at : at + _OUTCOMES_PER_LINE])
    return out
