"""Curves of what the nodes compute: the numbers of their outputs that are watched over a run, such
as a loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hil.kernel import Golden
from hil.record.live import LiveRecord
from hil.record.node_outputs import output_at
from hil.scenario.output_meaning import OutputNumber, curve_names, curves
from hil.scenario.words import WORKLOADS
from hil.views.screen.model.curves import Curve

__all__ = ["OutputCurves"]

_FRAMES_AT_ONCE: Final = 1000
_FRAMES_MAX: Final = 100_000


class OutputCurves:
    """Reads the curves of the nodes of one record. In frames of plain agreement, whose outputs are
    not recorded, they have the numbers of the fault-free run, which is computed again, a piece with
    each call of `advance`; after 100,000 frames no more. Not thread-safe."""

    def __init__(self, source: LiveRecord) -> None:
        self._source = source
        self._epoch = -1
        self._workload = ""
        self._golden: Golden | None = None
        self._numbers: list[tuple[OutputNumber, ...]] = []

    def advance(self, head: int) -> int:
        """Compute some more of the fault-free run, up to frame `head`; return the number of frames
        that are known."""
        if self._epoch != self._source.epoch:
            self._begin()
        if self._golden is not None:
            end = min(head + 1, len(self._numbers) + _FRAMES_AT_ONCE, _FRAMES_MAX)
            while len(self._numbers) < end:
                self._golden.step()
                self._numbers.append(curves(self._workload, self._golden.output))
        return len(self._numbers)

    def _begin(self) -> None:
        scenario = self._source.meta.scenario
        self._epoch, self._workload = self._source.epoch, scenario.workload
        self._numbers.clear()
        shown = self._workload in WORKLOADS and curve_names(self._workload)
        known = shown and scenario.seed is not None
        self._golden = Golden(self._workload, scenario.seed or 0) if known else None

    def of(self, node: int, first: int, last: int, points: int) -> tuple[Curve, ...]:
        """Return the curves of a node, by its index, at `points` frames after `first`, the last of
        them `last`; none if the workload has none."""
        if self._golden is None:
            return ()
        frames = [first + (last - first) * (k + 1) // points for k in range(points)]
        rows = [self._at(node, frame) for frame in frames]
        known = next((row for row in rows if row), ())
        return tuple(
            Curve(number.name.replace("_", " "), number.unit, _column(rows, at))
            for at, number in enumerate(known)
        )

    def _at(self, node: int, frame: int) -> tuple[OutputNumber, ...]:
        output = output_at(self._source, node, frame)
        if output is not None:
            return curves(self._workload, output)
        return self._numbers[frame] if frame < len(self._numbers) else ()


def _column(rows: Sequence[tuple[OutputNumber, ...]], at: int) -> tuple[float | None, ...]:
    return tuple(row[at].value if row else None for row in rows)
