"""Metrics: the counters of a run, for summaries, JSON and expectations. Pure.

Quiet frames that were skipped count in `availability`, `sdc_frames`, `unresolved`, `held_frames`
and `voting.N` like the frame that was computed after them, so that a run has the same metrics
whether its quiet time is computed or skipped. `frames`, `verdicts.*` and the record have computed
frames only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from hil.record.outages import Outage, mean_time_to_repair_s, timed_by_host
from hil.record.run_result import UpsetEvents, UpsetTotals
from hil.redundancy.byzantine import Alike, decide_alike, splits, splits_outputs
from hil.redundancy.checked_tally import CheckedTally
from hil.redundancy.voting import MAX_NODES, Verdict, VerdictKind
from hil.scenario import RigConfig, Scenario, UpsetTarget
from hil.upsets.effective_faults import effective_faults
from hil.upsets.words import (
    ACTIVATIONS,
    EFFECTS,
    OUTCOMES,
    UNKNOWN_WORD,
    UpsetState,
)


@dataclass(slots=True)
class Metrics:
    """Counters that the loop advances.

    `available`: frames with a correct output; `sdc_frames`: frames with a wrong one; `unresolved`:
    frames without an output of their own. `held_frames`: those without one in which the last voted
    output was delivered again; they also count as unresolved, or as wrong if that output was wrong.
    `pending`: skipped frames that are not in these four yet, because none was computed after them.
    `supply_errors`: failures of supplies, each counted once until it works again, and their own
    trips. `cuts`: boards that were switched off for an over-current; `reconnects`: how often a link
    was established again. `wall_us`: real time [us] of the run before it was resumed. With time
    redundancy: `executions` of steps, and `executions_disagreed`, the frames in which they
    differed. With a primary: `command_changes`, how often command has passed. With a doer and
    checkers: what became of its results (`hil.redundancy.checked_tally`). With a
    voter per node: `copies_differed`, the frames in which some copy of a reply was not what was
    sent; `split_frames`, those in which the voters decided differently; and `split_outputs`, those
    in which they let different outputs pass, or one of them let none pass.
    """

    frames: int = 0
    available: int = 0
    sdc_frames: int = 0
    unresolved: int = 0
    held_frames: int = 0
    slips: int = 0
    recoveries: int = 0
    rollbacks: int = 0
    isolated: int = 0
    unexplained: int = 0
    held_back: int = 0
    skipped: int = 0
    pending: int = 0
    supply_errors: int = 0
    cuts: int = 0
    reconnects: int = 0
    wall_us: int = 0
    executions: int = 0
    executions_disagreed: int = 0
    command_changes: int = 0
    refused_frames: int = 0
    refused_right_frames: int = 0
    degraded_frames: int = 0
    accepted_wrong_frames: int = 0
    copies_differed: int = 0
    split_frames: int = 0
    split_outputs: int = 0
    voting: Counter[int] = field(default_factory=Counter)
    verdicts: Counter[VerdictKind] = field(default_factory=Counter)

    def snapshot(self) -> Metrics:
        """Return a copy that does not change any more."""
        return replace(self, voting=Counter(self.voting), verdicts=Counter(self.verdicts))

    def restore(self, snapshot: Metrics) -> None:
        """Continue from `snapshot`."""
        copy = snapshot.snapshot()
        for counter in fields(self):
            setattr(self, counter.name, getattr(copy, counter.name))

    def count(self, verdict: Verdict) -> None:
        """Count a computed frame, and the skipped ones before it."""
        self.frames += 1
        self.verdicts[verdict.kind] += 1
        self._weigh(verdict, 1 + self.pending)
        self.pending = 0

    def count_replicas(self, replicas: Mapping[int, Verdict], alike: Alike = decide_alike) -> None:
        """Count a computed frame in which some copy of a reply was not what was sent, with the
        verdicts of the replicas of the voter if their views differed; `alike` is its rule."""
        self.copies_differed += 1
        if replicas:
            verdicts = list(replicas.values())
            self.split_frames += splits(verdicts, alike)
            self.split_outputs += splits_outputs(verdicts, alike)

    def count_quiet(self, count: int, kind: VerdictKind, voters: int) -> None:
        """Count the frames of a batch, and the skipped ones before them. All were delivered and
        correct, with verdicts of one kind by `voters` nodes."""
        self.voting[voters] += count + self.pending
        self.frames += count
        self.available += count + self.pending
        self.verdicts[kind] += count
        self.pending = 0

    def count_skipped(self, count: int) -> None:
        """Count frames that are not computed; they count like the next computed one."""
        self.skipped += count
        self.pending += count

    def count_checked(self, tally: CheckedTally) -> None:
        """Take what became of the results of a doer so far."""
        self.refused_frames = tally.refused
        self.refused_right_frames = tally.refused_right
        self.degraded_frames = tally.degraded
        self.accepted_wrong_frames = tally.accepted_wrong

    def end(self, last: Verdict | None) -> None:
        """Count the skipped frames at the end of the run like the `last` computed one; if there was
        none, as unresolved."""
        if last is not None:
            self._weigh(last, self.pending)
        else:
            self.unresolved += self.pending
        self.pending = 0

    def _weigh(self, verdict: Verdict, frames: int) -> None:
        self.voting[verdict.voters.bit_count()] += frames
        self.held_frames += frames if verdict.held else 0
        if verdict.held_wrong:
            self.sdc_frames += frames
        elif not verdict.delivered:
            self.unresolved += frames
        elif verdict.correct:
            self.available += frames
        else:
            self.sdc_frames += frames

    @property
    def flown(self) -> int:
        """Return the number of frames so far, skipped ones included."""
        return self.frames + self.skipped

    @property
    def availability(self) -> float:
        """Return the share of all frames that had a correct output."""
        return self.available / self.flown if self.flown else 0.0


def events_until(scenario: Scenario, frame: int) -> int:
    """Return how many of the scenario's `upsets.events` are before nominal frame `frame`."""
    return sum(e.frame_at(scenario.frame_us) < frame for e in scenario.upsets.events)


def upset_counts(
    kinds: Iterable[tuple[str, bool, str, str, str, str, int]], planned: int, made: int
) -> UpsetTotals:
    """Return the injected upsets by target, node effect, system outcome and activation; only
    verified ones are injected. `kinds`: state, whether verified, target, effect, outcome,
    activation, and how many there are. `planned`: how many of `upsets.events` should have happened,
    `made` how many were injected."""
    injected = missed = 0
    targets: Counter[str] = Counter()
    effects: Counter[str] = Counter(dict.fromkeys((e.value for e in EFFECTS), 0))
    outcomes: Counter[str] = Counter(dict.fromkeys((o.value for o in OUTCOMES), 0))
    activations: Counter[str] = Counter(
        dict.fromkeys((*(a.value for a in ACTIVATIONS), UNKNOWN_WORD), 0)
    )
    for state, verified, target, effect, outcome, activation, count in kinds:
        if state != UpsetState.INJECTED or not verified:
            missed += count
            continue
        injected += count
        targets[target] += count
        effects[effect or UNKNOWN_WORD] += count
        outcomes[outcome or UNKNOWN_WORD] += count
        activations[activation or UNKNOWN_WORD] += count
    return UpsetTotals(
        injected=injected,
        verified=injected,
        not_injected=missed,
        events=UpsetEvents(made, planned, planned - made),
        by_target=dict(sorted(targets.items())),
        by_node_effect=dict(effects),
        by_system_outcome=dict(outcomes),
        by_activation=dict(activations),
    )


@dataclass(frozen=True, slots=True)
class RepairTimes:
    """The number of times that nodes were out of the vote, and the mean time to repair of those
    [s]."""

    outages: int
    mttr_s: float


def repair_times(scenario: Scenario, outages: Sequence[Outage]) -> RepairTimes:
    """Return the times of the outages of a run of `scenario`."""
    boards = {node.name: node.board.value for node in scenario.rig.nodes}
    by_host = timed_by_host(boards, paced=scenario.pace_factor is not None)
    return RepairTimes(len(outages), mean_time_to_repair_s(outages, by_host, scenario.frame_us))


def flat(
    metrics: Metrics,
    upsets: UpsetTotals,
    repair: RepairTimes,
    accel: float,
    *,
    rig: RigConfig | None = None,
) -> dict[str, float]:
    """Return metrics under the dotted names that `expect:` uses; `accel` multiplied all rates."""
    out: dict[str, float] = {
        "frames": metrics.frames,
        "availability": metrics.availability,
        "sdc_frames": metrics.sdc_frames,
        "sdc_upsets": upsets.by_system_outcome["sdc_escaped"],
        "unresolved": metrics.unresolved,
        "held_frames": metrics.held_frames,
        "unexplained": metrics.unexplained,
        "isolated": metrics.isolated,
        "slips": metrics.slips,
        "recoveries": metrics.recoveries,
        "rollbacks": metrics.rollbacks,
        "skipped": metrics.skipped,
        "held_back": metrics.held_back,
        "outages": repair.outages,
        "mttr_s": repair.mttr_s,
        "reconnects": metrics.reconnects,
        "cuts": metrics.cuts,
        "supply_errors": metrics.supply_errors,
        "accel": accel,
    }
    events = upsets.events
    for name, events_count in (
        ("planned", events.planned),
        ("injected", events.injected),
        ("missed", events.missed),
    ):
        if events_count is not None:
            out[f"events.{name}"] = events_count
    for voters in range(MAX_NODES + 1):
        out[f"voting.{voters}"] = metrics.voting[voters]
    for kind in VerdictKind:
        out[f"verdicts.{kind.word}"] = metrics.verdicts[kind]
    out |= _of_some_schemes(metrics, rig)
    return out | _of_upsets(upsets)


def _of_upsets(upsets: UpsetTotals) -> dict[str, float]:
    """Return the metrics of the injected upsets."""
    out: dict[str, float] = {}
    for name, count in (
        ("injected", upsets.injected),
        ("verified", upsets.verified),
        ("not_injected", upsets.not_injected),
    ):
        out[f"upsets.{name}"] = count
    for target in UpsetTarget:
        out[f"by_target.{target}"] = 0
    for group, counts in (
        ("by_target", upsets.by_target),
        ("by_node_effect", upsets.by_node_effect),
        ("by_system_outcome", upsets.by_system_outcome),
        ("by_activation", upsets.by_activation),
    ):
        for name, count in counts.items():
            out[f"{group}.{name}"] = count
    faults = effective_faults(upsets.by_system_outcome)
    if faults.effective:
        out["coverage"] = faults.covered / faults.effective
    out["effective_faults"] = faults.effective
    return out


def _of_some_schemes(metrics: Metrics, rig: RigConfig | None) -> dict[str, float]:
    """Return the metrics of time redundancy, of replicas of the voter and of a primary, if a run
    has them."""
    out: dict[str, float] = {}
    if metrics.executions:
        out["executions"] = metrics.executions
        out["executions_disagreed"] = metrics.executions_disagreed
    if rig is not None and rig.scheme.has_primary:
        out["command_changes"] = metrics.command_changes
    if rig is not None and rig.scheme.has_checkers:
        out |= {name: getattr(metrics, name) for name in CheckedTally().metrics()}
    if rig is not None and rig.voter_per_node:
        out["copies_differed"] = metrics.copies_differed
        out["split_frames"] = metrics.split_frames
        out["split_outputs"] = metrics.split_outputs
    return out
