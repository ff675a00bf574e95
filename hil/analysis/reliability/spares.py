"""Hot and cold spares, and the coverage of the switch to them.

Sources: Shooman, Reliability of Computer Systems and Networks (2002), chapters 3 and 4; Bouricius,
Carter and Schneider, Reliability modeling techniques for self-repairing computer systems (1969),
for coverage.

Assumptions: a hot spare fails like an active node; a cold one does not fail, or at a lower rate of
its own; the failure of an active node is found and a spare takes its place at once, with the
probability `coverage`, and otherwise the system has failed; nothing is repaired."""

from __future__ import annotations

import math

from hil.analysis.reliability.majority import k_of_n
from hil.analysis.reliability.markov import MarkovChain

__all__ = ["cold_spares", "cold_spares_mean_time", "spares_chain", "tmr_hot_spares"]

LOST = "lost"
"""The state of a chain in which the system has failed."""


def tmr_hot_spares(spares: int, reliability: float) -> float:
    """Return the reliability of TMR with hot spares and a switch that never fails: two of all nodes
    must live: 1 - (1 - R)^(S+2) (1 + (S+2) R). Raises: ValueError."""
    return k_of_n(2, spares + 3, reliability)


def cold_spares(spares: int, rate: float, coverage: float, time: float) -> float:
    """Return the reliability of one active node with cold spares that do not fail: exp(-L t) times
    the sum of (c L t)^k / k! for k up to S."""
    mean = coverage * rate * time
    return math.exp(-rate * time) * math.fsum(
        mean**k / math.factorial(k) for k in range(spares + 1)
    )


def cold_spares_mean_time(spares: int, rate: float, coverage: float) -> float:
    """Return the mean time to failure of one active node with cold spares that do not fail: the sum
    of c^k / L for k up to S; (1 + c)/L with one."""
    return math.fsum(coverage**k for k in range(spares + 1)) / rate


def spares_chain(
    active: int,
    spares: int,
    rate: float,
    *,
    needed: int,
    coverage: float = 1.0,
    dormant_rate: float = 0.0,
) -> MarkovChain:
    """Return the chain of `active` nodes, `needed` of which must live, and `spares`. A state is
    `ACTIVE+SPARES`; `LOST` is the failed system. `dormant_rate` is that of a waiting spare: `rate`
    for a hot one, 0 for a cold one. Coverage counts for each switch to a spare.

    Raises: ValueError for numbers of nodes that make no sense."""
    if not (1 <= needed <= active and spares >= 0 and 0.0 <= coverage <= 1.0):
        raise ValueError(f"{needed} of {active} nodes, {spares} spares, coverage {coverage}")
    rates: dict[tuple[str, str], float] = {}

    def add(source: str, target: str, value: float) -> None:
        rates[source, target] = rates.get((source, target), 0.0) + value

    for left in range(spares, 0, -1):
        state, fewer = f"{active}+{left}", f"{active}+{left - 1}"
        add(state, fewer, active * rate * coverage + left * dormant_rate)
        add(state, LOST, active * rate * (1.0 - coverage))
    for alive in range(active, needed - 1, -1):
        target = f"{alive - 1}+0" if alive > needed else LOST
        add(f"{alive}+0", target, alive * rate)
    return MarkovChain(rates)
