"""The loop: one scenario from the first greeting to the run digest.

The only engine module that knows all others, and the only place that puts them together. Per frame:

    operator's commands -> plant's orders -> (quiet: skip or batch) or
    round (plan upsets, golden step, arm, step all nodes, collect reports)
    -> verdict (vote, outcomes, recovery's orders, repairs, record)

Now and then between frames: progress, health, snapshots. It never waits for a viewer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.clock import HOST, Clock
from hil.control.inbox import Inbox
from hil.engine import ending, resume, run_folder, snapshots
from hil.engine.fast_forward import FastForward
from hil.engine.healing import RepairScheduler
from hil.engine.health_poll import Checkup
from hil.engine.operator import Operator, Turn
from hil.engine.parts import Parts, assemble
from hil.engine.recorder import Recorder
from hil.engine.result import RunProgress, RunResult
from hil.engine.rounds import Rounds
from hil.engine.run_reports import write_reports
from hil.engine.verdict import VerdictStage
from hil.errors import SetupError
from hil.record.run_lock import RunLock
from hil.record.writer import Writer
from hil.redundancy.recovery import Action
from hil.rig.capture import Capture
from hil.rig.program import golden_run
from hil.rig.rig import Calibration
from hil.rig.step_count import instructions_behind_ticks
from hil.scenario import Scenario
from hil.upsets.outcome import Upset
from hil.upsets.planner import needed_targets

if TYPE_CHECKING:
    from hil.engine.plant_coupling import PlantCoupling
    from hil.plant.build import BuiltPlant

_PROGRESS_US: Final = 100_000
_HEALTH_US: Final = 1_000_000
_SNAPSHOT_US: Final = 5_000_000


class Loop:
    """Runs `scenario`, writing into the fresh folder `run_dir`.

    `resume_run`: go on with the run in `run_dir` from its last snapshot instead. `stop` is asked
    between frames: true ends the run as aborted; `inbox` has an operator's commands. `batch=False`
    makes in-process boards go frame by frame like all others (the record is the same). `capture`
    writes all bytes of all links to capture.pcapng in the folder. Frames are paced and boards are
    waited for on `clock`. `lock`: on `run_dir`, held by the caller; without one `run` takes it, and
    raises UsageError if another run has it. `plant`: the scenario's, where it was built before and
    nothing has flown it. `left_out`: what of the scenario's file an option took away."""

    def __init__(  # noqa: PLR0913  (each is a choice of its own)
        self,
        scenario: Scenario,
        run_dir: Path,
        *,
        resume_run: bool = False,
        batch: bool = True,
        capture: bool = False,
        on_progress: Callable[[RunProgress], None] | None = None,
        stop: Callable[[], bool] = lambda: False,
        inbox: Inbox | None = None,
        clock: Clock = HOST,
        lock: RunLock | None = None,
        plant: BuiltPlant | None = None,
        left_out: Sequence[str] = (),
    ) -> None:
        self.scenario = scenario
        self.run_dir = run_dir
        self._resume_run = resume_run
        self._lock = lock
        self._capture = capture
        self._tape: Capture | None = None
        self._on_progress = on_progress
        self._stop = stop
        self._progress_at_us = 0
        self._health_at_us = 0
        self._snapshot_at_us = 0
        self._exact_at_us = 0
        self._exact = True

        parts = self.parts = assemble(scenario, clock, plant)
        self.nodes = list(parts.nodes)
        self.golden = parts.golden
        self.rig = parts.rig
        self.recovery = parts.recovery
        self.planner = parts.planner
        self.limits = parts.limits
        self.injector = parts.injector
        self.pacer = parts.pacer
        self._recorder = Recorder(
            parts, lambda text: self._tell(text, self.golden.next_frame), left_out
        )
        self.coupling = _coupling_of(self, parts)
        self._scheduler = RepairScheduler(parts, self._recorder, stop)
        self._rounds = Rounds(parts, self._recorder, self._scheduler, stop)
        self._verdicts = VerdictStage(parts, self._recorder, self._scheduler)
        self._fast_forward = FastForward(
            parts,
            self._recorder,
            self._scheduler,
            self._verdicts,
            self.coupling,
            batches=batch and parts.virtual and not capture,  # batches send nothing
            skips=scenario.plant is not None and scenario.plant.skip_quiet,
        )
        self._checkup = Checkup(parts, self._recorder, self.coupling)
        self._operator = None if inbox is None else Operator(self, inbox)

    # --- the whole run ------------------------------------------------------------------------

    def run(self) -> RunResult:
        """Run to the end. Raises HilError subclasses for failures of the rig itself; boards and
        links are closed, and what was recorded is kept, in every case."""
        with contextlib.ExitStack() as stack:
            if self._lock is None:
                stack.enter_context(RunLock(self.run_dir))
            self._check_record()
            if self._capture:
                self._tape = Capture(run_folder.capture_path(self.run_dir), self.nodes)
                stack.callback(self._tape.close)
            stack.callback(self.rig.close)
            # One until the record is closed, for the reports; one until then, for the record.
            stack.enter_context(run_folder.space_for_last_words(self.run_dir))
            stack.enter_context(self._recorder.kept())
            stack.enter_context(run_folder.space_for_last_words(self.run_dir))
            stack.push(self._recorder.settled)
            calibration = self._prepare()
            self._open_record(calibration)
            aborted_by = self._all_frames()
            return self._finish(calibration, aborted_by)

    def _check_record(self) -> None:
        """With the lock: nobody else has begun, or ended, this run in the meantime. UsageError."""
        if self._resume_run:
            resume.open_run(self.run_dir)
        else:
            run_folder.must_be_free(self.run_dir)

    def _prepare(self) -> Calibration:
        """All boards greeted, able to do what the scenario asks, and calibrated."""
        self._tell("opening", 0)
        self.rig.open(lambda what: self._tell(f"opening: {what}", 0))
        self._check_targets()
        self._tell("calibrating", 0)
        timeouts = self.scenario.timeouts
        calibration = self.rig.calibrate(
            timeouts.calibration_frames, timeouts.cpu_factor, int(timeouts.cpu_floor_ms * 1000)
        )
        self._rounds.calibrated(calibration.round_trip_us_worst)
        self._check_limits(calibration)
        return calibration

    def _check_limits(self, calibration: Calibration) -> None:
        """Raise ConfigError for upsets that these boards cannot make: beyond the end of their
        registers, or of a step as they compute it."""
        limits = self.limits
        for node in self.nodes:
            if node.hello is not None:
                limits.learn_board(node.name, node.hello)
        limits.learn_timing(calibration.cpu_us_worst)
        for name, steps in limits.steps_wanted.items():
            node = self.parts.by_name[name]
            golden = golden_run(self.rig.workload, self.rig.seed)
            limits.learn_steps(name, instructions_behind_ticks(self.rig, node, golden, steps))
            self.rig.load(node)
        limits.check()
        self.planner.reach = limits.reach

    def _check_targets(self) -> None:
        for name, targets in needed_targets(self.scenario).items():
            hello = self.parts.by_name[name].hello
            missing = sorted(targets - hello.targets) if hello else []
            if missing:
                raise SetupError(
                    f"the board of node {name} cannot be hit at: {', '.join(missing)}",
                    remedy="use a board that can (`--boards process`), or remove these upsets",
                )

    def _open_record(self, calibration: Calibration) -> None:
        """A new record, or that of the run that goes on, with everything brought to its place."""
        path = self.run_dir / "run.db"
        if not self._resume_run:
            self._recorder.create(path, calibration)
        elif (snapshot := resume.read_snapshot(self.run_dir)) is not None:
            self._recorder.resume(path, snapshot.frame)
            snapshots.restore(snapshot, self.parts, self._scheduler, self._verdicts, self.coupling)
        else:  # it ended before its first snapshot: from the beginning
            self._recorder.resume(path, 0)
        self._recorder.beginning()
        # Until the run ends, and if its process is killed, its reports say that it has not ended.
        write_reports(self.run_dir, run_folder.beginning(self.scenario, self.run_dir))

    def _finish(self, calibration: Calibration, aborted_by: str) -> RunResult:
        agreed = self._scheduler.agreed
        ending.close_books(self.parts, self._recorder, agreed, self._rounds.late)
        if self._tape is not None and self._tape.failure is not None:
            self.writer.note(self.golden.next_frame - 1, self._tape.failure)
        self._checkup.boards()
        result = ending.result_of(
            self.parts,
            self.writer,
            self.run_dir,
            calibration,
            self.coupling,
            aborted_by=aborted_by,
            agreed=agreed,
        )
        ending.write_result(result, self.parts, self._recorder)
        return result

    # --- frames -------------------------------------------------------------------------------

    def _all_frames(self) -> str:
        """Run to the end; who ended the run before it, else empty."""
        self._health_at_us = self.rig.clock.now_us()
        self._snapshot_at_us = self.rig.clock.now_us() + _SNAPSHOT_US
        end = self.scenario.frame_count
        while self.parts.nominal(self.golden.next_frame) < end:
            if self._stop():
                self.writer.note(self.golden.next_frame, "aborted by the user")
                return "the user"
            turn = Turn.GO if self._operator is None else self._operator.poll()
            if turn is Turn.END:
                return self._ended_by
            computed = turn is Turn.GO and self._go_on(self.golden.next_frame)
            self._between_frames(computed)
        return ""

    @property
    def _ended_by(self) -> str:
        ended = "" if self._operator is None else self._operator.ended.removeprefix("ended by ")
        return ended or "the user"

    def _go_on(self, frame: int) -> bool:
        """From `frame` on: one frame, or as many quiet ones as may go at once. False if they were
        skipped, so that nothing was computed."""
        if self.coupling is not None:
            t_us = self.parts.t_us(frame)
            if frame == 0 or t_us >= self.coupling.next_us:
                self.coupling.step(frame, t_us)
        quiet_until = self._fast_forward.until(frame)
        if self._fast_forward.skip(frame, quiet_until):
            return False
        due = self.parts.rig.clock.now_us() >= self._snapshot_at_us
        if not self._fast_forward.batch(frame, quiet_until, snapshot_due=due):
            work = self._rounds.run(frame)
            if self.coupling is not None:
                self.coupling.saw(work.results)
            self._verdicts.conclude(work)
        self._checkup.links()
        return True

    def _between_frames(self, computed: bool) -> None:
        """What is done now and then; `computed`: the frame before has come to its end."""
        now = self.rig.clock.now_us()
        if now >= self._progress_at_us:
            paused = self._operator is not None and self._operator.paused
            nominal = self.parts.nominal(self.golden.next_frame)
            self._tell("paused" if paused else "running", nominal)
        if now >= self._health_at_us:
            self._health_at_us = self.rig.clock.now_us() + _HEALTH_US
            self._checkup.boards()
        # Not after commands or skips: a snapshot is the end of a frame, with nothing recorded
        # beyond it.
        if now >= self._snapshot_at_us and computed and self.parts.settled:
            self._take_snapshot(now)

    def _take_snapshot(self, now: int) -> None:
        if now >= self._exact_at_us:  # not in every frame while one is waited for
            self._exact_at_us = now + _SNAPSHOT_US
            why = ending.not_reproducible(self.parts, self.writer, self.coupling)
            self._exact = not why
        if not snapshots.ready(self.parts, self._scheduler, exact=self._exact):
            return
        engine = (self.parts, self._scheduler, self._verdicts, self.coupling)
        if snapshots.take(*engine, self.writer):
            self._snapshot_at_us = self.rig.clock.now_us() + _SNAPSHOT_US

    def _tell(self, phase: str, frame: int) -> None:
        self._progress_at_us = self.rig.clock.now_us() + _PROGRESS_US
        if self._on_progress is not None:
            metrics = self.parts.metrics
            self._on_progress(
                RunProgress(
                    phase,
                    frame,
                    self.scenario.frame_count,
                    self.parts.classifier.count,
                    metrics.recoveries,
                    metrics.sdc_frames,
                    tuple((n.name, self.recovery.state(n.name).value) for n in self.nodes),
                )
            )

    # --- what operator and plant coupling reach (their Engine) ------------------------------------

    @property
    def writer(self) -> Writer:
        return self._recorder.writer

    @property
    def recording(self) -> bool:
        """The record is open, or was: what becomes of the run folder is this run's doing."""
        return self._recorder.is_open

    @property
    def can_repair(self) -> bool:
        return self._scheduler.agreed is not None

    def carry_out(self, frame: int, actions: Sequence[Action]) -> None:
        self._scheduler.carry_out(actions, at=frame)
        self._recorder.transitions()

    def follow(self, upset: Upset) -> None:
        self.injector.uncollected.remove(upset)
        self.parts.classifier.injected(upset)

    def change_pace(self, factor: float | None) -> None:
        self.pacer.change(self.scenario.frame_us, factor)
        self.skip_elapsed_time()

    def skip_elapsed_time(self) -> None:
        self.pacer.restart()
        self._rounds.forget_silence()  # nobody was asked: that nothing was heard means nothing


def _coupling_of(loop: Loop, parts: Parts) -> PlantCoupling | None:
    if parts.plant is None:
        return None
    from hil.engine.plant_coupling import PlantCoupling  # noqa: PLC0415  (heavy, and seldom needed)

    coupling = PlantCoupling(loop, parts.scenario, parts.plant)
    parts.injector.latch_up = coupling.latch_up
    return coupling
