"""The course of a flight in a bounded number of cells: what strips and pictures show of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["Course", "CourseColumn", "CourseOf"]

Floats = npt.NDArray[np.float64]

_CELLS: Final = 1440
"""More than a picture has columns of pixels."""


@dataclass(frozen=True, slots=True)
class CourseColumn:
    """One column of a flight by cells: mean, lowest and highest value (cells,) of the rows in each.
    With one row a cell, all three are the value."""

    mean: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Course:
    """The course of a flight: `t_s` (cells,) is the first time of each cell [s]."""

    t_s: Floats
    columns: Mapping[str, CourseColumn]
    exact: bool
    """Each cell holds one row."""

    def __contains__(self, name: str) -> bool:
        return name in self.columns


class CourseOf:
    """Makes the course of a flight of `rows` rows from its rows, added in order."""

    def __init__(self, rows: int) -> None:
        self._per_cell = math.ceil(rows / _CELLS)
        self._cells = math.ceil(rows / self._per_cell)
        self._names: tuple[str, ...] = ()
        self._rows = 0
        self._count = np.zeros(self._cells)
        self._sum = self._low = self._high = np.zeros((0, self._cells))

    def add(self, columns: Mapping[str, Floats]) -> None:
        """Add rows (N,) of all columns."""
        if not self._names:
            self._names = tuple(columns)
            shape = (len(columns), self._cells)
            self._sum = np.zeros(shape)
            self._low, self._high = np.full(shape, np.inf), np.full(shape, -np.inf)
        values = np.stack([columns[name] for name in self._names])
        count = values.shape[1]
        if not count:
            return
        first, last = self._rows // self._per_cell, (self._rows + count - 1) // self._per_cell
        starts = np.arange(first, last + 1) * self._per_cell - self._rows
        starts[0] = max(starts[0], 0)
        cells = slice(first, last + 1)
        self._count[cells] += np.diff(np.append(starts, count))
        self._sum[:, cells] += np.add.reduceat(values, starts, axis=1)
        low, high = self._low[:, cells], self._high[:, cells]
        np.minimum(low, np.minimum.reduceat(values, starts, axis=1), out=low)
        np.maximum(high, np.maximum.reduceat(values, starts, axis=1), out=high)
        self._rows += count

    def finish(self) -> Course:
        """Return the course of all rows that were added."""
        mean = self._sum / np.maximum(self._count, 1.0)
        columns = {
            name: CourseColumn(mean[i], self._low[i], self._high[i])
            for i, name in enumerate(self._names)
        }
        time = columns.pop("t_s")
        return Course(time.low, columns, self._per_cell == 1)
