"""A flight in Basilisk, as a reference for `hil perf`: run as a program of its own.

    python -m hil.perf.basilisk_day DAYS

A spacecraft around a point mass, in the space station's orbit, with eclipse, a solar panel, a
battery and a load, in steps of 1 s: less than what `hil orbit` computes, without flux, heat, rates
and the Sun's motion. It prints the CPU time of the simulation [s]. Needs the extra `basilisk`."""

from __future__ import annotations

import sys
import time
from typing import Any

__all__ = ["fly_basilisk"]

_MU_M3_S2 = 3.986004415e14
_AU_M = 149_597_870_693.0
_RADIUS_M = 6_378_136.6
_TASK = "task"


def fly_basilisk(days: float) -> float:
    """Return the CPU time [s] of a flight of so many days in Basilisk.

    Raises:
        ImportError: Basilisk is not installed.
    """
    from Basilisk.utilities import SimulationBaseClass, macros  # noqa: PLC0415

    sim: Any = SimulationBaseClass.SimBaseClass()
    process = sim.CreateNewProcess("process")
    process.addTask(sim.CreateNewTask(_TASK, macros.sec2nano(1.0)))
    _add_power(sim, _add_orbit(sim))
    began = time.process_time()
    sim.InitializeSimulation()
    sim.ConfigureStopTime(macros.sec2nano(86_400.0 * days))
    sim.ExecuteSimulation()
    return time.process_time() - began


def _add_orbit(sim: Any) -> Any:
    """Add a spacecraft around the Earth, and return it."""
    from Basilisk.simulation import spacecraft  # noqa: PLC0415
    from Basilisk.utilities import macros, orbitalMotion, simIncludeGravBody  # noqa: PLC0415

    craft = spacecraft.Spacecraft()
    factory = simIncludeGravBody.gravBodyFactory()
    earth = factory.createCustomGravObject("earth", _MU_M3_S2, radEquator=_RADIUS_M)
    earth.isCentralBody = True
    craft.gravField.gravBodies = spacecraft.GravBodyVector(list(factory.gravBodies.values()))
    elements = orbitalMotion.ClassicElements()
    elements.a, elements.e = _RADIUS_M + 420e3, 1e-4
    elements.i, elements.Omega = 51.64 * macros.D2R, 0.0
    elements.omega, elements.f = 0.0, 0.0
    craft.hub.r_CN_NInit, craft.hub.v_CN_NInit = orbitalMotion.elem2rv(_MU_M3_S2, elements)
    sim.AddModelToTask(_TASK, craft)
    return craft


def _add_power(sim: Any, craft: Any) -> None:
    """Add eclipse, solar panel, load and battery of a spacecraft."""
    from Basilisk.architecture import messaging  # noqa: PLC0415
    from Basilisk.simulation import (  # noqa: PLC0415
        eclipse,
        simpleBattery,
        simplePowerSink,
        simpleSolarPanel,
    )

    sun = messaging.SpicePlanetStateMsgPayload()
    sun.PositionVector, sun.PlanetName = [_AU_M, 0.0, 0.0], "sun"
    planet = messaging.SpicePlanetStateMsgPayload()
    planet.PositionVector, planet.PlanetName = [0.0, 0.0, 0.0], "earth"
    sun_message = messaging.SpicePlanetStateMsg().write(sun)
    planet_message = messaging.SpicePlanetStateMsg().write(planet)
    sim.messages = [sun_message, planet_message]  # they must live as long as the models
    shadow = eclipse.Eclipse()
    shadow.addSpacecraftToModel(craft.scStateOutMsg)
    shadow.addPlanetToModel(planet_message)
    shadow.sunInMsg.subscribeTo(sun_message)
    panel = simpleSolarPanel.SimpleSolarPanel()
    panel.stateInMsg.subscribeTo(craft.scStateOutMsg)
    panel.sunInMsg.subscribeTo(sun_message)
    panel.sunEclipseInMsg.subscribeTo(shadow.eclipseOutMsgs[0])
    panel.setPanelParameters([1.0, 0.0, 0.0], 0.19, 0.3)
    sink = simplePowerSink.SimplePowerSink()
    sink.nodePowerOut = -21.0
    battery = simpleBattery.SimpleBattery()
    battery.storageCapacity, battery.storedCharge_Init = 47.0 * 3600.0, 47.0 * 3600.0
    battery.addPowerNodeToModel(panel.nodePowerOutMsg)
    battery.addPowerNodeToModel(sink.nodePowerOutMsg)
    for model in (shadow, panel, sink, battery):
        sim.AddModelToTask(_TASK, model)


if __name__ == "__main__":
    sys.stdout.write(f"{fly_basilisk(float(sys.argv[1]))}\n")
