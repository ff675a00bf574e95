"""The values of one experiment that is carried out again."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass

from hil.json_values import JsonObject
from hil.record.campaign_rows import MomentUnit
from hil.upsets.words import NodeEffect

__all__ = [
    "ByteChange",
    "Fault",
    "FaultyEnd",
    "PathEnd",
    "Repetition",
    "Seen",
    "TickCount",
    "changes",
    "signal_name",
]


def signal_name(number: int) -> str:
    """Return the name of a signal."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: bit `bit` of `byte` of a target, before the instruction at `position` of the step
    of `frame`; or at that tick, where `unit` says so: then nothing is known of instructions.

    place: the register that the byte is part of; empty in memory
    before: the value of the byte; None if it is not known
    weight: so many faults do the same: this one, and those of the instructions just before it
    address, text: the instruction
    symbol, file, line: the function and the source line of it; empty and 0 if not known
    execution, executions: which execution of it this is, counted from 1, and of how many"""

    target: str
    byte: int
    bit: int
    place: str
    before: int | None
    position: int
    weight: int
    address: int
    text: str
    symbol: str
    file: str
    line: int
    execution: int
    executions: int
    frame: int
    unit: MomentUnit = MomentUnit.INSTRUCTION

    @property
    def mask(self) -> int:
        """Return the bit as a mask."""
        return 1 << self.bit


@dataclass(frozen=True, slots=True)
class Seen:
    """The outcome of an experiment; `detail` as in `hil.record.campaign_rows.ClassRow`."""

    effect: NodeEffect
    detail: int

    def __str__(self) -> str:
        if self.effect is NodeEffect.CRASH:
            return f"{self.effect} of {signal_name(self.detail)}"
        if self.effect is NodeEffect.SDC:
            bits = "255 or more bits" if self.detail == 255 else f"{self.detail} bit"
            return f"{self.effect}: {bits}{'s' if 1 < self.detail < 255 else ''} of the output"
        return str(self.effect)

    def as_json(self) -> JsonObject:
        """Return the outcome as a JSON object."""
        found: dict[str, int | str] = {"effect": self.effect.value}
        if self.effect is NodeEffect.CRASH:
            found["signal"] = signal_name(self.detail)
        if self.effect is NodeEffect.SDC:
            found["wrong_bits"] = self.detail
        return found


@dataclass(frozen=True, slots=True)
class ByteChange:
    """One byte of a region that is not as without the fault."""

    offset: int
    right: int
    wrong: int


def changes(right: bytes, wrong: bytes) -> list[ByteChange]:
    """Return the bytes in which a region differs from what it is without the fault."""
    pairs = enumerate(zip(right, wrong, strict=True))
    return [ByteChange(offset, a, b) for offset, (a, b) in pairs if a != b]


@dataclass(frozen=True, slots=True)
class PathEnd:
    """The path of a faulty step: for `instructions` after the fault it is the fault-free one. Then
    it goes to the address `leaves` instead of `expected`; None if it never leaves that path, or
    ends on it by a signal."""

    instructions: int
    leaves: int | None = None
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class TickCount:
    """The ticks of a step, `counted` with the fault and `right` without it."""

    counted: int
    right: int


@dataclass(frozen=True, slots=True)
class FaultyEnd:
    """The end of a faulty step. `output` and `state` are the bytes that differ then; None:
    nothing to compare, as it did not end by itself. `signal`: that would end the worker, or 0;
    `pc`: the instruction that raised it, `fault` the address that this accessed (0: not known)."""

    output: Sequence[ByteChange] | None
    state: Sequence[ByteChange] | None
    signal: int
    pc: int
    fault: int


@dataclass(frozen=True, slots=True)
class Repetition:
    """An experiment that was carried out again: what was `recorded` of it, and what was `observed`.
    `path`: None if no instructions are known; `end`: None if it hangs. `ticks`: of one that hangs
    because it has counted more than its budget."""

    name: str
    fault: Fault
    recorded: Seen
    observed: Seen
    path: PathEnd | None
    end: FaultyEnd | None
    ticks: TickCount | None = None

    @property
    def is_equal(self) -> bool:
        """Return whether the outcome is the recorded one."""
        return self.recorded == self.observed

    def as_json(self) -> JsonObject:
        """Return all of it as a JSON object."""
        fault, end = self.fault, self.end
        return {
            "experiment": self.name,
            "equal": self.is_equal,
            "recorded": self.recorded.as_json(),
            "observed": self.observed.as_json(),
            "target": fault.target,
            "byte": fault.byte,
            "bit": fault.bit,
            "register": fault.place or None,
            "before": fault.before,
            "frame": fault.frame,
            "position": fault.position,
            "unit": fault.unit.value,
            "weight": fault.weight,
            "instruction": _instruction(fault),
            "path": _path(self.path),
            "ticks": _ticks(self.ticks),
            "output": _changes_json(end.output) if end else None,
            "state": _changes_json(end.state) if end else None,
            "signal": signal_name(end.signal) if end and end.signal else None,
            "pc": end.pc if end and end.signal else None,
            "fault_address": end.fault if end and end.fault else None,
        }


def _instruction(fault: Fault) -> JsonObject | None:
    if fault.unit is not MomentUnit.INSTRUCTION:
        return None
    return {
        "address": fault.address,
        "text": fault.text,
        "symbol": fault.symbol or None,
        "file": fault.file or None,
        "line": fault.line or None,
        "execution": fault.execution,
        "executions": fault.executions,
    }


def _path(path: PathEnd | None) -> JsonObject | None:
    if path is None:
        return None
    return {
        "instructions": path.instructions,
        "leaves_to": path.leaves,
        "instead_of": path.expected,
    }


def _ticks(ticks: TickCount | None) -> JsonObject | None:
    if ticks is None:
        return None
    return {"counted": ticks.counted, "right": ticks.right}


def _changes_json(some: Sequence[ByteChange] | None) -> list[JsonObject] | None:
    if some is None:
        return None
    return [{"byte": c.offset, "right": c.right, "wrong": c.wrong} for c in some]
