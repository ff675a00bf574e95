"""Ways to protect a training run, compared, as a table; and what the classes mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil.analysis.training_comparison import ProtectedTraining, TrainingComparison
from hil.analysis.training_outcome import (
    DEGRADED_NAT,
    NEAR,
    SPIKE_NAT,
    WINDOW,
    TrainingClass,
    TrainingOutcome,
)
from hil.views.style import BAD, DIM, GOOD, HEAD, WARN, Glyphs, plural

__all__ = ["class_text", "training_comparison"]

_KIB: Final = 1024
_STYLES: Final = {
    TrainingClass.NO_EFFECT: GOOD,
    TrainingClass.RESTORED: GOOD,
    TrainingClass.SPIKE_AND_RECOVER: WARN,
    TrainingClass.DRIFT: WARN,
}
_SHORT: Final = {
    TrainingClass.NO_EFFECT: "no effect",
    TrainingClass.RESTORED: "restored",
    TrainingClass.SPIKE_AND_RECOVER: "spike, recovers",
    TrainingClass.SPIKE_AND_DEGRADE: "spike, degrades",
    TrainingClass.SILENT_DEGRADATION: "silent degr.",
    TrainingClass.DRIFT: "drift",
    TrainingClass.STOPPED: "stopped",
}


def class_text(outcome: TrainingOutcome) -> Text:
    """Return the class of a training run in its colour."""
    return Text(outcome.kind.value, style=_STYLES.get(outcome.kind, BAD))


def training_comparison(comparison: TrainingComparison, glyphs: Glyphs) -> RenderableType:
    """Return the protections with their outcomes and costs, and the definitions of the classes."""
    c = comparison
    head = (
        f"{c.scenario}: {plural(c.upsets, 'upset')} of {', '.join(c.targets)}, the same for each "
        f"protection, each in a run of {c.frames:,} frames on {c.board} (seed {c.seed}); "
        f"fault-free loss at the end {c.final_loss_nat:.3f} nat"
    )
    return Group(
        Text(head),
        Text(""),
        _outcomes(c.rows, glyphs),
        Text(""),
        _costs(c.rows, glyphs),
        Text(""),
        *(Text(line, style=DIM) for line in _NOTES),
    )


def _outcomes(rows: Sequence[ProtectedTraining], glyphs: Glyphs) -> Table:
    kinds = [kind for kind in TrainingClass if any(row.classes[kind] for row in rows)]
    out = _table("protection", "upsets", *(_SHORT[kind] for kind in kinds))
    for row in rows:
        cells = [Text(f"{row.injected:,}")]
        for kind in kinds:
            count = row.classes[kind]
            style = _STYLES.get(kind, BAD) if count else DIM
            cells.append(Text(f"{count:,}" if count else glyphs.none, style=style))
        out.add_row(row.name, *cells)
    return out


def _costs(rows: Sequence[ProtectedTraining], glyphs: Glyphs) -> Table:
    plain = rows[0]
    headings = ("cost", "time/step", "x", "memory", "x", "loss +", "steps lost")
    out = _table(*headings)
    for row in rows:
        out.add_row(
            row.name,
            f"{row.cost.step_us:.1f} us",
            f"{row.cost.step_us / plain.cost.step_us:.2f}",
            f"{row.cost.memory / _KIB:.1f} KiB",
            f"{row.cost.memory / plain.cost.memory:.2f}",
            f"{max(row.excess_nat, 0.0):.4f}",
            f"{row.behind:,}" if row.behind else glyphs.none,
        )
    return out


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style=HEAD)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", overflow="fold")
    table.columns[0].no_wrap = True
    return table


_NOTES: Final = (
    "time/step: a fault-free step of all nodes on this computer, one after the other. memory: what "
    "their steps use, and the checkpoints of nodes that are compared. loss +: mean over the runs, "
    f"above the fault-free one, in the last {WINDOW} frames [nat]; 0 if it is below.",
    f"spike: the loss exceeds the fault-free ones within {NEAR} frames by more than {SPIKE_NAT} "
    f"nat. degrades: at the end it is more than {DEGRADED_NAT} nat above. restored: weights and "
    "momentum are the fault-free ones again; drift: they are not, and the loss does not show it. A "
    "loss that is not a number cannot occur: the workload computes with integers.",
)
