"""Rigs with spares over a mission: one node with a cold spare, and TMR with a hot one.

The cold spare has a coverage of 0.9: nine of ten failures of a node are crashes, which are seen,
and after which the spare takes its place; one of ten is a wrong output, which nobody sees."""

from __future__ import annotations

import math
from typing import Final

from hil.analysis.model_row import ModelRow, share_of
from hil.analysis.reliability.majority import node_reliability, tmr
from hil.analysis.reliability.spares import cold_spares, tmr_hot_spares
from hil.campaign.theory.harm import harm_share
from hil.campaign.theory.order import TheoryOrder
from hil.campaign.theory.trial import bare_scenario, run_trials
from hil.scenario import UpsetTarget

__all__ = ["spare_missions"]

_FRAMES: Final = 200
_CRASHES_PER_S: Final = 0.00702
_OUTPUTS_PER_S: Final = 0.00546
_HOT_PER_S: Final = 0.0138
_PATIENCE: Final = 10
"""[frame] A cold spare has taken over by then, if there is one."""


def spare_missions(order: TheoryOrder) -> list[ModelRow]:
    """Return the reliability of both rigs, also by models that leave out coverage, or the spare.
    Raises: what a run raises."""
    return [*_cold(order), *_hot(order)]


def _cold(order: TheoryOrder) -> list[ModelRow]:
    rig = {"scheme": "simplex", "board": "inproc", "cold_spares": 1}
    rates = [
        {"target": "cpu", "per_s": _CRASHES_PER_S, "sefis": {"crash": 1.0}},
        {"target": "output", "per_s": _OUTPUTS_PER_S},
    ]
    scenarios = (
        bare_scenario(seed, "simplex", _FRAMES, rig=rig, upsets={"rates": rates})
        for seed in order.seeds
    )
    trials = run_trials(scenarios, order, patience=_PATIENCE)
    measured = share_of(sum(t.right_at_end and not t.wrong for t in trials), order.runs)
    harm = harm_share("attitude", UpsetTarget.OUTPUT, _FRAMES, order.seed)
    unseen = _OUTPUTS_PER_S * harm.share
    rate = _CRASHES_PER_S + unseen
    coverage = _CRASHES_PER_S / rate
    derived = (
        f"{_CRASHES_PER_S:g} crashes per node and frame, and {_OUTPUTS_PER_S:g} hits of the "
        f"output; {harm}: coverage {coverage:.4f}"
    )
    quantity = f"R({_FRAMES} frames)"
    return [
        ModelRow(
            f"cold spare, coverage {coverage:.2g}",
            quantity,
            cold_spares(1, rate, coverage, _FRAMES),
            measured,
            derived,
        ),
        ModelRow(
            "one node, no spare",
            quantity,
            node_reliability(rate, _FRAMES),
            measured,
            derived,
            "it has no spare; here one takes over after a crash",
        ),
    ]


def _hot(order: TheoryOrder) -> list[ModelRow]:
    rig = {"scheme": "tmr", "board": "inproc", "hot_spares": 1}
    rates = {"rates": [{"target": "state", "per_s": _HOT_PER_S}]}
    scenarios = (bare_scenario(seed, "tmr", _FRAMES, rig=rig, upsets=rates) for seed in order.seeds)
    alive_runs = order.runs - sum(trial.lost for trial in run_trials(scenarios, order))
    measured = share_of(alive_runs, order.runs)
    harm = harm_share("attitude", UpsetTarget.STATE, _FRAMES, order.seed)
    alive = math.exp(-_HOT_PER_S * harm.share * _FRAMES)
    derived = f"{_HOT_PER_S:g} hits of the state per node and frame; {harm}"
    quantity = f"R({_FRAMES} frames)"
    return [
        ModelRow("TMR and a hot spare", quantity, tmr_hot_spares(1, alive), measured, derived),
        ModelRow(
            "TMR: 3R^2 - 2R^3",
            quantity,
            tmr(alive),
            measured,
            derived,
            "it has no spare; here one stands in for a node that is excluded",
        ),
    ]
