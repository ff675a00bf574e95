"""The exchange: carry out calls on several links at once, the only place that waits for boards.

Silence and NAKs make a call send its request again; a board that gives no sign of life for long
enough ends its call with a Silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hil.clock import Clock
from hil.errors import VersionMismatch
from hil.kernel import WIRE_VERSION
from hil.rig.calls import Call, Rebooted, Silence, Timing
from hil.rig.link import Link
from hil.wire import decoding
from hil.wire.messages import ANSWER, Hello, Msg

_HIL_ERR_VERSION: Final = -5
_IMMEDIATE_TRIES: Final = 4
_TIMED: Final = (Msg.HELLO, Msg.HEALTH)
_POLLS: Final = (Msg.HEALTH,)
"""Requests with which no silence begins, as they are waited for less than a step: one that a bad
line has swallowed would keep the next upset from its board."""

_LATE_US: Final = 1_000
"""Tolerance of a wait: timer resolution and the work between two waits. Only time beyond it counts
as time in which the links were not read."""

_QUIET_US: Final = 2_000
"""A request is repeated when the line has been quiet for this long after a damaged frame: two byte
times at the slowest rate. Noise before every transmission damages no frame; if it made the host
repeat the request at once, every request would be answered twice."""

_SPACED_AFTER: Final = 8
_QUIET_MAX_US: Final = 128_000
"""After `_SPACED_AFTER` consecutive damaged transmissions, or NAKs, requests are sent with
exponential back-off up to this interval."""

_IN_FRAME_US: Final = 30_000
"""The same quiet time while a frame is arriving: USB adapters buffer bytes for 16 ms."""


@dataclass(slots=True)
class _Wait:
    call: Call
    retry_at_us: int
    retry_us: int
    alive_at_us: int
    understood_at_us: int
    """As `alive_at_us`, but without NAKs, which only report that the line is bad."""
    began_us: int
    first_us: int
    spacing_max_us: int
    noisy: bool = False
    """A damaged frame or a NAK arrived: the board is alive, so the retry is not slowed down."""
    quiet_at_us: int = 0
    """When the line counts as quiet after a damaged frame; 0: no frame was damaged."""
    tries: int = 0
    silent: int = 0
    """Consecutive tries that an immediate transport left unanswered."""
    busy_since_us: int = 0
    """Since when the board has answered nothing but busy; 0: it is not busy."""
    moved_on: bool = False
    """Part of the answer has arrived since this was last set to False."""
    corrupted: int = 0
    """Consecutive tries that were caused by damaged frames."""
    damaged: int = 0
    """Damaged frames and NAKs: both ends are alive, and the line corrupts what they send."""

    @property
    def spacing_us(self) -> int:
        """Return how long to leave a line alone that keeps damaging frames [us]."""
        over = self.corrupted - _SPACED_AFTER
        return 0 if over < 0 else min(_QUIET_US << min(over, 16), self.spacing_max_us)

    @property
    def due_us(self) -> int:
        """Return when the request is sent again if nothing more arrives."""
        return min(self.retry_at_us, self.quiet_at_us) if self.noisy else self.retry_at_us

    def put_off(self, duration_us: int) -> None:
        """Extend all deadlines by the time in which the host did not read the link: that was not
        the board's silence."""
        self.retry_at_us += duration_us
        self.alive_at_us += duration_us
        self.understood_at_us += duration_us


def _check_version(link: Link, bad: int) -> None:
    """Check the wire version of a frame that was dropped. Raises: VersionMismatch if it is another
    one."""
    if bad == _HIL_ERR_VERSION:
        raise VersionMismatch(
            f"node {link.name}: its agent speaks wire version {link.decoder.peer_version}, "
            f"this hil speaks {WIRE_VERSION}",
            remedy="install the same release of hil on the host and of hil-agent on the board",
        )


def _accept_announcement(call: Call, announced: Hello) -> None:
    """Accept an agent's announcement of a start: a new one, or an old one that was delayed."""
    if announced.boot_id == call.link.boot_id:
        call.link.statistics.stale += 1
    else:
        call.result = Rebooted(announced)


def _read_link(wait: _Wait, now_us: int) -> bool:
    """Read what arrived on the call's link. Returns whether anything did."""
    call, link = wait.call, wait.call.link
    bytes_before = link.statistics.rx_bytes
    frames, bad = link.receive()
    for frame in frames:
        if call.result is not None:
            link.statistics.stale += 1
        elif call.accept(frame):
            wait.alive_at_us = wait.understood_at_us = now_us
            wait.busy_since_us = (wait.busy_since_us or now_us) if call.busy else 0
            wait.corrupted = 0
            wait.moved_on = not call.busy
            link.unanswered_since_us = 0
            link.round_trip_us = now_us - wait.began_us
            if call.sent_us and not wait.tries:
                call.answered_us = link.clock.now_us()
        elif frame.type == Msg.NAK:
            link.statistics.naks += 1
            wait.alive_at_us = now_us
            wait.damaged += 1
            wait.noisy = True  # the board received noise: repeat the request
        elif frame.type == Msg.HELLO | ANSWER and frame.seq == 0 and call.type != Msg.HELLO:
            _accept_announcement(call, decoding.hello(frame.payload))
        else:
            link.statistics.stale += 1
    if bad and call.result is None:
        _check_version(link, bad)
        wait.damaged += 1
        wait.noisy = True  # the answer may be lost in noise: repeat the request
    if wait.noisy and link.statistics.rx_bytes > bytes_before:
        quiet_us = _IN_FRAME_US if link.decoder.in_frame else _QUIET_US
        wait.quiet_at_us = now_us + max(quiet_us, wait.spacing_us)
    return bool(frames) or bool(bad)


def _repeat(wait: _Wait, now_us: int) -> None:
    wait.call.link.statistics.retries += 1
    wait.tries += 1
    wait.corrupted += wait.noisy
    wait.call.repeat()
    later_us = min(2 * wait.retry_us, 1_000_000)
    wait.retry_us = max(wait.first_us, wait.spacing_us) if wait.noisy else later_us
    wait.noisy = False
    wait.retry_at_us = now_us + wait.retry_us


@dataclass(slots=True)
class _ReadTimes:
    """Measures for how long the host did not read its links because it was busy [us]."""

    last_read_us: int
    unread_us: int = 0

    def wait(self, clock: Clock, fds: Sequence[int], until_us: int) -> list[int]:
        """Wait until a descriptor can be read, or until `until_us`; return those that can."""
        before_us = clock.now_us()
        self.unread_us += max(0, before_us - self.last_read_us - _LATE_US)
        ready = clock.readable(fds, until_us - before_us)
        self.last_read_us = clock.now_us()
        self.unread_us += max(0, self.last_read_us - max(before_us, until_us) - _LATE_US)
        return ready


def run_calls(calls: Sequence[Call], timing: Timing) -> int:
    """Carry out calls on different links side by side until each has a result.

    Returns how long [us] the host did not read the links meanwhile, because something else kept it
    busy. Must be called by one thread at a time for any one link.

    Raises: VersionMismatch if a board answers in another wire version; everything else is a result.
    """
    if not calls:
        return 0
    clock = calls[0].link.clock  # one rig, one clock
    began_us = clock.now_us()
    for call in calls:
        if call.type in _TIMED:
            call.sent_us = clock.now_us()
        call.begin()
    # Time-outs start when all requests have been sent: sending to the others takes time, too.
    now, retry_us = clock.now_us(), timing.retry_us
    # Frequent enough that its NAKs count as signs of life.
    spacing_max_us = min(_QUIET_MAX_US, timing.lost_after_us // 4)
    waits = [
        _Wait(c, now + retry_us, retry_us, now, now, began_us, retry_us, spacing_max_us)
        for c in calls
    ]
    read_times = _ReadTimes(began_us)
    while waits:
        unread_us = read_times.unread_us
        _poll_links(waits, timing, read_times)
        if read_times.unread_us > unread_us:  # patience is for time in which somebody listened
            for wait in waits:
                wait.put_off(read_times.unread_us - unread_us)
        waits = [w for w in waits if w.call.result is None and not _is_given_up(w, timing)]
    return read_times.unread_us


def _is_given_up(wait: _Wait, timing: Timing) -> bool:
    """Return whether a call has ended without an answer: its result is then a Silence, unless an
    answer was waiting to be read."""
    call, clock = wait.call, wait.call.link.clock
    if wait.busy_since_us and clock.now_us() - wait.busy_since_us >= timing.busy_us:
        busy_us = clock.now_us() - wait.busy_since_us
        call.result = Silence(f"busy for {_duration(busy_us)}", disconnected=False)
        call.link.silence = call.result.reason
        return True
    out_of_patience = clock.now_us() >= _patient_until_us(wait, timing)
    if out_of_patience and call.link.connected:
        # What arrived while the host was kept from reading was in time.
        _read_link(wait, clock.now_us())
        if call.result is not None:
            return True
        out_of_patience = clock.now_us() >= _patient_until_us(wait, timing)
    if not call.link.connected:
        call.result = Silence(call.link.lost_reason, disconnected=True)
    elif out_of_patience or wait.tries > 10_000:
        # In paced runs the time-out is split over several calls: silence began with the first one.
        since_us = call.link.unanswered_since_us or wait.understood_at_us
        if call.type not in _POLLS:
            call.link.unanswered_since_us = since_us
        reason = f"no answer for {_duration(clock.now_us() - since_us)}"
        if wait.damaged:
            reason += f", only damaged frames ({wait.damaged}): a bad line, or no agent"
        call.result = Silence(reason, disconnected=False)
        call.link.silence = reason
    return call.result is not None


def _patient_until_us(wait: _Wait, timing: Timing) -> int:
    return min(
        wait.alive_at_us + timing.lost_after_us,
        wait.understood_at_us + timing.noise_patience * timing.lost_after_us,
    )


def _duration(us: int) -> str:
    """Return a duration as text, rounded for reading."""
    if us < 100_000:
        return f"{max(1, round(us / 1000))} ms"
    return f"{round(us / 1e6, 1 if us < 10_000_000 else 0):g} s"


def _poll_links(waits: list[_Wait], timing: Timing, read_times: _ReadTimes) -> None:
    """Wait until a link can be read or a request is due, read what came, repeat what is due."""
    by_fd: dict[int, _Wait] = {}
    clock = waits[0].call.link.clock  # one rig, one clock
    now = clock.now_us()
    until = now + timing.lost_after_us
    for wait in waits:
        transport = wait.call.link.transport
        if transport is None:
            return
        if transport.fd is not None:
            by_fd[transport.fd] = wait
            until = min(until, wait.due_us, _patient_until_us(wait, timing))
            continue
        # An immediate transport answers within `write` or never, also when it is busy; so the
        # request is repeated at once. Behind the answer to another request, it may still come.
        wait.moved_on = False
        others = _read_link(wait, now) and not wait.noisy and not wait.call.busy
        if not wait.moved_on and wait.call.result is None:
            if others:
                continue
            wait.silent += not wait.noisy
            if wait.silent > _IMMEDIATE_TRIES:
                wait.call.result = Silence("no answer", disconnected=False)
            else:
                _repeat(wait, 0)
            continue
        wait.silent = 0
        if wait.call.result is None and wait.due_us <= now:
            _repeat(wait, now)
    if not by_fd:
        return
    ready = read_times.wait(clock, list(by_fd), until)
    now = clock.now_us()
    for fd in ready:
        _read_link(by_fd[fd], now)
    for wait in by_fd.values():
        if wait.call.result is None and wait.due_us <= now:
            _repeat(wait, now)
