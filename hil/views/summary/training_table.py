"""The loss curves of the nodes of a training run, and what upsets have done to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from hil.analysis.training_curves import training_curves
from hil.analysis.training_outcome import TrainingStep, is_training
from hil.views.style import DIM
from hil.views.summary.layout import columns, section
from hil.views.summary.recorded_run import RecordedRun
from hil.views.training import class_text

__all__ = ["training_table"]

_FRAMES_MAX: Final = 100_000
_POINTS: Final = 18


def training_table(run: RecordedRun) -> RenderableType | None:
    """Return each node's loss over the run, and the class of its outcome; None if the workload does
    not train, or if the run is longer than 100,000 frames: the fault-free run is computed again."""
    scenario, frames = run.scenario, run.result.frames
    trains = is_training(scenario.workload) and scenario.seed is not None
    if not trains or not 0 < frames <= _FRAMES_MAX:
        return None
    names = run.reader.node_names
    curves = training_curves(run.reader, names, scenario.workload, scenario.seed or 0, frames)
    outcomes = curves.outcomes()
    out = columns()
    out.add_column("node", no_wrap=True)
    out.add_column("loss over the run", no_wrap=True)
    for name in ("first", "last", "peak +"):
        out.add_column(name, justify="right", no_wrap=True)
    out.add_column("outcome", no_wrap=True)
    highest = max(step.loss for step in curves.golden)
    for name, steps in [("golden", curves.golden), *curves.nodes.items()]:
        outcome = outcomes.get(name)
        known = [step.loss for step in steps if step is not None]
        out.add_row(
            Text(name, style=DIM if steps is curves.golden else ""),
            _line(steps, highest, run.glyphs.blocks),
            f"{known[0]:.3f}" if known else "",
            f"{known[-1]:.3f}" if known else "",
            f"{outcome.peak_nat:.2f}" if outcome is not None and outcome.peak_nat >= 0.005 else "",
            "" if outcome is None else class_text(outcome),
        )
    return section("Training, loss of the mini-batch [nat]", out)


def _line(steps: Sequence[TrainingStep | None], highest: float, blocks: str) -> str:
    """Return a curve in characters: the largest loss of each part of the run; what is above the
    largest fault-free loss has the highest block."""
    out = []
    for k in range(_POINTS):
        part = steps[k * len(steps) // _POINTS : (k + 1) * len(steps) // _POINTS]
        losses = [step.loss for step in part if step is not None]
        level = max(losses) / highest if losses and highest > 0 else 0.0
        out.append(blocks[min(len(blocks) - 1, int(level * len(blocks)))] if losses else " ")
    return "".join(out)
