"""The number of faults after which a node is excluded: the optimum between wasting good nodes and
keeping bad ones."""

from __future__ import annotations

import math
from typing import Final

from hil.analysis.intervals import Interval
from hil.analysis.model_row import Measured, ModelRow, share_of
from hil.analysis.reliability.persistence import PersistenceModel
from hil.campaign.theory.harm import harm_share
from hil.campaign.theory.order import TheoryOrder
from hil.campaign.theory.trial import NO_REPAIR, bare_scenario, run_trials
from hil.scenario import UpsetTarget

__all__ = ["persistence_counts"]

_FRAMES: Final = 200
_BROKEN_FROM: Final = 20
_PER_S: Final = 0.07
_COUNTS: Final = (0, 1, 2, 4, 8, 16, 32)
_STUCK: Final = {
    "frame": _BROKEN_FROM,
    "node": "d",
    "target": "output",
    "bit": 62,
    "pattern": {"kind": "stuck", "value": 1},
    "permanent": True,
}
"""The top bit of the exponent of the first number of the output, which is below 2: so the bit is 0
in every right output."""


def persistence_counts(order: TheoryOrder) -> list[ModelRow]:
    """Return the reliability of four nodes with each persistence count, and the best count.
    Raises: what a run raises."""
    harm = harm_share("attitude", UpsetTarget.OUTPUT, _FRAMES, order.seed)
    hit = -math.expm1(-_PER_S * harm.share)
    model = PersistenceModel(4, _FRAMES, hit, broken=1, broken_from=_BROKEN_FROM)
    predicted = [model.reliability(count) for count in _COUNTS]  # before anything is measured
    derived = f"{_PER_S:g} hits of the output per node and frame; {harm}; one node broken"
    survived: list[int] = []
    for number, count in enumerate(_COUNTS):
        own = TheoryOrder(max(1, order.runs // 2), order.seed, order.part(number, len(_COUNTS)))
        survived.append(_survived(count, own))
    each = max(1, order.runs // 2)
    rows = [
        ModelRow("persistence, Markov chain", f"R({_FRAMES} frames), count {count}",
                 value, share_of(good, each), derived)
        for count, value, good in zip(_COUNTS, predicted, survived, strict=True)
    ]  # fmt: skip
    last = len(_COUNTS) - 1
    most = max(range(len(_COUNTS)), key=survived.__getitem__)
    near = Interval(float(_COUNTS[max(0, most - 1)]), float(_COUNTS[min(last, most + 1)]))
    best = Measured(float(_COUNTS[most]), near, each * len(_COUNTS), survived[most])
    chosen = float(model.best(_COUNTS))
    return [
        *rows,
        ModelRow("persistence, Markov chain", "best count, within one step", chosen, best, derived),
    ]


def _survived(count: int, order: TheoryOrder) -> int:
    """Return how many runs always had a majority, with nodes excluded after `count` faults."""
    recovery = {**NO_REPAIR, "resyncs": count}
    upsets = {"rates": [{"target": "output", "per_s": _PER_S}], "events": [_STUCK]}
    scenarios = (
        bare_scenario(seed, "4mr", _FRAMES, recovery=recovery, upsets=upsets)
        for seed in order.seeds
    )
    return sum(not trial.lost for trial in run_trials(scenarios, order))
