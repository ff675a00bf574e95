"""The rows of what happens in a run, queued for the next commit."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hil.record.pending_rows import PendingRows
from hil.record.row_values import columns_of
from hil.record.rows import (
    board_integer,
    frame_row,
    health_columns,
    link_columns,
    power_event_text,
    reply_rows,
    upset_row,
)

if TYPE_CHECKING:  # value types only: a reader of records must not load what makes them
    from hil.record.offload_rows import RecordedItem, RecordedItemEvent
    from hil.record.recorder_protocol import RepairAttempt
    from hil.record.row_values import (
        RecordedNode,
        RecordedOrbit,
        RecordedPlant,
        RecordedPlantNode,
    )
    from hil.redundancy.recovery import Transition
    from hil.redundancy.voting import Verdict
    from hil.rig.clock_fit import ClockEstimate
    from hil.rig.link import LinkStatistics
    from hil.rig.link_state import LinkEvent
    from hil.rig.node import NodeResult
    from hil.rig.power.monitor import PowerEvent
    from hil.upsets.outcome import Anomaly
    from hil.upsets.upset import Upset
    from hil.wire.ground import Contact
    from hil.wire.messages import Health

__all__ = ["EventWriter", "RowCounts"]


@dataclass(slots=True)
class RowCounts:
    """The last ids of the tables that are numbered here, and the commands that were carried out, by
    name."""

    transitions: int = 0
    anomalies: int = 0
    repairs: int = 0
    commands: int = 0
    carried_out: Counter[str] = field(default_factory=Counter)


class EventWriter:
    """Turns what happens into rows of `pending`. Rows are not written before the next commit:
    nobody could see them earlier. `began_s`: when the record was opened, on the monotonic clock."""

    def __init__(self) -> None:
        self._pending = PendingRows()
        self._counts = RowCounts()
        self._snapshot_frame = 0
        self._began_s = time.monotonic()

    @property
    def wall_us(self) -> int:
        """Return the real microseconds since the record was opened."""
        return int((time.monotonic() - self._began_s) * 1e6)

    def _on_wall(self, host_us: float) -> float:
        """Convert a moment of the host's monotonic clock to microseconds since the opening."""
        return host_us - self._began_s * 1e6

    # --- frames and upsets ----------------------------------------------------------------------

    def node(self, node: RecordedNode) -> None:
        """Record who a node is; a later call with the same `idx` replaces it."""
        self._pending.add("nodes", columns_of(node))

    def notable(
        self,
        verdict: Verdict,
        t_us: int,
        golden: tuple[int, int],
        value: bytes | None,
        executions: Sequence[Sequence[NodeResult]],
    ) -> None:
        """Record a frame that is more than plain agreement, with all replies of all its
        executions."""
        self._pending.add("frames", frame_row(verdict, t_us, golden, value))
        for row in reply_rows(verdict.frame, executions):
            self._pending.add("replies", row)

    def replicas(self, frame: int, verdicts: Mapping[int, Verdict]) -> None:
        """Record what the replicas of the voter decided in a frame, by the index of their nodes."""
        for node, verdict in sorted(verdicts.items()):
            self._pending.add("replicas", (frame, node, verdict.record))

    def upset(self, u: Upset) -> None:
        """Record an upset as it is now. If it was made before the last snapshot, its row is kept
        for a resumed run as it was then."""
        if u.plan.frame < self._snapshot_frame:
            self._pending.before_rows(
                "INSERT OR IGNORE INTO upsets_at_snapshot SELECT * FROM upsets WHERE id=?",
                u.plan.id,
            )
        self._pending.add("upsets", upset_row(u))

    def transition(self, t: Transition) -> None:
        """Record a transition of recovery."""
        self._counts.transitions += 1
        self._pending.add(
            "transitions",
            (
                self._counts.transitions,
                t.frame,
                t.node,
                t.before.value,
                t.after.value,
                t.cause,
                self.wall_us,
            ),
        )

    def repair(self, frame: int, node: str, attempt: RepairAttempt) -> None:
        """Record an attempt to repair a node, with the damage that it found."""
        self._counts.repairs += 1
        number = self._counts.repairs
        self._pending.add(
            "repairs",
            (
                number,
                frame,
                node,
                attempt.action,
                attempt.cause,
                attempt.ok,
                attempt.detail,
                attempt.chunks,
                attempt.bytes_moved,
                attempt.duration_wall_us,
            ),
        )
        for d in attempt.damage:
            self._pending.add("damage", (number, d.offset, d.found, d.voted, d.diff_bits))

    def anomaly(self, a: Anomaly) -> None:
        """Record a symptom that no upset explains."""
        self._counts.anomalies += 1
        row = (self._counts.anomalies, a.frame, a.node, a.effect, a.reason)
        self._pending.add("anomalies", row)

    # --- boards, links and supplies -------------------------------------------------------------

    def slip(self, frame: int, node: str | None, late_wall_us: int, detail: str) -> None:
        """Record that a frame or a node was late by real time."""
        self._pending.add("slips", (None, frame, node, late_wall_us, detail))

    def power(self, frame: int, e: PowerEvent) -> None:
        """Record what a bench supply measured, or did."""
        wall_us = max(0, int(self._on_wall(e.at_us)))
        volts, amps = e.reading.volts, e.reading.amps
        row = (None, frame, e.node, wall_us, volts, amps, power_event_text(e))
        self._pending.add("power", row)

    def clock(self, frame: int, node: str, c: ClockEstimate) -> None:
        """Record where a board's clock is against the record's real time."""
        self._pending.add(
            "clocks",
            (
                None,
                frame,
                node,
                self.wall_us,
                self._on_wall(c.offset_us),
                c.drift_ppm,
                c.drift_ppm_error,
                c.uncertainty_us,
                c.samples,
            ),
        )

    def health(
        self,
        frame: int,
        node: int,
        h: Health,
        round_trip_us: int | None = None,
        clock: ClockEstimate | None = None,
    ) -> None:
        """Record what a board reported of its health; `clock` places its uptime in real time."""
        at_wall_us = None
        if clock is not None:
            at_wall_us = board_integer(int(self._on_wall(clock.to_host_us(h.uptime_us))))
        place = (None, frame, node, self.wall_us)
        row = (*place, *health_columns(h), round_trip_us, at_wall_us, h.power_mw)
        self._pending.add("health", row)

    def link(self, frame: int, node: int, s: LinkStatistics) -> None:
        """Record the counters of a link as they are after a frame."""
        counts = link_columns(s)
        self._pending.add("links", (node, *counts))
        self._pending.add("link_counts", (None, frame, node, *counts))

    def link_event(self, frame: int, e: LinkEvent) -> None:
        """Record a change of a link's state; its time may lie a little before now."""
        wall_us = max(0, int(self._on_wall(e.at_us)))
        row = (None, frame, e.node, wall_us, e.state.value, e.reason)
        self._pending.add("link_events", row)

    # --- plant and operator ---------------------------------------------------------------------

    def orbit(self, rows: Iterable[RecordedOrbit]) -> None:
        """Record where the satellite will be, in time order."""
        for row in rows:
            self._pending.add("orbit", columns_of(row))

    def plant(self, row: RecordedPlant, nodes: Iterable[RecordedPlantNode]) -> None:
        """Record a moment of the plant, and the boards of all nodes in it."""
        self._pending.add("plant", columns_of(row))
        for node in nodes:
            self._pending.add("plant_nodes", columns_of(node))

    def skip(self, frame: int, frames: int, t_us: int) -> None:
        """Record that quiet frames were not computed before `frame`, which begins at `t_us`."""
        self._pending.add("skips", (frame, frames, t_us))

    def limit(self, frame: int, node: str, cause: str, asked: str, applied: str) -> None:
        """Record which limits a board was asked to keep, and which it said it applies."""
        self._pending.add("limits", (None, frame, node, cause, asked, applied))

    def command(
        self,
        frame: int,
        who: tuple[str, int, int],
        command: str,
        arguments: str,
        *,
        ok: bool,
        answer: str,
    ) -> None:
        """Record what an operator asked for; `who` is user name, uid and pid."""
        self._counts.commands += 1
        self._counts.carried_out[command] += ok
        number = self._counts.commands
        row = (number, frame, self.wall_us, *who, command, arguments, ok, answer)
        self._pending.add("commands", row)

    def contacts(self, rows: Iterable[Contact]) -> None:
        """Record the contacts with the ground, in time order."""
        for row in rows:
            self._pending.add("contacts", columns_of(row))

    def offload_item(self, item: RecordedItem) -> None:
        """Record an item for the ground."""
        self._pending.add("offload", columns_of(item))

    def offload_event(self, event: RecordedItemEvent) -> None:
        """Record what became of an item for the ground."""
        self._pending.add("offload_events", (None, *columns_of(event)))

    def note(self, frame: int | None, text: str) -> None:
        """Record a text that a reader of the run should know."""
        self._pending.add("notes", (None, frame, self.wall_us, text))
