"""Finds the files that ship with the package: scenarios, board profiles, the agent's sources, and
its own modules for processes that run one.

An installed package has them inside itself; a checkout has them beside the package."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from hil.errors import SetupError

__all__ = [
    "AS_FLOWN",
    "board_path",
    "boards_dir",
    "list_scenarios",
    "list_stories",
    "module_command",
    "scenario_path",
    "scenarios_dir",
    "sources_dir",
    "story_dir",
    "story_scenario_path",
]

AS_FLOWN: Final = ("as-flown", "as-designed", "build-b")
"""The names of the scenario of a story that shows what happened, or of a design how it works: a
story has one of them."""

_STORIES: Final = "stories/"
_PACKAGE = Path(__file__).resolve().parent
_RUN: Final = (
    "import runpy, sys; sys.path[:] = [*filter(None, sys.path), sys.argv.pop(1)]; "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this package from any folder. `python -m` finds a
    folder `hil` where the user stands before what is installed: in a clone, sources without the
    compiled kernel."""
    return [sys.executable, "-c", _RUN, str(_PACKAGE.parent), module, *arguments]


def _find(folder: str) -> Path:
    for candidate in (_PACKAGE / "data" / folder, _PACKAGE.parent / folder):
        if candidate.is_dir():
            return candidate
    raise SetupError(
        f"the shipped {folder} are missing from this installation",
        remedy="install the package again, or run from a complete checkout",
    )


def scenarios_dir() -> Path:
    """Return the folder of the shipped scenarios. Raises: SetupError if it was not installed."""
    return _find("scenarios")


def boards_dir() -> Path:
    """Return the folder of the shipped board profiles. Raises: SetupError if it was not
    installed."""
    return _find("boards")


def board_path(name: str) -> Path | None:
    """Return the file of the shipped board profile `name`; None if there is none. Raises:
    SetupError if no profiles were installed."""
    names = {path.stem for path in boards_dir().glob("*.yaml")}
    return boards_dir() / f"{name}.yaml" if name in names else None


def sources_dir() -> Path:
    """Return the folder of the agent's C sources. Raises: SetupError if it was not installed."""
    return _find("csrc")


def list_scenarios() -> tuple[str, ...]:
    """Return the bare names of all shipped scenarios, sorted. Raises: SetupError if none were
    installed."""
    return tuple(sorted(path.stem for path in scenarios_dir().glob("*.yaml")))


def scenario_path(name: str) -> Path | None:
    """Return the file of the shipped scenario `name`; None if there is none. Raises: SetupError if
    no scenarios were installed."""
    return scenarios_dir() / f"{name}.yaml" if name in list_scenarios() else None


def list_stories() -> tuple[str, ...]:
    """Return the names of all shipped stories, sorted: folders with scenarios, and the files that
    these name. Raises: SetupError if no scenarios were installed."""
    folders = (scenarios_dir() / "stories").glob("*/*.yaml")
    return tuple(sorted({path.parent.name for path in folders}))


def story_dir(name: str) -> Path | None:
    """Return the folder of the shipped story `name`, also written stories/NAME; None if there is
    none. Raises: SetupError if no scenarios were installed."""
    name = name.removeprefix(_STORIES)
    return scenarios_dir() / "stories" / name if name in list_stories() else None


def story_scenario_path(name: str) -> Path | None:
    """Return the file of a scenario of a shipped story, named as STORY/SCENARIO; STORY alone is its
    scenario of what happened. Either may have `stories/` in front. None if there is none. Raises:
    SetupError if no scenarios were installed."""
    story, _, scenario = name.removeprefix(_STORIES).partition("/")
    folder = story_dir(story)
    if folder is None:
        return None
    shipped = {path.stem for path in folder.glob("*.yaml")}
    wanted = [scenario] if scenario else AS_FLOWN
    return next((folder / f"{stem}.yaml" for stem in wanted if stem in shipped), None)
