"""The reconnector: searches for absent boards in parallel to the run, until the run ends.

Each search has a thread of its own; there is none while all boards are present. It opens the port
(by the board's identity, so wherever the adapter is plugged in now), sends HELLO until the agent
answers, and hands the open transport over; the loop attaches it between two frames. The other nodes
keep voting: the run never waits for a search.

A board that was abandoned with its link intact is only listened to: it has returned when its agent
announces a new start, or when its port disappeared and came back.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Final

from hil.clock import HOST, Clock
from hil.errors import HilError
from hil.kernel import WIRE_VERSION, Decoder, encode
from hil.rig.node import Node
from hil.rig.transport import Transport, TransportLost
from hil.wire.decoding import hello
from hil.wire.messages import ANSWER, Hello, LinkState, Msg

_FIRST_PAUSE_S: Final = 0.05
_PAUSE_MAX_S: Final = 1.0
_HELLO_EVERY_US: Final = 250_000
_HELLO_EVERY_MAX_US: Final = 2_000_000
_SLICE_S: Final = 0.1
_PATIENCE_S: Final = 60.0
_PATIENCE_MAX_S: Final = 900.0
"""How long a board may take to boot before its power is cycled again, with exponential back-off; at
least as long as the `boot_s` of the bench file."""
_CLOSING_S: Final = 2.0
_CYCLE_MAX_S: Final = 60.0
"""How long the end of a run waits for power cycles that have begun: a board must not stay off."""


@dataclass(frozen=True, slots=True)
class Reconnection:
    """A board that answers again, its open transport, the decoder that has read from it so far, and
    its HELLO."""

    node: Node
    transport: Transport
    decoder: Decoder
    hello: Hello


@dataclass(frozen=True, slots=True)
class _StateChange:
    """A search's report of a link's state. `chatter`: bytes outside frames since the last one."""

    search: _Search
    at_us: int
    state: LinkState
    reason: str
    chatter: int = 0


@dataclass(slots=True, eq=False)
class _Search:
    """One search for a board. `listen`: its open transport, if the board is only listened to;
    `cycle`: switches its power off and on; `delay_s`: how long to wait before that; `at_once`:
    before the search, and not only if that is in vain; `cycles`: it does that now."""

    node: Node
    listen: Transport | None
    cycle: Callable[[], None] | None
    delay_s: float = 0.0
    at_once: bool = True
    cycle_at_us: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    cycles: bool = False
    thread: threading.Thread | None = None


class Reconnector:
    """Searches for the boards of one rig. Only the loop's thread may call its methods."""

    def __init__(self, clock: Clock = HOST) -> None:
        self._clock = clock
        self._searches: dict[str, _Search] = {}
        self._ending: list[_Search] = []
        self._reports: SimpleQueue[_StateChange | tuple[_Search, Reconnection]] = SimpleQueue()
        self._arrived = threading.Event()

    @property
    def searched_for(self) -> frozenset[str]:
        """Return the names of the nodes whose boards are searched for."""
        return frozenset(self._searches)

    @property
    def searches_any(self) -> bool:
        """Return whether any board is searched for."""
        return bool(self._searches)

    def is_listening(self, name: str) -> bool:
        """Return whether the node's board was abandoned with its link intact, and is only listened
        to."""
        search = self._searches.get(name)
        return search is not None and search.listen is not None

    def search_for(
        self,
        node: Node,
        cycle: Callable[[], None] | None = None,
        delay_s: float = 0.0,
        *,
        at_once: bool = True,
    ) -> None:
        """Start to search for a board, in place of any earlier search.

        `cycle` (its power cycle) is called first, after `delay_s`, in the search's thread; not
        `at_once`, only when the board has not returned in the time of a boot. It is called again,
        with exponential back-off, while the board stays absent."""
        self.forget(node)
        node.link.detach(node.link.silence)
        self._begin(_Search(node, None, cycle, delay_s, at_once))

    def listen_to(self, node: Node) -> None:
        """Notice when a board that was abandoned starts again, or disappears and returns."""
        self.forget(node)
        self._begin(_Search(node, node.link.release("given up; listened to"), None))

    def _begin(self, search: _Search) -> None:
        self._searches[search.node.name] = search
        search.thread = threading.Thread(
            target=self._run_search,
            args=(search,),
            name=f"hil seeks {search.node.name}",
            daemon=True,
        )
        search.thread.start()

    def forget(self, node: Node) -> None:
        """End the search for a board. Its thread is not joined, because it may be in a power cycle;
        a transport that it still opens is closed."""
        search = self._searches.pop(node.name, None)
        if search is not None:
            search.stop.set()
            self._ending = [s for s in self._ending if s.thread is not None and s.thread.is_alive()]
            self._ending.append(search)

    def _drained(self) -> list[_StateChange | tuple[_Search, Reconnection]]:
        reports: list[_StateChange | tuple[_Search, Reconnection]] = []
        while not self._reports.empty():
            with contextlib.suppress(Empty):
                reports.append(self._reports.get_nowait())
        return reports

    def take_reconnected(self) -> list[Reconnection]:
        """Return the boards that have returned since the last call, and end their searches. Updates
        the link states of all boards that are searched for."""
        reconnections: list[Reconnection] = []
        if self._reports.empty():
            return reconnections
        self._arrived.clear()
        for report in self._drained():
            if isinstance(report, _StateChange):
                if self._is_current(report.search):
                    link = report.search.node.link
                    link.statistics.chatter_bytes += report.chatter
                    link.status.enter(report.state, report.reason, report.at_us)
                continue
            search, reconnection = report
            if self._is_current(search):
                del self._searches[reconnection.node.name]
                reconnections.append(reconnection)
            else:
                reconnection.transport.close()
        return reconnections

    def _is_current(self, search: _Search) -> bool:
        return self._searches.get(search.node.name) is search

    def wait(self, timeout_s: float) -> bool:
        """Wait up to `timeout_s` for a board to return; return whether one has."""
        return self._clock.wait(self._arrived, timeout_s * 1e6)

    def close(self) -> None:
        """End all searches. A thread that hangs in opening a port ends when that fails; one that
        cycles the power of a board is waited for, until the board has power again."""
        searches = [*self._searches.values(), *self._ending]
        for search in searches:
            search.stop.set()
        end_us = self._clock.now_us() + _CYCLE_MAX_S * 1e6
        for search in searches:
            if search.thread is not None:
                search.thread.join(_CLOSING_S)
            while search.cycles and self._clock.now_us() < end_us:
                self._clock.sleep_us(_SLICE_S * 1e6)
        self._searches.clear()
        for report in self._drained():
            if not isinstance(report, _StateChange):
                report[1].transport.close()

    # --- in a search's own thread ---------------------------------------------------------------

    def _report(self, search: _Search, state: LinkState, reason: str, chatter: int = 0) -> None:
        self._reports.put(_StateChange(search, self._clock.now_us(), state, reason, chatter))

    def _cycle(self, search: _Search) -> None:
        if search.cycle is None or search.stop.is_set():
            return
        search.cycles = True
        try:
            search.cycle()
        except HilError as error:
            self._report(search, LinkState.LOST, error.message)
        finally:
            search.cycles = False

    def _run_search(self, search: _Search) -> None:
        self._clock.wait(search.stop, search.delay_s * 1e6)
        if search.at_once:
            self._cycle(search)
        patience_s = max(_PATIENCE_S, search.node.capabilities.stated_boot_us / 1e6)
        search.cycle_at_us = self._clock.now_us() + int(patience_s * 1e6)
        transport, pause_s = search.listen, _FIRST_PAUSE_S
        while not search.stop.is_set():
            ask = transport is None
            try:
                if transport is None:
                    transport = search.node.open()
                    self._report(search, LinkState.CONNECTING, "port open")
                    pause_s = _FIRST_PAUSE_S
                answer = self._await_hello(search, transport, ask=ask)
                if answer is not None:
                    decoder, received = answer
                    reconnection = Reconnection(search.node, transport, decoder, received)
                    transport = None  # the loop owns it now
                    self._reports.put((search, reconnection))
                    self._arrived.set()
                    return
            except TransportLost as lost:
                self._report(search, LinkState.LOST, str(lost))
            except HilError as error:
                self._report(search, LinkState.ABSENT, error.message)
            if transport is not None:
                transport.close()
                transport = None
            self._clock.wait(search.stop, pause_s * 1e6)
            pause_s = min(1.5 * pause_s, _PAUSE_MAX_S)
            if self._clock.now_us() >= search.cycle_at_us:
                self._cycle(search)
                patience_s = max(patience_s, min(2 * patience_s, _PATIENCE_MAX_S))
                search.cycle_at_us = self._clock.now_us() + int(patience_s * 1e6)

    def _await_hello(
        self, search: _Search, transport: Transport, *, ask: bool
    ) -> tuple[Decoder, Hello] | None:
        """Wait for a HELLO, and with `ask` request it; return None if the search is to stop."""
        decoder = Decoder(search.node.link.outside)
        ask_at_us, every_us, chatter = self._clock.now_us(), _HELLO_EVERY_US, 0
        while not search.stop.is_set():
            now = self._clock.now_us()
            if search.cycle is not None and now >= search.cycle_at_us:
                raise TransportLost("it did not come up; its power is cycled again")
            if ask and now >= ask_at_us:
                # A sequence number that was not used lately: the agent repeats its answer to one
                # that it knows.
                transport.write(encode(Msg.HELLO, now % 0xFFFF + 1))
                ask_at_us, every_us = now + every_us, min(2 * every_us, _HELLO_EVERY_MAX_US)
            if transport.fd is not None:
                self._clock.readable([transport.fd], _SLICE_S * 1e6)
            try:
                data = transport.read()
            except TransportLost:
                decoder.flush()
                raise
            frames, bad = decoder.push(data)
            chatter += 0 if frames else len(data)
            if bad and decoder.peer_version not in {0, WIRE_VERSION}:
                version = decoder.peer_version
                self._report(
                    search,
                    LinkState.CONNECTING,
                    f"its agent speaks wire version {version}, this hil {WIRE_VERSION}: "
                    "install the same release on both",
                )
            for frame in frames:
                if frame.type == Msg.HELLO | ANSWER:
                    received = hello(frame.payload)
                    search.node.check(received)
                    if ask or received.boot_id != search.node.link.boot_id:
                        self._report(search, LinkState.CONNECTING, "port open", chatter)
                        return decoder, received
        return None
