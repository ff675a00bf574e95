"""The loop: runs one scenario, from opening its boards to the run digest.

`hil.engine.parts` builds the parts of a run; the loop creates the stages that work on them, and
calls them in order. In each frame:

    operator's commands -> plant's orders -> quiet frames are skipped or run as a batch; any other:
    exchange   boards that are back are repaired, upsets are planned and armed, all nodes step,
               reports are collected
    plant      gets the speed of the boards
    decide     vote; roll back and vote again if needed; effects and outcomes of upsets; recovery
               orders repairs
    record     the frame is recorded, with all replies unless the nodes plainly agree
    repair     the repairs are carried out, checkpoints are taken
    settle     an upset gets its final outcome when its node works again, or is isolated

Progress, health and snapshots follow between frames, when they are due. The loop never waits for a
viewer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.clock import HOST, Clock
from hil.control.inbox import Inbox
from hil.engine import ending, resume, run_folder, snapshots
from hil.engine.exchange_stage import ExchangeStage
from hil.engine.fast_forward import FastForward
from hil.engine.frame_work import FrameWork
from hil.engine.health_poll import HealthPoll
from hil.engine.observers import FramesDone, RunObserver
from hil.engine.operator import Operator, Turn
from hil.engine.parts import Parts, assemble
from hil.engine.recorder import RunRecorder
from hil.engine.repair_scheduler import RepairScheduler
from hil.engine.result import RunProgress
from hil.engine.run_controls import RunControls
from hil.engine.run_log import logs_wanted
from hil.engine.run_reports import write_reports
from hil.engine.verdict import VerdictStage
from hil.errors import SetupError
from hil.record.recorder import Recorders
from hil.record.run_lock import RunLock
from hil.record.run_result import RunResult
from hil.record.sqlite_recorder import SqliteRecorder
from hil.rig.calibration import Calibration, calibrate
from hil.rig.capture import Capture
from hil.rig.program import golden_run
from hil.rig.step_count import instructions_behind_ticks
from hil.scenario import Scenario
from hil.upsets.planner import needed_targets

if TYPE_CHECKING:
    from hil.engine.plant_coupling import PlantCoupling
    from hil.plant.build import BuiltPlant

_PROGRESS_US: Final = 100_000
_HEALTH_US: Final = 1_000_000
_SNAPSHOT_US: Final = 5_000_000
_PREPARATION_LOST_AFTER_US: Final = 3_000_000


@dataclass(slots=True)
class _Due:
    """When progress, health and snapshots are due [us of the clock]. `exact`: whether a run that is
    resumed from a snapshot ends with the same digest; it is determined again at `exact_us`."""

    progress_us: int = 0
    health_us: int = 0
    snapshot_us: int = 0
    exact_us: int = 0
    exact: bool = True


@dataclass(frozen=True, slots=True)
class RunSetup:
    """What a run needs besides its scenario.

    `clock` paces frames and measures waits. `capture` writes all bytes of all links to
    capture.pcapng in the folder. `recorders` begins or resumes the record; `NullRecorder` keeps
    none. `lock` is a lock on the folder that the caller holds; without one `Loop.run` takes it.
    `plant` is that of the scenario, if it has been built and not advanced. `left_out` lists what an
    option has removed from the scenario."""

    clock: Clock = HOST
    capture: bool = False
    recorders: Recorders = SqliteRecorder
    lock: RunLock | None = None
    plant: BuiltPlant | None = None
    left_out: Sequence[str] = ()


_PLAIN: Final = RunSetup()


class Loop:
    """Runs `scenario` and writes into the new folder `run_dir`.

    `resume_run`: the run in `run_dir` is resumed from its last snapshot instead. `batch=False` runs
    inproc boards frame by frame like all others (the record is the same). `stop` is called between
    frames; if it returns true, the run ends as aborted. `inbox` has an operator's commands.
    `observers` get the events of the run, which are also logged (`hil.engine.run_log`). `controls`
    may steer the run between two frames, in the thread of the run. Not thread-safe."""

    def __init__(
        self,
        scenario: Scenario,
        run_dir: Path,
        *,
        resume_run: bool = False,
        batch: bool = True,
        stop: Callable[[], bool] = lambda: False,
        inbox: Inbox | None = None,
        observers: Sequence[RunObserver] = (),
        setup: RunSetup = _PLAIN,
    ) -> None:
        self.scenario = scenario
        self.run_dir = run_dir
        self._resume_run = resume_run
        self._stop = stop
        self._observers = tuple(observers)
        self._setup = setup
        self._tape: Capture | None = None
        self._due = _Due()
        parts = self._parts = assemble(scenario, setup.clock, setup.plant)
        self._recorder = RunRecorder(
            parts,
            setup.recorders,
            self._report_phase,
            setup.left_out,
            (*self._observers, *logs_wanted()),
        )
        scheduler = self._scheduler = RepairScheduler(parts, self._recorder, stop)
        exchange = self._exchange = ExchangeStage(parts, self._recorder, scheduler, stop)
        self.controls = RunControls(parts, self._recorder, scheduler, exchange.forget_silence)
        self._coupling = _coupling_of(self.controls, parts)
        verdicts = self._verdicts = VerdictStage(parts, self._recorder, scheduler)
        self._conclusion = (verdicts.decide, verdicts.record, verdicts.repair, verdicts.settle)
        self._stages = (exchange.exchange, self._report_to_plant, *self._conclusion)
        self._fast_forward = FastForward(
            parts,
            self._recorder,
            scheduler,
            self._conclude,
            self._coupling,
            batches=batch and parts.virtual and not setup.capture,  # batches send nothing
            skips=scenario.plant is not None and scenario.plant.skip_quiet,
        )
        self._health_poll = HealthPoll(self.controls, self._coupling)
        self._operator = None if inbox is None else Operator(self.controls, inbox)

    @property
    def next_frame(self) -> int:
        """Return the number of the frame that is run next."""
        return self.controls.next_frame

    # --- the whole run ------------------------------------------------------------------------

    def run(self) -> RunResult:
        """Run to the end and return the result. In every case boards and links are closed, and the
        record is kept. Raises: subclasses of HilError for failures of the rig itself."""
        with contextlib.ExitStack() as stack:
            if self._setup.lock is None:
                stack.enter_context(RunLock(self.run_dir))
            self._check_record()
            if self._setup.capture:
                self._tape = Capture(run_folder.capture_path(self.run_dir), list(self._parts.nodes))
                stack.callback(self._tape.close)
            stack.callback(self._parts.rig.close)
            # The first is kept until the record is closed, for the reports; the second is for the
            # record.
            stack.enter_context(run_folder.space_for_last_words(self.run_dir))
            stack.enter_context(self._recorder.kept())
            stack.enter_context(run_folder.space_for_last_words(self.run_dir))
            stack.push(self._recorder.settled)
            self._open_record(self._prepare())
            for observer in self._observers:
                observer.on_start(self.next_frame)
            aborted_by = self._all_frames()
            return self._finish(aborted_by)

    def _check_record(self) -> None:
        """Check, now that the folder is locked, that nothing else has begun or ended this run.
        Raises: UsageError, RecordError."""
        if self._resume_run:
            resume.open_run(self.run_dir)
        else:
            run_folder.must_be_free(self.run_dir)

    def _prepare(self) -> Calibration:
        """Open all boards, check that they can do what the scenario needs, and calibrate them."""
        rig, timeouts = self._parts.rig, self.scenario.timeouts
        with rig.requests.waiting_at_least(_PREPARATION_LOST_AFTER_US):
            self._report("opening", 0)
            rig.open(lambda what: self._report(f"opening: {what}", 0))
            self._check_targets()
            self._report("calibrating", 0)
            calibration = calibrate(
                rig,
                timeouts.calibration_frames,
                timeouts.cpu_factor,
                int(timeouts.cpu_floor_ms * 1000),
            )
        rig.setup.adjust_busy_time()
        self._exchange.calibrated(calibration.round_trip_us_worst)
        self._check_limits(calibration)
        return calibration

    def _check_limits(self, calibration: Calibration) -> None:
        """Check all upsets against the registers and the steps of these boards. Raises: ConfigError
        for upsets past their end."""
        parts, limits, rig = self._parts, self._parts.limits, self._parts.rig
        for node in parts.nodes:
            if node.hello is not None:
                limits.add_board(node.name, node.hello)
        limits.set_slowest_step(calibration.cpu_us_worst)
        for name, steps in limits.steps_needed.items():
            node = parts.by_name[name]
            golden = golden_run(rig.setup.workload, rig.setup.seed)
            limits.set_reach(name, instructions_behind_ticks(rig, node, golden, steps))
            rig.load(node)
        limits.check()
        parts.planner.reach = limits.reach

    def _check_targets(self) -> None:
        for name, targets in needed_targets(self.scenario).items():
            hello = self._parts.by_name[name].hello
            missing = sorted(targets - hello.targets) if hello else []
            if missing:
                raise SetupError(
                    f"the board of node {name} cannot be hit at: {', '.join(missing)}",
                    remedy="use a board that can (`--boards process`), or remove these upsets",
                )

    def _open_record(self, calibration: Calibration) -> None:
        """Create the record, or resume it and restore the run to its last snapshot."""
        path = self.run_dir / "run.db"
        if not self._resume_run:
            self._recorder.create(path, calibration)
        elif (snapshot := resume.read_snapshot(self.run_dir)) is not None:
            self._recorder.resume(path, snapshot.frame)
            snapshots.restore(
                snapshot, self._parts, self._scheduler, self._verdicts, self._coupling
            )
        else:  # it ended before its first snapshot: from the beginning
            self._recorder.resume(path, 0)
        self._recorder.beginning()
        # Until the run ends, and if its process is killed, its reports say that it has not ended.
        write_reports(self.run_dir, run_folder.beginning(self.scenario, self.run_dir))

    def _finish(self, aborted_by: str) -> RunResult:
        agreed = self._scheduler.agreed
        ending.close_books(self._parts, self._recorder, agreed, self._exchange.late)
        if self._tape is not None and self._tape.failure is not None:
            self.controls.record.note(self.next_frame - 1, self._tape.failure)
        self._health_poll.boards()
        result = ending.result_of(
            self._parts,
            self.controls.record,
            self.run_dir,
            self._coupling,
            aborted_by=aborted_by,
            agreed=agreed,
        )
        ending.write_result(result, self._parts, self._recorder)
        return result

    # --- frames -------------------------------------------------------------------------------

    def _all_frames(self) -> str:
        """Run all frames; return who ended the run early, empty if nobody did."""
        self._due.health_us = self._parts.rig.clock.now_us()
        self._due.snapshot_us = self._parts.rig.clock.now_us() + _SNAPSHOT_US
        end = self.scenario.frame_count
        while self._parts.nominal(self.next_frame) < end:
            if self._stop():
                self.controls.record.note(self.next_frame, "aborted by the user")
                return "the user"
            turn = Turn.GO if self._operator is None else self._operator.poll()
            if turn is Turn.END:
                return self._ended_by
            before = (self.next_frame, self._parts.metrics.skipped)
            computed = turn is Turn.GO and self._run_some(self.next_frame)
            self._between_frames(computed)
            if turn is Turn.GO and self._observers:
                self._report_frames(*before)
        return ""

    def _report_frames(self, next_before: int, skipped_before: int) -> None:
        computed = self.next_frame - next_before
        skipped = self._parts.metrics.skipped - skipped_before
        verdict = self._scheduler.agreed if computed else None
        done = FramesDone(self.next_frame, computed, skipped, verdict)
        for observer in self._observers:
            observer.on_frame(done)

    @property
    def _ended_by(self) -> str:
        ended = "" if self._operator is None else self._operator.ended.removeprefix("ended by ")
        return ended or "the user"

    def _run_some(self, frame: int) -> bool:
        """Run `frame`, or a batch of quiet frames from there on, or skip quiet frames. Return False
        if they were skipped."""
        if self._coupling is not None:
            t_us = self._parts.t_us(frame)
            if frame == 0 or t_us >= self._coupling.next_us:
                self._coupling.step(frame, t_us)
        quiet_until = self._fast_forward.until(frame)
        if self._fast_forward.skip(frame, quiet_until):
            return False
        due = self._parts.rig.clock.now_us() >= self._due.snapshot_us
        if not self._fast_forward.batch(frame, quiet_until, snapshot_due=due):
            work = FrameWork(frame)
            for stage in self._stages:
                stage(work)
        self._health_poll.links()
        return True

    def _report_to_plant(self, work: FrameWork) -> None:
        """Report the speed of boards to the plant, which records it with their power."""
        if self._coupling is not None:
            self._coupling.saw(work.results)

    def _conclude(self, work: FrameWork) -> None:
        """Call the stages after the exchange for the last frame of a batch."""
        for stage in self._conclusion:
            stage(work)

    def _between_frames(self, computed: bool) -> None:
        """Do what is due between frames. `computed`: the frame before was computed, not skipped."""
        now = self._parts.rig.clock.now_us()
        if now >= self._due.progress_us:
            paused = self._operator is not None and self._operator.paused
            nominal = self._parts.nominal(self.next_frame)
            self._report("paused" if paused else "running", nominal)
        if now >= self._due.health_us:
            self._due.health_us = self._parts.rig.clock.now_us() + _HEALTH_US
            self._health_poll.boards()
        # Not after commands or skips: a snapshot is the end of a frame, with nothing recorded
        # beyond it.
        if now >= self._due.snapshot_us and computed and self._parts.settled:
            self._take_snapshot(now)

    def _take_snapshot(self, now: int) -> None:
        if now >= self._due.exact_us:  # not in every frame until one can be taken
            self._due.exact_us = now + _SNAPSHOT_US
            why = ending.not_reproducible(self._parts, self.controls.record.tally, self._coupling)
            self._due.exact = not why
        if not snapshots.ready(self._parts, self._scheduler, exact=self._due.exact):
            return
        sources = (self._parts, self._scheduler, self._verdicts, self._coupling)
        if snapshots.take(*sources, self.controls.record):
            self._due.snapshot_us = self._parts.rig.clock.now_us() + _SNAPSHOT_US

    def _report_phase(self, phase: str) -> None:
        self._report(phase, self.next_frame)

    def _report(self, phase: str, frame: int) -> None:
        """Report the progress to the observers; `frame` includes skipped frames."""
        self._due.progress_us = self._parts.rig.clock.now_us() + _PROGRESS_US
        if not self._observers:
            return
        metrics = self._parts.metrics
        states = self.controls.node_states()
        progress = RunProgress(
            phase,
            frame,
            self.scenario.frame_count,
            self._parts.classifier.count,
            metrics.recoveries,
            metrics.sdc_frames,
            tuple((name, state.value) for name, state in states.items()),
        )
        for observer in self._observers:
            observer.on_progress(progress)

    @property
    def recording(self) -> bool:
        """Return whether the record has been opened, so that the run folder belongs to this run."""
        return self._recorder.is_open


def _coupling_of(controls: RunControls, parts: Parts) -> PlantCoupling | None:
    if parts.plant is None:
        return None
    from hil.engine.plant_coupling import PlantCoupling  # noqa: PLC0415  (heavy, and seldom needed)

    coupling = PlantCoupling(controls, parts.scenario, parts.plant)
    parts.injector.latch_up = coupling.latch_up
    return coupling
