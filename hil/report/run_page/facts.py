"""All that a page says of a run, asked of its record once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.json_values import JsonObject, JsonValue
from hil.record.board_context import BoardContext
from hil.record.console_files import check_consoles, console_file
from hil.record.outages import (
    NodeOutages,
    Outage,
    node_outages,
    recorded_outages,
    timed_by_host,
)
from hil.record.reader import Reader
from hil.record.recorded_context import recorded_context
from hil.record.row_counts import RepairCost, injected_effects, repair_costs
from hil.record.row_values import (
    RecordedAnomaly,
    RecordedHealth,
    RecordedLink,
    RecordedNode,
    RecordedNote,
    RecordedOrbit,
    RecordedPlant,
    RecordedPlantNode,
    RecordedRepair,
    RecordedUpset,
)
from hil.record.run_lock import is_running
from hil.record.run_meta import RunMeta
from hil.record.run_result import RunResult
from hil.record.span_rows import (
    all_anomalies,
    all_links,
    all_nodes,
    all_notes,
    all_upsets,
    last_states,
    repairs_between,
)
from hil.record.telemetry_queries import health_rows, orbit_rows, plant_node_rows, plant_rows
from hil.record.timeline import Timeline, recorded_timeline
from hil.report.run_page.dissents import Dissent, dissents
from hil.report.run_page.record_seal import changed_parts
from hil.run_outcome import RunOutcome

__all__ = ["PlantTrack", "RecoveryFacts", "RunFacts", "run_facts"]

_ALL: Final = 2**62
_MOMENTS: Final = 1500
"""The moments of plant and orbit that the figures show, about."""
_CONSOLE_BYTES: Final = 12_000


@dataclass(frozen=True, slots=True)
class PlantTrack:
    """The simulated world of a run: moments of the orbit, of the plant and of its nodes, as many as
    figures show. `anomaly`: south and west edges [deg] of cells of the South Atlantic Anomaly."""

    orbit: Sequence[RecordedOrbit]
    plant: Sequence[RecordedPlant]
    nodes: Sequence[RecordedPlantNode]
    anomaly: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class RecoveryFacts:
    """The repairs of a run: each attempt, what attempts cost, and how long nodes were out of the
    vote."""

    repairs: Sequence[RecordedRepair]
    costs: Sequence[RepairCost]
    outages: Sequence[Outage]
    by_node: Sequence[NodeOutages]


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run. `name` is that of its folder; `still_running`: a process writes the record at this
    moment; `states`: the state of recovery of each node that ever changed it; `effects`: injected
    upsets by target and effect; `consoles`: the beginning and the end of what boards printed, by
    node; `console_doubts`: why other logs beside the record are not shown; `record_digest`: of the
    whole record, None of a run that has not ended; `changed`: what in the record is not what that
    was computed of; `context`: what the boards executed, and their kernel logs, None if the record
    has no such."""

    name: str
    folder: Path
    meta: RunMeta
    result: RunResult
    is_complete: bool
    still_running: bool
    nodes: Sequence[RecordedNode]
    links: Mapping[int, RecordedLink]
    states: Mapping[str, str]
    dissents: Sequence[Dissent]
    upsets: Sequence[RecordedUpset]
    effects: Mapping[str, Mapping[str, int]]
    anomalies: Sequence[RecordedAnomaly]
    notes: Sequence[RecordedNote]
    recovery: RecoveryFacts
    plant: PlantTrack
    health: Sequence[RecordedHealth]
    timeline: Timeline
    consoles: Mapping[str, tuple[str, str]]
    console_doubts: Sequence[str]
    record_digest: str | None
    changed: Sequence[str]
    context: BoardContext | None

    @property
    def scenario(self) -> JsonObject:
        """Return the recorded scenario; empty if there is none."""
        try:
            scenario: JsonValue = json.loads(self.meta.scenario.text or "{}")
        except ValueError:
            return {}
        return scenario if isinstance(scenario, dict) else {}

    @property
    def end_us(self) -> int:
        """Return the simulated time that the run covers [us]."""
        return self.result.flown * self.meta.scenario.frame_us

    @property
    def node_names(self) -> list[str]:
        """Return the names of the nodes, in their order."""
        return [node.name for node in self.nodes]


def run_facts(reader: Reader, result: RunResult) -> RunFacts:
    """Return what there is to say of a run. Raises: RecordError if the record cannot be read."""
    folder = reader.path.parent
    meta, nodes = reader.run_meta, all_nodes(reader)
    outages = recorded_outages(reader)
    digest = reader.meta_object("seal")
    recorded = None if digest is None else digest.get("record_digest")
    doubts = check_consoles(reader).doubts
    return RunFacts(
        name=folder.resolve().name,
        folder=folder,
        meta=meta,
        result=result,
        is_complete=reader.is_complete,
        still_running=result.outcome == RunOutcome.RUNNING and is_running(folder),
        nodes=nodes,
        links=all_links(reader),
        states=last_states(reader),
        dissents=dissents(reader, outages),
        upsets=all_upsets(reader),
        effects=injected_effects(reader),
        anomalies=all_anomalies(reader),
        notes=all_notes(reader),
        recovery=_recovery(reader, result, nodes, outages),
        plant=_plant(reader, meta),
        health=health_rows(reader, -1, _ALL),
        timeline=recorded_timeline(reader, reader.frame_us),
        consoles={
            node.name: console
            for node in nodes
            if console_file(folder, node.name) not in doubts and (console := _console(folder, node))
        },
        console_doubts=tuple(doubts.values()),
        record_digest=recorded if isinstance(recorded, str) else None,
        changed=changed_parts(reader),
        context=recorded_context(reader),
    )


def _recovery(
    reader: Reader, result: RunResult, nodes: Sequence[RecordedNode], outages: Sequence[Outage]
) -> RecoveryFacts:
    scenario = reader.scenario
    by_node = node_outages(
        outages,
        [node.name for node in nodes],
        timed_by_host({n.name: n.board for n in nodes}, paced=scenario.pace != "free"),
        scenario.frame_us,
        frames=result.flown,
        wall_us=result.wall_us,
    )
    repairs = repairs_between(reader, 0, _ALL)
    return RecoveryFacts(repairs, repair_costs(reader), outages, by_node)


def _plant(reader: Reader, meta: RunMeta) -> PlantTrack:
    plant = plant_rows(reader, -1, _ALL, about=_MOMENTS)
    last_us = plant[-1].t_us if plant else _ALL
    times = [row.t_us for row in plant]
    return PlantTrack(
        orbit_rows(reader, 0, last_us, about=_MOMENTS),
        plant,
        plant_node_rows(reader, times),
        meta.anomaly or (),
    )


def _console(folder: Path, node: RecordedNode) -> tuple[str, str] | None:
    """Return the beginning and the end of what a node's board printed; None if there is no log. A
    short one has no end of its own."""
    path = console_file(folder, node.name)
    try:
        with path.open("rb") as file:
            first = file.read(_CONSOLE_BYTES)
            size = file.seek(0, 2)
            file.seek(max(len(first), size - _CONSOLE_BYTES))
            last = file.read()
    except OSError:
        return None
    return first.decode("utf-8", "replace"), last.decode("utf-8", "replace")
