"""The settings of a test: its scenario and its boards, from its markers and the command line."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import pytest

from hil.api import BOARD_CAPABILITIES, NODES_MAX, RunOptions, load_bench, load_for_run
from hil.errors import HilError, UsageError

__all__ = [
    "Needs",
    "RigSettings",
    "beside",
    "check_capabilities",
    "check_options",
    "checked_settings_of",
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

    def check(self) -> None:
        """Check that the scenario, if one is chosen, and the options can be loaded, unless the
        bench has too few boards for the test: it is then skipped. Raises: UsageError,
        ConfigError."""
        __tracebackhide__ = True
        try:
            if self.scenario is None or self.too_few_boards:
                return
            load_for_run(self.scenario, **self.options)
        except HilError as failure:
            raise failure.with_traceback(None) from None  # its message says where it is

    @property
    def too_few_boards(self) -> str:
        """Return why the bench has too few boards for what the test needs; empty if it has enough.
        Raises: ConfigError."""
        bench = self.options.get("bench")
        if bench is None or self.options.get("boards"):
            return ""
        there = sum(not board.absent for board in load_bench(bench).boards)
        if there >= self.needs.nodes:
            return ""
        return f"hil_needs: {self.needs.nodes} boards, {bench} has {there}"

    def replaced(
        self, item: pytest.Item, scenario: str | Path | None, options: RunOptions
    ) -> RigSettings:
        """Return the settings with another scenario and other options, which come before those of
        the markers and after those of the command line."""
        given = self.options | options
        return RigSettings(
            self.scenario if scenario is None else beside(item, scenario),
            given | _command_line_options(item.config, given),
            self.needs,
        )


def checked_settings_of(item: pytest.Item) -> RigSettings:
    """Return the settings of a test, as `settings_of`, once all of them are known to make sense.
    Raises: UsageError, ConfigError for what cannot be used."""
    settings = settings_of(item)
    settings.check()
    return settings


def settings_of(item: pytest.Item) -> RigSettings:
    """Return the settings of a test. Options of the command line come before those of the marker
    that is closest to the test. Raises: UsageError for a marker that is not valid."""
    scenario: str | Path | None = item.config.getini(_MARKER) or None
    options: RunOptions = {}
    for marker in reversed(list(item.iter_markers(_MARKER))):
        scenario = _named_by(item, marker) or scenario
        check_options(list(marker.kwargs), f"{item.nodeid}: @hil_scenario")
        options |= cast("RunOptions", marker.kwargs)
    options |= _command_line_options(item.config, options)
    found = None if scenario is None else beside(item, scenario)
    return RigSettings(found, options, _needs_of(item))


def _named_by(item: pytest.Item, marker: pytest.Mark) -> str | Path | None:
    """Return the scenario that a marker names; None if it has options alone. Raises: UsageError
    for anything else."""
    args = marker.args
    if len(args) > 1 or not (args or marker.kwargs):
        wrong = f"{len(args)} scenarios were given" if args else "nothing was given"
    elif args and (not isinstance(args[0], (str, Path)) or not str(args[0])):
        wrong = f"{args[0]!r} is not the name of a scenario"
    else:
        return args[0] if args else None
    raise UsageError(
        f"{item.nodeid}: @hil_scenario: {wrong}",
        remedy='one scenario, or options of hil.run, or both: hil_scenario("own.yaml", seed=3)',
    )


def beside(item: pytest.Item, scenario: str | Path) -> str | Path:
    """Return the file beside the test, or below the root folder, if it is there, else `scenario`:
    a name of a shipped one, or a path of the working directory."""
    for folder in (item.path.parent, item.config.rootpath):
        if (folder / scenario).is_file():
            return folder / scenario
    return scenario


def _command_line_options(config: pytest.Config, given: RunOptions) -> RunOptions:
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


def _needs_of(item: pytest.Item) -> Needs:
    """Return what all markers `hil_needs` of a test ask for. Raises: UsageError for anything
    else."""
    words: list[str] = []
    nodes = 0
    where = f"{item.nodeid}: @hil_needs"
    for marker in item.iter_markers("hil_needs"):
        if marker.args or not marker.kwargs:
            check_capabilities(marker.args, where)
        words += [word for word in marker.args if word not in words]
        wanted = marker.kwargs.get("nodes", 1)
        unknown = [name for name in marker.kwargs if name != "nodes"]
        if unknown or type(wanted) is not int or not 1 <= wanted <= NODES_MAX:
            what = f"`{unknown[0]}`" if unknown else f"nodes={wanted!r}"
            raise UsageError(
                f"{where}: {what} is not valid",
                remedy=f"capabilities, and the number of nodes, from 1 up to {NODES_MAX}: "
                'hil_needs("power", nodes=5)',
            )
        nodes = max(nodes, wanted)
    return Needs(tuple(words), nodes)


def check_capabilities(words: Collection[object], where: str) -> None:
    """Check the names of capabilities of boards. Raises: UsageError if there are none, or for one
    that there is not."""
    __tracebackhide__ = True
    unknown = [word for word in words if word not in BOARD_CAPABILITIES]
    if unknown or not words:
        what = f"{unknown[0]!r} is not a capability of boards" if words else "nothing was given"
        raise UsageError(
            f"{where}: {what}", remedy=f"one of {', '.join(sorted(BOARD_CAPABILITIES))}"
        )


def check_options(names: Collection[str], where: str) -> None:
    """Check the names of options of runs. Raises: UsageError for one that there is not."""
    __tracebackhide__ = True
    if unknown := [name for name in names if name not in RunOptions.__annotations__]:
        raise UsageError(
            f"{where}: there is no option {unknown[0]!r}",
            remedy=f"one of {', '.join(RunOptions.__annotations__)}",
        )
