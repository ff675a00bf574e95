"""The power monitor: reads supplies and detects latch-ups in parallel to the run.

Instruments take milliseconds to seconds to answer, which the loop cannot wait for. Each instrument
has a thread of its own, so that one that hangs, answers nonsense or is unplugged delays no other: a
thread polls the outputs of its instrument in turn, sets the limits that the plant requests, and
queues what it measured. It switches a latched-up board off at once, before it reports it: the
current destroys the chip.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hil.clock import HOST, Clock
from hil.errors import HilError
from hil.rig.power.protocol import (
    LEAST_V,
    PROTECTION_LOST,
    PROTECTION_WORKS,
    OverCurrent,
    Power,
    PowerReading,
)

__all__ = ["PowerEvent", "PowerMonitor"]

_PERIOD_S: Final = 0.25
_BREAK_US: Final = 1000
"""A slow instrument is polled without a pause, but for those who wait to switch it."""
_RECORD_EVERY: Final = 2
"""A board is protected by each poll, and recorded by every second one."""
_READINGS_MAX: Final = 1000
_CLOSING_S: Final = 5.0
_REST_US: Final = (250_000, 2_000_000)
"""How long an output that failed is left alone: as long as the failure took, within these."""
_UNPROTECTED_US: Final = 2_000_000
"""A board whose current was last seen so long ago has no over-current protection."""
_REASONS_MAX: Final = 5
"""How many reasons of one failure are reported: nonsense may be another each time."""
_NOTHING: Final = PowerReading(None, None)


@dataclass(frozen=True, slots=True)
class PowerEvent:
    """One measurement of a node's power, with its time on the host's clock [us]. `cut`: the board
    drew its limit and was switched off; `error`: why the instrument failed, or what it does not do
    any more; `note`: what else is to be known, such as that it works again."""

    node: str
    at_us: int
    reading: PowerReading
    cut: OverCurrent | None = None
    error: str = ""
    note: str = ""


class PowerMonitor:
    """Monitors the supplies in `powers`. Without supplies it has no thread and does nothing. The
    loop's thread calls its methods; they never wait for an instrument, except `check` and
    `close`."""

    def __init__(
        self, powers: Sequence[Power], period_s: float = _PERIOD_S, clock: Clock = HOST
    ) -> None:
        self._clock = clock
        self._powers = {power.node: power for power in powers}
        self._period_s = period_s
        # Old readings may be dropped if they are not taken for long; cuts and failures may not.
        self._readings: deque[PowerEvent] = deque(maxlen=_READINGS_MAX)
        self._incidents: deque[PowerEvent] = deque()
        self._wanted: dict[str, tuple[float | None, float | None]] = {}
        self._watts: dict[str, float] = {}
        self._guard = threading.Lock()
        self._wakes: dict[str, threading.Event] = {}  # by instrument
        self._ended = threading.Event()
        self._failed: dict[str, set[str]] = {}  # the reasons of the present failure of a node
        self._seen_us: dict[str, int] = {}
        self._polls: dict[str, int] = {}
        self._rests_until_us: dict[str, int] = {}
        self._threads: list[threading.Thread] = []
        self._why_off: dict[str, str] = {}

    def check(self) -> None:
        """Check all supplies. Raises: SetupError if one cannot be used."""
        for power in self._powers.values():
            power.check()

    def start(self) -> None:
        """Start the threads, one for each instrument. Idempotent."""
        if self._threads:
            return
        groups: dict[str, list[Power]] = {}
        for power in self._powers.values():
            groups.setdefault(power.instrument, []).append(power)
            self._seen_us[power.node] = self._clock.now_us()
        self._wakes = {instrument: threading.Event() for instrument in groups}
        for instrument, powers in groups.items():
            thread = threading.Thread(
                target=self._run, args=(powers, self._wakes[instrument]), name="hil power"
            )
            thread.daemon = True
            self._threads.append(thread)
            thread.start()

    def limit(self, node: str, volts: float | None, amps: float | None) -> None:
        """Request a voltage [V] and a current limit [A] of the supply of `node`; None leaves a
        value as it is. The thread sets them; a request replaces one that is still pending. Does
        nothing for a node without a supply."""
        if node in self._powers:
            with self._guard:
                self._wanted[node] = (volts, amps)
            self._wake(node)

    def limit_power(self, node: str, watts: float) -> None:
        """Request a current limit that corresponds to `watts` [W] at the present voltage: a board
        that draws this power has a latch-up. Otherwise as `limit`."""
        if node in self._powers:
            with self._guard:
                self._watts[node] = watts
            self._wake(node)

    def take(self) -> list[PowerEvent]:
        """Return the events since the last call, in order of time: every cut and failure, and the
        newest thousand readings. A node that an instrument is to protect, and has not answered for
        2 s, is reported without waiting for the end of its request."""
        if not self._powers:
            return []
        self._report_overdue()
        taken = [*_drained(self._readings), *_drained(self._incidents)]
        return sorted(taken, key=lambda event: event.at_us)

    def why_off(self, node: str) -> str:
        """Return why the supply of a node has switched it off by itself; empty if it has not."""
        with self._guard:
            return self._why_off.get(node, "")

    def is_back(self, node: str) -> None:
        """Note that the board of a node answers again: its supply is on."""
        with self._guard:
            self._why_off.pop(node, None)

    def close(self) -> None:
        """End the threads. The supplies stay as they are."""
        self._ended.set()
        for wake in self._wakes.values():
            wake.set()
        for power in self._powers.values():
            power.cut_short()
        end_us = self._clock.now_us() + _CLOSING_S * 1e6
        for thread in self._threads:
            thread.join(max(0.0, (end_us - self._clock.now_us()) / 1e6))
        self._threads = []

    def _wake(self, node: str) -> None:
        wake = self._wakes.get(self._powers[node].instrument)
        if wake is not None:
            wake.set()

    def _report_overdue(self) -> None:
        now_us = self._clock.now_us()
        for node, power in self._powers.items():
            with self._guard:
                silent_us = now_us - self._seen_us.get(node, now_us)
                if (
                    silent_us < _UNPROTECTED_US
                    or not power.protects
                    or node in self._failed
                    or self._ended.is_set()
                ):
                    continue
                self._failed[node] = set()
            error = f"{_lost(power)}: no measurement for {_UNPROTECTED_US // 1_000_000} s"
            self._incidents.append(PowerEvent(node, now_us, _NOTHING, error=error))

    # --- the thread of one instrument -------------------------------------------------------------

    def _run(self, powers: Sequence[Power], wake: threading.Event) -> None:
        while not self._ended.is_set():
            began_us = self._clock.now_us()
            for power in powers:
                if self._ended.is_set():
                    return
                if self._clock.now_us() >= self._rests_until_us.get(power.node, 0):
                    self._poll(power)
            took_us = self._clock.now_us() - began_us
            self._clock.wait(wake, max(_BREAK_US, self._period_s * 1e6 - took_us))
            wake.clear()

    def _poll(self, power: Power) -> None:
        began_us, node = self._clock.now_us(), power.node
        try:
            self._set_limits(power)
            result = power.poll()
        except HilError as error:
            self._report_failure(power, error.message, began_us)
            return
        now_us = self._clock.now_us()
        with self._guard:
            failed = self._failed.pop(node, None) is not None
            self._seen_us[node] = now_us
            if result.cut is not None or result.fault:
                self._why_off[node] = result.fault if result.cut is None else result.cut.text
            elif result.reading.volts is not None and result.reading.volts > LEAST_V:
                self._why_off.pop(node, None)  # it gives power: a silence now has another cause
        if failed:
            works = f"{PROTECTION_WORKS} on node {node}"
            note = works if power.protects else f"node {node}: {power.title} works again"
            self._incidents.append(PowerEvent(node, now_us, result.reading, note=note))
        reading = result.reading
        event = PowerEvent(node, now_us, reading, result.cut, error=result.fault)
        self._polls[node] = self._polls.get(node, 0) + 1
        if result.cut is not None or result.fault:
            self._incidents.append(event)
        elif (reading.volts is not None or reading.amps is not None) and (
            self._polls[node] % _RECORD_EVERY == 1
        ):
            self._readings.append(event)

    def _set_limits(self, power: Power) -> None:
        """Set the limits that are requested. A request whose setting fails stays pending."""
        node = power.node
        with self._guard:
            wanted = self._wanted.pop(node, None)
            watts = self._watts.pop(node, None)
        try:
            if wanted is not None:
                power.limit(*wanted)
                wanted = None
            if watts is not None:
                volts = power.read().volts
                if volts is not None and volts > LEAST_V:
                    power.limit(None, watts / volts)
                    watts = None
        finally:
            with self._guard:
                if wanted is not None:
                    self._wanted.setdefault(node, wanted)
                if watts is not None:  # its output is off: the limit is set when it is on
                    self._watts.setdefault(node, watts)

    def _report_failure(self, power: Power, message: str, began_us: int) -> None:
        node, now_us = power.node, self._clock.now_us()
        least_us, most_us = _REST_US
        rest_us = min(max(now_us - began_us, least_us), most_us)
        self._rests_until_us[node] = now_us + min(rest_us, round(self._period_s * 10e6))
        with self._guard:
            goes_on = node in self._failed
            reasons = self._failed.setdefault(node, set())
            is_known = message in reasons or len(reasons) >= _REASONS_MAX
            if not is_known:
                reasons.add(message)
        if is_known:  # report each reason once
            return
        if goes_on:  # the failure was reported already: this is why, or another reason for it
            event = PowerEvent(node, now_us, _NOTHING, note=message)
        else:
            text = f"{_lost(power)}: {message}" if power.protects else message
            event = PowerEvent(node, now_us, _NOTHING, error=text)
        self._incidents.append(event)


def _lost(power: Power) -> str:
    return f"{PROTECTION_LOST} on node {power.node}"


def _drained(events: deque[PowerEvent]) -> list[PowerEvent]:
    return [events.popleft() for _ in range(len(events))]
