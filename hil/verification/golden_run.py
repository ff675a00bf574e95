"""The golden run against which a record is verified, and what is known of a program's inputs."""

from __future__ import annotations

from pathlib import Path

from hil.engine.golden_source import GOLDEN_FILE, read_golden_file
from hil.errors import ConfigError, RecordError, SetupError
from hil.kernel import Golden
from hil.rig.checked_golden import CheckedGolden
from hil.rig.own_workload import own_workload
from hil.rig.program import RecordedGolden
from hil.rig.program_options import ProgramOptions
from hil.scenario import Scenario
from hil.scenario.c_workload import CWorkloadConfig
from hil.scenario.program import ExecConfig, GoldenSource
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


def _recorded_golden(out: Verification, scenario: Scenario, run_dir: Path) -> Golden | None:
    """Return the golden run that the boards had computed before the run; None, with a difference,
    if its file is not the one that the record names."""
    assert scenario.exec is not None
    try:
        run = read_golden_file(run_dir, scenario.exec.golden_sha256)
    except RecordError as error:
        out.differs(None, "golden run", f"SHA-256 {scenario.exec.golden_sha256}", error.message)
        return None
    out.covered.append(
        f"{GOLDEN_FILE}, the golden run that the boards computed before the run, has the recorded "
        "SHA-256, and all verdicts are right by it"
    )
    out.not_covered.append("whether the boards were free of faults when they computed it")
    return RecordedGolden(run, ProgramOptions())


def _golden_of_c_file(
    out: Verification, scenario: Scenario, config: CWorkloadConfig
) -> Golden | None:
    """Return the golden run of a C file; None if it is not there any more, or cannot be compiled
    here."""
    try:
        own = own_workload(scenario)
    except (ConfigError, SetupError) as error:
        why = error.problems[0] if isinstance(error, ConfigError) else error.message
        out.not_covered.append(
            f"the golden run of the workload `{config.name}`, of SHA-256 {config.sha256}, was not "
            f"computed again: {why}"
        )
        return None
    assert own is not None
    out.covered.append(
        f"the golden run was computed again from {config.c}, which has the recorded SHA-256, and "
        "the seed"
    )
    return own.golden_run(scenario.seed)


def golden_of(out: Verification, scenario: Scenario, run_dir: Path) -> Golden | None:
    """Return the golden run, to be computed again from its seed, or as it was recorded; None for
    another program."""
    if scenario.exec is not None:
        _inputs(out, scenario.exec)
        if scenario.exec.golden is GoldenSource.RECORDED:
            return _recorded_golden(out, scenario, run_dir)
        out.not_covered.append(
            f"the golden run of the program `{scenario.exec.program}` was not computed again: it "
            "is not part of hil; what was recorded as correct was taken as correct"
        )
        return None
    if scenario.c_workload is not None:
        return _golden_of_c_file(out, scenario, scenario.c_workload)
    checkers = scenario.rig.checkers
    if checkers is not None and scenario.rig.scheme.has_checkers:
        out.covered.append(
            "the golden runs of the doer and of its checkers were computed again from their "
            "workloads and the seed"
        )
        return CheckedGolden(scenario.workload_name, checkers.workload, scenario.seed)
    out.covered.append("the golden run was computed again from workload and seed")
    return Golden(scenario.workload_name, scenario.seed)
