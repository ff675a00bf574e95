"""The golden run against which a record is verified, and what is known of a program's inputs."""

from __future__ import annotations

from hil.errors import ConfigError
from hil.kernel import Golden
from hil.scenario import Scenario
from hil.scenario.program import ExecConfig
from hil.scenario.program_input import read_inputs
from hil.verification.findings import Verification

__all__ = ["golden_of"]


def _inputs(out: Verification, program: ExecConfig) -> None:
    """Compare the file with a program's inputs, if there is one, with its recorded digest."""
    given = program.input
    if given is None or given.file is None:
        return
    if given.sha256 is None:
        out.not_covered.append(f"the digest of the inputs in {given.file} was not recorded")
        return
    try:
        read_inputs(given)
    except ConfigError as error:
        out.not_covered.append(
            f"the inputs of the run, of SHA-256 {given.sha256}, are not there any more: "
            f"{error.problems[0]}"
        )
    else:
        out.covered.append(f"the inputs in {given.file} have the recorded SHA-256")


def golden_of(out: Verification, scenario: Scenario) -> Golden | None:
    """Return the golden run, to be computed again from its seed; None for a program."""
    if scenario.exec is not None:
        _inputs(out, scenario.exec)
        out.not_covered.append(
            f"the golden run of the program `{scenario.exec.program}` was not computed again: it "
            "is not part of hil; what was recorded as correct was taken as correct"
        )
        return None
    out.covered.append("the golden run was computed again from workload and seed")
    return Golden(scenario.workload, scenario.seed)
