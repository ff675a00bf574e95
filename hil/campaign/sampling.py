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

__all__ = ["FaultTable", "TargetDraw", "draw", "in_proportion", "target_draws"]

Numbers: TypeAlias = npt.NDArray[np.int64]
Words: TypeAlias = npt.NDArray[np.uint64]

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


@dataclass(frozen=True, slots=True)
class TargetDraw:
    """The draw of the faults of one target in a stage, so that others can draw them again: of its
    `faults` in all frames, `parts` are drawn with the random numbers of the stream `key`; the first
    has the number `first`."""

    key: tuple[int, int]
    faults: int
    parts: int
    first: int


def target_draws(
    space: FaultSpace, counts: list[int], seed: int, stage: int, first: int
) -> tuple[TargetDraw, ...]:
    """Return how `draw` draws the faults of each target."""
    draws: list[TargetDraw] = []
    for target, count in enumerate(counts):
        key = _key(seed, _stream(space, target, stage))
        draws.append(TargetDraw(key, space.size(target), count, first))
        first += count
    return tuple(draws)


def draw(space: FaultSpace, counts: list[int], seed: int, stage: int, first: int) -> FaultTable:
    """Draw `counts` faults of each target for a stage of a campaign; they are numbered from `first`
    on. The same arguments draw the same faults everywhere."""
    parts: list[list[Numbers]] = [[] for _ in range(5)]
    for target, count in enumerate(counts):
        words = _words(seed, _stream(space, target, stage), count)
        chosen = _one_of_each_part(space.size(target), words)
        frame, moment, byte, bit = _places(space, target, chosen)
        for column, values in zip(
            parts, (frame, np.full(count, target), byte, bit, moment), strict=True
        ):
            column.append(values)
    columns = [np.concatenate(part).astype(np.int64) for part in parts]
    number = np.arange(first, first + len(columns[0]), dtype=np.int64)
    return FaultTable(number, *columns)


def _stream(space: FaultSpace, target: int, stage: int) -> str:
    return f"faults {space.targets[target].target.value} {stage}"


def _key(seed: int, name: str) -> tuple[int, int]:
    return seed % _WORD, digest64(name.encode())


def _words(seed: int, name: str, count: int) -> Words:
    """Return 64-bit random numbers of the stream `name`: those of `hil.random_streams.stream`."""
    key = np.array(_key(seed, name), dtype=np.uint64)
    words: Words = np.random.Philox(key=key).random_raw(count)
    return words


def _one_of_each_part(size: int, words: Words) -> Numbers:
    """Return one number from each of n equal parts of 0 to `size`, with n random words u: the whole
    part of size (part + u / 2^64) / n, exactly, in numbers of 64 bits."""
    count = len(words)
    if not count:
        return np.zeros(0, np.int64)
    part = np.arange(count, dtype=np.uint64)
    whole, rest = divmod(size, count)
    within = np.uint64(rest) * part + _high_half(size, words)
    chosen: Words = np.uint64(whole) * part + within // np.uint64(count)
    return chosen.astype(np.int64)


def _high_half(size: int, words: Words) -> Words:
    """Return the whole part of size u / 2^64, for each u of `words`."""
    half, mask = np.uint64(32), np.uint64(0xFFFFFFFF)
    high, low = np.uint64(size >> 32), np.uint64(size & 0xFFFFFFFF)
    word_high, word_low = words >> half, words & mask
    cross, other = high * word_low, low * word_high
    carry = (low * word_low >> half) + (cross & mask) + (other & mask)
    total: Words = high * word_high + (cross >> half) + (other >> half) + (carry >> half)
    return total


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
