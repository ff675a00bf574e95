"""Everything that a record has gained since the last time, in order: for programs that pass it on.

Any number of them follow a run from processes of their own. They read in short transactions of a
WAL database, which the run does not wait for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hil.record.frame_array import frame_array
from hil.record.live import LiveRecord, State
from hil.record.measured_rows import RecordedLinkCounts, RecordedPower
from hil.record.record_tables import RecordTable
from hil.record.row_values import (
    RecordedAnomaly,
    RecordedCommand,
    RecordedHealth,
    RecordedLimit,
    RecordedLinkEvent,
    RecordedNote,
    RecordedOrbit,
    RecordedPlant,
    RecordedPlantNode,
    RecordedRepair,
    RecordedSlip,
    RecordedTransition,
    RecordedUpset,
    values_of,
)
from hil.wire.messages import UpsetState

__all__ = ["KILLED", "FollowedRow", "RunFollower", "RunNews"]

KILLED: Final = "killed"
"""What a run came to whose process ended without recording an outcome."""

FollowedRow: TypeAlias = (
    RecordedAnomaly
    | RecordedCommand
    | RecordedHealth
    | RecordedLimit
    | RecordedLinkCounts
    | RecordedLinkEvent
    | RecordedNote
    | RecordedOrbit
    | RecordedPlant
    | RecordedPlantNode
    | RecordedPower
    | RecordedRepair
    | RecordedSlip
    | RecordedTransition
    | RecordedUpset
)

_BLOCKS_AT_ONCE: Final = 4
"""[blocks of at most 4096 frames] More wait for the next call, so that memory stays small."""
_UPSETS_AT_ONCE: Final = 500
_MAY_CHANGE: Final = {UpsetState.ARMED, UpsetState.INJECTED}

_KINDS: Final = {
    RecordTable.TRANSITIONS: RecordedTransition,
    RecordTable.REPAIRS: RecordedRepair,
    RecordTable.ANOMALIES: RecordedAnomaly,
    RecordTable.SLIPS: RecordedSlip,
    RecordTable.LINK_EVENTS: RecordedLinkEvent,
    RecordTable.POWER: RecordedPower,
    RecordTable.LIMITS: RecordedLimit,
    RecordTable.COMMANDS: RecordedCommand,
    RecordTable.NOTES: RecordedNote,
    RecordTable.HEALTH: RecordedHealth,
    RecordTable.LINK_COUNTS: RecordedLinkCounts,
}


@dataclass(frozen=True, slots=True)
class RunNews:
    """The part that a record has gained: frames as `frame_array` gives them, with their simulated
    times [us], and rows. An upset comes when it is new, and again when its outcome is known."""

    frames: NDArray[Any]
    times_us: NDArray[np.int64]
    rows: tuple[FollowedRow, ...]


class RunFollower:
    """Follows the record of a run, finished or going on, from its first frame. Not thread-safe.

    `generation` counts how often it began with the first frame again: when another record lies in
    the same place, or when the run was resumed, which removes the frames since its snapshot."""

    def __init__(self, record: LiveRecord) -> None:
        self.record = record
        self.generation = 0
        self._source: tuple[int, int | None] | None = None
        self._begin()

    def _begin(self) -> None:
        self._next = 0
        self._ids = dict.fromkeys(_KINDS, 0)
        self._plant_us = self._orbit_us = -1
        self._upset = 0
        self._early: list[RecordedUpset] = []
        self._open: dict[int, RecordedUpset] = {}
        self._at_end = False

    @property
    def has_all(self) -> bool:
        """Return whether the run has ended or was killed, or its record is gone, and everything of
        it was returned. A record that has not been there yet is waited for."""
        state = self.record.state
        over = state is State.ENDED or (state is State.LOST and self.record.epoch > 0)
        return self._at_end and (over or self.record.is_killed)

    @property
    def outcome(self) -> str:
        """Return the outcome of the run as of the last news, or `KILLED`; empty before it began."""
        return KILLED if self.record.is_killed else self.record.outcome

    def news(self) -> RunNews | None:
        """Read the record and return what is new in it, a part of it if it is much; None if
        nothing is. Raises: RecordError if its frames are damaged."""
        changed = self.record.poll()
        if self._at_end and not changed:
            return None
        if self.record.state in {State.WAITING, State.LOST} or not self.record.names:
            self._at_end = True
            return None
        pulse = self.record.pulse
        source = (self.record.epoch, None if pulse is None else pulse.pid)
        if source != self._source or self.record.last < self._next - 1:
            self.generation += self._source is not None
            self._source = source
            self._begin()
        with self.record.moment():
            frames = self._frames()
            rows = self._rows(last=self.record.last if self._at_end else self._next - 1)
        if not len(frames) and not rows:
            return None
        return RunNews(frames, self._times_us(frames), tuple(rows))

    def t_us(self, frame: int) -> int:
        """Return the simulated time at which a frame began [us]."""
        return self.record.time.t_us(frame)

    def _frames(self) -> NDArray[Any]:
        blocks = self.record.rows(
            "SELECT first_frame, count, data FROM blocks WHERE first_frame >= ? "
            f"ORDER BY first_frame LIMIT {_BLOCKS_AT_ONCE}",
            self._next,
        )
        self._at_end = len(blocks) < _BLOCKS_AT_ONCE
        if blocks:
            self._next = blocks[-1][0] + blocks[-1][1]
        return frame_array(b"".join(block[2] for block in blocks), len(self.record.names))

    def _times_us(self, frames: NDArray[Any]) -> NDArray[np.int64]:
        number = frames["frame"].astype(np.int64)
        if not len(number) or self.record.time.known == 0:
            return number * self.record.frame_us
        return np.array([self.t_us(int(frame)) for frame in number], dtype=np.int64)

    def _rows(self, last: int) -> list[FollowedRow]:
        """Return all rows up to the frame `last` that were not returned before. What happens
        before a frame that comes next has its number."""
        until = last + 1 if self._at_end else last
        rows: list[FollowedRow] = []
        for table, kind in _KINDS.items():
            at = self.record.position(table, until)
            if at > self._ids[table]:
                found = self.record.rows(
                    f"SELECT * FROM {table} WHERE id > ? AND id <= ? ORDER BY id",
                    self._ids[table],
                    at,
                )
                rows += values_of(kind, found)
                self._ids[table] = at
        rows += self._upsets(until)
        rows += self._plant(until)
        return rows

    def _upsets(self, until: int) -> list[RecordedUpset]:
        found = self.record.rows("SELECT * FROM upsets WHERE id > ? ORDER BY id", self._upset)
        upsets = values_of(RecordedUpset, found)
        if upsets:
            self._upset = upsets[-1].id
        waiting = self._early + upsets
        self._early = [upset for upset in waiting if upset.frame > until]
        now = [upset for upset in waiting if upset.frame <= until] + self._settled()
        for upset in now:
            self._open.pop(upset.id, None)
            if upset.resolved_frame is None and upset.state in _MAY_CHANGE:
                self._open[upset.id] = upset
        return now

    def _settled(self) -> list[RecordedUpset]:
        """Return the upsets whose rows have changed since they were returned."""
        changed = []
        ids = list(self._open)
        for first in range(0, len(ids), _UPSETS_AT_ONCE):
            some = ids[first : first + _UPSETS_AT_ONCE]
            marks = ",".join("?" * len(some))
            found = self.record.rows(f"SELECT * FROM upsets WHERE id IN ({marks})", *some)
            changed += [u for u in values_of(RecordedUpset, found) if u != self._open[u.id]]
        return changed

    def _plant(self, until: int) -> list[FollowedRow]:
        plant = values_of(
            RecordedPlant,
            self.record.rows(
                # by time: its rows are written with later frames, at the end of a block
                "SELECT * FROM plant WHERE t_us > ? AND t_us <= ? ORDER BY t_us",
                self._plant_us,
                self.t_us(until),
            ),
        )
        before, self._plant_us = self._plant_us, plant[-1].t_us if plant else self._plant_us
        nodes = self.record.rows(
            "SELECT * FROM plant_nodes WHERE t_us > ? AND t_us <= ? ORDER BY t_us",
            before,
            self._plant_us,
        )
        orbit = values_of(
            RecordedOrbit,
            self.record.rows(
                "SELECT * FROM orbit WHERE t_us > ? AND t_us <= ? ORDER BY t_us",
                self._orbit_us,
                self.t_us(until),
            ),
        )
        self._orbit_us = orbit[-1].t_us if orbit else self._orbit_us
        return [*plant, *values_of(RecordedPlantNode, nodes), *orbit]
