"""The figures of a run: lanes of its nodes, orbit, power, temperatures, recovery and latency."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Final

from hil.record.row_values import RecordedPlant, RecordedUpset
from hil.report.markup import text
from hil.report.run_page.dissents import Dissent, listed
from hil.report.run_page.facts import RunFacts
from hil.report.run_page.svg import (
    COLOURS,
    LEFT,
    RIGHT,
    WIDTH,
    Band,
    Dot,
    Line,
    Point,
    TimeAxis,
    chart,
    coinciding,
    dot_mark,
    figure,
    legend,
    number_text,
    time_axis,
    time_ticks,
)
from hil.upsets.words import COUNTED_EFFECTS, UNKNOWN_WORD, NodeEffect
from hil.views.listing import upset_text
from hil.views.style import duration, flight_time
from hil.wire.messages import UpsetState

__all__ = ["UPSETS_LISTED", "effect_colour", "effect_legend", "run_figures", "upset_href"]

UPSETS_LISTED: Final = 1000
"""The upsets that a page lists, and that dots lead to."""
_DOTS: Final = 3000
_ECLIPSE: Final = 0.5
_MILLI: Final = 1000.0


def effect_colour(upset: RecordedUpset) -> str:
    """Return the colour's class of an upset: that of its effect on the node."""
    return upset.effect or UNKNOWN_WORD


def upset_href(upset: RecordedUpset) -> str:
    """Return the link to the row of an upset; empty if the page does not list it."""
    return f"#u{upset.id}" if upset.id <= UPSETS_LISTED else ""


def effect_legend(upsets: Iterable[RecordedUpset]) -> str:
    """Return the legend of the effects that there are."""
    present = {effect_colour(u) for u in upsets}
    return legend((word, word) for word in COUNTED_EFFECTS if word in present)


def run_figures(facts: RunFacts) -> str:
    """Return all figures that the record has numbers for."""
    axis = time_axis(facts.end_us)
    bands = eclipses(facts.plant.plant)
    note = ""
    if bands:
        note = '<p class="note">Shaded spans are eclipses. All times are simulated time.</p>'
    return note + "".join(
        (
            lanes(facts, axis, bands),
            _orbit(facts, axis, bands),
            _power(facts, axis, bands),
            _temperatures(facts, axis, bands),
            _recovery(facts),
            _latency(facts, axis, bands),
        )
    )


def eclipses(plant: Sequence[RecordedPlant]) -> list[Band]:
    """Return the spans in which less than half of the sun is seen."""
    out: list[Band] = []
    begin: int | None = None
    for row in plant:
        dark = row.illumination is not None and row.illumination < _ECLIPSE
        if dark and begin is None:
            begin = row.t_us
        elif not dark and begin is not None:
            out.append(Band(begin, row.t_us, "eclipse"))
            begin = None
    if begin is not None and plant:
        out.append(Band(begin, plant[-1].t_us, "eclipse"))
    return out


# --- lanes of nodes -----------------------------------------------------------------------------


def lanes(facts: RunFacts, axis: TimeAxis, bands: Sequence[Band], *, linked: bool = True) -> str:
    """Return a lane for each node: its upsets, its dissents and its time out of the vote; above
    them a strip of what left the system. `linked`: marks lead to the rows of the page."""
    names = facts.node_names
    if not names or not facts.result.flown:
        return ""
    lane, top = 34, 46
    height = top + lane * len(names) + 26
    parts = [
        f'<rect class="band" x="{axis.x(b.first_us):.1f}" y="8" height="{height - 30}" '
        f'width="{max(0.5, axis.x(b.last_us) - axis.x(b.first_us)):.1f}"/>'
        for b in bands
    ]
    parts += time_ticks(axis, height)
    parts.append(f'<text class="end" x="{LEFT - 6}" y="27">system</text>')
    width = WIDTH - LEFT - RIGHT
    parts.append(f'<rect class="strip good" x="{LEFT}" y="16" width="{width}" height="14"/>')
    rows = {d.anchor for d in listed(facts.dissents)} if linked else set()
    parts += [_strip_mark(d, axis, linked=d.anchor in rows) for d in facts.dissents]
    for number, name in enumerate(names):
        y = top + lane * number
        parts.append(f'<text class="end" x="{LEFT - 6}" y="{y + 17}">{text(name)}</text>')
        parts.append(f'<path class="lane" d="M{LEFT} {y + 13}H{WIDTH - RIGHT}"/>')
        parts += _outage_marks(facts, name, axis, y)
        parts += _upset_dots(facts, name, axis, y + 13, linked=linked)
    more = '<span><i class="key out"></i>out of the vote</span>'
    below = effect_legend(facts.upsets).replace("</div>", f"{more}</div>") or legend(())
    label = "Upsets by node, and what left the system"
    click = " Click a mark for its row." * linked
    note = (
        '<p class="note">A dot is an upset, coloured by its effect on the node; the strip on top '
        f"shows frames with a dissent (orange) and frames without a right output (red).{click}</p>"
    )
    return figure(label, parts, height, below + note)


def _strip_mark(dissent: Dissent, axis: TimeAxis, *, linked: bool) -> str:
    moment = dissent.moment
    kind = "bad" if dissent.is_bad else "warn"
    mark = (
        f'<rect class="strip {kind}" x="{axis.x(moment.t_us) - 1:.1f}" y="14" width="2.4" '
        f'height="18"><title>frame {moment.frame:,}, {flight_time(moment.t_us)}</title></rect>'
    )
    return f'<a href="#{dissent.anchor}">{mark}</a>' if linked else mark


def _outage_marks(facts: RunFacts, node: str, axis: TimeAxis, y: int) -> list[str]:
    frame_us = facts.meta.scenario.frame_us
    out = []
    for outage in facts.recovery.outages:
        if outage.node == node:
            first = outage.first_frame * frame_us
            last = facts.end_us if outage.last_frame is None else outage.last_frame * frame_us
            width = max(2.0, axis.x(last) - axis.x(first))
            title = f"{node} out of the vote for {duration(last - first)}"
            out.append(
                f'<rect class="out" x="{axis.x(first):.1f}" y="{y + 6}" width="{width:.1f}" '
                f'height="14"><title>{text(title)}</title></rect>'
            )
    return out


def _upset_dots(facts: RunFacts, node: str, axis: TimeAxis, y: float, *, linked: bool) -> list[str]:
    """Return the dots of a node's upsets, those without an effect below the others."""
    own = [u for u in facts.upsets if u.node == node and u.state == UpsetState.INJECTED]
    own.sort(key=lambda u: u.effect not in {"", NodeEffect.MASKED.value})
    out = []
    for upset in own[-_DOTS:]:
        t_us = facts.timeline.t_us(upset.frame)
        title = f"{upset_text(upset)}; frame {upset.frame:,}, {flight_time(t_us)}"
        href = upset_href(upset) if linked else ""
        dot = Dot(t_us, 0.0, effect_colour(upset), title, href)
        out.append(dot_mark(axis.x(t_us), y, dot))
    return out


# --- the plant ------------------------------------------------------------------------------------


def _column(rows: Sequence[RecordedPlant], name: str) -> list[Point]:
    return [(row.t_us, getattr(row, name)) for row in rows]


def _has(points: Sequence[Point]) -> bool:
    return any(value is not None for _, value in points)


def _orbit(facts: RunFacts, axis: TimeAxis, bands: Sequence[Band]) -> str:
    flux = _column(facts.plant.plant, "flux_per_cm2_s")
    altitude: list[Point] = [(row.t_us, row.altitude_km) for row in facts.plant.orbit]
    parts = []
    if _has(altitude):
        parts.append(
            chart("Altitude [km]", axis, [Line("altitude", altitude)], bands=bands, height=110)
        )
    if any(value for _, value in flux):
        shown = [(t, v or None) for t, v in flux]
        label = "Flux of particles that upset, inside the shield [1/cm² s], by powers of ten"
        parts.append(chart(label, axis, [Line("flux", shown)], bands=bands, log=True))
    return "".join(parts)


def _power(facts: RunFacts, axis: TimeAxis, bands: Sequence[Band]) -> str:
    rows = facts.plant.plant
    lines = [
        Line(name, points)
        for name, column in (("array", "array_w"), ("load", "load_w"), ("battery", "battery_w"))
        if _has(points := _column(rows, column))
    ]
    parts = []
    if lines:
        label = "Power [W]; battery: positive while it charges"
        parts.append(chart(label, axis, lines, bands=bands, zero=True))
    charge = [(t, None if v is None else 100 * v) for t, v in _column(rows, "soc")]
    if _has(charge):
        parts.append(
            chart("State of charge [%]", axis, [Line("battery", charge)], bands=bands, height=110)
        )
    boards = _health_lines(facts, "power_mw", _MILLI)
    if boards:
        parts.append(chart("Power by the boards' own sensors [W]", axis, boards, bands=bands))
    return "".join(parts)


def _temperatures(facts: RunFacts, axis: TimeAxis, bands: Sequence[Band]) -> str:
    lines = [
        Line(f"die of {name}", points) for name, points in _dies(facts).items() if _has(points)
    ]
    lines += _thermal_nodes(facts.plant.plant)
    lines = coinciding(lines, 2)
    parts = []
    for first in range(0, len(lines), COLOURS):
        label = f"Temperatures of the plant [°C]{', continued' if first else ''}"
        parts.append(chart(label, axis, lines[first : first + COLOURS], bands=bands))
    boards = _health_lines(facts, "cpu_temp_mc", _MILLI)
    if boards:
        parts.append(chart("CPU temperature, as boards report it [°C]", axis, boards, bands=bands))
    return "".join(parts)


def _dies(facts: RunFacts) -> Mapping[str, list[Point]]:
    out: defaultdict[str, list[Point]] = defaultdict(list)
    for row in facts.plant.nodes:
        out[row.node].append((row.t_us, row.die_c))
    return out


def _thermal_nodes(rows: Sequence[RecordedPlant]) -> list[Line]:
    out: defaultdict[str, list[Point]] = defaultdict(list)
    for row in rows:
        try:
            values = json.loads(row.temperatures_c)
        except ValueError:
            continue
        if isinstance(values, dict):
            for name, value in values.items():
                if isinstance(value, (int, float)):
                    out[str(name)].append((row.t_us, float(value)))
    return [Line(name, points) for name, points in out.items()]


def _health_lines(facts: RunFacts, column: str, scale: float) -> list[Line]:
    points: defaultdict[int, list[Point]] = defaultdict(list)
    for row in facts.health:
        value = getattr(row, column)
        if value is not None:
            points[row.node].append((facts.timeline.t_us(row.frame), value / scale))
    names = facts.node_names
    return [Line(names[n], points[n]) for n in sorted(points) if n < len(names)]


# --- recovery and latency -------------------------------------------------------------------------


def _recovery(facts: RunFacts) -> str:
    """Return how long repairs took: a dot for each, by action, on a scale of powers of ten."""
    by_action: defaultdict[str, list[float]] = defaultdict(list)
    for cost in facts.recovery.costs:
        by_action[cost.action].append(max(1.0, float(cost.duration_wall_us)))
    if not by_action:
        return ""
    every = [value for values in by_action.values() for value in values]
    low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)) + 1e-9)
    high = max(high, low + 1)
    left, lane = 110, 30
    height = 14 + lane * len(by_action) + 24

    def x(us: float) -> float:
        return left + (math.log10(us) - low) / (high - low) * (WIDTH - left - RIGHT)

    parts = []
    for power in range(low, high + 1):
        at = x(10.0**power)
        anchor = "end" if power == high else "middle"
        parts.append(f'<path class="grid" d="M{at:.1f} 8V{height - 22}"/>')
        parts.append(
            f'<text class="{anchor}" x="{at:.1f}" y="{height - 7}">{duration(10.0**power)}</text>'
        )
    for number, (action, values) in enumerate(sorted(by_action.items())):
        y = 14 + lane * number + lane / 2
        name = action.replace("_", " ")
        parts.append(f'<text class="end" x="{left - 8}" y="{y + 4}">{text(name)}</text>')
        parts.append(f'<path class="lane" d="M{left} {y}H{WIDTH - RIGHT}"/>')
        parts += [
            f'<circle class="dot c0 many" cx="{x(value):.1f}" cy="{y}" r="4">'
            f"<title>{duration(value)}</title></circle>"
            for value in values[:_DOTS]
        ]
        middle = x(median(values))
        parts.append(
            f'<path class="median" d="M{middle:.1f} {y - 9}V{y + 9}"><title>median '
            f"{duration(median(values))}</title></path>"
        )
    note = '<p class="note">A dot is an attempt, the bar the median. Real time.</p>'
    return figure("Duration of repairs", parts, height, note)


def _latency(facts: RunFacts, axis: TimeAxis, bands: Sequence[Band]) -> str:
    lines = _health_lines(facts, "round_trip_us", _MILLI)
    if not lines:
        return ""
    every = [v for line in lines for _, v in line.points if v is not None]
    worst = number_text(max(every))
    label = f"Latency: from a step's request to its answer, once a second [ms]; worst {worst} ms"
    return chart(label, axis, lines, bands=bands, zero=True)
