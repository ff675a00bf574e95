"""From a record to a Scene: everything around one frame, asked for with a few small queries.

What cannot have changed is not asked for again; what is long is not asked for at all.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from hil.record.digest import hex64
from hil.record.live import LiveRecord, State
from hil.record.queries import (
    golden_digests,
    left_vote,
    outvoted_though_right,
    recoveries,
    skipped_frames,
    upsets_behind,
)
from hil.record.timeline import Timeline
from hil.redundancy.voting import RE_EXECUTED, NodeStatus, Verdict
from hil.views.correctness import Answered, answered, names_text
from hil.views.ending import ended_by, lost_boards, untested
from hil.views.listing import inherited_text
from hil.views.screen.model.events import newest_events
from hil.views.screen.model.facts import (
    LinkCounts,
    NodeFacts,
    NodeReading,
    Place,
    PlantNode,
    PlantReading,
    Run,
    Scene,
    Vote,
)
from hil.views.screen.model.time_input import duration_us
from hil.views.screen.model.verdict_strip import Ledger, StripTotals
from hil.views.screen.rules import rule_of
from hil.wire.rails import board_power_mw
from hil.wire.throttling import flags_now, flags_since_boot

__all__ = ["Gather", "anomaly_cells", "place_of", "reading_of", "vote_of"]

_READ_ON_S: Final = 0.02
_RATE_WINDOW_S: Final = 5.0
_LOOK_BACK: Final = 5000
"""Rows of health that are searched for a node that has none among the newest."""
_NAMED: Final = 2
"""So many upsets are named where there is little room."""
_SETTLED: Final = 1000
"""So many frames later no upset is added to one any more."""
_AHEAD_US: Final = 3_600_000_000
_BEHIND_US: Final = 1_800_000_000
_PLACES: Final = 240


class Gather:
    """Scenes of one record."""

    def __init__(self, source: LiveRecord, clock: Callable[[], float] = time.monotonic) -> None:
        self.source = source
        self.ledger = Ledger(source, clock)
        self._known = -1
        self._run: tuple[tuple[int, int], Run] | None = None
        self._rates: deque[tuple[int, int]] = deque()
        self._states: dict[str, tuple[int, dict[str, Any] | None, bool]] = {}
        self._readings: tuple[int, dict[int, list[NodeReading]]] = (-1, {})
        self._heard: dict[int, int] = {}
        self._counts: tuple[tuple[int, int], tuple[int, int, int, int]] = ((-1, -1), (0, 0, 0, 0))
        self._upsets_by = (-1, 0, 0)
        self._recoveries_by = (0, 0)
        self._behind: dict[tuple[str, int], tuple[int, str]] = {}
        self._paused: tuple[int, str] = (-1, "")
        self._places: tuple[int, tuple[Place, ...]] = (-1, ())
        self._plants: tuple[int, tuple[PlantReading, ...]] = (-1, ())

    # --- the whole ----------------------------------------------------------------------------

    def scene(self, head: int, *, cells: int = 60, zoom: int = 1, events: int = 12) -> Scene:
        """Everything around frame `head`."""
        source = self.source
        if source.state is State.WAITING:
            return Scene(Run(path=str(source.run)), source.state, source.reason)
        if source.last < self._known:  # a run that was killed goes on from its last snapshot
            self.ledger.forget(source.last + 1)
            self._upsets_by, self._recoveries_by = (-1, 0, 0), (0, 0)
            self._states.clear()
        self._known = source.last
        self.ledger.read_on(_READ_ON_S)
        with source.moment():
            return self._scene(head, cells, zoom, events)

    def _scene(self, head: int, cells: int, zoom: int, events: int) -> Scene:
        source, run = self.source, self.run
        verdict = source.verdict(head)
        golden = self._golden(head, verdict)
        upsets, missed, repaired, slips = self._counted(head)
        plant = self._plant(head)
        newest = head >= source.last
        running = source.state is State.RUNNING
        paused_by = self._paused_by() if newest else ""
        going = newest and not paused_by and running
        rate, speed = self._rate() if going else (None, None)
        return Scene(
            run=run,
            state=source.state,
            reason=source.reason,
            outcome=source.outcome,
            gone=newest and source.writer_is_gone(),
            paused_by=paused_by,
            age_s=source.age_s(),
            rate=rate,
            speed=speed,
            head=head,
            last=source.last,
            vote=vote_of(verdict),
            nodes=tuple(self._node(row, head, verdict, golden) for row in source.nodes),
            upsets=upsets,
            missed=missed,
            recoveries=repaired,
            slips=slips,
            totals=self._totals(head) if head >= 0 else StripTotals(),
            strip=self.ledger.strip(head, cells, zoom),
            zoom=zoom,
            events=newest_events(source, self.ledger, head, events),
            plant=plant,
            places=self._orbit(head),
            plants=self._plants[1],
            expectations=self._expectations(),
            ending=self._ending(),
        )

    @property
    def run(self) -> Run:
        """What does not change; read anew when the meta values were."""
        meta = self.source.meta
        key = (id(meta), id(self.source.time))
        if self._run is None or self._run[0] != key:
            nodes = len(self.source.nodes)
            self._run = (key, _run(meta, str(self.source.run), self.source.time, nodes))
        return self._run[1]

    def _expectations(self) -> tuple[tuple[str, str, str, bool], ...]:
        result = self.source.meta.get("result")
        if self.source.state is not State.ENDED or not isinstance(result, dict):
            return ()
        return tuple(
            (
                e["metric"],
                e["wanted"],
                "not measured" if e["measured"] is None else f"{e['measured']:g}",
                bool(e["ok"]),
            )
            for e in result.get("expectations", [])
        )

    def _ending(self) -> str:
        result = self.source.meta.get("result")
        if self.source.state is not State.ENDED or not isinstance(result, dict):
            return ""
        said = (ended_by(result, self.run.frames or None), lost_boards(result), untested(result))
        return "; ".join(text for text in said if text)

    def _rate(self) -> tuple[float | None, float | None]:
        """Frames per real second, and simulated time per real time, of the last seconds."""
        pulse, time = self.source.pulse, self.source.time
        if pulse is None:
            return None, None
        if not self._rates or self._rates[-1][0] != pulse.unix_us:
            if self._rates and pulse.frame < self._rates[-1][1]:
                self._rates.clear()
            self._rates.append((pulse.unix_us, pulse.frame))
        while len(self._rates) > 2 and pulse.unix_us - self._rates[1][0] > _RATE_WINDOW_S * 1e6:
            self._rates.popleft()
        (then, first), (now, last) = self._rates[0], self._rates[-1]
        if now - then <= 400_000:
            return None, None
        flown_us = time.t_us(last) - time.t_us(first)
        return (last - first) / (now - then) * 1e6, flown_us / (now - then)

    def _golden(self, head: int, verdict: Verdict | None) -> tuple[str, str] | None:
        """The fault-free digests of a frame."""
        if verdict is None:
            return None
        told = golden_digests(self.source, head)
        if told is None and verdict.correct:
            told = (hex64(verdict.output), hex64(verdict.state))
        return told

    def _totals(self, head: int) -> StripTotals:
        """The sums up to `head`; frames that were skipped count like the one after them."""
        totals = self.ledger.totals(head)
        if not self.source.time.known:
            return totals
        over = head >= self.source.last and self.source.state is State.ENDED
        skipped, lost, wrong = skipped_frames(self.source, head, over=over)
        return replace(
            totals,
            frames=totals.frames + skipped,
            no_output=totals.no_output + lost,
            wrong=totals.wrong + wrong,
        )

    def _counted(self, head: int) -> tuple[int, int, int, int]:
        """Upsets that were made, and that were not, recoveries and slips up to `head`."""
        source = self.source
        key = (head if head < source.last else -2, source.changed)
        if key != self._counts[0]:
            upto = source.upto(head)
            slips = source.position("slips", upto)
            repaired = self._repaired(source.position("repairs", upto))
            self._counts = (key, (*self._upsets(head, upto), repaired, slips))
        return self._counts[1]

    def _repaired(self, position: int) -> int:
        """How many of the repairs up to this one succeeded, counted on from the last look."""
        at, count = self._recoveries_by
        if at > position:
            at, count = 0, 0
        self._recoveries_by = (position, count + recoveries(self.source, at, position))
        return self._recoveries_by[1]

    def _upsets(self, head: int, upto: int) -> tuple[int, int]:
        """How many upsets were made, and how many were not. A long past is counted once, not with
        every look."""
        by, made, missed = self._upsets_by
        settled = head - _SETTLED
        if by > head:
            by, made, missed = -1, 0, 0
        if settled > by:
            more = self._upsets_between(by, settled)
            by, made, missed = settled, made + more[0], missed + more[1]
            self._upsets_by = (by, made, missed)
        more = self._upsets_between(by, upto)
        return made + more[0], missed + more[1]

    def _upsets_between(self, after: int, last: int) -> tuple[int, int]:
        row = self.source.one(
            "SELECT count(*) FILTER (WHERE state = 'injected' AND verified), count(*) FROM upsets "
            "WHERE frame > ? AND frame <= ?",
            after,
            last,
        )
        return (row[0], row[1] - row[0]) if row else (0, 0)

    def _paused_by(self) -> str:
        """Who holds the run at the newest frame; empty if nobody does."""
        source = self.source
        if source.changed != self._paused[0]:
            row = source.one(
                "SELECT command, who, frame FROM commands WHERE ok AND "
                "command IN ('pause', 'resume', 'end') ORDER BY id DESC LIMIT 1"
            )
            holds = (
                row is not None
                and row["command"] == "pause"
                and row["frame"] > source.last
                and source.state is State.RUNNING
            )
            self._paused = (source.changed, row["who"] if row and holds else "")
        return self._paused[1]

    # --- nodes --------------------------------------------------------------------------------

    def _node(
        self, row: sqlite3.Row, head: int, verdict: Verdict | None, golden: tuple[str, str] | None
    ) -> NodeFacts:
        index, name = row["idx"], row["name"]
        ballot = verdict.ballots[index] if verdict and index < len(verdict.ballots) else None
        status = NodeStatus(ballot.status).name.lower() if ballot else "done"
        answer = None
        if ballot is not None and golden is not None:
            digests = hex64(ballot.output_digest), hex64(ballot.state_digest)
            answer = answered(status, *digests, golden)
        told = self._state(name, head, isolated=status == "excluded")
        if not told["upset"] and answer not in {None, Answered.RIGHT, Answered.EXCLUDED}:
            told = {**told, "upset": self._upset_behind(name, head)}
        readings = self._reading(index, head)
        link = self._link(index, head)
        heard = self.source.last_answer(head, index)
        if heard is None and self._heard.get(index, head + 1) <= head:
            heard = self._heard[index]
        if heard is None and told["began_frame"] is not None:
            heard = told["began_frame"] - 1
        if heard is not None:
            self._heard[index] = heard
        return NodeFacts(
            index,
            name,
            row["board"],
            row["model"] or "",
            row["port"] or "",
            status=status,
            answer=answer,
            signal=ballot.signal if ballot else 0,
            heard_frame=heard,
            reading=readings[0] if readings else None,
            earlier=readings[1] if len(readings) > 1 else None,
            link=link,
            plant=self._plant_node(name),
            **told,
        )

    def _state(self, name: str, head: int, *, isolated: bool) -> dict[str, Any]:
        """The recovery state of a node, since when, and how it left the vote."""
        upto = self.source.upto(head)
        position = self.source.position("transitions", upto)
        after, told, by_answers = self._states.get(name, (0, None, False))
        if after > position:
            after, told = 0, None
        row = self.source.one(
            "SELECT * FROM transitions WHERE id <= ? AND id > ? AND node = ? "
            "ORDER BY id DESC LIMIT 1",
            position,
            after,
            name,
        )
        if row is not None or told is None:
            told = {
                "state": row["after"] if row else "isolated" if isolated else "voting",
                "state_frame": row["frame"] if row else None,
                "began_frame": None,
                "began_cause": "",
                "upset": "",
            }
            began = left_vote(self.source, upto, name) if told["state"] != "voting" else None
            if began is not None:
                told["began_frame"], told["began_cause"] = began["frame"], began["cause"]
            # Else somebody took it out, not its answers.
            by_answers = began is not None and began["after"] == "suspect"
        self._states[name] = (position, told, by_answers)
        if not by_answers:
            return told
        return {**told, **self._why_out(name, told["began_frame"], told["began_cause"])}

    def _why_out(self, name: str, frame: int, cause: str) -> dict[str, Any]:
        """What is behind a node's leaving the vote in a frame."""
        if outvoted_though_right(self.source, frame, name):
            others = [other for other in self.source.names if other != name]
            behind = self._behind_text(upsets_behind(self.source, frame, others), named=True)
            return {"began_cause": "right, but a wrong majority outvoted it", "upset": behind}
        return {"began_cause": cause, "upset": self._upset_behind(name, frame)}

    def _upset_behind(self, name: str, frame: int) -> str:
        """What a node's answer in a frame comes from, if that is known."""
        kept = self._behind.get((name, frame))
        if kept is None or kept[0] != self.source.changed:
            rows = upsets_behind(self.source, frame, [name])
            text = self._behind_text(rows) or inherited_text(self.source, frame, name)
            if len(self._behind) > 64:
                self._behind.clear()
            kept = self._behind[name, frame] = (self.source.changed, text)
        return kept[1]

    def _behind_text(self, rows: list[sqlite3.Row], *, named: bool = False) -> str:
        """The newest upsets of `rows`, in few words: `upset #3 state bit`."""
        texts = [
            f"#{row['id']} {row['node'] + ' ' if named else ''}{row['target']} "
            f"{row['kind'].replace('_', ' ')}"
            for row in rows[-_NAMED:]
        ]
        more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
        return f"upset {names_text(texts)}{more}" if texts else ""

    def _link(self, index: int, head: int) -> LinkCounts | None:
        """The counters of a link at the frame on view; the newest ones stand in a record from
        before they were kept over time, and only for its newest frame."""
        position = self.source.position("link_counts", self.source.upto(head))
        row = self.source.one(
            "SELECT * FROM link_counts WHERE id <= ? AND node = ? ORDER BY id DESC LIMIT 1",
            position,
            index,
        )
        if row is None and head >= self.source.last:
            row = self.source.one("SELECT * FROM links WHERE node = ?", index)
        return _link_counts(row)

    def _reading(self, index: int, head: int) -> list[NodeReading]:
        position = self.source.position("health", self.source.upto(head))
        if position != self._readings[0]:
            found: dict[int, list[NodeReading]] = {}
            for row in self.source.rows(
                "SELECT * FROM health WHERE id <= ? AND id > ? ORDER BY id DESC",
                position,
                position - 2 * len(self.source.nodes),
            ):
                found.setdefault(row["node"], []).append(reading_of(row))
            for node in range(len(self.source.nodes)):
                if node not in found:
                    found[node] = self._older_reading(node, position)
            self._readings = (position, found)
        return self._readings[1].get(index, [])

    def _older_reading(self, node: int, position: int) -> list[NodeReading]:
        kept = self._readings[1].get(node)
        if kept and self._readings[0] <= position:
            return kept[:1]
        row = self.source.one(
            "SELECT * FROM health WHERE id <= ? AND id > ? AND node = ? ORDER BY id DESC LIMIT 1",
            position,
            position - _LOOK_BACK,
            node,
        )
        return [reading_of(row)] if row else []

    # --- the plant ----------------------------------------------------------------------------

    def _plant(self, head: int) -> PlantReading | None:
        now_us = self.source.time.t_us(head)
        row = self.source.one(
            "SELECT * FROM plant WHERE t_us <= ? ORDER BY t_us DESC LIMIT 1", now_us
        )
        if row is None:
            return None
        if row["t_us"] != self._plants[0]:
            self._plants = (row["t_us"], self._plant_rows(now_us))
        return _plant_of(row)

    def _plant_rows(self, now_us: int) -> tuple[PlantReading, ...]:
        rows = self.source.rows(
            "SELECT * FROM plant WHERE t_us BETWEEN ? AND ? ORDER BY t_us",
            now_us - _BEHIND_US,
            now_us,
        )
        every = max(1, len(rows) // _PLACES)
        return tuple(_plant_of(row) for row in rows[::every])

    def _plant_node(self, name: str) -> PlantNode | None:
        if not self._plants[1]:
            return None
        row = self.source.one(
            "SELECT * FROM plant_nodes WHERE t_us = ? AND node = ?", self._plants[0], name
        )
        if row is None:
            return None
        rates = _json(row["upsets_per_day"])
        total = sum(v for v in rates.values() if isinstance(v, (int, float))) if rates else None
        return PlantNode(
            row["level"], row["duty"], row["power_w"], row["die_c"], row["throttle"], total
        )

    def _orbit(self, head: int) -> tuple[Place, ...]:
        """The orbit from half an hour ago to an hour ahead."""
        now_us = self.source.time.t_us(head)
        step = now_us // 10_000_000
        key = step * 2 + (self.source.state is State.RUNNING and not self._places[1])
        if key != self._places[0]:
            rows = self.source.rows(
                "SELECT * FROM orbit WHERE t_us BETWEEN ? AND ? ORDER BY t_us",
                now_us - _BEHIND_US,
                now_us + _AHEAD_US,
            )
            every = max(1, len(rows) // (3 * _PLACES))
            self._places = (key, tuple(place_of(row) for row in rows[::every]))
        return self._places[1]


def _run(meta: dict[str, Any], path: str, time: Timeline, nodes: int) -> Run:
    told = meta.get("scenario")
    s: dict[str, Any] = told if isinstance(told, dict) else {}
    rig = s.get("rig") or {}
    frame_us = round(float(s.get("frame_ms", 10.0)) * 1000)
    frames = s.get("frames")
    if frames is None and s.get("duration"):
        frames = (duration_us(str(s["duration"])) or 0) // frame_us
    try:
        seed = int(meta.get("seed", 0) or 0)
    except ValueError:
        seed = 0
    return Run(
        str(s.get("name", "run")),
        str(s.get("summary", "")),
        str(rig.get("scheme", "")),
        str(s.get("workload", "")),
        seed,
        str(s.get("pace", "free")),
        float((s.get("upsets") or {}).get("accel", 1.0)),
        frame_us,
        time,
        int(frames or 0),
        path,
        rule_of(s, nodes),
        _anomaly(meta, s),
    )


def _anomaly(meta: dict[str, Any], scenario: dict[str, Any]) -> frozenset[tuple[int, int]]:
    """See `Run.anomaly`."""
    sun = ((scenario.get("plant") or {}).get("radiation") or {}).get("events")
    return frozenset(anomaly_cells(meta) if sun else ())


def anomaly_cells(meta: dict[str, Any]) -> list[tuple[int, int]]:
    """The corners of the anomaly's cells, as recorded; what is none is left out."""
    told = meta.get("anomaly")
    return [
        (int(cell[0]), int(cell[1]))
        for cell in (told if isinstance(told, list) else [])
        if isinstance(cell, list)
        and len(cell) == 2
        and all(isinstance(value, (int, float)) for value in cell)
    ]


def vote_of(verdict: Verdict | None) -> Vote | None:
    """The verdict of a frame, as it is shown."""
    if verdict is None:
        return None
    return Vote(
        verdict.kind.name.lower(),
        verdict.delivered,
        verdict.correct,
        verdict.voters,
        verdict.agree,
        verdict.dissent,
        verdict.latent,
        bool(verdict.flags & RE_EXECUTED),
        verdict.held,
        verdict.held_wrong,
    )


def reading_of(row: sqlite3.Row) -> NodeReading:
    """A row of `health`."""
    rails = _json(row["rails"]) if row["rails"] != "[]" else []
    power_mw = board_power_mw(rails)
    try:
        round_trip = row["round_trip_us"]
    except IndexError:  # a record of before there was one
        round_trip = None
    return NodeReading(
        row["frame"],
        row["wall_us"],
        row["steps"],
        temp_c=_scaled(row["cpu_temp_mc"], 1e3),
        clock_mhz=_scaled(row["clock_khz"], 1e3),
        flags_now=flags_now(row["throttled"]) or 0,
        flags_since_boot=flags_since_boot(row["throttled"]) or 0,
        power_w=_scaled(power_mw, 1e3),
        rss_mib=_scaled(row["rss_kib"], 1024),
        free_mib=row["free_mib"],
        uptime_s=row["uptime_us"] / 1e6,
        crashes=row["crashes"],
        hangs=row["hangs"],
        restarts=row["restarts"],
        corrected=row["corrected"],
        uncorrected=row["uncorrected"],
        rx_errors=row["rx_errors"],
        round_trip_ms=_scaled(round_trip, 1e3),
    )


def _scaled(value: int | None, by: float) -> float | None:
    return None if value is None else value / by


def _link_counts(row: sqlite3.Row | None) -> LinkCounts | None:
    if row is None:
        return None
    return LinkCounts(
        row["tx_frames"],
        row["rx_frames"],
        row["rx_errors"],
        row["naks"],
        row["retries"],
        row["reconnects"],
    )


def _json(text: str | None) -> Any:
    try:
        return json.loads(text) if text else {}
    except ValueError:
        return {}


def place_of(row: sqlite3.Row) -> Place:
    """A row of `orbit`."""
    return Place(
        row["t_us"],
        row["latitude_deg"],
        row["longitude_deg"],
        row["altitude_km"],
        row["illumination"],
        row["flux_per_cm2_s"],
        bool(row["saa"]),
        row["contact"],
    )


def _plant_of(row: sqlite3.Row) -> PlantReading:
    told = _json(row["temperatures_c"])
    return PlantReading(
        row["t_us"],
        row["illumination"],
        row["bus_v"],
        row["array_w"],
        row["load_w"],
        row["battery_w"],
        row["soc"],
        row["stage"],
        told if isinstance(told, dict) else {},
    )
