"""The sizes of a scenario's own C file, program or model, for commands that fly without boards."""

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
    """Return the workload of a scenario that is a C file, compiled for its sizes, or a program or
    model, which is asked for them; None for another one, and where there is no compiler or it does
    not start, which is said.

    Raises: ConfigError if the C file does not compile, or is not a workload."""
    if scenario.c_workload is None and scenario.exec is None:
        return None
    from hil.rig.own_workload import sizes_of
    from hil.rig.program_sizes import sizes_of_program

    try:
        if scenario.exec is not None:
            return sizes_of_program(scenario)
        return sizes_of(scenario)
    except SetupError as error:
        say(f"note: {error.message}; its footprint in memory is not known")
        return None
