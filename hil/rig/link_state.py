"""How a link stands: explicit states with reason, count and age, and the events of their changes.

                 port opened                agent said HELLO
      ABSENT -----------------> CONNECTING -----------------> CONNECTED
        ^                        |      ^                         |
        | port cannot be opened  |      | port opened             | port gone, or silence
        |                        v      |                         v
        +----------------------- L O S T <------------------------+

    from          to          on                                  by
    ABSENT, LOST  CONNECTING  the port could be opened            Link.attach
    CONNECTING    CONNECTED   the agent said who it is            Link.greeted
    CONNECTED     LOST        the port is gone, or nobody answers Link.detach
    CONNECTING    LOST        the port is gone again              Link.detach
    any           ABSENT      the port cannot be opened           Attendant

Per state: ABSENT there is no port, or it is not for us (the reason says why); CONNECTING bytes may
come that are no frames (a board that boots talks to its console); CONNECTED the agent has answered;
LOST it had, or nearly, and the reason says how it ended. No state is final: who looks for a lost
board (hil.rig.reconnect) never gives up.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from hil.clock import HOST, Clock

_EVENTS_KEPT: Final = 1000


class LinkState(enum.Enum):
    ABSENT = "absent"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """A change of state, and when, on the host's clock."""

    node: str
    at_us: int
    state: LinkState
    reason: str


@dataclass(slots=True)
class Standing:
    """Where a link stands. `count`: how often it has come into this state; `tries`: how often it
    was tried in vain to leave it; `since_us`: since when it is in it."""

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
        return self.counts[self.state]

    @property
    def age_us(self) -> int:
        return self.clock.now_us() - self.since_us

    def become(self, state: LinkState, reason: str, at_us: int | None = None) -> None:
        """A state, or once more the one it is in: then only another reason is an event."""
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

    def note(self, what: str) -> None:
        """Something to tell that changes no state (the line's rate)."""
        self._events.append(LinkEvent(self.node, self.clock.now_us(), self.state, what))

    def take_events(self) -> list[LinkEvent]:
        """What has changed since this was asked last."""
        if not self._events:
            return []
        taken = list(self._events)
        self._events.clear()
        return taken
