"""The loop: runs one scenario, from opening its boards to the run digest.

`hil.engine.parts` builds the parts of a run, and `hil.engine.stages` the stages that work on them;
the loop calls them in order. In each frame:

    operator's commands -> plant's orders -> quiet frames are skipped or run as a batch; any other:
    returns    boards that are back are repaired
    exchange   upsets are planned and armed, all nodes step, reports are collected
    repeat     with time redundancy, the step is executed again, and the results compared
    plant      gets the speed of the boards
    decide     vote; roll back and vote again if needed; effects and outcomes of upsets; recovery
               orders repairs
    record     the frame is recorded, with all replies unless the nodes plainly agree
    repair     the repairs are carried out, checkpoints are taken
    returns    boards of isolated nodes are searched for
    settle     an upset gets its final outcome when its node works again, or is isolated
    offload    what is for the ground waits for a contact; what has come up is taken

Progress, health and snapshots follow between frames, when they are due. The loop never waits for a
viewer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.clock import HOST, Clock
from hil.control.inbox import Inbox
from hil.engine import ending, preflight, resume, run_folder, snapshots
from hil.engine.board_context_stage import BoardContextStage
from hil.engine.frame_ballots import likeness_of
from hil.engine.frame_work import FrameWork
from hil.engine.golden_source import options_of
from hil.engine.health_poll import HealthPoll
from hil.engine.observers import RunObserver
from hil.engine.operator import NextStep, Operator
from hil.engine.parts import assemble
from hil.engine.progress_reports import report_recording
from hil.engine.run_log import logs_wanted
from hil.engine.run_recorder import run_meta
from hil.engine.run_reports import write_reports
from hil.engine.stages import fast_forward_of, progress_of, stages_of
from hil.record.recorder_protocol import Recorders
from hil.record.run_lock import RunLock
from hil.record.run_result import RunResult
from hil.record.sqlite_recorder import SqliteRecorder
from hil.rig.calibration import Calibration, calibrate
from hil.rig.capture import Capture
from hil.rig.reservation import BenchReservation, uses_of_run
from hil.scenario import Scenario

if TYPE_CHECKING:
    from hil.plant.build import BuiltPlant

_HEALTH_US: Final = 1_000_000
_SNAPSHOT_US: Final = 5_000_000
_PREPARATION_LOST_AFTER_US: Final = 3_000_000


@dataclass(slots=True)
class _Due:
    """The times at which health and snapshots are due [us of the clock]. `exact`: whether
    a run that is resumed from a snapshot ends with the same digest; it is determined again at
    `exact_us`."""

    health_us: int = 0
    snapshot_us: int = 0
    exact_us: int = 0
    exact: bool = True


@dataclass(frozen=True, slots=True)
class RunSetup:
    """The setup of a run besides its scenario.

    `clock` paces frames and measures waits. `capture` writes all bytes of all links to
    capture.pcapng in the folder. `recorders` begins or resumes the record; `NullRecorder` keeps
    none. `lock` is a lock on the folder that the caller holds; without one `Loop.run` takes it.
    `plant` is that of the scenario, if it has been built and not advanced. `left_out` lists what an
    option has removed from the scenario. `command`: the command line that repeats the run, None if
    it is that of this process. `at_end` is called once everything is closed, with the exception
    that ends the run, and whether its record was opened. `wait_boards_us`: how long boards are
    waited for that do not answer at the start, or whose ports cannot be opened; `wait_bench_us`:
    how long what another program has reserved or in use."""

    clock: Clock = HOST
    capture: bool = False
    recorders: Recorders = SqliteRecorder
    lock: RunLock | None = None
    plant: BuiltPlant | None = None
    left_out: Sequence[str] = ()
    command: Sequence[str] | None = None
    at_end: Callable[[BaseException | None, bool], None] = lambda _error, _recorded: None
    wait_boards_us: int = 0
    wait_bench_us: int = 0

    @property
    def bench_us(self) -> int:
        """Return how long to wait for what another program has reserved [us]."""
        return max(self.wait_boards_us, self.wait_bench_us)


_PLAIN: Final = RunSetup()


class Loop:
    """Runs `scenario` and writes into the new folder `run_dir`. A golden run that is to be recorded
    (`hil.engine.golden_source`) is computed by the constructor.

    `resume_run`: the run in `run_dir` is resumed from its last snapshot instead. `batch=False` runs
    inproc boards frame by frame like all others. `stop` is called between frames; if it returns
    true, the run ends as aborted. `inbox` has an operator's commands; `observers` get the events,
    also logged (`hil.engine.run_log`). `controls` may steer it in its thread. `batches_until`: the
    frame of the flight before which batches of quiet frames end, None for no limit. `result` is
    there after the end of the run. Not thread-safe."""

    result: RunResult

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
        program, scenario = options_of(
            scenario,
            run_dir,
            setup.clock,
            partial(report_recording, scenario, observers),
            resumes=resume_run,
            wait_us=setup.wait_boards_us,
        )
        self.scenario = scenario
        self.run_dir = run_dir
        self._resume_run = resume_run
        self._stop = stop
        self._observers = tuple(observers)
        self._setup = setup
        self._aborted_by = ""
        self._tape: Capture | None = None
        self._due = _Due()
        parts = self._parts = assemble(scenario, setup.clock, setup.plant, program)
        stages = stages_of(parts, (*self._observers, *logs_wanted()), stop)
        self.controls, self._coupling = stages.controls, stages.coupling
        self._recorder, self._scheduler = stages.recorder, stages.scheduler
        self._returns, self._offload = stages.returns, stages.offload
        self._progress = progress_of(parts, self.controls, self._observers)
        _, verdicts = self._exchange, self._verdicts = stages.exchange, stages.verdicts
        self._conclusion = (
            *stages.decision,
            verdicts.record,
            verdicts.repair,
            self._returns.look_for_isolated,
            verdicts.settle,
            *(() if self._offload is None else (self._offload.after_frame,)),
        )
        self._stages = (
            *stages.beginning,
            self._returns.bring_back,
            *stages.executions,
            self._report_to_plant,
            *self._conclusion,
        )
        self._fast_forward, self._batches = fast_forward_of(
            parts,
            stages,
            self._conclude,
            batches=batch and parts.times.virtual and not setup.capture,  # batches send nothing
        )
        self._health_poll = HealthPoll(self.controls, self._coupling)
        self._operator = None if inbox is None else Operator(self.controls, inbox)
        self.batches_until: int | None = None

    @property
    def next_frame(self) -> int:
        """Return the number of the frame that is run next."""
        return self._parts.golden.next_frame

    @property
    def flown(self) -> int:
        """Return the number of frames that were run or skipped."""
        return self.next_frame + self._parts.metrics.skipped

    def carry_out_commands(self) -> None:
        """Carry out the commands in the inbox now, between two frames."""
        if self._operator is not None:
            self._operator.carry_out_commands()

    # --- the whole run ------------------------------------------------------------------------

    def run(self) -> RunResult:
        """Run to the end and return the result. In every case boards and links are closed, and the
        record is kept. Raises: subclasses of HilError for failures of the rig itself."""
        with self.steps() as steps:
            for _ in steps:
                pass
        return self.result

    @contextlib.contextmanager
    def steps(self) -> Iterator[Iterator[None]]:
        """Open the run, and yield an iterator that runs it: from one item to the next, one frame, a
        batch of quiet frames that ends before `batches_until`, or a wait in which no frame is due.
        The run ends with the `with` block; `result` is set then. Raises: as `run`."""
        with contextlib.ExitStack() as stack:
            stack.push(lambda _, error, _trace: self._setup.at_end(error, self.recording))
            if self._setup.lock is None:
                stack.enter_context(RunLock(self.run_dir))
            _check_record(self.run_dir, resumes=self._resume_run)
            if self._setup.capture:
                nodes = list(self._parts.rig.nodes)
                self._tape = Capture(run_folder.capture_path(self.run_dir), nodes)
                stack.callback(self._tape.close)
            bench = BenchReservation(uses_of_run(self.scenario), self.run_dir, self._setup.clock)
            stack.enter_context(bench).acquire(self._setup.bench_us, self._progress.opening)
            stack.callback(self._parts.rig.close)
            # The first is kept until the record is closed, for the reports; the second is for the
            # record.
            stack.enter_context(run_folder.reserve_for_final_reports(self.run_dir))
            stack.enter_context(self._recorder.closed_at_end())
            stack.enter_context(run_folder.reserve_for_final_reports(self.run_dir))
            stack.push(self._recorder.settle)
            of_boards = (self._parts.rig, self.run_dir, self._recorder, self._setup.recorders)
            context = stack.enter_context(BoardContextStage(*of_boards))
            consoles = self._parts.rig.log_consoles(self.run_dir)
            stack.callback(consoles.close)
            self._open_record(self._prepare())
            context.begin(self.next_frame)
            for observer in self._observers:
                observer.on_start(self.next_frame)
            yield self._all_frames()
            consoles.close()  # what is missing in them is noted in the record
            context.end()
            self.result = self._finish(self._aborted_by)

    def _prepare(self) -> Calibration:
        """Open all boards, check that they can do what the scenario needs, and calibrate them."""
        rig, timeouts = self._parts.rig, self.scenario.timeouts
        with rig.requests.waiting_at_least(_PREPARATION_LOST_AFTER_US):
            self._progress.report("opening", 0)
            rig.open(self._progress.opening, self._setup.wait_boards_us)
            preflight.check_targets(self.scenario, rig)
            self._progress.report("calibrating", 0)
            likeness = likeness_of(self._parts.redundancy.scheme)
            frames, factor = timeouts.calibration_frames, timeouts.cpu_factor
            calibration = calibrate(rig, frames, factor, timeouts.cpu_floor_us, likeness)
        rig.setup.adjust_busy_time()
        self._exchange.calibrated(calibration.round_trip_us_worst)
        preflight.check_pace(self.scenario, rig, calibration)
        preflight.check_limits(rig, self._parts.upsets, calibration)
        return calibration

    def _open_record(self, calibration: Calibration) -> None:
        """Create the record, or resume it and restore the run to its last snapshot."""
        path, parts, setup = self.run_dir / "run.db", self._parts, self._setup
        snapshot = resume.read_snapshot(self.run_dir) if self._resume_run else None
        if self._resume_run:  # without a snapshot, from the beginning
            frame = 0 if snapshot is None else snapshot.frame
            record = setup.recorders.resume(path, frame, self._progress.phase)
        else:
            nodes, left_out = parts.rig.nodes, setup.left_out
            meta = run_meta(self.scenario, nodes, parts.plant, calibration, left_out, setup.command)
            record = setup.recorders.begin(path, meta, self._progress.phase)
        self._recorder.open(record)
        if snapshot is not None:
            snapshots.restore(snapshot, parts, self._scheduler, self._verdicts, self._coupling)
        if self._offload is not None:
            self._offload.open(None if snapshot is None else snapshot.frame)
        self._recorder.record_nodes(parts.plant)
        # Until the run ends, and if its process is killed, its reports say that it has not ended.
        report = run_folder.begun(self.scenario, self.run_dir, setup.command)
        write_reports(self.run_dir, report)

    def _finish(self, aborted_by: str) -> RunResult:
        parts, agreed = self._parts, self._scheduler.agreed
        recovery, record = parts.redundancy.recovery, self.controls.record
        ending.close_books(
            parts.rig,
            parts.golden,
            recovery,
            parts.upsets,
            parts.metrics,
            self._recorder,
            agreed=agreed,
            late=self._exchange.late,
        )
        last = self.next_frame - 1
        if self._tape is not None and self._tape.failure is not None:
            record.note(last, self._tape.failure)
        self._health_poll.boards()
        # The upsets first: that makes them durable, and what follows sees only those that are.
        upsets = ending.upset_totals(self.scenario, parts.times, record.tally)
        lost = ending.lost_boards(
            parts.rig, recovery, record.tally, agreed, last, expected=self._returns.expected
        )
        result = ending.result_of(
            ending.Ended(aborted_by, upsets, lost, self._not_reproducible()),
            self.scenario,
            parts.metrics,
            parts.times,
            record=record,
            run_dir=self.run_dir,
            coupling=self._coupling,
            offload=self._offload,
        )
        ending.write_result(result, self.scenario, self._recorder, self._setup.command)
        return result

    def _not_reproducible(self) -> str:
        parts, tally = self._parts, self.controls.record.tally
        return ending.not_reproducible(
            self.scenario, parts.rig.nodes, parts.times, parts.outside, tally, self._coupling
        )

    # --- frames -------------------------------------------------------------------------------

    def _all_frames(self) -> Iterator[None]:
        """Run all frames, and yield after each pass; `_aborted_by` tells who ended the run early,
        empty if nobody did."""
        self._due.health_us = self._parts.rig.clock.now_us()
        self._due.snapshot_us = self._parts.rig.clock.now_us() + _SNAPSHOT_US
        times, golden, metrics = self._parts.times, self._parts.golden, self._parts.metrics
        while (frame := golden.next_frame) + metrics.skipped < times.frame_count:
            if self._stop():
                self.controls.record.note(frame, "aborted by the user")
                self._aborted_by = "the user"
                return
            next_step = NextStep.GO if self._operator is None else self._operator.poll()
            if next_step is NextStep.END:
                self._aborted_by = _ended_by(self._operator)
                return
            go, skipped = next_step is NextStep.GO, metrics.skipped
            computed = go and not self._returns.waits(frame) and self._run_some(frame)
            self._between_frames(computed)
            if go and self._observers:
                done, more = self.next_frame - frame, metrics.skipped - skipped
                self._progress.frames(self.next_frame, done, more, self._scheduler.agreed)
            yield
        self._returns.finish(self.next_frame, lambda: self._between_frames(computed=False))

    def _run_some(self, frame: int) -> bool:
        """Run `frame`, or a batch of quiet frames from there on, or skip quiet frames. Return False
        if they were skipped."""
        if self._coupling is not None:
            t_us = self._parts.times.t_us(frame)
            if frame == 0 or t_us >= self._coupling.next_us:
                self._coupling.step(frame, t_us)
        quiet_until = self._fast_forward.until(frame)
        if self.batches_until is not None:
            quiet_until = max(frame, min(quiet_until, self._parts.times.number(self.batches_until)))
        if self._fast_forward.skip(frame, quiet_until):
            return False
        if not self._batches.run(frame, quiet_until, snapshot_us=self._due.snapshot_us):
            work = FrameWork(frame)
            for stage in self._stages:
                stage(work)
        self._health_poll.links()
        return True

    def _report_to_plant(self, work: FrameWork) -> None:
        """Report the speed of boards to the plant, which records it with their power."""
        if self._coupling is not None:
            self._coupling.note_results(work.results)

    def _conclude(self, work: FrameWork) -> None:
        """Call the stages after the exchange for the last frame of a batch."""
        for stage in self._conclusion:
            stage(work)

    def _between_frames(self, computed: bool) -> None:
        """Do what is due between frames. `computed`: the frame before was computed, not skipped."""
        now = self._parts.rig.clock.now_us()
        if now >= self._progress.due_us:
            nominal = self._parts.times.nominal(self.next_frame)
            why_not = _why_not_running(self._operator, self._returns.awaited)
            self._progress.report(why_not or "running", nominal, running=not why_not)
        if now >= self._due.health_us:
            self._due.health_us = self._parts.rig.clock.now_us() + _HEALTH_US
            self._health_poll.boards()
        # Not after commands or skips: a snapshot is the end of a frame, with nothing recorded
        # beyond it.
        if now >= self._due.snapshot_us and computed and self.controls.settled:
            self._take_snapshot(now)

    def _take_snapshot(self, now: int) -> None:
        if now >= self._due.exact_us:  # not in every frame until one can be taken
            self._due.exact_us = now + _SNAPSHOT_US
            self._due.exact = not self._not_reproducible()
        if not snapshots.ready(self._parts, self._scheduler, exact=self._due.exact):
            return
        sources = (self._parts, self._scheduler, self._verdicts, self._coupling)
        if snapshots.take(*sources, self.controls.record):
            self._due.snapshot_us = self._parts.rig.clock.now_us() + _SNAPSHOT_US

    @property
    def recording(self) -> bool:
        """Return whether the record has been opened, so that the run folder belongs to this run."""
        return self._recorder.is_open


def _check_record(run_dir: Path, *, resumes: bool) -> None:
    """Check, now that the folder is locked, that nothing else has begun or ended this run. Raises:
    UsageError, RecordError."""
    if resumes:
        resume.open_run(run_dir)
    else:
        run_folder.must_be_free(run_dir)


def _ended_by(operator: Operator | None) -> str:
    """Return who has ended the run, for its result."""
    ended = "" if operator is None else operator.ended.removeprefix("ended by ")
    return ended or "the user"


def _why_not_running(operator: Operator | None, awaited: Sequence[str]) -> str:
    """Return why no frames are computed now, for people; empty if they are."""
    if operator is not None and operator.paused:
        return "paused"
    return f"waiting for the board of {' and '.join(awaited)} to return" if awaited else ""
