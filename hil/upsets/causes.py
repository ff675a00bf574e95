"""Causes: which upsets of a node can have caused a deviation of it, and which of them counts. Pure.

The rules are those of `hil.upsets.outcome`, which follows each upset to its outcome by them."""

from __future__ import annotations

import math
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from hil.rig.node import CRASHED, SILENT, NodeResult
from hil.scenario.words import TimingFault
from hil.upsets.upset import Upset
from hil.upsets.words import NodeEffect, UpsetTarget

__all__ = [
    "HARMLESS",
    "PASSING",
    "UNSEEN",
    "NodeBook",
    "can_cause",
    "can_wake",
    "in_agent",
    "in_system",
    "in_worker",
    "is_gone",
    "is_of_the_board",
    "is_released",
    "may_remain",
    "supersedes",
]

_T: Final = UpsetTarget
_IN_WORKER: Final = frozenset({_T.STACK, _T.HEAP, _T.TEXT, _T.GPR, _T.VECTOR})
_IN_STATE: Final = frozenset({_T.STATE, _T.INPUT, _T.CHECKPOINT})
PASSING: Final = frozenset({_T.STACK, _T.GPR, _T.VECTOR})
"""Targets that the worker's next step rewrites."""
UNSEEN: Final = frozenset({NodeEffect.UNKNOWN, NodeEffect.MASKED})
HARMLESS: Final = UNSEEN | {NodeEffect.LATENT}
"""Effects that may still become another one."""
_LATE_KINDS: Final = frozenset({TimingFault.SLOW, TimingFault.LATE})
_TOO_LATE: Final = "; the board had not answered since frame "
"""What the detail says of a flip of a board's memory that cannot have silenced the board."""


def is_of_the_board(result: NodeResult) -> bool:
    """Return whether the board failed, and not only its worker."""
    return result.rebooted or result.ended or result.disconnected or result.status == SILENT


def can_cause(upset: Upset, frame: int, effect: NodeEffect, result: NodeResult) -> bool:
    """Return whether the upset can have caused `effect`, which is not masked, in `frame`."""
    target = upset.plan.target
    if target in (_T.BOARD, _T.AGENT) or in_system(upset):
        return True
    if target is _T.CPU:  # a board that resets is absent for a while, but its agent is not killed
        return not result.ended
    if target is _T.TIMING:
        late = effect in (NodeEffect.LATE, NodeEffect.HANG) and not result.disconnected
        wrong = effect in (NodeEffect.SDC, NodeEffect.LATENT)
        return wrong if upset.plan.kind is TimingFault.SKEWED else late
    if target is _T.LINK:
        return effect is NodeEffect.LATE or (result.status == SILENT and not result.disconnected)
    if is_of_the_board(result):
        # Without memory protection, a damaged worker can bring the whole board down.
        alone = not (result.ended or result.disconnected)
        return alone and target in _IN_WORKER and upset.plan.frame == frame
    if effect is NodeEffect.LATE:
        return target in _IN_WORKER or upset.stuck or upset.assessment.effect not in HARMLESS
    return True


def can_wake(upset: Upset, frame: int, effect: NodeEffect, result: NodeResult) -> bool:
    """Return whether a settled upset that may remain in the node can have caused `effect`."""
    killed = result.status == CRASHED and result.signal == signal.SIGKILL
    if killed and not (upset.stuck or upset.assessment.in_program or in_system(upset)):
        return False  # a worker never ends itself by SIGKILL: another process did
    return not is_gone(upset, frame) and can_cause(upset, frame, effect, result)


def in_system(upset: Upset) -> bool:
    """Return whether it changed the board's memory, where the operating system may read it at any
    time."""
    return upset.plan.target is _T.BOARD_RAM and upset.report.changed


def in_worker(upset: Upset) -> bool:
    """Return whether it hit what only the worker has: its stack, heap, machine code or
    registers."""
    return upset.plan.target in _IN_WORKER


def may_remain(upset: Upset, *, programs: bool, states_ignored: bool) -> bool:
    """Return whether an upset may remain in what nobody compares: the own memory of programs of the
    user, or states that are not voted on."""
    if states_ignored:
        return in_worker(upset) or upset.plan.target in _IN_STATE
    return programs and in_worker(upset)


def in_agent(upset: Upset) -> bool:
    """Return whether it hit the agent's memory, where it remains until the agent starts again."""
    return upset.plan.target is _T.AGENT


def is_released(upset: Upset, frame: int) -> bool:
    """Return whether a stuck cell takes other values again in `frame`."""
    hold = upset.plan.hold_frames
    return hold > 0 and frame >= upset.plan.frame + hold


def is_gone(upset: Upset, frame: int) -> bool:
    """Return whether nothing of it remains in the node in `frame`."""
    if upset.stuck:  # a frame may compute with what it left; what nobody rewrites keeps its value
        stays = upset.plan.target is _T.TEXT or in_system(upset)
        return not stays and is_released(upset, frame - 1)
    passes = upset.plan.target in PASSING and not upset.assessment.in_program
    return passes and frame > upset.assessment.active_frame + 1


def supersedes(newer: Upset, older: Upset) -> bool:
    """Return whether nothing is attributed to `older` any more while both are dormant, as it would
    be attributed to `newer`: that can have caused whatever `older` can, and lasts at least as
    long."""
    new, old = newer.assessment, older.assessment
    return (
        newer.plan.target is older.plan.target
        and newer.report.verified  # else its board may still deny it
        and (in_system(newer), newer.stuck, new.in_program)
        == (in_system(older), older.stuck, old.in_program)
        and (new.effect not in HARMLESS or old.effect in HARMLESS)
        and new.active_frame >= old.active_frame
        and newer.report.boot >= older.report.boot
        and newer.plan.permanent >= older.plan.permanent
        and _held_until(newer) >= _held_until(older)
    )


def _held_until(upset: Upset) -> float:
    """Return the frame in which a stuck cell takes other values again; infinity if it never
    does."""
    hold = upset.plan.hold_frames
    return upset.plan.frame + hold if upset.stuck and hold else math.inf


@dataclass(slots=True)
class NodeBook:
    """The upsets of one node. `open`: not settled yet; `waiting`: not settled either, while the
    board is absent; `dormant`: settled, but may still have an effect; `blamed`: those to which the
    deviation of this frame's last execution is attributed, `earlier`: of the executions before it;
    `flip`: the one of the board's memory among them, until the node is repaired. `silent_since`:
    the first frame that the node did not answer, until it answers again."""

    open: list[Upset] = field(default_factory=list)
    waiting: list[Upset] = field(default_factory=list)
    dormant: list[Upset] = field(default_factory=list)
    blamed: list[Upset] = field(default_factory=list)
    earlier: list[Upset] = field(default_factory=list)
    flip: Upset | None = None
    silent_since: int | None = None

    def begin_execution(self, *, again: bool) -> None:
        """Attribute nothing yet to an execution of a frame: to its first, or `again` to another."""
        self.earlier = [*self.earlier, *self.blamed] if again else []
        self.blamed = []

    def involved(self, *, lines: bool) -> list[Upset]:
        """Return the upsets to which a deviation of this frame is attributed, also open ones that
        make the node late; with `lines` also the open ones of lines to several voters."""
        others = [
            u
            for u in self.open
            if u not in self.blamed and ((lines and u.plan.to) or u.plan.kind in _LATE_KINDS)
        ]
        return [*self.earlier, *self.blamed, *others]

    def note_missing(self, frame: int, result: NodeResult) -> None:
        """Note that no answer of the node came in `frame`, if that is its result, and the effect of
        timing faults if it is late."""
        if result.status == SILENT and self.silent_since is None:
            self.silent_since = frame
        for upset in self.open if result.late else ():
            assessment = upset.assessment
            if upset.plan.kind in _LATE_KINDS and assessment.effect in HARMLESS:
                assessment.effect, assessment.detected_frame = NodeEffect.LATE, frame

    def lay_dormant(self, upset: Upset, frame: int) -> None:
        """Take an upset that was settled in `frame` as the latest of the dormant ones. Those that
        are over, and those that it supersedes, are dropped: however long a run is, few remain."""
        remaining = [u for u in self.dormant if not (is_gone(u, frame) or supersedes(upset, u))]
        self.dormant = [*remaining, upset]

    def repaired(self) -> None:
        """Attribute nothing that follows to what came before."""
        self.flip = self.silent_since = None

    def suspects(self, frame: int, able: Sequence[Upset]) -> list[Upset]:
        """Return those of the `able` upsets to which a deviation in `frame` is attributed: of flips
        of the board's memory one, the last before the board fell silent."""
        died = frame if self.silent_since is None else self.silent_since
        flips = [u for u in able if in_system(u)]
        if self.flip not in flips:
            before = [u for u in flips if u.plan.frame <= died and u.assessment.lingers]
            self.flip = before[-1] if before else None
        return [u for u in able if not in_system(u) or u is self.flip]

    def flips_after(self) -> list[Upset]:
        """Return the open flips of the board's memory that came after it had fallen silent, and
        that were not returned before."""
        died = self.silent_since
        if died is None:
            return []
        late = [u for u in self.open if in_system(u) and u.plan.frame > died]
        out = [u for u in late if _TOO_LATE not in u.report.detail]
        for upset in out:
            detail = f"{upset.report.detail}{_TOO_LATE}{died}"
            upset.report = replace(upset.report, detail=detail)
        return out

    def note_of_death(self, node: str, known: Upset | None) -> str:
        """Return which flip of the board's memory silenced it, as far as is known, if others came
        after it; empty if none did, or if it is the `known` one. `node` is the name."""
        after = self.flips_after()
        if not after or self.flip is None or self.flip is known:
            return ""
        first, last = after[0].plan.id, after[-1].plan.id
        came = f"{len(after)} flips came after it (the first upset {first}, the last {last})"
        if len(after) == 1:
            came = f"upset {first} came after it"
        return (
            f"node {node} has not answered since frame {self.silent_since}: upset "
            f"{self.flip.plan.id} was the last flip of its memory before that; {came}"
        )
