"""Loads a scenario, from a file or by the bare name of a shipped one, and applies overrides.

All problems are reported at once, each with file, line, column and path.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from hil import assets
from hil.errors import ConfigError, Problem, UsageError
from hil.scenario import overrides as override
from hil.scenario.c_workload import read_c_source
from hil.scenario.consistency import length_findings, upset_findings
from hil.scenario.model import SCHEMA_VERSION, Scenario
from hil.scenario.onnx_workload import sha256_of_model
from hil.scenario.orbit_scheme import scheme_word
from hil.scenario.overrides import Overrides
from hil.scenario.plant.flight import PlantConfig
from hil.scenario.problems import (
    Findings,
    did_you_mean,
    refuse_newer_schema,
    translate,
    written_path,
)
from hil.scenario.program_input import read_inputs
from hil.scenario.rig import RigConfig, default_names, spares_in
from hil.scenario.upsets import UpsetEventConfig, UpsetRateConfig
from hil.scenario.words import BOARD_ALIASES, BoardKind, SchemeName
from hil.scenario.yaml.document import Document
from hil.scenario.yaml.reader import parse_yaml, read_yaml

UNPLACED = "<scenario>"
"""The file in problems that were found after loading, before they have their place."""

__all__ = [
    "UNPLACED",
    "Loaded",
    "find_scenario",
    "load",
    "load_scenario",
    "parse_scenario",
    "placing",
]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A scenario, the file it comes from, notices about the effects of options, and the upsets that
    an option has removed.
    """

    scenario: Scenario
    file: Path
    notices: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


@contextmanager
def placing(file: Path) -> Iterator[None]:
    """Give the problems of the body that have no file their place in `file`: some are found only
    when the parts of a scenario are built.

    Raises:
        ConfigError: That of the body, with these places.
    """
    try:
        yield
    except ConfigError as error:
        raise _placed(error, file) from None


def _placed(error: ConfigError, file: Path) -> ConfigError:
    if all(problem.file != UNPLACED for problem in error.problems):
        return error
    try:
        document = read_yaml(file)
    except ConfigError:  # it is no scenario, but the file of an orbit alone
        return ConfigError(
            [
                replace(p, file=str(file), path="") if p.file == UNPLACED else p
                for p in error.problems
            ]
        )
    problems = []
    for problem in error.problems:
        if problem.file != UNPLACED:
            problems.append(problem)
            continue
        steps = problem.path.removeprefix("$.").split(".")
        path = tuple(int(step) if step.isdigit() else step for step in steps)
        at = written_path(path, document)
        problems.append(document.problem(at, problem.message, problem.remedy or ""))
    return ConfigError(problems)


def load_scenario(source: str | Path, overrides: Overrides | None = None) -> Scenario:
    """Load the scenario `source`: a path, or the bare name of a shipped one. Raises as `load`."""
    return load(source, overrides).scenario


def load(source: str | Path, overrides: Overrides | None = None) -> Loaded:
    """Load the scenario `source` and return it with its file and notices.

    Raises:
        UsageError: There is no such scenario, or overrides contradict each other.
        ConfigError: The file or the overrides are not valid; names everything that is wrong.
        SetupError: A bare name is given and no shipped scenarios are installed.
    """
    path = find_scenario(source)
    scenario, effects = _scenario_of(read_yaml(path), path.stem, overrides)
    scenario = _with_inputs(_with_source(_beside(scenario, path)), path)
    return Loaded(scenario, path, tuple(effects.notices), tuple(effects.left_out))


def _with_source(scenario: Scenario) -> Scenario:
    """Read the C file or model that is the workload of a scenario, if one is, and fill in its
    digest.

    Raises: ConfigError if it cannot be used."""
    model, config = scenario.onnx_workload, scenario.c_workload
    if model is not None:
        digest = sha256_of_model(Path(model.onnx), model.sha256)
        return scenario.model_copy(update={"workload": model.model_copy(update={"sha256": digest})})
    if config is None:
        return scenario
    source = read_c_source(Path(config.c), config.sha256)
    filled = config.model_copy(update={"sha256": source.sha256})
    return scenario.model_copy(update={"workload": filled})


def _with_inputs(scenario: Scenario, path: Path) -> Scenario:
    """Check the inputs that a scenario has for its program, and fill in the digest of their file.

    Raises: ConfigError, with file and line."""
    given = None if scenario.exec is None else scenario.exec.input
    if scenario.exec is None or given is None:
        return scenario
    inputs = read_inputs(given)
    few = inputs.mismatch(inputs.length, scenario.frame_count) if inputs.length else ""
    if few:
        remedy = "write `repeat: true`, or shorten the run"
        with placing(path):
            raise ConfigError([Problem(UNPLACED, 0, 0, "$.exec.input", few, remedy)])
    filled = given.model_copy(update={"sha256": inputs.sha256 or None})
    program = scenario.exec.model_copy(update={"input": filled})
    return scenario.model_copy(update={"exec": program})


def _beside(scenario: Scenario, path: Path) -> Scenario:
    """Resolve the files that a scenario names relative to its own folder, not the working
    directory.
    """

    def resolved(name: str) -> str:
        is_path = os.sep in name or name.endswith((".yaml", ".yml", ".csv", ".npz"))
        return str((path.parent / name).resolve()) if is_path else name

    rig = scenario.rig.model_copy(
        update={
            "profile": resolved(scenario.rig.profile),
            "nodes": tuple(
                node.model_copy(update={"profile": resolved(node.profile)})
                if node.profile is not None
                else node
                for node in scenario.rig.nodes
            ),
        }
    )
    update: dict[str, object] = {"rig": rig}
    if scenario.c_workload is not None:
        file = str((path.parent / scenario.c_workload.c).resolve())
        update["workload"] = scenario.c_workload.model_copy(update={"c": file})
    if scenario.onnx_workload is not None:
        model = scenario.onnx_workload
        named = (("onnx", model.onnx), ("inputs", model.inputs))
        beside = {k: str((path.parent / v).resolve()) for k, v in named if v is not None}
        update["workload"] = model.model_copy(update=beside)
    if scenario.exec is not None and scenario.exec.input is not None:
        given = scenario.exec.input
        files = {"hex": given.hex, "raw": given.raw}
        found = {k: str((path.parent / v).resolve()) for k, v in files.items() if v is not None}
        program = {"input": given.model_copy(update=found)}
        update["exec"] = scenario.exec.model_copy(update=program)
    if scenario.plant is not None:
        update["plant"] = _plant_beside(scenario.plant, path.parent)
    return scenario.model_copy(update=update)


def _plant_beside(plant: PlantConfig, folder: Path) -> PlantConfig:
    update: dict[str, object] = {}
    if plant.profile is not None:
        update["profile"] = str((folder / plant.profile).resolve())
    if plant.orbit is not None and plant.orbit.file is not None:
        file = str((folder / plant.orbit.file).resolve())
        update["orbit"] = plant.orbit.model_copy(update={"file": file})
    if plant.radiation.flux_file is not None:
        file = str((folder / plant.radiation.flux_file).resolve())
        update["radiation"] = plant.radiation.model_copy(update={"flux_file": file})
    return plant.model_copy(update=update) if update else plant


def parse_scenario(
    text: str, *, file: str = "<scenario>", overrides: Overrides | None = None
) -> Scenario:
    """Return the scenario in `text`; `file` names it in errors.

    Raises:
        ConfigError: The text or the overrides are not valid.
        UsageError: Overrides contradict each other.
    """
    document = parse_yaml(text.encode("utf-8", "surrogatepass"), file)
    return _scenario_of(document, Path(file).stem, overrides)[0]


def find_scenario(source: str | Path) -> Path:
    """Return the file of `source`: a path, or the bare name of a shipped scenario. STORY is what
    happened in a shipped story, STORY/NAME another scenario of it, both also behind `stories/`,
    unless there is a file of that name.

    Raises:
        UsageError: It is neither; names the nearest shipped scenario.
        SetupError: A bare name is given and no shipped scenarios are installed.
    """
    text = os.fspath(source)
    is_path = isinstance(source, Path) or os.sep in text or text.endswith((".yaml", ".yml"))
    if is_path:
        return _of_story(text) or Path(text)
    shipped_path = assets.scenario_path(text)
    if shipped_path is not None:
        return shipped_path
    try:
        if Path(text).is_file():
            return Path(text)
    except (OSError, ValueError):  # too long, or with a zero byte: not a file name
        pass
    of_story = assets.story_scenario_path(text)
    if of_story is not None:
        return of_story
    names = assets.list_scenarios()
    hint = did_you_mean(text, [*names, *assets.list_stories()])
    raise UsageError(
        f"there is no scenario `{text[:80]}`; shipped are {', '.join(names)}",
        remedy=(f"{hint} " if hint else "") + "A scenario of your own is named by its path",
    )


def _of_story(text: str) -> Path | None:
    """Return the file of a shipped story's scenario that `text` names; None if it is a path."""
    parts = text.split("/")
    if len(parts) > 3 or not all(map(_BARE.fullmatch, parts)) or Path(text).is_file():
        return None
    return assets.story_scenario_path(text)


_BARE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def _scenario_of(
    document: Document, stem: str, overrides: Overrides | None
) -> tuple[Scenario, override.SideEffects]:
    refuse_newer_schema(document, SCHEMA_VERSION, "scenario")
    effects = override.SideEffects()
    if overrides is not None:
        document, effects = override.apply(document, overrides)
    data = {"name": _name_of(stem), **document.data}
    problems = list(document.problems)
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError as error:
        problems += translate(error, Scenario, document)
        problems += _between_parts(document, {str(e["loc"][0]) for e in error.errors() if e["loc"]})
    if problems:
        ordered = sorted(problems, key=lambda p: (p.line == 0, p.line, p.column))
        raise ConfigError(dict.fromkeys(ordered))
    return scenario, effects


def _name_of(stem: str) -> str:
    """Return the name of a scenario without one: that of its file, with what is not allowed
    replaced.
    """
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:64] or "scenario"


# A scenario that is not valid is still searched for contradictions between its valid parts.

M = TypeVar("M", bound=BaseModel)


def _between_parts(document: Document, bad_keys: set[str]) -> list[Problem]:
    data = document.data
    findings = Findings()
    frame_count = frame_us = None
    frames, duration = data.get("frames"), data.get("duration")
    frame_ms = data.get("frame_ms", Scenario.model_fields["frame_ms"].default)
    length_is_valid = not bad_keys & {"frame_ms", "duration", "frames"}
    if length_is_valid and isinstance(frame_ms, (int, float)):
        findings = length_findings(
            frames if isinstance(frames, int) else None,
            duration if isinstance(duration, str) else None,
            frame_ms,
        )
        if not findings:
            part = {"workload": "infer", "frames": frames, "duration": duration}
            valid = Scenario.model_validate({**part, "frame_ms": frame_ms})
            frame_count, frame_us = valid.frame_count, valid.frame_us
    findings += upset_findings(
        frame_count,
        frame_us,
        _boards(document, "rig" in bad_keys),
        _valid(UpsetEventConfig, document.get(("upsets", "events")), _EVENT_PARTS),
        _valid(UpsetRateConfig, document.get(("upsets", "rates")), _RATE_PARTS),
    )
    return [
        document.problem(written_path(path, document), message, remedy)
        for path, message, remedy in findings
    ]


# What may be valid of an upset that is not, first choice first: keys to keep, values for others.
_EVENT_PARTS: tuple[tuple[tuple[str, ...], dict[str, object]], ...] = (
    (("frame", "node", "target"), {}),
    (("frame", "node"), {"target": "state"}),
    (("node",), {"frame": 0, "target": "state"}),
)
_RATE_PARTS: tuple[tuple[tuple[str, ...], dict[str, object]], ...] = (
    (("target", "targets", "nodes"), {"per_s": 1}),
    (("nodes",), {"target": "state", "per_s": 1}),
)


def _valid(
    model: type[M], items: object, parts: tuple[tuple[tuple[str, ...], dict[str, object]], ...]
) -> dict[int, M]:
    """Return those of `items` that are valid, at least in part, by their position."""
    result: dict[int, M] = {}
    for index, item in enumerate(items if isinstance(items, list) else ()):
        candidates = [item]
        if isinstance(item, dict):
            candidates += [
                {**{key: item[key] for key in keys if key in item}, **others}
                for keys, others in parts
            ]
        for candidate in candidates:
            try:
                result[index] = model.model_validate(candidate)
                break
            except ValidationError:
                continue
    return result


def _boards(document: Document, rig_is_bad: bool) -> dict[str, BoardKind | None] | None:
    """Return the kind of board of each node, None where it is not known; None if names are not
    known.
    """
    raw: Any = document.data.get("rig", {})
    if not rig_is_bad:
        return {node.name: node.board for node in RigConfig.model_validate(raw).nodes}
    if not isinstance(raw, dict):
        return None
    scheme = scheme_word(raw.get("scheme", SchemeName.TMR))
    nodes = raw.get(
        "nodes", None if scheme is None else default_names(scheme.size + spares_in(raw))
    )
    if not isinstance(nodes, list):
        return None
    boards: dict[str, BoardKind | None] = {}
    for node in nodes:
        entry = {"name": node} if isinstance(node, str) else node
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            return None
        word = entry.get("board", raw.get("board", BoardKind.PROCESS))
        known = BOARD_ALIASES.get(word) if isinstance(word, str) else None
        kinds = (kind for kind in BoardKind if kind == word)
        boards[entry["name"]] = known or next(kinds, None)
    return boards
