"""The ground track on a map of the world in characters, and where upsets happened. Pure.

Every character is a cell of the map; land is drawn in quarters of one where the terminal can.
Later layers cover earlier ones: land, anomaly, track, upsets, the satellite.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from rich.text import Text

from hil.views.screen.model.facts import Place, Scene
from hil.views.screen.pages.coastline import is_land
from hil.views.screen.pages.style import LAND, Marks, fit, line, rule
from hil.views.style import BAD, DIM, HEAD, WARN

__all__ = ["MapSky", "map_page", "world"]

_NORTH: Final = 84.0
_SOUTH: Final = -84.0
_QUARTERS: Final = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"
"""By bits: upper left 1, upper right 2, lower left 4, lower right 8."""


@dataclass(frozen=True, slots=True)
class MapSky:
    """The content of the map: the track of an orbit behind and an hour ahead, the anomaly in cells
    of `step_deg` [deg], and the places of upsets with their numbers."""

    track: tuple[Place, ...] = ()
    anomaly: frozenset[tuple[int, int]] = frozenset()
    upsets: tuple[tuple[float, float, int], ...] = ()
    step_deg: int = 3


def map_page(scene: Scene, sky: MapSky, width: int, height: int, marks: Marks) -> list[Text]:
    """Return the whole page."""
    here = _here(sky.track, scene.t_us)
    right = "" if here is None else _coordinates(here)
    out = [rule("MAP", width, marks, right)]
    if not sky.track:
        return [
            *out,
            line(""),
            line("   This run has no orbit: upsets come at the rates of its scenario."),
            *world(MapSky(), None, 0, width, height - 4, marks),
        ]
    out += world(sky, here, scene.t_us, width, height - 2, marks)
    hits = sum(count for *_, count in sky.upsets)
    legend = (
        f" {marks.here} here  {marks.track} orbit behind  {marks.none} hour ahead  "
        f"{marks.saa} anomaly  {marks.upset} upset  {marks.upsets} several ({hits:,})"
    )
    out.append(line((fit(legend, width, marks), DIM)))
    return out


def _coordinates(place: Place) -> str:
    lat, lon = place.latitude_deg or 0.0, place.longitude_deg or 0.0
    words = [f"{abs(lat):.1f} {'N' if lat >= 0 else 'S'} {abs(lon):.1f} {'E' if lon >= 0 else 'W'}"]
    if place.altitude_km is not None:
        words.append(f"{place.altitude_km:.0f} km")
    if place.flux_per_cm2_s is not None:
        words.append(f"{place.flux_per_cm2_s:.3g} protons/cm2/s")
    return ", ".join(words)


def _here(track: Sequence[Place], now_us: int) -> Place | None:
    return min(track, key=lambda p: abs(p.t_us - now_us), default=None)


def world(
    sky: MapSky, here: Place | None, now_us: int, width: int, height: int, marks: Marks
) -> list[Text]:
    """Return the map alone: `height` lines of `width` characters."""
    if height < 1 or width < 4:
        return []
    land = _lands(width, height, ascii_only=marks.ascii_only)
    cells = [[(char, LAND) for char in row] for row in land]
    for x, y in _outline(sky, width, height):
        cells[y][x] = (marks.saa, WARN)
    for place in sky.track:
        spot = _spot(place, width, height)
        if spot is not None:
            x, y = spot
            behind = place.t_us <= now_us
            cells[y][x] = (marks.track if behind else marks.none, HEAD if behind else "")
    hits: Counter[tuple[int, int]] = Counter()
    for lat, lon, count in sky.upsets:
        spot = _at(lat, lon, width, height)
        if spot is not None:
            hits[spot] += count
    for (x, y), count in hits.items():
        cells[y][x] = (marks.upset if count < 2 else marks.upsets, BAD)
    spot = _spot(here, width, height) if here else None
    if spot is not None:
        cells[spot[1]][spot[0]] = (marks.here, "reverse bold")
    return [_row(row) for row in cells]


def _row(cells: Iterable[tuple[str, str]]) -> Text:
    out = line()
    run, style = "", ""
    for char, its in cells:
        if its != style:
            out.append(run, style=style or None)
            run, style = "", its
        run += char
    out.append(run, style=style or None)
    return out


def _latitude(y: float, height: int) -> float:
    return _NORTH - (y + 0.5) * (_NORTH - _SOUTH) / height


def _longitude(x: float, width: int) -> float:
    return (x + 0.5) * 360.0 / width - 180.0


@lru_cache(maxsize=4)
def _lands(width: int, height: int, *, ascii_only: bool) -> tuple[str, ...]:
    """Return the lines of land alone; they are kept for each size of the terminal."""
    return tuple(
        "".join(_land(x, y, width, height, ascii_only=ascii_only) for x in range(width))
        for y in range(height)
    )


def _land(x: int, y: int, width: int, height: int, *, ascii_only: bool) -> str:
    if ascii_only:
        return ":" if is_land(_latitude(y, height), _longitude(x, width)) else " "
    bits = 0
    for index, (dx, dy) in enumerate(((-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25))):
        bits |= is_land(_latitude(y + dy, height), _longitude(x + dx, width)) << index
    return _QUARTERS[bits]


def _at(lat: float, lon: float, width: int, height: int) -> tuple[int, int] | None:
    y = int((_NORTH - lat) / (_NORTH - _SOUTH) * height)
    x = int((lon + 180.0) % 360.0 / 360.0 * width)
    return (min(x, width - 1), y) if 0 <= y < height else None


def _spot(place: Place | None, width: int, height: int) -> tuple[int, int] | None:
    if place is None or place.latitude_deg is None or place.longitude_deg is None:
        return None
    return _at(place.latitude_deg, place.longitude_deg, width, height)


def _outline(sky: MapSky, width: int, height: int) -> set[tuple[int, int]]:
    """Return the cells of the anomaly that have a neighbour outside it."""
    step = sky.step_deg
    inside: set[tuple[int, int]] = set()
    for y in range(height):
        for x in range(width):
            lat, lon = _latitude(y, height), _longitude(x, width)
            if (int(lat // step), int(lon // step)) in sky.anomaly:
                inside.add((x, y))
    return {
        (x, y)
        for x, y in inside
        if not all(((x + dx) % width, y + dy) in inside for dx, dy in _NEIGHBOURS)
    }


_NEIGHBOURS: Final = ((1, 0), (-1, 0), (0, 1), (0, -1))
