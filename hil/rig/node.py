"""Nodes: one member of the redundancy group each, with its board, its link and what it said
last."""

from __future__ import annotations

import enum
import signal
from collections.abc import Callable
from typing import NamedTuple, Protocol

from hil._kernel import lib
from hil.clock import HOST, Clock
from hil.errors import SetupError
from hil.rig.backends.capabilities import Capabilities
from hil.rig.calls import Call, Rebooted, Silence
from hil.rig.clock_fit import ClockFit
from hil.rig.link import Link
from hil.rig.transport import Transport
from hil.wire.messages import Hello, Refusal, Reply

DONE: int = lib.NODE_DONE
CRASHED: int = lib.NODE_CRASHED
HUNG: int = lib.NODE_HUNG
ABSENT: int = lib.NODE_ABSENT
SILENT: int = lib.NODE_SILENT
EXCLUDED: int = lib.NODE_EXCLUDED


class Board(Protocol):
    """The hardware under one node, whatever it is."""

    kind: str
    name: str
    can_cycle: bool
    """Its power can be switched from here."""

    can_return: bool
    """It may go away and come back by itself: cable, power and adapter are not ours alone. It is
    looked for while it is away (hil.rig.reconnect), and its power cycle takes a while."""

    def connect(self) -> Transport:
        """A fresh transport to it. SetupError if it cannot be reached."""

    def condition(self, *, disconnected: bool) -> str | None:
        """What is known to have happened to the board; None if it seems to be alive.
        `disconnected`: its link is gone."""

    def power_off(self) -> None:
        """Cut its power. SetupError if that is not possible here."""

    def power_cycle(self) -> None:
        """Cut its power and give it back. SetupError as above."""

    def shut_down(self) -> None:
        """The run is over. Idempotent."""


class NodeResult(NamedTuple):
    """What came of one node in one frame. Digests are 0 and output empty unless status is DONE.

    `step_us`: from the request to the answer by the board's own clock, with the time for which
    limits made it wait. `disconnected`: the link itself is gone; `ended`: and the board is known to
    have stopped, `reason` tells of what; `late`: it missed a paced frame's end, and may answer yet;
    `out_of_step`: it is alive with the state of another frame; `suspended`: a limit forbids it to
    compute, and it keeps its state; `miscounted`: its step had another number of progress ticks
    than it must have, so that its worker is damaged; `host`: this computer was too busy to hear
    it, or to run it, so that nothing of it is the node's."""

    status: int
    signal: int = 0
    output_digest: int = 0
    state_digest: int = 0
    output: bytes = b""
    ticks: int = 0
    cpu_us: int = 0
    step_us: int = 0
    pending: int = 0
    reason: str = ""
    rebooted: bool = False
    disconnected: bool = False
    out_of_step: bool = False
    ended: bool = False
    late: bool = False
    suspended: bool = False
    miscounted: bool = False
    host: bool = False


EXCLUDED_RESULT = NodeResult(EXCLUDED)


def result_of_reply(r: Reply) -> NodeResult:
    reason = _why(r)
    return NodeResult(
        r.status,
        r.signal,
        r.output_digest,
        r.state_digest,
        r.output,
        r.ticks,
        r.cpu_us,
        r.step_us,
        r.pending,
        reason,
    )


def _why(r: Reply) -> str:
    """What is wrong with the answer, in words; empty if the step ended by itself and the output is
    what the agent says it is."""
    if r.status == DONE:
        as_claimed = r.output_digest == r.claimed_digest
        return "" if as_claimed else "its output does not have the digest that it sent with it"
    if r.status == HUNG:
        return "the step used up its budget"
    if r.status == ABSENT:
        return "there was no worker"
    if not r.signal:
        return "the worker ended by itself"
    try:
        return f"the worker died of {signal.Signals(r.signal).name}"
    except ValueError:
        return f"the worker died of signal {r.signal}"


def result_without_reply(answer: Refusal | Rebooted | Silence) -> NodeResult:
    """A missing answer as data."""
    if isinstance(answer, Rebooted):
        return NodeResult(ABSENT, reason="the agent started anew", rebooted=True)
    if isinstance(answer, Silence):
        return NodeResult(SILENT, reason=answer.reason, disconnected=answer.disconnected)
    if answer.suspended:
        return NodeResult(ABSENT, reason="the board is suspended", suspended=True)
    if answer.status == lib.HIL_ERR_STATE:
        return NodeResult(ABSENT, reason="the agent had lost its workload", rebooted=True)
    if answer.status == lib.HIL_ERR_ARG:
        return NodeResult(
            ABSENT,
            reason="out of step: its agent holds the state of another frame",
            out_of_step=True,
        )
    return NodeResult(ABSENT, reason=f"the agent refused the step (status {answer.status})")


class Life(NamedTuple):
    """One start of an agent: which, and its age at some moment [us]."""

    boot_id: int | None
    uptime_us: int

    def went_on(self, later: Life) -> bool:
        """Whether the agent is still the same: its boot id is, and its uptime was not reset. A
        board without a source of random numbers may have the same boot id after each start."""
        return later.boot_id == self.boot_id and later.uptime_us >= self.uptime_us


def switched_nothing(node: Node) -> str:
    """What is to be said when the power of a node was cut, and its agent went on."""
    return f"the supply switched nothing: node {node.name}'s boot id and uptime went on"


class PowerCut(enum.Enum):
    """Who took the power of a board. Only the same one gives it back."""

    UPSET = "upset"  # a power loss, of the scenario or an operator
    PLANT = "plant"  # the spacecraft's bus, or what protects the board


class Node:
    """One node as the host sees it. `clock` is the host's, on which its link is waited for."""

    def __init__(self, name: str, index: int, board: Board, clock: Clock = HOST) -> None:
        self.name = name
        self.index = index
        self._board = board
        self.capabilities = Capabilities(board)
        """What its board can do beyond what all can, asked once."""
        self.link = Link(name, clock=clock)
        self.hello: Hello | None = None
        self.uptime_us = 0  # of the board, as it said last
        self.loads = 0  # how often the workload was put on it
        self.workers = 0  # how often a worker was started on it
        self.loaded_boot: int | None = None  # the agent's start since which it holds it
        self.power_cuts: set[PowerCut] = set()
        self.cycled_in_vain = False  # its power was cycled, and it is the same agent that answers
        self.clock = ClockFit()
        self.tap: Callable[[Transport], Transport] | None = None  # sees all bytes of its link

    @property
    def board(self) -> Board:
        """The hardware under it."""
        return self._board

    @board.setter
    def board(self, board: Board) -> None:
        """Put another board in its place, and ask what that can do."""
        self._board, self.capabilities = board, Capabilities(board)

    def open(self) -> Transport:
        """A fresh transport to the board. SetupError if it cannot be reached."""
        transport = self.board.connect()
        return transport if self.tap is None else self.tap(transport)

    def check(self, hello: Hello) -> None:
        """SetupError if it is not this node's board that answers: adapters get mixed up."""
        expected = self.capabilities.serial or (self.hello.serial if self.hello else "")
        if expected and hello.serial and hello.serial != expected:
            raise SetupError(
                f"node {self.name}: another board answers, with serial number {hello.serial}; "
                f"expected {expected}",
                remedy="plug the right one in, or run `hil discover` again",
            )

    def identify(self, hello: Hello) -> None:
        """Its agent has said who it is."""
        if hello.boot_id != self.link.boot_id:
            self.clock.restart()
        self.hello = hello
        self.uptime_us = hello.uptime_us
        self.link.greeted(hello)

    def timed(self, call: Call, uptime_us: int) -> None:
        """An answer that tells the board's uptime. Boards inside this process have a virtual
        clock, which says nothing."""
        self.uptime_us = uptime_us
        if call.heard_us and self.link.transport is not None and self.link.transport.fd is not None:
            jumped_us = self.clock.add(call.sent_us, call.heard_us, uptime_us)
            if jumped_us:
                self.link.standing.note(f"its clock jumped by {jumped_us / 1000:+.1f} ms")

    @property
    def life(self) -> Life:
        """The start of its agent that is known, and how old it was when it was heard last."""
        return Life(self.link.boot_id, self.uptime_us)

    @property
    def powered(self) -> bool:
        """Whether nobody keeps the power of its board off."""
        return not self.power_cuts

    @property
    def mask(self) -> int:
        return 1 << self.index

    def __repr__(self) -> str:
        return f"<node {self.name} on {self.board.kind}>"
