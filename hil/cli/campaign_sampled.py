"""`hil campaign --sampled`: faults that are drawn, or those of a list."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.cli.campaign_progress import CampaignDisplay, CampaignShow
from hil.cli.campaign_results import print_result
from hil.cli.evidence import keep_evidence
from hil.cli.output import answer, say, show
from hil.errors import UsageError
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from hil.campaign.part import CampaignPart
    from hil.campaign.sample_stages import Sampling
    from hil.campaign.sampled_campaign import SampledOrder
    from hil.scenario import Scenario, UpsetTarget
    from hil.upsets.words import NodeEffect

__all__ = ["SampledOptions", "SampledPlace", "sampled_campaign"]

_PRECISION: Final = 0.01
_PRECISION_MIN: Final = 1e-6
_PRECISION_MAX: Final = 0.5
_CONFIDENCE_MIN: Final = 0.5
_CONFIDENCE_MAX: Final = 1 - 1e-9
_SAMPLES_MAX: Final = 10_000_000
_SAID_BY_LIST: Final = (
    "targets", "frame", "frames", "samples", "proportional", "precision", "outcome", "seed"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SampledOptions:
    """The options of a sample; None where the command line says nothing. `given`: the parameters
    that it names, each with its option."""

    frames: str | None
    samples: int | None
    in_proportion: bool
    precision: float | None
    confidence: float
    outcome: str
    seed: int | None
    faults: Path | None
    write_faults: Path | None
    plan: bool
    given: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SampledPlace:
    """The place where a sample is carried out: on `workers` boards here, or on the cluster `dask`;
    all of it, or a part. `path`: its result; `source`: the scenario as it was named."""

    path: Path
    workers: int
    dask: str | None
    part: CampaignPart
    source: str


def sampled_campaign(
    scenario: Scenario,
    targets: tuple[UpsetTarget, ...],
    options: SampledOptions,
    place: SampledPlace,
    shown: CampaignShow,
) -> int:
    """Carry out a sampled campaign and print its table; or write its faults, or its plan. Return
    the exit code."""
    from hil.campaign.sampled_campaign import run_sampled_campaign

    order = _order(scenario, targets, options, place)
    if options.plan:
        _plan(order, as_json=shown.as_json)
        return Exit.PASS
    if options.write_faults is not None:
        _write_faults(order, options.write_faults, as_json=shown.as_json)
        return Exit.PASS
    display = CampaignDisplay(
        f"{scenario.name}: a sample of the faults of {scenario.workload_name}, in "
        f"{','.join(order.targets)}",
        screen=not (shown.no_tui or shown.as_json or shown.quiet),
        quiet=shown.quiet,
        ascii_only=shown.ascii_only,
    )
    display.carry_out(partial(run_sampled_campaign, order))
    keep_evidence(place.path)
    print_result(place.path, shown.as_json)
    if not shown.as_json and not shown.quiet:
        say(f"written: {place.path}")
    return Exit.PASS


def _order(
    scenario: Scenario,
    targets: tuple[UpsetTarget, ...],
    options: SampledOptions,
    place: SampledPlace,
) -> SampledOrder:
    from hil.campaign.fault_list import read_faults
    from hil.campaign.fault_space import parse_frames
    from hil.campaign.sampled_campaign import SampledOrder

    listed = None if options.faults is None else read_faults(options.faults)
    if listed is not None:
        _check_list_alone(options)
        head = listed.head
        if (head.workload, head.seed) != (scenario.workload_name, scenario.seed):
            raise UsageError(
                f"{listed.path} is of {head.workload} with seed {head.seed}, "
                f"{scenario.name} runs {scenario.workload_name} with seed {scenario.seed}",
                remedy="name the scenario that the list was made for",
            )
        chosen = parse_frames(head.frames, scenario.frame_count, f"{listed.path}: frames")
        targets = head.targets
    else:
        chosen = parse_frames(options.frames or "", scenario.frame_count)
    return SampledOrder(
        scenario,
        chosen,
        targets,
        _sampling(scenario, options),
        listed,
        place.path,
        place.workers,
        place.dask,
        place.part,
        place.source,
    )


def _check_list_alone(options: SampledOptions) -> None:
    """Check that nothing is given beside a list that the list itself says. Raises: UsageError."""
    for name in _SAID_BY_LIST:
        if name in options.given:
            raise UsageError(
                f"{options.given[name]} with --faults: the list says which faults there are",
                remedy="leave one of them out",
            )


def _sampling(scenario: Scenario, options: SampledOptions) -> Sampling:
    from hil.campaign.sample_stages import Sampling

    precision = options.precision
    if precision is None and options.samples is None:
        precision = _PRECISION
    limits = (
        ("precision", precision, _PRECISION_MIN, _PRECISION_MAX),
        ("confidence", options.confidence, _CONFIDENCE_MIN, _CONFIDENCE_MAX),
    )
    for name, value, low, high in limits:
        if value is not None and not low <= value <= high:
            raise UsageError(
                f"--{name} {value:g}: it lies between {low:g} and {high:g}",
                remedy="--precision 0.01 --confidence 0.95",
            )
    sampling = Sampling(
        seed=scenario.seed if options.seed is None else options.seed,
        most=options.samples,
        precision=precision,
        confidence=options.confidence,
        outcome=_outcome(options.outcome),
        in_proportion=options.in_proportion,
    )
    most = sampling.looks.sizes[-1]
    if most > _SAMPLES_MAX:
        raise UsageError(
            f"up to {most:,} experiments of each target are more than a campaign can have: "
            f"{_SAMPLES_MAX:,}",
            remedy="name a lower --precision, fewer --samples, or several campaigns that differ in "
            "--seed",
        )
    return sampling


def _outcome(name: str) -> NodeEffect:
    from hil.record.campaign_rows import EFFECTS

    known = {effect.value: effect for effect in EFFECTS}
    if name not in known:
        raise UsageError(
            f"--outcome {name!r} is not an outcome", remedy=f"one of {', '.join(known)}"
        )
    return known[name]


# --- without experiments -----------------------------------------------------------------------


def _write_faults(order: SampledOrder, path: Path, *, as_json: bool) -> None:
    from hil.campaign.sampled_campaign import draw_list

    if order.listed is not None:
        raise UsageError("--write-faults with --faults: the list is there", remedy="leave one out")
    count = draw_list(path, order, say)
    if as_json:
        answer({"faults": str(path), "count": count})
    else:
        say(f"written: {path}, {count:,} faults")


def _plan(order: SampledOrder, *, as_json: bool) -> None:
    from hil.analysis.sample_sizes import needed
    from hil.campaign.sampled_campaign import fault_space
    from hil.views.sample_table import plan_table

    sampling = order.sampling
    precision, confidence = sampling.precision or _PRECISION, sampling.confidence
    space = fault_space(order, say)
    sizes = [space.size(number) for number in range(len(space.targets))]
    targets = [(t.target.value, size) for t, size in zip(space.targets, sizes, strict=True) if size]
    targets.append(("all", sum(sizes)))
    looks: Sequence[int] = sampling.looks.sizes
    if as_json:
        rows = {
            name: {
                "faults": faults,
                "experiments": needed(precision, confidence),
                "without_replacement": needed(precision, confidence, faults),
            }
            for name, faults in targets
        }
        answer({"precision": precision, "confidence": confidence, "targets": rows,
                "looks": list(looks)})  # fmt: skip
    else:
        show(lambda _: plan_table(targets, precision, confidence, looks))
