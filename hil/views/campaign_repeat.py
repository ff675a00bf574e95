"""An experiment that was carried out again, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from hil.campaign.repetition import ByteChange, Fault, FaultyEnd, PathEnd, Repetition, signal_name
from hil.record.campaign_rows import MomentUnit
from hil.upsets.words import NodeEffect
from hil.views.style import BAD, GOOD, HEAD, Glyphs, plural

__all__ = ["fault_lines", "repetition_table"]

_CHANGES_SHOWN: Final = 8


def repetition_table(repetition: Repetition, glyphs: Glyphs) -> RenderableType:
    """Return what was repeated, whether it came out as recorded, and what happened in it."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style=HEAD)
    table.add_column(overflow="fold")
    for name, line in fault_lines(repetition.name, repetition.fault):
        table.add_row(name, Text(line))
    table.add_row("recorded", Text(str(repetition.recorded)))
    table.add_row("observed", _observed(repetition, glyphs))
    for name, line in _happenings(repetition, glyphs):
        table.add_row(name, Text(line))
    return table


def fault_lines(name: str, fault: Fault) -> Iterator[tuple[str, str]]:
    """Yield the lines that say where and when a fault strikes, each with its heading."""
    byte = f"byte {fault.byte} of {fault.target}"
    if fault.place:
        byte += f" ({fault.place})"
    value = ""
    if fault.before is not None:
        value = f", from {fault.before:#04x} to {fault.before ^ fault.mask:#04x}"
    yield "experiment", f"{name}: bit {fault.bit} of {byte}{value}"
    step = f"the step of frame {fault.frame:,}"
    if fault.unit is MomentUnit.INSTRUCTION:
        code = f"{fault.address:#x}  {fault.text}".rstrip()
        yield "before", f"instruction {fault.position:,} of {step}: {code}"
    else:
        yield "at", f"tick {fault.position:,} of {step}" if fault.position else f"before {step}"
    if fault.symbol:
        source = f", {fault.file}:{fault.line}" if fault.file else ""
        yield "in", f"{fault.symbol}{source}"
    if fault.executions:
        yield "execution", f"{fault.execution:,} of {fault.executions:,} of this instruction"
    if fault.weight > 1:
        earlier = "the one" if fault.weight == 2 else f"any of the {fault.weight - 1:,}"
        yield "same as", f"before {earlier} before it: {fault.weight:,} faults"


def _observed(repetition: Repetition, glyphs: Glyphs) -> Text:
    if repetition.is_equal:
        return Text(f"{repetition.observed} {glyphs.ok} as recorded", style=GOOD)
    note = ""
    if NodeEffect.HANG in (repetition.observed.effect, repetition.recorded.effect):
        note = "; the limits of instructions and ticks decide what is a hang"
    return Text(f"{repetition.observed} {glyphs.bad} not as recorded{note}", style=BAD)


def _happenings(repetition: Repetition, glyphs: Glyphs) -> Iterator[tuple[str, str]]:
    if repetition.path is not None:
        yield "path", _path_text(repetition.path, repetition.observed.effect)
    if repetition.ticks is not None:
        counted, right = repetition.ticks.counted, repetition.ticks.right
        yield "ticks", f"{counted:,} counted instead of {right:,}: more than the step's budget"
    end = repetition.end
    if end is None:
        return
    if end.signal:
        yield "signal", _signal_text(end)
    for name, changes in (("output", end.output), ("state", end.state)):
        if changes is not None:
            yield name, _changes_text(changes, glyphs)


def _path_text(path: PathEnd, effect: NodeEffect) -> str:
    count = plural(path.instructions, "instruction")
    if path.leaves is not None:
        where = f"goes to {path.leaves:#x} instead of {path.expected:#x}"
        if not path.instructions:
            return f"leaves that of the fault-free step at once: {where}"
        return f"leaves that of the fault-free step after {count}: {where}"
    if effect is NodeEffect.CRASH:
        return f"that of the fault-free step for {count}, then a signal"
    return f"that of the fault-free step to its end, {count}"


def _signal_text(end: FaultyEnd) -> str:
    at = f"{signal_name(end.signal)} at the instruction at {end.pc:#x}"
    return f"{at}, which accesses address {end.fault:#x}" if end.fault else at


def _changes_text(changes: Sequence[ByteChange], glyphs: Glyphs) -> str:
    if not changes:
        return "as without the fault"
    shown = [
        f"byte {c.offset} {c.right:02x}{glyphs.arrow}{c.wrong:02x}"
        for c in changes[:_CHANGES_SHOWN]
    ]
    bits = sum((c.right ^ c.wrong).bit_count() for c in changes)
    rest = len(changes) - len(shown)
    more = f", and {rest} more" if rest else ""
    where = plural(len(changes), "byte")
    return f"{plural(bits, 'bit')} in {where} not as without the fault: {', '.join(shown)}{more}"
