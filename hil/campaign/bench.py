"""The boards of an exact campaign: each holds the same step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from hil.campaign.held_step import HeldStep
from hil.campaign.ranges import Range
from hil.errors import LinkTimeout, NodeError, SetupError
from hil.kernel import Golden
from hil.rig.agent_setup import Budget
from hil.rig.board_kinds import build_nodes
from hil.rig.calls import Timing
from hil.rig.node import DONE, Node
from hil.rig.own_workload import own_workload
from hil.rig.program import golden_run
from hil.rig.program_options import ProgramOptions
from hil.rig.reservation import BenchReservation, uses_of
from hil.rig.rig import Rig
from hil.scenario import BoardKind, Scenario
from hil.wire.outcomes import Outcomes

__all__ = ["HeldBoard", "HeldBoards", "held_board", "held_node"]

_Part = TypeVar("_Part")

_HANG_CPU_US: Final = 46_000
"""An experiment hangs that executes more instructions than a fast processor does in this CPU time,
and in that of 200 fault-free steps."""
_HANG_STEPS: Final = 200
_TRIES: Final = 4
_PATIENCE_US: Final = 60_000_000


class HeldBoard:
    """A board that holds step `frame` of a scenario. `arch`: its processor, as its agent calls
    it."""

    def __init__(self, rig: Rig, golden: Golden, frame: int) -> None:
        self.rig = rig
        self.golden = golden
        self.frame = frame
        self.node: Node = rig.nodes[0]
        self._follow: tuple[int, bool] | None = None
        hello = self.node.hello
        self.arch = "" if hello is None else hello.arch
        self.step = self._hold()

    @property
    def limit_us(self) -> int:
        """Return the CPU time from which on a step hangs [us]."""
        return self.rig.setup.budget.cpu_us

    def limit_cpu(self, limit_us: int) -> None:
        """Let a step hang from this CPU time on [us]. Raises: SetupError, LinkTimeout,
        NodeError."""
        budget = self.rig.setup.budget
        if limit_us != budget.cpu_us:
            self.rig.setup.budget = replace(budget, cpu_us=limit_us)
            self.rig.setup.configure(self.node)
            self.hold_again()

    def hold_again(self) -> None:
        """Hold the step again on a board that has lost its worker, or has started again. Raises:
        SetupError, LinkTimeout, NodeError."""
        try:
            self.step = HeldStep(self.rig, self.node, self.frame, self.golden.input)
        except (LinkTimeout, NodeError):  # its agent has started again, without the workload
            setup = self.rig.setup
            _go_to(self.rig, golden_run(setup.workload, setup.seed, setup.program), self.frame)
            self.step = self._hold()
        if self._follow is not None:
            self.follow(*self._follow)

    def recover(self, failure: LinkTimeout | NodeError) -> None:
        """Hold the step again on a board that has failed so. Raises: `failure` if it does not get
        going again: then another board must be opened in its place."""
        try:
            self.hold_again()
        except (LinkTimeout, NodeError, SetupError):
            raise failure from None

    def carry_on(
        self,
        units: Range,
        carry_out: Callable[[Range, Callable[[_Part, Outcomes], None], Callable[[], bool]], None],
        take: Callable[[_Part, Outcomes], int],
        stopped: Callable[[], bool],
    ) -> None:
        """Let `carry_out` go through a range; after a failure hold the step again, and go on where
        it was. `take` returns the unit after those of a part whose outcomes it takes.

        Raises: LinkTimeout or NodeError if the board fails again and again before it has come
        farther; what `take` raises."""
        at, tries = units.first, 0

        def taken(part: _Part, outcomes: Outcomes) -> None:
            nonlocal at, tries
            at, tries = take(part, outcomes), 0

        while at < units.end and not stopped():
            try:
                carry_out(Range(at, units.end), taken, stopped)
            except (LinkTimeout, NodeError) as failure:
                tries += 1
                if tries == _TRIES:
                    raise
                self.recover(failure)

    def follow(self, steps: int, restored: bool) -> None:
        """Give the board so many steps that follow. `restored`: experiments go on from the right
        state. Raises: SetupError if it computes them otherwise than the golden run; LinkTimeout,
        NodeError."""
        self._follow = (steps, restored)
        inputs = [self.golden.input_of(self.frame + 1 + i) for i in range(steps)]
        if self.step.follow(inputs, restored=restored) != self._state_after(steps):
            raise SetupError(
                f"node {self.node.name} does not compute the steps after frame {self.frame} as the "
                "golden run does"
            )

    def _state_after(self, steps: int) -> int:
        """Return the digest of the fault-free state so many steps after the one that is held."""
        setup = self.rig.setup
        ahead = golden_run(setup.workload, setup.seed, setup.program)
        ahead.resume(self.golden.next_frame, self.golden.state)
        for _ in range(steps):
            ahead.step()
        return ahead.state_digest

    def move_to(self, frame: int) -> None:
        """Hold the step of another frame. Raises: SetupError, LinkTimeout, NodeError."""
        if frame == self.frame:
            return
        self.step.close()
        if frame < self.frame:
            setup = self.rig.setup
            self.golden = golden_run(setup.workload, setup.seed, setup.program)
            _go_to(self.rig, self.golden, frame)
            self.golden.step()
        else:  # the golden run has passed the frame that was held already
            while self.frame < frame:
                _step(self.rig, self.golden, self.frame)
                self.golden.step()
                self.frame += 1
        self.frame = frame
        self.step = self._hold()

    def _hold(self) -> HeldStep:
        try:
            step = HeldStep(self.rig, self.node, self.frame, self.golden.input)
        except NodeError as error:
            raise SetupError(
                f"a campaign is not possible on node {self.node.name}: {error.message}",
                remedy="it needs a board with Linux whose agent traces its worker: "
                "`--boards process`, `--boards emulated`, or a real one",
            ) from error
        opened = step.opened
        right = (self.golden.output_digest, self.golden.state_digest)
        if (opened.output_digest, opened.state_digest) != right:
            raise SetupError(
                f"node {self.node.name} does not compute frame {self.frame} as the golden run does"
            )
        return step


@dataclass(frozen=True, slots=True)
class HeldBoards:
    """The boards of a scenario, each of which is to hold step `frame`. `reserved`: each board that
    is opened is reserved first; otherwise the caller has reserved all."""

    scenario: Scenario
    frame: int
    reserved: bool = False

    @contextlib.contextmanager
    def open(self, number: int) -> Iterator[HeldBoard]:
        """Open board `number`, let it hold the step, and close it afterwards.

        Raises: SetupError, LinkTimeout, NodeError, VersionMismatch."""
        nodes = self.scenario.rig.nodes
        with contextlib.ExitStack() as stack:
            if self.reserved and nodes[0].board is BoardKind.SERIAL:
                if number >= len(nodes):
                    raise SetupError(
                        f"{self.scenario.name} has {len(nodes)} boards, and one more is wanted",
                        remedy="let each worker offer as many as it has: --resources hil-board=N",
                    )
                reservation = BenchReservation(uses_of(nodes[number]))
                stack.enter_context(reservation).acquire()
            yield stack.enter_context(held_board(self.scenario, number, self.frame))


@contextlib.contextmanager
def held_board(scenario: Scenario, number: int, frame: int) -> Iterator[HeldBoard]:
    """Open board `number` of the scenario's rig and let it hold step `frame`; close it afterwards.

    Raises: SetupError, LinkTimeout, NodeError, VersionMismatch."""
    nodes = build_nodes(scenario)
    node = nodes[number % len(nodes)]  # software boards are as many as are wanted
    with held_node(node, scenario, frame) as board:
        yield board


@contextlib.contextmanager
def held_node(node: Node, scenario: Scenario, frame: int) -> Iterator[HeldBoard]:
    """Open the board of a node, bring it to `frame` and hold that step; close it afterwards.

    Raises: SetupError, LinkTimeout, NodeError, VersionMismatch."""
    program = ProgramOptions(own=own_workload(scenario))
    golden = golden_run(scenario.workload_name, scenario.seed, program)
    timeouts = scenario.timeouts
    timing = Timing(int(timeouts.retry_ms * 1000), int(timeouts.lost_after_ms * 1000))
    rig = Rig([node], scenario.workload_name, scenario.seed, timing)
    rig.setup.program = program
    try:
        rig.open()
        cpu_us = _go_to(rig, golden, max(frame, 1))
        if frame == 0:  # it was run to measure it
            golden = golden_run(scenario.workload_name, scenario.seed, program)
            _go_to(rig, golden, 0)
        limit_us = _HANG_CPU_US
        while limit_us < _HANG_STEPS * cpu_us:
            limit_us *= 10  # in large steps: it is the same in every run
        rig.setup.budget = Budget(limit_us, 4 * golden.workload.ticks + 64)
        rig.setup.configure(node)
        # While an experiment runs the board does not answer.
        patience_us = max(timing.lost_after_us, _PATIENCE_US)
        rig.requests.timing = replace(rig.requests.timing, lost_after_us=patience_us)
        golden.step()
        yield HeldBoard(rig, golden, frame)
    finally:
        rig.close()


def _go_to(rig: Rig, golden: Golden, frame: int) -> int:
    """Compute all frames before `frame`; return the CPU time of the fastest [us], which a
    busy computer disturbs least."""
    cpu_us = 0
    rig.load(rig.nodes[0])
    for number in range(frame):
        golden.step()
        taken_us = _step(rig, golden, number)
        cpu_us = min(cpu_us, taken_us) if number else taken_us
    return cpu_us


def _step(rig: Rig, golden: Golden, frame: int) -> int:
    """Compute a frame on the board, which the golden run has done last; return its CPU time
    [us]."""
    node = rig.nodes[0]
    result = rig.step([node], frame, golden.input)[node.name]
    if result.status != DONE or result.state_digest != golden.state_digest:
        raise SetupError(
            f"node {node.name} failed in fault-free frame {frame}: "
            f"{result.reason or 'its result is not the golden one'}",
            remedy="run `hil doctor`; look at the board's own log",
        )
    return result.cpu_us
