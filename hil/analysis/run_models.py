"""Models of one run beside what it measured: the frames without a right output, and the coverage.

The model of a vote that repairs all nodes between two frames (`hil.analysis.reliability.repair`) is
given the rate at which faults of a node had an effect in this run, and nothing else of it; it says
how many frames have no majority then. Where the run does not keep an assumption of the model, that
is named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hil.analysis.coverage import Coverage
from hil.analysis.model_row import Measured, ModelRow, share_of
from hil.analysis.reliability.repair import frame_failure

__all__ = ["RunNumbers", "run_model_rows"]

_DIGITS: Final = 3


@dataclass(frozen=True, slots=True)
class RunNumbers:
    """The numbers of a run. `nodes` that vote; `frames` in all, and those without a right output,
    `failed`; `hits`: effective faults of all nodes, those of one node in one frame counted once;
    `outage_frames`: how long a node was out of the vote on average, 0 if none was. `together`:
    frames in which several nodes were faulty; `isolated`: nodes that were, in the end.
    `scheduled`: upsets had their frames in the scenario; `other_rig`: what its nodes do that is not
    a majority of whole outputs, empty if it is that."""

    nodes: int
    frames: int
    failed: int
    hits: int
    coverage: Coverage
    outage_frames: float = 0.0
    together: int = 0
    isolated: int = 0
    scheduled: bool = False
    other_rig: str = ""


def run_model_rows(run: RunNumbers) -> list[ModelRow]:
    """Return the models that apply to a run, beside its measurement; none without faults."""
    if not run.hits or not run.frames:
        return []
    rows: list[ModelRow] = []
    if not run.other_rig:
        rows.append(_frames(run))
    if run.coverage.effective and run.nodes > 1:
        rows.append(_coverage(run))
    return rows


def _frames(run: RunNumbers) -> ModelRow:
    rate = run.hits / (run.nodes * run.frames)
    name = "a node that fails" if run.nodes == 1 else f"a majority of {run.nodes} nodes"
    return ModelRow(
        f"{name}, repaired between frames",
        "share of frames without a right output",
        frame_failure(run.nodes, rate, 1.0),
        share_of(run.failed, run.frames),
        f"{run.hits:,} effective faults of {run.nodes} nodes in {run.frames:,} frames",
        _unkept(run),
    )


def _coverage(run: RunNumbers) -> ModelRow:
    coverage = run.coverage
    fails = ""
    if run.together:
        fails = f"each fault is alone: in {run.together:,} frames several nodes were faulty"
    elif run.isolated:
        fails = f"a repair is always left: {run.isolated} nodes had none, and were isolated"
    return ModelRow(
        "each fault that is alone is detected and recovered",
        "coverage: share of effective faults detected and recovered",
        1.0,
        Measured(coverage.share, coverage.interval, 1, coverage.effective),
        f"{coverage.covered:,} of {coverage.effective:,} effective faults",
        fails,
    )


def _unkept(run: RunNumbers) -> str:
    """Return the assumption of the model that the run does not keep; empty if it keeps all."""
    if run.scheduled:
        return "faults come by chance: upsets of this run are scheduled"
    if run.outage_frames > 1.0:
        return (
            "a repair takes no longer than to the next frame: nodes were out of the vote for "
            f"{run.outage_frames:.{_DIGITS}g} frames on average"
        )
    return ""
