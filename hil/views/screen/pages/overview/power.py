"""The battery, the load and the hottest place, under the orbit. Pure."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from hil.views.screen.model.facts import PlantReading, Scene
from hil.views.screen.pages.overview.timeline import bin_us
from hil.views.screen.pages.style import Marks, fit, line, spark
from hil.views.style import BAD, HEAD, WARN

__all__ = ["power_lines"]

_BROKEN_BUS: Final = 255


def power_lines(scene: Scene, begin: int, room: int, now: int, marks: Marks) -> list[Text]:
    """Return the lines of the battery and of the hottest part; none without a plant. `begin` is the
    time of the first of `room` columns [us], `now` the column of the frame on view."""
    plant = scene.plant
    if plant is None or not scene.plants:
        return []
    step_us = bin_us(room)
    by_bin: dict[int, PlantReading] = {(p.t_us - begin) // step_us: p for p in scene.plants}
    held: list[PlantReading | None] = []
    newest: PlantReading | None = None
    for k in range(now + 1):
        newest = by_bin.get(k, newest)
        held.append(newest)
    socs = [p.soc if p else None for p in held]
    battery = spark(socs, marks, 0.0, 1.0)
    text = f"{plant.soc:.0%}" if plant.soc is not None else ""
    flow = "" if plant.battery_w is None else f", {plant.battery_w:+.1f} W"
    bus = "" if plant.bus_v is None else f", bus {plant.bus_v:.2f} V"
    load = "" if plant.load_w is None else f", load {plant.load_w:.1f} W"
    broken = plant.stage == _BROKEN_BUS
    shed = f"{marks.bad} BUS DOWN" if broken else f"{marks.warn} stage {plant.stage} shed"
    level = (f"{shed}, ", BAD if broken else WARN) if plant.stage else ("", "")
    rest = fit(f"{text}{flow}{bus}{load}", room - now - 3 - len(level[0]), marks)
    out = [line(f" {'battery':<9}", battery[:now], (marks.pipe, HEAD), " ", level, rest)]
    hottest = max(plant.temperatures_c.items(), key=lambda item: item[1], default=None)
    if hottest is not None:
        name = hottest[0]
        temps = [p.temperatures_c.get(name) if p else None for p in held]
        known = [value for value in temps if value is not None]
        curve = spark(temps, marks, min(known), max(known)) if known else ""
        coldest = min(plant.temperatures_c.items(), key=lambda item: item[1])
        out.append(
            line(
                f" {'heat':<9}",
                curve[:now].ljust(now),
                (marks.pipe, HEAD),
                f" {name} {hottest[1]:.1f}, {coldest[0]} {coldest[1]:.1f} C",
            )
        )
    return out
