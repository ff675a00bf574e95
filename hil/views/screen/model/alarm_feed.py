"""Feeds the alarms of a record: everything in it, up to the frame on view.

Whoever comes late must hear of what happened before, but not wait for it. So a record is followed
twice: from `REACH` rows before on, at once; and from its beginning on, a little with every look, as
fast as SQLite can tell that there was nothing. When the second has caught up it stands for both.
Until then `watched_from` says since when all alarms are known.

What was acknowledged stays so: by this screen, or by any other through the record's `commands`.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from hil.record.live import LiveRecord
from hil.record.queries import bad_spans, isolated_though_right
from hil.views.screen.model.alarms import Alarm, Book, limits_of, limits_of_boards
from hil.views.screen.model.facts import Level, NodeReading
from hil.views.screen.model.recorded_values import reading_of
from hil.views.screen.model.verdict_strip import CALM_US
from hil.wire.throttling import ALL_FLAGS, UNDER_VOLTAGE, flag_words

__all__ = ["REACH", "Watch"]

REACH: Final = 600
_BUDGET_S: Final = 0.04
_PAST_BUDGET_S: Final = 0.01
"""With every look; reading the past is to be noticed as little as possible."""
_CHUNK: Final = 20_000
"""Rows of the past that are looked at in one go if nothing in them is out of its limits."""
_TABLES: Final = ("health", "transitions", "anomalies")


class Watch:
    """The alarms of one record."""

    def __init__(self, source: LiveRecord, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock  # in s
        self._seen: dict[str, int] = {}
        """Alarms that somebody took note of, by name: as of which frame."""
        self._heard = 0  # the last row of commands that was looked at
        self._meta = 0
        self._head = -1
        self._now = _Follower(source, self._clock)
        self._past: _Follower | None = None

    @property
    def book(self) -> Book:
        """What is known of the time since `watched_from`."""
        return self._now.book

    @property
    def watched_from(self) -> int:
        """The first frame since when all alarms are known."""
        return self._now.begin

    @property
    def behind(self) -> bool:
        """There was too much for one look: look again soon."""
        return self._now.behind or self._past is not None

    def follow(self, head: int) -> tuple[Alarm, ...]:
        """All alarms as of frame `head`, or as far as there was time to come."""
        source = self._source
        if id(source.meta) != self._meta or head < self._head:
            self._meta = id(source.meta)
            self._now, self._past = _Follower(source, self._clock), None
        if self._now.is_far(head):
            # What was read so far is the past, or the beginning of it.
            self._past = self._past or self._now
            self._now = _Follower(source, self._clock)
            self._now.begin_shortly_before(head)
        self._now.follow(head, self._clock() + _BUDGET_S)
        if self._past is not None:
            self._past.catch_up(head, self._clock() + _PAST_BUDGET_S)
            if not self._past.behind and not self._now.behind:
                self._now, self._past = self._past, None
        self._head = head
        self._hear()
        for follower in self._followers:
            for alarm in follower.book.alarms:
                if self._seen.get(alarm.name, -1) >= alarm.raised_frame:
                    follower.book.acknowledge([alarm.key])
        return self.alarms

    @property
    def _followers(self) -> list[_Follower]:
        return [self._now] if self._past is None else [self._now, self._past]

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """Those that are listed: of now, and what is known already of the past."""
        found = self.book.alarms
        if self._past is None:
            return found
        known = {alarm.key for alarm in found}
        older = [
            alarm
            for alarm in self._past.book.alarms
            if alarm.key not in known and not alarm.acknowledged
        ]
        return (*found, *(replace(alarm, level=Level.GOOD) for alarm in older))

    def acknowledge(self) -> int:
        """Take note of everything that is listed; how many."""
        waiting = [alarm for alarm in self.alarms if not alarm.acknowledged]
        for alarm in waiting:
            self._seen[alarm.name] = self._head
        for follower in self._followers:
            follower.book.acknowledge([alarm.key for alarm in waiting])
        return len(waiting)

    def _hear(self) -> None:
        """What others took note of."""
        for row in self._source.rows(
            "SELECT id, frame, arguments FROM commands WHERE id > ? AND ok "
            "AND command = 'acknowledge' ORDER BY id",
            self._heard,
        ):
            self._heard = row["id"]
            with contextlib.suppress(ValueError, AttributeError):
                name = str(json.loads(row["arguments"]).get("alarm", ""))
                self._seen[name] = max(row["frame"], self._seen.get(name, -1))


class _Follower:
    """Reads on from where it was."""

    def __init__(self, source: LiveRecord, clock: Callable[[], float]) -> None:
        self._source = source
        self._clock = clock  # in s
        scenario = source.meta.get("scenario")
        self.book = Book(
            limits_of(scenario if isinstance(scenario, dict) else {}),
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
        self._beyond = self._beyond_sql()

    def is_far(self, head: int) -> bool:
        """Whether there is more up to frame `head` than can be read at once."""
        source = self._source
        rows = source.position("health", source.upto(head)) - self.at["health"]
        if rows > REACH * max(1, len(source.nodes)):
            return True
        row = source.one(
            "SELECT t_us FROM plant WHERE t_us <= ? ORDER BY t_us DESC LIMIT 1 OFFSET ?",
            source.time.t_us(head),
            REACH,
        )
        return row is not None and row["t_us"] > self._plant_us

    def begin_shortly_before(self, head: int) -> None:
        """Leave out what is more than `REACH` rows before frame `head`."""
        source, upto = self._source, self._source.upto(head)
        nodes = max(1, len(source.nodes))
        health = max(0, source.position("health", upto) - REACH * nodes)
        row = health and source.one(
            "SELECT frame FROM health WHERE id > ? ORDER BY id LIMIT 1", health
        )
        begin = row["frame"] if row else 0
        row = source.one(
            "SELECT t_us FROM plant WHERE t_us <= ? ORDER BY t_us DESC LIMIT 1 OFFSET ?",
            source.time.t_us(head),
            REACH,
        )
        self._plant_us = row["t_us"] if row else -1
        self.begin = max(begin, source.time.frame_at(self._plant_us) if row else 0)
        self._frame = begin - 1
        self.at["health"] = health
        for table in ("transitions", "anomalies") if begin else ():
            # Who is isolated was isolated at some time; the newest transitions tell.
            self.at[table] = max(0, source.position(table, upto) - 2000)

    def follow(self, head: int, until: float) -> None:
        """Everything up to frame `head`; quantities as far as time allows."""
        upto = self._source.upto(head)
        ends = {table: self._source.position(table, upto) for table in _TABLES}
        self._conditions(ends, head)
        plant = self._plant(self._source.time.t_us(head), until)
        ends["health"] = self._readings(ends["health"], until)
        self.behind = not plant or ends["health"] < self._source.position("health", upto)
        self.at = ends

    def catch_up(self, head: int, until: float) -> None:
        """The same from the beginning on, a piece at a time; `behind` until it has arrived."""
        source, upto = self._source, self._source.upto(head)
        end, end_us = source.position("health", upto), source.time.t_us(head)
        while self._clock() < until and self.at["health"] < end:
            stop = min(end, self.at["health"] + _CHUNK)
            row = source.one(
                "SELECT frame FROM health WHERE id <= ? ORDER BY id DESC LIMIT 1", stop
            )
            frame = min(head, row["frame"]) if row else head
            ends = {table: source.position(table, frame) for table in _TABLES}
            self._conditions(ends, frame)
            if not self._beyond_in_health(self.at["health"], stop):
                self.at["health"] = max(self.at["health"], stop - 2 * max(1, len(source.nodes)))
            ends["health"] = self._readings(stop, until)
            self.at = ends
        while self._clock() < until and self._plant_us < end_us:
            row = source.one(
                "SELECT t_us FROM plant WHERE t_us > ? AND t_us <= ? ORDER BY t_us "
                "LIMIT 1 OFFSET ?",
                self._plant_us,
                end_us,
                _CHUNK,
            )
            stop_us = row["t_us"] if row else end_us
            if not self._beyond_in_plant(self._plant_us, stop_us):
                row = source.one(
                    "SELECT t_us FROM plant WHERE t_us <= ? ORDER BY t_us DESC LIMIT 1 OFFSET 1",
                    stop_us,
                )
                self._plant_us = max(self._plant_us, row["t_us"] if row else -1)
            if self._plant(stop_us, until):
                self._plant_us = stop_us
        self.behind = self.at["health"] < end or self._plant_us < end_us
        if not self.behind:
            self.follow(head, until + _BUDGET_S)

    def _beyond_sql(self) -> str | None:
        """What tells whether rows of `health` have a value out of its limits; None: nothing does,
        all are to be looked at."""
        parts: list[str] = []
        for quantity, limit in self.book.limits:
            column = _COLUMNS.get(quantity)
            bounds = [b for b in (limit.yellow_high, limit.red_high) if b is not None]
            lowest = [b for b in (limit.yellow_low, limit.red_low) if b is not None]
            if quantity in _PLANT:
                continue
            if column is not None:
                name, scale = column
                parts += [f"{name} > {min(bounds) * scale!r}"] if bounds else []
                parts += [f"{name} < {max(lowest) * scale!r}"] if lowest else []
            elif quantity not in _COUNTERS or lowest:
                return None
        return " OR ".join([*parts, f"throttled & {ALL_FLAGS} != 0"])

    def _beyond_in_health(self, begin: int, end: int) -> bool:
        """Whether anything between these rows may have been out of its limits."""
        if self._beyond is None:
            return True
        source = self._source
        if source.one(
            f"SELECT 1 FROM health WHERE id > ? AND id <= ? AND ({self._beyond}) LIMIT 1",
            begin,
            end,
        ):
            return True
        watched = (*_COUNTERS.values(), "throttled")
        spans = ", ".join(f"min({name}) != max({name})" for name in watched)
        grown = source.rows(
            f"SELECT {spans} FROM health WHERE id > ? AND id <= ? GROUP BY node",
            begin - len(source.nodes),
            end,
        )
        return any(any(row) for row in grown)

    def _beyond_in_plant(self, begin_us: int, end_us: int) -> bool:
        """The same of the plant, between these times."""
        for quantity, (table, column) in _PLANT.items():
            bounds = [limit for name, limit in self.book.limits if name == quantity]
            row = (
                self._source.one(
                    f"SELECT min({column}), max({column}) FROM {table}"
                    " WHERE t_us > ? AND t_us <= ?",
                    begin_us,
                    end_us,
                )
                if bounds
                else None
            )
            if row and any(
                value is not None and limit.level(value) > Level.GOOD
                for limit in bounds
                for value in row
            ):
                return True
        return False

    def _conditions(self, ends: dict[str, int], head: int) -> None:
        """What is no quantity: isolation, lost and wrong outputs, anomalies."""
        book, source = self.book, self._source
        for row in source.rows(
            "SELECT * FROM transitions WHERE id > ? AND id <= ? "
            "AND 'isolated' IN (before, after) ORDER BY id",
            self.at["transitions"],
            ends["transitions"],
        ):
            level = Level.BAD if row["after"] == "isolated" else Level.GOOD
            text = f"{row['node']} isolated: {row['cause']}"
            if level is Level.BAD and isolated_though_right(source, row["frame"], row["node"]):
                text = f"{row['node']} isolated though right: a wrong majority outvoted it"
            book.condition(row["frame"], "isolated", row["node"], level, text)
        for row in bad_spans(source, self._frame + 1, head, CALM_US):
            self._output(row)
        self._frame = max(self._frame, head)
        for key in ("wrong output", "no output"):
            self._calm_down(key, source.time.t_us(head), head)
        for row in source.rows(
            "SELECT * FROM anomalies WHERE id > ? AND id <= ? ORDER BY id",
            self.at["anomalies"],
            ends["anomalies"],
        ):
            text = f"{row['node']}: {row['effect']} that no upset explains"
            book.condition(row["frame"], "unexplained", row["node"], Level.WARN, text)
            book.condition(row["frame"], "unexplained", row["node"], Level.GOOD, "")

    def _output(self, row: sqlite3.Row) -> None:
        """An episode of wrong or lost outputs; it may go on one that was seen before."""
        lost = row["what"] != "wrong"
        key = "no output" if lost else "wrong output"
        text = {
            "wrong": "a wrong output left the system",
            "held": "no voted output: the last one left the system again",
        }.get(row["what"], "no output left the system")
        self._calm_down(key, row["first_us"], row["first"])
        self._last_bad_us[key] = max(self._last_bad_us.get(key, 0), row["last_us"])
        self.book.condition(row["first"], key, "", Level.BAD, text)

    def _calm_down(self, key: str, now_us: int, frame: int) -> None:
        """The alarm is over when nothing was wrong for long enough."""
        if now_us - self._last_bad_us.get(key, now_us) >= CALM_US and self.book.is_raised(
            (key, "")
        ):
            self.book.condition(frame, key, "", Level.GOOD, "")

    def _readings(self, end: int, until: float) -> int:
        """Take the rows up to `end`; returns how far the time sufficed."""
        names, at = self._source.names, self.at["health"]
        begun = at
        while at < end and (at == begun or self._clock() < until):
            upto = min(end, at + 200)
            for row in self._source.rows(
                "SELECT * FROM health WHERE id > ? AND id <= ? ORDER BY id", at, upto
            ):
                if row["node"] < len(names):
                    self._reading(names[row["node"]], row["node"], reading_of(row))
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
            for quantity, what in _COUNTERS.items():
                values[quantity] = max(0, getattr(now, what) - getattr(then, what)) / seconds
            self._last[index] = now
        phase = self._phase(now.frame)
        for quantity, value in values.items():
            if value is not None:
                self.book.sample(now.frame, quantity, name, value, phase)

    def _flags(self, name: str, then: NodeReading, now: NodeReading) -> None:
        """What the firmware of the board says of its supply and its clock. What it says of the time
        since its boot is no state of now; but what is new in it was so between two readings."""
        new = now.flags_since_boot & ~then.flags_since_boot if now.uptime_s > then.uptime_s else 0
        for key, mask in (("under_voltage", UNDER_VOLTAGE), ("throttled", ~UNDER_VOLTAGE)):
            for flags in (new & mask, now.flags_now & mask):
                if flags:
                    text = f"{name}: {flag_words(flags)}"
                    self.book.condition(now.frame, key, name, Level.WARN, text)
            if not now.flags_now & mask:
                self.book.condition(now.frame, key, name, Level.GOOD, "")

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
        return _phase_name(row[0] if row else None)

    def _plant(self, end_us: int, until: float) -> bool:
        """What the plant was up to this time; whether the time sufficed."""
        source = self._source
        first = True
        while first or self._clock() < until:
            first = False
            rows = source.rows(
                "SELECT * FROM plant WHERE t_us > ? AND t_us <= ? ORDER BY t_us LIMIT 200",
                self._plant_us,
                end_us,
            )
            if not rows:
                return True
            for row in rows:
                self._plant_row(row)
            self._plant_us = rows[-1]["t_us"]
        return False

    def _plant_row(self, row: sqlite3.Row) -> None:
        phase = _phase_name(row["illumination"])
        frame = self._source.time.frame_at(row["t_us"])
        for quantity in ("soc", "bus_v"):
            if row[quantity] is not None:
                self.book.sample(frame, quantity, "", row[quantity], phase)
        for node in self._source.rows(
            "SELECT node, die_c FROM plant_nodes WHERE t_us = ?", row["t_us"]
        ):
            if node["die_c"] is not None:
                self.book.sample(frame, "die_c", node["node"], node["die_c"], phase)


def _phase_name(illumination: float | None) -> str:
    if illumination is None:
        return ""
    return "sun" if illumination >= 0.5 else "eclipse"


_COLUMNS: Final = {
    "cpu_temp_c": ("cpu_temp_mc", 1000.0),
    "round_trip_ms": ("round_trip_us", 1000.0),
    "rss_mib": ("rss_kib", 1024.0),
    "free_mib": ("free_mib", 1.0),
}
"""Quantities that stand in a column of `health`, and its unit."""
_COUNTERS: Final = {
    "corrected_per_s": "corrected",
    "uncorrected_per_s": "uncorrected",
    "link_errors_per_s": "rx_errors",
}
_PLANT: Final = {
    "soc": ("plant", "soc"),
    "bus_v": ("plant", "bus_v"),
    "die_c": ("plant_nodes", "die_c"),
}
