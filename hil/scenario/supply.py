"""The power supply of one real board: the `power:` of a board in a bench file."""

from __future__ import annotations

import enum
import shlex
from typing import Annotated, Any, Final

from pydantic import Field, model_validator

from hil.scenario.fields import Float, FrozenModel, Int, NonNegative, Positive
from hil.scenario.problems import Findings, wrong_at

__all__ = ["SupplyConfig", "SupplyKind"]


class SupplyKind(str, enum.Enum):
    """What switches the power of a board."""

    SCPI = "scpi"  # a bench supply, through PyVISA
    USBHUB = "usbhub"  # a port of a USB hub, by uhubctl
    RELAY = "relay"  # a GPIO line of this computer, by libgpiod
    COMMAND = "command"  # programs of the user's: smart plugs and the like
    MANUAL = "manual"  # a person, who is asked
    MOCK = "mock"  # nothing: for trying out

    def __str__(self) -> str:
        return self.value


_VOLTS: Final = "Supply voltage; the supply keeps what it is set to if this is missing."
_AMPS: Final = "Current limit; a board that reaches it latches up, and is cut off."
Words = tuple[Annotated[str, Field(min_length=1)], ...]


class SupplyConfig(FrozenModel):
    """The supply that switches the power of one board."""

    kind: SupplyKind = Field(description="scpi, usbhub, relay, command, manual or mock.")
    off_s: Annotated[Float, Field(ge=0, le=3600)] = Field(
        default=2.0, description="How long the power is off in a power cycle."
    )
    resource: str | None = Field(default=None, description="scpi: the VISA name of the supply.")
    backend: str | None = Field(
        default=None, description="scpi: PyVISA's library, such as @py or FILE.yaml@sim."
    )
    channel: Annotated[Int, Field(ge=1, le=16)] = Field(
        default=1, description="scpi: the output, from 1."
    )
    voltage_v: Positive | None = Field(default=None, description=_VOLTS)
    current_limit_a: Positive | None = Field(default=None, description=_AMPS)
    hub: str | None = Field(default=None, description="usbhub: the hub's location, as 1-1.4.")
    port: Annotated[Int, Field(ge=1, le=127)] | None = Field(
        default=None, description="usbhub: the port of the hub, from 1."
    )
    chip: str = Field(default="/dev/gpiochip0", description="relay: the GPIO chip.")
    line: Annotated[Int, Field(ge=0, le=1023)] | None = Field(
        default=None, description="relay: the line of the chip."
    )
    active_low: bool = Field(default=False, description="relay: low is on.")
    on: Words | None = Field(default=None, description="command: the program that switches on.")
    off: Words | None = Field(default=None, description="command: the program that switches off.")
    read: Words | None = Field(
        default=None, description="command: prints volts and amperes, two numbers; optional."
    )
    timeout_s: Annotated[NonNegative, Field(le=600)] = Field(
        default=10.0, description="How long the instrument or the program may take."
    )

    @model_validator(mode="before")
    @classmethod
    def _split(cls, data: Any) -> Any:
        """Split `plug on` into `[plug, on]`, with quotes and backslashes as in a shell."""
        if not isinstance(data, dict):
            return data
        findings = Findings()
        for key in sorted(_LINE_SETTINGS & data.keys()):
            findings.add(
                key,
                "the serial line of a supply has no settings here: it is opened at 9600 baud, "
                "8 data bits, no parity, 1 stop bit",
                f"set the supply to that, or connect it by USB or network; remove `{key}`",
            )
        words = dict(data)
        for key in _COMMANDS:
            if isinstance(command := data.get(key), str):
                try:
                    words[key] = tuple(shlex.split(command))
                except ValueError as error:
                    findings.add(
                        key, f"`{command[:60]}`: {error}".lower(), "close the quotation mark"
                    )
        wrong_at("Supply", findings)
        return words

    @model_validator(mode="after")
    def _consistent(self) -> SupplyConfig:
        findings = Findings()
        kind = str(self.kind)
        for key in _NEEDED[self.kind]:
            if getattr(self, key) is None:
                findings.add(key, f"this key is missing; a {kind} supply needs it", f"add `{key}:`")
        for key, owners in sorted(_OWNERS.items()):  # a record has all keys, most with defaults
            default = type(self).model_fields[key].default
            if getattr(self, key) != default and self.kind not in owners:
                theirs = " and ".join(str(owner) for owner in owners)
                findings.add(key, f"only {theirs} supplies have it, this is {kind}", "remove it")
        wrong_at("Supply", findings)
        return self


_COMMANDS: Final = ("on", "off", "read")
_LINE_SETTINGS: Final = frozenset(
    {"baud", "baud_rate", "stop_bits", "data_bits", "parity", "flow", "flow_control", "init"}
)
"""What users look for with supplies on RS-232."""
_NEEDED: Final[dict[SupplyKind, tuple[str, ...]]] = {
    SupplyKind.SCPI: ("resource",),
    SupplyKind.USBHUB: ("hub", "port"),
    SupplyKind.RELAY: ("line",),
    SupplyKind.COMMAND: ("on", "off"),
    SupplyKind.MANUAL: (),
    SupplyKind.MOCK: (),
}
_OWNERS: Final[dict[str, tuple[SupplyKind, ...]]] = {
    **dict.fromkeys(("resource", "backend", "channel"), (SupplyKind.SCPI,)),
    **dict.fromkeys(("voltage_v", "current_limit_a"), (SupplyKind.SCPI, SupplyKind.MOCK)),
    **dict.fromkeys(("hub", "port"), (SupplyKind.USBHUB,)),
    **dict.fromkeys(("chip", "line", "active_low"), (SupplyKind.RELAY,)),
    **dict.fromkeys(_COMMANDS, (SupplyKind.COMMAND,)),
}
