"""The protocol of a recorder, which is all that the engine knows of a record, and its values.

`SqliteRecorder` keeps a run in `run.db`; `NullRecorder` keeps nothing on disk, and answers the
questions of the end of a run from memory. Both give the same run digest for the same run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:  # value types only: a reader of records must not load what makes them
    from hil.json_values import JsonObject
    from hil.record.board_context import BoardContext
    from hil.record.offload_rows import OffloadRows, RecordedItem, RecordedItemEvent
    from hil.record.outages import Outage
    from hil.record.row_values import (
        RecordedNode,
        RecordedOrbit,
        RecordedPlant,
        RecordedPlantNode,
    )
    from hil.record.run_meta import RunMeta
    from hil.redundancy.recovery import Transition
    from hil.redundancy.voting import Verdict
    from hil.rig.clock_fit import ClockEstimate
    from hil.rig.link import LinkStatistics
    from hil.rig.link_state import LinkEvent
    from hil.rig.node import NodeResult
    from hil.rig.power.monitor import PowerEvent
    from hil.rig.resync import Damage
    from hil.upsets.outcome import Anomaly
    from hil.upsets.upset import Upset
    from hil.wire.ground import Contact
    from hil.wire.messages import Health

__all__ = ["EventRecorder", "Recorder", "Recorders", "RepairAttempt", "RunTally", "UpsetCount"]


@dataclass(frozen=True, slots=True)
class RepairAttempt:
    """One attempt to repair a node: how it went, and what it moved."""

    action: str
    cause: str
    ok: bool
    detail: str
    chunks: int = 0
    bytes_moved: int = 0
    duration_wall_us: int = 0
    damage: tuple[Damage, ...] = ()


class UpsetCount(NamedTuple):
    """A number of upsets of a run that have these words in common."""

    state: str
    verified: bool
    target: str
    effect: str
    outcome: str
    activation: str
    upsets: int


class EventRecorder(Protocol):
    """Takes what happens in a run, in the order in which it happens."""

    def node(self, node: RecordedNode) -> None:
        """Record who a node is; a later call with the same `idx` replaces it."""

    def frame(self, record: bytes) -> None:
        """Record one packed frame."""

    def frames(self, records: bytes, count: int) -> None:
        """Record the packed frames of a batch."""

    def notable(
        self,
        verdict: Verdict,
        t_us: int,
        golden: tuple[int, int],
        value: bytes | None,
        executions: Sequence[Sequence[NodeResult]],
    ) -> None:
        """Record a frame that is more than plain agreement, with all replies of all its executions.

        `golden` has the fault-free digests of output and state, `value` is the output that left
        the system."""

    def replicas(self, frame: int, verdicts: Mapping[int, Verdict]) -> None:
        """Record what the replicas of the voter decided in a frame, by the index of their nodes, on
        views that differed."""

    def upset(self, u: Upset) -> None:
        """Record an upset as it is now: when it was made, when it is settled, when a dormant one
        strikes."""

    def transition(self, t: Transition) -> None:
        """Record a transition of recovery."""

    def repair(self, frame: int, node: str, attempt: RepairAttempt) -> None:
        """Record an attempt to repair a node, with the damage that it found."""

    def anomaly(self, a: Anomaly) -> None:
        """Record a symptom that no upset explains."""

    def slip(self, frame: int, node: str | None, late_wall_us: int, detail: str) -> None:
        """Record that a frame or a node was late by real time."""

    def power(self, frame: int, e: PowerEvent) -> None:
        """Record what a bench supply measured, or did."""

    def clock(self, frame: int, node: str, c: ClockEstimate) -> None:
        """Record where a board's clock is against the record's real time."""

    def health(
        self,
        frame: int,
        node: int,
        h: Health,
        round_trip_us: int | None = None,
        clock: ClockEstimate | None = None,
    ) -> None:
        """Record what a board reported of its health; `clock` places its uptime in real time."""

    def link(self, frame: int, node: int, s: LinkStatistics) -> None:
        """Record the counters of a link as they are after a frame."""

    def link_event(self, frame: int, e: LinkEvent) -> None:
        """Record a change of a link's state; its time may lie a little before now."""

    def orbit(self, rows: Iterable[RecordedOrbit]) -> None:
        """Record where the satellite will be, in time order."""

    def plant(self, row: RecordedPlant, nodes: Iterable[RecordedPlantNode]) -> None:
        """Record a moment of the plant, and the boards of all nodes in it."""

    def skip(self, frame: int, frames: int, t_us: int) -> None:
        """Record that quiet frames were not computed before `frame`, which begins at `t_us`."""

    def limit(self, frame: int, node: str, cause: str, asked: str, applied: str) -> None:
        """Record which limits a board was asked to keep, and which it said it applies."""

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

    def contacts(self, rows: Iterable[Contact]) -> None:
        """Record the contacts with the ground, once, in time order."""

    def offload_item(self, item: RecordedItem) -> None:
        """Record an item for the ground; ids count from 1."""

    def offload_event(self, event: RecordedItemEvent) -> None:
        """Record what became of an item for the ground."""

    def note(self, frame: int | None, text: str) -> None:
        """Record a text that a reader of the run should know."""

    def board_context(self, context: BoardContext) -> None:
        """Record the context of the boards; a later call replaces it."""


class RunTally(Protocol):
    """Answers what the end of a run asks of everything that was recorded so far. Raises:
    RecordError from every method."""

    def run_digest(self) -> str:
        """Return the run digest of everything recorded so far."""

    def upset_counts(self) -> list[UpsetCount]:
        """Return how many upsets there are of each state, target, effect, outcome and
        activation."""

    def events_injected(self) -> int:
        """Return how many of the scenario's `upsets.events` were injected and read back."""

    def nodes_hit(self, targets: Iterable[str]) -> list[str]:
        """Return the nodes of which any of `targets` was injected, or may have been."""

    def absent_since(self, node: str) -> int:
        """Return the frame in which a node left the vote last, 0 if it never did."""

    def hit_its_board(self, node: str, since: int) -> bool:
        """Return whether an upset that can take a whole board away was not over before frame
        `since`: of its power, of its memory, or a reset."""

    def offload_rows(self) -> OffloadRows:
        """Return all that was recorded of the ground."""

    def outages(self) -> list[Outage]:
        """Return the outages of the nodes."""

    def run_meta(self) -> RunMeta:
        """Return the properties with which the run began, a resumed one in another process."""

    def last_command(self) -> int:
        """Return the id of the last command, 0 if there was none."""

    def commands_but(self, names: Sequence[str]) -> int:
        """Return how many commands were carried out, without those of these names."""


class Recorder(EventRecorder, Protocol):
    """The open record of one run. Raises: RecordError from every method; not thread-safe: the
    thread of the run alone calls it."""

    @property
    def wall_us(self) -> int:
        """Return the real microseconds since the record was opened."""

    @property
    def tally(self) -> RunTally:
        """Return the answers to questions about what was recorded so far."""

    def snapshot(self, frame: int, state: bytes, engine: str, states: Mapping[int, bytes]) -> None:
        """Store the state from which the run can be resumed before `frame`; `states`: those in
        checkpoints, by frame.

        `engine` is a JSON object as text; only the engine knows its layout."""

    def commit(self) -> None:
        """Make everything so far durable and visible to viewers, unless another program holds a
        lock: then it is tried again in a moment."""

    def end(self, outcome: str, wall_us: int, *, result: JsonObject, reports: JsonObject) -> str:
        """Write the end of a run, with its `result` and the content of its `reports`, seal the
        record, and return its digest. Only `close` may follow. Raises: RecordError also if the file
        was deleted or replaced meanwhile."""

    def secure(self, patience_s: float) -> None:
        """Secure the record after a failure: take back an end that was sealed, and make durable
        what still waits. If that cannot be done, drop it, so that there is room for `fail`."""

    def fail(self, frame: int, outcome: str, text: str, patience_s: float) -> None:
        """Record why the run ended early, as far as possible, and close the record."""

    def close(self) -> None:
        """Commit, and close the record; idempotent."""


class Recorders(Protocol):
    """A kind of recorder, which can begin or resume a record."""

    def begin(
        self, path: Path, meta: RunMeta, on_wait: Callable[[str], None] | None = None
    ) -> Recorder:
        """Begin a record; `path` must not exist. `on_wait` is called, with a sentence, when a lock
        is waited for."""

    def resume(
        self, path: Path, frame: int, on_wait: Callable[[str], None] | None = None
    ) -> Recorder:
        """Continue a record from its snapshot at `frame`, and drop what was recorded after it."""
