"""Measures a link: round trips, the highest rate, the latency timer of its adapter."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import median
from typing import Final

from hil.errors import LinkTimeout
from hil.rig.backends.capabilities import rate_of
from hil.rig.bench_test.board_links import BoardLinks, BoardUnderTest
from hil.rig.calls import Call, Timing
from hil.rig.discovery.probe import has_rate
from hil.rig.exchange import run_calls
from hil.rig.low_latency import SYSFS, latency_timer_ms
from hil.scenario.bench_report import LinkFigures
from hil.scenario.words import BAUD_RATES
from hil.wire.messages import Msg, Refusal

__all__ = ["measure_link"]

_ROUND_TRIPS: Final = 200
_ROUND_TRIPS_MAX_US: Final = 4_000_000
_UNKNOWN_TYPE: Final = 0x60
"""A request of a reserved type (csrc/SPEC.md, section 3), which is refused: the shortest round
trip."""

_TIMING: Final = Timing(retry_us=200_000, lost_after_us=2_000_000, noise_patience=1)
_HELLOS: Final = 64
"""Answers of some 200 bytes each that must arrive undamaged at a rate."""


def measure_link(links: BoardLinks, board: BoardUnderTest, sysfs: Path = SYSFS) -> LinkFigures:
    """Measure the link of a board that has answered; the line is at its safe rate afterwards.

    Raises: LinkTimeout if the agent does not answer any more; VersionMismatch."""
    repeats_before = board.node.link.statistics.retries
    times_us = _round_trips_us(links, board)
    repeats = board.node.link.statistics.retries - repeats_before
    return LinkFigures(
        round_trip_median_ms=round(median(times_us) / 1000, 3),
        round_trip_p99_ms=round(times_us[math.ceil(0.99 * len(times_us)) - 1] / 1000, 3),
        repeats=repeats,
        best_baud=_best_rate(links, board),
        latency_timer_ms=latency_timer_ms(board.port, sysfs),
    )


def _round_trips_us(links: BoardLinks, board: BoardUnderTest) -> list[int]:
    """Return the round trips of short requests [us], sorted."""
    link, times_us = board.node.link, list[int]()
    end_us = links.clock.now_us() + _ROUND_TRIPS_MAX_US
    while len(times_us) < _ROUND_TRIPS and (not times_us or links.clock.now_us() < end_us):
        call = Call(link, links.requests.next_seq(), _UNKNOWN_TYPE)
        run_calls([call], _TIMING)
        if not isinstance(call.result, Refusal) or link.round_trip_us is None:
            raise LinkTimeout(f"{board.name} stopped answering: {link.silence}")
        times_us.append(link.round_trip_us)
    return sorted(times_us)


def _best_rate(links: BoardLinks, board: BoardUnderTest) -> int | None:
    """Return the highest rate at which no frame is damaged [bit/s], at least the safe one; None if
    the line has no rate, or its agent cannot change it."""
    rates, node = links.requests.rates, board.node
    rate = rate_of(node.link.transport)
    if rate is None or not has_rate(board.port) or not rates.can_change(node):
        return None
    best = rate.safe
    for baud in sorted((r for r in BAUD_RATES if r > rate.safe), reverse=True):
        if rates.change(node, baud) is None and _is_clean(links, board):
            best = baud
            break
        rates.change(node, rate.safe)
    rates.change(node, rate.safe)
    links.identify(board)
    return best


def _is_clean(links: BoardLinks, board: BoardUnderTest) -> bool:
    """Return whether no frame of many was damaged, or had to be sent again, at the present rate."""
    counts = board.node.link.statistics
    before = (counts.rx_errors, counts.naks, counts.retries)
    for _ in range(_HELLOS):
        call = Call(board.node.link, links.requests.next_seq(), Msg.HELLO)
        run_calls([call], _TIMING)
        if (counts.rx_errors, counts.naks, counts.retries) != before:
            return False
        if not isinstance(call.result, bytes):
            return False
    return True
