"""Metrics: the counts of a run, as summaries, JSON and expectations show them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hil.outcome import EFFECTS, OUTCOMES
from hil.scenario import Target
from hil.voter import Verdict, VerdictKind


@dataclass(slots=True)
class Metrics:
    """Counters that the loop advances. Availability counts frames with a delivered, correct
    output."""

    frames: int = 0
    available: int = 0
    sdc_frames: int = 0
    unresolved: int = 0
    slips: int = 0
    recoveries: int = 0
    rollbacks: int = 0
    isolated: int = 0
    unexplained: int = 0
    held_back: int = 0
    skipped: int = 0
    voting: Counter[int] = field(default_factory=Counter)
    verdicts: Counter[VerdictKind] = field(default_factory=Counter)

    def count(self, verdict: Verdict) -> None:
        self.frames += 1
        self.verdicts[verdict.kind] += 1
        self.voting[verdict.voters.bit_count()] += 1
        if verdict.delivered:
            self.available += verdict.correct
            self.sdc_frames += not verdict.correct
        else:
            self.unresolved += 1

    def count_quiet(self, count: int, kind: VerdictKind, voters: int) -> None:
        """Frames of a batch: all delivered, correct, and of one kind, by so many nodes."""
        self.voting[voters] += count
        self.frames += count
        self.available += count
        self.verdicts[kind] += count

    @property
    def availability(self) -> float:
        return self.available / self.frames if self.frames else 0.0


def upset_counts(kinds: Iterable[tuple[str, bool, str, str, str, int]]) -> dict[str, Any]:
    """Injected upsets by target, node effect and system outcome; only verified ones are injected.
    `kinds`: state, whether verified, target, effect, outcome, and how many there are."""
    injected = missed = 0
    targets: Counter[str] = Counter()
    effects: Counter[str] = Counter(dict.fromkeys(EFFECTS, 0))
    outcomes: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
    for state, verified, target, effect, outcome, count in kinds:
        if state != "injected" or not verified:
            missed += count
            continue
        injected += count
        targets[target] += count
        effects[effect or "masked"] += count
        outcomes[outcome or "no_effect"] += count
    return {
        "injected": injected,
        "verified": injected,
        "not_injected": missed,
        "by_target": dict(sorted(targets.items())),
        "by_node_effect": dict(effects),
        "by_system_outcome": dict(outcomes),
    }


def flat(metrics: Metrics, upsets: Mapping[str, Any]) -> dict[str, float]:
    """Metrics under the dotted names that `expect:` uses."""
    out: dict[str, float] = {
        "frames": metrics.frames,
        "availability": metrics.availability,
        "sdc_escaped": metrics.sdc_frames,
        "unresolved": metrics.unresolved,
        "isolated": metrics.isolated,
        "slips": metrics.slips,
        "recoveries": metrics.recoveries,
        "skipped": metrics.skipped,
    }
    for voters in range(8):
        out[f"voting.{voters}"] = metrics.voting[voters]
    for kind in VerdictKind:
        out[f"verdicts.{kind.name.lower()}"] = metrics.verdicts[kind]
    for name in ("injected", "verified", "not_injected"):
        out[f"upsets.{name}"] = upsets[name]
    for target in Target:
        out[f"by_target.{target}"] = 0
    for group in ("by_target", "by_node_effect", "by_system_outcome"):
        for name, count in upsets[group].items():
            out[f"{group}.{name}"] = count
    return out
