"""The power monitor: reads supplies and looks for latch-ups beside the run.

Instruments take milliseconds to seconds to answer, and the loop has none of that: a thread asks
them in turn, carries out limits that the plant wants, and tells what it saw. A latch-up is cut off
by the thread at once, before anybody is told: the chip is burning.
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
    """What was seen of the power of a node, and when, on the host's clock. `cut`: it drew its limit
    and was cut off; `error`: the instrument failed, and how."""

    node: str
    at_us: int
    reading: PowerReading
    cut: OverCurrent | None = None
    error: str = ""


class PowerMonitor:
    """Watches the supplies in `powers`, by node. Without any it does nothing, and has no thread."""

    def __init__(
        self, powers: Sequence[Power], period_s: float = _PERIOD_S, clock: Clock = HOST
    ) -> None:
        self._clock = clock
        self._powers = {power.node: power for power in powers}
        self._period_s = period_s
        # Old readings may be dropped if nobody asks for long; cuts and failures may not.
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
        """SetupError if one of them could not be used."""
        for power in self._powers.values():
            power.check()

    def start(self) -> None:
        """Begin to watch."""
        if self._powers and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="hil power", daemon=True)
            self._thread.start()

    def limit(self, node: str, volts: float | None, amps: float | None) -> None:
        """Let the supply of `node` give these (None: as it is). Done beside the run; what was
        wanted before and not done yet is forgotten. Nodes without a supply have no limits."""
        if node in self._powers:
            with self._guard:
                self._wanted[node] = (volts, amps)
            self._wake.set()

    def limit_power(self, node: str, watts: float) -> None:
        """Let the supply of `node` give no more than `watts` at the voltage that it gives: a board
        that draws them has a latch-up. Otherwise as `limit`."""
        if node in self._powers:
            with self._guard:
                self._watts[node] = watts
            self._wake.set()

    def take(self) -> list[PowerEvent]:
        """What was seen since this was asked last, in order of time: every cut and failure, and
        the newest thousand readings."""
        taken = [*_drained(self._readings), *_drained(self._incidents)]
        return sorted(taken, key=lambda event: event.at_us)

    def close(self) -> None:
        """Watch no longer. The supplies stay as they are."""
        self._ended.set()
        self._wake.set()
        for power in self._powers.values():
            power.hurry()
        if self._thread is not None:
            self._thread.join(_CLOSING_S)
            self._thread = None

    def _run(self) -> None:
        while not self._ended.is_set():
            for node, power in self._powers.items():
                if self._ended.is_set():
                    return
                if self._clock.now_us() >= self._rests_until_us.get(node, 0):
                    self._look(node, power)
            self._clock.wait(self._wake, self._period_s * 1e6)
            self._wake.clear()

    def _look(self, node: str, power: Power) -> None:
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
                else:  # it is off: asked again when it is on
                    with self._guard:
                        self._watts.setdefault(node, watts)
            cut = power.watch()
            reading = power.read()
        except HilError as error:
            # One that is gone costs its time-out each time, in which no latch-up of others is seen.
            cost_us = self._clock.now_us() - began_us
            self._rests_until_us[node] = self._clock.now_us() + min(_REST * cost_us, _REST_MAX_US)
            if self._failed.get(node) != error.message:  # once, not twice a second
                self._failed[node] = error.message
                nothing = PowerReading(None, None)
                self._incidents.append(
                    PowerEvent(node, self._clock.now_us(), nothing, error=error.message)
                )
            return
        self._failed.pop(node, None)
        seen = PowerEvent(node, self._clock.now_us(), reading, cut)
        if cut is not None:
            self._incidents.append(seen)
        elif reading.volts is not None or reading.amps is not None:
            self._readings.append(seen)


def _drained(events: deque[PowerEvent]) -> list[PowerEvent]:
    return [events.popleft() for _ in range(len(events))]
