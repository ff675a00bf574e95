"""The command sets of bench supplies, as data: what each understands, and who says so.

`{channel}` stands for the output, `{value}` for volts, amperes or seconds. Where an instrument
has commands that name the output (channel lists, `SOUR1:`), those are used: they need no selection,
which is state of the instrument. Tried on simulated instruments only, not on hardware.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from hil.scenario.supply import DialectName, SupplyConfig, TemplateCommands

__all__ = ["Dialect", "dialect_of", "template_dialect"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One command set. An empty command: the instrument has none for it.

    `on_bits`: the bits of the answer to `is_on` that show the outputs, 0 for a plain 1/ON.
    `outputs`: how many it has; 0: not known. `answer_bytes`: answers have no terminator; those to
    numbers are this long, but that to `ask_amps`, after which more may come."""

    name: DialectName | None
    title: str
    on: str
    off: str
    identity: str = r"(?!)"
    outputs: int = 0
    select: str = ""
    ask_selected: str = ""
    is_on: str = ""
    on_bits: tuple[int, ...] = ()
    status_is_byte: bool = False
    set_volts: str = ""
    ask_volts: str = ""
    set_amps: str = ""
    ask_amps: str = ""
    measure_volts: str = ""
    measure_amps: str = ""
    volt_decimals: int = 4
    amp_decimals: int = 4
    set_ovp: tuple[str, ...] = ()
    sets_ovp_unasked: bool = False
    set_ocp: tuple[str, ...] = ()
    set_ocp_delay: str = ""
    clear_trip: tuple[str, ...] = ()
    error: str = ""
    end: str = "\n"
    answer_bytes: int = 0
    pause_s: float = 0.0

    def volts_text(self, value: float) -> str:
        """Return a voltage [V] as the instrument takes it."""
        return f"{value:.{self.volt_decimals}f}"

    def amps_text(self, value: float) -> str:
        """Return a current [A] as the instrument takes it."""
        return f"{value:.{self.amp_decimals}f}"


SINGLE: Final = Dialect(
    # SCPI-99, volume 2: chapter 19, SOURce:VOLTage and SOURce:CURRent; 15, OUTPut; 21,
    # SYSTem:ERRor; volume 4, chapter 5: the class of DC supplies. :PROTection is optional there, so
    # it is set only where the bench file asks for it.
    DialectName.SINGLE,
    "SCPI-99, one output",
    outputs=1,
    on="OUTP ON",
    off="OUTP OFF",
    is_on="OUTP?",
    set_volts="VOLT {value}",
    ask_volts="VOLT?",
    set_amps="CURR {value}",
    ask_amps="CURR?",
    measure_volts="MEAS:VOLT?",
    measure_amps="MEAS:CURR?",
    set_ovp=("VOLT:PROT {value}",),
    set_ocp=("CURR:PROT:STAT ON",),
    set_ocp_delay="CURR:PROT:DEL {value}",
    error="SYST:ERR?",
)
SCPI: Final = replace(
    SINGLE,
    name=DialectName.SCPI,
    title="SCPI-99",
    outputs=0,
    select="INST:NSEL {channel}",  # SCPI-99, volume 2, chapter 9: INSTrument:NSELect
    ask_selected="INST:NSEL?",
)
KEYSIGHT: Final = Dialect(
    # Keysight E36300 Series Programming Guide (E36311-90008), chapters "SCPI Commands": APPLy,
    # MEASure, OUTPut and SOURce subsystems, all with an optional channel list (@1).
    DialectName.KEYSIGHT,
    "Keysight channel lists",
    identity=r"(?i)(keysight|agilent)[^,]*, *(e363\d\da|edu36311a|e362\d\da|n67\d\d[abc])\b",
    on="OUTP ON,(@{channel})",
    off="OUTP OFF,(@{channel})",
    is_on="OUTP? (@{channel})",
    set_volts="VOLT {value},(@{channel})",
    ask_volts="VOLT? (@{channel})",
    set_amps="CURR {value},(@{channel})",
    ask_amps="CURR? (@{channel})",
    measure_volts="MEAS:VOLT? (@{channel})",
    measure_amps="MEAS:CURR? (@{channel})",
    set_ovp=("VOLT:PROT {value},(@{channel})",),
    sets_ovp_unasked=True,
    set_ocp=("CURR:PROT:STAT ON,(@{channel})",),
    set_ocp_delay="CURR:PROT:DEL {value},(@{channel})",
    clear_trip=("OUTP:PROT:CLE (@{channel})",),
    error="SYST:ERR?",
)
RIGOL: Final = Dialect(
    # RIGOL DP800 Series Programming Guide, chapter 2: :MEASure, :OUTPut and :SOURce commands.
    DialectName.RIGOL,
    "Rigol DP800",
    identity=r"(?i)rigol[^,]*, *dp[89]\d\d",
    outputs=3,
    on=":OUTP CH{channel},ON",
    off=":OUTP CH{channel},OFF",
    is_on=":OUTP? CH{channel}",
    set_volts=":SOUR{channel}:VOLT {value}",
    ask_volts=":SOUR{channel}:VOLT?",
    set_amps=":SOUR{channel}:CURR {value}",
    ask_amps=":SOUR{channel}:CURR?",
    measure_volts=":MEAS:VOLT? CH{channel}",
    measure_amps=":MEAS:CURR? CH{channel}",
    set_ovp=(":SOUR{channel}:VOLT:PROT {value}", ":SOUR{channel}:VOLT:PROT:STAT ON"),
    sets_ovp_unasked=True,
    # Its trip has no delay.
    set_ocp=(":SOUR{channel}:CURR:PROT {value}", ":SOUR{channel}:CURR:PROT:STAT ON"),
    clear_trip=(":OUTP:OVP:CLEAR CH{channel}", ":OUTP:OCP:CLEAR CH{channel}"),
    error=":SYST:ERR?",
)
SIGLENT: Final = Dialect(
    # SIGLENT SPD3303X/3303X-E Quick Start (QS0503X-E02A), "SCPI Commands": there is no OUTP?; the
    # hexadecimal answer to SYSTem:STATus? has CH1 in bit 4 and CH2 in bit 5. CH3 is fixed, and
    # neither set nor measured. The pause after a setting is a habit of its drivers [assumed].
    DialectName.SIGLENT,
    "Siglent SPD",
    identity=r"(?i)siglent[^,]*, *spd\d",
    outputs=2,
    on="OUTP CH{channel},ON",
    off="OUTP CH{channel},OFF",
    is_on="SYST:STAT?",
    on_bits=(0x10, 0x20),
    set_volts="CH{channel}:VOLT {value}",
    ask_volts="CH{channel}:VOLT?",
    set_amps="CH{channel}:CURR {value}",
    ask_amps="CH{channel}:CURR?",
    measure_volts="MEAS:VOLT? CH{channel}",
    measure_amps="MEAS:CURR? CH{channel}",
    volt_decimals=3,
    amp_decimals=3,
    error="SYST:ERR?",
    pause_s=0.05,
)
TTI: Final = Dialect(
    # Aim-TTi CPX400DP Instruction Manual, "Remote Commands"; QL Series II the same: V<n>, V<n>?
    # answers "V1 5.000", V<n>O? "5.001V", OP<n>? "1"; EER? reads and clears the execution error,
    # 0 if none; OVP<n>, OCP<n>: trip points; TRIPRST clears trips of both outputs.
    DialectName.TTI,
    "TTi CPX/QL",
    identity=r"(?i)(thurlby[ -]?thandar|aim[ -]?tti|tti)[^,]*,",
    outputs=3,
    on="OP{channel} 1",
    off="OP{channel} 0",
    is_on="OP{channel}?",
    set_volts="V{channel} {value}",
    ask_volts="V{channel}?",
    set_amps="I{channel} {value}",
    ask_amps="I{channel}?",
    measure_volts="V{channel}O?",
    measure_amps="I{channel}O?",
    volt_decimals=3,
    amp_decimals=3,
    set_ovp=("OVP{channel} {value}",),
    sets_ovp_unasked=True,
    set_ocp=("OCP{channel} {value}",),
    error="EER?",
)
KORAD: Final = Dialect(
    # KA3000 Series Remote Control Syntax V2.0 (Velleman LABPS3005D, Tenma 72-2540 the same):
    # neither commands nor answers have a terminator; numbers are 5 characters; STATUS? is one byte
    # with the output in bit 6. Commands that follow each other at once are lost [assumed: 50 ms].
    # Firmware 2.0 sends a byte too many after ISET1?, as in "3.000K" (sigrok's notes on it).
    DialectName.KORAD,
    "Korad KA",
    identity=r"(?i)(korad|velleman|tenma)",
    outputs=1,
    on="OUT1",
    off="OUT0",
    is_on="STATUS?",
    on_bits=(0x40,),
    status_is_byte=True,
    set_volts="VSET{channel}:{value}",
    ask_volts="VSET{channel}?",
    set_amps="ISET{channel}:{value}",
    ask_amps="ISET{channel}?",
    measure_volts="VOUT{channel}?",
    measure_amps="IOUT{channel}?",
    volt_decimals=2,
    amp_decimals=3,
    set_ocp=("OCP1",),  # trips at ISET, without a delay
    end="",
    answer_bytes=5,
    pause_s=0.05,
)

_DIALECTS: Final = (KEYSIGHT, RIGOL, SIGLENT, TTI, KORAD, SINGLE, SCPI)


def dialect_of(supply: SupplyConfig, identity: str) -> Dialect:
    """Return the command set of the supply that answers *IDN? with `identity`: the one that the
    bench file names, or the first that knows it; SCPI-99 if none does."""
    if supply.commands is not None:
        return template_dialect(supply.commands)
    if supply.dialect is not DialectName.AUTO:
        return next(dialect for dialect in _DIALECTS if dialect.name is supply.dialect)
    return next((d for d in _DIALECTS if re.match(d.identity, identity)), SCPI)


def template_dialect(commands: TemplateCommands) -> Dialect:
    """Return the command set that a bench file states."""
    return Dialect(None, "template", **commands.model_dump(exclude_none=True))
