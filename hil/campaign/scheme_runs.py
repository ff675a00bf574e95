"""Confirmation of a proof: faults drawn at random are carried out in full runs, each at its
instruction, with boards, voter, recovery and repairs; and each must end as the proof says."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from hil.campaign.regions import TargetRegion, abi_of
from hil.campaign.scheme_model import SchemeModel, with_repairs
from hil.campaign.scheme_proof import (
    Kind,
    NodeFaults,
    fate_in_scheme,
    fault_in,
)
from hil.engine.loop import Loop, RunSetup
from hil.engine.observers import FramesDone, NodeRepair, RunEvent, RunObserver
from hil.errors import SetupError
from hil.record.null_recorder import NullRecorder
from hil.record.scheme_proof import MAY_END_AS, SchemeFate
from hil.redundancy.recovery import NodeState
from hil.scenario import PatternKind, Scenario, UpsetTarget
from hil.scenario.upsets import UpsetsConfig
from hil.upsets.upset import Upset, UpsetPlan
from hil.upsets.words import SystemOutcome

__all__ = ["Confirmation", "DrawnFault", "FlownRun", "confirm", "draw_faults", "fly", "run_fault"]

_FRAMES_AFTER: Final = 12


@dataclass(frozen=True, slots=True)
class DrawnFault:
    """A fault that was drawn: before instruction `position` of the step, bit `bit` of `target` as
    an upset counts it; its kind. `output`: the right one of the step; `execution`: in which
    execution of the step it strikes, with time redundancy."""

    node: str
    target: UpsetTarget
    position: int
    bit: int
    kind: Kind
    output: bytes = b""
    execution: int = 1


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The end of one fault in a full run, and what the proof says of it."""

    fault: DrawnFault
    proved: tuple[SystemOutcome, SchemeFate]
    happened: tuple[SystemOutcome, SchemeFate]

    @property
    def agrees(self) -> bool:
        """Return whether the run ended as the proof says: in the same way, or in one of those that
        its fate leaves open (`MAY_END_AS`)."""
        ends = MAY_END_AS.get(self.proved[1], frozenset())
        return self.proved == self.happened or self.happened[1] in ends

    @property
    def escapes(self) -> bool:
        """Return whether a wrong output left the system, and the proof says that none does."""
        escaped = SchemeFate.ESCAPED
        return self.happened[1] is escaped and self.proved[1] is not escaped

    @property
    def difference(self) -> str:
        """Return what differs, in words."""
        fault = self.fault
        return (
            f"node {fault.node}, bit {fault.bit} of the {fault.target} before instruction "
            f"{fault.position}: proved {self.proved[1]} ({self.proved[0]}), in the run "
            f"{self.happened[1]} ({self.happened[0]})"
        )


def draw_faults(
    found: Sequence[NodeFaults], count: int, seed: int, executions: int = 1
) -> list[DrawnFault]:
    """Draw faults from all experiments: every second one from those of a kind that is drawn first,
    so that rare kinds come up. They strike in each of the `executions` of a step in turn. There are
    none if all faults are known without an experiment."""
    tried = [faults for faults in found if faults.plan.classes]
    if not tried:
        return []
    chance = random.Random(seed)  # noqa: S311  (a sample that is the same again)
    out: list[DrawnFault] = []
    for number in range(count):
        faults = tried[number % len(tried)]
        classes = faults.plan.classes
        if number % 2:
            kind = chance.randrange(len(faults.kinds))
            places = (faults.numbers == kind).nonzero()
            chosen = chance.randrange(len(places[0]))
            class_, bit = int(places[0][chosen]), int(places[1][chosen])
        else:
            class_, bit = chance.randrange(classes), chance.randrange(faults.numbers.shape[1])
        drawn = _drawn(faults, class_, bit, chance)
        out.append(replace(drawn, execution=1 + number % executions))
    return out


def _drawn(faults: NodeFaults, class_: int, bit: int, chance: random.Random) -> DrawnFault:
    """Return a fault of a class: before any of the instructions that it stands for."""
    plan = faults.plan
    region = plan.regions[int(plan.region[class_])]
    position, byte = int(plan.position[class_]), int(plan.byte[class_])
    if not region.stack:  # of which only some of these are part
        position -= chance.randrange(int(plan.weight[class_]))
    kind = faults.kinds[int(faults.numbers[class_, bit])]
    at = _first_bit(faults, region, byte, position) + bit
    return DrawnFault(faults.node, region.target, position, at, kind, faults.output)


def _first_bit(faults: NodeFaults, region: TargetRegion, byte: int, position: int) -> int:
    """Return the number of the first bit of a byte, as upsets count it: those of the stack from its
    pointer on."""
    if not region.stack:
        return 8 * byte
    sp = abi_of(faults.arch).sp
    pointer = int(faults.step.trace.registers[position, sp]) - faults.arena
    return 8 * (region.first + byte - pointer)


class _Watcher(RunObserver):
    """Orders upsets of one frame, and keeps what became of them."""

    def __init__(self, plans: Sequence[UpsetPlan]) -> None:
        self._plans = plans
        self.loop: Loop | None = None
        self.upsets: list[Upset] = []
        self.escaped = self.lost = 0
        self.shown = SystemOutcome.NO_EFFECT

    def on_start(self, next_frame: int) -> None:
        self._order(next_frame)

    def on_frame(self, done: FramesDone) -> None:
        if done.verdict is not None and not done.verdict.delivered:
            self.lost += 1
        elif done.verdict is not None and not done.verdict.correct:
            self.escaped += 1
        self._order(done.next_frame)

    def _order(self, next_frame: int) -> None:
        if next_frame == self._plans[0].frame and self.loop is not None:
            for plan in self._plans:
                self.loop.controls.planner.order_plan(plan)

    def on_event(self, event: RunEvent) -> None:
        if isinstance(event, Upset):
            self.upsets.append(event)
        elif isinstance(event, NodeRepair):
            resync = event.attempt.action == NodeState.RESYNC.value
            done = SystemOutcome.CORRECTED if resync else SystemOutcome.RECOVERED
            self.shown = with_repairs(done, self.shown)


@dataclass(frozen=True, slots=True)
class FlownRun:
    """The end of a run with upsets in one frame: the upsets, the frames with a wrong output and
    those without one, and the worst that repairs have shown."""

    upsets: Sequence[Upset]
    escaped: int
    lost: int
    shown: SystemOutcome


def fly(scenario: Scenario, frame: int, plans: Sequence[UpsetPlan], folder: Path) -> FlownRun:
    """Carry out upsets of `frame` in a run of `scenario`, in the new folder `folder`. Raises: what
    `Loop.run` raises."""
    alone = scenario.model_copy(
        update={
            "frames": frame + _FRAMES_AFTER,
            "duration": None,
            "pace": "free",
            "upsets": UpsetsConfig(),
            "plant": None,
            "expect": "none",
        }
    )
    watcher = _Watcher(plans)
    folder.mkdir()
    loop = Loop(alone, folder, observers=[watcher], setup=RunSetup(recorders=NullRecorder))
    watcher.loop = loop
    loop.run()
    return FlownRun(watcher.upsets, watcher.escaped, watcher.lost, watcher.shown)


def run_fault(scenario: Scenario, frame: int, fault: DrawnFault, folder: Path) -> Confirmation:
    """Carry out one fault in a run of `scenario`, in the new folder `folder`. Raises: SetupError if
    it was not injected; what `Loop.run` raises."""
    plan = UpsetPlan(
        frame, fault.node, fault.target, PatternKind.BIT, "campaign",
        steps=fault.position, width=1, bit=fault.bit, exact=True, execution=fault.execution,
    )  # fmt: skip
    flight = fly(scenario, frame, (plan,), folder)
    upset = flight.upsets[-1] if flight.upsets else None
    if upset is None or not upset.injected:
        why = "it did not fall due" if upset is None else upset.report.detail
        raise SetupError(
            f"bit {fault.bit} of the {fault.target} of node {fault.node} was not hit before "
            f"instruction {fault.position}: {why}"
        )
    in_node = fault_in(scenario, fault.kind, fault.target)
    model = SchemeModel(scenario, fault.output)
    result = model.carry_out(fault.node, in_node, execution=fault.execution)
    proved = fate_in_scheme(result)
    # There is no other upset: what a run calls an anomaly, since it came late, is of this one.
    outcome = with_repairs(upset.assessment.outcome, flight.shown)
    happened = _fate(outcome, flight, proved)
    return Confirmation(fault, (result.worst, proved), (outcome, happened))


def _fate(outcome: SystemOutcome, flight: FlownRun, proved: SchemeFate) -> SchemeFate:
    """Return the fate that a run has shown."""
    if flight.escaped:
        return SchemeFate.ESCAPED
    if flight.lost:
        return SchemeFate.NO_OUTPUT
    if proved is SchemeFate.LATENT and outcome is SystemOutcome.NO_EFFECT:
        return SchemeFate.LATENT  # a run cannot tell it from none
    return SchemeFate(outcome.value.replace("_", " "))


def confirm(
    scenario: Scenario,
    frame: int,
    faults: Sequence[DrawnFault],
    report: Callable[[int, int], None],
) -> list[Confirmation]:
    """Carry out each fault in a run of its own; return how they ended. `report` gets how many runs
    have ended, of how many.

    Raises: SetupError if a fault could not be injected, and what a run raises."""
    out: list[Confirmation] = []
    with tempfile.TemporaryDirectory(prefix="hil-proof-") as folder:
        for number, fault in enumerate(faults):
            out.append(run_fault(scenario, frame, fault, Path(folder) / str(number)))
            report(len(out), len(faults))
    return out
