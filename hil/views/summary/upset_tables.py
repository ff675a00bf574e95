"""The injected upsets by target, effect and outcome, and those that were not injected."""

from __future__ import annotations

from collections import Counter
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from hil.analysis.coverage import coverage_of
from hil.record.row_counts import (
    injected_by_activation,
    injected_by_outcome,
    injected_effects,
    missed_upsets,
)
from hil.upsets.words import (
    ACTIVATIONS,
    COUNTED_EFFECTS,
    EFFECTS,
    UNKNOWN_WORD,
    Activation,
    SystemOutcome,
)
from hil.views.style import BAD, DIM, HEAD, WARN
from hil.views.summary.layout import columns, count_cell, grid, section
from hil.views.summary.recorded_run import RecordedRun

__all__ = ["upset_tables"]

_OUTCOMES: Final = (
    SystemOutcome.NO_EFFECT,
    SystemOutcome.CORRECTED,
    SystemOutcome.RECOVERED,
    SystemOutcome.DEGRADED,
    SystemOutcome.DETECTED_UNRESOLVED,
    SystemOutcome.UNAVAILABLE,
    SystemOutcome.SDC_ESCAPED,
)
_BAD_OUTCOMES: Final = frozenset(_OUTCOMES[-3:])
_OUTCOMES_PER_LINE: Final = 4
_REASONS: Final = 3


def upset_tables(run: RecordedRun) -> RenderableType | None:
    """Return the injected upsets by target and by outcome; None where none was planned."""
    by_target = injected_effects(run.reader)
    if not by_target:
        return Group(Text(""), *_not_injected(run)) if _not_injected(run) else None
    counts = {target: Counter(effects) for target, effects in by_target.items()}
    unseen = any(effects[UNKNOWN_WORD] for effects in counts.values())
    shown = COUNTED_EFFECTS if unseen else EFFECTS
    out = columns()
    out.add_column("target", no_wrap=True)
    for name in ("hits", *shown):
        out.add_column(name, justify="right", no_wrap=True)
    for target in sorted(counts):
        effects = counts[target]
        values = [effects.total(), *(effects[e] for e in shown)]
        out.add_row(target, *(count_cell(run.glyphs, value) for value in values))
    if len(counts) > 1:
        total: Counter[str] = sum(counts.values(), Counter())
        values = [total.total(), *(total[e] for e in shown)]
        out.add_row("all", *(count_cell(run.glyphs, value) for value in values), style=HEAD)
    return Group(
        section("Injected faults by target and node effect", out),
        *_not_injected(run),
        *_activations(run),
        section("System-level outcome", _outcome_counts(run)),
    )


def _not_injected(run: RecordedRun) -> list[RenderableType]:
    """Return the upsets that were not injected, by reason."""
    reasons = missed_upsets(run.reader)
    lines: list[RenderableType] = []
    for missed in reasons[:_REASONS]:
        why = missed.detail or {"missed": "their position was not reached"}.get(missed.state)
        targets = missed.targets.replace(",", ", ")
        text = f"{missed.count:,} {missed.state}{f': {why}' if why else ''} ({targets})"
        lines.append(Padding(Text(text, style=WARN), (0, 0, 0, 3)))
    if len(reasons) > _REASONS:
        count = sum(missed.count for missed in reasons[_REASONS:])
        text = f"{count:,} for other reasons"
        lines.append(Padding(Text(text, style=WARN), (0, 0, 0, 3)))
    return lines


_ACTIVATION_TEXT: Final = {
    Activation.ACTIVATED: "were activated",
    Activation.OVERWRITTEN: "were overwritten unread",
    Activation.NOT_ACCESSED: "were not accessed in their step",
}


def _activations(run: RecordedRun) -> list[RenderableType]:
    """Return what the workers did first with the upsets; nothing where no board knows."""
    counts = injected_by_activation(run.reader)
    parts = [f"{counts[a]:,} {_ACTIVATION_TEXT[a]}" for a in ACTIVATIONS if counts.get(a)]
    if not parts:
        return []
    if counts.get("unknown"):
        parts.append(f"not known of {counts['unknown']:,}")
    return [Padding(Text(", ".join(parts), style=DIM), (0, 0, 0, 3))]


def _outcome_counts(run: RecordedRun) -> RenderableType:
    counts = injected_by_outcome(run.reader)
    out = grid()
    for _ in range(_OUTCOMES_PER_LINE):
        out.add_column(no_wrap=True)
    cells: list[Text] = []
    for name in _OUTCOMES:
        count = counts.get(name, 0)
        bad = BAD if name in _BAD_OUTCOMES else WARN if name == SystemOutcome.DEGRADED else ""
        words = name.replace("_", " ")
        cells.append(Text(f"{words} {count:,}", style=bad if count else DIM))
    if unsettled := counts.get(UNKNOWN_WORD):
        cells.append(Text(f"not settled {unsettled:,}", style=WARN))
    for at in range(0, len(cells), _OUTCOMES_PER_LINE):
        out.add_row(*cells[at : at + _OUTCOMES_PER_LINE])
    coverage = coverage_of(counts)
    if not coverage.effective:
        return out
    return Group(out, Text(f"coverage {coverage}", style=DIM))
