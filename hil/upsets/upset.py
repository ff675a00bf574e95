"""One upset: its plan, the report of its injection, and the assessment of its effects.

The planner creates the plan, the injector replaces the report as the boards answer, and the
classifier writes the assessment."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from hil.scenario.timing import TimingConfig
from hil.scenario.words import Direction, PatternKind, RamPart
from hil.upsets.words import (
    Activation,
    NodeEffect,
    SystemOutcome,
    UpsetKind,
    UpsetState,
    UpsetTarget,
)
from hil.wire.messages import Report

__all__ = ["Assessment", "InjectionReport", "Upset", "UpsetPlan"]


class UpsetPlan(NamedTuple):
    """One planned upset. `kind` is the bit pattern, the SEFI, the link noise or the board action.

    `bit` was drawn at random and is reduced modulo the target's size by the board; with `exact` the
    scenario names it, and the upset fails if it is beyond the target. `source` names the event, the
    rate or the orbit that it comes from. `id` is assigned when it falls due (1, 2, ... in order), 0
    before. `direction` is that of link noise, `part` that of board-ram; they mean nothing for other
    targets. `until_power_cycle`: nothing on the board starts again until its power is cut, because
    its storage does not answer, or for another reason. `execution`: in which execution of the step
    it is injected, of a scheme that executes each step several times. `to`: the nodes whose voters
    get the copies that are hit, for `lasts_frames` frames (0: to the end of the run); with
    `passes_on` those that `node` passes on of the reply of that node. `timing`: a fault of the
    node's timing, for `lasts_frames` frames."""

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
    direction: Direction = Direction.TO_BOARD
    returns_after_frames: int | None = None
    part: RamPart = RamPart.ALL
    exact: bool = False
    until_power_cycle: bool = False
    execution: int = 1
    to: tuple[str, ...] = ()
    passes_on: str | None = None
    lasts_frames: int = 1
    timing: TimingConfig | None = None


@dataclass(frozen=True, slots=True)
class InjectionReport:
    """The report of an injection, as its board, its link or its supply reports it.

    `detail`: why it was not injected, or where it hit. `verified`: it was read back; `changed`: the
    bits differ from before; `persisted`: they still differed at the end of the step. `tick`,
    `steps` [instruction] and `at_us` [us]: when it hit; `pc_offset`: the program counter's offset
    in the code then; `bit` of `space` bits: where it hit; `before` and `after`: the bytes there.
    `boot`: the number of the operating system's start that it hit, for board-ram. `activation`: the
    first access to what it changed, within its step."""

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
    activation: Activation = Activation.UNKNOWN


@dataclass(slots=True)
class Assessment:
    """The effects of an upset, as far as the frames have shown them.

    `signal`: the signal that ended its worker; `shared`: other upsets hit the same node in the same
    frame; `dormant`: it had no effect at first, and one later; `lingers`: it remains in the node
    after it is settled; `in_program`: it hit the memory or the registers of a program, which may
    keep anything for as long as it runs; `active_frame`: the last frame in which it hit or had an
    effect."""

    effect: NodeEffect = NodeEffect.UNKNOWN
    signal: int = 0
    outcome: SystemOutcome = SystemOutcome.UNKNOWN
    shared: bool = False
    dormant: bool = False
    lingers: bool = False
    in_program: bool = False
    detected_frame: int | None = None
    resolved_frame: int | None = None
    active_frame: int = 0

    def detect(self, frame: int) -> None:
        """Mark it as detected in `frame`, by a check of the link or of the memory's code."""
        self.effect, self.detected_frame = NodeEffect.DETECTED, frame


@dataclass(slots=True)
class Upset:
    """One upset that fell due: plan, report and assessment."""

    plan: UpsetPlan
    report: InjectionReport = InjectionReport()
    assessment: Assessment = field(default_factory=Assessment)

    @property
    def state(self) -> UpsetState:
        """Return whether it was injected, or why not."""
        return self.report.state

    @property
    def injected(self) -> bool:
        """Return whether it was injected."""
        return self.report.state is UpsetState.INJECTED

    @property
    def stuck(self) -> bool:
        """Return whether it holds a bit at a value instead of flipping it once."""
        return self.plan.kind is PatternKind.STUCK

    def refuse(self, why: str) -> None:
        """Mark it as refused: the injection is not attempted."""
        self.report = replace(self.report, state=UpsetState.REFUSED, detail=why)

    def fail(self, why: str) -> None:
        """Mark it as failed: the injection was attempted, but changed nothing."""
        self.report = replace(
            self.report, state=UpsetState.FAILED, detail=why, verified=False, changed=False
        )

    def miss(self) -> None:
        """Mark it as missed: its trigger was not reached."""
        self.report = replace(self.report, state=UpsetState.MISSED)

    def confirm(self, detail: str = "") -> None:
        """Mark it as injected and verified."""
        self.report = replace(
            self.report, state=UpsetState.INJECTED, detail=detail, verified=True, changed=True
        )

    def assume_injected(self, detail: str) -> None:
        """Mark it as injected without verification: nothing was read back."""
        self.report = replace(self.report, state=UpsetState.INJECTED, detail=detail)

    def confirm_power_rise(self) -> None:
        """Mark a latch-up as verified by its board's power; whether it has ended is not known
        yet."""
        self.report = replace(self.report, verified=True, changed=True)

    def apply(self, report: Report) -> None:
        """Set the report from what the board reports of it."""
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

    def set_activation(self, activation: Activation) -> None:
        """Set the first access to what it changed."""
        self.report = replace(self.report, activation=activation)

    def _failure(self, report: Report) -> str:
        """Return why the board could not inject it."""
        plan = self.plan
        if plan.exact and report.space and plan.bit + plan.width > report.space:
            return f"bit {plan.bit} is beyond the {plan.target}, which had {report.space} bits"
        return f"status {report.detail}"
