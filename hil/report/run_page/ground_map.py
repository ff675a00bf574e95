"""The map of upsets: the ground track over land, with the South Atlantic Anomaly and the ground
stations."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from itertools import groupby, pairwise
from typing import Final

from hil.record.row_values import RecordedOrbit
from hil.report.markup import text
from hil.report.run_page.facts import RunFacts
from hil.report.run_page.figures import effect_colour, effect_legend, upset_href
from hil.report.run_page.svg import WIDTH, Dot, dot_mark, figure
from hil.views.listing import upset_text
from hil.views.screen.pages.coastline import COLUMNS, ROWS, is_land
from hil.views.style import flight_time
from hil.wire.messages import UpsetState

__all__ = ["ground_map"]

_HEIGHT: Final = WIDTH // 2
_CELL_DEG: Final = 3
_SCALE: Final = WIDTH / 360.0
_DOTS: Final = 3000
_STALE_US: Final = 600e6
"""An upset farther from the next known place than this has no place on the map."""


def ground_map(facts: RunFacts) -> str:
    """Return the map; empty for a run without an orbit."""
    places = [row for row in facts.plant.orbit if row.latitude_deg is not None]
    if not places:
        return ""
    parts = [f'<path class="land" d="{_land()}"/>']
    parts += [_cell(south, west) for south, west in facts.plant.anomaly]
    parts.append(f'<path class="track" d="{_track(places)}"/>')
    in_sight = _in_sight(places)
    parts.append(f'<path class="track in-sight" d="{in_sight}"/>' * bool(in_sight))
    stations = [*_stations(facts)]
    parts += stations
    parts += _upsets(facts, places)
    saa = '<span><i class="key saa"></i>South Atlantic Anomaly</span>' * bool(facts.plant.anomaly)
    if stations:
        saa += '<span><i class="key station"></i>ground station</span>'
    if in_sight:
        saa += '<span><i class="key in-sight"></i>in sight of a station</span>'
    below = effect_legend(facts.upsets).replace("</div>", f"{saa}</div>")
    return figure("Where upsets struck", parts, _HEIGHT, below)


def _x(longitude_deg: float) -> float:
    return ((longitude_deg + 180.0) % 360.0) * _SCALE


def _y(latitude_deg: float) -> float:
    return (90.0 - latitude_deg) * _SCALE


@cache
def _land() -> str:
    """Return the outline of all land as a path: a rectangle for each run of cells of a row."""
    size, out = 360.0 / COLUMNS, []
    for row in range(ROWS):
        latitude = 90.0 - (row + 0.5) * 180.0 / ROWS
        begin = None
        for column in range(COLUMNS + 1):
            land = column < COLUMNS and is_land(latitude, -180.0 + (column + 0.5) * size)
            if land and begin is None:
                begin = column
            elif not land and begin is not None:
                step = size * _SCALE
                width, y = (column - begin) * step, row * step
                out.append(f"M{begin * step:.4g} {y:.4g}h{width:.4g}v{step:.4g}h-{width:.4g}z")
                begin = None
    return "".join(out)


def _cell(south: int, west: int) -> str:
    size = _CELL_DEG * _SCALE
    return (
        f'<rect class="saa" x="{_x(west):.1f}" y="{_y(south + _CELL_DEG):.1f}" '
        f'width="{size:.1f}" height="{size:.1f}"/>'
    )


def _track(places: list[RecordedOrbit]) -> str:
    """Return the ground track, with a gap where it crosses the edge of the map."""
    out = [f"M{_x(places[0].longitude_deg or 0.0):.1f} {_y(places[0].latitude_deg or 0.0):.1f}"]
    for before, now in pairwise(places):
        x, y = _x(now.longitude_deg or 0.0), _y(now.latitude_deg or 0.0)
        pen = "M" if abs(x - _x(before.longitude_deg or 0.0)) > WIDTH / 2 else "L"
        out.append(f"{pen}{x:.1f} {y:.1f}")
    return "".join(out)


def _in_sight(places: list[RecordedOrbit]) -> str:
    """Return the parts of the ground track at which a station is in sight."""
    runs = (list(run) for seen, run in groupby(places, key=lambda row: bool(row.contact)) if seen)
    return "".join(f"{_track(run)}h0.01" for run in runs)


def _stations(facts: RunFacts) -> Iterator[str]:
    """Yield the mark and the name of each ground station of the scenario."""
    plant = facts.scenario.get("plant")
    stations = plant.get("stations") if isinstance(plant, dict) else None
    for station in stations if isinstance(stations, list) else ():
        if not isinstance(station, dict):
            continue
        latitude, longitude = station.get("latitude_deg"), station.get("longitude_deg")
        if not isinstance(latitude, (int, float)) or not isinstance(longitude, (int, float)):
            continue
        x, y, name = _x(longitude), _y(latitude), text(str(station.get("name", "")))
        side, dx = ("end", -6) if x > WIDTH - 90 else ("begin", 6)
        yield (
            f'<path class="station" d="M{x:.1f} {y - 5:.1f}l4.5 8h-9z"><title>{name}</title></path>'
            f'<text class="{side} place" x="{x + dx:.1f}" y="{y + 4:.1f}">{name}</text>'
        )


def _upsets(facts: RunFacts, places: list[RecordedOrbit]) -> Iterator[str]:
    times = [row.t_us for row in places]
    injected = [u for u in facts.upsets if u.state == UpsetState.INJECTED]
    for upset in sorted(injected[-_DOTS:], key=lambda u: bool(u.effect)):
        t_us = facts.timeline.t_us(upset.frame)
        at = bisect_right(times, t_us) - 1
        if at < 0 or t_us - times[at] > _STALE_US:
            continue
        latitude, longitude = _between(places, at, t_us)
        place = f"{abs(latitude):.1f}° {'S' if latitude < 0 else 'N'}, "
        place += f"{abs(longitude):.1f}° {'W' if longitude < 0 else 'E'}"
        title = f"{upset_text(upset)}; {flight_time(t_us)}, {place}"
        dot = Dot(t_us, 0.0, effect_colour(upset), title, upset_href(upset))
        yield dot_mark(_x(longitude), _y(latitude), dot, 4.2)


def _between(places: list[RecordedOrbit], at: int, t_us: int) -> tuple[float, float]:
    """Return the place [deg] at a time between two recorded ones."""
    here = places[at]
    there = places[min(at + 1, len(places) - 1)]
    south, west = here.latitude_deg or 0.0, here.longitude_deg or 0.0
    if there.t_us <= here.t_us:
        return south, west
    share = (t_us - here.t_us) / (there.t_us - here.t_us)
    east = ((there.longitude_deg or 0.0) - west + 180.0) % 360.0 - 180.0
    north = (there.latitude_deg or 0.0) - south
    return south + share * north, (west + share * east + 180.0) % 360.0 - 180.0
