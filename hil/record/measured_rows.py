"""Rows of what is measured beside the boards, as frozen values: link counters, bench supplies."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RecordedLinkCounts", "RecordedPower"]


@dataclass(frozen=True, slots=True)
class RecordedLinkCounts:
    """A row of `link_counts`: the counters of a node's link (its index) at a frame."""

    id: int
    frame: int
    node: int
    tx_frames: int
    tx_bytes: int
    rx_frames: int
    rx_bytes: int
    rx_errors: int
    naks: int
    retries: int
    stale: int
    reconnects: int
    chatter_bytes: int


@dataclass(frozen=True, slots=True)
class RecordedPower:
    """A row of `power`: what a bench supply measured, or what it did (`event`)."""

    id: int
    frame: int
    node: str
    wall_us: int
    volts: float | None
    amps: float | None
    event: str
