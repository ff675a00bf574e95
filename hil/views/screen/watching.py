"""Feeds the alarms of a record: all that has come since the last time, up to the frame on view.

A record that is opened late, or sought in, is watched from `REACH` rows before: `watched_from` says
since when, because alarms before it are not known here.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Final

from hil.views.screen.alarms import Alarm, Book, limits_of
from hil.views.screen.facts import Level, Reading
from hil.views.screen.gather import reading_of
from hil.views.screen.source import Source

__all__ = ["Watch"]

REACH: Final = 600
_BUDGET_S: Final = 0.04


class Watch:
    """The alarms of one record."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._begin(-1)
        self._acknowledged: set[tuple[str, str, int]] = set()
        self._meta = 0

    def _begin(self, head: int) -> None:
        scenario = self._source.meta.get("scenario")
        self.book = Book(limits_of(scenario if isinstance(scenario, dict) else {}))
        self._head = head
        self._last: dict[int, Reading] = {}
        self.watched_from = 0
        self._at = {"health": 0, "transitions": 0, "anomalies": 0}
        self._frame = -1
        self._plant_us = -1
        self._last_bad: dict[str, int] = {}
        self._behind = False
        self._phase_of = (-1, "")

    @property
    def behind(self) -> bool:
        """There was too much for one look: look again soon."""
        return self._behind

    def follow(self, head: int) -> tuple[Alarm, ...]:
        """All alarms as of frame `head`, or as far as there was time to come."""
        source = self._source
        if id(source.meta) != self._meta or head < self._head:
            self._meta = id(source.meta)
            self._begin(head)
        ends = {table: source.position(table, head) for table in self._at}
        nodes = max(1, len(source.nodes))
        if ends["health"] - self._at["health"] > REACH * nodes:
            self._skip(ends, nodes)
        self._conditions(ends, head)
        ends["health"] = self._readings(ends["health"])
        self._plant(head)
        self._at, self._head = ends, head
        for alarm in self.book.alarms:  # what was acknowledged before a seek stays so
            if (*alarm.key, alarm.since_frame) in self._acknowledged:
                self.book.acknowledge([alarm.key])
        return self.book.alarms

    def acknowledge(self) -> int:
        """Take note of everything that is listed; how many."""
        for alarm in self.book.alarms:
            self._acknowledged.add((*alarm.key, alarm.since_frame))
        return self.book.acknowledge()

    def _skip(self, ends: dict[str, int], nodes: int) -> None:
        """Too much has passed: begin again, not long before."""
        self._begin(-1)
        self._at["health"] = ends["health"] - REACH * nodes
        row = self._source.one("SELECT frame FROM health WHERE id > ? ORDER BY id LIMIT 1",
                               self._at["health"])  # fmt: skip
        self.watched_from = self._frame = row["frame"] if row else 0
        self._plant_us = self._source.time.t_us(self.watched_from)
        for table in ("transitions", "anomalies"):
            # Who is isolated was isolated at some time; the newest transitions tell.
            self._at[table] = max(0, ends[table] - 2000)

    def _conditions(self, ends: dict[str, int], head: int) -> None:
        """What is no quantity: isolation, lost and wrong outputs, anomalies."""
        book, source = self.book, self._source
        for row in source.rows(
            "SELECT * FROM transitions WHERE id > ? AND id <= ? "
            "AND 'isolated' IN (before, after) ORDER BY id",
            self._at["transitions"], ends["transitions"],
        ):  # fmt: skip
            level = Level.BAD if row["after"] == "isolated" else Level.GOOD
            text = f"{row['node']} isolated: {row['cause']}"
            book.condition(row["frame"], "isolated", row["node"], level, text)
        for row in source.rows(
            "SELECT frame, verdict FROM frames WHERE frame > ? AND frame <= ? AND "
            "(verdict IN ('no_majority', 'no_quorum') OR output != golden_output) "
            "ORDER BY frame LIMIT ?", self._frame, head, REACH,
        ):  # fmt: skip
            self._output(row)
        self._frame = max(self._frame, head)
        for key in ("wrong output", "no output"):
            alarm = next((a for a in book.alarms if a.key == (key, "")), None)
            if alarm is not None and self._last_bad.get(key, -1) < head:
                book.condition(head, key, "", Level.GOOD, "")
        for row in source.rows(
            "SELECT * FROM anomalies WHERE id > ? AND id <= ? ORDER BY id",
            self._at["anomalies"], ends["anomalies"],
        ):  # fmt: skip
            text = f"{row['node']}: {row['effect']} that no upset explains"
            book.condition(row["frame"], "unexplained", row["node"], Level.WARN, text)
            book.condition(row["frame"], "unexplained", row["node"], Level.GOOD, "")

    def _output(self, row: sqlite3.Row) -> None:
        lost = row["verdict"] in ("no_majority", "no_quorum")
        key = "no output" if lost else "wrong output"
        text = "no output left the system" if lost else "a wrong output left the system"
        self._last_bad[key] = row["frame"]
        self.book.condition(row["frame"], key, "", Level.BAD, text)

    def _readings(self, end: int) -> int:
        """Take the rows up to `end`; returns how far the time sufficed."""
        names, at = self._source.names, self._at["health"]
        until = time.monotonic() + _BUDGET_S
        while at < end and time.monotonic() < until:
            upto = min(end, at + 200)
            for row in self._source.rows(
                "SELECT * FROM health WHERE id > ? AND id <= ? ORDER BY id", at, upto
            ):
                if row["node"] < len(names):
                    self._reading(names[row["node"]], row["node"], reading_of(row))
            at = upto
        self._behind = at < end
        return at

    def _reading(self, name: str, index: int, now: Reading) -> None:
        values = {
            "cpu_temp_c": now.temp_c, "power_w": now.power_w, "round_trip_ms": now.round_trip_ms,
            "rss_mib": now.rss_mib, "free_mib": now.free_mib,
        }  # fmt: skip
        then = self._last.get(index)
        if then is not None and now.wall_us > then.wall_us:
            seconds = (now.wall_us - then.wall_us) / 1e6
            for what in ("corrected", "uncorrected", "rx_errors"):
                grown = max(0, getattr(now, what) - getattr(then, what)) / seconds
                values["link_errors_per_s" if what == "rx_errors" else f"{what}_per_s"] = grown
        self._last[index] = now
        phase = self._phase(now.frame)
        for quantity, value in values.items():
            if value is not None:
                self.book.sample(now.frame, quantity, name, value, phase)

    def _phase(self, frame: int) -> str:
        """Whether the satellite is in sunlight; empty where nothing is said of it."""
        if frame == self._phase_of[0]:
            return self._phase_of[1]
        self._phase_of = (frame, self._light(frame))
        return self._phase_of[1]

    def _light(self, frame: int) -> str:
        row = self._source.one(
            "SELECT illumination FROM plant WHERE t_us <= ? ORDER BY t_us DESC LIMIT 1",
            self._source.time.t_us(frame),
        )
        if row is None or row[0] is None:
            return ""
        return "sun" if row[0] >= 0.5 else "eclipse"

    def _plant(self, head: int) -> None:
        rows = self._source.rows(
            "SELECT * FROM plant WHERE t_us > ? AND t_us <= ? ORDER BY t_us DESC LIMIT ?",
            self._plant_us, self._source.time.t_us(head), REACH,
        )  # fmt: skip
        for row in reversed(rows):
            phase = "" if row["illumination"] is None else \
                "sun" if row["illumination"] >= 0.5 else "eclipse"  # fmt: skip
            frame = self._source.time.frame_at(row["t_us"])
            for quantity in ("soc", "bus_v"):
                if row[quantity] is not None:
                    self.book.sample(frame, quantity, "", row[quantity], phase)
            for node in self._source.rows(
                "SELECT node, die_c FROM plant_nodes WHERE t_us = ?", row["t_us"]
            ):
                if node["die_c"] is not None:
                    self.book.sample(frame, "die_c", node["node"], node["die_c"], phase)
        if rows:
            self._plant_us = rows[0]["t_us"]
