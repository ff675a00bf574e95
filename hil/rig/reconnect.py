"""The reconnector: looks for boards that are away, beside the run, and never gives up.

One thread for each board that is looked for, and none as long as all are there. It opens the port
(by the board's identity, so wherever the adapter is now), says HELLO until the agent answers, and
then hands the open transport over; the loop takes it up between two frames. The others go on voting
meanwhile: nothing here is waited for.

A board that was given up with its link intact is listened to instead: it is back when its agent
announces a new start, or when its port went away and came again.
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
from hil.rig.link_state import LinkState
from hil.rig.node import Node
from hil.rig.transport import Transport, TransportLost
from hil.wire.decoding import hello
from hil.wire.messages import ANSWER, Hello, Msg

_FIRST_PAUSE_S: Final = 0.05
_PAUSE_MAX_S: Final = 1.0
_HELLO_EVERY_US: Final = 250_000
_HELLO_EVERY_MAX_US: Final = 2_000_000
_SLICE_S: Final = 0.1
_PATIENCE_S: Final = 60.0
_PATIENCE_MAX_S: Final = 900.0
"""How long a board may take to boot before its power is cycled again; twice as long each time."""
BOOT_PATIENCE_US: Final = int(_PATIENCE_S * 1e6)
_CLOSING_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Returned:
    """A board that answers again, its open transport, and what has been read of it so far."""

    node: Node
    transport: Transport
    decoder: Decoder
    hello: Hello


@dataclass(frozen=True, slots=True)
class _News:
    """What a search has to say of a link's state."""

    search: _Search
    at_us: int
    state: LinkState
    reason: str
    chatter: int = 0


@dataclass(slots=True, eq=False)
class _Search:
    """A board that is looked for: `listen` is its still open transport, if it is only listened
    to; `cycle` its power cycle, `delay_s` how long it rests before."""

    node: Node
    listen: Transport | None
    cycle: Callable[[], None] | None
    delay_s: float = 0.0
    began_us: int = 0
    cycle_at_us: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None


class Reconnector:
    """Looks for the boards of one rig. All methods are called by the loop's thread."""

    def __init__(self, clock: Clock = HOST) -> None:
        self._clock = clock
        self._searches: dict[str, _Search] = {}
        self._ending: list[_Search] = []
        self._told: SimpleQueue[_News | tuple[_Search, Returned]] = SimpleQueue()
        self._arrived = threading.Event()

    @property
    def looking_for(self) -> frozenset[str]:
        """Names of the nodes that are looked for."""
        return frozenset(self._searches)

    def is_listening(self, name: str) -> bool:
        """Return whether the node's board was given up while it answered, and is listened to."""
        search = self._searches.get(name)
        return search is not None and search.listen is not None

    def sought_us(self, name: str) -> int | None:
        """Return how long [us] the node's board is looked for; None if it is not."""
        search = self._searches.get(name)
        return None if search is None else self._clock.now_us() - search.began_us

    def look_for(
        self, node: Node, cycle: Callable[[], None] | None = None, delay_s: float = 0.0
    ) -> None:
        """Begin to look for a board. `cycle` (its power cycle) is done before, beside the run,
        after a rest of `delay_s`; and again if it stays away, ever more seldom. One that is looked
        for already is looked for anew."""
        self.forget(node)
        node.link.detach(node.link.silence)
        self._begin(_Search(node, None, cycle, delay_s))

    def listen_to(self, node: Node) -> None:
        """Notice when a board that was given up starts anew, or goes and comes back."""
        self.forget(node)
        self._begin(_Search(node, node.link.release("given up; listened to"), None))

    def _begin(self, search: _Search) -> None:
        self._searches[search.node.name] = search
        search.began_us = self._clock.now_us()
        search.thread = threading.Thread(
            target=self._seek, args=(search,), name=f"hil seeks {search.node.name}", daemon=True
        )
        search.thread.start()

    def forget(self, node: Node) -> None:
        """Look for it no longer. Its thread is not waited for: it may be in a power cycle; what it
        still finds is closed."""
        search = self._searches.pop(node.name, None)
        if search is not None:
            search.stop.set()
            self._ending = [s for s in self._ending if s.thread is not None and s.thread.is_alive()]
            self._ending.append(search)

    def _drained(self) -> list[_News | tuple[_Search, Returned]]:
        told: list[_News | tuple[_Search, Returned]] = []
        while not self._told.empty():
            with contextlib.suppress(Empty):
                told.append(self._told.get_nowait())
        return told

    def reconnected(self) -> list[Returned]:
        """The boards that have come back since this was asked last; they are no longer looked for.
        Their links' states are brought up to date."""
        found: list[Returned] = []
        if self._told.empty():
            return found
        self._arrived.clear()
        for told in self._drained():
            if isinstance(told, _News):
                if self._is_current(told.search):
                    link = told.search.node.link
                    link.statistics.chatter_bytes += told.chatter
                    link.standing.become(told.state, told.reason, told.at_us)
            elif self._is_current(told[0]):
                del self._searches[told[1].node.name]
                found.append(told[1])
            else:
                told[1].transport.close()
        return found

    def _is_current(self, search: _Search) -> bool:
        return self._searches.get(search.node.name) is search

    def wait(self, timeout_s: float) -> bool:
        """Wait for a board to come back, at most so long; whether one has."""
        return self._clock.wait(self._arrived, timeout_s * 1e6)

    def close(self) -> None:
        """Look for none any more. A thread that hangs in opening a port ends when that fails."""
        searches = [*self._searches.values(), *self._ending]
        for search in searches:
            search.stop.set()
        for search in searches:
            if search.thread is not None:
                search.thread.join(_CLOSING_S)
        self._searches.clear()
        for told in self._drained():
            if not isinstance(told, _News):
                told[1].transport.close()

    # --- in a search's own thread ---------------------------------------------------------------

    def _tell(self, search: _Search, state: LinkState, reason: str, chatter: int = 0) -> None:
        self._told.put(_News(search, self._clock.now_us(), state, reason, chatter))

    def _cycle(self, search: _Search) -> None:
        if search.cycle is None or search.stop.is_set():
            return
        try:
            search.cycle()
        except HilError as error:
            self._tell(search, LinkState.LOST, error.message)

    def _seek(self, search: _Search) -> None:
        self._clock.wait(search.stop, search.delay_s * 1e6)
        self._cycle(search)
        patience_s = _PATIENCE_S
        search.cycle_at_us = self._clock.now_us() + int(patience_s * 1e6)
        transport, pause_s = search.listen, _FIRST_PAUSE_S
        while not search.stop.is_set():
            greeting = transport is None
            try:
                if transport is None:
                    transport = search.node.open()
                    self._tell(search, LinkState.CONNECTING, "port open")
                    pause_s = _FIRST_PAUSE_S
                told = self._converse(search, transport, greeting=greeting)
                if told is not None:
                    back = Returned(search.node, transport, told[0], told[1])
                    transport = None  # it is the loop's now
                    self._told.put((search, back))
                    self._arrived.set()
                    return
            except TransportLost as lost:
                self._tell(search, LinkState.LOST, str(lost))
            except HilError as error:
                self._tell(search, LinkState.ABSENT, error.message)
            if transport is not None:
                transport.close()
                transport = None
            self._clock.wait(search.stop, pause_s * 1e6)
            pause_s = min(1.5 * pause_s, _PAUSE_MAX_S)
            if self._clock.now_us() >= search.cycle_at_us:
                self._cycle(search)
                patience_s = min(2 * patience_s, _PATIENCE_MAX_S)
                search.cycle_at_us = self._clock.now_us() + int(patience_s * 1e6)

    def _converse(
        self, search: _Search, transport: Transport, *, greeting: bool
    ) -> tuple[Decoder, Hello] | None:
        """Ask for a HELLO (or wait for one) until it comes; None if this shall stop."""
        decoder = Decoder()
        ask_at_us, every_us, heard = self._clock.now_us(), _HELLO_EVERY_US, 0
        while not search.stop.is_set():
            now = self._clock.now_us()
            if search.cycle is not None and now >= search.cycle_at_us:
                raise TransportLost("it did not come up; its power is cycled again")
            if greeting and now >= ask_at_us:
                # A number that no HELLO had lately: the agent would repeat its old answer.
                transport.write(encode(Msg.HELLO, now % 0xFFFF + 1))
                ask_at_us, every_us = now + every_us, min(2 * every_us, _HELLO_EVERY_MAX_US)
            if transport.fd is not None:
                self._clock.readable([transport.fd], _SLICE_S * 1e6)
            data = transport.read()
            frames, bad = decoder.push(data)
            heard += 0 if frames else len(data)
            if bad and decoder.peer_version not in {0, WIRE_VERSION}:
                version = decoder.peer_version
                self._tell(
                    search,
                    LinkState.CONNECTING,
                    f"its agent speaks wire version {version}, this hil {WIRE_VERSION}: "
                    "install the same release on both",
                )
            for frame in frames:
                if frame.type == Msg.HELLO | ANSWER:
                    told = hello(frame.payload)
                    search.node.check(told)
                    if greeting or told.boot_id != search.node.link.boot_id:
                        self._tell(search, LinkState.CONNECTING, "port open", heard)
                        return decoder, told
        return None
