"""The orbit: light, anomaly, ground contact and power around now. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from hil.views.screen.model.facts import GroundReading, Place, Scene
from hil.views.screen.pages.overview.power import power_lines
from hil.views.screen.pages.overview.timeline import bin_us, orbit_line
from hil.views.screen.pages.style import Marks, fit, line, rule
from hil.views.style import DIM, duration

__all__ = ["TALL", "orbit"]

TALL: Final = 34
"""The least height at which sections have more room [line]."""
_END: Final = " the run ends"


def orbit(scene: Scene, width: int, height: int, marks: Marks) -> list[Text]:
    """Return the last half hour and the next hour: light, anomaly, ground contact, battery. Without
    an orbit, only the link to the ground; empty without one."""
    label = 9
    if not scene.places:
        if scene.ground is None:
            return []
        words = fit(_link(scene.ground, scene.t_us), width - label - 2, marks)
        return [rule("GROUND", width, marks), line(f" {'link':<{label}}", words)]
    room = width - label - 2
    tall = height >= TALL
    begin = scene.t_us - room // 3 * bin_us(room)
    bins = [_nearest(scene.places, begin + k * bin_us(room), bin_us(room)) for k in range(room)]
    now = room // 3
    before, ahead = duration(now * bin_us(room)), duration((room - now) * bin_us(room))
    right = f"{before} before {marks.pipe} now {marks.pipe} {ahead} ahead"
    title = "ORBIT  " + _where(scene)
    if len(title) + len(right) + 6 > width:
        right = f"{before} {marks.pipe} {ahead}"
    out = [rule(title, width, marks, right)]
    light = "".join(_light(place, marks) for place in bins)
    known = len(light.rstrip())
    if now < known < room - len(_END) and _ends_by(scene, begin + room * bin_us(room)):
        light = light[:known] + _END
    out.append(orbit_line("sunlight", light, now, marks))
    belt = "".join(marks.saa if p and p.saa else marks.none if p else " " for p in bins)
    ground = "".join(marks.full if p and p.contact else marks.none if p else " " for p in bins)
    if tall:
        out.append(orbit_line("anomaly", belt, now, marks))
        out.append(orbit_line("ground", ground, now, marks))
    else:
        merged = "".join(g if b == marks.none else b for b, g in zip(belt, ground, strict=True))
        out.append(orbit_line("saa, gnd", merged, now, marks))
    if scene.ground is not None:
        words = fit(_link(scene.ground, scene.t_us), room, marks)
        out.append(line(f" {'link':<{label}}", words))
    out += power_lines(scene, begin, room, now, marks)
    if tall:
        legend = (
            f"{marks.sun} sunlight  {marks.shade} penumbra  {marks.dark} eclipse  "
            f"{marks.saa} in the anomaly (saa)  {marks.full} ground contact"
        )
        out.append(line(" " * (label + 1), (fit(legend, room, marks), DIM)))
    return out


def _link(ground: GroundReading, t_us: int) -> str:
    """Return the link to the ground in words: its rate, what waits, and what was dropped."""
    rate = f"{ground.station} {ground.rate_bit_s / 1000:,.3g} kbit/s" if ground.station else "none"
    words = [rate, f"{ground.waiting:,} waiting ({ground.waiting_bytes / 1024:,.3g} KiB)"]
    words += [f"{ground.dropped:,} dropped"] if ground.dropped else []
    words.append(f"newest result {duration(max(0, t_us - ground.newest_us))} old")
    return ", ".join(words)


def _ends_by(scene: Scene, t_us: int) -> bool:
    """Return whether the run is over at this time: nothing is known after it."""
    run = scene.run
    return 0 < run.frames * run.frame_us <= t_us


def _nearest(places: Sequence[Place], t_us: int, within_us: int) -> Place | None:
    if not places or t_us < 0:
        return None
    step = (places[-1].t_us - places[0].t_us) / max(1, len(places) - 1)
    guess = round((t_us - places[0].t_us) / step) if step else 0
    if not -1 <= guess <= len(places):
        return None
    place = places[max(0, min(guess, len(places) - 1))]
    return place if abs(place.t_us - t_us) <= max(within_us, step) else None


def _light(place: Place | None, marks: Marks) -> str:
    if place is None or place.illumination is None:
        return " "
    lit = place.illumination
    return marks.sun if lit > 0.9 else marks.dark if lit < 0.1 else marks.shade


def _where(scene: Scene) -> str:
    place = _nearest(scene.places, scene.t_us, 10**12)
    if place is None:
        return ""
    words = []
    if place.illumination is not None:
        lit = place.illumination
        words.append("sunlight" if lit > 0.9 else "eclipse" if lit < 0.1 else "penumbra")
    words += ["PROTONS OF THE SUN" if _is_the_suns(scene, place) else "IN THE ANOMALY"] * place.saa
    words += [f"contact {place.contact}"] if place.contact else []
    words += _next_change(scene, place)
    return ", ".join(words)


def _next_change(scene: Scene, here: Place) -> list[str]:
    """Return the time until the anomaly begins or ends, if that is near."""
    change = next((p for p in scene.places if p.t_us > scene.t_us and p.saa != here.saa), None)
    if change is None:
        return []
    time = duration(change.t_us - scene.t_us)
    what = "protons" if _is_the_suns(scene, change) else "anomaly"
    return [f"out in {time}" if here.saa else f"{what} in {time}"]


def _is_the_suns(scene: Scene, place: Place) -> bool:
    """Return whether the protons at this place are those of a solar event, not of the anomaly."""
    lat, lon = place.latitude_deg, place.longitude_deg
    if not scene.run.anomaly or lat is None or lon is None:
        return False
    return (int(lat // 3) * 3, int(lon // 3) * 3) not in scene.run.anomaly
