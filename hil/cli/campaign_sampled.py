"""`hil campaign --sampled`: faults that are drawn, or those of a list."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.cli.campaign_progress import CampaignShow, ProgressLines
from hil.cli.output import answer, say, show
from hil.errors import UsageError
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from hil.campaign.sampled_campaign import SampledOrder, Sampling
    from hil.scenario import Scenario, UpsetTarget
    from hil.upsets.words import NodeEffect

__all__ = ["SampledOptions", "sampled_campaign"]

_PRECISION: Final = 0.01


@dataclass(frozen=True, slots=True)
class SampledOptions:
    """The options of a sample; None where the command line says nothing."""

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


def sampled_campaign(
    scenario: Scenario,
    targets: tuple[UpsetTarget, ...],
    options: SampledOptions,
    path: Path,
    workers: int,
    shown: CampaignShow,
) -> int:
    """Carry out a sampled campaign and print its table; or write its faults, or its plan. Return
    the exit code."""
    from hil.campaign.sampled_campaign import run_sampled_campaign

    order = _order(scenario, targets, options, path, workers)
    if options.plan:
        _plan(order, as_json=shown.as_json)
    elif options.write_faults is not None:
        _write_faults(order, options.write_faults, as_json=shown.as_json)
    else:
        if shown.quiet:
            run_sampled_campaign(order, lambda _: None, lambda _: None)
        else:
            run_sampled_campaign(order, ProgressLines().report, say)
        _print_result(path, shown)
    return Exit.PASS


def _print_result(path: Path, shown: CampaignShow) -> None:
    from hil.analysis.sample_summary import sample_summary
    from hil.record.campaign_file import CampaignFile
    from hil.views.sample_table import sample_table

    with CampaignFile(path) as file:
        summary = sample_summary(file)
    if shown.as_json:
        answer({"result": str(path), **summary.as_json()})
    else:
        show(lambda _: sample_table(summary))
        if not shown.quiet:
            say(f"written: {path}")


def _order(
    scenario: Scenario,
    targets: tuple[UpsetTarget, ...],
    options: SampledOptions,
    path: Path,
    workers: int,
) -> SampledOrder:
    from hil.campaign.fault_list import read_faults
    from hil.campaign.fault_space import parse_frames
    from hil.campaign.sampled_campaign import SampledOrder

    listed = None if options.faults is None else read_faults(options.faults)
    frames = options.frames or ""
    if listed is not None:
        head = listed.head
        if (head.workload, head.seed) != (scenario.workload_name, scenario.seed):
            raise UsageError(
                f"{listed.path} is of {head.workload} with seed {head.seed}, "
                f"{scenario.name} runs {scenario.workload_name} with seed {scenario.seed}",
                remedy="name the scenario that the list was made for",
            )
        frames, targets = head.frames, head.targets
    chosen = parse_frames(frames, scenario.frame_count)
    sampling = _sampling(scenario, options)
    return SampledOrder(scenario, chosen, targets, sampling, listed, path, workers)


def _sampling(scenario: Scenario, options: SampledOptions) -> Sampling:
    from hil.campaign.sampled_campaign import Sampling

    precision = options.precision
    if precision is None and options.samples is None:
        precision = _PRECISION
    for name, value in (("precision", precision), ("confidence", options.confidence)):
        if value is not None and not 0 < value < 1:
            raise UsageError(
                f"--{name} {value}: it lies between 0 and 1",
                remedy="--precision 0.01 --confidence 0.95",
            )
    return Sampling(
        seed=scenario.seed if options.seed is None else options.seed,
        most=options.samples,
        precision=precision,
        confidence=options.confidence,
        outcome=_outcome(options.outcome),
        in_proportion=options.in_proportion,
    )


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
    from hil.campaign.sampled_campaign import open_laboratory
    from hil.views.sample_table import plan_table

    sampling = order.sampling
    precision, confidence = sampling.precision or _PRECISION, sampling.confidence
    say("counting the faults")
    with open_laboratory(order.scenario, order.frames, order.targets) as laboratory:
        space = laboratory.space
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
