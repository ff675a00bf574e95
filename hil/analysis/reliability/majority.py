"""Voting without repair: TMR, N nodes, K of N, imperfect voters, common causes.

Sources: Shooman, Reliability of Computer Systems and Networks (2002), chapter 4; von Neumann,
Probabilistic logics (1956), for the majority of many.

Assumptions: nodes fail independently, each with the same probability or at the same constant rate;
a failed node stays failed, and never helps by chance (two wrong outputs are never alike, and a
wrong output is never right again). Where nothing else is said the voter does not fail."""

from __future__ import annotations

import math

__all__ = [
    "beta_factor_tmr",
    "k_of_n",
    "k_of_n_failure",
    "least_voter",
    "mean_time_k_of_n",
    "nmr",
    "node_reliability",
    "tmr",
    "tmr_failure",
    "tmr_then_simplex",
    "two_votes",
]


def node_reliability(rate: float, time: float) -> float:
    """Return the probability that one node of a constant failure rate lives for `time`."""
    return math.exp(-rate * time)


def k_of_n(needed: int, nodes: int, reliability: float) -> float:
    """Return the probability that at least `needed` of `nodes` live. Raises: ValueError."""
    _check(needed, nodes, reliability)
    return math.fsum(
        math.comb(nodes, k) * reliability**k * (1.0 - reliability) ** (nodes - k)
        for k in range(needed, nodes + 1)
    )


def k_of_n_failure(needed: int, nodes: int, failure: float) -> float:
    """Return the probability that fewer than `needed` of `nodes` live, each of which has failed
    with the probability `failure`; small ones have all their digits. Raises: ValueError."""
    _check(needed, nodes, failure)
    return math.fsum(
        math.comb(nodes, k) * failure**k * (1.0 - failure) ** (nodes - k)
        for k in range(nodes - needed + 1, nodes + 1)
    )


def nmr(nodes: int, reliability: float, voter: float = 1.0) -> float:
    """Return the reliability of a majority of `nodes`, all of which vote for ever, also those that
    have failed; `voter` is that of the voter. Raises: ValueError."""
    return voter * k_of_n(nodes // 2 + 1, nodes, reliability)


def tmr(reliability: float, voter: float = 1.0) -> float:
    """Return the reliability of TMR: R_v (3 R^2 - 2 R^3). It is that of one node at R = 1/2.
    Raises: ValueError."""
    return nmr(3, reliability, voter)


def tmr_failure(failure: float) -> float:
    """Return the probability that TMR has failed: two or three of its nodes have, each with the
    probability `failure`. Raises: ValueError."""
    return k_of_n_failure(2, 3, failure)


def tmr_then_simplex(rate: float, time: float) -> float:
    """Return the reliability of TMR that goes on with one of two good nodes after its first
    failure: 3/2 exp(-L t) - 1/2 exp(-3 L t). It assumes that the failed node is always found."""
    return 1.5 * math.exp(-rate * time) - 0.5 * math.exp(-3.0 * rate * time)


def two_votes(nodes: int, wrong_output: float, wrong_state: float) -> float:
    """Return the probability that both votes of a frame have a right majority: that of the outputs,
    and then that of the states among the nodes with the right output. A node has a wrong output
    with one probability, and only a wrong state with the other. This is the rule of
    csrc/host/frame_verdict.c, which is better than one vote: a node whose state alone is wrong
    still helps the outputs, and one with a wrong output cannot harm the states. Raises:
    ValueError."""
    _check(1, nodes, wrong_output)
    _check(1, nodes, wrong_output + wrong_state)
    right = 1.0 - wrong_output - wrong_state
    return math.fsum(
        math.comb(nodes, out) * math.comb(nodes - out, state)
        * wrong_output**out * wrong_state**state * right ** (nodes - out - state)
        for out in range(nodes + 1)
        for state in range(nodes - out + 1)
        if 2 * (nodes - out) > nodes and 2 * (nodes - out - state) > nodes - out
    )  # fmt: skip


def mean_time_k_of_n(needed: int, nodes: int, rate: float) -> float:
    """Return the mean time until fewer than `needed` of `nodes` live: the sum of 1/(i L) for i from
    `needed` to `nodes`. For TMR it is 5/(6 L): less than that of one node. Raises: ValueError."""
    _check(needed, nodes, 0.0)
    return math.fsum(1.0 / (i * rate) for i in range(needed, nodes + 1))


def least_voter(reliability: float) -> float:
    """Return how reliable a voter must be for TMR to be better than one node: 1/(3 R - 2 R^2). Its
    least value is 8/9, at R = 3/4: with a worse voter TMR never helps. Raises: ValueError for R =
    0."""
    _check(1, 1, reliability)
    if reliability == 0.0:
        raise ValueError("nodes that never work")
    return 1.0 / (3.0 * reliability - 2.0 * reliability**2)


def beta_factor_tmr(rate: float, beta: float, time: float) -> float:
    """Return the reliability of TMR of which a share `beta` of the failures of a node hits all
    three at once: a common power supply, link or program (the beta factor of IEC 61508-6).
    Raises: ValueError."""
    _check(1, 1, beta)
    return math.exp(-beta * rate * time) * tmr(math.exp(-(1.0 - beta) * rate * time))


def _check(needed: int, nodes: int, probability: float) -> None:
    if not 1 <= needed <= nodes:
        raise ValueError(f"{needed} of {nodes} nodes")
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"{probability} is not a probability")
