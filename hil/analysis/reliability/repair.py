"""Voting with repair: reliability and mean times to failure, coverage, repair between frames.

Sources: Trivedi, Probability and Statistics with Reliability, Queuing and Computer Science
Applications (2nd edition 2002), section 8.4; Shooman, Reliability of Computer Systems and Networks
(2002), chapter 4.

Assumptions: those of `majority`, but a failed node is repaired. Between events repair takes an
exponential time at a constant rate, and one node is repaired at a time; between frames it is done
at the end of the frame that shows the failure, and takes no time. The system has failed when there
is no majority, and nothing repairs it then."""

from __future__ import annotations

import math

from hil.analysis.reliability.majority import k_of_n_failure
from hil.analysis.reliability.markov import MarkovChain

__all__ = [
    "five_mr_mean_time",
    "frame_failure",
    "frame_mean_time",
    "nmr_chain",
    "outage_mean_time",
    "tmr_coverage_mean_time",
    "tmr_mean_time",
    "tmr_reliability",
]


def tmr_reliability(rate: float, repair_rate: float, time: float) -> float:
    """Return the reliability of TMR with repair, in closed form. With l = 5 L + mu and the roots s
    = (-l +- sqrt(l^2 - 24 L^2))/2 it is (s1 exp(s2 t) - s2 exp(s1 t))/(s1 - s2)."""
    total = 5.0 * rate + repair_rate
    fast = -0.5 * (total + math.sqrt(max(0.0, total * total - 24.0 * rate * rate)))
    slow = 6.0 * rate * rate / fast  # their product is 6 L^2: no difference of large numbers
    fast_part, slow_part = math.exp(fast * time), math.exp(slow * time)
    return (fast * slow_part - slow * fast_part) / (fast - slow)


def tmr_mean_time(rate: float, repair_rate: float) -> float:
    """Return the mean time to failure of TMR with repair: (5 L + mu)/(6 L^2)."""
    return (5.0 * rate + repair_rate) / (6.0 * rate**2)


def tmr_coverage_mean_time(rate: float, repair_rate: float, coverage: float) -> float:
    """Return the mean time to failure of TMR with repair, whose first failure is handled with the
    probability `coverage` and ends the system otherwise: (2 L + mu + 3 L c)/(3 L (2 L + mu (1 -
    c)))."""
    below = 3.0 * rate * (2.0 * rate + repair_rate * (1.0 - coverage))
    return (2.0 * rate + repair_rate + 3.0 * rate * coverage) / below


def five_mr_mean_time(rate: float, repair_rate: float) -> float:
    """Return the mean time to failure of five nodes that vote, with one repair at a time: (47 L^2 +
    8 L mu + mu^2)/(60 L^3)."""
    return (47.0 * rate**2 + 8.0 * rate * repair_rate + repair_rate**2) / (60.0 * rate**3)


def nmr_chain(nodes: int, rate: float, repair_rate: float) -> MarkovChain:
    """Return the chain of `nodes` that vote, with one repair at a time: the states are `0`, `1`,
    ... failed nodes, and `lost` without a majority. Raises: ValueError."""
    spare = (nodes - 1) // 2
    rates: dict[tuple[str, str], float] = {}
    for failed in range(spare + 1):
        to = str(failed + 1) if failed < spare else "lost"
        rates[str(failed), to] = (nodes - failed) * rate
        if failed:
            rates[str(failed), str(failed - 1)] = repair_rate
    return MarkovChain(rates)


def outage_mean_time(rate: float, repair_time: float) -> float:
    """Return the mean time to failure of TMR whose repairs all take the same time D. A failure of a
    second node within D, with the probability q = 1 - exp(-2 L D), ends the system: (1/(3 L) +
    q/(2 L))/q."""
    second = -math.expm1(-2.0 * rate * repair_time)
    return (1.0 / (3.0 * rate) + second / (2.0 * rate)) / second


def frame_failure(nodes: int, rate: float, frame: float) -> float:
    """Return the probability that a frame of the length `frame` has no majority, if all `nodes` are
    right at its beginning: more than half, or half, fail within it. For TMR it is 3 p^2 - 2 p^3
    with p = 1 - exp(-L T). Raises: ValueError."""
    return k_of_n_failure(nodes // 2 + 1, nodes, -math.expm1(-rate * frame))


def frame_mean_time(nodes: int, rate: float, frame: float) -> float:
    """Return the mean time until a frame has no majority, with all nodes repaired at the end of
    each: T/P; for rare failures of TMR 1/(3 L^2 T). Raises: ValueError."""
    return frame / frame_failure(nodes, rate, frame)
