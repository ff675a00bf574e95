"""The power monitor: reads supplies and detects latch-ups in parallel to the run.

Instruments take milliseconds to seconds to answer, which the loop cannot wait for: a thread polls
them in turn, sets the limits that the plant requests, and queues what it measured. The thread
switches a latched-up board off at once, before it reports it: the current destroys the chip.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hil.clock import HOST, Clock
from hil.errors import HilError
from hil.rig.power.protocol import LEAST_V, OverCurrent, Power, PowerReading

_PERIOD_S: Final = 0.5
_READINGS_MAX: Final = 1000
_CLOSING_S: Final = 5.0
_REST: Final = 10
_REST_MAX_US: Final = 60_000_000


@dataclass(frozen=True, slots=True)
class PowerEvent:
    """One measurement of a node's power, with its time on the host's clock [us]. `cut`: the board
    drew its limit and was switched off; `error`: why the instrument failed."""

    node: str
    at_us: int
    reading: PowerReading
    cut: OverCurrent | None = None
    error: str = ""


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
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._failed: dict[str, str] = {}
        self._rests_until_us: dict[str, int] = {}
        self._thread: threading.Thread | None = None

    def check(self) -> None:
        """Raise SetupError if a supply cannot be used."""
        for power in self._powers.values():
            power.check()

    def start(self) -> None:
        """Start the thread. Idempotent."""
        if self._powers and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="hil power", daemon=True)
            self._thread.start()

    def limit(self, node: str, volts: float | None, amps: float | None) -> None:
        """Request a voltage [V] and a current limit [A] of the supply of `node`; None leaves a
        value as it is. The thread sets them; a request replaces one that is still pending. Does
        nothing for a node without a supply."""
        if node in self._powers:
            with self._guard:
                self._wanted[node] = (volts, amps)
            self._wake.set()

    def limit_power(self, node: str, watts: float) -> None:
        """Request a current limit that corresponds to `watts` [W] at the present voltage: a board
        that draws this power has a latch-up. Otherwise as `limit`."""
        if node in self._powers:
            with self._guard:
                self._watts[node] = watts
            self._wake.set()

    def take(self) -> list[PowerEvent]:
        """Return the events since the last call, in order of time: every cut and failure, and the
        newest thousand readings."""
        taken = [*_drained(self._readings), *_drained(self._incidents)]
        return sorted(taken, key=lambda event: event.at_us)

    def close(self) -> None:
        """End the thread. The supplies stay as they are."""
        self._ended.set()
        self._wake.set()
        for power in self._powers.values():
            power.cut_short()
        if self._thread is not None:
            self._thread.join(_CLOSING_S)
            self._thread = None

    def _run(self) -> None:
        while not self._ended.is_set():
            for node, power in self._powers.items():
                if self._ended.is_set():
                    return
                if self._clock.now_us() >= self._rests_until_us.get(node, 0):
                    self._poll(node, power)
            self._clock.wait(self._wake, self._period_s * 1e6)
            self._wake.clear()

    def _poll(self, node: str, power: Power) -> None:
        began_us = self._clock.now_us()
        try:
            with self._guard:
                wanted = self._wanted.pop(node, None)
                watts = self._watts.pop(node, None)
            if wanted is not None:
                power.limit(*wanted)
            if watts is not None:
                volts = power.read().volts
                if volts is not None and volts > LEAST_V:
                    power.limit(None, watts / volts)
                else:  # the output is off: the limit is set when it is on
                    with self._guard:
                        self._watts.setdefault(node, watts)
            cut = power.watch()
            reading = power.read()
        except HilError as error:
            # A supply that does not answer costs a time-out, in which no latch-up of another board
            # is detected: poll it less often.
            cost_us = self._clock.now_us() - began_us
            self._rests_until_us[node] = self._clock.now_us() + min(_REST * cost_us, _REST_MAX_US)
            if self._failed.get(node) != error.message:  # report each failure once
                self._failed[node] = error.message
                nothing = PowerReading(None, None)
                self._incidents.append(
                    PowerEvent(node, self._clock.now_us(), nothing, error=error.message)
                )
            return
        self._failed.pop(node, None)
        event = PowerEvent(node, self._clock.now_us(), reading, cut)
        if cut is not None:
            self._incidents.append(event)
        elif reading.volts is not None or reading.amps is not None:
            self._readings.append(event)


def _drained(events: deque[PowerEvent]) -> list[PowerEvent]:
    return [events.popleft() for _ in range(len(events))]
