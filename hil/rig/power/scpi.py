"""Bench supplies that speak SCPI, through PyVISA (an extra).

The commands are those of the SCPI-99 instrument class for DC supplies: INST:NSEL, VOLT, CURR, OUTP,
OUTP?, MEAS:VOLT?, MEAS:CURR?, SYST:ERR?. Many supplies of Keysight, Rigol and Rohde & Schwarz have
them. Siglent's SPD series (OUTP CH1,ON, and no OUTP?) and TTi's (V1, I1, OP1) have commands of
their own, which are not spoken here. Every setting is read back: a supply that took the bytes and
not the value is an error.
"""

from __future__ import annotations

from typing import Any, Final

from hil.errors import SetupError
from hil.extras import install_command
from hil.rig.power.protocol import OverCurrent, Power, PowerReading
from hil.scenario.supply import SupplyConfig

_LATCHED: Final = 0.98
"""Share of the current limit from which a board draws it: supplies measure to about a percent."""
_MEASURED: Final = 2
"""So often in a row, without a pause: what lasts longer than these measurements take (some 10 ms)
counts as a latch-up, a start-up peak of that length, too."""
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
                f"does not answer: {_said(error)}",
                "is it on, and its remote interface enabled? `python -m visa info` and "
                "`pyvisa-shell -b py` show what PyVISA sees",
            ) from error
        return self._instrument

    def _drop(self) -> None:
        for thing in (self._instrument, self._manager):
            if thing is not None:
                try:
                    thing.close()
                except Exception:  # noqa: BLE001, S110 (an instrument that is gone closes no better)
                    pass
        self._instrument = self._manager = None

    def _do(self, *commands: str) -> list[str]:
        """Carry out commands on this output; the answers of those that ask."""
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
                self._drop()  # the next try opens it anew
                raise self.failed(
                    f"`{command}`: {_said(error)}",
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
                self._drop()  # an answer to something else: what comes next may be, too
            raise self.failed(
                f"`{command}` was answered by {answer[:40]!r}; expected a number",
                "is this the right resource? it may be no supply",
            ) from None
        if not abs(number) < _NO_NUMBER:  # NaN, too: it would be below no limit, as a latch-up is
            raise self.failed(
                f"`{command}` was answered by {answer[:40]}: it has measured nothing",
                "look at its display: the output may be off, or a range exceeded",
            )
        return number

    def _complaint(self) -> str:
        """What it says itself of the command that it has not obeyed; empty if nothing."""
        try:
            (said,) = self._do("SYST:ERR?")
        except SetupError:
            return ""
        return "" if said.lstrip("+-").startswith("0") else f"; its error queue: {said[:80]}"

    def _set(self, command: str, value: float, unit: str) -> None:
        self._do(f"{command} {value:.4f}")
        got = self._number(f"{command}?")
        if abs(got - value) > max(_CLOSE * value, 0.005):
            raise self.failed(
                f"it was set to {value:g} {unit} and says {got:g} {unit}{self._complaint()}",
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
                f"its output did not switch {'on' if on else 'off'}{self._complaint()}",
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


def _said(error: Exception) -> str:
    """An exception of PyVISA in a line."""
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
