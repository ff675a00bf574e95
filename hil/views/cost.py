"""The costs of correct answers as tables: of each run, of runs beside each other; all prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hil.analysis.economics.pair_price import PairPrice
from hil.analysis.economics.price_table import GIVEN, Price
from hil.analysis.economics.priced_run import AtLaunchPrice, PricedRun
from hil.analysis.economics.run_ending import RunEnding
from hil.run_outcome import RunOutcome
from hil.views.style import BAD, DIM, GOOD, HEAD, WARN, plural

__all__ = ["cost_tables", "price_list"]

_SWINGS: Final = 6
_DAY_S: Final = 86_400.0
_WRITTEN_MAX: Final = 1e9
"""Larger numbers have an exponent."""


def cost_tables(
    runs: Sequence[PricedRun], names: Sequence[str], pairs: Sequence[PairPrice]
) -> RenderableType:
    """Return the costs of runs, one after the other, each with its name, and from which price of a
    wrong answer the safer of two pays."""
    parts: list[RenderableType] = []
    for run, name in zip(runs, names, strict=True):
        parts += [_run_part(run, name), Text("")]
    for pair in pairs:
        parts += [_pair_text(pair), *(Text(said, style=WARN) for said in pair.differences)]
    if pairs:
        parts.append(Text(""))
    launch = _launch_text(runs[0].terms.prices["launch_usd_per_kg"])
    parts.append(
        Text(
            "Medians of all draws of the prices, with the range of 5 to 95 % of them; * "
            f"{launch}. Sources of all prices: hil cost --prices",
            style=DIM,
        )
    )
    return Group(*parts)


def _launch_text(price: Price) -> str:
    """Return which launch prices the first row of each table is for."""
    origin = " ".join(part for part in (price.kind, price.date) if part)
    if price.kind == GIVEN:
        origin = f"{origin} by {price.source}"
    if not price.spread:
        return f"a launch price of {_number(price.mode)} USD/kg ({origin})"
    ends = f"{_number(price.low)} to {_number(price.high)}"
    return f"launch prices as drawn, {ends} USD/kg ({origin})"


def _run_part(run: PricedRun, name: str) -> RenderableType:
    counts = run.work.counts
    head = Text.assemble(
        (name, HEAD),
        f"  {counts.scheme}, {run.work.nodes} x {_watts(run)}, {counts.workload}",
    )
    return Group(head, _facts(run), Text(""), _costs(run), *_decisive(run))


def _number(value: float, digits: int = 3) -> str:
    """Return a number as people write it, rounded to so many digits: 21,200 and not 2.12e+04."""
    text = f"{value:.{digits}g}"
    rounded = float(text)
    if 1000.0 <= abs(rounded) < _WRITTEN_MAX:
        return f"{rounded:,.0f}"
    return text


def _watts(run: PricedRun) -> str:
    return f"{run.work.power_w / run.work.nodes:.3g} W"


def _facts(run: PricedRun) -> Table:
    work, satellite = run.work, run.at_modes.satellite
    wrong = work.wrong_per_s.times(_DAY_S)
    table = Table(box=None, show_header=False, pad_edge=True, padding=(0, 2, 0, 0))
    table.add_column(style=DIM, no_wrap=True)
    table.add_column()
    if run.ending is not None:
        table.add_row("run", _ending_text(run.ending))
    table.add_row(
        "correct", f"{_number(work.correct_per_s, 4)} a second, {_frames(work.availability)}"
    )
    if work.counts.predicted:
        text = f"{_number(wrong.best)} a day ({_number(wrong.low)} to {_number(wrong.high)})"
        table.add_row("wrong", f"{text}, predicted from {work.counts.predicted}")
        table.add_row("", "damage that lasts counts once: repair it, or reckon with more")
    elif work.counts.wrong:
        text = f"{_number(wrong.best)} a day ({_number(wrong.low)} to {_number(wrong.high)}), from"
        after = f"after {plural(work.counts.escaped, 'upset')}"
        table.add_row("wrong", f"{text} {work.counts.wrong:,} in the run {after}")
        if work.counts.ends_wrong:
            lasting = "still at the end of the run: in flight there are more, until it is repaired"
            table.add_row("", Text(lasting, style=WARN))
    else:
        table.add_row("wrong", f"none in the run: below {_number(wrong.high)} a day (95 %)")
    if work.counts.voted_accel > 1.0 or work.counts.accel > 1.0:
        factors = (
            f"{_number(work.counts.accel)}, of the voted data {_number(work.counts.voted_accel)}"
        )
        table.add_row("accelerated", f"upsets by {factors}: losses are divided by it")
    if work.contact_share:
        per_day, minutes = work.rescued_per_s * _DAY_S, work.contact_share * _DAY_S / 60.0
        text = f"answers {_number(per_day, 4)} frames a day that have no right output on board"
        table.add_row("ground", f"{text}, in {minutes:,.3g} minutes of contact")
    table.add_row("sunlight", f"{run.sunlight.share:.1%}, {run.sunlight.source}")
    sizes = (
        f"array {satellite.array_w[0]:.3g} W, battery {satellite.battery_wh[0]:.3g} Wh, "
        f"radiator {satellite.radiator_m2[0]:.2g} m2, at launch "
        f"{satellite.launch_kg[0]:.3g} kg ({'of the scenario' if run.sizes else 'for the load'})"
    )
    table.add_row("satellite", sizes)
    return table


def _ending_text(ending: RunEnding) -> Text:
    """Return how a run ended, and how much of it there is."""
    planned = f"{ending.planned_frames:,}"
    done = plural(ending.frames, "frame")
    if ending.frames < ending.planned_frames:
        done = f"{ending.frames:,} of {planned} frames"
    style = GOOD
    match ending.outcome:
        case RunOutcome.PASS:
            what = "passed"
        case RunOutcome.UNTESTED:
            what, style = "untested: its scenario expects nothing", WARN
        case RunOutcome.FAIL:
            what, style = f"FAILED: {', '.join(ending.failed)} not as expected", BAD
        case RunOutcome.ERROR:
            what, style = f"ERROR: {ending.why or 'the rig failed'}", BAD
        case RunOutcome.ABORTED:
            what, style = "ABORTED" + (f" by {ending.why}" if ending.why else ""), BAD
        case _ if ending.going_on:
            what, style = "STILL RUNNING", WARN
        case _:
            what, style = "NOT ENDED: its process was killed, or failed", BAD
    rest = "" if ending.complete else "; all numbers are of these frames alone"
    return Text(f"{what}; {done}{rest}", style=style)


def _frames(availability: float) -> str:
    missing = 1.0 - availability
    if missing <= 0.0:
        return "in all frames"
    return f"in all but {100.0 * missing:.2g} % of the frames"


def _costs(run: PricedRun) -> Table:
    table = Table(box=None, pad_edge=True, header_style=HEAD)
    table.add_column("launch USD/kg", justify="right", no_wrap=True)
    hybrid = ("both",) if run.rows[0].hybrid_draws_usd else ()
    for heading in (
        *("orbit USD/million", "5 to 95 %", "ground", "orbit/ground", "cheaper in"),
        *hybrid,
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    today = run.terms.prices["launch_usd_per_kg"].mode
    for row in run.rows:
        table.add_row(*_cost_row(row, today))
    return table


def _cost_row(row: AtLaunchPrice, today: float) -> list[Text]:
    price = (
        f"{today:,.0f} *" if row.launch_usd_per_kg is None else (f"{row.launch_usd_per_kg:,.0f}  ")
    )
    low, middle, high = row.space_draws_usd
    ratio = row.ratio_draws[1]
    return [
        Text(price),
        Text(_number(middle, 4)),
        Text(f"({_number(low)} to {_number(high)})"),
        Text(_number(row.ground_draws_usd[1])),
        Text(f"{_number(ratio)} times", style=GOOD if ratio <= 1.0 else BAD),
        Text(f"{row.cheaper:.0%} of draws"),
        *([Text(_number(row.hybrid_draws_usd[1], 4))] if row.hybrid_draws_usd else []),
    ]


def _decisive(run: PricedRun) -> list[RenderableType]:
    low, middle, high = run.break_even_draws
    if middle > 0.0:
        even = f"at a launch price of {_number(middle)} USD/kg ({_number(low)} to {_number(high)})"
        lines: list[RenderableType] = [Text(f"Orbit costs what the ground does {even}.")]
    else:
        dearer = "Even free launches do not make orbit as cheap as the ground"
        lines = [Text(f"{dearer}: what flies is dearer by itself.")]
    if run.rows[0].hybrid_draws_usd:
        lines.append(
            Text(
                "both: orbit, the ground for what is missing there, and all minutes of contact of "
                "one such satellite: contact_usd_per_minute is that of its share of a station."
            )
        )
    return [*lines, *_influences(run)]


def _influences(run: PricedRun) -> list[RenderableType]:
    """Return which prices decide whether orbit is cheaper, the most important first."""
    total = {influence.name: influence.total for influence in run.influences}
    # A result that hardly varies has swings, but no shares.
    swings = [swing for swing in run.swings[:_SWINGS] if swing.name in total]
    if not swings:
        return []
    table = Table(box=None, pad_edge=True, header_style=HEAD)
    table.add_column("orbit/ground depends on", no_wrap=True)
    for heading in ("if low", "if high", "of the variance"):
        table.add_column(heading, justify="right", no_wrap=True)
    for swing in swings:
        ends = [f"{_number(end)} times" for end in (swing.low, swing.high)]
        table.add_row(swing.name, *ends, f"{total[swing.name]:.0%}")
    return [Text(""), table]


def _pair_text(pair: PairPrice) -> Text:
    if pair.refused:
        return Text(
            f"{pair.cheap} and {pair.dear} do not do the same work: {pair.refused}. Which of them "
            "pays is not said.",
            style=WARN,
        )
    costs = "costs the same as" if pair.same else "costs less than"
    if pair.more:
        return Text(f"{pair.cheap} {costs} {pair.dear}, and has fewer wrong answers.")
    if pair.shown and pair.same:
        return Text(f"{pair.dear} {costs} {pair.cheap}, and has fewer wrong answers.")
    if pair.same:
        return Text(
            f"No difference: {pair.dear} {costs} {pair.cheap}, and the runs do not show that one "
            "of them has fewer wrong answers."
        )
    if pair.no_fewer:
        return Text(f"{pair.cheap} {costs} {pair.dear}, which has as many wrong answers.")
    if pair.shown:
        where = f"pays beside {pair.cheap} where a wrong answer costs more than {_price_text(pair)}"
        return Text(f"{pair.dear} {where}.")
    least = "" if pair.least_usd is None else _with_range(pair.least_usd)
    return Text(
        f"The runs do not show that {pair.dear} has fewer wrong answers than {pair.cheap}: if it "
        f"pays at all, then only where one costs more than {least}."
    )


def _with_range(usd: Sequence[float]) -> str:
    low, middle, high = usd
    return f"{_number(middle)} USD ({_number(low)} to {_number(high)})"


def _price_text(pair: PairPrice) -> str:
    """Return a price of wrong answers, with its range by prices, and by numbers of wrong answers if
    these have one."""
    assert pair.usd is not None, "only prices that are known are written"
    ends = [_number(usd[1]) for usd in (pair.least_usd, pair.most_usd) if usd is not None]
    text = _with_range(pair.usd)
    if ends[0] == ends[-1]:
        return text
    by_numbers = f" by the prices, {' to '.join(ends)} by the numbers of wrong answers)"
    return f"{text.removesuffix(')')}{by_numbers}"


def price_list(prices: Mapping[str, Price]) -> RenderableType:
    """Return all prices, each with its source below it."""
    parts: list[RenderableType] = []
    for price in prices.values():
        numbers = "".join(f"{n:>10,.4g}" for n in (price.low, price.mode, price.high))
        parts.append(Text.assemble((f"{price.name:<28}", HEAD), f"{numbers}  {price.unit}"))
        origin = " ".join(part for part in (price.kind, price.date) if part)
        parts.append(Padding(Text(f"{origin}: {price.source}", style=DIM), (0, 0, 0, 4)))
    return Group(Text(f"{'price':<28}{'low':>10}{'mode':>10}{'high':>10}  unit"), *parts)
