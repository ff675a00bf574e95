"""Watching all links at once: which agents answer, since when each runs, which ports get lost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hil.errors import SetupError
from hil.rig.bench_test.board_links import BoardLinks, BoardUnderTest
from hil.rig.link import request_bytes
from hil.wire import decoding
from hil.wire.messages import ANSWER, Msg

__all__ = ["LinkWatch", "Sighting"]

_ASK_EVERY_US: Final = 250_000
_REOPEN_EVERY_US: Final = 200_000
_SLACK_US: Final = 500_000


@dataclass(frozen=True, slots=True)
class Sighting:
    """An answer of an agent: when it arrived on the host's clock [us], and which start of the agent
    it shows."""

    at_us: int
    boot_id: int
    uptime_us: int

    def is_same_start(self, earlier: Sighting) -> bool:
        """Return whether the agent has run all the time since `earlier`. A boot id alone does not
        show it: a board without a source of random numbers may have one for all starts."""
        elapsed_us = self.at_us - earlier.at_us
        return self.boot_id == earlier.boot_id and self.uptime_us + _SLACK_US > elapsed_us


class LinkWatch:
    """Asks the agents of `boards` who they are, again and again, and opens lost ports again.

    `sightings` has the latest answer of each board, `lost` the boards whose port got lost since
    `forget`. Not thread-safe."""

    def __init__(self, links: BoardLinks, boards: Sequence[BoardUnderTest]) -> None:
        self._links = links
        self._boards = tuple(boards)
        self.clock = links.clock
        self.sightings: dict[str, Sighting] = {}
        self.lost: set[str] = set()

    def forget(self) -> None:
        """Forget all answers and losses so far."""
        self.sightings.clear()
        self.lost.clear()

    def was_seen_after(self, name: str, since_us: int) -> bool:
        """Return whether a board has answered after this time."""
        sighting = self.sightings.get(name)
        return sighting is not None and sighting.at_us > since_us

    def watch(self, duration_us: int, done: Callable[[], bool] = lambda: False) -> bool:
        """Watch until `done`, or for `duration_us`; return whether it is done."""
        now = ask_at = reopen_at = self.clock.now_us()
        end = now + duration_us
        while not done():
            if now >= end:
                return False
            if now >= reopen_at:
                self._reopen()
                reopen_at = now + _REOPEN_EVERY_US
            if now >= ask_at:
                self._ask()
                ask_at = now + _ASK_EVERY_US
            self._read(min(ask_at, reopen_at, end) - now)
            now = self.clock.now_us()
        return True

    def _connected(self) -> list[BoardUnderTest]:
        return [board for board in self._boards if board.node.link.connected]

    def _reopen(self) -> None:
        for board in self._boards:
            if not board.node.link.connected:
                with contextlib.suppress(SetupError):  # it may come back later
                    self._links.open(board)

    def _ask(self) -> None:
        for board in self._connected():
            request = request_bytes(Msg.HELLO, self._links.requests.next_seq())
            board.node.link.send(request, Msg.HELLO)
            self._note_loss(board)

    def _read(self, wait_us: int) -> None:
        boards = self._connected()
        fds = [t.fd for b in boards if (t := b.node.link.transport) and t.fd is not None]
        self.clock.readable(fds, wait_us)
        for board in boards:
            frames, _ = board.node.link.receive()
            self._note_loss(board)
            for frame in frames:
                if frame.type == Msg.HELLO | ANSWER:  # an announcement of a start is one, too
                    hello = decoding.hello(frame.payload)
                    now = self.clock.now_us()
                    self.sightings[board.name] = Sighting(now, hello.boot_id, hello.uptime_us)

    def _note_loss(self, board: BoardUnderTest) -> None:
        if not board.node.link.connected:
            self.lost.add(board.name)
