"""The numbers of a sampled campaign's page: what samples came to, by target, named part, function
and frame, each with its confidence interval."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hil.analysis.intervals import Estimate, wilson
from hil.analysis.sample_summary import SampleSummary, sample_summary
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import InstructionRow, PartRow, RegionRow, SampleRow
from hil.record.campaign_step import part_rows
from hil.upsets.words import NodeEffect

__all__ = ["SampleFigures", "SampleGroup", "sample_figures"]


@dataclass(frozen=True, slots=True)
class SampleGroup:
    """Samples that belong together. `confidence`: of each interval."""

    name: str
    effects: Counter[NodeEffect]
    confidence: float

    @property
    def samples(self) -> int:
        """Return how many there are."""
        return self.effects.total()

    def estimate(self, effect: NodeEffect) -> Estimate:
        """Return the share that comes to `effect`, with Wilson's interval."""
        count, total = self.effects[effect], self.samples
        return Estimate(count / total if total else 0.0, wilson(count, total, self.confidence))


@dataclass(frozen=True, slots=True)
class SampleFigures:
    """All that the page of a sampled campaign shows. `parts`: by target, its registers or
    functions; `functions`: what was executed when samples struck."""

    summary: SampleSummary
    parts: Mapping[str, Sequence[SampleGroup]]
    functions: Sequence[SampleGroup]
    frames: Sequence[SampleGroup]
    samples: Sequence[SampleRow]
    instructions: Mapping[int, InstructionRow]
    targets: Mapping[int, str]


def sample_figures(file: CampaignFile) -> SampleFigures:
    """Return the numbers of a result file. Raises: RecordError, also for one that contradicts
    itself."""
    summary = sample_summary(file)
    regions = {region.number: region for region in file.regions()}
    samples = list(file.samples())
    instructions = {row.address: row for row in file.instructions()}
    grouped = _Grouping(summary.sampling.each)
    return SampleFigures(
        summary,
        _by_part(regions, samples, part_rows(file), grouped),
        grouped.of(
            (instructions[row.address].symbol if row.address in instructions else "", row.effect)
            for row in samples
        ),
        grouped.of((f"{row.frame:,}", row.effect) for row in samples),
        samples,
        instructions,
        {number: region.target for number, region in regions.items()},
    )


class _Grouping:
    def __init__(self, confidence: float) -> None:
        self._confidence = confidence

    def of(self, named: Iterable[tuple[str, NodeEffect]]) -> list[SampleGroup]:
        """Return samples by name, those without a name left out, in the order of their first."""
        counts: dict[str, Counter[NodeEffect]] = {}
        for name, effect in named:
            if name:
                counts.setdefault(name, Counter())[effect] += 1
        return [SampleGroup(name, effects, self._confidence) for name, effects in counts.items()]


def _by_part(
    regions: Mapping[int, RegionRow],
    samples: Sequence[SampleRow],
    parts: Sequence[PartRow],
    grouped: _Grouping,
) -> dict[str, Sequence[SampleGroup]]:
    groups: dict[str, Sequence[SampleGroup]] = {}
    for number, region in regions.items():
        mine = [part for part in parts if part.region == number]
        firsts = [part.first for part in mine]
        if not mine:
            continue
        named: list[tuple[str, NodeEffect]] = []
        for row in samples:
            at = bisect_right(firsts, row.byte) - 1
            if row.region == number and at >= 0 and row.byte < mine[at].first + mine[at].length:
                named.append((mine[at].name, row.effect))
        groups[region.target] = grouped.of(named)
    return groups
