"""Rigs that are repaired after each frame: a failure needs several nodes hit in one frame."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hil.analysis.model_row import Measured, ModelRow, share_of, wait_of
from hil.analysis.reliability.majority import nmr, node_reliability, two_votes
from hil.analysis.reliability.repair import frame_mean_time, tmr_mean_time
from hil.campaign.theory.harm import harm_share
from hil.campaign.theory.order import TheoryOrder
from hil.campaign.theory.trial import NO_REPAIR, Trial, bare_scenario, run_trials
from hil.scenario import UpsetTarget

__all__ = ["REPAIR", "five_votes", "tmr_repaired"]

REPAIR: Final = {
    **NO_REPAIR,
    "resyncs": 1,
    "restarts": 1,
    "window_frames": 1,
    "reintegrate_frames": 1,
}
"""The recovery that repairs each node at the end of the frame in which it fails."""
_TMR_PER_S: Final = 0.14
_TMR_FRAMES: Final = 3000
_FIVE_FRAMES: Final = 100
_OUTPUT_PER_S: Final = 2.0
_STATE_PER_S: Final = 0.8


def five_votes(order: TheoryOrder) -> list[ModelRow]:
    """Return the reliability of one frame of five nodes, all of which vote: with hits of outputs,
    which keep the assumptions of the model, and of states, which do not. Raises: what a run
    raises."""
    half = replace(order, runs=max(1, order.runs // 2))
    quantity = "R(1 frame)"
    measured, rate, _, derived = _one_frame(UpsetTarget.OUTPUT, _OUTPUT_PER_S, half)
    alive = node_reliability(rate, 1.0)
    rows = [ModelRow("NMR, N = 5: 3 of 5", quantity, nmr(5, alive), measured, derived)]
    measured, rate, latent, derived = _one_frame(UpsetTarget.STATE, _STATE_PER_S, half)
    alive, right_output = node_reliability(rate, 1.0), node_reliability(rate - latent, 1.0)
    both = two_votes(5, 1.0 - right_output, right_output - alive)
    return [
        *rows,
        ModelRow("outputs, then states: two votes", quantity, both, measured, derived),
        ModelRow(
            "NMR, N = 5: 3 of 5",
            quantity,
            nmr(5, alive),
            measured,
            derived,
            "it has one vote, on which a node is right or wrong; here many hits leave the output "
            "right and only the state wrong, and each has a vote of its own",
        ),
    ]


def _one_frame(
    target: UpsetTarget, per_s: float, order: TheoryOrder
) -> tuple[Measured, float, float, str]:
    """Return the share of frames with a majority, the rate of harmful hits and that of hits of the
    state alone, and from what they come."""
    trials, rate, latent, derived = _fly("5mr", target, per_s, _FIVE_FRAMES, order)
    frames, lost = sum(t.frames for t in trials), sum(t.lost for t in trials)
    return share_of(frames - lost, frames), rate, latent, derived


def tmr_repaired(order: TheoryOrder) -> list[ModelRow]:
    """Return the mean time to failure of TMR that is repaired after each frame, by two models.
    Raises: what a run raises."""
    trials, rate, _, derived = _fly("tmr", UpsetTarget.STATE, _TMR_PER_S, _TMR_FRAMES, order)
    measured = wait_of(sum(t.lost for t in trials), sum(t.frames for t in trials), len(trials))
    return [
        ModelRow(
            "TMR repaired every frame: T/P",
            "MTTF [frames]",
            frame_mean_time(3, rate, 1.0),
            measured,
            derived,
        ),
        ModelRow(
            "TMR with repair: (5L + m)/6L^2",
            "MTTF [frames]",
            tmr_mean_time(rate, 1.0),
            measured,
            derived,
            "it has repair times that are exponential, here of 1 frame on average; this rig "
            "repairs at the end of the frame, never later",
        ),
    ]


def _fly(
    scheme: str, target: UpsetTarget, per_s: float, frames: int, order: TheoryOrder
) -> tuple[list[Trial], float, float, str]:
    """Return the runs, the rate of harmful hits of a node per frame and that of hits of the state
    alone, and from what they come."""
    rates = {"rates": [{"target": target.value, "per_s": per_s}]}
    scenarios = (
        bare_scenario(seed, scheme, frames, upsets=rates, recovery=REPAIR) for seed in order.seeds
    )
    harm = harm_share("attitude", target, 50, order.seed)
    derived = f"{per_s:g} hits of the {target} per node and frame; {harm}"
    trials = run_trials(scenarios, order)
    return trials, per_s * harm.share, per_s * harm.latent_share, derived
