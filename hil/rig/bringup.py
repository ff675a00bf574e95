"""Bring-up: open the port of every node, identify its agent, and switch on boards that are off."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from hil.clock import Clock
from hil.errors import LinkTimeout, SetupError
from hil.rig.absent_boards import AbsentBoards
from hil.rig.calls import Call, Silence
from hil.rig.discovery.line_test import LineFault, find_fault
from hil.rig.node import Node
from hil.rig.power import PowerMonitor
from hil.rig.reconnect import Reconnector
from hil.rig.requests import Requests
from hil.rig.transport import TransportLost
from hil.wire import decoding
from hil.wire.messages import Hello, Msg

_BOOT_SLICE_US: Final = 5_000_000
_ATTACH_EVERY_US: Final = 500_000
_SWITCHED_ON_US: Final = 120_000_000
"""The most that a board may need at the start of a run from power-on until its agent answers, if
the bench file has no longer `boot_s`."""

Announce = Callable[[str], None]
"""Shows a sentence about something that takes long."""


def _silent(_: str) -> None:
    pass


@contextlib.contextmanager
def line_fault_named(node: Node, clock: Clock) -> Iterator[None]:
    """Test the line of `node` when the body fails, and name the fault of the line in the error.

    Only for use before a run: the test sends many requests of its own.

    Raises: LinkTimeout with the fault of the line, in place of a LinkTimeout or SetupError."""
    try:
        yield
    except (LinkTimeout, SetupError) as error:
        fault = _line_fault(node, clock)
        if fault is None:
            raise
        raise LinkTimeout(f"{error.message}; {fault.reason}", remedy=fault.remedy) from error


def _line_fault(node: Node, clock: Clock) -> LineFault | None:
    """Return the fault of a node's line; None if there is none, or nothing indicates one."""
    transport, counts = node.link.transport, node.link.statistics
    damaged = counts.rx_errors + counts.naks + counts.chatter_bytes
    if transport is None or transport.fd is None or not damaged:
        return None
    try:
        return find_fault(transport, clock)
    except TransportLost:
        return None


def _port_is_gone(node: Node) -> bool:
    """Return whether the port of a board is a device file that does not exist now."""
    port = node.capabilities.port or ""
    return port.startswith("/") and not Path(port).exists()


def _is_switched_off(node: Node) -> bool:
    """Return whether the board has a supply that is off. Raises: SetupError."""
    power = node.capabilities.power
    return power is not None and not power.gives_power()


def _boot_patience_us(node: Node) -> int:
    return max(_SWITCHED_ON_US, node.capabilities.stated_boot_us)


class BringUp:
    """Connects the nodes of one rig. One thread uses it: the one that runs the frames."""

    def __init__(
        self,
        nodes: Sequence[Node],
        requests: Requests,
        reconnector: Reconnector,
        absent: AbsentBoards,
    ) -> None:
        self._nodes = nodes
        self._requests = requests
        self._clock = requests.clock
        self._reconnector = reconnector
        self._absent = absent

    def open(self, monitor: PowerMonitor, announce: Announce = _silent, wait_us: int = 0) -> None:
        """Connect every node and identify its agent; boards that have to boot do so side by side.

        A board whose supply is off is switched on. `monitor` is started when all boards have come
        up. `announce` is called with a sentence about each board that takes long. For `wait_us`
        boards are waited for that do not answer, and ports that cannot be opened.

        Raises: SetupError, LinkTimeout, VersionMismatch."""
        monitor.check()
        off: list[Node] = []
        began_us = self._clock.now_us()
        for node in self._nodes:
            try:
                self._attach_by(node, began_us + wait_us, announce)
            except SetupError:
                if not (_port_is_gone(node) and _is_switched_off(node)):
                    raise
                off.append(node)  # its port appears when the board has power
        for node in self._nodes:
            end_us = began_us + max(wait_us, node.capabilities.stated_boot_us)
            if node in off:
                continue
            if end_us > self._clock.now_us() and _is_switched_off(node):  # in vain
                off.append(node)
                continue
            try:
                self._greet_by(node, end_us, announce)
            except LinkTimeout:
                if not _is_switched_off(node):
                    raise
                off.append(node)
        self._switch_on(off, announce)
        for node in self._nodes:
            power = node.capabilities.power
            if power is not None and power.supply.current_limit_a is not None and node not in off:
                # Another limit may be set on a supply that was on already: a latch-up would not
                # reach it.
                monitor.limit(node.name, None, power.supply.current_limit_a)
        monitor.start()

    def _attach_by(self, node: Node, end_us: int, announce: Announce) -> None:
        """Open the port of a node, by `end_us` at the latest [us of the clock]. Raises: SetupError;
        at once if the supply of its board is off."""
        while True:
            try:
                self.attach(node)
                if node.remark:
                    announce(f"node {node.name}: {node.remark}")
            except SetupError as error:
                left_us = end_us - self._clock.now_us()
                if left_us <= 0 or (_port_is_gone(node) and _is_switched_off(node)):
                    raise
                announce(f"node {node.name} is waited for: {error.message}")
                self._clock.sleep_us(min(left_us, _ATTACH_EVERY_US))
            else:
                return

    def _greet_by(self, node: Node, end_us: int, announce: Announce) -> None:
        """Identify the agent of a node, by `end_us` at the latest [us of the clock]. A port that
        goes away meanwhile, as that of a board with USB does when it boots, is opened again.
        Raises: as `greet` and `attach`."""
        while True:
            left_us = end_us - self._clock.now_us()
            try:
                self.greet(node, announce, left_us)
            except LinkTimeout:
                if left_us <= 0 or node.link.connected:
                    raise
                self._attach_by(node, end_us, announce)
            else:
                return

    def _switch_on(self, off: Sequence[Node], announce: Announce) -> None:
        """Switch these boards on and wait until their agents answer. Raises: LinkTimeout if one
        does not within its time, and the errors of `open`."""
        for node in off:
            power = node.capabilities.power
            assert power is not None
            announce(f"node {node.name} is off: switched on by {power.title}")
            power.on()
            node.link.status.note(f"was off; switched on by {power.title}")
            self._reconnector.search_for(node)
        missing, began_us = list(off), self._clock.now_us()
        while missing:
            for node in self._absent.take_reconnected():
                self.greet(node, announce)
                missing.remove(node)
            waited_us = self._clock.now_us() - began_us
            overdue = [node for node in missing if waited_us > _boot_patience_us(node)]
            if overdue:
                raise LinkTimeout(
                    f"node {overdue[0].name} did not come up in {waited_us // 1_000_000} s after "
                    f"its power was switched on: {overdue[0].link.status.reason}",
                    remedy="does hil-agent start with the board, and is its port the right one? if "
                    "it boots longer, write `boot_s:` in the bench file",
                )
            if missing:
                self._reconnector.wait(0.1)

    def connect(self, node: Node) -> Hello:
        """Open the port of a node again and identify its agent.

        Raises: SetupError, LinkTimeout, NodeError, VersionMismatch."""
        self.attach(node)
        return self.greet(node)

    def greet_again(self, node: Node) -> Hello:
        """Identify the agent of a node that answered a moment ago, without waiting for a boot.

        Raises: LinkTimeout, NodeError; SetupError if it is another board; VersionMismatch."""
        return self._identify(node, self._requests.send(node, Msg.HELLO))

    def attach(self, node: Node) -> None:
        """Open the port of a node again. Raises: SetupError."""
        node.link.detach("reconnecting")  # a port can be opened only once at a time
        node.link.attach(node.open())

    def greet(self, node: Node, announce: Announce = _silent, patience_us: int = 0) -> Hello:
        """Identify the agent of a node whose port is open, and raise the rate of its line. A board
        that boots is waited for, and any other for `patience_us` if it does not answer.

        Raises: LinkTimeout, NodeError; SetupError if it is another board; VersionMismatch."""
        boot_us, began_us = node.capabilities.boot_timeout_us, self._clock.now_us()
        call, hopeless = self._say_hello(node, max(boot_us, patience_us), announce)
        if boot_us and isinstance(call.result, Silence):
            what = hopeless or node.board.condition(disconnected=not node.link.connected)
            what = what or node.console.cause(began_us)
            raise LinkTimeout(
                f"the {node.board.kind} board of node {node.name} did not come up: "
                f"{what or call.result.reason}",
                remedy="run `hil board emulate raspberry-pi-3b` and look at what it does",
            )
        return self._identify(node, call)

    def _identify(self, node: Node, call: Call) -> Hello:
        """Check the answer to HELLO against what the bench file expects, and store it."""
        with line_fault_named(node, self._clock):
            answer = self._requests.expect(node, call)
        hello = decoding.hello(answer)
        node.check(hello)
        node.identify(hello)
        node.record_uptime(call, hello.uptime_us)
        self._requests.rates.raise_rate(node)
        return hello

    def _say_hello(self, node: Node, boot_us: int, announce: Announce) -> tuple[Call, str | None]:
        """Send HELLO until it is answered or `boot_us` have passed; return the last call, and why
        the board will not come up if that is known."""
        began_us = self._clock.now_us()
        while True:
            left_us = boot_us - (self._clock.now_us() - began_us)
            timing = self._requests.timing
            patience_us = max(timing.lost_after_us, min(left_us, _BOOT_SLICE_US))
            call = self._requests.send(
                node, Msg.HELLO, timing=replace(timing, lost_after_us=patience_us)
            )
            if not isinstance(call.result, Silence) or not node.link.connected:
                return call, None
            waited_us = self._clock.now_us() - began_us
            hopeless = node.capabilities.boot_failure()
            if hopeless or waited_us >= boot_us:
                return call, hopeless
            state = "boots" if node.capabilities.boot_timeout_us else "does not answer yet"
            announce(
                f"node {node.name} {state}, for {waited_us // 1_000_000} of at most "
                f"{boot_us // 1_000_000} s"
            )
