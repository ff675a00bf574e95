"""Rigs of three boards over a mission, two of which compute while the third is off until they do
not agree: the board that is off does not fail."""

from __future__ import annotations

import math
from typing import Final

from hil.analysis.model_row import ModelRow, share_of
from hil.analysis.reliability.majority import tmr
from hil.analysis.reliability.spares import cold_spares
from hil.campaign.theory.harm import harm_share
from hil.campaign.theory.order import TheoryOrder
from hil.campaign.theory.trial import bare_scenario, run_trials
from hil.scenario import UpsetTarget

__all__ = ["rotation_missions"]

_FRAMES: Final = 200
_PER_S: Final = 0.0138
_PATIENCE: Final = 1
"""[frame] Boards in this process boot at once: the third has decided by then, if there is one."""


def rotation_missions(order: TheoryOrder) -> list[ModelRow]:
    """Return the reliability without repair or hand-over, which would replace a state. Raises: what
    a run raises."""
    rig = {"scheme": "rotating_tmr", "board": "inproc", "turn_frames": 10 * _FRAMES}
    rates = {"rates": [{"target": "state", "per_s": _PER_S}]}
    scenarios = (
        bare_scenario(seed, "rotating_tmr", _FRAMES, rig=rig, upsets=rates) for seed in order.seeds
    )
    trials = run_trials(scenarios, order, patience=_PATIENCE)
    alive = sum(trial.frames == _FRAMES and not trial.wrong for trial in trials)
    measured = share_of(alive, order.runs)
    harm = harm_share("attitude", UpsetTarget.STATE, _FRAMES, order.seed)
    rate = _PER_S * harm.share
    derived = f"{_PER_S:g} hits of the state per node in service and frame; {harm}"
    quantity = f"R({_FRAMES} frames)"
    return [
        ModelRow(
            "two of three boards, the third off: (1 + 2Lt) exp(-2Lt)",
            quantity,
            cold_spares(1, 2.0 * rate, 1.0, _FRAMES),
            measured,
            derived,
        ),
        ModelRow(
            "TMR: 3R^2 - 2R^3",
            quantity,
            tmr(math.exp(-rate * _FRAMES)),
            measured,
            derived,
            "three boards compute; here the third is off, and not hit, until it is needed",
        ),
    ]
