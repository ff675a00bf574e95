"""Charts as SVG, written by hand: they need no library and take the page's colours, light or dark.

All coordinates are in units of the view box, `WIDTH` wide; the page scales it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from hil.report.markup import element, text

__all__ = [
    "COLOURS",
    "LEFT",
    "RIGHT",
    "WIDTH",
    "Band",
    "Dot",
    "Line",
    "TimeAxis",
    "chart",
    "coinciding",
    "legend",
    "number_text",
    "thinned",
    "time_axis",
]

WIDTH: Final = 760
LEFT: Final = 64
RIGHT: Final = 14
COLOURS: Final = 7
"""How many lines of a chart can be told apart."""
_TOP: Final = 8
_BOTTOM: Final = 22
_POINTS: Final = 320
"""A line has two points at most for each of this many columns: the least and the greatest."""

_SINGLE: Final = 40
"""Of so few points each is marked."""

Point: TypeAlias = tuple[float, float | None]

_UNITS: Final = ((2 * 86_400e6, 86_400e6, "d"), (2 * 3600e6, 3600e6, "h"), (180e6, 60e6, "min"))


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The axis of time: from 0 to `end_us`, written in `unit` of `unit_us`."""

    end_us: int
    unit_us: float
    unit: str

    def x(self, t_us: float) -> float:
        """Return where a time stands."""
        share = min(1.0, max(0.0, t_us / self.end_us)) if self.end_us else 0.0
        return LEFT + share * (WIDTH - LEFT - RIGHT)


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: points of time [us] and value, in time; None where there is no value."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Band:
    """A span of time [us] that is shaded, and why."""

    first_us: float
    last_us: float
    title: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A mark at a time [us] and a value, with a colour's class; `href` leads to its row."""

    t_us: float
    value: float
    colour: str
    title: str
    href: str = ""


def coinciding(lines: Iterable[Line], digits: int) -> list[Line]:
    """Return the lines with those whose values are the same in so many digits as one, which has the
    names of all."""
    same: dict[tuple[Point, ...], list[Line]] = {}
    for line in lines:
        points = ((t, None if v is None else round(v, digits)) for t, v in line.points)
        same.setdefault(tuple(points), []).append(line)
    return [Line(" = ".join(line.name for line in all_), all_[0].points) for all_ in same.values()]


def time_axis(end_us: int) -> TimeAxis:
    """Return the axis of a run that ends at `end_us`, in the unit that people read."""
    for least, unit_us, unit in _UNITS:
        if end_us >= least:
            return TimeAxis(end_us, unit_us, unit)
    return TimeAxis(max(1, end_us), 1e6, "s")


def thinned(points: Sequence[Point], end_us: float) -> list[Point]:
    """Return the points of a curve, no more than can be seen: of each column of the picture its
    least and its greatest, in their order. A gap stays one."""
    if len(points) <= 2 * _POINTS or end_us <= 0:
        return list(points)
    columns: dict[int, list[Point]] = {}
    for point in points:
        columns.setdefault(int(_POINTS * point[0] / end_us), []).append(point)
    out: list[Point] = []
    for _, column in sorted(columns.items()):
        known = [p for p in column if p[1] is not None]
        if not known:
            out.append(column[0])
            continue
        ends = {min(known, key=lambda p: p[1] or 0.0), max(known, key=lambda p: p[1] or 0.0)}
        out += sorted(ends, key=lambda p: p[0])
    return out


def number_text(value: float) -> str:
    """Return a number in few digits: 1,240, 12.5, 0.004, 3e-09."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e6 or size < 1e-3:
        return f"{value:.0e}" if float(f"{value:.0e}") == value else f"{value:.3g}"
    return f"{value:,.10g}" if size >= 1 else f"{value:.4g}"


def _ticks(low: float, high: float, about: int) -> list[float]:
    span = high - low
    if span <= 0:
        return [low]
    size = 10 ** math.floor(math.log10(span / about))
    step = next((m * size for m in (1, 2, 2.5, 5) if span / (m * size) <= about), 10 * size)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(n * step, 12) for n in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class _Scale:
    """The axis of values, from `low` at the bottom to `high` at the top; of powers if `log`."""

    low: float
    high: float
    height: int
    log: bool

    @classmethod
    def of(cls, values: Sequence[float], height: int, *, log: bool, zero: bool) -> _Scale:
        if log:
            positive = [v for v in values if v > 0]
            low = 10 ** math.floor(math.log10(min(positive))) if positive else 0.1
            high = 10 ** math.ceil(math.log10(max(positive))) if positive else 1.0
            return cls(max(low, high / 1e8), high if high > low else low * 10, height, log)
        low, high = min(values, default=0.0), max(values, default=1.0)
        if zero:
            low, high = min(low, 0.0), max(high, 0.0)
        if high - low < 1e-9 * max(1.0, abs(high)):
            low, high = low - 0.5, high + 0.5
        room = 0.04 * (high - low)
        return cls(low - room * (not zero or low < 0), high + room, height, log)

    def y(self, value: float) -> float:
        if self.log:
            value, low, high = (math.log10(max(v, 1e-300)) for v in (value, self.low, self.high))
        else:
            low, high = self.low, self.high
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        return _TOP + (1 - share) * (self.height - _TOP - _BOTTOM)

    def ticks(self) -> list[float]:
        if not self.log:
            return _ticks(self.low, self.high, max(2, self.height // 34))
        first, last = round(math.log10(self.low)), round(math.log10(self.high))
        return [10.0**n for n in range(first, last + 1, max(1, (last - first) // 4))]


def chart(
    label: str,
    axis: TimeAxis,
    lines: Sequence[Line],
    *,
    dots: Sequence[Dot] = (),
    bands: Iterable[Band] = (),
    height: int = 150,
    log: bool = False,
    zero: bool = False,
) -> str:
    """Return a chart over time with its legend. `label`: what is drawn, and its unit; `log`: the
    values are positive and drawn by their powers; `zero`: the scale begins at 0."""
    values = [v for line in lines for _, v in line.points if v is not None]
    scale = _Scale.of([*values, *(dot.value for dot in dots)], height, log=log, zero=zero)
    parts = [*_bands(bands, axis, height), *_grid(scale), *time_ticks(axis, height)]
    for number, line in enumerate(lines):
        path = _path(thinned(line.points, axis.end_us), axis, scale)
        parts.append(f'<path class="line c{number % COLOURS}" d="{path}"/>')
        if len(line.points) <= _SINGLE:  # a line alone would show values where there are none
            parts += _points(line, f"c{number % COLOURS}", axis, scale)
    parts += [dot_mark(axis.x(d.t_us), scale.y(d.value), d) for d in dots]
    names = legend((f"c{n % COLOURS}", line.name) for n, line in enumerate(lines)) if lines else ""
    return figure(label, parts, height, names)


def figure(label: str, parts: Iterable[str], height: int, below: str = "") -> str:
    """Return a figure with its label above, and what is `below` the picture."""
    picture = (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{text(label)}">'
        f"{''.join(parts)}</svg>"
    )
    return (
        f'<figure><figcaption>{text(label)}</figcaption><div class="wide">{picture}</div>'
        f"{below}</figure>"
    )


def legend(names: Iterable[tuple[str, str]]) -> str:
    """Return a legend of colour classes and what they stand for."""
    items = "".join(f'<span><i class="key {key}"></i>{text(name)}</span>' for key, name in names)
    return element("div", items, class_="legend")


def dot_mark(x: float, y: float, dot: Dot, radius: float = 3.6) -> str:
    """Return the mark of a dot, which is a link where it has a row."""
    mark = (
        f'<circle class="dot {dot.colour}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">'
        f"<title>{text(dot.title)}</title></circle>"
    )
    return f'<a href="{text(dot.href)}">{mark}</a>' if dot.href else mark


def time_ticks(axis: TimeAxis, height: int) -> list[str]:
    """Return the ticks of time below a picture."""
    out = []
    ticks = _ticks(0.0, axis.end_us / axis.unit_us, 9)
    for number, tick in enumerate(ticks):
        x = axis.x(tick * axis.unit_us)
        word = f"{number_text(tick)} {axis.unit}" if number == len(ticks) - 1 else number_text(tick)
        anchor = "end" if x > WIDTH - RIGHT - 20 else "middle"
        out.append(f'<path class="grid" d="M{x:.1f} {_TOP}V{height - _BOTTOM}"/>')
        out.append(f'<text class="{anchor}" x="{x:.1f}" y="{height - 7}">{word}</text>')
    return out


def _grid(scale: _Scale) -> list[str]:
    out = []
    for tick in scale.ticks():
        y = scale.y(tick)
        out.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        out.append(f'<text class="end" x="{LEFT - 6}" y="{y + 4:.1f}">{number_text(tick)}</text>')
    return out


def _bands(bands: Iterable[Band], axis: TimeAxis, height: int) -> list[str]:
    out = []
    for band in bands:
        x, end = axis.x(band.first_us), axis.x(band.last_us)
        out.append(
            f'<rect class="band" x="{x:.1f}" y="{_TOP}" width="{max(0.5, end - x):.1f}" '
            f'height="{height - _TOP - _BOTTOM}"><title>{text(band.title)}</title></rect>'
        )
    return out


def _points(line: Line, colour: str, axis: TimeAxis, scale: _Scale) -> list[str]:
    return [
        f'<circle class="{colour}" cx="{axis.x(t_us):.1f}" cy="{scale.y(value):.1f}" r="2.4">'
        f"<title>{text(line.name)}: {number_text(value)}</title></circle>"
        for t_us, value in line.points
        if value is not None
    ]


def _path(points: Sequence[Point], axis: TimeAxis, scale: _Scale) -> str:
    out, pen = [], "M"
    for t_us, value in points:
        if value is None:
            pen = "M"
            continue
        out.append(f"{pen}{axis.x(t_us):.1f} {scale.y(value):.1f}")
        pen = "L"
    return "".join(out)
