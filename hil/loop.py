"""The loop: one scenario from the first greeting to the run digest.

The only engine module that knows all others. Per frame: plan upsets -> golden step -> arm -> step
all nodes -> collect reports -> vote -> (roll back, vote again) -> judge outcomes -> recovery
orders -> repairs -> record. It never waits for a viewer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hil import resume, run_folder
from hil.commands import Operator, Turn
from hil.control.inbox import Inbox
from hil.control.protocol import COMMANDS
from hil.delivery import Delivery
from hil.errors import HilError, SetupError
from hil.injector import Injector, needed_targets
from hil.metrics import Metrics, flat, upset_counts
from hil.observation import observation
from hil.outcome import Classifier, Upset
from hil.record.writer import Writer
from hil.recovery import RUNGS, Action, NodeState, Policy, Recovery
from hil.repair import Mechanic, Repaired
from hil.result import Progress, RunResult
from hil.rig.calls import Timing
from hil.rig.capture import Capture
from hil.rig.clock import Pacer, now_us
from hil.rig.fleet import build_nodes
from hil.rig.inproc import InprocBoard, run_batch
from hil.rig.node import (
    ABSENT,
    CRASHED,
    DONE,
    EXCLUDED_RESULT,
    HUNG,
    SILENT,
    Node,
    NodeResult,
    may_return,
)
from hil.rig.program import golden_run
from hil.rig.resync import write_output, write_state
from hil.rig.rig import Calibration, Rig
from hil.scenario import BoardKind, Scenario
from hil.voter import (
    STATE_SPLIT,
    Ballot,
    Verdict,
    VerdictKind,
    record_length,
    unpack,
    vote,
)

if TYPE_CHECKING:
    from hil.plant.build import BuiltPlant
    from hil.steward import Steward

_BATCH_MAX: Final = 8192
_LEAST_BATCH: Final = 2
_AFTER_SKIP: Final = 2
_LEAST_SKIP: Final = 8
_FIRST_BATCH: Final = 64
_BATCH_US: Final = 50_000
"""A batch shall take no longer: stops and commands are heard between batches."""
_PROGRESS_US: Final = 100_000
_HEALTH_US: Final = 1_000_000
_SNAPSHOT_US: Final = 5_000_000
_LEAST_WAIT_US: Final = 1_000
_HEALTH_WAIT_US: Final = 250_000


@dataclass(slots=True)
class _Frame:
    """What one frame gathers on its way."""

    number: int
    upsets: list[Upset] = field(default_factory=list)
    results: dict[str, NodeResult] = field(default_factory=dict)
    executions: list[list[NodeResult]] = field(default_factory=list)
    rolled_back: bool = False
    healed: set[str] = field(default_factory=set)


class Loop:
    """Runs `scenario`, writing into the fresh folder `run_dir`.

    `resume_run`: go on with the run in `run_dir` from its last snapshot instead. `stop` is asked
    between frames: true ends the run as aborted; `inbox` has an operator's commands. `batch=False`
    makes in-process boards go frame by frame like all others (the record is the same). `capture`
    writes all bytes of all links to capture.pcapng in the folder."""

    def __init__(
        self,
        scenario: Scenario,
        run_dir: Path,
        *,
        resume_run: bool = False,
        batch: bool = True,
        capture: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
        stop: Callable[[], bool] = lambda: False,
        inbox: Inbox | None = None,
    ) -> None:
        self.scenario = scenario
        self.run_dir = run_dir
        self._virtual = all(n.board is BoardKind.INPROC for n in scenario.rig.nodes)
        self._batch = batch and self._virtual and not capture  # batches send nothing
        self._capture = capture
        self._tape: Capture | None = None
        self._resume_run = resume_run
        self._snapshot_at_us = 0
        self._on_progress = on_progress
        self._stop = stop
        self._progress_at_us = 0
        self._health_at_us = 0
        timeouts = scenario.timeouts
        self.nodes = build_nodes(scenario)
        self._by_name = {node.name: node for node in self.nodes}
        names = [node.name for node in self.nodes]
        self.golden = golden_run(scenario.workload_name, scenario.seed)
        timing = Timing(int(timeouts.retry_ms * 1000), int(timeouts.lost_after_ms * 1000))
        self.rig = Rig(self.nodes, scenario.workload_name, scenario.seed, timing)
        self.rig.checkpoint_every = scenario.recovery.checkpoint_every
        self.rig.scrub_words = scenario.recovery.scrub_words
        self.mechanic = Mechanic(self.rig, self.golden)
        self.recovery = Recovery(names, _policy(scenario))
        plant = _plant_of(scenario)
        strikes = None if plant is None else plant.strikes
        self.injector = Injector(scenario, self.golden.workload, strikes)
        self.classifier = Classifier(names)
        self.metrics = Metrics()
        alone = len(self.nodes) == 1
        self._quiet_kind = VerdictKind.SIMPLEX if alone else VerdictKind.UNANIMOUS
        self.delivery = Delivery(self.rig, self.golden.workload.state_len)
        self.steward = None if plant is None else _steward_of(self, scenario, plant)
        if self.steward is not None:
            self.delivery.latch_up = self.steward.latch_up
        self._sky = None if plant is None else plant.sky
        self._skips = plant is not None and scenario.plant is not None and scenario.plant.skip_quiet
        self._skipped = 0
        self._unheard_us: dict[str, int] = {}  # how long a silent node was waited for, in all
        self._transitions_done = 0
        self._anomalies_done = 0
        self._agreed: Verdict | None = None
        self._uncollected: list[Upset] = []
        self._waited_in_vain = False
        self.pacer = Pacer(scenario.frame_us, scenario.pace_factor)
        self._deadlines = self.pacer.paced and not self._virtual
        self._writer: Writer | None = None
        self._batch_size = _FIRST_BATCH
        self._operator = None if inbox is None else Operator(self, inbox)

    # --- the whole run ------------------------------------------------------------------------

    def run(self) -> RunResult:
        """Run to the end. Raises HilError subclasses for failures of the rig itself; boards and
        links are closed, and what was recorded is kept, in every case."""
        with contextlib.ExitStack() as stack:
            if self._capture:
                self._tape = Capture(run_folder.capture_path(self.run_dir), self.nodes)
                stack.callback(self._tape.close)
            stack.callback(self.rig.close)
            stack.enter_context(self._failure_recorded())
            self._tell("opening", 0)
            self.rig.open()
            self._check_targets()
            self._tell("calibrating", 0)
            timeouts = self.scenario.timeouts
            calibration = self.rig.calibrate(
                timeouts.calibration_frames, timeouts.cpu_factor, int(timeouts.cpu_floor_ms * 1000)
            )
            snapshot = resume.read_snapshot(self.run_dir) if self._resume_run else None
            if snapshot is not None:
                self._writer = Writer.resume(self.run_dir / "run.db", snapshot.frame)
            elif self._resume_run:  # it ended before its first snapshot: from the beginning
                self._writer = Writer.resume(self.run_dir / "run.db", 0)
            else:
                self._writer = Writer.create(self.run_dir / "run.db", self._meta(calibration))
            if snapshot is not None:
                self._take_up(snapshot)
            self._record_nodes()
            for note in () if self._sky is None else self._sky.notes:
                self.writer.note(None, note)
            self._health_at_us = now_us()
            self._snapshot_at_us = now_us() + _SNAPSHOT_US
            aborted = self._all_frames()
            return self._finish(calibration, aborted)

    @contextlib.contextmanager
    def _failure_recorded(self) -> Iterator[None]:
        """Close the record in every case; if the rig fails, say so in it as far as possible."""
        try:
            yield
        except BaseException as error:
            if self._writer is not None:
                with contextlib.suppress(HilError):
                    self._writer.note(self.golden.next_frame, f"failed: {error}")
                    self._writer.meta("outcome", "error")
            raise
        finally:
            if self._writer is not None:
                with contextlib.suppress(HilError):
                    self._writer.close()

    @property
    def writer(self) -> Writer:
        assert self._writer is not None, "the record is open while frames run"
        return self._writer

    def _check_targets(self) -> None:
        for name, targets in needed_targets(self.scenario).items():
            hello = self._by_name[name].hello
            missing = sorted(targets - hello.targets) if hello else []
            if missing:
                raise SetupError(
                    f"the board of node {name} cannot be hit at: {', '.join(missing)}",
                    remedy="use a board that can (`--boards process`), or remove these upsets",
                )

    def _all_frames(self) -> bool:
        end = self.scenario.frame_count
        while self.golden.next_frame + self._skipped < end:
            if self._stop():
                self.writer.note(self.golden.next_frame, "aborted by the user")
                return True
            turn = Turn.GO if self._operator is None else self._operator.turn()
            if turn is Turn.END:
                return True
            if turn is Turn.GO:
                frame = self.golden.next_frame
                self._fly(frame)
                may_batch = self._batch and not self.pacer.paced
                may_skip = self._skips and not self.pacer.paced
                until = self._quiet_until(frame, end) if may_batch or may_skip else frame
                if may_skip and until - frame > _LEAST_SKIP:
                    self._skip(frame, until - frame - _AFTER_SKIP)
                    continue
                batch = self._batch_of(frame, until)
                if batch < _LEAST_BATCH or not self._run_quiet(batch):
                    self._run_frame(frame)
                self._record_link_events()
            now = now_us()
            if now >= self._progress_at_us:
                paused = self._operator is not None and self._operator.paused
                self._tell("paused" if paused else "running", self.golden.next_frame)
            if now >= self._health_at_us:
                self._sample_health()
            # Not after commands: a snapshot is the end of a frame, with nothing recorded beyond it.
            if now >= self._snapshot_at_us and turn is Turn.GO and self._settled:
                self._take_snapshot()
        return False

    # --- the plant ----------------------------------------------------------------------------

    def _t_us(self, frame: int) -> int:
        """Simulated time at the beginning of a frame that is run now."""
        return (frame + self._skipped) * self.scenario.frame_us

    def _fly(self, frame: int) -> None:
        """What the plant orders, at the beginning of each of its steps."""
        if self.steward is not None:
            t_us = self._t_us(frame)
            if frame == 0 or t_us >= self.steward.next_us:
                self.steward.turn(frame, t_us)

    def _skip(self, frame: int, count: int) -> None:
        """Let the time of `count` quiet frames pass without computing them."""
        self._skipped += count
        self.metrics.skipped += count
        self.writer.skip(frame, count, self._t_us(frame))

    # --- what an operator reaches (hil.commands.Engine) ---------------------------------------

    @property
    def can_repair(self) -> bool:
        return self._agreed is not None

    def carry_out(self, frame: int, actions: Sequence[Action]) -> None:
        if self._agreed is not None:
            self._repair_all(list(actions), self._agreed, at=frame)
        self._record_transitions()

    def follow(self, upset: Upset) -> None:
        self._uncollected.remove(upset)
        self.classifier.injected(upset)

    def change_pace(self, factor: float | None) -> None:
        self.pacer.change(self.scenario.frame_us, factor)
        self._deadlines = self.pacer.paced and not self._virtual
        self.time_was_let_pass()

    def time_was_let_pass(self) -> None:
        self.pacer.restart()
        self._unheard_us.clear()  # boards were not asked: that they said nothing means nothing

    def _take_snapshot(self) -> None:
        """Let the run be taken up again from here."""
        self._snapshot_at_us = now_us() + _SNAPSHOT_US
        self.writer.snapshot(
            self.golden.next_frame,
            self.golden.state,
            {
                "numbered": self.injector.numbered,
                "ordered": self.injector.ordered,
                "output": self.golden.output.hex(),
                "metrics": resume.metrics_memory(self.metrics),
                "recovery": self.recovery.memory(),
                "powered": {n.name: n.powered for n in self.nodes},
                "returning": self.delivery.returning,
                "permanent": resume.arm_memory(self.delivery.permanent),
                "agreed": self._agreed.record.hex() if self._agreed else "",
                "skipped": self._skipped,
                "plant": None if self.steward is None else self.steward.memory(),
            },
        )

    def _take_up(self, snapshot: resume.Snapshot) -> None:
        """Bring everything to where the run was at the snapshot."""
        engine = snapshot.engine
        initial = self.golden.state
        self.golden.resume(snapshot.frame, snapshot.state)
        self._skipped = engine.get("skipped", 0)
        nominal = snapshot.frame + self._skipped
        self.injector.skip(nominal, engine["numbered"], engine.get("ordered", 0))
        if self.steward is not None:
            self.steward.recall(engine["plant"])
        self.recovery.recall(engine["recovery"])
        resume.recall_metrics(self.metrics, engine["metrics"])
        self._agreed = unpack(bytes.fromhex(engine["agreed"])) if engine["agreed"] else None
        self.delivery.returning = [(at, name) for at, name in engine["returning"]]
        self.delivery.permanent = resume.recall_arms(engine["permanent"])
        damaged = {arm.id for arms in self.delivery.permanent.values() for arm in arms}
        self.classifier.recall(snapshot.upsets, damaged)
        for node in self.nodes:
            if not engine["powered"][node.name]:
                node.board.power_off()
                node.link.detach("no power")
                node.powered = False
            elif self.recovery.state(node.name) is not NodeState.ISOLATED:
                write_state(self.rig, node, initial, snapshot.state)
                write_output(self.rig, node, bytes.fromhex(engine["output"]))
                self.rig.sync(node, snapshot.frame - 1, self.golden.state_digest)
                self.rig.checkpoint(node)
                self.delivery.rearm_permanent([node], snapshot.frame)

    def _finish(self, calibration: Calibration, aborted: bool) -> RunResult:
        last = self.golden.next_frame - 1
        for upset in self._uncollected:
            if upset.verified:  # a latch-up that nobody ended
                upset.state, upset.outcome = "injected", "degraded"
            else:
                upset.state = "failed"
                upset.detail = "the run ended before the board reported"
            self.classifier.injected(upset)
        for node in self.nodes:
            self.classifier.settle(last, node.name, at_end=True)
        self._record_outcomes()
        self._record_transitions()
        if self._tape is not None and self._tape.failure is not None:
            self.writer.note(last, self._tape.failure)
        self.metrics.held_back = self.injector.held_back
        self.metrics.isolated = len(self.recovery.in_state(NodeState.ISOLATED))
        self._sample_health()
        upsets = upset_counts(self.classifier.upsets)
        measured = flat(self.metrics, upsets)
        end = self.golden.next_frame
        plant = None if self.steward is None else self.steward.measured(end, self._t_us(end))
        measured |= {f"plant.{name}": value for name, value in (plant or {}).items()}
        expectations = tuple(e.evaluate(measured) for e in self.scenario.expectations)
        passed = self.metrics.frames > 0 and all(e.ok for e in expectations)
        outcome = "aborted" if aborted else "pass" if passed else "fail"
        result = RunResult(
            outcome=outcome,
            run_dir=self.run_dir,
            run_digest=self.writer.run_digest(),
            not_reproducible=self._not_reproducible(),
            skipped=self._skipped,
            plant=plant,
            seed=self.scenario.seed,
            frames=self.metrics.frames,
            verdicts={k.name.lower(): self.metrics.verdicts[k] for k in VerdictKind},
            upsets=upsets,
            recoveries=self.metrics.recoveries,
            availability=self.metrics.availability,
            slips=self.metrics.slips,
            expectations=expectations,
            metrics=measured,
            unexplained=self.metrics.unexplained,
            held_back=self.metrics.held_back,
            calibration=calibration,
            accel=self.scenario.upsets.accel,
            commands=self.writer.commands_but(()),
            aborted_by="" if not aborted else self._operator_ended or "the user",
        )
        self.writer.meta("result", result.as_json())
        self.writer.meta("outcome", outcome)
        self.writer.commit()
        run_folder.write_manifest(self.scenario, result, self._identities())
        run_folder.write_junit(self.scenario, result)
        return result

    @property
    def _operator_ended(self) -> str:
        return "" if self._operator is None else self._operator.ended.removeprefix("ended by ")

    def _not_reproducible(self) -> str:
        """Why equal seeds need not give equal digests: because somebody steered, or real time
        decided what was hit or missed. Empty if they do."""
        count = self.writer.commands_but([c.name for c in COMMANDS.values() if not c.steers])
        if count:
            return f"an operator steered it ({count} command{'s'[: count > 1]})"
        if self._deadlines:
            return "a paced run depends on real time (--pace free does not)"
        if any(
            getattr(node.board, "can_return", False)
            for node in self.nodes
            if node.board.kind == "emulated"
        ):
            return "what an operating system does next depends on real time"
        if not self._virtual and any(e.us is not None for e in self.scenario.upsets.events):
            return "upsets with `us:` hit by real time (`tick:` does not)"
        if self.steward is not None and self.steward.reported:
            return "the plant follows what boards measure (`feedback: model` does not)"
        return ""

    # --- frames -------------------------------------------------------------------------------

    def _quiet_until(self, frame: int, end: int) -> int:
        """The frame before which nothing can happen: no upset, no order of the plant, no repair.
        `frame` itself if something may happen now."""
        if not self._settled or self.delivery.returning or any(self.delivery.permanent.values()):
            return frame
        upset = self.injector.next_frame
        until = end if upset is None else min(end, upset)
        if self.steward is not None:
            until_us = self.steward.quiet_until_us()
            until = min(until, -(-until_us // self.scenario.frame_us))
        return until - self._skipped

    def _batch_of(self, frame: int, quiet_until: int) -> int:
        """How many frames can go in one batch from `frame` on."""
        if not self._batch or self.pacer.paced:
            return 0
        if self.recovery.voters != (1 << len(self.nodes)) - 1:
            return 0
        return min(quiet_until, frame + self._batch_size) - frame

    def _run_quiet(self, count: int) -> bool:
        """Run up to `count` frames as a batch; False if the boards cannot do that now."""
        boards = [n.board for n in self.nodes if isinstance(n.board, InprocBoard)]
        size = record_length(len(self.nodes))
        began_us = now_us()
        records = run_batch(boards, (1 << len(boards)) - 1, self.golden, count, size)
        if not records:
            return False
        if now_us() - began_us > _BATCH_US:
            self._batch_size = max(_LEAST_BATCH, self._batch_size // 2)
        elif 4 * (now_us() - began_us) < _BATCH_US:
            self._batch_size = min(_BATCH_MAX, 2 * self._batch_size)
        last = self._agreed = unpack(records[-size:])
        quiet = len(records) // size
        loud = last.kind is not _usual_kind(last) or not last.correct or last.latent
        if loud:
            quiet -= 1
        if quiet:
            self.metrics.count_quiet(quiet, self._quiet_kind, len(self.nodes))
            self.writer.frames(records[: quiet * size], quiet)
        if loud:
            results = {
                n.name: NodeResult(b.status, b.signal, b.output_digest, b.state_digest)
                for n, b in zip(self.nodes, last.ballots, strict=True)
            }
            self._conclude(_Frame(last.frame, results=results))
        return True

    def _run_frame(self, number: int) -> None:
        late_us = self.pacer.wait(self._stop)
        if late_us:
            self._slip(number, None, late_us, "the frame began late")
        self._bring_back(number)
        frame = _Frame(number)
        for nominal in self.injector.due(number + self._skipped, self._settled):
            plan = replace(nominal, frame=number)
            in_service = self.recovery.state(plan.node) is not NodeState.ISOLATED
            frame.upsets.append(self.delivery.prepare(plan, in_service=in_service))
        self.golden.step()
        asked = [self._by_name[name] for name in self.recovery.in_service]
        asked_us = now_us()
        frame.results = self.rig.step(asked, number, self.golden.input, self._frame_timing())
        if any(r.status == SILENT for r in frame.results.values()):
            self._explain_silence(frame.results, now_us() - asked_us)
        else:
            self._unheard_us.clear()  # silence counts from when it begins, not from the last one
        if self.steward is not None:
            self.steward.saw(frame.results)
        self._collect(frame)
        self._conclude(frame)

    def _collect(self, frame: _Frame) -> None:
        """Take the reports of this frame's upsets, and of those whose board was late before."""
        waiting, self._uncollected = self._uncollected + frame.upsets, []
        for upset in waiting:
            self.delivery.collect(upset, frame.results)
            if upset.state == "armed":
                self._uncollected.append(upset)
            else:
                self.classifier.injected(upset)

    def _bring_back(self, frame: int) -> None:
        """Repair the boards whose power has returned, or that have come back by themselves."""
        if self.rig.attendant.looking_for:
            self._take_in(frame)
        for name in self.delivery.power_due(frame):
            if self._agreed is not None:
                self._repair_all(self.recovery.power_returned(frame - 1, name), self._agreed)

    def _take_in(self, frame: int) -> None:
        """Take up the boards that were looked for and are back. Where nobody is left to go on, one
        is waited for, but not longer than for an answer."""
        if not self.recovery.in_service and not self._waited_in_vain:
            self._waited_in_vain = not self._wait_for_a_board()
        for node in self.rig.returned():
            self._waited_in_vain = False
            actions = self.recovery.returned(frame - 1, node.name)
            self._record_transitions()
            if self._agreed is not None:
                self._repair_all(actions, self._agreed)

    def _wait_for_a_board(self) -> bool:
        end_us = now_us() + self.rig.timing.lost_after_us
        while (left_us := end_us - now_us()) > 0 and not self._stop():
            if self.rig.attendant.wait(min(left_us, _PROGRESS_US) / 1e6):
                return True
        return False

    def _look_for_isolated(self, results: dict[str, NodeResult]) -> None:
        """Boards that were given up may come back another way: somebody replaces a cable."""
        for name in self.recovery.in_state(NodeState.ISOLATED):
            node = self._by_name[name]
            result = results.get(name)
            if not may_return(node.board) or not node.powered:
                continue
            if name in self.rig.attendant.looking_for:
                continue
            if result is not None and result.status == SILENT:
                self.rig.send_away(node, cycle=False)
            else:
                self.rig.listen_to(node)

    def _explain_silence(self, results: dict[str, NodeResult], waited_us: int) -> None:
        """Say what the board's process came to, where the link alone cannot know; and in a paced
        run, what is only late. Only time in which a node was waited for is silence of its own:
        while the host repaired or hit another one nobody asked it."""
        for name, result in results.items():
            if result.status != SILENT:
                self._unheard_us.pop(name, None)
                continue
            lost = result.disconnected
            told = self._by_name[name].board.condition(disconnected=lost)
            silent_us = self._unheard_us[name] = self._unheard_us.get(name, 0) + waited_us
            late = self._deadlines and not lost and silent_us < self.rig.timing.lost_after_us
            results[name] = replace(
                result, reason=told or result.reason, ended=lost and told is not None, late=late
            )

    def _frame_timing(self) -> Timing | None:
        """In a paced run the frame's end is the deadline (with a moment for what is on its way),
        but for boards whose time is virtual."""
        if not self._deadlines:
            return None
        left_us = max(_LEAST_WAIT_US, self.pacer.left_us())
        return Timing(self.rig.timing.retry_us, min(left_us, self.rig.timing.lost_after_us))

    def _ballots(self, results: dict[str, NodeResult]) -> list[Ballot]:
        out: list[Ballot] = []
        for node in self.nodes:
            r = results.get(node.name, EXCLUDED_RESULT)
            out.append(Ballot(r.status, r.signal, r.output_digest, r.state_digest))
        return out

    def _vote(self, frame: _Frame, results: dict[str, NodeResult]) -> Verdict:
        ballots = self._ballots(results)
        verdict = self._count_votes(frame, ballots, self.recovery.voters)
        if verdict.kind is VerdictKind.NO_MAJORITY and self.recovery.returning:
            # Who comes back was healed to an agreed state: it may break a tie, not make one.
            every = self.recovery.voters | self.recovery.returning
            decided = self._count_votes(frame, ballots, every)
            verdict = decided if decided.delivered else verdict
        return verdict

    def _count_votes(self, frame: _Frame, ballots: list[Ballot], voters: int) -> Verdict:
        return vote(
            frame.number,
            ballots,
            voters,
            self.golden.output_digest,
            re_executed=frame.rolled_back,
        )

    def _conclude(self, frame: _Frame) -> None:
        """From the results of a frame to its verdict, outcomes, repairs and record."""
        first = frame.results
        verdict = self._vote(frame, first)
        self._agreed = verdict
        right = verdict.correct and verdict.state == self.golden.state_digest
        quiet = verdict.kind is _usual_kind(verdict) and right
        if quiet and not frame.upsets and self._settled:
            self.metrics.count(verdict)
            self.writer.frame(verdict.record)
            return
        frame.executions.append(self._in_order(first))
        golden = (self.golden.output_digest, self.golden.state_digest)
        self.classifier.judge_nodes(frame.number, first, golden)
        verdict = self._agreed = self._roll_back_if_needed(frame, verdict)
        self.metrics.count(verdict)
        self.classifier.judge_system(verdict, rolled_back=frame.rolled_back)
        actions = self._observe(frame, verdict)
        self._record_notable(frame, verdict)
        self.writer.frame(verdict.record)
        frame.healed |= self._repair_all(actions, verdict)
        self._look_for_isolated(frame.results)
        self._refresh_if_alone(frame)
        self.delivery.look_at_watches(frame.number)
        self._settle(frame)
        self._record_outcomes()

    @property
    def _settled(self) -> bool:
        return (
            self.recovery.settled
            and not self.classifier.open
            and not self.delivery.watches
            and not self._uncollected
        )

    def _in_order(self, results: dict[str, NodeResult]) -> list[NodeResult]:
        return [results.get(node.name, EXCLUDED_RESULT) for node in self.nodes]

    # --- going back, and forward --------------------------------------------------------------

    def _roll_back_if_needed(self, frame: _Frame, verdict: Verdict) -> Verdict:
        attempts = self.scenario.recovery.rollbacks
        results = frame.results
        for attempt in range(attempts + 1 if attempts else 0):
            if verdict.delivered and not verdict.flags & STATE_SPLIT:
                break
            voting = self.recovery.in_state(NodeState.VOTING)
            able = [n for n in voting if results[n].status in (DONE, CRASHED, HUNG, ABSENT)]
            nodes = [self._by_name[name] for name in able]
            if not nodes:
                break
            again, how, restarted = self.mechanic.roll_back(
                nodes, results, frame.number, restart=attempt > 0
            )
            frame.rolled_back = True
            self.delivery.rearm_permanent(nodes, frame.number + 1)
            results = {**results, **again}
            frame.executions.append(self._in_order(results))
            verdict = self._vote(frame, results)
            ok = how.ok and verdict.delivered
            for node in nodes:
                cause = "no majority" if len(self.nodes) > 1 else "the only node failed"
                self._record_repair(frame.number, node.name, "rollback", cause, how, ok=ok)
            self.metrics.rollbacks += 1
            if ok:
                self.metrics.recoveries += 1
                for name in restarted:
                    self.classifier.healed(name, "restart")
        frame.results = results
        return verdict

    def _observe(self, frame: _Frame, verdict: Verdict) -> list[Action]:
        actions: list[Action] = []
        for node in self.nodes:
            result = frame.results.get(node.name)
            if result is None:
                continue
            if result.late:  # a slip, until it lasts
                self._slip(frame.number, node.name, 0, "no answer by the end of the frame")
            seen = observation(result, verdict)
            if seen is not None:
                actions += self.recovery.observe(frame.number, node.name, seen)
        self._record_transitions()
        return actions

    def _sources(self, verdict: Verdict, target: Node) -> list[Node]:
        """The voters whose state after this frame is the agreed one."""
        voting = self.recovery.in_state(NodeState.VOTING)
        return [
            n
            for n in self.nodes
            if n is not target
            and n.name in voting
            and verdict.state
            and verdict.ballots[n.index].status == DONE
            and verdict.ballots[n.index].state_digest == verdict.state
        ]

    def _repair_all(
        self, actions: list[Action], verdict: Verdict, at: int | None = None
    ) -> set[str]:
        """Carry out actions, and what is ordered instead of those that fail; who was healed. They
        are recorded with the frame of the verdict, or `at`."""
        frame = verdict.frame if at is None else at
        healed: set[str] = set()
        while actions:
            action = actions.pop(0)
            node = self._by_name[action.node]
            how = self.mechanic.repair(action, node, verdict, self._sources(verdict, node))
            if how.lost and may_return(node.board):
                self.rig.send_away(node, cycle=False)
                how = replace(how, away=True)
            self.delivery.rearm_permanent([node], verdict.frame + 1)
            self._record_repair(frame, node.name, action.rung.value, action.cause, how, ok=how.ok)
            if how.ok:
                self.metrics.recoveries += 1
                self.classifier.healed(node.name, action.rung.value)
                self.classifier.contaminated(node.name, verdict.state != self.golden.state_digest)
                healed.add(node.name)
            if how.away:
                self.recovery.away(frame, action)
            else:
                actions += self.recovery.result(frame, action, how.ok)
            self._record_transitions()
        return healed

    def _refresh_if_alone(self, frame: _Frame) -> None:
        """Independent experiments on a rig that cannot heal itself (see Mechanic.refresh)."""
        if len(self.nodes) > 1 or not self.scenario.upsets.one_at_a_time:
            return
        node = self.nodes[0]
        result = frame.results.get(node.name)
        if result is None or result.status != DONE or not self.classifier.open:
            return
        if result.state_digest != self.golden.state_digest:
            how = self.mechanic.refresh(node, frame.number)
            self._record_repair(
                frame.number, node.name, "refresh", "harness: one upset at a time", how, ok=how.ok
            )
            if how.ok:
                frame.results[node.name] = NodeResult(
                    DONE, 0, result.output_digest, self.golden.state_digest
                )

    def _settle(self, frame: _Frame) -> None:
        """Give open upsets their outcome where the node is itself again, or given up."""
        for node in self.nodes:
            state = self.recovery.state(node.name)
            if state is NodeState.ISOLATED:
                self.classifier.settle(frame.number, node.name, isolated=True)
            elif state is NodeState.VOTING and not self.delivery.is_watched(node.name):
                if node.name in frame.healed or self._is_clean(frame, node):
                    self.classifier.settle(frame.number, node.name)

    def _is_clean(self, frame: _Frame, node: Node) -> bool:
        result = frame.results.get(node.name)
        return (
            result is not None
            and result.status == DONE
            and result.state_digest == self.golden.state_digest
        )

    # --- the record ---------------------------------------------------------------------------

    def _record_notable(self, frame: _Frame, verdict: Verdict) -> None:
        value = None
        for node, ballot in zip(self.nodes, verdict.ballots, strict=True):
            if (
                verdict.delivered
                and ballot.status == DONE
                and ballot.output_digest == verdict.output
            ):
                value = frame.results[node.name].output
                break
        self.writer.notable(
            verdict,
            self._t_us(verdict.frame),
            (self.golden.output_digest, self.golden.state_digest),
            value,
            frame.executions or [self._in_order(frame.results)],
        )

    def _record_outcomes(self) -> None:
        for upset in [*self.classifier.take_finished(), *self.classifier.take_begun()]:
            self.writer.upset(upset)  # a viewer wants the cause while its node is being healed
        for anomaly in self.classifier.anomalies[self._anomalies_done :]:
            self.writer.anomaly(anomaly)
            self.metrics.unexplained += 1
        self._anomalies_done = len(self.classifier.anomalies)

    def _record_transitions(self) -> None:
        for transition in self.recovery.transitions[self._transitions_done :]:
            self.writer.transition(transition)
        self._transitions_done = len(self.recovery.transitions)

    def _record_repair(
        self, frame: int, node: str, action: str, cause: str, how: Repaired, *, ok: bool
    ) -> None:
        self.writer.repair(
            frame,
            node,
            action,
            cause,
            ok=ok,
            detail=how.detail,
            chunks=how.chunks,
            bytes_moved=how.bytes_moved,
            duration_wall_us=how.duration_wall_us,
            damage=how.damage,
        )

    def _slip(self, frame: int, node: str | None, late_us: int, detail: str) -> None:
        self.metrics.slips += 1
        self.writer.slip(frame, node, late_us, detail)

    def _sample_health(self) -> None:
        self._health_at_us = now_us() + _HEALTH_US
        serving = [self._by_name[name] for name in self.recovery.in_service]
        able = [node for node in serving if node.link.connected]
        frame = max(0, self.golden.next_frame - 1)
        timing = Timing(self.rig.timing.retry_us, _HEALTH_WAIT_US)
        steps = {node.name: node.link.round_trip_us for node in able}  # health asks, too
        for name, health in self.rig.health(able, timing).items():
            node = self._by_name[name]
            clock = node.clock.estimate
            self.writer.health(frame, node.index, health, steps[name], clock)
            if clock is not None:
                self.writer.clock(frame, name, clock)
            if self.steward is not None:
                self.steward.heard(name, health)
        for node in able:
            self.rig.rates.tend(node)
        for node in self.nodes:
            self.writer.link(node.index, node.link.statistics)
        self._record_link_events()

    def _record_link_events(self) -> None:
        """What has become of links and supplies."""
        frame = max(0, self.golden.next_frame - 1)
        for seen in self.rig.power.take():
            self.writer.power(frame, seen)
            if seen.cut is not None:  # it is dark now: recovery finds it silent, and cycles it
                self.rig.cut_off(self._by_name[seen.node], "over-current, cut off by its supply")
        for node in self.nodes:
            for event in node.link.standing.take_events():
                self.writer.link_event(frame, event)

    def _tell(self, phase: str, frame: int) -> None:
        self._progress_at_us = now_us() + _PROGRESS_US
        if self._on_progress is not None:
            self._on_progress(
                Progress(
                    phase,
                    frame,
                    self.scenario.frame_count,
                    len(self.classifier.upsets),
                    self.metrics.recoveries,
                    self.metrics.sdc_frames,
                    tuple((n.name, self.recovery.state(n.name).value) for n in self.nodes),
                )
            )

    def _identities(self) -> list[dict[str, Any]]:
        out: list[dict[str, Any]] = []
        for node in self.nodes:
            hello = node.hello
            out.append(
                {
                    "name": node.name,
                    "board": node.board.kind,
                    "port": getattr(node.board, "port", None),
                    "arch": hello.arch if hello else None,
                    "model": hello.board if hello else None,
                    "serial": hello.serial if hello else None,
                    "agent_version": hello.version if hello else None,
                    "cores": hello.cores if hello else None,
                    "memory_mib": hello.memory_mib if hello else None,
                }
            )
        return out

    def _record_nodes(self) -> None:
        for index, identity in enumerate(self._identities()):
            self.writer.node(index, identity)
        self.writer.commit()

    def _meta(self, calibration: Calibration) -> dict[str, Any]:
        return {
            **run_folder.identity(self.scenario),
            "calibration": {
                "frames": calibration.frames,
                "cpu_us_median": calibration.cpu_us_median,
                "cpu_us_worst": calibration.cpu_us_worst,
                "round_trip_us_worst": calibration.round_trip_us_worst,
                "budget_cpu_us": calibration.budget.cpu_us,
                "budget_max_ticks": calibration.budget.max_ticks,
            },
            **({} if self._sky is None else {"anomaly": self._sky.anomaly()}),
            "outcome": "running",
        }


def _plant_of(scenario: Scenario) -> BuiltPlant | None:
    if scenario.plant is None:
        return None
    from hil.plant.build import build_plant  # noqa: PLC0415  (few scenarios have one; it is heavy)

    return build_plant(scenario)


def _steward_of(loop: Loop, scenario: Scenario, plant: BuiltPlant) -> Steward:
    from hil.steward import Steward  # noqa: PLC0415  (as above)

    return Steward(loop, scenario, plant)


def _usual_kind(verdict: Verdict) -> VerdictKind:
    """The verdict when all is well: of the nodes that vote now, which the plant may have made
    fewer."""
    alone = verdict.voters.bit_count() == 1
    return VerdictKind.SIMPLEX if alone else VerdictKind.UNANIMOUS


def _policy(scenario: Scenario) -> Policy:
    r = scenario.recovery
    attempts = dict(zip(RUNGS, (r.resyncs, r.restarts, r.resets, r.power_cycles), strict=True))
    return Policy(attempts, r.window_frames, r.reintegrate_frames)
