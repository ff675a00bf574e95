"""Metrics: the counts of a run, as summaries, JSON and expectations show them. Pure.

Quiet frames that were skipped count in `availability`, `sdc_frames`, `unresolved`, `held_frames`
and `voting.N` like the frame that was computed after them, so that a flight has the same figures
whether its quiet time is computed or skipped. `frames`, `verdicts.*` and the record have computed
frames only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from hil.redundancy.voting import Verdict, VerdictKind
from hil.scenario import Scenario, UpsetTarget
from hil.upsets.words import EFFECTS, OUTCOMES, NodeEffect, SystemOutcome, UpsetState


@dataclass(slots=True)
class Metrics:
    """Counters that the loop advances.

    `available`: frames with a right output; `sdc_frames`: with a wrong one; `unresolved`: without
    one of their own. `held_frames`: those without one of their own in which the last voted output
    left the system again; they count as unresolved, or as wrong if it was wrong in its own frame.
    `pending`: skipped frames after which none was computed yet; the four do not have them.
    `wall_us`: real time [us] of the run's earlier parts, where it was resumed.
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
    wall_us: int = 0
    voting: Counter[int] = field(default_factory=Counter)
    verdicts: Counter[VerdictKind] = field(default_factory=Counter)

    def snapshot(self) -> Metrics:
        """Return a copy that nothing advances."""
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

    def count_quiet(self, count: int, kind: VerdictKind, voters: int) -> None:
        """Count the frames of a batch: all delivered, correct, and of one kind, by so many nodes;
        and the skipped ones before them."""
        self.voting[voters] += count + self.pending
        self.frames += count
        self.available += count + self.pending
        self.verdicts[kind] += count
        self.pending = 0

    def count_skipped(self, count: int) -> None:
        """Count frames that are not computed: what they are worth, the next frame says."""
        self.skipped += count
        self.pending += count

    def end(self, last: Verdict | None) -> None:
        """No frame follows: skipped ones at the end count like the `last` that was computed; if
        there was none, nobody knows that they had an output."""
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
        """Frames of the flight so far, skipped ones included."""
        return self.frames + self.skipped

    @property
    def availability(self) -> float:
        """The share of the flight's frames with a right output."""
        return self.available / self.flown if self.flown else 0.0


def events_until(scenario: Scenario, frame: int) -> int:
    """Return how many of the scenario's `upsets.events` are before nominal frame `frame`."""
    return sum(e.frame_at(scenario.frame_us) < frame for e in scenario.upsets.events)


def upset_counts(
    kinds: Iterable[tuple[str, bool, str, str, str, int]], planned: int, made: int
) -> dict[str, Any]:
    """Return the injected upsets by target, node effect and system outcome; only verified ones are
    injected. `kinds`: state, whether verified, target, effect, outcome, and how many there are.
    `planned`: how many of `upsets.events` should have happened, `made` how many were injected."""
    injected = missed = 0
    targets: Counter[str] = Counter()
    effects: Counter[str] = Counter(dict.fromkeys((e.value for e in EFFECTS), 0))
    outcomes: Counter[str] = Counter(dict.fromkeys((o.value for o in OUTCOMES), 0))
    for state, verified, target, effect, outcome, count in kinds:
        if state != UpsetState.INJECTED or not verified:
            missed += count
            continue
        injected += count
        targets[target] += count
        effects[effect or NodeEffect.MASKED.value] += count
        outcomes[outcome or SystemOutcome.NO_EFFECT.value] += count
    return {
        "injected": injected,
        "verified": injected,
        "not_injected": missed,
        "events": {"planned": planned, "injected": made, "missed": planned - made},
        "by_target": dict(sorted(targets.items())),
        "by_node_effect": dict(effects),
        "by_system_outcome": dict(outcomes),
    }


def flat(metrics: Metrics, upsets: Mapping[str, Any], accel: float) -> dict[str, float]:
    """Return metrics under the dotted names that `expect:` uses; `accel` multiplied all rates."""
    out: dict[str, float] = {
        "frames": metrics.frames,
        "availability": metrics.availability,
        "sdc_frames": metrics.sdc_frames,
        "sdc_upsets": upsets["by_system_outcome"]["sdc_escaped"],
        "unresolved": metrics.unresolved,
        "held_frames": metrics.held_frames,
        "unexplained": metrics.unexplained,
        "isolated": metrics.isolated,
        "slips": metrics.slips,
        "recoveries": metrics.recoveries,
        "rollbacks": metrics.rollbacks,
        "skipped": metrics.skipped,
        "held_back": metrics.held_back,
        "accel": accel,
    }
    for name, count in upsets["events"].items():
        out[f"events.{name}"] = count
    for voters in range(8):
        out[f"voting.{voters}"] = metrics.voting[voters]
    for kind in VerdictKind:
        out[f"verdicts.{kind.name.lower()}"] = metrics.verdicts[kind]
    for name in ("injected", "verified", "not_injected"):
        out[f"upsets.{name}"] = upsets[name]
    for target in UpsetTarget:
        out[f"by_target.{target}"] = 0
    for group in ("by_target", "by_node_effect", "by_system_outcome"):
        for name, count in upsets[group].items():
            out[f"{group}.{name}"] = count
    return out
