"""The origin of a result: which scenario it is of, said so that it is found again from any folder,
on any computer, and so that a scenario that has changed is noticed."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from hil.errors import UsageError
from hil.json_values import JsonValue
from hil.record.campaign_rows import CampaignMeta
from hil.scenario import BoardKind, Overrides, Scenario, load

__all__ = ["content_digest", "scenario_of", "source_name"]

_DECIDING = ("workload", "exec", "seed")
"""The keys of a scenario that decide what a step computes."""


def source_name(source: str) -> str:
    """Return how a result names the scenario `source`: without the folder of a file."""
    return Path(source).name


def content_digest(scenario: Scenario) -> str:
    """Return a digest of what in a scenario decides what a step computes. It depends on no folder,
    and not on what only decides when a run is hit, or on what boards."""
    document = scenario.model_dump(mode="json", by_alias=True)
    deciding = {key: _without_folders(document.get(key)) for key in _DECIDING}
    text = json.dumps(deciding, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _without_folders(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return Path(value).name if os.sep in value else value
    if isinstance(value, dict):
        return {key: _without_folders(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_folders(inner) for inner in value]
    return value


def scenario_of(
    meta: CampaignMeta,
    result: Path,
    given: str | None,
    board: str | None,
    workload: str | None = None,
) -> Scenario:
    """Return the scenario of the campaign with this result file, with its nodes on `board` boards
    (None: on boards like the campaign's) and `workload` (None: its own). `given` names it, where it
    is not found otherwise.

    Raises: UsageError if it is not found, or is another one than it was; ConfigError."""
    source = given or _found(meta, result)
    kind = board or (None if meta.board == BoardKind.SERIAL else meta.board)
    scenario = load(source, Overrides(board=kind, workload=workload)).scenario
    _check(meta, result, source, scenario)
    return scenario


def _found(meta: CampaignMeta, result: Path) -> str:
    name = meta.source or meta.scenario
    for folder in (result.resolve().parent, Path.cwd()):
        for candidate in (folder / name, folder / f"{name}.yaml"):
            if candidate.suffix in (".yaml", ".yml") and candidate.is_file():
                return str(candidate)
    if not name.endswith((".yaml", ".yml")):
        return name  # a shipped one
    raise UsageError(
        f"{result} is of the scenario {name}, which is neither beside it nor in this folder",
        remedy="name its file: --scenario FILE",
    )


def _check(meta: CampaignMeta, result: Path, source: str, scenario: Scenario) -> None:
    """Compare a scenario with that of a result. Raises: UsageError, with the first difference."""
    pairs = (
        ("workload", scenario.workload_name, meta.workload),
        ("seed", scenario.seed, meta.seed),
    )
    for what, now, then in pairs:
        if now != then:
            raise _changed(result, source, f"its {what} is {now}, and was {then}")
    if meta.frame >= scenario.frame_count:
        frames = scenario.frame_count
        raise _changed(result, source, f"it has {frames} frames, and frame {meta.frame} was hit")
    if meta.content and content_digest(scenario) != meta.content:
        raise _changed(result, source, f"its workload {meta.workload} has changed")


def _changed(result: Path, source: str, what: str) -> UsageError:
    return UsageError(
        f"{source} is not the scenario that {result} was made with: {what}",
        remedy="restore it, name another one with --scenario FILE, or carry the campaign out again",
    )
