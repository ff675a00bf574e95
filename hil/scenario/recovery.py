"""The recovery of a scenario: the repair of faulty nodes, and what is done before they fail."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field

from hil.scenario.checkpoint_interval import daly, young
from hil.scenario.durations import parse_duration_us
from hil.scenario.fields import FrozenModel, Int
from hil.scenario.problems import wrong
from hil.scenario.words import FRAMES_MAX, Attempts, NodeName, word_of
from hil.word_enum import Word

__all__ = [
    "BestInterval",
    "ColdStartConfig",
    "PreventiveAction",
    "PreventiveConfig",
    "RecoveryConfig",
]

_APART_MAX: Final = 1_000_000


class BestInterval(Word):
    """The rules for the best interval between checkpoints."""

    YOUNG = "young"
    DALY = "daly"


def _duration(text: str) -> str:
    try:
        parse_duration_us(text)
    except ValueError as error:
        raise wrong(str(error)) from None
    return text


Duration = Annotated[str, AfterValidator(_duration)]
IntervalWord = Annotated[BestInterval, BeforeValidator(word_of(BestInterval, "interval"))]


class PreventiveAction(Word):
    """The preventive actions: what is started again of a node that works."""

    RESTART = "restart"  # its worker process
    RESET = "reset"  # its agent
    POWER_CYCLE = "power_cycle"


class PreventiveConfig(FrozenModel):
    """Preventive restarts: every node in its turn, the turns evenly apart."""

    every_frames: Annotated[Int, Field(ge=2, le=FRAMES_MAX)] = Field(
        description="Frames from one restart of a node to its next one."
    )
    action: Annotated[
        PreventiveAction, BeforeValidator(word_of(PreventiveAction, "preventive action"))
    ] = Field(
        default=PreventiveAction.RESTART,
        description="restart (the worker process), reset (the agent), or power_cycle (the board).",
    )


class ColdStartConfig(FrozenModel):
    """The start of the rig after a dead bus: no node was in service."""

    order: tuple[NodeName, ...] = Field(
        default=(), description="The nodes in the order in which they wake up; default: the list."
    )
    apart_frames: Annotated[Int, Field(ge=0, le=_APART_MAX)] = Field(
        default=10, description="Frames from the wake-up of a node to that of the next one."
    )
    alone_after_frames: Annotated[Int, Field(ge=0, le=FRAMES_MAX)] = Field(
        default=0,
        description="Nothing is delivered until two nodes agree. A node that is alone may command "
        "after this many frames; 0 = never.",
    )


class RecoveryConfig(FrozenModel):
    """The repair of a faulty node: step by step, each with a number of attempts."""

    resyncs: Attempts = Field(
        default=2,
        description="Attempts to send the voted state, within the window; 0 skips the step.",
    )
    restarts: Attempts = Field(
        default=2, description="Attempts to restart the worker process, within the window; 0 skips."
    )
    resets: Attempts = Field(
        default=1, description="Attempts to reset the board, within the window; 0 skips the step."
    )
    power_cycles: Attempts = Field(
        default=1,
        description="Attempts to switch the board off and on, within the window; 0 skips.",
    )
    window_frames: Annotated[Int, Field(ge=1, le=FRAMES_MAX)] = Field(
        default=20, description="Attempts older than this many frames are forgotten."
    )
    reintegrate_frames: Annotated[Int, Field(ge=1, le=1_000_000)] = Field(
        default=3,
        description="Consecutive frames that a repaired node must agree before its vote counts.",
    )
    checkpoint_every: Attempts | IntervalWord = Field(
        default=16,
        description="Frames between two checkpoints of the state on the boards; 0 = never. young "
        "or daly: the best interval for `checkpoint_cost` and the rate of upsets. Schemes with "
        "time redundancy take one after every frame.",
    )
    checkpoint_cost: Duration | None = Field(
        default=None,
        description="young, daly, and required there: how long a checkpoint takes, as 40ms.",
    )
    mean_time_between_upsets: Duration | None = Field(
        default=None,
        description="young, daly: of all nodes together, as 20min; default: that of "
        "`upsets.rates`, with acceleration.",
    )
    rollbacks: Attempts = Field(
        default=1,
        description="Attempts to roll back to the checkpoint when there is no majority; 0 = never: "
        "two nodes whose states differ then stay without an output.",
    )
    scrub_words: Attempts = Field(
        default=64,
        description="Words of the checkpoint that are checked and corrected in every frame.",
    )
    scrub_every: Attempts = Field(
        default=0,
        description="Frames in which the whole checkpoint is checked once, in place of "
        "`scrub_words`, a part of it in every frame; 0 = by `scrub_words`.",
    )
    preventive: PreventiveConfig | None = Field(
        default=None,
        description="Restarts of nodes that work, one after another, against damage that no vote "
        "shows; default: none.",
    )
    cold_start: ColdStartConfig | None = Field(
        default=None,
        description="How the rig starts again when all its nodes have been without power; default: "
        "all nodes at once, and outputs by the rule of the scheme.",
    )

    def best_interval(self, frame_us: int, upsets_per_s: float) -> int | None:
        """Return the frames between two checkpoints by the stated rule, at least 1; None if the
        interval is a number itself, or if time or cost is not known. `upsets_per_s` of all nodes
        together, each of which is taken to cost a rollback; 0: they are not known."""
        stated, cost = self.mean_time_between_upsets, self.checkpoint_cost
        if not isinstance(self.checkpoint_every, BestInterval) or cost is None:
            return None
        if stated is None and not upsets_per_s:
            return None
        mean_us = 1e6 / upsets_per_s if stated is None else float(parse_duration_us(stated))
        rule = young if self.checkpoint_every is BestInterval.YOUNG else daly
        frames = rule(parse_duration_us(cost), mean_us) / frame_us
        return max(1, min(_APART_MAX, round(frames)))
