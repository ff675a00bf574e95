"""The command line that repeats a run which Python began, for its record and its reports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Final

from hil.engine.run_identity import scenario_json
from hil.errors import RecordError
from hil.scenario import Overrides, Scenario

__all__ = ["command_of", "scenario_file"]

_OPTIONS: Final = {"board": "boards"}
"""The options of `hil run` that have another name than their override."""


def command_of(scenario: str | Path, overrides: Overrides) -> tuple[str, ...]:
    """Return the arguments of the command line that runs `scenario`, as the caller named it, with
    these overrides."""
    return ("run", str(scenario), *_words(overrides))


def _words(overrides: Overrides) -> Iterator[str]:
    for field in fields(overrides):
        value = getattr(overrides, field.name)
        if field.compare and value not in (None, ()):
            text = ",".join(value) if isinstance(value, tuple) else str(value)
            yield from (f"--{_OPTIONS.get(field.name, field.name)}", text)


def scenario_file(scenario: Scenario, run_dir: Path) -> Path:
    """Write a scenario that came from no file into the folder of its run, and return that file. It
    is JSON, which YAML contains. Raises: RecordError if it cannot be written."""
    text = json.dumps(scenario_json(scenario), indent=2, allow_nan=False) + "\n"
    names = ("scenario.yaml", *(f"scenario-{number}.yaml" for number in range(2, 1000)))
    for path in (run_dir / name for name in names):
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            continue
        except OSError as error:
            raise RecordError(
                f"cannot write {path}: {error.strerror or error}",
                remedy="free disk space, or choose another folder",
            ) from error
        return path
    raise RecordError(f"{run_dir} has too many scenarios", remedy="choose another folder")
