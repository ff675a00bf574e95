"""The verdict strip: the worst result in each stretch of frames, summed up once and kept.

Frames in which all nodes plainly agree have no row in `frames`, so only the others are read.
Complete stretches of `STRETCH` frames never change and are kept. In long runs a few are read with
each refresh, newest first, within a budget, so that the screen does not wait for them.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from hil.record.event_queries import frame_kinds
from hil.record.live import LiveRecord
from hil.record.queries import bad_spans

__all__ = [
    "CALM_US",
    "STRETCH",
    "ZOOMS",
    "Cell",
    "Episode",
    "StripMark",
    "StripTotals",
    "VerdictHistory",
]

CALM_US: Final = 1_000_000
"""The time without a wrong or lost output that ends an episode of such outputs [us of simulated
time]."""

STRETCH: Final = 4096
ZOOMS: Final = tuple(1 << power for power in range(19))
"""Frames per cell of the strip."""


class StripMark(enum.IntEnum):
    """The worst event in a cell, from good to bad."""

    NONE = 0  # not recorded: before the beginning, after the end
    UNREAD = 1  # not summed up yet
    AGREED = 2
    HIT = 3  # an upset or an event, and all agreed
    OUTVOTED = 4
    REDONE = 5  # rolled back and computed again
    NO_OUTPUT = 6
    WRONG = 7


@dataclass(frozen=True, slots=True)
class Cell:
    """The cell of frames `first` to `last`. `frame` is the first of the worst ones; `notable` is
    the number of frames in which not all nodes plainly agreed."""

    first: int
    last: int
    mark: StripMark
    frame: int
    notable: int = 0


@dataclass(frozen=True, slots=True)
class Episode:
    """An episode of wrong or lost outputs in frames `first` to `last`, in `frames` of them. `what`:
    see `bad_spans`. `whole` is false if it may have begun earlier, in frames that are not summed
    up yet."""

    what: str
    first: int
    last: int
    first_us: int
    last_us: int
    frames: int
    whole: bool = True


@dataclass(frozen=True, slots=True)
class StripTotals:
    """The totals of the frames up to the one on view. `complete` is false while older ones are
    still read."""

    frames: int = 0
    outvoted: int = 0
    no_output: int = 0
    wrong: int = 0
    complete: bool = True

    @property
    def availability(self) -> float:
        """Return the share of frames with a correct output."""
        return 1 - (self.no_output + self.wrong) / self.frames if self.frames else 0.0


_Summary = tuple[Cell, tuple[int, ...]]


class VerdictHistory:
    """Sums up the verdicts of one record."""

    def __init__(self, source: LiveRecord, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock  # in s
        self._summaries: dict[int, _Summary] = {}
        self._cells: dict[tuple[int, int], Cell] = {}
        self._episodes: dict[int, list[Episode]] = {}
        self._done = 0  # all stretches below this are summed up, and added in _sum
        self._sum = [0] * len(StripMark)
        self._partial: tuple[int, int, tuple[int, ...]] = (-1, -1, ())

    def forget(self, frame: int) -> None:
        """Drop the sums from `frame` on: the run was resumed there."""
        self._summaries = {k: v for k, v in self._summaries.items() if (k + 1) * STRETCH <= frame}
        self._cells = {k: v for k, v in self._cells.items() if v.last < frame}
        self._episodes.clear()
        self._done, self._sum = 0, [0] * len(StripMark)
        self._partial = (-1, -1, ())

    def _summed(self, first: int, last: int) -> _Summary:
        counts = [0] * len(StripMark)
        worst, at = StripMark.AGREED, first
        for kind, count, frame in frame_kinds(self._source, first, last):
            mark = StripMark[kind.upper()]
            counts[mark] = count
            if mark > worst:
                worst, at = mark, frame
        return Cell(first, last, worst, at, sum(counts)), tuple(counts)

    def read_on(self, budget_s: float) -> bool:
        """Sum up some complete stretches, newest first; return whether all are summed up."""
        until = self._clock() + budget_s
        last = self._source.last
        for index in range((last + 1) // STRETCH - 1, self._done - 1, -1):
            if index not in self._summaries:
                self._summaries[index] = self._summed(index * STRETCH, (index + 1) * STRETCH - 1)
                if self._clock() > until:
                    return False
        while self._done in self._summaries:
            for mark, count in enumerate(self._summaries[self._done][1]):
                self._sum[mark] += count
            self._done += 1
        return True

    def totals(self, frame: int) -> StripTotals:
        """Return the totals of the frames up to `frame`."""
        counts = list(self._sum)
        index = (frame + 1) // STRETCH
        complete = True
        if index < self._done:
            counts = [0] * len(StripMark)
            for k in range(index):
                counts = [a + b for a, b in zip(counts, self._summaries[k][1], strict=True)]
        else:
            for k in range(self._done, index):
                summary = self._summaries.get(k)
                complete = complete and summary is not None
                if summary is not None:
                    counts = [a + b for a, b in zip(counts, summary[1], strict=True)]
        if frame >= index * STRETCH:
            rest = self._begun(index, frame)
            counts = [a + b for a, b in zip(counts, rest, strict=True)]
        return StripTotals(
            frame + 1,
            counts[StripMark.OUTVOTED],
            counts[StripMark.NO_OUTPUT],
            counts[StripMark.WRONG],
            complete,
        )

    def _begun(self, index: int, frame: int) -> tuple[int, ...]:
        """Return the counts of stretch `index` up to `frame`; usually only new frames are read."""
        previous, until, counts = self._partial
        if previous != index or until > frame:
            until, counts = index * STRETCH - 1, (0,) * len(StripMark)
        if frame > until:
            more = self._summed(until + 1, frame)[1]
            counts = tuple(a + b for a, b in zip(counts, more, strict=True))
        self._partial = (index, frame, counts)
        return counts

    def episodes(self, head: int, count: int) -> list[Episode]:
        """Return the newest `count` episodes of wrong or lost outputs up to frame `head`."""
        out: list[Episode] = []
        growing: dict[str, int] = {}  # the index in `out` of the oldest of each kind
        for index in range((head + 1) // STRETCH, -1, -1):
            episodes = self._episodes_in(index, head)
            if episodes is None:  # not summed up yet
                out = [
                    replace(e, whole=e.whole and growing[e.what] != at) for at, e in enumerate(out)
                ]
                break
            for episode in reversed(episodes):
                at = growing.get(episode.what, -1)
                if at >= 0 and out[at].first_us - episode.last_us < CALM_US:
                    newer = out[at]
                    out[at] = replace(
                        episode,
                        last=newer.last,
                        last_us=newer.last_us,
                        frames=episode.frames + newer.frames,
                    )
                else:
                    growing[episode.what] = len(out)
                    out.append(episode)
            begin_us = self._source.time.t_us(index * STRETCH)
            settled = all(out[at].first_us - begin_us >= CALM_US for at in growing.values())
            if len(out) >= count and settled:
                break
        out.sort(key=lambda episode: -episode.last)
        return out[:count]

    def _episodes_in(self, index: int, head: int) -> list[Episode] | None:
        """Return the episodes of a stretch up to `head`; None if it is not summed up yet."""
        first, last = index * STRETCH, (index + 1) * STRETCH - 1
        if head < last:
            counts = self._begun(index, head)
            bad = counts[StripMark.NO_OUTPUT] + counts[StripMark.WRONG]
            return self._spans(first, head) if bad else []
        summary = self._summaries.get(index)
        if summary is None:
            return None
        if not summary[1][StripMark.NO_OUTPUT] + summary[1][StripMark.WRONG]:
            return []
        if index not in self._episodes:
            if len(self._episodes) > 64:  # a few are on view
                self._episodes.clear()
            self._episodes[index] = self._spans(first, last)
        return self._episodes[index]

    def _spans(self, first: int, last: int) -> list[Episode]:
        return [Episode(*row) for row in bad_spans(self._source, first, last, CALM_US)]

    def strip(self, head: int, cells: int, zoom: int) -> tuple[Cell, ...]:
        """Return `cells` cells of `zoom` frames, the last one with `head` in it."""
        newest = head // zoom
        return tuple(self._cell(k, zoom, head) for k in range(newest - cells + 1, newest + 1))

    def _cell(self, index: int, zoom: int, head: int) -> Cell:
        first, last = index * zoom, (index + 1) * zoom - 1
        if first < 0 or head < 0:
            return Cell(first, last, StripMark.NONE, first)
        end = min(last, head)
        if zoom > STRETCH:
            return self._coarse(first, end)
        if zoom == STRETCH and end == last:
            summary = self._summaries.get(index)
            return summary[0] if summary else Cell(first, last, StripMark.UNREAD, first)
        cell = self._cells.get((zoom, index)) if end == last else None
        if cell is None:
            cell = self._summed(first, end)[0]
            if end == last:
                if len(self._cells) > 4096:  # some hundred are on view
                    self._cells.clear()
                self._cells[zoom, index] = cell
        return cell

    def _coarse(self, first: int, last: int) -> Cell:
        parts: list[Cell] = []
        for index in range(first // STRETCH, last // STRETCH + 1):
            end = (index + 1) * STRETCH - 1
            summary = self._summaries.get(index)
            if end > last:  # of the newest, only what is before the frame on view
                parts.append(self._summed(index * STRETCH, last)[0])
            elif summary is not None:
                parts.append(summary[0])
            else:
                return Cell(first, last, StripMark.UNREAD, first)
        worst = max(parts, key=lambda cell: (cell.mark, -cell.frame))
        return Cell(first, last, worst.mark, worst.frame, sum(cell.notable for cell in parts))
