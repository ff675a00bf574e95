"""Reads a record in one direction and feeds its values to a book of alarms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hil.record.event_queries import anomalies, isolations, supply_events
from hil.record.live import LiveRecord
from hil.record.queries import BadOutput, BadSpan, bad_spans, isolated_though_right
from hil.record.record_tables import RecordTable
from hil.record.row_values import RecordedPlant
from hil.record.telemetry_queries import (
    die_temperatures,
    health_frame_after,
    health_frame_by,
    health_rows,
    illumination_at,
    plant_rows,
    plant_time_ahead,
    plant_time_back,
)
from hil.redundancy.recovery import NodeState
from hil.redundancy.spares import is_stand_by
from hil.views.alarm_limits import Level, limits_of, limits_of_boards
from hil.views.screen.model.alarms import AlarmBook
from hil.views.screen.model.facts import NodeReading
from hil.views.screen.model.limit_search import COUNTERS, LimitSearch
from hil.views.screen.model.recorded_values import reading_of
from hil.views.screen.model.verdict_strip import CALM_US
from hil.wire.throttling import UNDER_VOLTAGE, flag_words

__all__ = ["REACH", "AlarmFollower"]

REACH: Final = 600
"""The number of rows (of health: per node) that are read at once."""
_CHUNK: Final = 20_000
"""The number of rows of the past that are searched at once for values out of limits."""
_ROWS: Final = 200
"""The number of rows that are fed between two readings of the clock."""
_TABLES: Final = (
    RecordTable.HEALTH,
    RecordTable.TRANSITIONS,
    RecordTable.ANOMALIES,
    RecordTable.POWER,
)


class AlarmFollower:
    """Reads a record on from its last position and feeds a book of alarms."""

    def __init__(self, source: LiveRecord, clock: Callable[[], float]) -> None:
        self._source = source
        self._clock = clock  # in s
        self.book = AlarmBook(
            limits_of(source.meta.scenario.alarms),
            limits_of_boards(source.meta),
        )
        self.begin = 0
        self.at = dict.fromkeys(_TABLES, 0)
        self.behind = False
        self._last: dict[int, NodeReading] = {}
        self._frame = -1
        self._plant_us = -1
        self._last_bad_us: dict[str, int] = {}
        self._phase_of = (-1, "")
        self._search = LimitSearch(source, self.book.limits)

    def is_far(self, head: int) -> bool:
        """Return whether there is more up to frame `head` than can be read at once."""
        source = self._source
        rows = source.position(RecordTable.HEALTH, source.upto(head)) - self.at[RecordTable.HEALTH]
        if rows > REACH * max(1, len(source.nodes)):
            return True
        begin_us = plant_time_back(source, source.time.t_us(head), REACH)
        return begin_us is not None and begin_us > self._plant_us

    def begin_shortly_before(self, head: int) -> None:
        """Skip what is more than `REACH` rows before frame `head`."""
        source, upto = self._source, self._source.upto(head)
        nodes = max(1, len(source.nodes))
        health = max(0, source.position(RecordTable.HEALTH, upto) - REACH * nodes)
        begin = (health_frame_after(source, health) if health else None) or 0
        begin_us = plant_time_back(source, source.time.t_us(head), REACH)
        self._plant_us = -1 if begin_us is None else begin_us
        self.begin = max(begin, 0 if begin_us is None else source.time.frame_at(begin_us))
        self._frame = begin - 1
        self.at[RecordTable.HEALTH] = health
        for table in _TABLES[1:] if begin else ():
            # The isolation of a node is among the newest transitions.
            self.at[table] = max(0, source.position(table, upto) - 2000)

    def follow(self, head: int, until: float) -> None:
        """Feed everything up to frame `head`; quantities until the clock reads `until`."""
        upto = self._source.upto(head)
        ends = {table: self._source.position(table, upto) for table in _TABLES}
        self._conditions(ends, head)
        plant = self._plant(self._source.time.t_us(head), until)
        ends[RecordTable.HEALTH] = self._readings(ends[RecordTable.HEALTH], until)
        self.behind = not plant or ends[RecordTable.HEALTH] < self._source.position(
            RecordTable.HEALTH, upto
        )
        self.at = ends

    def catch_up(self, head: int, until: float) -> None:
        """Feed the record from its beginning, a piece at a time; `behind` until it reaches
        `head`."""
        source, upto = self._source, self._source.upto(head)
        end, end_us = source.position(RecordTable.HEALTH, upto), source.time.t_us(head)
        while self._clock() < until and self.at[RecordTable.HEALTH] < end:
            stop = min(end, self.at[RecordTable.HEALTH] + _CHUNK)
            newest = health_frame_by(source, stop)
            frame = head if newest is None else min(head, newest)
            ends = {table: source.position(table, frame) for table in _TABLES}
            self._conditions(ends, frame)
            if not self._search.in_health(self.at[RecordTable.HEALTH], stop):
                self.at[RecordTable.HEALTH] = max(
                    self.at[RecordTable.HEALTH], stop - 2 * max(1, len(source.nodes))
                )
            ends[RecordTable.HEALTH] = self._readings(stop, until)
            self.at = ends
        while self._clock() < until and self._plant_us < end_us:
            ahead_us = plant_time_ahead(source, self._plant_us, end_us, _CHUNK)
            stop_us = end_us if ahead_us is None else ahead_us
            if not self._search.in_plant(self._plant_us, stop_us):
                back_us = plant_time_back(source, stop_us, 1)
                self._plant_us = max(self._plant_us, -1 if back_us is None else back_us)
            if self._plant(stop_us, until):
                self._plant_us = stop_us
        self.behind = self.at[RecordTable.HEALTH] < end or self._plant_us < end_us

    def _conditions(self, ends: dict[RecordTable, int], head: int) -> None:
        """Feed the conditions: isolation, lost and wrong outputs, anomalies, and boards without
        over-current protection."""
        book, source = self.book, self._source
        for row in isolations(
            source, self.at[RecordTable.TRANSITIONS], ends[RecordTable.TRANSITIONS]
        ):
            out = row.after == NodeState.ISOLATED and not is_stand_by(row.cause)
            level = Level.BAD if out else Level.GOOD
            text = f"{row.node} isolated: {row.cause}"
            if level is Level.BAD and isolated_though_right(source, row.frame, row.node):
                text = f"{row.node} isolated though right: a wrong majority outvoted it"
            book.condition(row.frame, "isolated", row.node, level, text)
        for span in bad_spans(source, self._frame + 1, head, CALM_US):
            self._output(span)
        self._frame = max(self._frame, head)
        for key in ("wrong output", "no output"):
            self._calm_down(key, source.time.t_us(head), head)
        for anomaly in anomalies(
            source, self.at[RecordTable.ANOMALIES], ends[RecordTable.ANOMALIES]
        ):
            text = f"{anomaly.node}: {anomaly.effect} that no upset explains"
            book.condition(anomaly.frame, "unexplained", anomaly.node, Level.WARN, text)
            book.condition(anomaly.frame, "unexplained", anomaly.node, Level.GOOD, "")
        for event in supply_events(source, self.at[RecordTable.POWER], ends[RecordTable.POWER]):
            if event.protection_lost:
                book.condition(event.frame, "protection", event.node, Level.BAD, event.event)
            elif event.protection_works:
                book.condition(event.frame, "protection", event.node, Level.GOOD, "")

    def _output(self, span: BadSpan) -> None:
        """Feed an episode of wrong or lost outputs; it may continue the previous one."""
        lost = span.what != BadOutput.WRONG
        key = "no output" if lost else "wrong output"
        texts: dict[str, str] = {
            BadOutput.WRONG: "a wrong output left the system",
            BadOutput.HELD: "no voted output: the last one left the system again",
        }
        text = texts.get(span.what, "no output left the system")
        self._calm_down(key, span.first_us, span.first)
        self._last_bad_us[key] = max(self._last_bad_us.get(key, 0), span.last_us)
        self.book.condition(span.first, key, "", Level.BAD, text)

    def _calm_down(self, key: str, now_us: int, frame: int) -> None:
        """End the alarm after `CALM_US` without a wrong or lost output."""
        if now_us - self._last_bad_us.get(key, now_us) >= CALM_US and self.book.is_raised(
            (key, "")
        ):
            self.book.condition(frame, key, "", Level.GOOD, "")

    def _readings(self, end: int, until: float) -> int:
        """Feed the rows of health up to id `end`; return the id that was reached in time."""
        names, at = self._source.names, self.at[RecordTable.HEALTH]
        begun = at
        while at < end and (at == begun or self._clock() < until):
            upto = min(end, at + _ROWS)
            for row in health_rows(self._source, at, upto):
                if row.node < len(names):
                    self._reading(names[row.node], row.node, reading_of(row))
            at = upto
        return at

    def _reading(self, name: str, index: int, now: NodeReading) -> None:
        values = {
            "cpu_temp_c": now.temp_c,
            "power_w": now.power_w,
            "round_trip_ms": now.round_trip_ms,
            "rss_mib": now.rss_mib,
            "free_mib": now.free_mib,
        }
        then = self._last.setdefault(index, now)
        self._flags(name, then, now)
        time = self._source.time
        seconds = (time.t_us(now.frame) - time.t_us(then.frame)) / 1e6
        if seconds > 0:
            for quantity, what in COUNTERS.items():
                values[quantity] = max(0, getattr(now, what) - getattr(then, what)) / seconds
            self._last[index] = now
        phase = self._phase(now.frame)
        for quantity, value in values.items():
            if value is not None:
                self.book.sample(now.frame, quantity, name, value, phase)

    def _flags(self, name: str, then: NodeReading, now: NodeReading) -> None:
        """Feed the flags of the board's firmware about its supply and its clock. Its flags since
        boot are not the present state, but a new one was set between two readings."""
        new = now.flags_since_boot & ~then.flags_since_boot if now.uptime_s > then.uptime_s else 0
        for key, mask in (("under_voltage", UNDER_VOLTAGE), ("throttled", ~UNDER_VOLTAGE)):
            for flags in (new & mask, now.flags_now & mask):
                if flags:
                    text = f"{name}: {flag_words(flags)}"
                    self.book.condition(now.frame, key, name, Level.WARN, text)
            if not now.flags_now & mask:
                self.book.condition(now.frame, key, name, Level.GOOD, "")

    def _phase(self, frame: int) -> str:
        """Return `sun` or `eclipse`; empty if the record has no illumination."""
        if frame == self._phase_of[0]:
            return self._phase_of[1]
        light = illumination_at(self._source, self._source.time.t_us(frame))
        self._phase_of = (frame, _phase_name(light))
        return self._phase_of[1]

    def _plant(self, end_us: int, until: float) -> bool:
        """Feed the plant up to `end_us`; return whether the time sufficed."""
        source = self._source
        first = True
        while first or self._clock() < until:
            first = False
            rows = plant_rows(source, self._plant_us, end_us, _ROWS)
            if not rows:
                return True
            for row in rows:
                self._plant_row(row)
            self._plant_us = rows[-1].t_us
        return False

    def _plant_row(self, row: RecordedPlant) -> None:
        phase = _phase_name(row.illumination)
        frame = self._source.time.frame_at(row.t_us)
        for quantity, value in (("soc", row.soc), ("bus_v", row.bus_v)):
            if value is not None:
                self.book.sample(frame, quantity, "", value, phase)
        for node, die_c in die_temperatures(self._source, row.t_us).items():
            if die_c is not None:
                self.book.sample(frame, "die_c", node, die_c, phase)


def _phase_name(illumination: float | None) -> str:
    if illumination is None:
        return ""
    return "sun" if illumination >= 0.5 else "eclipse"
