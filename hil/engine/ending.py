"""The end of a run: the last outcomes of its upsets, the boards that are lost, its result and its
reports."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.control.commands import COMMANDS
from hil.engine import run_folder
from hil.engine.junit import JUNIT, junit_digest, junit_run
from hil.engine.metrics import Metrics, events_until, flat, repair_times, upset_counts
from hil.engine.outside_influence import OutsideInfluence
from hil.engine.part_groups import FrameTimes, UpsetParts
from hil.engine.result import decide
from hil.engine.run_recorder import RunRecorder
from hil.engine.run_reports import write_reports
from hil.kernel import Golden
from hil.record.recorder_protocol import Recorder, RunTally
from hil.record.run_result import LostBoard, RunResult, UpsetTotals
from hil.redundancy.recovery import NodeState, RecoveryMachine
from hil.redundancy.voting import Verdict, VerdictKind
from hil.rig.node import SILENT, Node, NodeResult, PowerCut
from hil.rig.rig import Rig
from hil.scenario import Scenario
from hil.scenario.expect import not_covered
from hil.scenario.words import BoardKind, UpsetTarget
from hil.upsets.words import SystemOutcome, UpsetState

if TYPE_CHECKING:
    from hil.engine.offload import OffloadStage
    from hil.engine.plant_coupling import PlantCoupling

_BY_ADDRESS: Final = (UpsetTarget.STACK, UpsetTarget.TEXT, UpsetTarget.GPR, UpsetTarget.VECTOR)
"""The effect of an upset of these depends on the addresses of the agent's code and data."""

__all__ = [
    "Ended",
    "close_books",
    "lost_boards",
    "not_reproducible",
    "result_of",
    "upset_totals",
    "write_result",
]


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a run: who aborted it, empty if nobody did; the totals of its upsets; the boards
    that are lost; why equal seeds need not give equal digests, empty if they do."""

    aborted_by: str
    upsets: UpsetTotals
    lost: tuple[LostBoard, ...]
    not_reproducible: str


def close_books(
    rig: Rig,
    golden: Golden,
    recovery: RecoveryMachine,
    upsets: UpsetParts,
    metrics: Metrics,
    recorder: RunRecorder,
    *,
    agreed: Verdict | None,
    late: AbstractSet[str],
) -> None:
    """Settle all upsets that are still open, because no frame follows, and complete the metrics.

    `agreed` is the verdict of the last frame; `late` are the nodes that had not answered at its end
    but could still have answered."""
    last, injector, classifier = golden.next_frame - 1, upsets.injector, upsets.classifier
    for upset in injector.power.close(injector.uncollected):
        classifier.deny(upset)
    for upset in injector.collect_late_reports({}, at_end=True):
        classifier.on_late_report(upset)
    recorder.delivery_notes(last)
    for upset in injector.uncollected:
        if upset.state is not UpsetState.ARMED:
            pass  # a power loss that the board has just reported
        elif upset.report.verified:  # a latch-up that nobody ended
            upset.assume_injected("")
            upset.assessment.outcome = SystemOutcome.DEGRADED
        else:
            upset.fail("the run ended before the board reported")
        classifier.add(upset)
    in_service = recovery.in_service
    asked = [node for node in rig.nodes if node.name in late and node.name in in_service]
    classifier.classify_nodes(
        last, _silent(rig, asked), (golden.output_digest, golden.state_digest)
    )
    for node in rig.nodes:
        classifier.settle(last, node.name, at_end=True)
    recorder.outcomes()
    recorder.transitions()
    metrics.end(agreed)
    metrics.held_back = upsets.planner.drop_held_back()
    metrics.reconnects += sum(node.link.statistics.reconnects for node in rig.nodes)
    isolated = recovery.in_state(NodeState.ISOLATED)
    stand_by = {node.name for node in rig.nodes if PowerCut.STAND_BY in node.power_cuts}
    metrics.isolated = len(set(isolated) - stand_by)


def _silent(rig: Rig, asked: Sequence[Node]) -> dict[str, NodeResult]:
    """Return results without an answer for the nodes that were late in the last frame and do not
    answer now either: with more frames the run would have shown that they hang."""
    present = rig.health(asked)
    silent = [node for node in asked if node.name not in present]
    return {node.name: NodeResult(SILENT, reason=node.link.silence) for node in silent}


def upset_totals(scenario: Scenario, times: FrameTimes, tally: RunTally) -> UpsetTotals:
    """Return the totals of the upsets of a run. All that was recorded is durable then."""
    planned = events_until(scenario, times.nominal(times.next_frame))
    return upset_counts(tally.upset_counts(), planned, tally.events_injected())


def lost_boards(
    rig: Rig,
    recovery: RecoveryMachine,
    tally: RunTally,
    agreed: Verdict | None,
    last: int,
    *,
    expected: Sequence[str],
) -> tuple[LostBoard, ...]:
    """Return the boards that do not answer at the end of the run although nothing took them out:
    no upset of the scenario, not the plant, not the operator, and not recovery, which also isolates
    boards that answer. A board that is back but not yet in service is not lost, nor one that an
    upset took away and that may still boot: the nodes `expected`. `agreed` is the verdict of the
    `last` frame."""
    back = {node.name for node in rig.absent.take_reconnected()}
    unheard = [n for n in rig.nodes if n.name not in back and _is_unheard(rig, recovery, n, agreed)]
    present = rig.health([n for n in unheard if n.link.connected])
    lost = []
    for node in unheard:
        isolated = recovery.state(node.name) is NodeState.ISOLATED
        since = tally.absent_since(node.name) if isolated else last
        boots = node.name in expected and tally.hit_its_board(node.name, since)
        if node.name not in present and not boots:
            link = node.link
            reason = link.silence if link.connected else link.lost_reason
            lost.append(LostBoard(node.name, since, reason))
    return tuple(lost)


def _is_unheard(rig: Rig, recovery: RecoveryMachine, node: Node, agreed: Verdict | None) -> bool:
    """Return whether the board did not answer the last request although it has power."""
    if not node.powered or recovery.is_held(node.name) or recovery.is_shed(node.name):
        return False
    if recovery.state(node.name) is not NodeState.ISOLATED:
        return agreed is not None and agreed.ballots[node.index].status == SILENT
    given_up = rig.reconnector.is_listening(node.name)
    return not node.link.connected and not given_up


def result_of(
    ended: Ended,
    scenario: Scenario,
    metrics: Metrics,
    times: FrameTimes,
    *,
    record: Recorder,
    run_dir: Path,
    coupling: PlantCoupling | None,
    offload: OffloadStage | None,
) -> RunResult:
    """Return the result of the run, which has `ended` before the next frame."""
    tally, end, upsets = record.tally, times.next_frame, ended.upsets
    repair = repair_times(scenario, tally.outages())
    measured = flat(metrics, upsets, repair, scenario.upsets.accel, rig=scenario.rig)
    if coupling is not None:
        coupling.finish(end - 1)
    plant = None if coupling is None else coupling.measured(end, times.t_us(end))
    measured |= {f"plant.{name}": value for name, value in (plant or {}).items()}
    ground = {} if offload is None else offload.measured(times.t_us(end))
    measured |= {f"offload.{name}": value for name, value in ground.items()}
    expectations = tuple(e.evaluate(measured) for e in scenario.expectations)
    return RunResult(
        outcome=decide(
            aborted_by=ended.aborted_by,
            lost=ended.lost,
            frames=metrics.frames,
            expectations=expectations,
            expects_nothing=scenario.expects_nothing,
        ),
        run_dir=run_dir,
        run_digest=tally.run_digest(),
        not_reproducible=ended.not_reproducible,
        skipped=metrics.skipped,
        plant=plant,
        seed=scenario.seed,
        frames=metrics.frames,
        verdicts={k.word: metrics.verdicts[k] for k in VerdictKind},
        upsets=upsets,
        recoveries=metrics.recoveries,
        availability=metrics.availability,
        slips=metrics.slips,
        expectations=expectations,
        metrics=measured,
        unexplained=metrics.unexplained,
        held_frames=metrics.held_frames,
        held_back=metrics.held_back,
        accel=scenario.upsets.accel,
        name=scenario.name,
        campaign_mode=scenario.campaign_mode,
        planned_frames=scenario.frame_count,
        wall_us=metrics.wall_us + record.wall_us,
        lost=ended.lost,
        left_out=tally.run_meta().left_out or (),
        not_covered=() if scenario.expects_nothing else not_covered(expectations, measured),
        commands=tally.commands_but(()),
        aborted_by=ended.aborted_by,
    )


def write_result(
    result: RunResult,
    scenario: Scenario,
    recorder: RunRecorder,
    command: Sequence[str] | None = None,
) -> None:
    """Write the result into the record, and the reports beside it; `command` as of
    `environment`. Raises: RecordError, also if the record has been moved or deleted."""
    record = recorder.record
    identities = recorder.identities()
    for identity in identities:  # a board that started again may have a new port
        record.node(identity)
    started_utc = record.tally.run_meta().started_utc
    report = run_folder.ended(scenario, result, tuple(identities), started_utc, command)
    content = report.as_json()
    digest = record.end(
        result.outcome,
        result.wall_us,
        result=result.as_json(),
        reports={"content": content, JUNIT: junit_digest(junit_run(content))},
    )
    write_reports(result.run_dir, replace(report, record_digest=digest))


def not_reproducible(
    scenario: Scenario,
    nodes: Sequence[Node],
    times: FrameTimes,
    outside: OutsideInfluence,
    tally: RunTally,
    coupling: PlantCoupling | None,
) -> str:
    """Return why equal seeds need not give equal digests: an operator steered the run, or real time
    decided what was hit or missed. Empty if they do. Of the upsets, only those that are durable in
    the record are known."""
    count = tally.commands_but([c.name for c in COMMANDS.values() if not c.steers])
    if count:
        return f"an operator steered it ({count} command{'s'[: count > 1]})"
    if outside.why:
        return outside.why
    if times.pacer.paced and not times.virtual:
        return "a paced run depends on real time (--pace free does not)"
    if any(node.board.can_return for node in nodes if node.board.kind == BoardKind.EMULATED):
        return "what an operating system does next depends on real time"
    if not times.virtual and any(e.us is not None for e in scenario.upsets.events):
        return "upsets with `us:` hit by real time (`tick:` does not)"
    if coupling is not None and coupling.reported:
        return "the plant follows what boards measure (`feedback: model` does not)"
    agents = [] if times.virtual else tally.nodes_hit([UpsetTarget.AGENT])
    if agents:
        return f"the memory of node {agents[0]}'s agent was hit, which holds times that it measured"
    return outside.addresses(tally.nodes_hit(_BY_ADDRESS))
