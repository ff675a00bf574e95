"""Imperfect detection: one node with cold spares, of whose failures only a share is detected.

A failure that is detected is a crash: the node is isolated, and the next spare is switched on,
boots and takes over. One that is not is a wrong output, which a rig without a second node delivers:
the system has failed. The coverage is the share of crashes in all failures."""

from __future__ import annotations

from typing import Final

from hil.analysis.model_row import ModelRow, share_of
from hil.analysis.reliability.majority import node_reliability
from hil.analysis.reliability.spares import cold_spares
from hil.campaign.theory.harm import harm_share
from hil.campaign.theory.order import TheoryOrder
from hil.campaign.theory.trial import bare_scenario, run_trials
from hil.scenario import UpsetTarget

__all__ = ["spares_by_coverage"]

_FRAMES: Final = 200
_RATE: Final = 0.01
"""Failures of a node per frame: two in a mission, so that coverage and spares both show."""
_SPARES: Final = (1, 2)
_LOW: Final = 0.6
"""Up to this coverage a model of perfect detection differs clearly."""
_PATIENCE: Final = 10
"""[frame] A cold spare has taken over by then, if there is one."""


def spares_by_coverage(order: TheoryOrder) -> list[ModelRow]:
    """Return the reliability with one and with two cold spares for each coverage of the order; and
    for the least coverage also by models that leave out coverage, or the spares. Raises: what a run
    raises."""
    harm = harm_share("attitude", UpsetTarget.OUTPUT, _FRAMES, order.seed)
    cases = [(coverage, spares) for coverage in order.coverages for spares in _SPARES]
    rows: list[ModelRow] = []
    for number, (coverage, spares) in enumerate(cases):
        own = TheoryOrder(order.runs, order.seed, order.part(number, len(cases)))
        measured = share_of(_survivors(coverage, spares, harm.share, own), order.runs)
        derived = (
            f"L = {_RATE:g} failures per node and frame, T = {_FRAMES} frames: {coverage:g} L "
            f"crashes, and {1 - coverage:.3g} L wrong outputs; {harm} (Bouricius, Carter and "
            "Schneider 1969)"
        )
        name = f"{spares} cold spare{'s' * (spares > 1)}, coverage {coverage:g}"

        def row(model: str, share: float, fails: str = "") -> ModelRow:
            quantity = f"R({_FRAMES} frames)"
            return ModelRow(model, quantity, share, measured, derived, fails)  # noqa: B023

        predicted = cold_spares(spares, _RATE, coverage, _FRAMES)
        rows.append(row(f"{name}: exp(-LT) sum (cLT)^k/k!", predicted))
        if coverage == min(order.coverages) <= _LOW and spares == max(_SPARES):
            fails = f"every failure is detected; here {1 - coverage:.3g} of them are not"
            perfect = cold_spares(spares, _RATE, 1.0, _FRAMES)
            rows.append(row(f"{spares} cold spares, perfect detection", perfect, fails))
            if coverage:
                alone = node_reliability(_RATE, _FRAMES)
                fails = f"it has no spare; here {spares} may take over"
                rows.append(row("one node: exp(-LT)", alone, fails))
    return rows


def _survivors(coverage: float, spares: int, harm: float, order: TheoryOrder) -> int:
    """Return how many missions ended with a right output and never had a wrong one."""
    rig = {"scheme": "simplex", "board": "inproc", "cold_spares": spares}
    rates = [
        {"target": "cpu", "per_s": coverage * _RATE, "sefis": {"crash": 1.0}},
        {"target": "output", "per_s": (1.0 - coverage) * _RATE / harm},
    ]
    upsets = {"rates": [rate for rate in rates if rate["per_s"]]}
    scenarios = (
        bare_scenario(seed, "simplex", _FRAMES, rig=rig, upsets=upsets) for seed in order.seeds
    )
    trials = run_trials(scenarios, order, patience=_PATIENCE)
    return sum(trial.right_at_end and not trial.wrong for trial in trials)
