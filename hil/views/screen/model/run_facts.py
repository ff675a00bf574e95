"""Reads the constant properties of a run: its scenario as the screen shows it."""

from __future__ import annotations

from hil.record.run_meta import RunMeta
from hil.record.timeline import Timeline
from hil.views.screen.model.facts import SceneRun
from hil.views.screen.model.time_input import duration_us
from hil.views.screen.rules import rule_of

__all__ = ["run_of"]


def run_of(meta: RunMeta, path: str, time: Timeline, nodes: int) -> SceneRun:
    """Return the facts of a run from the properties in its record; `path` is its folder."""
    scenario = meta.scenario
    frames = scenario.frames
    if frames is None and scenario.duration:
        frames = (duration_us(scenario.duration) or 0) // scenario.frame_us
    return SceneRun(
        scenario.name or "run",
        scenario.summary,
        scenario.scheme,
        scenario.workload,
        meta.seed or 0,
        scenario.pace,
        scenario.accel,
        scenario.accel * scenario.voted_accel,
        scenario.frame_us,
        time,
        frames or 0,
        path,
        rule_of(scenario, nodes),
        frozenset(meta.anomaly or () if scenario.solar_events else ()),
    )
