"""The interval between checkpoints with the least overhead: a pair that rolls back.

Both nodes of a pair go back to their last checkpoint when they disagree, and compute again. The
work that this costs is counted by the board itself, in steps. What a checkpoint costs depends on
the board's memory; here it is given, in steps, and the same for model and measurement."""

from __future__ import annotations

from statistics import fmean
from typing import Final

from hil.analysis.intervals import Interval
from hil.analysis.model_row import Measured, ModelRow, mean_of
from hil.analysis.reliability.checkpoint_interval import daly, frame_overhead, young
from hil.campaign.theory.harm import harm_share
from hil.campaign.theory.order import TheoryOrder
from hil.campaign.theory.trial import NO_REPAIR, bare_scenario, run_trials
from hil.scenario import UpsetTarget

__all__ = ["checkpoint_costs"]

_FRAMES: Final = 1000
_INTERVALS: Final = (4, 8, 16, 32, 64, 128)
_PER_S: Final = 0.014
_COST: Final = 4.0
"""[step] The cost of one checkpoint."""


def checkpoint_costs(order: TheoryOrder) -> list[ModelRow]:
    """Return the best interval between checkpoints, by Young and Daly, and the overhead there.
    Raises: what a run raises."""
    harm = harm_share("attitude", UpsetTarget.STATE, _FRAMES, order.seed)
    failures = 2 * _PER_S * harm.share
    each = max(2, order.runs // len(_INTERVALS) // 2)
    overheads: list[list[float]] = []
    for number, frames in enumerate(_INTERVALS):
        own = TheoryOrder(each, order.seed, order.part(number, len(_INTERVALS)))
        overheads.append(_overheads(frames, own))
    least = min(range(len(_INTERVALS)), key=lambda i: fmean(overheads[i]))
    near = _INTERVALS[max(0, least - 1)], _INTERVALS[min(len(_INTERVALS) - 1, least + 1)]
    best = Measured(
        float(_INTERVALS[least]), Interval(*map(float, near)), each * len(_INTERVALS), each
    )
    derived = (
        f"{_COST:g} steps per checkpoint; a failure in {1 / failures:.1f} frames: {_PER_S:g} hits "
        f"of the state of each node per frame, {harm}; intervals {', '.join(map(str, _INTERVALS))}"
    )
    at_best = mean_of(overheads[least])
    return [
        ModelRow("Young: sqrt(2 c M)", "best interval [frames], within one step",
                 young(_COST, 1.0 / failures), best, derived),
        ModelRow("Daly, higher order", "best interval [frames], within one step",
                 daly(_COST, 1.0 / failures), best, derived),
        ModelRow(
            "frames computed again: c/k + f (k + 1)/2",
            f"overhead [steps per frame], k = {_INTERVALS[least]}",
            frame_overhead(_INTERVALS[least], _COST, failures),
            at_best,
            derived,
            "it stores checkpoints at fixed frames only; this rig stores one after each rollback, "
            "too, which costs more and saves computing again",
        ),
    ]  # fmt: skip


def _overheads(every: int, order: TheoryOrder) -> list[float]:
    """Return the extra steps per frame of each run: computed again, and for checkpoints."""
    recovery = {**NO_REPAIR, "resyncs": 1, "restarts": 1, "window_frames": 1, "rollbacks": 1,
                "checkpoint_every": every}  # fmt: skip
    rates = {"rates": [{"target": "state", "per_s": _PER_S}]}
    scenarios = (
        bare_scenario(seed, "dmr", _FRAMES, recovery=recovery, upsets=rates) for seed in order.seeds
    )
    out = []
    for trial in run_trials(scenarios, order, patience=None):
        stored = trial.frames // every + trial.rollbacks
        out.append((trial.steps - trial.frames + _COST * stored) / trial.frames)
    return out
