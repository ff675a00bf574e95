"""The power supply of one real board: the `power:` of a board in a bench file."""

from __future__ import annotations

import shlex
from typing import Annotated, Any, Final

from pydantic import Field, model_validator

from hil.scenario.fields import Float, FrozenModel, Int, NonNegative, Positive
from hil.scenario.problems import Findings, wrong_at
from hil.scenario.supply_words import (
    DialectName,
    FlowControl,
    Parity,
    PlugModel,
    SupplyKind,
    TemplateCommands,
)
from hil.scenario.visa_names import (
    address_of,
    canonical_resource,
    is_serial_resource,
    resolved_resource,
)
from hil.scenario.words import Baud, PlaceName

__all__ = [
    "DialectName",
    "FlowControl",
    "Parity",
    "PlugModel",
    "SupplyConfig",
    "SupplyKind",
    "TemplateCommands",
]

_VOLTS: Final = "Supply voltage; the supply keeps what it is set to if this is missing."
_AMPS: Final = (
    "Current limit; a board that draws it for `over_current_ms` is treated as latched up and "
    "switched off."
)
Words = tuple[Annotated[str, Field(min_length=1)], ...]


class SupplyConfig(FrozenModel):
    """The supply that switches the power of one board."""

    kind: SupplyKind = Field(
        description="scpi, template, usbhub, relay, http, labgrid, command, manual or mock."
    )
    off_s: Annotated[Float, Field(ge=0, le=3600)] = Field(
        default=2.0, description="How long the power is off in a power cycle."
    )
    resource: str | None = Field(
        default=None, description="scpi, template: the VISA name of the supply."
    )
    backend: str | None = Field(
        default=None, description="scpi, template: PyVISA's library, such as @py or FILE.yaml@sim."
    )
    channel: Annotated[Int, Field(ge=1, le=16)] = Field(
        default=1, description="scpi, template, http: the output, from 1."
    )
    dialect: DialectName = Field(
        default=DialectName.AUTO,
        description="scpi: the command set; auto: chosen by the answer to *IDN?.",
    )
    commands: TemplateCommands | None = Field(
        default=None, description="template: the commands of the supply."
    )
    voltage_v: Positive | None = Field(default=None, description=_VOLTS)
    current_limit_a: Positive | None = Field(default=None, description=_AMPS)
    latchup_a: Positive | None = Field(
        default=None,
        description="Threshold below the limit: a board that draws this for `over_current_ms` has "
        "a micro-latch-up and is switched off.",
    )
    over_current_ms: Annotated[Float, Field(ge=0, le=5000)] = Field(
        default=80.0, description="How long a current must last to be a latch-up."
    )
    ovp_v: Positive | None = Field(
        default=None,
        description="scpi: over-voltage protection of the supply itself; default: 110 % of "
        "`voltage_v` where the dialect is known to have it.",
    )
    ocp_delay_s: Annotated[NonNegative, Field(le=10)] | None = Field(
        default=None,
        description="scpi: switch on the supply's own over-current trip at the current limit, "
        "with this delay; default: the trip stays as it is.",
    )
    baud: Baud | None = Field(
        default=None, description="scpi, template on a serial line: its rate; default 9600."
    )
    data_bits: Annotated[Int, Field(ge=5, le=8)] | None = Field(
        default=None, description="Serial line: data bits; default 8."
    )
    parity: Parity | None = Field(default=None, description="Serial line: none, even or odd.")
    stop_bits: Annotated[Int, Field(ge=1, le=2)] | None = Field(
        default=None, description="Serial line: stop bits; default 1."
    )
    flow: FlowControl | None = Field(
        default=None, description="Serial line: none, rts_cts, dtr_dsr or xon_xoff; default none."
    )
    init: Words = Field(
        default=(),
        description="scpi, template: commands when the instrument is opened, such as SYST:REM.",
    )
    hub: str | None = Field(default=None, description="usbhub: the hub's location, as 1-1.4.")
    port: Annotated[Int, Field(ge=1, le=127)] | None = Field(
        default=None, description="usbhub: the port of the hub, from 1."
    )
    chip: str = Field(default="/dev/gpiochip0", description="relay: the GPIO chip.")
    line: Annotated[Int, Field(ge=0, le=1023)] | None = Field(
        default=None, description="relay: the line of the chip."
    )
    active_low: bool = Field(default=False, description="relay: low is on.")
    plug: PlugModel | None = Field(
        default=None, description="http: the plug's interface: shelly1, shelly2 or tasmota."
    )
    url: Annotated[str, Field(pattern=r"^https?://[^/\s?#]+/?$")] | None = Field(
        default=None, description="http: the plug's address, as http://10.0.0.7."
    )
    place: PlaceName | None = Field(default=None, description="labgrid: the place.")
    on: Words | None = Field(default=None, description="command: the program that switches on.")
    off: Words | None = Field(default=None, description="command: the program that switches off.")
    read: Words | None = Field(
        default=None, description="command: prints volts and amperes, two numbers; optional."
    )
    timeout_s: Annotated[NonNegative, Field(le=600)] = Field(
        default=10.0, description="How long the instrument or the program may take."
    )

    @property
    def output(self) -> str | None:
        """Return the canonical name of the output that it switches; None if it cannot be known
        whether two boards share it."""
        if self.kind in (SupplyKind.SCPI, SupplyKind.TEMPLATE) and self.resource is not None:
            return f"output {self.channel} of {canonical_resource(self.resource)}"
        if self.kind is SupplyKind.USBHUB:
            return f"port {self.port} of hub {self.hub}"
        if self.kind is SupplyKind.RELAY:
            return f"line {self.line} of {self.chip.removeprefix('/dev/')}"
        if self.kind is SupplyKind.HTTP and self.url is not None:
            return f"outlet {self.channel} of {_canonical_url(self.url)}"
        if self.kind is SupplyKind.LABGRID:
            return f"the power of labgrid place {self.place}"
        return None

    def resolved_output(self) -> str | None:
        """Return `output` with the address of its host in place of the host's name, so that all
        names of the host are one. May ask a name server."""
        if self.kind in (SupplyKind.SCPI, SupplyKind.TEMPLATE) and self.resource is not None:
            place = resolved_resource(canonical_resource(self.resource))
            return f"output {self.channel} of {place}"
        if self.kind is SupplyKind.HTTP and self.url is not None:
            scheme, _, server = _canonical_url(self.url).partition("://")
            host, colon, port = server.partition(":")
            return f"outlet {self.channel} of {scheme}://{address_of(host)}{colon}{port}"
        return self.output

    @model_validator(mode="before")
    @classmethod
    def _split(cls, data: Any) -> Any:
        """Split `plug on` into `[plug, on]`, with quotes and backslashes as in a shell."""
        if not isinstance(data, dict):
            return data
        findings = Findings()
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
        article = "an" if kind == "http" else "a"
        for key in _NEEDED[self.kind]:
            if getattr(self, key) is None:
                findings.add(
                    key, f"this key is missing; {article} {kind} supply needs it", f"add `{key}:`"
                )
        for key, owners in sorted(_OWNERS.items()):  # a record has all keys, most with defaults
            default = type(self).model_fields[key].default
            if getattr(self, key) != default and self.kind not in owners:
                theirs = " and ".join(str(owner) for owner in owners)
                findings.add(key, f"only {theirs} supplies have it, this is {kind}", "remove it")
        self._check_line(findings)
        self._check_limits(findings)
        wrong_at("Supply", findings)
        return self

    def _check_line(self, findings: Findings) -> None:
        if self.resource is None or is_serial_resource(self.resource):
            return
        for key in _LINE_SETTINGS:
            if getattr(self, key) is not None:
                findings.add(
                    key,
                    f"only a supply on a serial line has `{key}`; this is {self.resource}",
                    "remove it, or name the line: `resource: ASRL/dev/ttyUSB9::INSTR`",
                )

    def _check_limits(self, findings: Findings) -> None:
        limit, latchup = self.current_limit_a, self.latchup_a
        if latchup is not None and (limit is None or latchup >= limit):
            findings.add(
                "latchup_a",
                f"{latchup:g} A is not below the current limit"
                + ("" if limit is None else f" of {limit:g} A"),
                "add `current_limit_a:`, above it" if limit is None else "choose a lower one",
            )
        if self.ovp_v is not None and self.voltage_v is not None and self.ovp_v <= self.voltage_v:
            findings.add(
                "ovp_v",
                f"the protection at {self.ovp_v:g} V trips at the supply voltage of "
                f"{self.voltage_v:g} V",
                f"choose about {1.1 * self.voltage_v:.2f}",
            )
        if self.ocp_delay_s is not None and limit is None:
            findings.add(
                "ocp_delay_s", "there is no current limit to trip at", "add `current_limit_a:`"
            )


def _canonical_url(url: str) -> str:
    """Return the address of a plug in one form: in lower case, without the port that its scheme
    has anyway."""
    scheme, _, host = url.rstrip("/").lower().partition("://")
    return f"{scheme}://{host.removesuffix(_DEFAULT_PORTS[scheme])}"


_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
_COMMANDS: Final = ("on", "off", "read")
_LINE_SETTINGS: Final = ("baud", "data_bits", "flow", "parity", "stop_bits")
_NEEDED: Final[dict[SupplyKind, tuple[str, ...]]] = {
    SupplyKind.SCPI: ("resource",),
    SupplyKind.TEMPLATE: ("resource", "commands"),
    SupplyKind.USBHUB: ("hub", "port"),
    SupplyKind.RELAY: ("line",),
    SupplyKind.HTTP: ("plug", "url"),
    SupplyKind.LABGRID: ("place",),
    SupplyKind.COMMAND: ("on", "off"),
    SupplyKind.MANUAL: (),
    SupplyKind.MOCK: (),
}
_INSTRUMENTS: Final = (SupplyKind.SCPI, SupplyKind.TEMPLATE)
_OWNERS: Final[dict[str, tuple[SupplyKind, ...]]] = {
    **dict.fromkeys(("resource", "backend", "init", *_LINE_SETTINGS), _INSTRUMENTS),
    "channel": (*_INSTRUMENTS, SupplyKind.HTTP),
    "dialect": (SupplyKind.SCPI,),
    "commands": (SupplyKind.TEMPLATE,),
    **dict.fromkeys(
        ("voltage_v", "current_limit_a", "latchup_a"), (*_INSTRUMENTS, SupplyKind.MOCK)
    ),
    "over_current_ms": _INSTRUMENTS,
    **dict.fromkeys(("ovp_v", "ocp_delay_s"), (SupplyKind.SCPI,)),
    **dict.fromkeys(("hub", "port"), (SupplyKind.USBHUB,)),
    **dict.fromkeys(("chip", "line", "active_low"), (SupplyKind.RELAY,)),
    **dict.fromkeys(("plug", "url"), (SupplyKind.HTTP,)),
    "place": (SupplyKind.LABGRID,),
    **dict.fromkeys(_COMMANDS, (SupplyKind.COMMAND,)),
}
