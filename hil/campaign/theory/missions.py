"""Rigs without repair over a mission: TMR, and five nodes."""

from __future__ import annotations

import math
from typing import Final

from hil.analysis.model_row import ModelRow, share_of
from hil.analysis.reliability.majority import k_of_n, nmr, tmr
from hil.campaign.theory.harm import harm_share
from hil.campaign.theory.order import TheoryOrder
from hil.campaign.theory.trial import bare_scenario, run_trials
from hil.scenario import UpsetTarget

__all__ = ["five_mission", "tmr_mission"]

_FRAMES: Final = 200
_TMR_PER_S: Final = 0.0092
_FIVE_PER_S: Final = 0.018


def tmr_mission(order: TheoryOrder) -> list[ModelRow]:
    """Return the reliability of TMR over a mission. Raises: what a run raises."""
    failed, alive, derived = _fly("tmr", _TMR_PER_S, order)
    measured = share_of(order.runs - failed, order.runs)
    return [ModelRow("TMR: 3R^2 - 2R^3", f"R({_FRAMES} frames)", tmr(alive), measured, derived)]


def five_mission(order: TheoryOrder) -> list[ModelRow]:
    """Return the reliability of five nodes over a mission, by two models: the rig excludes nodes
    that have failed, so two good ones are enough. Raises: what a run raises."""
    failed, alive, derived = _fly("5mr", _FIVE_PER_S, order)
    measured = share_of(order.runs - failed, order.runs)
    quantity = f"R({_FRAMES} frames)"
    return [
        ModelRow("5MR, failed excluded: 2 of 5", quantity, k_of_n(2, 5, alive), measured, derived),
        ModelRow(
            "5MR, all vote: 3 of 5",
            quantity,
            nmr(5, alive),
            measured,
            derived,
            "it lets failed nodes vote for ever; this rig excludes them, and goes on with two",
        ),
    ]


def _fly(scheme: str, per_s: float, order: TheoryOrder) -> tuple[int, float, str]:
    """Return how many missions failed, the reliability of a node, and from what that comes."""
    rates = {"rates": [{"target": "state", "per_s": per_s}]}
    scenarios = (bare_scenario(seed, scheme, _FRAMES, upsets=rates) for seed in order.seeds)
    failed = sum(trial.lost for trial in run_trials(scenarios, order))
    harm = harm_share("attitude", UpsetTarget.STATE, _FRAMES, order.seed)
    alive = math.exp(-per_s * harm.share * _FRAMES)
    return failed, alive, f"{per_s:g} hits of the state per node and frame; {harm}"
