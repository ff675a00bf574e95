"""The run recorder: writes what happens in a run into its record, and to observers.

It decides nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from hil.engine import run_folder
from hil.engine.metrics import Metrics
from hil.engine.observers import NodeRepair, RunEvent, RunObserver, TimeSlip
from hil.engine.outside_influence import OutsideInfluence
from hil.engine.part_groups import FrameTimes, UpsetParts
from hil.engine.repair_executor import Repaired
from hil.engine.run_identity import config_hash
from hil.engine.temperature_alarm_limits import heat_limits
from hil.errors import HilError
from hil.kernel import Golden
from hil.record.recorded_scenario import RecordedScenario
from hil.record.recorder_protocol import Recorder, RepairAttempt
from hil.record.row_values import RecordedNode
from hil.record.run_meta import RecordedCalibration, RunMeta
from hil.redundancy.recovery import RecoveryMachine
from hil.redundancy.voting import Verdict
from hil.rig.backends.program_digests import program_digests
from hil.rig.calibration import Calibration
from hil.rig.node import EXCLUDED_RESULT, Node, NodeResult
from hil.rig.power import PowerEvent
from hil.rig.rig import Rig
from hil.run_outcome import RunOutcome
from hil.scenario import Scenario

if TYPE_CHECKING:
    from hil.plant.build import BuiltPlant

__all__ = ["RunRecorder", "run_meta"]

_FINAL_PATIENCE_S: Final = 2.0
"""The longest that a failed run waits for a lock to note the failure in its record."""


class RunRecorder:
    """Writes a run into the record that it is given with `open`; `observers` get every event. Not
    thread-safe. Raises: RecordError from every method."""

    def __init__(
        self,
        rig: Rig,
        golden: Golden,
        recovery: RecoveryMachine,
        upsets: UpsetParts,
        times: FrameTimes,
        *,
        metrics: Metrics,
        outside: OutsideInfluence,
        observers: Sequence[RunObserver],
    ) -> None:
        self._rig = rig
        self._nodes = rig.nodes
        self._golden = golden
        self._recovery = recovery
        self._classifier = upsets.classifier
        self._injector = upsets.injector
        self._times = times
        self._metrics = metrics
        self._outside = outside
        self._observers = tuple(observers)
        self._record: Recorder | None = None

    # --- opening and closing ------------------------------------------------------------------

    def open(self, record: Recorder) -> None:
        """Write into `record` from now on, and close it in the end (`kept`)."""
        self._record = record

    @property
    def record(self) -> Recorder:
        """Return the open record."""
        assert self._record is not None, "the record is open while frames run"
        return self._record

    @property
    def is_open(self) -> bool:
        """Return whether the record has been created or resumed."""
        return self._record is not None

    @contextlib.contextmanager
    def closed_at_end(self) -> Iterator[None]:
        """Close the record in every case; if the rig fails or the user interrupts a frame, note
        that in it as far as possible."""
        try:
            yield
        except BaseException as error:
            if self._record is not None:
                at_once = isinstance(error, KeyboardInterrupt)
                text = "aborted by the user, without waiting" if at_once else f"failed: {error}"
                patience_s = 0.0 if at_once else _FINAL_PATIENCE_S
                with contextlib.suppress(HilError):
                    frame = self._times.next_frame
                    outcome = RunOutcome.ABORTED if at_once else RunOutcome.ERROR
                    self._record.fail(frame, outcome, text, patience_s)
            raise
        if self._record is not None:
            self._record.close()

    def settle(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Settle the record when the rig has failed: write all pending rows, or drop them if that
        is impossible. That is done before the reserved disk space is released, which pending rows
        would use up."""
        del kind, trace
        if error is not None and self._record is not None:
            with contextlib.suppress(HilError):
                at_once = isinstance(error, KeyboardInterrupt)
                self._record.secure(0.0 if at_once else _FINAL_PATIENCE_S)

    # --- the nodes ----------------------------------------------------------------------------

    def identities(self) -> list[RecordedNode]:
        """Return the identities of the nodes, from their last HELLO."""
        return [_identity(index, node) for index, node in enumerate(self._nodes)]

    def record_nodes(self, plant: BuiltPlant | None) -> None:
        """Record the nodes, and notes of the plant about the whole run."""
        for identity in self.identities():
            self.record.node(identity)
        for note in self._rig.notes:
            self.record.note(None, note)
        for note in () if plant is None or plant.sky is None else plant.sky.notes:
            self.record.note(None, note)
        self.record.commit()

    # --- what happens -------------------------------------------------------------------------

    def notable(
        self,
        verdict: Verdict,
        results: dict[str, NodeResult],
        executions: list[list[NodeResult]],
        output: bytes,
    ) -> None:
        """Record a frame in which not all nodes plainly agree. `results` are the final ones;
        `executions` are all, in the order of the nodes; `output` is the delivered one."""
        golden = self._golden
        self.record.notable(
            verdict,
            self._times.t_us(verdict.frame),
            (golden.output_digest, golden.state_digest),
            output if verdict.delivered or verdict.held else None,
            executions or [self.in_order(results)],
        )

    def in_order(self, results: dict[str, NodeResult]) -> list[NodeResult]:
        """Return results in the order of the nodes; nodes without one were excluded."""
        return [results.get(node.name, EXCLUDED_RESULT) for node in self._nodes]

    def outcomes(self) -> None:
        """Record upsets that have begun or were settled, and anomalies."""
        classifier = self._classifier
        for upset in [*classifier.take_finished(), *classifier.take_begun()]:
            self.record.upset(upset)  # a viewer wants the cause while its node is being healed
            self._publish(upset)
        for frame, text in classifier.take_notes():
            self.record.note(frame, text)
        for anomaly in classifier.take_anomalies():
            self.record.anomaly(anomaly)
            self._publish(anomaly)
            self._outside.anomaly(anomaly)
            self._metrics.unexplained += 1

    def delivery_notes(self, frame: int) -> None:
        """Record the injector's notes on how upsets were injected."""
        notes, self._injector.notes = self._injector.notes, []
        for text in notes:
            self.record.note(frame, text)

    def transitions(self) -> None:
        """Record the state transitions that recovery has made."""
        for transition in self._recovery.take_transitions():
            self.record.transition(transition)
            self._publish(transition)

    def repair(
        self, frame: int, node: str, action: str, cause: str, how: Repaired, *, ok: bool
    ) -> None:
        """Record a repair of a node, and report it to the observers."""
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
        self._metrics.slips += 1
        self.record.slip(frame, node, late_us, detail)
        self._publish(TimeSlip(frame, node, late_us, detail))

    def power(self, frame: int, event: PowerEvent) -> None:
        """Count and record what a bench supply measured, or how it failed."""
        self._metrics.supply_errors += bool(event.error)
        self._metrics.cuts += event.cut is not None
        self.record.power(frame, event)

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


def run_meta(
    scenario: Scenario,
    nodes: Sequence[Node],
    plant: BuiltPlant | None,
    calibration: Calibration,
    left_out: Sequence[str],
    command: Sequence[str] | None = None,
) -> RunMeta:
    """Return what a record has of a run that begins now. The boards of `nodes` have said who they
    are; `left_out` are upsets that an option has removed from the scenario; `command` as of
    `environment`."""
    sky = None if plant is None else plant.sky
    identity = run_folder.identity(scenario, command)
    here = identity.environment
    own = not isinstance(scenario.workload, str)  # the scenario has the digest of its source
    return RunMeta(
        hil_version=here.hil_version,
        python=here.python,
        system=here.system,
        started_utc=here.started_utc,
        command=here.command,
        wire_version=identity.wire_version,
        record_version=identity.record_version,
        scenario=RecordedScenario.of(scenario),
        config_hash=config_hash(scenario),
        seed=scenario.seed,
        calibration=RecordedCalibration(
            calibration.frames,
            calibration.cpu_us_median,
            calibration.cpu_us_worst,
            calibration.round_trip_us_worst,
            calibration.budget.cpu_us,
            calibration.budget.max_ticks,
        ),
        anomaly=None if sky is None else tuple(sky.anomaly()),
        board_limits=heat_limits(scenario, nodes),
        left_out=tuple(left_out),
        programs=None if own else program_digests({node.board.kind for node in nodes}),
        outcome=RunOutcome.RUNNING,
    )
