"""A recorder that writes no record: for experiments of which only the result is wanted.

It answers what the end of a run asks from memory, and gives the run digest that an SQLite record of
the same run would have."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hil.errors import UsageError
from hil.record.digest import (
    DigestedTransition,
    DigestedUpset,
    combine,
    transition_line,
    upset_line,
)
from hil.record.event_writer import RowCounts
from hil.record.frame_blocks import FrameBlocks
from hil.record.offload_rows import OffloadRows
from hil.record.outages import VoteChange, outages_of
from hil.record.recorder_protocol import UpsetCount
from hil.record.row_values import RecordedTransition, RecordedUpset
from hil.record.rows import upset_row
from hil.redundancy.recovery import NodeState
from hil.scenario.words import Sefi, UpsetTarget
from hil.upsets.words import NodeEffect
from hil.wire.messages import UpsetState

if TYPE_CHECKING:
    from hil.json_values import JsonObject
    from hil.record.board_context import BoardContext
    from hil.record.offload_rows import RecordedItem, RecordedItemEvent
    from hil.record.outages import Outage
    from hil.record.recorder_protocol import RepairAttempt
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
    from hil.upsets.outcome import Anomaly
    from hil.upsets.upset import Upset
    from hil.wire.ground import Contact
    from hil.wire.messages import Health

__all__ = ["NullRecorder"]

_WHOLE_BOARD: Final = frozenset({UpsetTarget.BOARD, UpsetTarget.BOARD_RAM})
_GONE: Final = frozenset({NodeEffect.CRASH, NodeEffect.HANG, NodeEffect.REBOOT})


class _MemoryTally:
    """The events of the run, and the answers that its end asks of them."""

    def __init__(self, meta: RunMeta) -> None:
        self._meta = meta
        self.blocks = FrameBlocks()
        self.indices: dict[str, int] = {}
        self.upsets: dict[int, RecordedUpset] = {}
        self.transitions: list[RecordedTransition] = []
        self.skips: dict[int, int] = {}
        self.contacts: list[Contact] = []
        self.items: list[RecordedItem] = []
        self.item_events: list[RecordedItemEvent] = []
        self.counts = RowCounts()

    def run_digest(self) -> str:
        """Return the run digest of everything recorded so far."""
        self.blocks.take()
        lines = [
            *(upset_line(self._digested(u)) for _, u in sorted(self.upsets.items())),
            *(
                transition_line(
                    DigestedTransition(t.frame, self.indices[t.node], t.before, t.after)
                )
                for t in self.transitions
            ),
        ]
        return combine(self.blocks.digest, lines)

    def _digested(self, u: RecordedUpset) -> DigestedUpset:
        return DigestedUpset(
            u.id,
            u.frame,
            self.indices[u.node],
            u.target,
            u.kind,
            u.state,
            u.verified,
            u.tick,
            u.bit,
            u.space,
            u.before,
            u.after,
            u.effect,
            u.signal,
            u.outcome,
            u.detected_frame,
            u.resolved_frame,
        )

    def upset_counts(self) -> list[UpsetCount]:
        """Return how many upsets there are of each state, target, effect, outcome and
        activation."""
        counts = Counter(
            (u.state, bool(u.verified), u.target, u.effect, u.outcome, u.activation)
            for u in self.upsets.values()
        )
        return [UpsetCount(*kind, count) for kind, count in sorted(counts.items())]

    def events_injected(self) -> int:
        """Return how many of the scenario's `upsets.events` were injected and read back."""
        return sum(
            u.source.startswith("event ") and u.state == UpsetState.INJECTED and bool(u.verified)
            for u in self.upsets.values()
        )

    def nodes_hit(self, targets: Iterable[str]) -> list[str]:
        """Return the nodes of which any of `targets` was injected, or may have been."""
        wanted = {_plain(target) for target in targets}
        made = {UpsetState.INJECTED, UpsetState.FAILED}
        upsets = (u for _, u in sorted(self.upsets.items()))
        hit = (u.node for u in upsets if u.target in wanted and u.state in made)
        return list(dict.fromkeys(hit))

    def absent_since(self, node: str) -> int:
        """Return the frame in which a node left the vote last, 0 if it never did."""
        departures = (
            t for t in self.transitions if t.node == node and t.before == NodeState.VOTING
        )
        return max((t.frame for t in departures), default=0)

    def hit_its_board(self, node: str, since: int) -> bool:
        """Return whether an upset that can take a whole board away was not over before frame
        `since`: of its power, of its memory, or a reset."""
        return any(
            u.node == node
            and u.state == UpsetState.INJECTED
            and bool(u.verified)
            and (u.target in _WHOLE_BOARD or (u.target, u.kind) == (UpsetTarget.CPU, Sefi.RESET))
            and u.effect in _GONE
            and (u.resolved_frame is None or u.resolved_frame >= since)
            for u in self.upsets.values()
        )

    def offload_rows(self) -> OffloadRows:
        """Return all that was recorded of the ground."""
        return OffloadRows(tuple(self.contacts), tuple(self.items), tuple(self.item_events))

    def outages(self) -> list[Outage]:
        """Return the outages of the nodes."""
        voting = NodeState.VOTING
        changes = (
            VoteChange(t.node, t.frame, t.after == voting, t.wall_us)
            for t in self.transitions
            if voting in (t.before, t.after)
        )
        return outages_of(changes, self.skips)

    def run_meta(self) -> RunMeta:
        """Return the properties with which the run began."""
        return self._meta

    def last_command(self) -> int:
        """Return the id of the last command, 0 if there was none."""
        return self.counts.commands

    def commands_but(self, names: Sequence[str]) -> int:
        """Return how many commands were carried out, without those of these names."""
        carried_out = self.counts.carried_out
        return sum(count for name, count in carried_out.items() if name not in names)


class _UnwrittenEvents:
    """Takes what happens in a run, and keeps of it what the tally needs."""

    def __init__(self, meta: RunMeta) -> None:
        self._memory = _MemoryTally(meta)

    def node(self, node: RecordedNode) -> None:
        """Note the index of a node's name."""
        self._memory.indices[node.name] = node.idx

    def frame(self, record: bytes) -> None:
        """Hash one packed frame."""
        self.frames(record, 1)

    def frames(self, records: bytes, count: int) -> None:
        """Hash the packed frames of a batch."""
        self._memory.blocks.add(records, count)
        if self._memory.blocks.is_full:
            self._memory.blocks.take()

    def notable(
        self,
        verdict: Verdict,
        t_us: int,
        golden: tuple[int, int],
        value: bytes | None,
        executions: Sequence[Sequence[NodeResult]],
    ) -> None:
        """Keep nothing."""

    def replicas(self, frame: int, verdicts: Mapping[int, Verdict]) -> None:
        """Keep nothing."""

    def upset(self, u: Upset) -> None:
        """Keep an upset as it is now."""
        self._memory.upsets[u.plan.id] = RecordedUpset(*map(_plain, upset_row(u)))

    def transition(self, t: Transition) -> None:
        """Keep a transition of recovery."""
        transitions = self._memory.transitions
        number, now_us = len(transitions), 0  # of real time nothing is asked
        transitions.append(
            RecordedTransition(
                number, t.frame, t.node, t.before.value, t.after.value, t.cause, now_us
            )
        )

    def repair(self, frame: int, node: str, attempt: RepairAttempt) -> None:
        """Keep nothing."""

    def anomaly(self, a: Anomaly) -> None:
        """Keep nothing."""

    def slip(self, frame: int, node: str | None, late_wall_us: int, detail: str) -> None:
        """Keep nothing."""

    def power(self, frame: int, e: PowerEvent) -> None:
        """Keep nothing."""

    def clock(self, frame: int, node: str, c: ClockEstimate) -> None:
        """Keep nothing."""

    def health(
        self,
        frame: int,
        node: int,
        h: Health,
        round_trip_us: int | None = None,
        clock: ClockEstimate | None = None,
    ) -> None:
        """Keep nothing."""

    def link(self, frame: int, node: int, s: LinkStatistics) -> None:
        """Keep nothing."""

    def link_event(self, frame: int, e: LinkEvent) -> None:
        """Keep nothing."""

    def orbit(self, rows: Iterable[RecordedOrbit]) -> None:
        """Keep nothing."""

    def plant(self, row: RecordedPlant, nodes: Iterable[RecordedPlantNode]) -> None:
        """Keep nothing."""

    def skip(self, frame: int, frames: int, t_us: int) -> None:  # noqa: ARG002 (the protocol's)
        """Note how many frames were skipped."""
        self._memory.skips[frame] = frames

    def limit(self, frame: int, node: str, cause: str, asked: str, applied: str) -> None:
        """Keep nothing."""

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
        """Count a command, and those that were carried out by name."""
        del frame, who, arguments, answer
        self._memory.counts.commands += 1
        self._memory.counts.carried_out[command] += ok

    def contacts(self, rows: Iterable[Contact]) -> None:
        """Note the contacts."""
        self._memory.contacts += rows

    def offload_item(self, item: RecordedItem) -> None:
        """Note an item."""
        self._memory.items.append(item)

    def offload_event(self, event: RecordedItemEvent) -> None:
        """Note what became of an item."""
        self._memory.item_events.append(event)

    def note(self, frame: int | None, text: str) -> None:
        """Keep nothing."""

    def board_context(self, context: BoardContext) -> None:
        """Keep nothing."""


class NullRecorder(_UnwrittenEvents):
    """Records a run nowhere. A run with it cannot be resumed, and has no record to look at."""

    def __init__(self, meta: RunMeta) -> None:
        super().__init__(meta)
        self._began_s = time.monotonic()

    @classmethod
    def begin(
        cls, path: Path, meta: RunMeta, on_wait: Callable[[str], None] | None = None
    ) -> NullRecorder:
        """Begin without a file: `path` and `on_wait` are not used."""
        del path, on_wait
        return cls(meta)

    @classmethod
    def resume(
        cls, path: Path, frame: int, on_wait: Callable[[str], None] | None = None
    ) -> NullRecorder:
        """Refuse to resume. Raises: UsageError, because there is no record to resume from."""
        del frame, on_wait
        raise UsageError(
            f"the run in {path.parent} cannot be resumed without its record",
            remedy="resume it with a recorder that writes run.db",
        )

    @property
    def wall_us(self) -> int:
        """Return the real microseconds since the run began."""
        return int((time.monotonic() - self._began_s) * 1e6)

    @property
    def tally(self) -> _MemoryTally:
        """Return the answers to questions about what was recorded so far."""
        return self._memory

    def snapshot(self, frame: int, state: bytes, engine: str, states: Mapping[int, bytes]) -> None:
        """Keep nothing: the run cannot be resumed."""

    def commit(self) -> None:
        """Do nothing."""

    def end(self, outcome: str, wall_us: int, *, result: JsonObject, reports: JsonObject) -> str:
        """Return an empty record digest: there is no record."""
        del outcome, wall_us, result, reports
        return ""

    def secure(self, patience_s: float) -> None:
        """Do nothing."""

    def fail(self, frame: int, outcome: str, text: str, patience_s: float) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def _plain(value: Any) -> Any:
    """Return a value as SQLite would give it back."""
    if isinstance(value, Enum):
        return value.value
    return int(value) if isinstance(value, bool) else value
