"""What does not change in a run: its scenario as the screen shows it."""

from __future__ import annotations

from typing import Any

from hil.record.timeline import Timeline
from hil.views.screen.model.facts import Run
from hil.views.screen.model.recorded_values import anomaly_cells
from hil.views.screen.model.time_input import duration_us
from hil.views.screen.rules import rule_of

__all__ = ["run_of"]


def run_of(meta: dict[str, Any], path: str, time: Timeline, nodes: int) -> Run:
    """Return the facts of a run from the meta values of its record; `path` is its folder."""
    recorded = meta.get("scenario")
    s: dict[str, Any] = recorded if isinstance(recorded, dict) else {}
    rig = s.get("rig") or {}
    frame_us = round(float(s.get("frame_ms", 10.0)) * 1000)
    frames = s.get("frames")
    if frames is None and s.get("duration"):
        frames = (duration_us(str(s["duration"])) or 0) // frame_us
    try:
        seed = int(meta.get("seed", 0) or 0)
    except ValueError:
        seed = 0
    return Run(
        str(s.get("name", "run")),
        str(s.get("summary", "")),
        str(rig.get("scheme", "")),
        str(s.get("workload", "")),
        seed,
        str(s.get("pace", "free")),
        float((s.get("upsets") or {}).get("accel", 1.0)),
        frame_us,
        time,
        int(frames or 0),
        path,
        rule_of(s, nodes),
        _anomaly(meta, s),
    )


def _anomaly(meta: dict[str, Any], scenario: dict[str, Any]) -> frozenset[tuple[int, int]]:
    """See `Run.anomaly`."""
    sun = ((scenario.get("plant") or {}).get("radiation") or {}).get("events")
    return frozenset(anomaly_cells(meta) if sun else ())
