"""The evidence of a run, from its record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from hil.json_values import JsonObject, JsonValue
from hil.record.reader import Reader
from hil.record.recorded_context import recorded_context
from hil.record.recorded_scenario import object_in
from hil.record.row_values import RecordedUpset
from hil.record.run_result import RunResult, expectation_json
from hil.record.span_rows import all_nodes, all_upsets
from hil.report.evidence.board_evidence import agent_images, board_evidence
from hil.report.evidence.document import Counting, Evidence, outcomes
from hil.report.evidence.output_evidence import output_evidence
from hil.report.run_page.verdict import reproduce_words
from hil.upsets.words import COUNTED_EFFECTS, UNKNOWN_WORD, SystemOutcome
from hil.wire.messages import UpsetState

__all__ = ["run_evidence"]

_EVENT: Final = "event"


def run_evidence(reader: Reader, result: RunResult) -> JsonObject:
    """Return the evidence of a run with this result. Raises: RecordError if its record cannot be
    read."""
    meta = reader.run_meta
    scenario = object_in(meta.scenario.text) or {}
    nodes, context = all_nodes(reader), recorded_context(reader)
    upsets = all_upsets(reader)
    drawn = any(not upset.source.startswith(_EVENT) for upset in upsets)
    seal = reader.meta_object("seal")
    digest = None if seal is None else seal.get("record_digest")
    return Evidence(
        kind="run",
        verdict={
            "outcome": result.outcome,
            "complete": reader.is_complete,
            "expectations": [expectation_json(e) for e in result.expectations or ()],
            "not_covered": list(result.not_covered),
            "left_out": list(result.left_out),
        },
        subject={
            "workload": meta.scenario.workload,
            "scenario": meta.scenario.name,
            "scenario_sha256": meta.config_hash,
            "redundancy": meta.scenario.scheme,
            "seed": result.seed,
            "frames": result.flown,
        },
        images=[
            *agent_images(nodes, context, meta.programs or {}),
            *_own_images(scenario),
        ],
        fault_model={
            **_fault_model(result, upsets, scenario),
            "acceleration_of_voted_data": result.accel * meta.scenario.voted_accel,
        },
        boot_phase=_boot_phase(upsets),
        exposure=_exposure(reader, result, scenario),
        outcomes=_outcomes(result, upsets, Counting(exact=not drawn)),
        outputs=output_evidence(reader),
        reproduce={
            "command": reproduce_words(meta.command, result.seed),
            "digest": result.run_digest or None,
            "reproducible": result.reproducible and bool(result.run_digest),
            "why_not": result.not_reproducible,
        },
        environment={
            "hil_version": meta.hil_version,
            "python": meta.python,
            "system": meta.system,
            "started_utc": meta.started_utc,
            "wire_version": meta.wire_version,
            "record_version": meta.record_version,
        },
        context=board_evidence(nodes, context),
        record={"file": reader.path.name, "digest": digest, "digest_of": "contents"},
    ).as_json()


def _own_images(scenario: JsonObject) -> list[JsonObject]:
    """Return the workload that users brought, by the digest that the scenario has of it."""
    own = scenario.get("workload")
    if not isinstance(own, Mapping):
        return []
    file = next((own[key] for key in ("c", "exec", "onnx") if isinstance(own.get(key), str)), "")
    return [
        {
            "node": None,
            "board": None,
            "arch": None,
            "model": str(file).rpartition("/")[2],
            "what": "workload",
            "version": None,
            "sha256": own.get("sha256"),
            "known": "of the file that the scenario names",
        }
    ]


def _fault_model(
    result: RunResult, upsets: list[RecordedUpset], scenario: JsonObject
) -> JsonObject:
    return {
        "upsets": scenario.get("upsets"),
        "injected_targets": sorted({u.target for u in upsets}),
        "injected_kinds": sorted({u.kind for u in upsets}),
        "acceleration": result.accel,
        "planned": len(upsets),
        "injected": result.upsets.injected,
        "verified": result.upsets.verified,
        "not_injected": result.upsets.not_injected,
    }


def _boot_phase(upsets: list[RecordedUpset]) -> JsonObject:
    frames = [u.frame for u in upsets if u.state == UpsetState.INJECTED]
    return {
        "phase": "application",
        "what": "boards had booted and a fault-free calibration had passed before the first frame",
        "first_frame": min(frames, default=None),
        "last_frame": max(frames, default=None),
        "injected_during_boot": 0,
    }


def _exposure(reader: Reader, result: RunResult, scenario: JsonObject) -> JsonObject:
    plant = scenario.get("plant")
    orbit: JsonValue = plant.get("orbit") if isinstance(plant, Mapping) else None
    radiation: JsonValue = plant.get("radiation") if isinstance(plant, Mapping) else None
    return {
        "simulated_s": result.flown * reader.frame_us / 1e6,
        "frames_computed": result.frames,
        "frames_skipped": result.skipped,
        "orbit": orbit,
        "radiation": radiation,
        "plant": None if result.plant is None else dict(result.plant),
    }


def _outcomes(result: RunResult, upsets: list[RecordedUpset], counting: Counting) -> JsonObject:
    injected = [u for u in upsets if u.state == UpsetState.INJECTED and u.verified]
    whole = len(injected)
    targets = sorted({u.target for u in injected})
    system = {o.value: 0 for o in SystemOutcome if o.value}
    system |= {k: v for k, v in result.upsets.by_system_outcome.items() if k in system}
    return {
        "counting": counting.as_json(),
        "all": outcomes(_effects(injected), whole, counting),
        "by_target": {
            t: outcomes(_effects(mine), len(mine), counting)
            for t in targets
            for mine in [[u for u in injected if u.target == t]]
        },
        "by_symbol": {},
        "system": outcomes(system, whole, counting)["effects"],
        "availability": result.availability,
        "wrong_output_frames": result.sdc_frames,
        "recoveries": result.recoveries,
        "unexplained": result.unexplained,
    }


def _effects(upsets: list[RecordedUpset]) -> dict[str, int]:
    counts = Counter(u.effect or UNKNOWN_WORD for u in upsets)
    return {word: counts[word] for word in COUNTED_EFFECTS}
