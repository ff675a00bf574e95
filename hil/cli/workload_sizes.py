"""The sizes of a scenario's own C file, for commands that fly without boards."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

from typing import TYPE_CHECKING

from hil.cli.output import say
from hil.errors import SetupError

if TYPE_CHECKING:
    from hil.kernel import Workload
    from hil.scenario import Scenario

__all__ = ["workload_sizes"]


def workload_sizes(scenario: Scenario) -> Workload | None:
    """Return the workload of a scenario that is a C file, compiled for its sizes; None for another
    one, and where there is no compiler, which is said.

    Raises: ConfigError if it does not compile, or is not a workload."""
    if scenario.c_workload is None:
        return None
    from hil.rig.own_workload import sizes_of

    try:
        return sizes_of(scenario)
    except SetupError as error:
        say(f"note: {error.message}; its footprint in memory is not known")
        return None
