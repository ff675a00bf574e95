"""The summary of a sampled campaign, as a table: shares with their confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil.analysis.intervals import Estimate
from hil.analysis.sample_sizes import needed
from hil.analysis.sample_summary import SampleSummary
from hil.record.campaign_rows import EFFECTS
from hil.upsets.words import NodeEffect
from hil.views.style import BAD, DIM, HEAD

__all__ = ["plan_table", "sample_table"]

_PERCENT: Final = 100.0
_SCIENTIFIC_FROM: Final = 10_000_000
_DIGITS_MAX: Final = 6


def sample_table(summary: SampleSummary) -> RenderableType:
    """Return the share of each outcome that occurred, by target, with its interval."""
    meta, sampling = summary.meta, summary.sampling
    table = Table(box=None, pad_edge=False, header_style=HEAD)
    table.add_column("target")
    for heading in ("faults", "samples"):
        table.add_column(heading, justify="right")
    table.add_column("outcome")
    for heading in ("share", f"{_PERCENT * sampling.confidence:g} % interval"):
        table.add_column(heading, justify="right")
    for target in summary.targets:
        estimates = {e: target.estimate(e) for e in EFFECTS if target.effects[e]}
        _add_rows(table, (target.target, target.faults, target.samples), estimates)
    if len(summary.targets) > 1:
        estimates = {e: summary.total(e) for e in EFFECTS if summary.seen(e)}
        _add_rows(table, ("all", summary.faults, summary.samples), estimates, style=HEAD)
    frames = "frame" if sampling.frames.isdigit() else "frames"
    return Group(
        Text(
            f"{summary.samples:,} single-bit faults of {_count(summary.faults)} in {frames} "
            f"{sampling.frames} of {meta.workload} ({_seeds(summary)}), {meta.instructions:,} "
            f"{sampling.moment}s, on {meta.board} ({meta.arch})"
        ),
        Text(""),
        table,
        Text(""),
        Text(_certainty(summary), style=DIM),
    )


def _seeds(summary: SampleSummary) -> str:
    """Return the seed of the scenario, and that of the draw where it is another."""
    seed, draw = summary.meta.seed, summary.sampling.draw
    return f"seed {seed}" if draw in (None, seed) else f"seed {seed}, drawn with {draw}"


def _add_rows(
    table: Table,
    of: tuple[str, int, int],
    estimates: Mapping[NodeEffect, Estimate],
    style: str = "",
) -> None:
    """Add a line for each outcome; only the first one says what it is of."""
    name, faults, samples = of
    cells = [name, _count(faults), f"{samples:,}"]
    for effect, estimate in estimates.items():
        width = 2 * estimate.interval.half_width
        share, low, high = (_percent(v, width) for v in (estimate.share, *estimate.interval))
        bad = BAD if effect is NodeEffect.SDC else ""
        row = [*cells, effect.value, Text(f"{share} %", style=bad), f"{low} to {high}"]
        table.add_row(*row, style=style)
        cells = ["", "", ""]
    if not estimates:
        table.add_row(*cells, style=style)


def _certainty(summary: SampleSummary) -> str:
    sampling = summary.sampling
    parts = ["Shares of all faults, estimated, and the range that holds the true one, in per cent."]
    if summary.is_listed:
        parts.append(
            "The faults are those of a list: the ranges hold if they were drawn evenly at random, "
            "as --write-faults does, and not if they were chosen."
        )
    if summary.missing:
        parts.append(
            f"This is a part of a campaign, of {summary.meta.classes:,} experiments; it has those "
            "of a part of the time, so its shares are not those of the whole. `hil campaign A "
            "--merge B --out C` puts parts together."
        )
    never = [effect.value for effect in EFFECTS if not summary.seen(effect)]
    if never:
        bound = summary.total(next(e for e in EFFECTS if not summary.seen(e))).interval.high
        parts.append(
            f"Never seen, and below {_percent(bound, bound)} % in all: {', '.join(never)}."
        )
    looks = len(sampling.sizes)
    if looks > 1:
        parts.append(
            f"The sizes at which it may stop were fixed before; {looks} looks share the error."
        )
    if sampling.precision is not None:
        reached = "reached" if summary.reached else "NOT reached: more --samples are needed"
        wanted = _PERCENT * sampling.precision
        parts.append(f"Precision wanted, ±{wanted:g} points of {sampling.outcome}: {reached}.")
    return " ".join(parts)


def _percent(share: float, width: float) -> str:
    """Return a share in per cent, with as many digits as an interval of this width deserves."""
    digits = 1
    if 0 < width < 1:
        digits = min(_DIGITS_MAX, max(1, 1 - math.floor(math.log10(_PERCENT * width))))
    return f"{_PERCENT * share:.{digits}f}"


def _count(faults: int) -> str:
    return f"{faults:.3e}" if faults >= _SCIENTIFIC_FROM else f"{faults:,}"


# --- the plan ---------------------------------------------------------------------------------


def plan_table(
    targets: Sequence[tuple[str, int]], precision: float, confidence: float, looks: Sequence[int]
) -> RenderableType:
    """Return how many experiments a precision needs, for each of `targets`, which are names and
    numbers of faults."""
    table = Table(box=None, pad_edge=False, header_style=HEAD)
    table.add_column("target")
    for heading in ("faults", "experiments", "if none twice", "if 10 % or 90 %", "if 1 % or 99 %"):
        table.add_column(heading, justify="right")
    for name, faults in targets:
        table.add_row(
            name,
            _count(faults),
            f"{needed(precision, confidence):,}",
            f"{needed(precision, confidence, faults):,}",
            f"{needed(precision, confidence, share=0.1):,}",
            f"{needed(precision, confidence, share=0.01):,}",
        )
    sizes = ", ".join(f"{size:,}" for size in looks)
    return Group(
        Text(
            f"For ±{_PERCENT * precision:g} points at {_PERCENT * confidence:g} % confidence, "
            "whatever the share is, and if it is far from a half:"
        ),
        Text(""),
        table,
        Text(""),
        Text(
            "Faults are drawn with replacement: `if none twice` (finite population correction) "
            f"says what that costs. A campaign that stops by itself looks after {sizes} "
            "experiments of each target: these looks share the error, so it may need more than "
            "the table says.",
            style=DIM,
        ),
    )
