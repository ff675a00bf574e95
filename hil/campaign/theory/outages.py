"""Boards of TMR that lose power at random times and get it back after random ones."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from hil.analysis.model_row import ModelRow, mean_of
from hil.analysis.reliability.majority import mean_time_k_of_n
from hil.analysis.reliability.repair import tmr_mean_time
from hil.campaign.theory.order import TheoryOrder
from hil.campaign.theory.trial import NO_REPAIR, bare_scenario, run_trials
from hil.random_streams import exponential_us, stream

__all__ = ["tmr_outages"]

_FRAMES: Final = 15_000
_LOSSES_PER_S: Final = Decimal("0.002")
_RETURNS_PER_S: Final = Decimal("0.02")
_RECOVERY: Final = {**NO_REPAIR, "window_frames": 1, "reintegrate_frames": 1}


def tmr_outages(order: TheoryOrder) -> list[ModelRow]:
    """Return the mean time to failure of TMR with exponential times of failures and repairs, by the
    model with and without repair. Raises: what a run raises."""
    scenarios = (
        bare_scenario(
            seed, "tmr", _FRAMES, recovery=_RECOVERY, upsets={"events": _outages(seed)},
            rig={"scheme": "tmr", "board": "inproc", "unvoted_output": "nothing"},
        )
        for seed in order.seeds
    )  # fmt: skip
    trials = run_trials(scenarios, order)
    measured = mean_of([float(trial.frames) for trial in trials])
    losses, returns = float(_LOSSES_PER_S), float(_RETURNS_PER_S)
    derived = f"{losses:g} losses of power per board and frame; out for {1 / returns:g} on average"
    return [
        ModelRow(
            "TMR with repair: (5L + m)/6L^2",
            "MTTF [frames]",
            tmr_mean_time(losses, returns),
            measured,
            derived,
        ),
        ModelRow(
            "TMR without repair: 5/6L",
            "MTTF [frames]",
            mean_time_k_of_n(2, 3, losses),
            measured,
            derived,
            "it has no repair; here power returns",
        ),
    ]


def _outages(seed: int) -> list[dict[str, Any]]:
    """Return the losses of power of all boards, drawn from the seed. A board is without power in
    the frames that begin while it has none."""
    events = []
    for node in "abc":
        random = stream(seed, f"theory outages/{node}")
        now_us = exponential_us(random, _LOSSES_PER_S)
        while (first := -(-now_us // 1_000_000)) < _FRAMES:
            now_us += exponential_us(random, _RETURNS_PER_S)
            back = -(-now_us // 1_000_000)
            if back > first:
                events.append(
                    {"frame": first, "node": node, "target": "board",
                     "returns_after_frames": back - first}
                )  # fmt: skip
            now_us += exponential_us(random, _LOSSES_PER_S)
    return events
