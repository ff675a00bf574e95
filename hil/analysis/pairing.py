"""Two campaigns on the same list of faults: on which faults they disagree.

Only where both were given the same faults can they be compared fault by fault. A fault is a bit of
a byte before an instruction: in two programs whose instructions differ, instruction 100 is not the
same moment, so pairing by number, byte and bit would compare faults that have nothing in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hil.analysis.fault_sums import FAILURES
from hil.analysis.mcnemar import McNemar, mcnemar
from hil.json_values import JsonObject
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import EFFECTS, MomentUnit, SampleRow
from hil.record.campaign_step import ClassColumns, Codes, Numbers, class_columns
from hil.upsets.words import NodeEffect

__all__ = ["CRITERIA", "PairedCounts", "Pairing", "pair"]

CRITERIA: Final[Mapping[str, Sequence[NodeEffect]]] = {
    "silent corruption": (NodeEffect.SDC,),
    "failure": FAILURES,
    "any effect": (*FAILURES, NodeEffect.LATENT),
}
"""What a fault may do to count, by name."""


@dataclass(frozen=True, slots=True)
class PairedCounts:
    """One criterion: how many experiments meet it in both campaigns, and McNemar's test of those
    that meet it in one. `faults_a` and `faults_b` are the faults that the latter stand for."""

    criterion: str
    both: int
    test: McNemar
    faults_a: int
    faults_b: int


@dataclass(frozen=True, slots=True)
class Pairing:
    """The comparison fault by fault, or `reason`: why there is none. `complete`: the experiments
    stand for all faults there are, so that no chance is in them."""

    reason: str
    experiments: int = 0
    complete: bool = False
    counts: tuple[PairedCounts, ...] = ()

    def as_json(self) -> JsonObject:
        """Return the pairing as a JSON object."""
        if self.reason:
            return {"paired": False, "reason": self.reason}
        return {
            "paired": True,
            "experiments": self.experiments,
            "complete": self.complete,
            "mcnemar": {
                c.criterion: {
                    "both": c.both,
                    "only_a": c.test.only_a,
                    "only_b": c.test.only_b,
                    "p": c.test.p_value,
                    "log10_p": c.test.log10_p,
                    "faults_only_a": c.faults_a,
                    "faults_only_b": c.faults_b,
                }
                for c in self.counts
            },
        }


def pair(a: CampaignFile, b: CampaignFile) -> Pairing:
    """Compare two campaigns fault by fault, if they had the same faults. Raises: RecordError."""
    meta_a, meta_b = a.meta, b.meta
    if (meta_a.sampling is None) != (meta_b.sampling is None):
        return Pairing("one campaign has all faults, the other a sample of them")
    if meta_a.arch != meta_b.arch:
        return Pairing(f"A ran on {meta_a.arch}, B on {meta_b.arch}: the programs differ")
    return _pair_exact(a, b) if meta_a.sampling is None else _pair_samples(a, b)


def _pair_exact(a: CampaignFile, b: CampaignFile) -> Pairing:
    meta_a, meta_b = a.meta, b.meta
    if meta_a.instructions != meta_b.instructions:
        return Pairing(
            f"A's step has {meta_a.instructions:,} instructions, B's {meta_b.instructions:,}: "
            "the same number is not the same moment"
        )
    columns_a, columns_b = class_columns(a), class_columns(b)
    if _targets(a) != _targets(b) or not _same_places(columns_a, columns_b):
        return Pairing("the two steps read other bytes at other instructions")
    counts = _counts(columns_a.effects, columns_b.effects, columns_a.weight)
    return Pairing("", int(columns_a.effects.size), complete=True, counts=counts)


def _pair_samples(a: CampaignFile, b: CampaignFile) -> Pairing:
    samples_a, samples_b = list(a.samples()), list(b.samples())
    names_a, names_b = ([region.target for region in file.regions()] for file in (a, b))
    listed = [
        [(s.frame, names[s.region], s.moment, s.byte, s.bit) for s in samples]
        for samples, names in ((samples_a, names_a), (samples_b, names_b))
    ]
    moments = [file.meta.sampling.moment for file in (a, b) if file.meta.sampling is not None]
    if moments[0] is not moments[1]:
        return Pairing(f"faults strike at an {moments[0]} in A, at a {moments[1]} in B")
    if listed[0] != listed[1]:
        return Pairing(
            "they have other faults (`--write-faults` of one and `--faults` of the other give both "
            "the same list)"
        )
    if moments[0] is MomentUnit.INSTRUCTION and _paths(a) != _paths(b):
        return Pairing(
            "the lists are the same, but the programs are not: the same number of an instruction "
            "is not the same moment (on `inproc` boards moments are ticks, which both have)"
        )
    ones = np.ones(len(samples_a), dtype=np.int64)
    return Pairing(
        "", len(samples_a), counts=_counts(_effects(samples_a), _effects(samples_b), ones)
    )


def _effects(samples: Sequence[SampleRow]) -> Codes:
    """Return the numbers of the effects of samples (samples, 1)."""
    numbers = [EFFECTS.index(sample.effect) for sample in samples]
    return np.array(numbers, dtype=np.uint8).reshape(-1, 1)


def _counts(a: Codes, b: Codes, weight: Numbers) -> tuple[PairedCounts, ...]:
    """Return the counts for each criterion; `a` and `b` (places, experiments) are numbers of
    `EFFECTS`, `weight` (places,) how many faults each experiment stands for."""
    counts = []
    for criterion, effects in CRITERIA.items():
        numbers = [EFFECTS.index(effect) for effect in effects]
        met_a, met_b = np.isin(a, numbers), np.isin(b, numbers)
        only_a, only_b = met_a & ~met_b, met_b & ~met_a
        counts.append(
            PairedCounts(
                criterion,
                int((met_a & met_b).sum()),
                mcnemar(int(only_a.sum()), int(only_b.sum())),
                int((only_a.sum(axis=1) * weight).sum()),
                int((only_b.sum(axis=1) * weight).sum()),
            )
        )
    return tuple(counts)


def _paths(file: CampaignFile) -> list[tuple[int, int, str]]:
    return [(row.frame, row.length, row.path) for row in file.frames()]


def _targets(file: CampaignFile) -> list[tuple[str, int]]:
    return [(region.target, region.length) for region in file.regions()]


def _same_places(a: ClassColumns, b: ClassColumns) -> bool:
    return all(
        np.array_equal(getattr(a, column), getattr(b, column))
        for column in ("region", "position", "byte", "weight")
    )
