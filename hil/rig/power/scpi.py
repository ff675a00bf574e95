"""Bench supplies with a remote interface, through PyVISA (an extra): outputs of instruments.

The command sets are in `hil.rig.power.dialects`, the owner of an instrument and its transactions in
`hil.rig.power.instrument`. Every setting is read back: a supply that accepted the bytes but not the
value is an error. The voltage of an output that is on is never changed by more than a few percent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, TypeVar

from hil.rig.power.instrument import Instrument, release_instrument, retain_instrument
from hil.rig.power.output import InstrumentError, Output
from hil.rig.power.over_current import judge_current
from hil.rig.power.protocol import LEAST_V, OverCurrent, Power, PowerPoll, PowerReading
from hil.scenario.supply import SupplyConfig
from hil.scenario.visa_names import canonical_resource

__all__ = ["ScpiPower"]

T = TypeVar("T")
_POLL_S: Final = 2.0
"""An instrument that needs longer for a measurement does not protect a board from a latch-up."""
_LIVE: Final = 0.03
"""The most by which the voltage of an output that is on may differ from the bench file, or be
changed: a supply's setting rounds, and readings of one differ by less."""
_OVP: Final = 1.1
"""Over-voltage protection as a fraction of the supply voltage, where the bench file has none."""


class ScpiPower(Power):
    """One output of a bench supply."""

    def __init__(self, node: str, supply: SupplyConfig) -> None:
        super().__init__(node, supply)
        self._guard = threading.Lock()
        self._owner: Instrument | None = None
        self._identity = ""
        self._limit_a = supply.current_limit_a
        self._ordered_on = False  # this program switched it on, or found it on

    @property
    def title(self) -> str:
        who = f" ({self._identity})" if self._identity else ""
        return f"supply {self.supply.resource}{who} output {self.supply.channel}"

    @property
    def instrument(self) -> str:
        """Return the instrument that this is an output of."""
        return canonical_resource(self.supply.resource or "")

    @property
    def protects(self) -> bool:
        """Return whether the instrument switches the output off at an over-current."""
        return self._limit_a is not None or self.supply.latchup_a is not None

    def _transact(
        self, use: Callable[[Output], T], bound_s: float | None = None, *, changes: bool = True
    ) -> T:
        with self._guard:
            if self._owner is None:
                self._owner = retain_instrument(self.supply)
            owner = self._owner
        try:
            return owner.transact(
                self.supply.channel, use, bound_s or self.supply.timeout_s, changes=changes
            )
        except InstrumentError as error:
            self._identity = owner.identity
            raise self.failed(error.what, error.remedy) from error
        finally:
            self._identity = owner.identity

    # --- the protocol -----------------------------------------------------------------------------

    def check(self) -> None:
        def look(output: Output) -> None:
            self._ordered_on = output.is_on()
            if self._ordered_on:
                self._refuse_other_voltage(output)
            self._refuse_unfit_setting(output)

        self._transact(look, changes=False)

    def on(self) -> None:
        def switch_on(output: Output) -> None:
            was_on = output.is_on()
            volts, dialect = self.supply.voltage_v, output.dialect
            self._refuse_unfit_setting(output)
            if was_on:
                self._refuse_other_voltage(output)
            elif volts is not None:
                output.set_volts(volts)
            if self._limit_a is not None:
                output.set_amps(self._limit_a)
            self._set_protection(output)
            if not was_on:
                for command in dialect.clear_trip:
                    output.write(command)
            output.switch(on=True)
            self._ordered_on = True

        with self.lock:
            self._transact(switch_on)

    def off(self) -> None:
        with self.lock:
            self._ordered_on = False
            self._transact(lambda output: output.switch(on=False))

    def gives_power(self) -> bool:
        return self._transact(lambda output: output.is_on(), changes=False)

    def read(self) -> PowerReading:
        return self._transact(_reading, changes=False)

    def limit(self, volts: float | None, amps: float | None) -> bool:
        def set_limits(output: Output) -> None:
            if volts is not None:
                if output.is_on():
                    present = output.number(output.dialect.ask_volts)
                    self._refuse_step(present, volts)
                output.set_volts(volts)
            if amps is not None:
                output.set_amps(amps)
                self._limit_a = amps

        self._transact(set_limits)
        return True

    def watch(self) -> OverCurrent | None:
        return self._transact(lambda output: self._judge(output, None), _POLL_S)

    def poll(self) -> PowerPoll:
        def measure(output: Output) -> PowerPoll:
            # The current first: nothing comes between it and the cut.
            measures, fault = output.dialect.measure_amps, ""
            amps = output.number(measures) if measures else None
            cut = self._judge(output, amps) if self.protects else None
            measures = output.dialect.measure_volts
            reading = PowerReading(output.number(measures) if measures else None, amps)
            if cut is None and self._ordered_on and (reading.volts or 0.0) < LEAST_V:
                fault = "" if output.is_on() else self._went_off(output)
            return PowerPoll(reading, cut, fault)

        return self._transact(measure, _POLL_S)

    def close(self) -> None:
        super().close()
        with self._guard:
            owner, self._owner = self._owner, None
        if owner is not None:
            release_instrument(owner)

    # --- inside a transaction ---------------------------------------------------------------------

    def _judge(self, output: Output, first_a: float | None) -> OverCurrent | None:
        """Cut the output off in this very transaction if its board draws an over-current."""
        command = output.dialect.measure_amps
        if not command:
            return None
        cut = judge_current(
            lambda: output.number(command),
            self._limit_a,
            self.supply.latchup_a,
            self.supply.over_current_ms / 1000,
            first_a,
        )
        if cut is not None:
            self._ordered_on = False
            output.switch(on=False)
        return cut

    def _went_off(self, output: Output) -> str:
        self._ordered_on = False  # reported once
        return (
            f"node {self.node}: {self.title}: its output is off, and not by this program: its own "
            f"protection has tripped, or somebody has switched it{output.error_text()}"
        )

    def _set_protection(self, output: Output) -> None:
        supply, dialect = self.supply, output.dialect
        ovp_v = supply.ovp_v
        if ovp_v is None and supply.voltage_v is not None and dialect.sets_ovp_unasked:
            ovp_v = _OVP * supply.voltage_v
        if ovp_v is not None:
            output.protect(dialect.set_ovp, dialect.volts_text(ovp_v), "over-voltage protection")
        if supply.ocp_delay_s is None or self._limit_a is None:
            return
        if dialect.set_ocp_delay:
            delay = (dialect.set_ocp_delay,)
            output.protect(delay, f"{supply.ocp_delay_s:.3f}", "the delay of its trip")
        elif supply.ocp_delay_s > 0:
            raise InstrumentError(
                f"its over-current trip has no delay ({dialect.title})",
                "write `ocp_delay_s: 0` with a limit above all peaks, or remove the key",
            )
        limit = dialect.amps_text(self._limit_a)
        output.protect(dialect.set_ocp, limit, "the over-current trip")

    def _refuse_other_voltage(self, output: Output) -> None:
        """Check that an output that is on has the voltage of the file. Raises: InstrumentError if
        it has not."""
        if self.supply.voltage_v is not None and output.dialect.ask_volts:
            self._refuse_step(output.number(output.dialect.ask_volts), self.supply.voltage_v)

    def _refuse_unfit_setting(self, output: Output) -> None:
        """Check what the supply itself is set to where the bench file does not state `voltage_v`.
        Raises: InstrumentError if the board does not stand it."""
        if self.supply.voltage_v is not None or self.stands is None or not output.dialect.ask_volts:
            return
        volts = output.number(output.dialect.ask_volts)
        if refusal := self.stands.refusal(volts):
            raise InstrumentError(
                f"is set to {volts:g} V; {refusal}",
                "state `voltage_v:` in the bench file: it is set before the output is switched on",
            )

    def _refuse_step(self, present_v: float, wanted_v: float) -> None:
        if abs(present_v - wanted_v) > _LIVE * wanted_v:
            raise InstrumentError(
                f"is on at {present_v:g} V, and the bench file says {wanted_v:g} V; the voltage of "
                "a live output is not changed",
                "is it the right output? then switch it off by hand, or correct `voltage_v:`",
            )


def _reading(output: Output) -> PowerReading:
    dialect = output.dialect
    volts = output.number(dialect.measure_volts) if dialect.measure_volts else None
    amps = output.number(dialect.measure_amps) if dialect.measure_amps else None
    return PowerReading(volts, amps)
