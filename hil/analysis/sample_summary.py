"""The summary of a sampled campaign: the share of each outcome, by target and in all, with its
confidence interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hil.analysis.intervals import Estimate, Stratum, clopper_pearson, stratified, wilson
from hil.errors import RecordError
from hil.json_values import JsonObject
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import EFFECTS, CampaignMeta, SamplingMeta
from hil.upsets.words import NodeEffect

__all__ = ["SampleSummary", "SampledTarget", "sample_summary"]


@dataclass(frozen=True, slots=True)
class SampledTarget:
    """One target: `samples` of its `faults` were carried out; `effects` has what these came to.
    `confidence`: of each interval."""

    target: str
    length: int
    faults: int
    effects: Counter[NodeEffect]
    confidence: float

    @property
    def samples(self) -> int:
        """Return the number of experiments."""
        return self.effects.total()

    def estimate(self, effect: NodeEffect) -> Estimate:
        """Return the share of all faults that come to `effect`, with its Wilson interval."""
        share = self.effects[effect] / self.samples if self.samples else 0.0
        return Estimate(share, wilson(self.effects[effect], self.samples, self.confidence))


@dataclass(frozen=True, slots=True)
class SampleSummary:
    """A sampled campaign's results, by target and in all."""

    meta: CampaignMeta
    sampling: SamplingMeta
    targets: Sequence[SampledTarget]

    @property
    def samples(self) -> int:
        """Return the number of experiments."""
        return sum(target.samples for target in self.targets)

    @property
    def faults(self) -> int:
        """Return the number of faults that were sampled from."""
        return sum(target.faults for target in self.targets)

    @property
    def missing(self) -> int:
        """Return how many experiments another part of the campaign has."""
        return max(0, self.meta.classes - self.samples)

    @property
    def is_listed(self) -> bool:
        """Return whether the faults were those of a list: nobody knows how they were chosen."""
        return self.sampling.draw is None

    def seen(self, effect: NodeEffect) -> bool:
        """Return whether any experiment came to `effect`."""
        return any(target.effects[effect] for target in self.targets)

    def total(self, effect: NodeEffect) -> Estimate:
        """Return the share of all faults of all targets that come to `effect`: each target counts
        by its number of faults, however many of them were carried out."""
        strata = [
            Stratum(target.faults, target.effects[effect], target.samples)
            for target in self.targets
        ]
        return stratified(strata, self.sampling.each)

    @property
    def reached(self) -> bool | None:
        """Return whether the precision that was wanted was reached; None if none was."""
        sampling = self.sampling
        if sampling.precision is None:
            return None
        estimates = [self.total(sampling.outcome)]
        if not sampling.in_proportion:
            estimates += [t.estimate(sampling.outcome) for t in self.targets if t.faults]
        return all(e.interval.half_width <= sampling.precision for e in estimates)

    def as_json(self) -> JsonObject:
        """Return the summary as a JSON object."""
        meta, sampling = self.meta, self.sampling
        return {
            "workload": meta.workload,
            "seed": meta.seed,
            "frames": sampling.frames,
            "board": meta.board,
            "arch": meta.arch,
            f"{sampling.moment}s": meta.instructions,
            "experiments": self.samples,
            "missing_experiments": self.missing,
            "drawn": not self.is_listed,
            "draw_seed": sampling.draw,
            "faults": self.faults,
            "confidence": sampling.confidence,
            "confidence_of_each_interval": sampling.each,
            "precision": sampling.precision,
            "precision_reached": self.reached,
            "targets": {
                **{target.target: _target_json(target) for target in self.targets},
                "all": {
                    "faults": self.faults,
                    "samples": self.samples,
                    "shares": {e.value: _estimate_json(self.total(e)) for e in EFFECTS},
                },
            },
        }


def _target_json(target: SampledTarget) -> JsonObject:
    shares: dict[str, JsonObject] = {}
    for effect in EFFECTS:
        exact = clopper_pearson(target.effects[effect], target.samples, target.confidence)
        shares[effect.value] = {
            **_estimate_json(target.estimate(effect)),
            "count": target.effects[effect],
            "clopper_pearson": list(exact),
        }
    return {
        "bytes": target.length,
        "faults": target.faults,
        "samples": target.samples,
        "shares": shares,
    }


def _estimate_json(estimate: Estimate) -> JsonObject:
    return {"share": estimate.share, "interval": list(estimate.interval)}


def sample_summary(file: CampaignFile) -> SampleSummary:
    """Return the summary of a result file. Raises: RecordError if it is of an exact campaign."""
    meta = file.meta
    if meta.sampling is None:
        raise RecordError(f"{file.path} is the result of an exact campaign: it has no samples")
    counts = file.sample_counts()
    targets = [
        SampledTarget(
            region.target,
            region.length,
            region.faults,
            Counter(counts.get(region.number, {})),
            meta.sampling.each,
        )
        for region in file.regions()
    ]
    return SampleSummary(meta, meta.sampling, targets)
