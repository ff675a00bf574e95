"""Lateness: whether the node or this computer is why no answer came by the end of a frame, in a run
in real time.

A busy computer reads its links late, begins a frame late, or gives a software board no CPU time.
That is a slip of the host, not an anomaly of the node. The rule: a node itself is late if it has
had as much time of its own as it needs, since the first request that it did not answer. Its own
time is summed over the frames that it missed:

    a board that is a process of this computer: the CPU time that it used beyond that of a step, or
        all of the frame while the process is stopped (SIGSTOP);
    any other board: the frame, without the time for which the host could not read its links
        (hil.rig.exchange), and without the share of it in which threads of this computer waited for
        a processor (hil.rig.processor_use);
    frames in which no node answered do not count: independent boards do not fail at the same time;
    a board whose power this program has cut is silent because of that: it is never the host.

A node needs twice the slowest round trip of the calibration.

What a node that misses the end of a frame is told as:

    late         it may still answer; a slip, of the node or of the host
    behind       it answers, and is out of step because frames went on while it was late; it
                 computes those that it missed (hil.engine.catch_up), or after very many, which is
                 a slip, is resynced
    out of step  it was not late before: something has changed its state; an anomaly, unless an
                 upset explains it
    lost         it has not answered for `timeouts.lost_after_ms` of listening; an anomaly likewise
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
    """Judges the late nodes of a run in real time. Call `begin`, `own_times` and `judge` in each
    frame. Not thread-safe."""

    def __init__(self, clock: Clock, pressure: Pressure | None = None) -> None:
        self._pressure = Pressure(clock) if pressure is None else pressure
        self._needs_us = 0
        self._used: dict[str, int] = {}
        self._own_us: dict[str, int] = {}

    def calibrated(self, round_trip_us_worst: int) -> None:
        """Set the slowest round trip of fault-free steps [us]."""
        self._needs_us = _NEEDS_FACTOR * round_trip_us_worst

    def begin(self, nodes: Sequence[Node]) -> None:
        """Begin a frame in which `nodes` are asked."""
        self._pressure.sample()
        self._used = {}
        for node in nodes:
            use = node.capabilities.processor_use
            used_us = None if use is None else use.used_us()
            if used_us is not None:
                self._used[node.name] = used_us

    def own_times(self, nodes: Sequence[Node], elapsed_us: int, kept_us: int) -> dict[str, int]:
        """Return, by node, how much of the `elapsed_us` of this frame was its own time [us]. For
        `kept_us` of it the host could not read its links."""
        share = self._pressure.share
        times: dict[str, int] = {}
        for node in nodes:
            own_us = self._process_time_us(node, elapsed_us)
            if own_us is None:
                own_us = round((elapsed_us - kept_us) * (1 - share))
            times[node.name] = min(elapsed_us, max(0, own_us))
        return times

    def _process_time_us(self, node: Node, elapsed_us: int) -> int | None:
        """Return the own time of a process board [us]; None for any other board."""
        use, before_us = node.capabilities.processor_use, self._used.get(node.name)
        if use is None or before_us is None:
            return None
        if use.is_stopped():
            return elapsed_us
        after_us = use.used_us()
        return None if after_us is None else after_us - before_us - self._needs_us

    def judge(
        self,
        results: dict[str, NodeResult],
        own_times: Mapping[str, int],
        dark: AbstractSet[str] = frozenset(),
    ) -> None:
        """Mark the results of nodes that are late, or were: `NodeResult.host` if that is the
        host's fault, `NodeResult.behind` if they are out of step because of it. `dark`: nodes whose
        power this program has cut."""
        missing = [name for name, r in results.items() if _is_missing(r)]
        together = len(results) > 1 and len(missing) == len(results)
        for name, result in results.items():
            if result.late and name in dark:
                self._own_us[name] = self._needs_us
                continue
            if result.late:
                own_us = 0 if together else own_times[name]
                self._own_us[name] = self._own_us.get(name, 0) + own_us
            elif not result.out_of_step:
                self._own_us.pop(name, None)
                continue
            if name not in self._own_us:
                continue
            host, behind = self._own_us[name] < self._needs_us, result.out_of_step
            why = "out of step" if behind else "not heard in time"
            if host:
                why += ", as this computer was busy"
            elif behind:
                why += ", as it was late"
            reason = why if host or behind else result.reason
            results[name] = result._replace(host=host, behind=behind, reason=reason)

    @property
    def charges_any(self) -> bool:
        """Return whether any node is charged with own time."""
        return bool(self._own_us)

    def forget_all_but(self, names: AbstractSet[str]) -> None:
        """Set the own time of all nodes but `names` back to zero."""
        for name in [n for n in self._own_us if n not in names]:
            del self._own_us[name]

    def forget(self) -> None:
        """Set the own time of all nodes back to zero."""
        self._own_us.clear()


def _is_missing(result: NodeResult) -> bool:
    """Return whether the node may work, although no answer of it came in time."""
    return result.out_of_step or (result.status == SILENT and result.late)
