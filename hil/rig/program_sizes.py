"""The sizes of a program that is the workload, asked of it on this computer without any board."""

from __future__ import annotations

from hil.kernel import Workload
from hil.rig.onnx_program import model_programs
from hil.rig.program import allowed_programs, golden_run
from hil.rig.program_options import ProgramOptions
from hil.scenario import Scenario

__all__ = ["sizes_of_program"]


def sizes_of_program(scenario: Scenario) -> Workload | None:
    """Start the program that is the workload of a scenario, and return its sizes and regions; None
    if the workload is none, or this computer does not have it.

    Raises: SetupError if it does not start; ConfigError if its model cannot be used."""
    if scenario.exec is None:
        return None
    name = scenario.exec.program
    command = model_programs(scenario).get(name) or allowed_programs().get(name)
    if command is None:
        return None
    options = ProgramOptions(init_us=round(scenario.exec.init_s * 1e6), command=command)
    return golden_run(scenario.workload_name, scenario.seed, options).workload
