"""A run that its caller steps: it stands still between two steps, and takes orders there.

Everything happens in the thread of the caller: while no step is carried out, no frame is computed.
So an order takes effect before a known frame, and a test that steps a run on software boards gives
the same record each time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final

from hil.clock import HOST
from hil.control.answers import Answer
from hil.control.commands import COMMANDS, WrongArgument, unknown_command
from hil.control.inbox import Inbox, Order, Peer
from hil.control.protocol import Request
from hil.engine.loop import Loop, RunSetup
from hil.engine.observers import RunObserver
from hil.engine.run_identity import config_hash
from hil.engine.run_preparation import NewRun
from hil.errors import UsageError
from hil.json_values import JsonValue
from hil.record.run_result import RunResult
from hil.rig.node import Node
from hil.scenario import BoardKind, UpsetTarget

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["BOARD_CAPABILITIES", "SteppedNode", "SteppedRun"]

BOARD_CAPABILITIES: Final = frozenset(
    {"power", "real", *(target.value for target in UpsetTarget)}
    - {UpsetTarget.BOARD.value, UpsetTarget.TIMING.value}
)
"""What `SteppedNode.can` may contain."""

_PARKED_US: Final = 100_000
"""After a longer time between two steps, no node counts as silent since before."""
_OF_FLOWING_TIME: Final = frozenset({"pause", "resume", "status"})


@dataclass(frozen=True, slots=True)
class SteppedNode:
    """A node between two steps: its `state` by recovery, whether its board has power, and what is
    known of the board: its kind, the architecture, model, serial number and agent's version as it
    reported them (empty where it did not).

    `can` names what it is capable of: `power` if its power can be switched from here, `real` if it
    is no software board, and the targets of upsets that it can be hit at."""

    name: str
    state: str
    powered: bool
    board: str
    arch: str
    model: str
    serial: str
    agent_version: str
    can: frozenset[str]


class SteppedRun:
    """A run that its caller steps, as a context manager: `with` opens the boards and the record,
    and its end closes them, whether all frames were run or not. `who` gives the orders, for the
    record; `at_end` as of `RunSetup`. Not thread-safe.

    Raises: subclasses of HilError for failures of the rig itself, from `with` and `step`."""

    def __init__(
        self,
        new: NewRun,
        observers: Sequence[RunObserver] = (),
        *,
        capture: bool = False,
        who: str = "stepped run",
        at_end: Callable[[BaseException | None, bool], None] = lambda _error, _recorded: None,
    ) -> None:
        self._inbox = Inbox()
        self._peer = Peer(who, os.getuid(), os.getpid())
        setup = RunSetup(
            capture=capture,
            plant=new.plant,
            left_out=new.left_out,
            command=new.command,
            at_end=at_end,
        )
        self._loop = Loop(
            new.scenario, new.run_dir, inbox=self._inbox, observers=observers, setup=setup
        )
        self.folder = new.run_dir
        self.scenario = self._loop.scenario
        self.config_hash = config_hash(self.scenario)
        self.ended = False
        self._closed = False
        self._failure: BaseException | None = None
        self._run: AbstractContextManager[Iterator[None]] = self._loop.steps()
        self._steps: Iterator[None] = iter(())
        self._parked_us = 0

    def __enter__(self) -> Self:
        self._steps = self._run.__enter__()
        self._parked_us = HOST.now_us()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the run: in its record it is aborted by `who` if frames are left, and failed if a
        step has failed."""
        failure = error or self._failure
        try:
            if failure is None and not self.ended:
                self._order("end", {})
                self._exhaust()
        except BaseException as late:
            failure = late
            raise
        finally:
            self._closed = True
            if failure is None:
                self._run.__exit__(None, None, None)
            else:
                self._run.__exit__(type(failure), failure, failure.__traceback__)

    @property
    def frame(self) -> int:
        """Return the number of the next frame of the flight; frames that were skipped count."""
        return self._loop.flown

    @property
    def frames_left(self) -> int:
        """Return the number of frames that are left of the scenario."""
        return self.scenario.frame_count - self._loop.flown

    @property
    def result(self) -> RunResult:
        """Return the result of the run, after the `with` block."""
        return self._loop.result

    @property
    def nodes(self) -> tuple[SteppedNode, ...]:
        """Return the nodes as they are now, in their order."""
        controls = self._loop.controls
        return tuple(
            _stepped(node, controls.recovery.state(node.name).value) for node in controls.rig.nodes
        )

    def step(self, frames: int = 1, *, save: bool = True) -> int:
        """Run so many frames, fewer at the end of the run, and return how many were run.
        `save` makes all that they recorded visible to readers of the record, which costs some
        milliseconds."""
        loop, pacer = self._loop, self._loop.controls.pacer
        if self.ended or frames < 1:
            return 0
        if (pacer.paced and not pacer.early_us) or HOST.now_us() - self._parked_us > _PARKED_US:
            loop.controls.skip_elapsed_time()
        first = loop.flown
        target = loop.batches_until = min(first + frames, self.scenario.frame_count)
        try:
            while loop.flown < target and not self.ended:
                self.ended = next(self._steps, True) is True  # the run was ended by a command
            if target == self.scenario.frame_count:
                self._exhaust()
        except BaseException as failure:
            self._failure = failure
            raise
        self._parked_us = HOST.now_us()
        if save:
            self.save_if_open()
        return loop.flown - first

    def save_if_open(self) -> None:
        """Make all that was recorded visible to readers of the record, unless it is closed, and all
        is."""
        if not self._closed:
            self._loop.controls.record.commit()

    def order(self, command: str, **arguments: JsonValue) -> Answer:
        """Carry out a command of `hil control` before the next frame: `order("inject", node="b",
        target="state", bit=7)`, `order("cut_power", node="b")`, ... It is recorded with its answer.

        Raises: UsageError if there is no such command, or the run refuses it as it is now."""
        if self.ended:
            raise UsageError(f"`{command}`: the run has ended, all its frames were run")
        if command in _OF_FLOWING_TIME:
            raise UsageError(
                f"`{command}`: a stepped run stands still between two steps", remedy="call `step`"
            )
        answer = self._order(command, arguments)
        if not answer.ok:
            raise UsageError(f"`{command}` was refused before frame {self.frame}: {answer.text}")
        return answer

    def _order(self, command: str, arguments: Mapping[str, JsonValue]) -> Answer:
        if command not in COMMANDS:
            raise UsageError(unknown_command(command))
        try:
            request = Request(COMMANDS[command].parse(arguments))
        except WrongArgument as why:
            raise UsageError(f"`{command}`: {why}") from why
        answers: list[Answer] = []
        self._inbox.put(Order(request, self._peer, answers.append))
        self._loop.carry_out_commands()
        return answers[0]

    def _exhaust(self) -> None:
        """Let the run come to its end: no frame is left, or it was ended."""
        self.ended = True
        for _ in self._steps:
            pass


def _stepped(node: Node, state: str) -> SteppedNode:
    hello, kind = node.hello, node.board.kind
    can = set(() if hello is None else hello.targets)
    can.discard(UpsetTarget.BOARD)
    if node.board.can_cycle:
        can |= {"power"}
    if node.capabilities.ram is not None:
        can |= {UpsetTarget.BOARD_RAM.value}
    if kind == BoardKind.SERIAL:
        can |= {"real"}
    return SteppedNode(
        node.name,
        state,
        node.powered,
        str(kind),
        "" if hello is None else hello.arch,
        "" if hello is None else hello.board,
        "" if hello is None else hello.serial,
        "" if hello is None else hello.version,
        frozenset(str(word) for word in can),
    )
