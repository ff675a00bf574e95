"""The summary of a campaign's result file: how many faults of each target come to what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from hil.json_values import JsonObject
from hil.record.campaign_endings import (
    SEVERITIES,
    FateWord,
    Severity,
    fates_of,
    severities_of,
    severities_of_workload,
)
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import EFFECTS, CampaignMeta
from hil.upsets.words import Activation, NodeEffect

__all__ = ["CampaignSummary", "TargetTotals", "campaign_summary"]


@dataclass(frozen=True, slots=True)
class TargetTotals:
    """One target: `faults` are all there are, bits times instructions; `measured` of them are known
    by experiments, the rest without; `effects` has what all of them come to.
    `severity`: how many wrong outputs are so wrong; `fates`: what latent faults come to, and in
    which of the steps that follow; both only where they were asked for.

    What an experiment stands for is read by an instruction: so `measured` faults are activated. The
    next access overwrites `overwritten` ones; no instruction of the step accesses the others."""

    target: str
    length: int
    faults: int
    measured: int
    overwritten: int
    effects: Counter[NodeEffect]
    severity: Counter[Severity] = field(default_factory=Counter)
    fates: Counter[tuple[FateWord, int]] = field(default_factory=Counter)

    @property
    def not_accessed(self) -> int:
        """Return how many faults nothing reads or overwrites until the step ends."""
        return self.effects.total() - self.measured - self.overwritten

    @property
    def open(self) -> int:
        """Return how many faults are not known: another part of the campaign has them."""
        return self.faults - self.effects.total()

    def share(self, effect: NodeEffect) -> float:
        """Return the share of all faults that come to `effect`: for SDC the architectural
        vulnerability factor (AVF) of the target."""
        return self.effects[effect] / self.faults if self.faults else 0.0


@dataclass(frozen=True, slots=True)
class CampaignSummary:
    """A campaign's results, by target and in all. `missing`: the ranges of classes, as (first,
    end), that another part of the campaign has."""

    meta: CampaignMeta
    experiments: int
    targets: Sequence[TargetTotals]
    missing: Sequence[tuple[int, int]] = ()

    @property
    def is_complete(self) -> bool:
        """Return whether the file has all classes of the campaign, and is not a part of it."""
        return not self.missing

    @property
    def total(self) -> TargetTotals:
        """Return the totals of all targets."""
        effects: Counter[NodeEffect] = Counter()
        severity: Counter[Severity] = Counter()
        fates: Counter[tuple[FateWord, int]] = Counter()
        for target in self.targets:
            effects += target.effects
            severity += target.severity
            fates += target.fates
        return TargetTotals(
            "all",
            sum(t.length for t in self.targets),
            sum(t.faults for t in self.targets),
            sum(t.measured for t in self.targets),
            sum(t.overwritten for t in self.targets),
            effects,
            severity,
            fates,
        )

    def as_json(self) -> JsonObject:
        """Return the summary as a JSON object: all counts are exact."""
        meta = self.meta
        return {
            "workload": meta.workload,
            "seed": meta.seed,
            "frame": meta.frame,
            "board": meta.board,
            "arch": meta.arch,
            "instructions": meta.instructions,
            "experiments": self.experiments,
            "severity": meta.severity,
            "follow": meta.follow,
            "missing_classes": [list(part) for part in self.missing],
            "targets": {
                t.target: _totals_json(t, severities_of_workload(meta.workload))
                for t in (*self.targets, self.total)
            },
        }


def _totals_json(totals: TargetTotals, severities: Sequence[Severity]) -> JsonObject:
    return {
        "bytes": totals.length,
        "faults": totals.faults,
        "measured": totals.measured,
        "open": totals.open,
        "effects": {effect.value: totals.effects[effect] for effect in EFFECTS},
        "activation": {
            Activation.ACTIVATED.value: totals.measured,
            Activation.OVERWRITTEN.value: totals.overwritten,
            Activation.NOT_ACCESSED.value: totals.not_accessed,
        },
        "severity": {SEVERITIES[s]: totals.severity[s] for s in severities},
        "fates": {
            f"{fate.value}, step {step}": count
            for (fate, step), count in sorted(
                totals.fates.items(), key=lambda item: (item[0][1], item[0][0].value)
            )
        },
    }


def campaign_summary(file: CampaignFile) -> CampaignSummary:
    """Return the summary of a result file. Raises: RecordError."""
    measured = file.weighted_effects()
    targets: list[TargetTotals] = []
    for region in file.regions():
        effects = Counter(measured.get(region.number, {}))
        count = effects.total()
        effects.update(region.unread)
        effects[NodeEffect.MASKED] += region.overwritten
        sizes = (region.length, region.faults, count, region.overwritten)
        targets.append(TargetTotals(region.target, *sizes, effects))
    for number, weight, row in file.endings():
        targets[number].severity.update(severities_of(row, weight))
        targets[number].fates.update(fates_of(row, weight))
    for unread in file.unread_endings():
        targets[unread.region].severity.update(severities_of(unread, unread.weight))
        targets[unread.region].fates.update(fates_of(unread, unread.weight))
    missing = tuple(file.missing_ranges())
    return CampaignSummary(file.meta, file.experiments(), targets, missing)
