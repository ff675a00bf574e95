"""Two campaigns compared where one is a sample, or both are: estimated numbers of faults.

The numbers are absolute, as in `hil.analysis.comparison`: the share of the samples that come to an
outcome, times all faults that they were drawn from. Those of an exact campaign have no range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hil.analysis.comparison import HARM, conditions, factor_text
from hil.analysis.fault_sums import FAILURES
from hil.analysis.intervals import Estimate, Interval, Stratum, stratified, wilson
from hil.analysis.pairing import Pairing, pair
from hil.analysis.sample_summary import sample_summary
from hil.json_values import JsonObject
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import EFFECTS, CampaignMeta
from hil.record.campaign_summary import campaign_summary
from hil.upsets.words import NodeEffect

__all__ = ["Amount", "Counted", "SampleComparison", "SampleSide", "compare_samples"]


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of faults, with the range of its estimate; an exact one is its own range."""

    value: float
    low: float
    high: float

    def as_json(self) -> JsonObject:
        """Return the amount as a JSON object."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class Counted:
    """The faults of both campaigns that come to one outcome."""

    name: str
    a: Amount
    b: Amount

    @property
    def factor(self) -> float | None:
        """Return how many times that of A B has; None if A has none."""
        return self.b.value / self.a.value if self.a.value else None

    @property
    def factor_range(self) -> tuple[float, float | None]:
        """Return the range of the factor, by the far ends of both ranges; None: no upper end. If
        both ranges hold with a confidence of 95 %, it holds with at least 90 %."""
        low = self.b.low / self.a.high if self.a.high else 0.0
        return low, self.b.high / self.a.low if self.a.low else None

    @property
    def differs(self) -> bool:
        """Return whether the ranges have nothing in common."""
        return self.a.high < self.b.low or self.b.high < self.a.low

    def as_json(self) -> JsonObject:
        """Return the amounts as a JSON object."""
        return {
            "a": self.a.as_json(),
            "b": self.b.as_json(),
            "factor": self.factor,
            "factor_range": list(self.factor_range),
            "differs": self.differs,
        }


@dataclass(frozen=True, slots=True)
class SampleSide:
    """One of the campaigns: `strata` has faults, experiments and effects of each target;
    `confidence`: of its intervals, None if it is exact."""

    path: str
    meta: CampaignMeta
    experiments: int
    faults: Mapping[str, int]
    strata: Mapping[str, Mapping[NodeEffect, int]]
    confidence: float | None

    def amount(self, targets: Sequence[str], effects: Sequence[NodeEffect]) -> Amount:
        """Return how many faults of `targets` come to one of `effects`."""
        faults = sum(self.faults[target] for target in targets)
        counts = {t: sum(self.strata[t].get(e, 0) for e in effects) for t in targets}
        if self.confidence is None:
            exact = float(sum(counts.values()))
            return Amount(exact, exact, exact)
        estimate = self._estimate(targets, counts, self.confidence)
        low, high = estimate.interval
        return Amount(faults * estimate.share, faults * low, faults * high)

    def _estimate(
        self, targets: Sequence[str], counts: Mapping[str, int], confidence: float
    ) -> Estimate:
        totals = {target: sum(self.strata[target].values()) for target in targets}
        if len(targets) == 1:
            (target,) = targets
            count, total = counts[target], totals[target]
            share = count / total if total else 0.0
            return Estimate(share, wilson(count, total, confidence))
        strata = [Stratum(self.faults[t], counts[t], totals[t]) for t in targets if self.faults[t]]
        return stratified(strata, confidence) if strata else Estimate(0.0, Interval(0.0, 0.0))


@dataclass(frozen=True, slots=True)
class SampleComparison:
    """Two campaigns beside each other, over the targets that both have."""

    a: SampleSide
    b: SampleSide
    targets: Mapping[str, tuple[Counted, ...]]
    total: tuple[Counted, ...]
    pairing: Pairing
    notes: tuple[str, ...]

    def harm(self, name: str) -> Counted:
        """Return how many faults do the harm `name` of `HARM`."""
        shared, effects = list(self.targets), HARM[name]
        return Counted(name, self.a.amount(shared, effects), self.b.amount(shared, effects))

    @property
    def verdict(self) -> str:
        """Return the result in a sentence or two."""
        silent, latent = self.harm("silent corruptions"), self.harm("latent faults")
        if not (silent.a.value or silent.b.value):
            silent = self.harm("failures")
        return f"{_sentence(silent)} {_sentence(latent)}"

    def as_json(self) -> JsonObject:
        """Return the comparison as a JSON object."""
        return {
            "verdict": self.verdict,
            "a": _side_json(self.a),
            "b": _side_json(self.b),
            "targets": {
                target: {counted.name: counted.as_json() for counted in row}
                for target, row in (*self.targets.items(), ("all", self.total))
            },
            "pairing": self.pairing.as_json(),
            "notes": list(self.notes),
        }


def _sentence(counted: Counted) -> str:
    a, b = counted.a, counted.b
    against = f"{b.value:,.4g} against {a.value:,.4g}"
    if not a.value and not b.value:
        return f"No {counted.name} were seen in either."
    if not counted.differs:
        return f"Whether B has more or fewer {counted.name} than A is not shown: {against}."
    low, high = counted.factor_range
    if counted.factor is None or high is None:
        return f"B has more {counted.name} than A, at least {factor_text(low)} times: {against}."
    return (
        f"B has about {factor_text(counted.factor)} times ({factor_text(low)} to "
        f"{factor_text(high)}) the {counted.name} of A: {against}."
    )


def compare_samples(a: CampaignFile, b: CampaignFile) -> SampleComparison:
    """Compare two campaigns, of which one at least is sampled.

    Raises: RecordError; ValueError if they have no target in common."""
    side_a, side_b = _side(a), _side(b)
    shared = [target for target in side_a.faults if target in side_b.faults]
    if not shared:
        raise ValueError("no common target")
    return SampleComparison(
        side_a,
        side_b,
        {target: _counted(side_a, side_b, [target]) for target in shared},
        _counted(side_a, side_b, shared),
        pair(a, b),
        conditions(a, b),
    )


def _side(file: CampaignFile) -> SampleSide:
    meta = file.meta
    if meta.sampling is None:
        exact = campaign_summary(file)
        return SampleSide(
            str(file.path),
            meta,
            exact.experiments,
            {t.target: t.faults for t in exact.targets},
            {t.target: t.effects for t in exact.targets},
            None,
        )
    sampled = sample_summary(file)
    return SampleSide(
        str(file.path),
        meta,
        sampled.samples,
        {t.target: t.faults for t in sampled.targets},
        {t.target: t.effects for t in sampled.targets},
        meta.sampling.each,
    )


def _counted(a: SampleSide, b: SampleSide, targets: Sequence[str]) -> tuple[Counted, ...]:
    rows = []
    for effect in EFFECTS[1:]:
        counted = Counted(effect.value, a.amount(targets, [effect]), b.amount(targets, [effect]))
        if counted.a.value or counted.b.value:
            rows.append(counted)
    failures = a.amount(targets, FAILURES), b.amount(targets, FAILURES)
    rows.append(Counted("failures", *failures))
    return tuple(rows)


def _side_json(side: SampleSide) -> JsonObject:
    return {
        "file": side.path,
        "workload": side.meta.workload,
        "seed": side.meta.seed,
        "arch": side.meta.arch,
        "experiments": side.experiments,
        "confidence": side.confidence,
        "faults": dict(side.faults),
    }
