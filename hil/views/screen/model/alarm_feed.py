"""Finds all alarms of a record, up to the frame on view.

A screen that is attached late must show earlier alarms without waiting for them. So two followers
read the record: one begins `REACH` rows before the frame on view and reads all at once; the other
begins at frame 0, reads a little with every refresh, and skips stretches in which nothing is out of
limits. When it has caught up, it replaces the first. Until then all alarms are known only from the
frame `watched_from` on.

Acknowledgements are those of this screen, and those of any other in the record's `commands`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from hil.control.commands import AcknowledgeAlarm
from hil.control.protocol import recorded_command
from hil.record.event_queries import acknowledgements
from hil.record.live import LiveRecord
from hil.views.alarm_limits import Level
from hil.views.screen.model.alarm_follower import REACH, AlarmFollower
from hil.views.screen.model.alarms import Alarm, AlarmBook

__all__ = ["REACH", "AlarmFeed"]

_BUDGET_S: Final = 0.04
_PAST_BUDGET_S: Final = 0.01
"""The time for reading the past in one refresh [s]: short, so that the screen stays responsive."""


class AlarmFeed:
    """Follows the alarms of one record."""

    def __init__(self, source: LiveRecord, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock  # in s
        self._acknowledged: dict[str, int] = {}
        """Acknowledged alarms by name, with the frame of the acknowledgement."""
        self._last_command = 0  # the id of the last row of commands that was read
        self._meta = 0
        self._head = -1
        self._now = AlarmFollower(source, self._clock)
        self._past: AlarmFollower | None = None

    @property
    def book(self) -> AlarmBook:
        """Return the alarms since `watched_from`."""
        return self._now.book

    @property
    def watched_from(self) -> int:
        """Return the frame from which all alarms are known."""
        return self._now.begin

    @property
    def behind(self) -> bool:
        """Return whether a refresh could not read everything, so that another should follow
        soon."""
        return self._now.behind or self._past is not None

    def follow(self, head: int) -> tuple[Alarm, ...]:
        """Return all alarms as of frame `head`, or as far as there was time to read."""
        source = self._source
        if id(source.meta) != self._meta or head < self._head:
            self._meta = id(source.meta)
            self._now, self._past = AlarmFollower(source, self._clock), None
        if self._now.is_far(head):
            # The follower so far becomes that of the past.
            self._past = self._past or self._now
            self._now = AlarmFollower(source, self._clock)
            self._now.begin_shortly_before(head)
        self._now.follow(head, self._clock() + _BUDGET_S)
        if self._past is not None:
            until = self._clock() + _PAST_BUDGET_S
            self._past.catch_up(head, until)
            if not self._past.behind:
                self._past.follow(head, until + _BUDGET_S)
            if not self._past.behind and not self._now.behind:
                self._now, self._past = self._past, None
        self._head = head
        self._read_acknowledgements()
        for follower in self._followers:
            for alarm in follower.book.alarms:
                if self._acknowledged.get(alarm.name, -1) >= alarm.raised_frame:
                    follower.book.acknowledge([alarm.key])
        return self.alarms

    @property
    def _followers(self) -> list[AlarmFollower]:
        return [self._now] if self._past is None else [self._now, self._past]

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """Return the alarms that are listed: the present ones, and those of the past known so
        far."""
        present = self.book.alarms
        if self._past is None:
            return present
        known = {alarm.key for alarm in present}
        older = [
            alarm
            for alarm in self._past.book.alarms
            if alarm.key not in known and not alarm.acknowledged
        ]
        return (*present, *(replace(alarm, level=Level.GOOD) for alarm in older))

    def acknowledge(self) -> int:
        """Acknowledge every alarm that is listed; return how many."""
        waiting = [alarm for alarm in self.alarms if not alarm.acknowledged]
        for alarm in waiting:
            self._acknowledged[alarm.name] = self._head
        for follower in self._followers:
            follower.book.acknowledge([alarm.key for alarm in waiting])
        return len(waiting)

    def _read_acknowledgements(self) -> None:
        """Take over the acknowledgements of other screens."""
        for row in acknowledgements(self._source, self._last_command):
            self._last_command = row.id
            command = recorded_command(row.command, row.arguments)
            if isinstance(command, AcknowledgeAlarm):
                self._acknowledged[command.alarm] = max(
                    row.frame, self._acknowledged.get(command.alarm, -1)
                )
