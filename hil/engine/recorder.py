"""The recorder: what has become of the parts of a run, written into its record as it happens.

It decides nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from hil.engine import run_folder
from hil.engine.observers import NodeRepair, RunEvent, RunObserver, TimeSlip
from hil.engine.parts import Parts
from hil.engine.repair_executor import Repaired
from hil.engine.temperature_limits import heat_limits
from hil.errors import HilError
from hil.record.recorder import Recorder, Recorders, RepairAttempt
from hil.record.row_values import RecordedNode
from hil.redundancy.voting import Verdict
from hil.rig.calibration import Calibration
from hil.rig.node import EXCLUDED_RESULT, Node, NodeResult

__all__ = ["RunRecorder"]

_LAST_WORDS_S: Final = 2.0
"""A run that failed waits no longer for a lock to say so in its record."""


class RunRecorder:
    """Records the run of `parts` with one of `recorders`. Frames can run from `create` or `resume`
    on. `on_wait` is told when the record is waited for; `left_out`: upsets that an option took
    away; `observers` are told every event. Raises RecordError from every method."""

    def __init__(
        self,
        parts: Parts,
        recorders: Recorders,
        on_wait: Callable[[str], None] | None = None,
        left_out: Sequence[str] = (),
        observers: Sequence[RunObserver] = (),
    ) -> None:
        self._parts = parts
        self._recorders = recorders
        self._on_wait = on_wait
        self._left_out = list(left_out)
        self._observers = tuple(observers)
        self._record: Recorder | None = None

    # --- opening and closing ------------------------------------------------------------------

    def create(self, path: Path, calibration: Calibration) -> None:
        """Begin a record at `path`."""
        self._record = self._recorders.begin(path, self._meta(calibration), self._on_wait)

    def resume(self, path: Path, frame: int) -> None:
        """Go on with the record at `path` before `frame`."""
        self._record = self._recorders.resume(path, frame, self._on_wait)

    @property
    def record(self) -> Recorder:
        """Return the open record."""
        assert self._record is not None, "the record is open while frames run"
        return self._record

    @property
    def is_open(self) -> bool:
        """The record was created or taken up again."""
        return self._record is not None

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Close the record in every case; if the rig fails, or the user does not wait for the end
        of the frame, say so in it as far as possible."""
        try:
            yield
        except BaseException as error:
            if self._record is not None:
                at_once = isinstance(error, KeyboardInterrupt)
                text = "aborted by the user, without waiting" if at_once else f"failed: {error}"
                patience_s = 0.0 if at_once else _LAST_WORDS_S
                with contextlib.suppress(HilError):
                    frame = self._parts.golden.next_frame
                    outcome = "aborted" if at_once else "error"
                    self._record.fail(frame, outcome, text, patience_s)
            raise
        if self._record is not None:
            self._record.close()

    def settled(self, kind: object, error: BaseException | None, trace: object) -> None:
        """If the rig failed: write what waits, or drop it if that cannot be done. A full disk must
        be found full before the space for the last words is given back, or this would take it."""
        del kind, trace
        if error is not None and self._record is not None:
            with contextlib.suppress(HilError):
                at_once = isinstance(error, KeyboardInterrupt)
                self._record.secure(0.0 if at_once else _LAST_WORDS_S)

    # --- who takes part -----------------------------------------------------------------------

    def identities(self) -> list[RecordedNode]:
        """Return who the nodes are, as they said when they were greeted last."""
        return [_identity(index, node) for index, node in enumerate(self._parts.nodes)]

    def beginning(self) -> None:
        """Record who takes part, and what the plant has to say beforehand."""
        for identity in self.identities():
            self.record.node(identity)
        plant = self._parts.plant
        for note in () if plant is None or plant.sky is None else plant.sky.notes:
            self.record.note(None, note)
        self.record.commit()

    def _meta(self, calibration: Calibration) -> dict[str, Any]:
        plant = self._parts.plant
        sky = None if plant is None else plant.sky
        return {
            **run_folder.identity(self._parts.scenario),
            "calibration": {
                "frames": calibration.frames,
                "cpu_us_median": calibration.cpu_us_median,
                "cpu_us_worst": calibration.cpu_us_worst,
                "round_trip_us_worst": calibration.round_trip_us_worst,
                "budget_cpu_us": calibration.budget.cpu_us,
                "budget_max_ticks": calibration.budget.max_ticks,
            },
            **({} if sky is None else {"anomaly": sky.anomaly()}),
            "board_limits": heat_limits(self._parts.scenario, self._parts.nodes),
            "left_out": self._left_out,
            "outcome": "running",
        }

    # --- what happens -------------------------------------------------------------------------

    def notable(
        self,
        verdict: Verdict,
        results: dict[str, NodeResult],
        executions: list[list[NodeResult]],
        output: bytes,
    ) -> None:
        """A frame that is more than plain agreement: `results` are the final ones, `executions`
        all there were, in the order of the nodes; `output` is what left the system."""
        golden = self._parts.golden
        self.record.notable(
            verdict,
            self._parts.t_us(verdict.frame),
            (golden.output_digest, golden.state_digest),
            output if verdict.delivered or verdict.held else None,
            executions or [self.in_order(results)],
        )

    def in_order(self, results: dict[str, NodeResult]) -> list[NodeResult]:
        """Results as the nodes are numbered."""
        return [results.get(node.name, EXCLUDED_RESULT) for node in self._parts.nodes]

    def outcomes(self) -> None:
        """Upsets that have begun or found their outcome, and what none explains."""
        classifier = self._parts.classifier
        for upset in [*classifier.take_finished(), *classifier.take_begun()]:
            self.record.upset(upset)  # a viewer wants the cause while its node is being healed
            self._publish(upset)
        for anomaly in classifier.take_anomalies():
            self.record.anomaly(anomaly)
            self._publish(anomaly)
            self._parts.outside.anomaly(anomaly)
            self._parts.metrics.unexplained += 1

    def delivery_notes(self, frame: int) -> None:
        """What there is to be said of how upsets were made."""
        notes, self._parts.injector.notes = self._parts.injector.notes, []
        for text in notes:
            self.record.note(frame, text)

    def transitions(self) -> None:
        """The edges that recovery has taken."""
        for transition in self._parts.recovery.take_transitions():
            self.record.transition(transition)
            self._publish(transition)

    def repair(
        self, frame: int, node: str, action: str, cause: str, how: Repaired, *, ok: bool
    ) -> None:
        attempt = RepairAttempt(
            action,
            cause,
            ok,
            how.detail,
            how.chunks,
            how.bytes_moved,
            how.duration_wall_us,
            how.damage,
        )
        self.record.repair(frame, node, attempt)
        self._publish(NodeRepair(frame, node, attempt))

    def slip(self, frame: int, node: str | None, late_us: int, detail: str) -> None:
        """Count and record that a frame, or a node, was late by real time."""
        self._parts.metrics.slips += 1
        self.record.slip(frame, node, late_us, detail)
        self._publish(TimeSlip(frame, node, late_us, detail))

    def _publish(self, event: RunEvent) -> None:
        for observer in self._observers:
            observer.on_event(event)


def _identity(index: int, node: Node) -> RecordedNode:
    board, port, hello = node.board.kind, node.capabilities.port, node.hello
    if hello is None:
        return RecordedNode(index, node.name, board, port)
    return RecordedNode(
        index,
        node.name,
        board,
        port,
        hello.arch,
        hello.board,
        hello.serial,
        hello.version,
        hello.cores,
        hello.memory_mib,
    )
