"""Controls: before a campaign, hits whose effects are certain, so that a bench that misjudges them
is found out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from hil.campaign.analysis import AnalysedStep
from hil.campaign.bench import HeldBoard
from hil.campaign.exact import effects_of
from hil.campaign.instruction import Instruction
from hil.errors import SetupError
from hil.record.campaign_rows import EFFECTS
from hil.upsets.words import NodeEffect
from hil.wire.campaign import Site, Space

__all__ = ["check_controls", "check_decoder"]

_SEFI_HANG: Final = 1  # hil_sefi_t
_SEFI_CRASH: Final = 2
_HALF: Final = 2
_WITHIN_MAX: Final = 1000
"""A control within the step is not far from its beginning: the way there costs time."""
_CHECKED_BITS: Final = 0x81
_SITES_OF_ONE: Final = 64  # request


@dataclass(frozen=True, slots=True)
class _Control:
    what: str
    site: Site
    effect: NodeEffect


def _controls(board: HeldBoard, length: int) -> tuple[list[_Control], list[_Control]]:
    """Return the controls of a step of `length` instructions: those at its end, and those before,
    each in order of position."""
    opened = board.step.opened
    memory, within = Space.MEMORY, min(length // _HALF, _WITHIN_MAX)
    at_end = [
        _Control("a hit of the finished input", Site(length, memory, opened.input_at, 0x10),
                 NodeEffect.MASKED),
        _Control("a hit of the finished state", Site(length, memory, opened.state_at, 0x10),
                 NodeEffect.LATENT),
        _Control("a hit of the finished output", Site(length, memory, opened.output_at, 0x10),
                 NodeEffect.SDC),
        _Control("a hit of unused heap", Site(length, memory, opened.heap_at, 0x10),
                 NodeEffect.MASKED),
    ]  # fmt: skip
    before = [
        _Control("an endless loop", Site(0, Space.CPU, _SEFI_HANG, 1), NodeEffect.HANG),
        _Control("an illegal instruction", Site(0, Space.CPU, _SEFI_CRASH, 1), NodeEffect.CRASH),
        _Control("an endless loop", Site(within, Space.CPU, _SEFI_HANG, 1), NodeEffect.HANG),
    ]
    return at_end, before


def check_decoder(board: HeldBoard, step: AnalysedStep) -> int:
    """Hit what each instruction of a step is said to overwrite, before its first execution; return
    how many hits that were. All must be masked: what is deduced without experiments rests on it.

    Raises: SetupError if one is not."""
    first: dict[int, int] = {}
    for position, pc in enumerate(step.trace.pc.tolist()):
        first.setdefault(pc, position)
    spaces = {region.space for region in step.plan.regions}
    sites = sorted(
        Site(position, space, byte, _CHECKED_BITS)
        for pc, position in first.items()
        for space, byte in _overwritten(step.code[pc])
        if space in spaces
    )
    for begin in range(0, len(sites), _SITES_OF_ONE):
        part = sites[begin : begin + _SITES_OF_ONE]
        effects, _ = effects_of(board.step.run(part, severity=True))
        for number, effect in enumerate(effects):
            if EFFECTS[effect] is not NodeEffect.MASKED:
                site = part[number // _CHECKED_BITS.bit_count()]
                text = step.code[int(step.trace.pc[site.position])].text
                raise SetupError(
                    f"node {board.node.name}: `{text}` does not overwrite byte {site.byte} of "
                    f"{site.space.name}, as the disassembler says",
                    remedy="please report it, with the version of capstone",
                )
    return len(sites)


def _overwritten(instruction: Instruction) -> Iterator[tuple[Space, int]]:
    """Return the registers' bytes that an instruction overwrites without reading them."""
    for space, reads, kills in (
        (Space.GPR, instruction.general_reads, instruction.general_kills),
        (Space.VECTOR, instruction.vector_reads, instruction.vector_kills),
    ):
        read = {b for part in reads for b in range(part.first, part.first + part.length)}
        killed = {b for part in kills for b in range(part.first, part.first + part.length)}
        for byte in killed - read:
            yield space, byte


def check_controls(board: HeldBoard, length: int) -> int:
    """Make hits whose effects are certain, in a step of `length` instructions; return how many.

    Raises: SetupError if one is judged wrongly."""
    count = 0
    # A board that has traced the step stands at its end: those there come first.
    for controls in _controls(board, length):
        outcomes = board.step.run([control.site for control in controls], severity=True)
        _judge(board, controls, effects_of(outcomes)[0])
        count += len(controls)
    return count


def _judge(board: HeldBoard, controls: Sequence[_Control], effects: bytes) -> None:
    for control, number in zip(controls, effects, strict=True):
        if EFFECTS[number] is not control.effect:
            raise SetupError(
                f"control on node {board.node.name}: {control.what} came out as "
                f"{EFFECTS[number]}, not {control.effect}",
                remedy="no campaign is possible on this board; please report it, with the output "
                "of `hil doctor`",
            )
