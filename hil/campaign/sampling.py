"""Drawing faults: a sample of a target is spread evenly over the frames and the time in them.

Of n faults of a target, one is drawn in each of n equal parts of its faults, which are ordered by
time. So each fault is drawn with the same probability, and no part of a step is left out. The
number of outcomes among such a sample varies no more than among one without strata (Hoeffding
1956), so intervals for a plain sample keep their coverage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.campaign.fault_space import BITS, Counts, FaultSpace
from hil.kernel import digest64

__all__ = ["FaultTable", "draw", "in_proportion"]

Numbers: TypeAlias = npt.NDArray[np.int64]

_WORD: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class FaultTable:
    """Faults, as parallel arrays. `target`: its number among those of a campaign; `moment`: the
    instruction before which, or the tick at which, the bit is flipped."""

    number: Numbers
    frame: Numbers
    target: Numbers
    byte: Numbers
    bit: Numbers
    moment: Numbers

    def __len__(self) -> int:
        return len(self.number)

    def chosen(self, places: Numbers | slice) -> FaultTable:
        """Return some of the faults, by their places in this table."""
        return FaultTable(*(column[places] for column in self.columns))

    @property
    def columns(self) -> tuple[Numbers, ...]:
        """Return the arrays, in their order."""
        return self.number, self.frame, self.target, self.byte, self.bit, self.moment

    @property
    def order(self) -> Numbers:
        """Return the places of the faults in the order in which they are carried out: that of
        frames and of the time in them."""
        keys = (self.number, self.bit, self.byte, self.target, self.moment, self.frame)
        return np.lexsort(keys).astype(np.int64)


def draw(space: FaultSpace, counts: list[int], seed: int, stage: int, first: int) -> FaultTable:
    """Draw `counts` faults of each target for a stage of a campaign; they are numbered from `first`
    on. The same arguments draw the same faults everywhere."""
    parts: list[list[Numbers]] = [[] for _ in range(5)]
    for target, count in enumerate(counts):
        name = f"faults {space.targets[target].target.value} {stage}"
        bits = _words(seed, name, count)
        size = space.size(target)
        chosen = np.array(
            [size * (part * _WORD + u) // (count * _WORD) for part, u in enumerate(bits)],
            dtype=np.int64,
        )
        frame, moment, byte, bit = _places(space, target, chosen)
        for column, values in zip(
            parts, (frame, np.full(count, target), byte, bit, moment), strict=True
        ):
            column.append(values)
    columns = [np.concatenate(part).astype(np.int64) for part in parts]
    number = np.arange(first, first + len(columns[0]), dtype=np.int64)
    return FaultTable(number, *columns)


def _words(seed: int, name: str, count: int) -> list[int]:
    """Return 64-bit random numbers of the stream `name`: those of `hil.random_streams.stream`."""
    key = np.array([seed % _WORD, digest64(name.encode())], dtype=np.uint64)
    words: list[int] = np.random.Philox(key=key).random_raw(count).tolist()
    return words


def _places(
    space: FaultSpace, target: int, chosen: Numbers
) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Return frame, moment, byte and bit of faults by their places among all of a target, ordered
    by time."""
    ends = np.cumsum(space.frame_sizes(target))
    which = np.searchsorted(ends, chosen, side="right")
    rest = chosen - (ends - space.frame_sizes(target))[which]
    frame = np.array([f.frame for f in space.frames], dtype=np.int64)[which]
    bit, rest = rest % BITS, rest // BITS
    one = space.targets[target]
    if one.first_live is None:
        return frame, rest // one.length, rest % one.length, bit
    moment, byte = np.empty_like(rest), np.empty_like(rest)
    for number in np.unique(which).tolist():
        here = which == number
        moment[here], byte[here] = _live_places(one.first_live[number], one.length, rest[here])
    return frame, moment, byte, bit


def _live_places(first: Counts, length: int, places: Numbers) -> tuple[Numbers, Numbers]:
    """Return moment and byte of places among the bytes that are live at each moment."""
    live = length - first
    ends = np.cumsum(live)
    moment = np.searchsorted(ends, places, side="right").astype(np.int64)
    return moment, first[moment] + places - (ends - live)[moment]


def in_proportion(space: FaultSpace, total: int) -> list[int]:
    """Return how many of `total` faults each target gets if all are drawn alike; at least one."""
    sizes = [space.size(number) for number in range(len(space.targets))]
    return [max(1, round(total * size / sum(sizes))) for size in sizes]
