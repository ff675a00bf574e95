"""The settings of a test: its scenario and its boards, from its markers and the command line."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import pytest

from hil.api import BOARD_CAPABILITIES, RunOptions
from hil.errors import UsageError

__all__ = [
    "Needs",
    "RigSettings",
    "beside",
    "check_capabilities",
    "check_options",
    "command_line_options",
    "needs_of",
    "settings_of",
]

_BOARDS: Final = "inproc"
_MARKER: Final = "hil_scenario"


@dataclass(frozen=True, slots=True)
class Needs:
    """The capabilities that all boards of a test must have, and the number of nodes that its rig
    must have, by `hil_needs`."""

    capabilities: tuple[str, ...] = ()
    nodes: int = 0


@dataclass(frozen=True, slots=True)
class RigSettings:
    """The scenario of a test, `options` of its run as of `hil.run`, and what its boards need."""

    scenario: str | Path | None
    options: RunOptions = field(default_factory=RunOptions)
    needs: Needs = Needs()

    def replaced(
        self, item: pytest.Item, scenario: str | Path | None, options: RunOptions
    ) -> RigSettings:
        """Return the settings with another scenario and other options, which come before those of
        the markers and after those of the command line."""
        given = self.options | options
        return RigSettings(
            self.scenario if scenario is None else beside(item, scenario),
            given | command_line_options(item.config, given),
            self.needs,
        )


def settings_of(item: pytest.Item) -> RigSettings:
    """Return the settings of a test. Options of the command line come before those of the marker
    that is closest to the test. Raises: pytest.UsageError for a marker that is not valid."""
    config, scenario = item.config, item.config.getini(_MARKER) or None
    options: RunOptions = {}
    for marker in reversed(list(item.iter_markers(_MARKER))):
        if len(marker.args) > 1:
            raise pytest.UsageError(f"{item.nodeid}: @hil_scenario takes one scenario")
        scenario = marker.args[0] if marker.args else scenario
        check_options(list(marker.kwargs), f"{item.nodeid}: @hil_scenario")
        options |= cast("RunOptions", marker.kwargs)
    options |= command_line_options(config, options)
    found = None if scenario is None else beside(item, scenario)
    return RigSettings(found, options, needs_of(item))


def beside(item: pytest.Item, scenario: str | Path) -> str | Path:
    """Return the file beside the test, or below the root folder, if it is there, else `scenario`:
    a name of a shipped one, or a path of the working directory."""
    for folder in (item.path.parent, item.config.rootpath):
        if (folder / scenario).is_file():
            return folder / scenario
    return scenario


def command_line_options(config: pytest.Config, given: RunOptions) -> RunOptions:
    """Return the options of a run by the command line. A bench replaces the boards that are
    `given`; without one they are software boards."""
    bench, boards = config.getoption("--hil-bench"), config.getoption("--hil-boards")
    options: RunOptions = {}
    if bench:
        options = {"bench": bench, "boards": boards}
    else:
        options = {"boards": boards or given.get("boards", _BOARDS)}
    seed = config.getoption("--hil-seed")
    return options if seed is None else {**options, "seed": seed}


def needs_of(item: pytest.Item) -> Needs:
    """Return what all markers `hil_needs` of a test ask for. Raises: UsageError for anything
    else."""
    words: list[str] = []
    nodes = 0
    for marker in item.iter_markers("hil_needs"):
        words += [word for word in marker.args if word not in words]
        wanted = marker.kwargs.get("nodes", 0)
        unknown = [name for name in marker.kwargs if name != "nodes"]
        if unknown or not isinstance(wanted, int) or wanted < 0:
            what = f"`{unknown[0]}`" if unknown else f"nodes={wanted!r}"
            raise UsageError(
                f"{item.nodeid}: @hil_needs: {what} is not valid",
                remedy='capabilities, and the number of nodes: hil_needs("power", nodes=5)',
            )
        nodes = max(nodes, wanted)
    return Needs(tuple(words), nodes)


def check_capabilities(words: Collection[str]) -> None:
    """Check the names of capabilities of boards. Raises: UsageError for one that there is not."""
    __tracebackhide__ = True
    if unknown := [word for word in words if word not in BOARD_CAPABILITIES]:
        raise UsageError(
            f"{unknown[0]!r} is not a capability of boards",
            remedy=f"one of {', '.join(sorted(BOARD_CAPABILITIES))}",
        )


def check_options(names: Collection[str], where: str) -> None:
    """Check the names of options of runs. Raises: UsageError for one that there is not."""
    __tracebackhide__ = True
    if unknown := [name for name in names if name not in RunOptions.__annotations__]:
        raise UsageError(
            f"{where}: there is no option {unknown[0]!r}",
            remedy=f"one of {', '.join(RunOptions.__annotations__)}",
        )
