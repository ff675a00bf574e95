"""Link state: explicit states with reason and count, and an event for every change.

                 port opened                agent sent HELLO
      ABSENT -----------------> CONNECTING -----------------> CONNECTED
        ^                        |      ^                         |
        | port cannot be opened  |      | port opened             | port gone, or silence
        |                        v      |                         v
        +----------------------- L O S T <------------------------+

    from          to          on                                  by
    ABSENT, LOST  CONNECTING  the port could be opened            Link.attach
    CONNECTING    CONNECTED   the agent has identified itself     Link.on_hello
    CONNECTED     LOST        the port is gone, or nobody answers Link.detach
    CONNECTING    LOST        the port is gone again              Link.detach
    any           ABSENT      the port cannot be opened           Reconnector

Per state: ABSENT there is no port, or it cannot be opened (the reason says why); CONNECTING bytes
may arrive that are not frames (console output of a board that boots); CONNECTED the agent has
answered; LOST the port was open, and the reason says how the connection ended. No state is final:
the search for a lost board (hil.rig.reconnect) never ends before the run."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from hil.clock import HOST, Clock
from hil.wire.messages import LinkState

_EVENTS_KEPT: Final = 1000


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """A change of a link's state, with its time on the host's clock [us] and the reason."""

    node: str
    at_us: int
    state: LinkState
    reason: str


@dataclass(slots=True)
class LinkStatus:
    """The present state of one link and its history. `count`: how often the link has entered this
    state; `tries`: failed attempts to leave it; `since_us`: when it was entered [us]."""

    node: str
    state: LinkState = LinkState.ABSENT
    reason: str = "not connected"
    since_us: int = field(init=False)
    tries: int = 0
    counts: dict[LinkState, int] = field(default_factory=lambda: dict.fromkeys(LinkState, 0))
    _events: deque[LinkEvent] = field(default_factory=lambda: deque(maxlen=_EVENTS_KEPT))
    clock: Clock = field(default=HOST, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.since_us = self.clock.now_us()

    @property
    def count(self) -> int:
        """Return how often the link has entered its present state."""
        return self.counts[self.state]

    def enter(self, state: LinkState, reason: str, at_us: int | None = None) -> None:
        """Enter a state. Entering the present state again counts as a failed attempt to leave it,
        and is an event only if the reason differs."""
        at_us = self.clock.now_us() if at_us is None else at_us
        if state is self.state and self.counts[state]:
            self.tries += 1
            if reason == self.reason:
                return
        else:
            self.since_us, self.tries = at_us, 0
            self.counts[state] += 1
        self.state, self.reason = state, reason
        self._events.append(LinkEvent(self.node, at_us, state, reason))

    def note(self, what: str, at_us: int | None = None) -> None:
        """Add an event that changes no state, such as a change of the line's rate."""
        at_us = self.clock.now_us() if at_us is None else at_us
        self._events.append(LinkEvent(self.node, at_us, self.state, what))

    @property
    def has_events(self) -> bool:
        """Return whether there are events that nobody has taken."""
        return bool(self._events)

    def take_events(self) -> list[LinkEvent]:
        """Return the events since the last call."""
        taken = list(self._events)
        self._events.clear()
        return taken
