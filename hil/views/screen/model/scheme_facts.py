"""Reads what the picture of a scheme needs of the record: the newest executions that were more than
plain agreement, the newest vote by values, the newest replicas of the voter that were split, and
the newest node that was woken. Each is read again only when the frame it is of changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hil.record.event_queries import (
    neighbour_frame,
    newest_replica_frame,
    newest_wake_up,
    notable_frame,
    replies_of_frame,
)
from hil.record.live import LiveRecord
from hil.record.record_tables import RecordTable
from hil.record.row_values import RecordedReply
from hil.redundancy.spares import NEEDED
from hil.views.field_values import FieldReader, FieldValues, last_outputs
from hil.views.screen.model.executions import RepeatedStep, repeated_steps
from hil.views.screen.rules import SchemeRule
from hil.views.voter_views import VoterView, voter_views

__all__ = ["SchemeFacts", "SchemeFactsReader"]


@dataclass(frozen=True, slots=True)
class SchemeFacts:
    """The state of the scheme in the newest frame that is more than plain agreement; `frame` is
    that frame, -1 without one. `repeats`: its executions, with time redundancy; `fields`: its
    output field by field, if values are voted on; `voters`: the replicas of the voter in
    `voters_frame`, the newest one in which their views differed; `woken`: the last node that was
    switched on, its frame and the reason."""

    frame: int = -1
    repeats: tuple[RepeatedStep, ...] = ()
    fields: tuple[FieldValues, ...] = ()
    voters_frame: int = -1
    voters: tuple[VoterView, ...] = ()
    woken: tuple[str, int, str] | None = None


class SchemeFactsReader:
    """Reads the facts of one record. Not thread-safe."""

    def __init__(self, source: LiveRecord) -> None:
        self._source = source
        self._notable: tuple[int, tuple[RepeatedStep, ...], tuple[FieldValues, ...]] = (-1, (), ())
        self._voters: tuple[int, tuple[VoterView, ...]] = (-1, ())

    def forget(self) -> None:
        """Read again, because rows that were read have been removed."""
        self._notable, self._voters = (-1, (), ()), (-1, ())

    def facts(self, head: int, rule: SchemeRule) -> SchemeFacts:
        """Return the facts as of frame `head` of a run with this rule."""
        frame, repeats, fields = self._newest(head) if rule.shows_frames else (-1, (), ())
        split, voters = self._replicas(head) if rule.voter_per_node else (-1, ())
        woken = self._woken(head) if rule.wakes_nodes else None
        return SchemeFacts(frame, repeats, fields, split, voters, woken)

    def _newest(self, head: int) -> tuple[int, tuple[RepeatedStep, ...], tuple[FieldValues, ...]]:
        source = self._source
        frame = neighbour_frame(source, head + 1, -1)
        if frame is None:
            return -1, (), ()
        if frame != self._notable[0]:
            row, verdict = notable_frame(source, frame), source.verdict(frame)
            replies = replies_of_frame(source, frame)
            delivered = bytes(row.value or b"") if row is not None and row.delivered else b""
            voters = 0 if verdict is None else verdict.voters
            fields = FieldReader(source.meta.scenario, source.names)
            self._notable = (
                frame,
                () if verdict is None else tuple(repeated_steps(verdict, replies)),
                fields.of(last_outputs(replies), voters, delivered),
            )
        return self._notable

    def _replicas(self, head: int) -> tuple[int, tuple[VoterView, ...]]:
        source = self._source
        frame = newest_replica_frame(source, head)
        if frame is None:
            return -1, ()
        if frame != self._voters[0]:
            replies: Sequence[RecordedReply] = replies_of_frame(source, frame)
            self._voters = (frame, voter_views(source, source.names, frame, replies))
        return self._voters

    def _woken(self, head: int) -> tuple[str, int, str] | None:
        source = self._source
        position = source.position(RecordTable.TRANSITIONS, source.upto(head))
        row = newest_wake_up(source, position)
        if row is None:
            return None
        return row.node, row.frame + 1, row.cause.removeprefix(NEEDED)
