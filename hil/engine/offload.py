"""The offload stage: hands what a frame left behind to the link to the ground, and takes what comes
up.

Everything waits with its real bytes, from the end of its frame on: outputs that left the system,
packed verdicts, states that are read from a node, and the inputs of frames that the ground is to
compute. The ground computes with the fault-free kernel. When no output has left the system for some
frames, a state is asked for; it comes up only in a contact, and is then written to all nodes in
service."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from hil.engine.frame_ballots import delivered_output
from hil.engine.frame_work import FrameWork
from hil.engine.long_outputs import with_long_outputs
from hil.engine.part_groups import FrameTimes
from hil.engine.repair_scheduler import RepairScheduler
from hil.engine.run_recorder import RunRecorder
from hil.kernel import Golden
from hil.plant.ground_link import GroundItem, GroundLink
from hil.plant.store_and_forward import ItemEvent, QueuedItem
from hil.record.offload_figures import offload_figures
from hil.record.offload_rows import RecordedItem, RecordedItemEvent
from hil.redundancy.rollback import BOARD_FAILURES
from hil.redundancy.voting import Verdict
from hil.rig.resync import read_state
from hil.rig.rig import Rig
from hil.scenario.offload import FlowConfig, OffloadConfig, WorkConfig
from hil.wire.ground import Contact, ItemFate, ItemKind

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["OffloadStage"]

_ENDED: Final = frozenset({ItemFate.ANSWERED, ItemFate.TOO_OLD, ItemFate.NO_ROOM})


class OffloadStage:
    """Works on the link to the ground after every frame. `contacts` are those of the whole run. Not
    thread-safe. Raises: RecordError from every method."""

    def __init__(
        self,
        config: OffloadConfig,
        contacts: Sequence[Contact],
        rig: Rig,
        golden: Golden,
        times: FrameTimes,
        *,
        recorder: RunRecorder,
        scheduler: RepairScheduler,
    ) -> None:
        self._config = config
        self._contacts = contacts
        self._rig = rig
        self._golden = golden
        self._times = times
        self._recorder = recorder
        self._scheduler = scheduler
        self._link = GroundLink(contacts, config.order, config.memory_bytes)
        self._items = 0
        self._silent_frames = 0
        self._asked: int | None = None

    # --- opening --------------------------------------------------------------------------------

    def open(self, snapshot_frame: int | None) -> None:
        """Record the contacts, at the beginning of a run. Bring the link of one that is resumed to
        where it was before the frame of its snapshot, from the items in the record."""
        record = self._recorder.record
        if snapshot_frame is None:
            record.contacts(self._contacts)
            return
        rows = record.tally.offload_rows()
        for item in rows.items:
            self._link.add(_ground_item(item))
            self._items = item.id
        self._link.advance(self._times.t_us(snapshot_frame))
        ended = {event.item for event in rows.events if event.fate in _ENDED}
        asked = [i.id for i in rows.items if i.kind == ItemKind.RESEED and i.id not in ended]
        self._asked = asked[-1] if asked else None

    # --- frames ---------------------------------------------------------------------------------

    def after_frame(self, work: FrameWork) -> None:
        """Hand over what the frame left behind, and take what has come up until its end."""
        verdict, frame = work.verdict, work.number
        golden = self._golden
        if self._is_due(self._config.results, frame) and verdict.delivered:
            self._send(work, ItemKind.RESULT, self._config.results, self._output(work))
        if self._is_due(self._config.telemetry, frame):
            self._send(work, ItemKind.TELEMETRY, self._config.telemetry, verdict.record)
        if self._is_due(self._config.checkpoints, frame):
            state = self._read_state(verdict)
            if state:
                self._send(work, ItemKind.CHECKPOINT, self._config.checkpoints, state)
        if self._is_work(verdict, frame):
            self._send(work, ItemKind.WORK, self._config.work, golden.input, golden.output)
        self._ask_for_state(work)
        self._note(frame, self._link.advance(self._end_us(frame)))

    def _end_us(self, frame: int) -> int:
        return self._times.t_us(frame) + self._times.frame_us

    @staticmethod
    def _is_due(flow: FlowConfig | None, frame: int) -> bool:
        return flow is not None and frame % flow.every == 0

    def _is_work(self, verdict: Verdict, frame: int) -> bool:
        config = self._config.work
        if config is None:
            return False
        if config.every is None:
            return not verdict.delivered
        return frame % config.every == 0

    def _output(self, work: FrameWork) -> bytes:
        """Return the output that left the system, read from a board if it is a long one."""
        output = work.output or delivered_output(self._rig, work.results, work.verdict, None)
        if output or not self._rig.setup.long_outputs:
            return output
        length = self._golden.workload.output_len
        results = with_long_outputs(self._rig, work.results, work.verdict, length)
        return delivered_output(self._rig, results, work.verdict, None)

    def _read_state(self, verdict: Verdict) -> bytes:
        """Return the agreed state from the first node that has it; empty if none does."""
        del verdict  # the scheduler's `holders` are those of this verdict
        for node in self._scheduler.holders:
            with contextlib.suppress(*BOARD_FAILURES):  # the next step shows a board that failed
                return read_state(self._rig, node, self._golden.workload.state_len)
        return b""

    def _ask_for_state(self, work: FrameWork) -> None:
        config = self._config.reseed
        self._silent_frames = 0 if work.verdict.delivered else self._silent_frames + 1
        if config is None or self._asked is not None or self._silent_frames < config.after_frames:
            return
        flow = FlowConfig(priority=config.priority)
        size = self._golden.workload.state_len
        self._send(work, ItemKind.RESEED, flow, work.verdict.record, answer_size=size)
        self._asked = self._items

    def _send(
        self,
        work: FrameWork,
        kind: ItemKind,
        flow: FlowConfig | WorkConfig | None,
        data: bytes,
        answer: bytes = b"",
        *,
        answer_size: int | None = None,
    ) -> None:
        assert flow is not None, "only configured flows are sent"
        at_us = self._end_us(work.number)
        age_s = flow.max_age_s
        ground_s = flow.ground_s if isinstance(flow, WorkConfig) else 0.0
        self._items += 1
        item = RecordedItem(
            id=self._items,
            frame=work.number,
            kind=kind.value,
            at_us=at_us,
            priority=flow.priority,
            expires_us=None if age_s is None else at_us + round(age_s * 1e6),
            correct=int(work.verdict.delivered and work.verdict.correct),
            data=data,
            answer_size=len(answer) if kind is ItemKind.WORK else answer_size,
            ground_us=round(ground_s * 1e6),
            answer=answer,
        )
        self._recorder.record.offload_item(item)
        self._note(work.number, self._link.add(_ground_item(item)))

    def _note(self, frame: int, events: Sequence[ItemEvent]) -> None:
        """Record what became of items; take the state that has come up."""
        for event in events:
            row = RecordedItemEvent(frame, event.id, event.at_us, event.fate.value, event.station)
            self._recorder.record.offload_event(row)
            if event.id == self._asked and event.fate in _ENDED:
                self._asked = None
                if event.fate is ItemFate.ANSWERED and self._silent_frames:
                    self._scheduler.reseed(frame, event.station)
                    self._silent_frames = 0

    # --- the end --------------------------------------------------------------------------------

    def measured(self, end_us: int) -> Mapping[str, float]:
        """Return the metrics by their names in `expect:` after `offload.`."""
        rows = self._recorder.record.tally.offload_rows()
        return offload_figures(rows, end_us).metrics()


def _ground_item(item: RecordedItem) -> GroundItem:
    queued = QueuedItem(item.id, item.at_us, len(item.data), item.priority, item.expires_us)
    return GroundItem(queued, item.answer_size, item.ground_us)
