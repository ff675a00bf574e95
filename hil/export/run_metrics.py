"""The metrics of a run: which there are, and their values from what a record has gained.

Names and units are those of Prometheus: base units, counters that only grow. Pure: it knows no
package of Prometheus."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from hil.record.measured_rows import RecordedLinkCounts, RecordedPower
from hil.record.row_values import (
    RecordedAnomaly,
    RecordedHealth,
    RecordedLinkEvent,
    RecordedOrbit,
    RecordedPlant,
    RecordedPlantNode,
    RecordedRepair,
    RecordedSlip,
    RecordedTransition,
    RecordedUpset,
)
from hil.record.run_follower import KILLED, FollowedRow, RunFollower, RunNews
from hil.redundancy.recovery import RUNGS, NodeState
from hil.redundancy.voting import CORRECT, DELIVERED, HELD, NodeStatus, VerdictKind
from hil.run_outcome import RunOutcome
from hil.upsets.words import EFFECTS, OUTCOMES
from hil.wire.messages import LinkState, UpsetState

__all__ = ["METRICS", "RunMetric", "RunMetrics"]

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunMetric:
    """A metric: a counter if its name ends with `_total`, else a gauge."""

    name: str
    text: str
    labels: Labels = ()

    @property
    def is_counter(self) -> bool:
        """Return whether its values only grow."""
        return self.name.endswith("_total")


def _metric(name: str, text: str, *labels: str) -> RunMetric:
    return RunMetric(f"hil_{name}", text, labels)


METRICS: Final = (
    _metric("run_outcome", "1 for the outcome so far, 0 for all others.", "outcome"),
    _metric("run_frame", "The newest frame."),
    _metric("run_simulated_seconds", "Simulated time of the newest frame."),
    _metric("run_record_age_seconds", "Real time since the last commit; 0 after the end."),
    _metric("frames_total", "Computed frames by verdict.", "verdict"),
    _metric("outputs_total", "Frames by what left the system.", "result"),
    _metric("node_frames_total", "Frames by how the step of a node ended.", "node", "status"),
    _metric("node_dissents_total", "Frames in which a node was outvoted.", "node"),
    _metric("node_latent_total", "Frames with a wrong state behind a right output.", "node"),
    _metric("node_state", "1 for the state of recovery, 0 for all others.", "node", "state"),
    _metric("transitions_total", "Changes of the state of recovery.", "node", "after"),
    _metric("upsets_total", "Upsets by target and by whether they were made.", "target", "state"),
    _metric("upset_outcomes_total", "Settled upsets by their outcome.", "outcome"),
    _metric("upset_effects_total", "Settled upsets by their effect.", "target", "effect"),
    _metric("upsets_open", "Injected upsets that are not settled."),
    _metric("repairs_total", "Attempts to repair a node.", "node", "action", "result"),
    _metric("repair_bytes_total", "Bytes that repairs moved.", "node"),
    _metric("repair_seconds_total", "Real time that repairs took.", "node"),
    _metric("anomalies_total", "Symptoms that no upset explains.", "node", "effect"),
    _metric("slips_total", "Frames or nodes that were late by real time."),
    _metric("link_up", "1 if the board of a node is connected.", "node"),
    _metric("link_frames_total", "Messages on a link.", "node", "direction"),
    _metric("link_bytes_total", "Bytes on a link.", "node", "direction"),
    _metric("link_errors_total", "Errors and repetitions of a link.", "node", "kind"),
    _metric("board_temperature_celsius", "Processor temperature of a board.", "node"),
    _metric("board_clock_hertz", "Processor clock of a board.", "node"),
    _metric("board_power_watts", "Power of a board by its own sensors.", "node"),
    _metric("board_memory_free_bytes", "Free memory of a board.", "node"),
    _metric("board_agent_memory_bytes", "Memory of the agent of a board.", "node"),
    _metric("board_round_trip_seconds", "From the last request to its answer.", "node"),
    _metric("board_uptime_seconds", "Time since the start of a board.", "node"),
    _metric("board_events_total", "What a board counts of itself.", "node", "event"),
    _metric("supply_volts", "Voltage of a bench supply.", "node"),
    _metric("supply_amperes", "Current of a bench supply.", "node"),
    _metric("plant_charge_ratio", "State of charge of the battery."),
    _metric("plant_bus_volts", "Voltage of the power bus."),
    _metric("plant_array_watts", "Power of the solar array."),
    _metric("plant_load_watts", "Power of all loads."),
    _metric("plant_battery_watts", "Power into the battery."),
    _metric("plant_illumination_ratio", "Share of the Sun that is seen."),
    _metric("plant_flux_per_square_meter_second", "Flux of particles."),
    _metric("plant_shed_stage", "Rungs of the shedding ladder that are applied."),
    _metric("plant_temperature_celsius", "Temperature of a thermal node.", "part"),
    _metric("plant_node_power_watts", "Power of the board of a node.", "node"),
    _metric("plant_node_die_celsius", "Die temperature of the board of a node.", "node"),
    _metric("plant_node_duty_ratio", "Share of its speed that a board is left with.", "node"),
    _metric("orbit_latitude_degrees", "Latitude of the satellite."),
    _metric("orbit_longitude_degrees", "Longitude of the satellite."),
    _metric("orbit_altitude_meters", "Altitude of the satellite."),
    _metric("orbit_in_saa", "1 within the South Atlantic Anomaly."),
    _metric("orbit_contacts", "Ground stations in sight."),
)
"""All metrics, besides `hil_run_info`, whose labels say what is run."""

_OUTCOMES: Final = (*(outcome.value for outcome in RunOutcome), KILLED)
_MASKS: Final = {"node_dissents_total": "dissent", "node_latent_total": "latent"}
_SETTLED: Final = {"hil_upset_outcomes_total", "hil_upset_effects_total"}
_LINK_ERRORS: Final = ("rx_errors", "naks", "retries", "stale", "reconnects")
_BOARD_EVENTS: Final = (
    *("steps", "crashes", "hangs", "restarts", "corrected", "uncorrected", "rx_errors"),
    "duplicates",
)
_HEALTH: Final = {
    "board_temperature_celsius": ("cpu_temp_mc", 1e-3),
    "board_clock_hertz": ("clock_khz", 1e3),
    "board_power_watts": ("power_mw", 1e-3),
    "board_memory_free_bytes": ("free_mib", float(1 << 20)),
    "board_agent_memory_bytes": ("rss_kib", 1024.0),
    "board_round_trip_seconds": ("round_trip_us", 1e-6),
    "board_uptime_seconds": ("uptime_us", 1e-6),
}
_PLANT: Final = {
    "plant_charge_ratio": ("soc", 1.0),
    "plant_bus_volts": ("bus_v", 1.0),
    "plant_array_watts": ("array_w", 1.0),
    "plant_load_watts": ("load_w", 1.0),
    "plant_battery_watts": ("battery_w", 1.0),
    "plant_illumination_ratio": ("illumination", 1.0),
    "plant_flux_per_square_meter_second": ("flux_per_cm2_s", 1e4),
    "plant_shed_stage": ("stage", 1.0),
}
_PLANT_NODE: Final = {
    "plant_node_power_watts": ("power_w", 1.0),
    "plant_node_die_celsius": ("die_c", 1.0),
    "plant_node_duty_ratio": ("duty", 1.0),
}
_ORBIT: Final = {
    "orbit_latitude_degrees": ("latitude_deg", 1.0),
    "orbit_longitude_degrees": ("longitude_deg", 1.0),
    "orbit_altitude_meters": ("altitude_km", 1e3),
    "orbit_in_saa": ("saa", 1.0),
}


class RunMetrics:
    """The values of all metrics of the run that a `follower` follows. Not thread-safe.

    `info` has the labels of `hil_run_info`."""

    def __init__(self, follower: RunFollower) -> None:
        self._follower = follower
        self._generation = follower.generation
        self._counts: dict[tuple[str, Labels], float] = {}
        self._values: dict[tuple[str, Labels], float] = {}
        self._open: dict[int, RecordedUpset] = {}

    def update(self) -> None:
        """Read what is new in the record; without one there are no values. Raises: RecordError if
        it is damaged."""
        while (news := self._follower.news()) is not None:
            if self._generation != self._follower.generation:
                self._counts.clear()
                self._values.clear()
                self._open.clear()
                self._generation = self._follower.generation
            self._frames(news)
            for row in news.rows:
                self._row(row)
        if self._follower.record.names:
            self._run()

    @property
    def info(self) -> Mapping[str, str]:
        """Return what is run, as texts."""
        meta = self._follower.record.meta
        return {
            "scenario": meta.scenario.name,
            "workload": meta.scenario.workload,
            "scheme": meta.scenario.scheme,
            "seed": "" if meta.seed is None else str(meta.seed),
            "config_hash": meta.config_hash,
            "hil_version": meta.hil_version,
            "started_utc": meta.started_utc,
        }

    def samples(self, metric: RunMetric) -> Iterator[tuple[Labels, float]]:
        """Yield labels and value of each sample of a metric."""
        source = self._counts if metric.is_counter else self._values
        some = {labels: value for (name, labels), value in source.items() if name == metric.name}
        if metric.name in _SETTLED:
            for upset in self._never_settled():
                labels = (upset.outcome,) if len(metric.labels) == 1 else _effect(upset)
                some[labels] = some.get(labels, 0.0) + 1
        yield from some.items()

    def _never_settled(self) -> list[RecordedUpset]:
        """Return the upsets that were open when the run ended, and have an outcome."""
        if self._follower.record.outcome in {"", RunOutcome.RUNNING}:
            return []
        return [upset for upset in self._open.values() if upset.outcome]

    # --- values -------------------------------------------------------------------------------

    def _count(self, name: str, *labels: str, by: float = 1) -> None:
        key = f"hil_{name}", labels
        self._counts[key] = self._counts.get(key, 0.0) + by

    def _set(self, name: str, value: float | None, *labels: str) -> None:
        if value is None:
            self._values.pop((f"hil_{name}", labels), None)
        else:
            self._values[f"hil_{name}", labels] = float(value)

    def _measured(self, row: Any, columns: Mapping[str, tuple[str, float]], *labels: str) -> None:
        for name, (column, factor) in columns.items():
            value = getattr(row, column)
            self._set(name, None if value is None else value * factor, *labels)

    def _run(self) -> None:
        record = self._follower.record
        for outcome in _OUTCOMES:
            self._set("run_outcome", self._follower.outcome == outcome, outcome)
        self._set("run_frame", max(0, record.last))
        self._set("run_simulated_seconds", self._follower.t_us(record.last) / 1e6)
        running = record.outcome == RunOutcome.RUNNING
        self._set("run_record_age_seconds", (record.age_s() or 0.0) if running else 0.0)
        self._set("upsets_open", len(self._open))
        for name, *labels in _first_samples(record.names):
            self._counts.setdefault((f"hil_{name}", tuple(labels)), 0.0)
        for node in record.names:
            if ("hil_node_state", (node, NodeState.VOTING.value)) not in self._values:
                self._state(node, NodeState.VOTING)

    def _state(self, node: str, state: str) -> None:
        for each in NodeState:
            self._set("node_state", each == state, node, each.value)

    def _frames(self, news: RunNews) -> None:
        frames, names = news.frames, self._follower.record.names
        for kind in VerdictKind:
            count = int(np.count_nonzero(frames["verdict"] == kind))
            self._count("frames_total", kind.word, by=count)
        flags = frames["flags"]
        delivered, right = (flags & DELIVERED) != 0, (flags & CORRECT) != 0
        held = (flags & HELD) != 0
        for result, mask in (
            ("correct", delivered & right),
            ("wrong", delivered & ~right),
            ("held", ~delivered & held),
            ("none", ~delivered & ~held),
        ):
            self._count("outputs_total", result, by=int(np.count_nonzero(mask)))
        for index, node in enumerate(names):
            status = frames["node"]["status"][:, index]
            for each in NodeStatus:
                self._count(
                    "node_frames_total", node, each.word, by=int(np.count_nonzero(status == each))
                )
            for name, column in _MASKS.items():
                mask = frames[column] >> index & 1
                self._count(name, node, by=int(np.count_nonzero(mask)))

    def _row(self, row: FollowedRow) -> None:
        match row:
            case RecordedTransition():
                self._state(row.node, row.after)
                self._count("transitions_total", row.node, row.after)
            case RecordedUpset():
                self._upset(row)
            case RecordedRepair():
                result = "done" if row.ok else "failed"
                self._count("repairs_total", row.node, row.action, result)
                self._count("repair_bytes_total", row.node, by=row.bytes_moved)
                self._count("repair_seconds_total", row.node, by=row.duration_wall_us / 1e6)
            case RecordedAnomaly():
                self._count("anomalies_total", row.node, row.effect)
            case RecordedSlip():
                self._count("slips_total")
            case RecordedLinkEvent():
                self._set("link_up", row.state == LinkState.CONNECTED, row.node)
            case _:
                self._measurement(row)

    def _measurement(self, row: FollowedRow) -> None:
        match row:
            case RecordedLinkCounts():
                self._link(row)
            case RecordedHealth():
                node = self._node(row.node)
                self._measured(row, _HEALTH, node)
                for event in _BOARD_EVENTS:
                    self._counts["hil_board_events_total", (node, event)] = getattr(row, event)
            case RecordedPower():
                self._set("supply_volts", row.volts, row.node)
                self._set("supply_amperes", row.amps, row.node)
            case RecordedPlant():
                self._measured(row, _PLANT)
                for part, celsius in _by_name(row.temperatures_c):
                    self._set("plant_temperature_celsius", celsius, part)
            case RecordedPlantNode():
                self._measured(row, _PLANT_NODE, row.node)
            case RecordedOrbit():
                self._measured(row, _ORBIT)
                self._set("orbit_contacts", len([s for s in row.contact.split(",") if s]))

    def _upset(self, row: RecordedUpset) -> None:
        if row.id not in self._open and row.state != UpsetState.ARMED:
            self._count("upsets_total", row.target, row.state)
        if row.resolved_frame is not None:
            self._open.pop(row.id, None)
            self._count("upset_outcomes_total", row.outcome)
            self._count("upset_effects_total", *_effect(row))
        elif row.state == UpsetState.INJECTED:
            self._open[row.id] = row

    def _node(self, index: int) -> str:
        names = self._follower.record.names
        return names[index] if index < len(names) else str(index)

    def _link(self, row: RecordedLinkCounts) -> None:
        node = self._node(row.node)
        for direction, frames, size in (
            ("sent", row.tx_frames, row.tx_bytes),
            ("received", row.rx_frames, row.rx_bytes),
        ):
            self._counts["hil_link_frames_total", (node, direction)] = frames
            self._counts["hil_link_bytes_total", (node, direction)] = size
        for kind in _LINK_ERRORS:
            self._counts["hil_link_errors_total", (node, kind)] = getattr(row, kind)


def _effect(upset: RecordedUpset) -> Labels:
    return upset.target, upset.effect


def _first_samples(names: tuple[str, ...]) -> Iterator[Labels]:
    """Yield name and labels of the counters whose labels are known before anything is counted.
    Prometheus computes what a counter has gained from two samples: of one that begins with 1 it
    never sees the first event."""
    yield ("slips_total",)
    yield from (("upset_outcomes_total", outcome) for outcome in OUTCOMES)
    for node in names:
        yield "repair_bytes_total", node
        yield "repair_seconds_total", node
        yield from (("transitions_total", node, after) for after in NodeState)
        yield from (("anomalies_total", node, effect) for effect in EFFECTS)
        for action in RUNGS:
            yield "repairs_total", node, action, "done"
            yield "repairs_total", node, action, "failed"


def _by_name(text: str) -> list[tuple[str, float]]:
    try:
        content = json.loads(text)
    except ValueError:
        return []
    return [(str(k), float(v)) for k, v in content.items()] if isinstance(content, dict) else []
