"""Primaries with two monitors whose outputs are hit: voted out in the first frame in which both
contradict them, or only in the second, until when their output leaves the system."""

from __future__ import annotations

from typing import Final

from hil.analysis.model_row import Measured, ModelRow, wait_of
from hil.analysis.reliability.repair import frame_mean_time
from hil.campaign.theory.frame_votes import REPAIR
from hil.campaign.theory.harm import harm_share
from hil.campaign.theory.order import TheoryOrder
from hil.campaign.theory.trial import bare_scenario, run_trials
from hil.scenario import UpsetTarget

__all__ = ["monitored_primaries"]

_PER_S: Final = 0.35
_FRAMES: Final = 3000


def monitored_primaries(order: TheoryOrder) -> list[ModelRow]:
    """Return the mean time to the first frame without a right output, of both rules. Raises: what a
    run raises."""
    harm = harm_share("attitude", UpsetTarget.OUTPUT, 50, order.seed)
    rate = _PER_S * harm.share
    derived = f"{_PER_S:g} hits of the output per node and frame; {harm}"
    quantity = "MTTF [frames]"
    at_once, patient = (_fly(frames, order) for frames in (1, 2))
    voted = frame_mean_time(3, rate, 1.0)
    return [
        ModelRow("primary, out at once: T/P of TMR", quantity, voted, at_once, derived),
        ModelRow(
            "primary, out in the 2nd frame: one node's T/p",
            quantity,
            frame_mean_time(1, rate, 1.0),
            patient,
            derived,
        ),
        ModelRow(
            "primary, out in the 2nd frame: T/P of TMR",
            quantity,
            voted,
            patient,
            derived,
            "it has a majority that decides in each frame; here the output of the primary leaves "
            "in the first frame in which its monitors contradict it",
        ),
    ]


def _fly(frames: int, order: TheoryOrder) -> Measured:
    """Return the mean time with this number of frames until the primary is voted out."""
    scheme = "primary_monitors"
    rig = {"scheme": scheme, "board": "inproc", "monitors": {"frames": frames}}
    rates = {"rates": [{"target": UpsetTarget.OUTPUT.value, "per_s": _PER_S}]}
    trials = run_trials(
        (
            bare_scenario(seed, scheme, _FRAMES, rig=rig, upsets=rates, recovery=REPAIR)
            for seed in order.seeds
        ),
        order,
    )
    return wait_of(sum(t.lost for t in trials), sum(t.frames for t in trials), len(trials))
