"""The announcement of a run, before it begins."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hil.scenario import Scenario

__all__ = ["what_will_run", "wrapped"]


def what_will_run(scenario: Scenario, run_dir: Path, *, resume: bool) -> str:
    """Return the announcement of a run in a few lines."""
    from hil.scenario.program import GoldenSource
    from hil.views.style import duration
    from hil.views.upset_sources import upset_sources

    count, upsets = scenario.frame_count, scenario.upsets
    flight = duration(count * scenario.frame_us)
    pace = {"free": "as fast as the boards can", "realtime": "in real time"}.get(
        scenario.pace, f"{scenario.pace} real time"
    )
    verb = "resuming" if resume else "running"
    lines = [
        f"{verb} {scenario.name}",
        *([f"  {scenario.summary}"] if scenario.summary else []),
        f"  workload  {scenario.workload_name}, seed {scenario.seed}",
        f"  length    {count:,} frames of {scenario.frame_ms:g} ms = {flight} of flight, {pace}",
        f"  rig       {scenario.rig.scheme}: {_boards_text(scenario)}",
        f"  upsets    {upset_sources(scenario)}",
        f"  record    {run_dir}",
    ]
    if scenario.exec is not None and scenario.exec.golden is GoldenSource.RECORDED and not resume:
        lines[-1:-1] = ["  golden    the boards compute the run before it, without faults"]
    if note := _floats_text(scenario):
        lines[-1:-1] = [f"  floats    {note}"]
    if scenario.campaign_mode:
        lines[-1:-1] = [f"  campaign  {scenario.campaign_mode}"]
    if scenario.plant is not None:
        lines[-1:-1] = _plant_text(scenario)
    voted = upsets.accel * upsets.orbit.voted_accel
    if (upsets.accel, voted) != (1, 1):
        also = "" if voted == upsets.accel else f", hits of voted data {voted:.3g}x"
        lines[4 + bool(scenario.summary)] += (
            f"; ACCELERATED {upsets.accel:g}x (all rates are multiplied){also}"
        )
    return "\n".join(wrapped(line) for line in lines)


def _floats_text(scenario: Scenario) -> str:
    """Return what unlike boards mean for a program that may compute floats; empty for alike
    ones."""
    from hil.scenario.program import GoldenSource
    from hil.scenario.words import BoardKind

    kinds = {node.board for node in scenario.rig.nodes}
    if scenario.exec is None or kinds == {BoardKind.PROCESS}:
        return ""
    of_this_computer = scenario.exec.golden is GoldenSource.HOST
    if len(kinds) == 1 and not of_this_computer:
        return ""  # their own golden run shows whether they are alike
    note = "votes are bit-exact: floats that unlike processors round otherwise count as faults"
    if of_this_computer and BoardKind.PROCESS not in kinds:
        note += "; `exec: {golden: recorded}` takes these boards' own results as right"
    return note


def _plant_text(scenario: Scenario) -> list[str]:
    """Return the plant in a line or two."""
    plant = scenario.plant
    assert plant is not None
    orbit = plant.orbit
    parts = []
    if orbit is not None and orbit.tle is None:
        height = f"{orbit.altitude_km or orbit.perigee_km:g} km"
        plane = orbit.inclination_deg
        parts.append(f"orbit {height}, {plane}{'°' if isinstance(plane, float) else ''}")
    elif orbit is not None:
        parts.append("orbit of a TLE")
    if plant.profile is not None:
        parts.append(f"profile {Path(plant.profile).name}")
    profiles = {node.profile or scenario.rig.profile for node in scenario.rig.nodes}
    parts.append(f"boards as {', '.join(sorted(Path(p).stem for p in profiles))}")
    lines = [f"  plant     {'; '.join(parts)}"]
    if plant.skip_quiet and scenario.pace_factor is None:
        lines.append("  time      quiet frames are skipped: nothing can happen in them")
    return lines


def wrapped(line: str) -> str:
    """Return a line wrapped to 80 columns and indented below its second word; paths stay whole."""
    return textwrap.fill(
        line, 80, subsequent_indent=" " * 12, break_long_words=False, break_on_hyphens=False
    )


def _boards_text(scenario: Scenario) -> str:
    kinds: dict[str, list[str]] = {}
    for node in scenario.rig.nodes:
        place = node.adapter or node.port
        where = f"{node.name} ({place})" if place else node.name
        kinds.setdefault(str(node.board), []).append(where)
    words = {
        "inproc": "on SOFTWARE boards inside this process, no hardware",
        "process": "on SOFTWARE boards (hil-agent processes), no hardware",
        "emulated": "on EMULATED boards (Raspberry Pis in QEMU), no hardware",
        "serial": "on real boards",
    }
    return "; ".join(f"{', '.join(names)} {words[kind]}" for kind, names in kinds.items())
