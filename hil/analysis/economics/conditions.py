"""The conditions of a work: what it computes, under which upsets, in which orbit.

Answers of two works are beside each other only if both compute the same. All else that differs does
not make the answers others, but a reader must know it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.plant.scenario_orbit import orbit_of
from hil.record.campaign_rows import CampaignMeta
from hil.scenario import Scenario

__all__ = [
    "WorkConditions",
    "conditions_of_campaign",
    "conditions_of_scenario",
    "differences",
    "orbit_text",
    "why_not_the_same_work",
]

_NO_ORBIT: Final = "no orbit"


@dataclass(frozen=True, slots=True)
class WorkConditions:
    """The conditions of a work. `program`: digest of the user's file that is the workload, empty
    if it is one of hil's. `campaign_targets`: the targets of the campaign that the wrong answers
    are predicted from, empty where they were counted. `random_upsets`: what says how random upsets
    strike the nodes of a run, without their acceleration. `orbit`: as a reader knows it."""

    workload: str = ""
    program: str = ""
    campaign_targets: tuple[str, ...] = ()
    random_upsets: str = ""
    orbit: str = _NO_ORBIT
    frame_us: int = 0


def conditions_of_scenario(scenario: Scenario) -> WorkConditions:
    """Return the conditions of a run of this scenario. Raises: ConfigError if there is no such
    orbit."""
    return WorkConditions(
        scenario.workload_name,
        _program(scenario),
        (),
        _random_upsets(scenario),
        orbit_text(scenario),
        scenario.frame_us,
    )


def conditions_of_campaign(
    meta: CampaignMeta, targets: Sequence[str], orbit: str, frame_us: int
) -> WorkConditions:
    """Return the conditions of a prediction from `targets` of a campaign, in an orbit."""
    return WorkConditions(
        meta.workload, meta.source_sha256, tuple(sorted(targets)), "", orbit, frame_us
    )


def orbit_text(scenario: Scenario) -> str:
    """Return the heights and the inclination of a scenario's orbit. Raises: ConfigError if there is
    no such orbit."""
    plant = scenario.plant
    if plant is None or plant.orbit is None:
        return _NO_ORBIT
    orbit = orbit_of(plant.orbit, plant)
    heights = f"{orbit.perigee_km:.0f}"
    if abs(orbit.apogee_km - orbit.perigee_km) >= 1.0:
        heights += f" to {orbit.apogee_km:.0f}"
    return f"{heights} km, {orbit.inclination_deg:.2f} deg"


def why_not_the_same_work(a: WorkConditions, b: WorkConditions) -> str:
    """Return why the answers of two works are not the same; empty if they are."""
    if a.workload != b.workload:
        return f"one computes {a.workload}, the other {b.workload}"
    if a.program != b.program:
        return f"their programs of the name {a.workload} differ"
    if a.campaign_targets and b.campaign_targets and a.campaign_targets != b.campaign_targets:
        targets = [", ".join(c.campaign_targets) for c in (a, b)]
        return f"one campaign has faults of {targets[0]}, the other of {targets[1]}"
    return ""


def differences(a: WorkConditions, b: WorkConditions, names: tuple[str, str]) -> list[str]:
    """Return in sentences what differs between the conditions of two works of these names, beside
    what they compute."""
    sentences: list[str] = []
    if a.frame_us != b.frame_us:
        every = [f"{c.frame_us / 1e6:g} s" for c in (a, b)]
        sentences.append(f"A frame takes {every[0]} in {names[0]}, {every[1]} in {names[1]}.")
    if a.orbit != b.orbit:
        sentences.append(f"Orbits: {a.orbit} in {names[0]}, {b.orbit} in {names[1]}.")
    if bool(a.campaign_targets) != bool(b.campaign_targets):
        predicted, counted = names if a.campaign_targets else names[::-1]
        targets = ", ".join(a.campaign_targets or b.campaign_targets)
        sentences.append(
            f"Wrong answers of {predicted} are predicted, from faults of {targets} alone; those of "
            f"{counted} were counted, after all faults of its run."
        )
    elif a.random_upsets != b.random_upsets:
        sentences.append(f"Random upsets strike {names[0]} and {names[1]} in different ways.")
    return sentences


def _program(scenario: Scenario) -> str:
    """Return the digest of a user's file that is the workload, with all that its inputs follow
    from; empty for a workload of hil."""
    if scenario.c_workload is not None:
        return scenario.c_workload.sha256 or Path(scenario.c_workload.c).name
    model = scenario.onnx_workload
    if model is not None:
        inputs = Path(model.inputs).name if model.inputs else ""
        return f"{model.sha256 or Path(model.onnx).name} {inputs} {model.below}"
    return "" if scenario.exec is None else scenario.exec.golden_sha256 or ""


def _random_upsets(scenario: Scenario) -> str:
    """Return what decides how random upsets strike a node, in one order. Acceleration is taken out
    of what is priced, and the names of nodes belong to the scheme."""
    upsets = scenario.upsets.model_dump(mode="json", include={"rates", "orbit", "one_at_a_time"})
    for rate in upsets["rates"]:
        del rate["nodes"]
    del upsets["orbit"]["voted_accel"]
    if scenario.plant is None:
        del upsets["orbit"]
    return json.dumps(upsets, sort_keys=True)
