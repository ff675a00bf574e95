"""Controls: before a campaign, hits whose effects are certain, so that a bench that misjudges them
is found out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hil.campaign.bench import HeldBoard
from hil.campaign.exact import effects_of
from hil.campaign.plan import ExactPlan
from hil.errors import SetupError
from hil.record.campaign_rows import EFFECTS
from hil.upsets.words import NodeEffect
from hil.wire.campaign import Site, Space

__all__ = ["check_controls"]

_SEFI_HANG: Final = 1  # hil_sefi_t
_SEFI_CRASH: Final = 2
_HALF: Final = 2


@dataclass(frozen=True, slots=True)
class _Control:
    what: str
    site: Site
    effect: NodeEffect


def _controls(board: HeldBoard, length: int) -> list[_Control]:
    """Return the controls of a step of `length` instructions, in order of position."""
    opened = board.step.opened
    memory, middle = Space.MEMORY, length // _HALF
    return [
        _Control("an endless loop", Site(0, Space.CPU, _SEFI_HANG, 1), NodeEffect.HANG),
        _Control("an illegal instruction", Site(0, Space.CPU, _SEFI_CRASH, 1), NodeEffect.CRASH),
        _Control("an endless loop", Site(middle, Space.CPU, _SEFI_HANG, 1), NodeEffect.HANG),
        _Control("a hit of the finished input", Site(length, memory, opened.input_at, 0x10),
                 NodeEffect.MASKED),
        _Control("a hit of the finished state", Site(length, memory, opened.state_at, 0x10),
                 NodeEffect.LATENT),
        _Control("a hit of the finished output", Site(length, memory, opened.output_at, 0x10),
                 NodeEffect.SDC),
        _Control("a hit of unused heap", Site(length, memory, opened.heap_at, 0x10),
                 NodeEffect.MASKED),
    ]  # fmt: skip


def check_controls(board: HeldBoard, plan: ExactPlan) -> int:
    """Make hits whose effects are certain; return how many.

    Raises: SetupError if one is judged wrongly."""
    controls = _controls(board, plan.length)
    outcomes = board.step.run([control.site for control in controls], severity=True)
    effects, _ = effects_of(outcomes)
    for control, number in zip(controls, effects, strict=True):
        if EFFECTS[number] is not control.effect:
            raise SetupError(
                f"control on node {board.node.name}: {control.what} came out as "
                f"{EFFECTS[number]}, not {control.effect}",
                remedy="no campaign is possible on this board; please report it, with the output "
                "of `hil doctor`",
            )
    return len(controls)
