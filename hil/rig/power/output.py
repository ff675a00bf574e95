"""One output of an instrument inside a transaction: its commands and answers, read strictly."""

from __future__ import annotations

import re
from typing import Final

from hil.clock import HOST
from hil.rig.power.dialects import Dialect
from hil.rig.power.visa_session import Garbage, VisaSession

__all__ = ["InstrumentError", "Output"]

_NUMBER: Final = re.compile(
    # TTi answers "V1 5.000" and "5.001V"; any other text is none.
    r"(?:[VI]P?\d?\s+)?([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*[VvAa]?"
)
_NO_NUMBER: Final = 9.9e37
"""SCPI-99, 7.2.1.4: infinity; 9.91e37 is "not a number"."""
_NOT_A_NUMBER: Final = frozenset({"nan", "+nan", "-nan", "inf", "+inf", "-inf", "infinity"})
_ON: Final = frozenset({"1", "+1", "ON"})
_OFF: Final = frozenset({"0", "+0", "-0", "OFF"})
_CLOSE: Final = 0.02
_SETTLE_S: Final = 1.5
"""How long the voltage of an output may take to follow its switch: capacitors discharge."""
_SETTLE_STEP_US: Final = 20_000


class InstrumentError(Exception):
    """An instrument failed: what it did, and a remedy."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


class Output:
    """Output `channel` of an instrument whose `session` is open, for the time of one transaction.

    Raises: NoAnswer or Garbage from its methods if the connection is to be given up,
    InstrumentError if the instrument works and refuses."""

    def __init__(self, session: VisaSession, dialect: Dialect, channel: int) -> None:
        self.session = session
        self.dialect = dialect
        self.channel = channel

    def filled(self, command: str, value: str = "") -> str:
        """Return a command of the dialect with its output and value filled in."""
        return command.format(channel=self.channel, value=value)

    def write(self, command: str, value: str = "") -> None:
        """Send a command of the dialect."""
        self.session.write(self.filled(command, value))

    def number(self, command: str) -> float:
        """Send a query of the dialect and return its answer, a finite number."""
        sent = self.filled(command)
        answer = self.session.query(sent)
        match = _NUMBER.fullmatch(answer)
        if match is None and answer.lower() not in _NOT_A_NUMBER:
            raise Garbage(f"`{sent}` was answered by {answer[:40]!r}; expected a number")
        number = float("nan") if match is None else float(match[1])
        if not abs(number) < _NO_NUMBER:  # NaN, too: it compares as a latch-up
            raise InstrumentError(
                f"`{sent}` was answered by {answer[:40]}: it has measured nothing",
                "look at its display: the output may be off, or a range exceeded",
            )
        return number

    def is_on(self) -> bool:
        """Return whether the output is switched on; by its voltage if the instrument cannot be
        asked."""
        dialect = self.dialect
        if not dialect.is_on:
            return bool(dialect.measure_volts) and self.number(dialect.measure_volts) > 0.5
        sent = self.filled(dialect.is_on)
        if dialect.status_is_byte:
            return bool(self.session.query_byte(sent) & dialect.on_bits[self.channel - 1])
        answer = self.session.query(sent)
        if dialect.on_bits:
            try:
                return bool(int(answer, 0) & dialect.on_bits[self.channel - 1])
            except ValueError:
                raise Garbage(
                    f"`{sent}` was answered by {answer[:40]!r}; expected a hexadecimal number"
                ) from None
        if answer.upper() in _ON:
            return True
        if answer.upper() in _OFF:
            return False
        raise Garbage(f"`{sent}` was answered by {answer[:40]!r}; expected 0 or 1")

    def switch(self, *, on: bool) -> None:
        """Switch the output and read back that it has switched."""
        self.write(self.dialect.on if on else self.dialect.off)
        if not self._follows(on=on):
            raise InstrumentError(
                f"its output did not switch {'on' if on else 'off'}{self.error_text()}",
                "look at its display: a protection may have tripped, or the panel be locked",
            )

    def _follows(self, *, on: bool) -> bool:
        """Return whether the output is switched `on`, or cannot be asked. Where its voltage is all
        that shows it, that gets time to follow."""
        if self.dialect.is_on:
            return self.is_on() == on
        if not self.dialect.measure_volts:
            return True
        end_us = HOST.now_us() + min(_SETTLE_S, self.session.left_s / 2) * 1e6
        while self.is_on() != on:
            if HOST.now_us() >= end_us:
                return False
            HOST.sleep_us(_SETTLE_STEP_US)
        return True

    def set_volts(self, volts: float) -> None:
        """Set the voltage [V] and read it back."""
        self._set(self.dialect.set_volts, self.dialect.volts_text(volts), volts, "V")
        self._read_back(self.dialect.ask_volts, volts, "V")

    def set_amps(self, amps: float) -> None:
        """Set the current limit [A] and read it back."""
        self._set(self.dialect.set_amps, self.dialect.amps_text(amps), amps, "A")
        self._read_back(self.dialect.ask_amps, amps, "A")

    def protect(self, commands: tuple[str, ...], value: str, what: str) -> None:
        """Send the commands of a protection, and see that the instrument knows them."""
        if not commands:
            raise InstrumentError(
                f"{self.dialect.title}: {what} cannot be set", "remove the key from the bench file"
            )
        self.error_text()  # what stands in the queue is not of these commands
        for command in commands:
            self.write(command, value)
        if error := self.error_text():
            raise InstrumentError(
                f"{what} was not taken{error}",
                "does the supply have this output? else remove the key",
            )

    def error_text(self) -> str:
        """Return the supply's own errors for commands that had no effect; empty if it has none."""
        texts: list[str] = []
        for _ in range(5 if self.dialect.error else 0):
            answer = self.session.query(self.dialect.error)
            if answer.lstrip("+-").startswith("0"):
                break
            texts.append(answer[:80])
        return f"; its error queue: {' / '.join(texts)}" if texts else ""

    def _set(self, command: str, text: str, value: float, unit: str) -> None:
        if not command:
            raise InstrumentError(
                f"{value:g} {unit} cannot be set: the command for it is not stated",
                "add it to `commands:`, or remove the value from the bench file",
            )
        self.write(command, text)

    def _read_back(self, query: str, value: float, unit: str) -> None:
        actual = self.number(query)
        if abs(actual - value) > max(_CLOSE * value, 0.005):
            raise InstrumentError(
                f"it was set to {value:g} {unit} and reports {actual:g} {unit}{self.error_text()}",
                f"is {value:g} {unit} within what this output can give?",
            )
