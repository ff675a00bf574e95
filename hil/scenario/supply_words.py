"""The words of a supply's keys: kinds, dialects, serial lines, plugs, and the commands of a
template."""

from __future__ import annotations

import enum
import string
from typing import Annotated, Final

from pydantic import Field, model_validator

from hil.scenario.fields import FrozenModel
from hil.scenario.problems import Findings, wrong_at

__all__ = [
    "DialectName",
    "FlowControl",
    "Parity",
    "PlugModel",
    "SupplyKind",
    "TemplateCommands",
]


class _Word(str, enum.Enum):
    def __str__(self) -> str:
        return str(self.value)


class SupplyKind(_Word):
    """The kind of supply that switches the power of a board."""

    SCPI = "scpi"  # a bench supply, through PyVISA
    TEMPLATE = "template"  # a bench supply with commands that the bench file states
    USBHUB = "usbhub"  # a port of a USB hub, by uhubctl
    RELAY = "relay"  # a GPIO line of this computer, by libgpiod
    HTTP = "http"  # a smart plug with a documented HTTP interface
    LABGRID = "labgrid"  # whatever switches power at a labgrid place
    COMMAND = "command"  # programs of the user's: PDUs, PoE switches and the like
    MANUAL = "manual"  # a person is asked
    MOCK = "mock"  # nothing: for trying out


class DialectName(_Word):
    """The command set of a bench supply."""

    AUTO = "auto"  # by the answer to *IDN?
    SCPI = "scpi"  # SCPI-99, outputs selected with INST:NSEL
    SINGLE = "single"  # SCPI-99, one output, no selection
    KEYSIGHT = "keysight"  # channel lists: (@1)
    RIGOL = "rigol"  # SOUR1:VOLT, OUTP CH1,ON
    SIGLENT = "siglent"  # CH1:VOLT, OUTP CH1,ON, SYST:STAT?
    TTI = "tti"  # V1, I1, OP1
    KORAD = "korad"  # VSET1:, ISET1:, OUT1


class Parity(_Word):
    """The parity bit of a serial line."""

    NONE = "none"
    EVEN = "even"
    ODD = "odd"


class FlowControl(_Word):
    """The flow control of a serial line."""

    NONE = "none"
    RTS_CTS = "rts_cts"
    DTR_DSR = "dtr_dsr"
    XON_XOFF = "xon_xoff"


class PlugModel(_Word):
    """The interface of a smart plug."""

    SHELLY1 = "shelly1"  # Gen1: /relay/0?turn=on
    SHELLY2 = "shelly2"  # Gen2 and later: /rpc/Switch.Set
    TASMOTA = "tasmota"  # /cm?cmnd=Power1 ON


Command = Annotated[str, Field(min_length=1, max_length=200)]
_VALUED: Final = ("set_volts", "set_amps")
_PAIRS: Final = (("set_volts", "ask_volts"), ("set_amps", "ask_amps"), ("select", "ask_selected"))


class TemplateCommands(FrozenModel):
    """Commands of a supply without a known dialect. `{channel}` stands for the output,
    `{value}` for volts or amperes; queries are answered by one number each."""

    on: Command = Field(description="Switch the output on.")
    off: Command = Field(description="Switch the output off.")
    is_on: Command | None = Field(
        default=None, description="Ask whether it is on: answered 1 or ON, 0 or OFF."
    )
    select: Command | None = Field(
        default=None, description="Select the output, if the other commands do not name it."
    )
    ask_selected: Command | None = Field(
        default=None, description="Ask which output is selected; needed with `select`."
    )
    set_volts: Command | None = Field(default=None, description="Set the voltage.")
    ask_volts: Command | None = Field(default=None, description="Ask for the voltage set.")
    set_amps: Command | None = Field(default=None, description="Set the current limit.")
    ask_amps: Command | None = Field(default=None, description="Ask for the current limit set.")
    measure_volts: Command | None = Field(default=None, description="Measure the voltage.")
    measure_amps: Command | None = Field(default=None, description="Measure the current.")
    error: Command | None = Field(
        default=None, description="Ask for an error: answered by a text that begins with 0 if none."
    )

    @model_validator(mode="after")
    def _consistent(self) -> TemplateCommands:
        findings = Findings()
        written = self.model_dump(exclude_none=True)
        for key, command in written.items():
            allowed = {"channel", "value"} if key in _VALUED else {"channel"}
            try:
                fields = {name for _, name, _, _ in string.Formatter().parse(command) if name}
            except ValueError as error:
                findings.add(key, f"`{command[:60]}`: {error}", "write a brace as `{{` or `}}`")
                continue
            if unknown := sorted(fields - allowed):
                findings.add(
                    key,
                    f"`{{{unknown[0]}}}` cannot be filled in; expected "
                    + " or ".join(f"`{{{name}}}`" for name in sorted(allowed)),
                )
            if key in _VALUED and "value" not in fields:
                findings.add(key, "expected `{value}` in this command", "add it")
        for setter, query in _PAIRS:
            if setter in written and query not in written:
                findings.add(
                    setter,
                    f"`{setter}` without `{query}`: what the supply took could not be read back",
                    f"add `{query}:`",
                )
        wrong_at("Commands", findings)
        return self
