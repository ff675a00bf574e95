"""Lateness: whose fault it is that a node was not heard by the end of a paced frame.

A busy computer does not look at its links in time, begins a frame late, or leaves a software board
without a processor. What is lost so is the computer's loss: a slip of the host, and no anomaly of
the node. The rule: a node is late by itself if it has had the time that it needs, since it was
first asked in vain. Its time is that of the frames that it missed, less what this computer took:

    a board that is a process of this computer has had the processor time that it was given beyond
        what a step needs, and the time for which somebody had stopped it;
    any other board has had the frame, without what the host was kept from looking at its links in
        (hil.rig.exchange), and without the part in which this computer's threads, and so those that
        serve its lines, waited for a processor (hil.rig.processor_use);
    frames in which every node that was asked was missing count for none of them: independent boards
        do not fail at once.

What a node needs is twice the slowest round trip of the calibration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from hil.clock import Clock
from hil.rig.node import SILENT, Node, NodeResult
from hil.rig.processor_use import Pressure

__all__ = ["Lateness"]

_NEEDS_FACTOR: Final = 2


class Lateness:
    """Of the nodes of one paced run, frame by frame: `begin`, then `own_times` and `judge`."""

    def __init__(self, clock: Clock, pressure: Pressure | None = None) -> None:
        self._pressure = Pressure(clock) if pressure is None else pressure
        self._needs_us = 0
        self._used: dict[str, int] = {}
        self._own_us: dict[str, int] = {}

    def calibrated(self, round_trip_us_worst: int) -> None:
        """The slowest round trip of fault-free steps [us]."""
        self._needs_us = _NEEDS_FACTOR * round_trip_us_worst

    def begin(self, nodes: Sequence[Node]) -> None:
        """A frame begins, in which these nodes are asked."""
        self._pressure.sample()
        self._used = {}
        for node in nodes:
            use = node.capabilities.processor_use
            used_us = None if use is None else use.used_us()
            if used_us is not None:
                self._used[node.name] = used_us

    def own_times(self, nodes: Sequence[Node], elapsed_us: int, kept_us: int) -> dict[str, int]:
        """How much of the `elapsed_us` of this frame each node had for itself; `kept_us`: what the
        host was kept from looking in."""
        share = self._pressure.share
        times: dict[str, int] = {}
        for node in nodes:
            own_us = self._process_time_us(node, elapsed_us)
            if own_us is None:
                own_us = round((elapsed_us - kept_us) * (1 - share))
            times[node.name] = min(elapsed_us, max(0, own_us))
        return times

    def _process_time_us(self, node: Node, elapsed_us: int) -> int | None:
        use, before_us = node.capabilities.processor_use, self._used.get(node.name)
        if use is None or before_us is None:
            return None
        if use.is_stopped():
            return elapsed_us
        after_us = use.used_us()
        return None if after_us is None else after_us - before_us - self._needs_us

    def judge(self, results: dict[str, NodeResult], own_times: Mapping[str, int]) -> None:
        """Mark in `results` of a frame what is the host's fault."""
        missing = [name for name, r in results.items() if _is_missing(r)]
        together = len(results) > 1 and len(missing) == len(results)
        for name, result in results.items():
            if result.late:
                own_us = 0 if together else own_times[name]
                self._own_us[name] = self._own_us.get(name, 0) + own_us
            elif not result.out_of_step:
                self._own_us.pop(name, None)
                continue
            if name in self._own_us and self._own_us[name] < self._needs_us:
                why = "out of step" if result.out_of_step else "not heard in time"
                results[name] = result._replace(
                    host=True, reason=f"{why}, as this computer was busy"
                )
            if result.out_of_step:
                self._own_us.pop(name, None)

    def forget_all_but(self, names: AbstractSet[str]) -> None:
        """What the other nodes had before does not count any more."""
        for name in [n for n in self._own_us if n not in names]:
            del self._own_us[name]

    def forget(self) -> None:
        """From now on all nodes count as heard."""
        self._own_us.clear()


def _is_missing(result: NodeResult) -> bool:
    """It may be there, and only not have been heard in time."""
    return result.out_of_step or (result.status == SILENT and result.late)
