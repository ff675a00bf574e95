"""The identity of a run before it begins: versions, the computer, the command line, the scenario.

Imports nothing else of the project, so that a failure can be reported even if the rest of it cannot
be loaded."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from hil import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hil.json_values import JsonObject
    from hil.scenario import Scenario

__all__ = ["Environment", "RunIdentity", "config_hash", "environment", "scenario_json"]


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment of a run, for every report: versions, the computer, when it began, and the
    command line, of a run from Python the one that repeats it. `started_utc` is in ISO 8601."""

    hil_version: str
    python: str
    system: str
    started_utc: str
    command: tuple[str, ...]

    def as_json(self) -> JsonObject:
        """Return it as the first keys of a report."""
        return {
            "hil_version": self.hil_version,
            "python": self.python,
            "system": self.system,
            "started_utc": self.started_utc,
            "command": list(self.command),
        }


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """The identity of a run: its environment, the versions of its formats, its scenario."""

    environment: Environment
    wire_version: int
    record_version: int
    scenario: Scenario

    def as_json(self) -> JsonObject:
        """Return it as the first keys of a report and of the meta values of a record."""
        return {
            **self.environment.as_json(),
            "wire_version": self.wire_version,
            "record_version": self.record_version,
            "scenario": scenario_json(self.scenario),
            "config_hash": config_hash(self.scenario),
            "seed": self.scenario.seed,
            **_interval(self.scenario),
        }


def _interval(scenario: Scenario) -> JsonObject:
    """Return the frames between two checkpoints where they follow from a rule."""
    if isinstance(scenario.recovery.checkpoint_every, int):
        return {}
    return {"checkpoint_every_frames": scenario.checkpoint_every}


def environment(command: Sequence[str] | None = None) -> Environment:
    """Return the environment of a run that begins now; `command` are the arguments of the command
    line that repeats it, None if they are those of this process."""
    return Environment(
        __version__,
        platform.python_version(),
        f"{platform.system()} {platform.release()} {platform.machine()}",
        datetime.now(timezone.utc).isoformat(timespec="seconds"),
        tuple(sys.argv[1:] if command is None else command),
    )


def scenario_json(scenario: Scenario) -> JsonObject:
    """Return the effective scenario as the document that records and reports hold."""
    data: JsonObject = scenario.model_dump(mode="json", by_alias=True)
    return data


def config_hash(scenario: Scenario) -> str:
    """Return the SHA-256 of the effective scenario."""
    text = json.dumps(scenario_json(scenario), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
