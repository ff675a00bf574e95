"""Bench supplies that speak SCPI, through PyVISA (an extra).

The commands are those of the SCPI-99 instrument class for DC supplies: INST:NSEL, VOLT, CURR, OUTP,
OUTP?, MEAS:VOLT?, MEAS:CURR?, SYST:ERR?. Many supplies of Keysight, Rigol and Rohde & Schwarz have
them. Siglent's SPD series (OUTP CH1,ON, and no OUTP?) and TTi's (V1, I1, OP1) have commands of
their own, which are not supported. Every setting is read back: a supply that accepted the bytes but
not the value is an error.
"""

from __future__ import annotations

from typing import Any, Final

from hil.errors import SetupError
from hil.extras import install_command
from hil.rig.power.protocol import OverCurrent, Power, PowerReading
from hil.scenario.supply import SupplyConfig

_LATCHED: Final = 0.98
"""Fraction of the current limit that counts as the limit: supplies measure to about a percent."""
_MEASURED: Final = 2
"""Consecutive measurements, without a pause, that make a latch-up. Together they take some 10 ms: a
start-up peak of that length counts as a latch-up, too."""
_CLOSE: Final = 0.02
_NO_NUMBER: Final = 9.9e37
"""SCPI-99, 7.2.1.4: infinity; 9.91e37 is "not a number"."""
_ON: Final = frozenset({"1", "+1", "ON"})


def _visa() -> Any:
    try:
        import pyvisa  # noqa: PLC0415 (an extra, and slow to load)
    except ImportError:
        raise SetupError(
            "scpi supplies need PyVISA, which is not installed",
            remedy=install_command("visa"),
        ) from None
    return pyvisa


class ScpiPower(Power):
    """One output of a bench supply."""

    def __init__(self, node: str, supply: SupplyConfig) -> None:
        super().__init__(node, supply)
        self._manager: Any = None
        self._instrument: Any = None
        self._limit_a = supply.current_limit_a
        self._identity = ""

    @property
    def title(self) -> str:
        who = f" ({self._identity})" if self._identity else ""
        return f"supply {self.supply.resource}{who} output {self.supply.channel}"

    # --- the instrument -------------------------------------------------------------------------

    def _open(self) -> Any:
        if self._instrument is not None:
            return self._instrument
        pyvisa = _visa()
        try:
            self._manager = pyvisa.ResourceManager(self.supply.backend or "@py")
            self._instrument = self._manager.open_resource(
                self.supply.resource,
                timeout=int(self.supply.timeout_s * 1000),
                read_termination="\n",
                write_termination="\n",
            )
            self._identity = self._instrument.query("*IDN?").strip()
        except Exception as error:
            self._drop()
            raise self.failed(
                f"does not answer: {_first_line(error)}",
                "is it on, and its remote interface enabled? `python -m visa info` and "
                "`pyvisa-shell -b py` show what PyVISA sees",
            ) from error
        return self._instrument

    def _drop(self) -> None:
        for resource in (self._instrument, self._manager):
            if resource is not None:
                try:
                    resource.close()
                except Exception:  # noqa: BLE001, S110 (the instrument is gone: nothing to close)
                    pass
        self._instrument = self._manager = None

    def _do(self, *commands: str) -> list[str]:
        """Carry out commands on this output; return the answers of the queries."""
        with self.lock:
            instrument = self._open()
            answers: list[str] = []
            try:
                for command in (f"INST:NSEL {self.supply.channel}", *commands):
                    if command.endswith("?"):
                        answers.append(instrument.query(command).strip())
                    else:
                        instrument.write(command)
            except Exception as error:
                self._drop()  # the next attempt opens it again
                raise self.failed(
                    f"`{command}`: {_first_line(error)}",
                    "look at its display and its cable; if it answers other programs, it may not "
                    "know this command: only supplies with the commands of SCPI-99 work (not "
                    "Siglent's SPD, not TTi)",
                ) from error
            return answers

    def _number(self, command: str) -> float:
        (answer,) = self._do(command)
        try:
            number = float(answer)
        except ValueError:
            with self.lock:
                self._drop()  # the answer of another command: later ones may be out of step, too
            raise self.failed(
                f"`{command}` was answered by {answer[:40]!r}; expected a number",
                "is this the right resource? it may be no supply",
            ) from None
        if not abs(number) < _NO_NUMBER:  # NaN, too: it compares as a latch-up
            raise self.failed(
                f"`{command}` was answered by {answer[:40]}: it has measured nothing",
                "look at its display: the output may be off, or a range exceeded",
            )
        return number

    def _error_queue(self) -> str:
        """Return the supply's own error for a command that had no effect; empty if it has none."""
        try:
            (entry,) = self._do("SYST:ERR?")
        except SetupError:
            return ""
        return "" if entry.lstrip("+-").startswith("0") else f"; its error queue: {entry[:80]}"

    def _set(self, command: str, value: float, unit: str) -> None:
        self._do(f"{command} {value:.4f}")
        actual = self._number(f"{command}?")
        if abs(actual - value) > max(_CLOSE * value, 0.005):
            raise self.failed(
                f"it was set to {value:g} {unit} and reports {actual:g} {unit}"
                f"{self._error_queue()}",
                f"is {value:g} {unit} within what this output can give?",
            )

    # --- the protocol -----------------------------------------------------------------------------

    def check(self) -> None:
        with self.lock:
            self._open()

    def on(self) -> None:
        if self.supply.voltage_v is not None:
            self._set("VOLT", self.supply.voltage_v, "V")
        if self._limit_a is not None:
            self._set("CURR", self._limit_a, "A")
        self._switch(on=True)

    def off(self) -> None:
        self._switch(on=False)

    def gives_power(self) -> bool:
        return self._do("OUTP?")[0].upper() in _ON

    def _switch(self, *, on: bool) -> None:
        self._do("OUTP ON" if on else "OUTP OFF")
        if self.gives_power() != on:
            raise self.failed(
                f"its output did not switch {'on' if on else 'off'}{self._error_queue()}",
                "look at its display: a protection may have tripped, or the panel be locked",
            )

    def read(self) -> PowerReading:
        return PowerReading(self._number("MEAS:VOLT?"), self._number("MEAS:CURR?"))

    def limit(self, volts: float | None, amps: float | None) -> bool:
        if volts is not None:
            self._set("VOLT", volts, "V")
        if amps is not None:
            self._set("CURR", amps, "A")
            self._limit_a = amps
        return True

    def watch(self) -> OverCurrent | None:
        if self._limit_a is None:
            return None
        amps = 0.0
        for _ in range(_MEASURED):
            amps = self._number("MEAS:CURR?")
            if amps < _LATCHED * self._limit_a:
                return None
        self.off()
        return OverCurrent(amps, self._limit_a)

    def close(self) -> None:
        super().close()
        with self.lock:
            self._drop()


def _first_line(error: Exception) -> str:
    """Return an exception of PyVISA as one line."""
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
