"""One upset: its plan, the report of how it was made, and the assessment of what followed.

The planner makes the plan, the injector replaces the report as the boards answer, and the
classifier writes the assessment."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from hil.scenario import PatternKind
from hil.upsets.words import NodeEffect, SystemOutcome, UpsetKind, UpsetState, UpsetTarget
from hil.wire.messages import Report

__all__ = ["Assessment", "InjectionReport", "Upset", "UpsetPlan"]


class UpsetPlan(NamedTuple):
    """One upset, before it happened. `kind` is the pattern, the SEFI, the noise or the board
    action.

    `bit` is reduced modulo the target's size by the board if it was drawn; with `exact` it was
    named, and the upset fails if it is beyond the target. `source` says where the upset comes from.
    `id` is given when it falls due (1, 2, ... in order), 0 before."""

    frame: int
    node: str
    target: UpsetTarget
    kind: UpsetKind
    source: str
    id: int = 0
    tick: int = 0
    steps: int = 0
    us: int | None = None
    width: int = 0
    bit: int = 0
    value: int = 0
    hold_frames: int = 0
    permanent: bool = False
    direction: str = ""
    returns_after_frames: int | None = None
    part: str = ""
    exact: bool = False


@dataclass(frozen=True, slots=True)
class InjectionReport:
    """How an upset was made, as its board, its link or its supply reports it.

    `detail`: why it was not made, or where it hit. `verified`: it was read back; `changed`: the
    bits differ from before; `persisted`: they still differed when the step ended. `tick`, `steps`
    and `at_us` [us]: when it hit; `pc_offset`: at which instruction; `bit` of `space` bits: where;
    `before` and `after`: what was there. `boot`: which start of the board's operating system it
    hit, if it hit that."""

    state: UpsetState = UpsetState.ARMED
    detail: str = ""
    verified: bool = False
    changed: bool = False
    persisted: bool = False
    tick: int = 0
    steps: int = 0
    at_us: int = 0
    pc_offset: int | None = None
    bit: int = 0
    space: int = 0
    before: bytes = b""
    after: bytes = b""
    boot: int = 0


@dataclass(slots=True)
class Assessment:
    """What followed from an upset, as far as the frames have shown it.

    `signal`: what its worker died of; `shared`: others hit the same node in the same frame;
    `dormant`: it showed nothing at first, and something later; `lingers`: it still lies in the node
    when it is settled; `active_frame`: the last frame in which it hit, or showed."""

    effect: NodeEffect = NodeEffect.UNKNOWN
    signal: int = 0
    outcome: SystemOutcome = SystemOutcome.UNKNOWN
    shared: bool = False
    dormant: bool = False
    lingers: bool = False
    detected_frame: int | None = None
    resolved_frame: int | None = None
    active_frame: int = 0

    def detect(self, frame: int) -> None:
        """A check or the memory's code caught it in `frame`."""
        self.effect, self.detected_frame = NodeEffect.DETECTED, frame


@dataclass(slots=True)
class Upset:
    """One upset that fell due."""

    plan: UpsetPlan
    report: InjectionReport = InjectionReport()
    assessment: Assessment = field(default_factory=Assessment)

    @property
    def state(self) -> UpsetState:
        """Whether it was made."""
        return self.report.state

    @property
    def injected(self) -> bool:
        """Whether it was made, and not only tried."""
        return self.report.state is UpsetState.INJECTED

    @property
    def stuck(self) -> bool:
        """Whether it holds a bit, instead of flipping it once."""
        return self.plan.kind is PatternKind.STUCK

    def refuse(self, why: str) -> None:
        """It is not tried."""
        self.report = replace(self.report, state=UpsetState.REFUSED, detail=why)

    def fail(self, why: str) -> None:
        """It was tried, but nothing was hit."""
        self.report = replace(
            self.report, state=UpsetState.FAILED, detail=why, verified=False, changed=False
        )

    def miss(self) -> None:
        """Its position was not reached."""
        self.report = replace(self.report, state=UpsetState.MISSED)

    def confirm(self, detail: str = "") -> None:
        """It was made, and that is known for certain."""
        self.report = replace(
            self.report, state=UpsetState.INJECTED, detail=detail, verified=True, changed=True
        )

    def assume_injected(self, detail: str) -> None:
        """It was made as far as anybody can tell; nothing was read back."""
        self.report = replace(self.report, state=UpsetState.INJECTED, detail=detail)

    def confirm_power_rise(self) -> None:
        """A latch-up shows in the power of its board; whether it is over is not known yet."""
        self.report = replace(self.report, verified=True, changed=True)

    def apply(self, report: Report) -> None:
        """Take over what the board reports of it."""
        state = UpsetState(report.state)
        self.report = InjectionReport(
            state=state,
            detail=self._failure(report) if state is UpsetState.FAILED else "",
            verified=report.verified,
            changed=report.changed,
            persisted=report.persisted,
            tick=report.tick,
            steps=report.steps,
            at_us=report.at_us,
            pc_offset=report.pc_offset,
            bit=report.bit,
            space=report.space,
            before=report.before,
            after=report.after,
            boot=self.report.boot,
        )

    def _failure(self, report: Report) -> str:
        """Why the board could not make it."""
        plan = self.plan
        if plan.exact and report.space and plan.bit + plan.width > report.space:
            return f"bit {plan.bit} is beyond the {plan.target}, which had {report.space} bits"
        return f"status {report.detail}"
