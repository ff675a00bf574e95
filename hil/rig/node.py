"""Nodes: the members of the redundancy group, each with its board, its link and its latest
HELLO."""

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
from hil.rig.console.node_console import NodeConsole
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
    """The hardware of one node: a process, an emulated computer or a real board."""

    kind: str
    name: str
    can_cycle: bool
    """Whether this program can switch its power."""

    can_return: bool
    """Whether it may disappear and return by itself, because others may handle its cable, power
    and adapter. While it is absent, the reconnector searches for it (hil.rig.reconnect); its power
    cycle takes seconds."""

    def connect(self) -> Transport:
        """Open a new transport to the board. Raises: SetupError if it cannot be reached."""

    def condition(self, *, disconnected: bool) -> str | None:
        """Return what is known to have happened to the board; None if it seems to be alive.
        `disconnected`: its link is gone."""

    def power_off(self) -> None:
        """Switch its power off. Raises: SetupError if this program cannot.

        The boards are in hil.rig.backends, the instruments that switch real ones in hil.rig.power.
        It is called by the plant (hil.engine.board_orders), by upsets (hil.upsets.power_cuts), and
        by recovery (`Rig.power_cycle`)."""

    def power_cycle(self) -> None:
        """Switch its power off and on again. Raises: SetupError if this program cannot."""

    def shut_down(self) -> None:
        """Release the board at the end of the run. Idempotent."""


class NodeResult(NamedTuple):
    """The result of one node in one frame. Digests are 0 and output empty unless status is DONE.

    `step_us`: time from the request to the answer on the board's own clock, including the time in
    which limits made it wait. `disconnected`: the link is gone; `ended`: the board is known to have
    stopped as well, for `reason`; `late`: it missed the end of a paced frame, and may still answer;
    `out_of_step`: it is alive with the state of another frame; `behind`: it is that because it was
    late, and frames went on without it; `suspended`: a limit forbids it to
    compute, and it keeps its state; `miscounted`: its step had a wrong number of progress ticks, so
    that its worker is damaged; `host`: this computer was too busy to receive from the node, or to
    run it, so that the result says nothing about the node. `supply_cut`: its supply has switched it
    off by itself."""

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
    behind: bool = False
    ended: bool = False
    late: bool = False
    suspended: bool = False
    miscounted: bool = False
    host: bool = False
    supply_cut: bool = False


EXCLUDED_RESULT = NodeResult(EXCLUDED)


def can_go_back(result: NodeResult) -> bool:
    """Return whether the board of a node with this result answers and may compute, so that the node
    can return to an earlier state."""
    return result.status in (DONE, CRASHED, HUNG, ABSENT) and not result.suspended


def result_of_reply(r: Reply) -> NodeResult:
    """Return the result that a node's answer to STEP gives."""
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
    """Return what is wrong with the answer, in words; empty if the step completed and the output
    has the digest that the agent claims."""
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
    """Return the result of a node that did not answer its STEP."""
    if isinstance(answer, Rebooted):
        return NodeResult(ABSENT, reason="the agent restarted", rebooted=True)
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


class AgentStart(NamedTuple):
    """One start of an agent: its boot id, and its uptime at some moment [us]."""

    boot_id: int | None
    uptime_us: int

    def is_same_start(self, later: AgentStart) -> bool:
        """Return whether `later` shows the same start: the same boot id, and an uptime that was not
        reset. A board without a source of random numbers may have one boot id for all starts."""
        return later.boot_id == self.boot_id and later.uptime_us >= self.uptime_us


def power_cut_had_no_effect(node: Node) -> str:
    """Return the message for a node whose agent kept running when its power was cut."""
    return f"the supply switched nothing: node {node.name}'s boot id and uptime went on"


class PowerCut(enum.Enum):
    """The cause that switched the power of a board off. Only the same cause switches it on
    again."""

    UPSET = "upset"  # a power loss, of the scenario or an operator
    PLANT = "plant"  # the spacecraft's bus, or what protects the board
    STAND_BY = "stand_by"  # the scheme, which does not need the node now


class Node:
    """One node as the host sees it. `clock` is the host's, on which calls over its link wait. Not
    thread-safe: the thread that runs the frames owns it."""

    def __init__(self, name: str, index: int, board: Board, clock: Clock = HOST) -> None:
        self.name = name
        self.index = index
        self._board = board
        self.capabilities = Capabilities(board)
        """What its board can do beyond `Board`, determined once."""
        self.link = Link(name, clock=clock)
        self.console = NodeConsole(clock)
        """What its board prints."""
        if self.capabilities.batch is None:  # a board in this process prints nothing
            self.link.outside = self.console.on_link
        self.capabilities.pass_stderr(self.console)
        self.hello: Hello | None = None
        self.uptime_us = 0  # of the board, as last reported
        self.loads = 0  # how often the workload was loaded
        self.workers = 0  # how often a worker was started
        self.loaded_boot: int | None = None  # boot id of the agent when the workload was loaded
        self.unwatched_boot: int | None = None  # boot id of an agent that reports no activations
        self.power_cuts: set[PowerCut] = set()
        self.power_cycle_had_no_effect = False  # the same agent answered after the last one
        self.starts_after_power_cycle = False
        """Nothing on its board starts until its power is cut (an upset, as of its storage)."""
        self.clock = ClockFit()
        self.remark = ""
        """The latest remark on the port of its board."""
        self.tap: Callable[[Transport], Transport] | None = None  # records all bytes of its link

    @property
    def board(self) -> Board:
        """Return the hardware of the node."""
        return self._board

    @board.setter
    def board(self, board: Board) -> None:
        """Replace the board, and determine its capabilities."""
        self._board, self.capabilities = board, Capabilities(board)
        self.capabilities.pass_stderr(self.console)

    def open(self) -> Transport:
        """Open a new transport to the board, through the tap if there is one. Raises: SetupError if
        the board cannot be reached."""
        transport = self.board.connect()
        remark = self.capabilities.take_remark()
        if remark:
            self.remark = remark
            self.console.note(f"node {self.name}: {remark}")
        return transport if self.tap is None else self.tap(transport)

    def check(self, hello: Hello) -> None:
        """Check that the board that answers is this node's: adapters get mixed up. Raises:
        SetupError if it is another one."""
        expected = self.capabilities.serial or (self.hello.serial if self.hello else "")
        if expected and hello.serial and hello.serial != expected:
            raise SetupError(
                f"node {self.name}: another board answers, with serial number {hello.serial}; "
                f"expected {expected}",
                remedy="plug the right one in, or run `hil discover` again",
            )

    def identify(self, hello: Hello) -> None:
        """Take the HELLO of its agent; after another boot id the clock fit starts again."""
        if hello.boot_id != self.link.boot_id:
            self.clock.restart()
        self.hello = hello
        self.uptime_us = hello.uptime_us
        self.link.on_hello(hello)

    def record_uptime(self, call: Call, uptime_us: int) -> None:
        """Take an answer that contains the board's uptime [us] as a sample of its clock. Boards
        inside this process have a virtual clock, which is not fitted."""
        self.uptime_us = uptime_us
        if (
            call.answered_us
            and self.link.transport is not None
            and self.link.transport.fd is not None
        ):
            jumped_us = self.clock.add(call.sent_us, call.answered_us, uptime_us)
            if jumped_us:
                self.link.status.note(f"its clock jumped by {jumped_us / 1000:+.1f} ms")

    @property
    def has_news(self) -> bool:
        """Return whether its link or console has something for the record. Asked in every frame, so
        that nothing else is done for a node without news."""
        return self.console.has_news or self.link.status.has_events

    def note_signs(self) -> None:
        """Make what its console says of the board events of its link."""
        for sign in self.console.take_signs():
            self.link.status.note(sign.event, sign.at_us)

    @property
    def agent_start(self) -> AgentStart:
        """Return the last known start of its agent, with its uptime at the latest answer."""
        return AgentStart(self.link.boot_id, self.uptime_us)

    @property
    def powered(self) -> bool:
        """Return whether nothing keeps the power of its board off."""
        return not self.power_cuts

    def __repr__(self) -> str:
        return f"<node {self.name} on {self.board.kind}>"
