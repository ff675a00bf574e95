"""Preparation of a new run: its scenario is read and checked, its plant built, its folder made."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hil.board_types.catalogue import check_board_profiles
from hil.engine import run_folder
from hil.engine.run_command import command_of, scenario_file
from hil.errors import UsageError
from hil.record.run_lock import refuse_if_running
from hil.rig.onnx_program import check_onnx
from hil.rig.own_workload import own_workload
from hil.scenario import Loaded, Overrides, Scenario, load
from hil.scenario.load import placing
from hil.upsets.limits import check_upsets

if TYPE_CHECKING:
    from hil.plant.build import BuiltPlant

__all__ = ["NewRun", "prepare_new_run"]


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run before it begins. `file` is its scenario's, `plant` was built to check it and is used
    by the run; `left_out` are upsets of the file that an override has removed. `made`: the user did
    not name its folder; `files` were written into it. `command`: the arguments of the command line
    that repeats the run. `notices` and `warnings` are for the user."""

    scenario: Scenario
    run_dir: Path
    file: Path | None
    plant: BuiltPlant | None
    left_out: tuple[str, ...]
    made: bool
    files: tuple[Path, ...]
    command: tuple[str, ...]
    notices: tuple[str, ...]
    warnings: tuple[str, ...]


def prepare_new_run(
    source: str | Path | Scenario,
    overrides: Overrides,
    out: Path | None,
    on_loaded: Callable[[Scenario], None] = lambda _: None,
) -> NewRun:
    """Prepare a new run of a scenario, and create its folder: `out`, or a new one below `runs/`.
    `source` is a file, the name of a shipped scenario, or a parsed one, which takes no overrides.
    `on_loaded` gets the scenario as soon as it is known to be one that can fly.

    Raises: UsageError, ConfigError, SetupError if the scenario or the folder cannot be used."""
    loaded = _parsed(source, overrides) if isinstance(source, Scenario) else load(source, overrides)
    scenario, file = loaded.scenario, None if isinstance(source, Scenario) else loaded.file
    own = own_workload(scenario)
    workload = None if own is None else own.workload
    plant = None
    with nullcontext() if file is None else placing(file):
        warnings = check_onnx(scenario)
        check_upsets(scenario, workload)
        if scenario.plant is None:
            check_board_profiles(scenario)
        else:
            from hil.plant.build import build_plant  # noqa: PLC0415  (few have one; it is heavy)

            plant = build_plant(scenario, workload)
    on_loaded(scenario)
    if out is not None:
        refuse_if_running(out)
    run_dir = run_folder.create(scenario, out)
    files: tuple[Path, ...] = ()
    if isinstance(source, Scenario):
        files = (scenario_file(scenario, run_dir),)
        command = command_of(files[0], overrides)
    else:
        command = command_of(source, overrides)
    return NewRun(
        scenario,
        run_dir,
        file,
        plant,
        loaded.left_out,
        out is None,
        files,
        command,
        loaded.notices,
        (*warnings, *(() if own is None else own.warnings)),
    )


def _parsed(scenario: Scenario, overrides: Overrides) -> Loaded:
    if overrides != Overrides():
        raise UsageError(
            "a parsed scenario takes no options: they are part of it",
            remedy="parse_scenario(text, overrides=...), or name the file",
        )
    return Loaded(scenario, Path(scenario.name))
