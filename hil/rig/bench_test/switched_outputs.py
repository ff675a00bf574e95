"""The outputs that a test switches: whatever happens, each is given back as it was found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hil.clock import Clock
from hil.errors import SetupError
from hil.rig.power import Power

__all__ = ["SwitchedOutputs"]

_TRIES: Final = 3
_PAUSE_US: Final = 500_000


class SwitchedOutputs:
    """Switches supplies, and remembers what is to be undone. `announce` gets a sentence about each
    switching. Not thread-safe: one output is switched at a time."""

    def __init__(self, clock: Clock, announce: Callable[[str], None]) -> None:
        self._clock = clock
        self._announce = announce
        self._found_off: dict[str, Power] = {}
        self._off: dict[str, Power] = {}

    def take(self, power: Power) -> bool | None:
        """Note the state of an output before it is switched; return whether it gives power, None if
        that cannot be known. Raises: SetupError if the supply cannot be used."""
        power.check()
        is_on = power.gives_power()
        if is_on is False:
            self._found_off[power.node] = power
        return is_on

    def off(self, power: Power) -> None:
        """Switch an output off. Raises: SetupError."""
        self._off[power.node] = power  # before: an error does not say what has happened
        self._announce(f"{power.node}: power off ({power.title})")
        power.off()

    def on(self, power: Power) -> None:
        """Switch an output on. Raises: SetupError."""
        self._announce(f"{power.node}: power on")
        power.on()
        self._off.pop(power.node, None)

    def restore(self) -> list[tuple[Power, SetupError]]:
        """Switch on what is off and was not found so, and off what was. Each is tried several
        times; return the supplies that failed all the same, with the error. Never raises."""
        failed: list[tuple[Power, SetupError]] = []
        for name, power in list(self._off.items()):
            if name not in self._found_off:
                self._undo(power, power.on, failed)
        for power in self._found_off.values():
            self._undo(power, power.off, failed)
        self._off.clear()
        self._found_off.clear()
        return failed

    def _undo(
        self, power: Power, do: Callable[[], None], failed: list[tuple[Power, SetupError]]
    ) -> None:
        for attempt in range(1, _TRIES + 1):
            try:
                do()
            except SetupError as error:
                if attempt == _TRIES:
                    failed.append((power, error))
                else:
                    self._clock.sleep_us(_PAUSE_US)
            else:
                return
