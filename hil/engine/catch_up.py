"""Catching up: in real time, nodes that are behind compute the frames that they have missed.

A node that was late holds the state of an earlier frame, which is as good as that of the others: it
only has to compute on. The inputs of past frames come from the golden run, as a flight computer has
them in its sensor log. So nobody's lateness needs a repair, a rollback or another node."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final

from hil.kernel import Golden
from hil.rig.calls import Timing
from hil.rig.node import DONE, SILENT, NodeResult
from hil.rig.rig import Rig

__all__ = ["CatchUp"]

_MOST: Final = 64
"""[frame] A node that has missed more is given the state of the others."""
_LEAST: Final = 2
"""[frame] Computed in each frame, if there is time or not: else a node would stay behind."""
_LEAST_WAIT_US: Final = 1_000
_LONGER_US: Final = 250_000
_REASON: Final = "computes the frames that it missed"


class CatchUp:
    """Lets nodes of `rig` compute missed frames, with the inputs of `golden`. Not thread-safe."""

    def __init__(self, rig: Rig, golden: Golden) -> None:
        self._rig = rig
        self._golden = golden
        self._missed: dict[str, int] = {}
        """The first frame that a node has missed, until it answers in step."""

    def note(self, frame: int, results: Mapping[str, NodeResult]) -> None:
        """Note which nodes have missed `frame`, by its results."""
        for name, result in results.items():
            if result.late or result.out_of_step:
                self._missed.setdefault(name, frame)
            else:
                self._missed.pop(name, None)

    def forget_all_but(self, names: AbstractSet[str] = frozenset()) -> None:
        """Count all nodes but `names` as having missed nothing."""
        for name in [n for n in self._missed if n not in names]:
            del self._missed[name]

    def run(self, frame: int, results: dict[str, NodeResult], left_us: int) -> None:
        """Let the nodes that are behind after `frame` compute what they missed, and `frame`;
        replace their results. Those that have not caught up when the frame, of which `left_us`
        are left [us], is over are late. If most nodes have not computed the frame, it is made
        longer: without them there may be no output, and nobody waits for the next frame."""
        start = {
            name: self._missed[name]
            for name, result in results.items()
            if result.behind and frame - self._missed.get(name, -_MOST) <= _MOST
        }
        computed: set[str] = set()
        most_done = 2 * sum(r.status == DONE for r in results.values()) > len(results)
        end_us = self._rig.clock.now_us() + (left_us if most_done else max(left_us, _LONGER_US))
        for steps, number in enumerate(range(min(start.values(), default=frame + 1), frame + 1)):
            if not start:
                return
            due = [self._rig.by_name[name] for name, first in start.items() if first <= number]
            if steps >= _LEAST and self._rig.clock.now_us() >= end_us:
                for name in start:
                    self._leave(name, number, results)
                return
            timing = self._timing(end_us)
            stepped = self._rig.step(due, number, self._golden.input_of(number), timing)
            for name, result in stepped.items():
                if result.status == DONE:
                    computed.add(name)
                    if number < frame:
                        continue
                    self._missed.pop(name, None)
                elif result.out_of_step:
                    if name not in computed and number < frame:
                        continue  # it has computed this frame, and its answer came too late
                    result = results[name]  # noqa: PLW2901 (no missed frame is the one it needs)
                elif result.status == SILENT:
                    self._leave(name, number, results)
                    del start[name]
                    continue
                results[name] = result
                del start[name]

    def _timing(self, end_us: int) -> Timing:
        """Return the usual timing, but with the patience until `end_us` [us of the clock]."""
        usual = self._rig.requests.timing
        left_us = max(_LEAST_WAIT_US, end_us - self._rig.clock.now_us())
        return replace(usual, lost_after_us=min(left_us, usual.lost_after_us), noise_patience=1)

    def _leave(self, name: str, number: int, results: dict[str, NodeResult]) -> None:
        """Count a node as late that has still to compute frame `number`."""
        self._missed[name] = number
        results[name] = NodeResult(SILENT, reason=_REASON, late=True, host=results[name].host)
