"""Carrying out one experiment of a campaign again, and finding out what happens in it.

The experiment itself is the campaign's: one RUN with its site. What happens in it is found by two
more of the same, which the board leaves where they stop: one at the fault, from where the step is
followed by single instructions, and one at its end, with what it has written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from hil.campaign.exact import effects_of
from hil.campaign.recall import RecalledStep
from hil.campaign.repetition import (
    ByteChange,
    Fault,
    FaultyEnd,
    PathEnd,
    Repetition,
    Seen,
    TickCount,
    changes,
)
from hil.campaign.trace import counters_of
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import EFFECTS
from hil.record.recorded_experiment import RecordedExperiment
from hil.upsets.words import NodeEffect
from hil.wire.campaign import TEXT_FROM, OpenedStep, Site, Space, StrikeStop

__all__ = ["address_of", "fault_of", "repeat_experiment", "site_of", "with_content"]

_STATE_MAX: Final = 65536
"""[byte] The longest state that is compared byte by byte: its content crosses the link."""
_TICK_BYTES: Final = 4
"""[byte] The count of ticks, with which the worker's memory begins (hil_progress_t)."""


def site_of(recalled: RecalledStep, recorded: RecordedExperiment) -> Site:
    """Return where an experiment strikes."""
    region = recalled.regions[recorded.region]
    byte = region.first + recorded.byte
    return Site(recorded.position, region.space, byte, 1 << recorded.bit)


def fault_of(recalled: RecalledStep, file: CampaignFile, recorded: RecordedExperiment) -> Fault:
    """Return what is known of a fault before it is repeated. Raises: RecordError."""
    trace, opened = recalled.trace, recalled.board.step.opened
    region, position = recalled.regions[recorded.region], recorded.position
    address = int(trace.pc[position])
    before = None
    if region.space is Space.GPR:
        register, byte = divmod(recorded.byte, opened.gpr_bytes)
        before = int(trace.registers[position, register]) >> 8 * byte & 0xFF
    instruction = file.one_instruction(address)
    counters = trace.pc.tolist()
    return Fault(
        target=region.target.value,
        byte=recorded.byte,
        bit=recorded.bit,
        place=file.part_name(recorded.region, recorded.byte),
        before=before,
        position=position,
        weight=recorded.weight,
        address=address,
        text=recalled.texts.get(address, ""),
        symbol=instruction.symbol if instruction else "",
        file=instruction.file if instruction else "",
        line=instruction.line if instruction else 0,
        execution=counters[: position + 1].count(address),
        executions=counters.count(address),
        frame=recorded.frame,
    )


def repeat_experiment(
    recalled: RecalledStep, file: CampaignFile, recorded: RecordedExperiment
) -> Repetition:
    """Carry out an experiment again, and return what happens in it.

    Raises: SetupError, NodeError, LinkTimeout, RecordError."""
    site = site_of(recalled, recorded)
    effects, details = effects_of(recalled.board.step.run([site], severity=True))
    observed = Seen(EFFECTS[effects[0]], details[0])
    recalled.board.step.strike(site, StrikeStop.AT_UPSET)
    fault = with_content(recalled, site, fault_of(recalled, file, recorded))
    path = _path_of(recalled, site, crashes=observed.effect is NodeEffect.CRASH)
    end, ticks = None, None
    if observed.effect is NodeEffect.HANG:
        ticks = _excess_ticks(recalled, site)
    else:
        end = _end_of(recalled, site)
    before = Seen(recorded.effect, recorded.detail)
    return Repetition(recorded.name, fault, before, observed, path, end, ticks)


def with_content(recalled: RecalledStep, site: Site, fault: Fault) -> Fault:
    """Return the fault at which an experiment stands, with the value of its byte."""
    held = recalled.board.step
    address = address_of(held.opened, site)
    if address is None:
        return fault
    (after,) = held.code(address, 1)
    return replace(fault, before=after ^ site.mask)


def address_of(opened: OpenedStep, site: Site) -> int | None:
    """Return the address of the byte that is hit; None if it is in a register."""
    if site.space is Space.MEMORY:
        return opened.arena + site.byte
    if site.space is Space.CPU and site.byte >= TEXT_FROM:
        return opened.text + site.byte - TEXT_FROM
    return None


def _path_of(recalled: RecalledStep, site: Site, *, crashes: bool) -> PathEnd:
    """Return how far the step goes as without the fault at which it stands."""
    board = recalled.board
    golden = [*recalled.trace.pc[site.position :].tolist(), board.step.opened.rest]
    passed = 0
    counters = counters_of(board.step.trace_struck(), board.step.opened.gpr_count)
    for expected, counter in zip(golden, counters, strict=False):
        if counter != expected:
            return PathEnd(passed, counter, expected)
        passed += 1
    return PathEnd(passed - 1 if crashes else passed)


def _end_of(recalled: RecalledStep, site: Site) -> FaultyEnd:
    board = recalled.board
    held, golden = board.step, board.golden
    struck = held.strike(site, StrikeStop.AT_END)
    if struck.signal:
        return FaultyEnd(None, None, struck.signal, struck.pc, struck.fault)
    opened = held.opened
    output = held.code(opened.arena + opened.output_at, len(golden.output))
    state: Sequence[ByteChange] | None = None
    if golden.workload.state_len <= _STATE_MAX:
        content = held.code(opened.arena + opened.state_at, golden.workload.state_len)
        state = changes(golden.state, content)
    return FaultyEnd(changes(golden.output, output), state, 0, struck.pc, 0)


def _excess_ticks(recalled: RecalledStep, site: Site) -> TickCount | None:
    """Return the ticks of a step that hangs because they are more than its budget; None if it hangs
    otherwise."""
    board = recalled.board
    board.step.strike(site, StrikeStop.AT_END)
    opened = board.step.opened
    counted = int.from_bytes(board.step.code(opened.arena, _TICK_BYTES), "little")
    if counted <= board.rig.setup.budget.max_ticks:
        return None
    return TickCount(counted, opened.ticks)
