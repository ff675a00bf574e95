"""The progress of a campaign: its outcomes, counted as they come in."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.campaign.executor import RangeOutcomes
from hil.campaign.fault_layout import FaultLayout
from hil.record.campaign_rows import EFFECTS
from hil.upsets.words import NodeEffect

__all__ = ["CampaignProgress", "CampaignTally", "TargetMap"]

Counts: TypeAlias = npt.NDArray[np.int64]

_ROWS_MAX: Final = 32  # of one target
_COLUMNS_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class TargetMap:
    """The outcomes of one target by place: `counts` has the shape (rows, columns, effects); rows go
    over the bytes of the target, columns over time, effects are in the order of `EFFECTS`."""

    target: str
    counts: Counts


@dataclass(frozen=True, slots=True)
class CampaignProgress:
    """The progress of a campaign, in experiments; `effects` counts those done by effect. `tally`
    knows more, and goes on counting."""

    done: int
    total: int
    effects: Counter[NodeEffect]
    tally: CampaignTally


class CampaignTally:
    """Counts the outcomes of a campaign by effect, place and board; those of `units` are wanted
    (None: of all). `layout`: of the units that are known; `extend` adds more. Thread-safe."""

    def __init__(self, layout: FaultLayout, units: int | None = None) -> None:
        self.layout = layout
        self._total = layout.per_unit * (layout.units if units is None else units)
        self._lock = threading.Lock()
        self._effects: Counter[NodeEffect] = Counter()
        self._workers: dict[str, int] = {}
        self._columns = max(1, min(_COLUMNS_MAX, layout.duration))
        self._rows = [max(1, min(_ROWS_MAX, length)) for length in layout.lengths]
        self._cell = self._cells(layout)
        self._grid: Counts = np.zeros(
            sum(self._rows) * self._columns * len(EFFECTS), dtype=np.int64
        )

    def extend(self, layout: FaultLayout) -> None:
        """Add units, which are numbered from the last one on; all but these is as before."""
        self._cell = np.concatenate((self._cell, self._cells(layout)))

    def _cells(self, layout: FaultLayout) -> Counts:
        """Return, for each unit, the place of its first effect in the grid."""
        rows = np.array([*self._rows, 1], dtype=np.int64)
        lengths = np.array([*layout.lengths, 1], dtype=np.int64)
        begins = np.concatenate(([0], np.cumsum(rows)))
        target = layout.target.astype(np.int64)
        row = begins[target] + layout.byte * rows[target] // np.maximum(1, lengths[target])
        column = np.minimum(
            self._columns - 1, layout.time * self._columns // max(1, layout.duration)
        )
        cells: Counts = (row * self._columns + column) * len(EFFECTS)
        return cells

    def add(self, outcomes: RangeOutcomes) -> None:
        """Count the outcomes of a range."""
        effects = np.frombuffer(outcomes.effects, dtype=np.uint8)
        units = self._cell[outcomes.first : outcomes.first + outcomes.count]
        cells = np.repeat(units, self.layout.per_unit) + effects
        with self._lock:
            np.add.at(self._grid, cells, 1)
            for number, effect in enumerate(EFFECTS):
                self._effects[effect] += outcomes.effects.count(number)
            if outcomes.worker:
                before = self._workers.get(outcomes.worker, 0)
                self._workers[outcomes.worker] = before + len(outcomes.effects)

    @property
    def progress(self) -> CampaignProgress:
        """Return how far the campaign is."""
        with self._lock:
            effects = Counter(self._effects)
        return CampaignProgress(effects.total(), self._total, effects, self)

    def workers(self) -> Mapping[str, int]:
        """Return how many experiments each board has carried out, in the order of their first
        outcomes; those of an earlier, interrupted command are of none."""
        with self._lock:
            return dict(self._workers)

    def maps(self) -> Sequence[TargetMap]:
        """Return the map of each target, as it is now."""
        with self._lock:
            grid = self._grid.copy()
        cut = grid.reshape(sum(self._rows), self._columns, len(EFFECTS))
        ends = np.cumsum(self._rows).tolist()
        return [
            TargetMap(name, cut[end - rows : end])
            for name, end, rows in zip(self.layout.targets, ends, self._rows, strict=True)
        ]
