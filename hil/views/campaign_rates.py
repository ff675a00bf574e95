"""Vulnerability factors of a campaign, and its failures in orbit, as tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil.analysis.failure_rates import FailureRates, fit, mttf_days
from hil.analysis.vulnerability import DEFINITIONS, Factors
from hil.plant.bit_rates import Spread
from hil.views.style import DIM, HEAD, Glyphs

__all__ = ["factors_report", "rates_report"]

_YEAR_DAYS: Final = 365.25


def factors_report(factors: Sequence[Factors], glyphs: Glyphs) -> RenderableType:
    """Return the vulnerability factors of each target, and what each of them is."""
    table = Table(box=None, pad_edge=False, header_style=HEAD)
    table.add_column("target")
    for heading in DEFINITIONS:
        table.add_column(heading, justify="right")
    for row in factors:
        shares = (row.avf, row.program, row.parameter)
        table.add_row(row.target, *(_share(share, glyphs) for share in shares))
    lines = [Text(f"{name}: {text}", style=DIM) for name, text in DEFINITIONS.items()]
    return Group(table, Text(""), *lines)


def _share(share: float | None, glyphs: Glyphs) -> str:
    return glyphs.none if share is None else f"{100 * share:.3f} %"


def rates_report(rates: FailureRates, glyphs: Glyphs) -> RenderableType:
    """Return the failures in orbit, from low to high, with what they rest on."""
    bits = rates.rates
    head = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    head.add_column(style=DIM)
    head.add_column()
    head.add_row(
        "a bit", f"{_spread(bits.per_day)} upsets a day, sigma {_spread(bits.sigma_cm2)} cm²"
    )
    open_bits = rates.silent_bits
    program = Spread(
        bits.sigma_cm2.low * open_bits.low,
        bits.sigma_cm2.best * open_bits.best,
        bits.sigma_cm2.high * open_bits.high,
    )
    head.add_row("the program", f"sigma {_spread(program)} cm² for silent corruptions")
    table = Table(box=None, pad_edge=False, header_style=HEAD)
    table.add_column("target")
    for heading in ("bits", "AVF", "open bits", "sdc a day", "failures a day"):
        table.add_column(heading, justify="right")
    for t in rates.targets:
        cells = (f"{t.bits:,}", f"{100 * t.avf:.3f} %", _open(t.silent_bits))
        ends = (f"{t.silent.best:.3g}", f"{t.failures.best:.3g}")
        table.add_row(t.target, *cells, *ends)
    return Group(
        Text(f"In orbit: {bits.scenario}, on {bits.profile}", style=HEAD),
        head,
        Text(""),
        table,
        Text(""),
        _totals(rates, glyphs),
        Text(""),
        *(Text(f"- {line}", style=DIM) for line in rates.assumptions),
    )


def _totals(rates: FailureRates, glyphs: Glyphs) -> Table:
    table = Table(box=None, pad_edge=False, header_style=HEAD)
    table.add_column("")
    for heading in ("low" if rates.confidence else "sigma low", "best", "high"):
        table.add_column(heading, justify="right")
    for name, spread in (("silent corruptions", rates.silent), ("failures", rates.failures)):
        ends = (spread.low, spread.best, spread.high)
        table.add_row(f"{name} a day", *(f"{rate:.3g}" for rate in ends))
        table.add_row("  FIT", *(f"{fit(rate):.3g}" for rate in ends))
        table.add_row("  MTTF", *(_time(mttf_days(rate), glyphs) for rate in ends))
        work = [rates.steps_per_day * mttf_days(rate) for rate in ends]
        steps = [f"{w:.3g}" if math.isfinite(w) else glyphs.none for w in work]
        table.add_row("  steps to failure", *steps)
    return table


def _time(days: float, glyphs: Glyphs) -> str:
    if not math.isfinite(days):
        return glyphs.none
    if days >= _YEAR_DAYS:
        return f"{days / _YEAR_DAYS:.3g} years"
    return f"{days:.3g} days" if days >= 1.0 else f"{24 * days:.3g} h"


def _open(bits: Spread) -> str:
    if bits.low == bits.high:
        return f"{bits.best:,.1f}"
    return f"{bits.best:,.1f} ({bits.low:,.1f} to {bits.high:,.1f})"


def _spread(spread: Spread) -> str:
    if spread.low == spread.high:
        return f"{spread.best:.3g}"
    return f"{spread.best:.3g} ({spread.low:.3g} to {spread.high:.3g})"
