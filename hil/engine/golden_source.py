"""The golden run of a run of a program: that of this computer, or one that the boards record before
the run, in `golden.bin` of the run folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from hil.clock import Clock
from hil.errors import RecordError, SetupError
from hil.rig.board_kinds import build_nodes
from hil.rig.calls import Timing
from hil.rig.golden_recording import record_run
from hil.rig.onnx_program import model_programs
from hil.rig.own_workload import own_workload
from hil.rig.program_options import ProgramOptions
from hil.rig.recorded_run import GoldenResults, recorded_run_of, sha256_of
from hil.rig.rig import Rig
from hil.scenario import Scenario
from hil.scenario.program import GoldenSource
from hil.scenario.program_input import read_inputs

__all__ = ["GOLDEN_FILE", "options_of", "read_golden_file"]

GOLDEN_FILE: Final = "golden.bin"

Report = Callable[[int], None]


def options_of(
    scenario: Scenario,
    run_dir: Path,
    clock: Clock,
    report: Report,
    *,
    resumes: bool,
    wait_us: int = 0,
) -> tuple[ProgramOptions, Scenario]:
    """Return what the program or C file of a scenario is given, if it has one, and the scenario.
    A golden run that is to be recorded is computed on the boards now, and kept in `run_dir`, and
    its digest is filled in; a run that `resumes` takes the one that is there. Boards are waited for
    as long as `wait_us` at the start [us]; `report` gets the number of frames that are
    recorded.

    Raises: ConfigError for inputs that cannot be used; SetupError, LinkTimeout and NodeError from
    the recording; RecordError if the file cannot be written or read, or is another one."""
    program = scenario.exec
    if program is None:
        reduced = scenario.rig.checkers
        if reduced is not None and scenario.rig.scheme.has_checkers:
            return ProgramOptions(reduced=reduced.workload), scenario
        return ProgramOptions(own=own_workload(scenario)), scenario
    options = ProgramOptions(
        init_us=round(program.init_s * 1e6),
        inputs=None if program.input is None else read_inputs(program.input),
        frames=scenario.frame_count,
        command=model_programs(scenario).get(program.program),
    )
    if program.golden is GoldenSource.HOST:
        return options, scenario
    if resumes:
        recorded = read_golden_file(run_dir, program.golden_sha256)
        return replace(options, recorded=recorded), scenario
    recorded, digest = _record(scenario, options, run_dir, clock, report, wait_us)
    filled = program.model_copy(update={"golden_sha256": digest})
    return replace(options, recorded=recorded), scenario.model_copy(update={"exec": filled})


def read_golden_file(run_dir: Path, sha256: str | None) -> GoldenResults:
    """Return the golden run that was recorded for a run, whose file has this digest. Raises:
    RecordError."""
    path = run_dir / GOLDEN_FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror or error}") from error
    found = sha256_of(content)
    if found != sha256:
        raise RecordError(f"{path} has changed: its SHA-256 is {found}, that of the run {sha256}")
    return recorded_run_of(content, str(path))


def _record(
    scenario: Scenario,
    options: ProgramOptions,
    run_dir: Path,
    clock: Clock,
    report: Report,
    wait_us: int,
) -> tuple[GoldenResults, str]:
    """Return the golden run that the boards compute, and the digest of its file."""
    timeouts = scenario.timeouts
    timing = Timing(int(timeouts.retry_ms * 1000), int(timeouts.lost_after_ms * 1000))
    nodes = tuple(build_nodes(scenario, clock))
    rig = Rig(nodes, scenario.workload_name, scenario.seed, timing, clock)
    rig.setup.program = options
    frames = max(scenario.frame_count, timeouts.calibration_frames)
    try:
        report(0)
        rig.open(wait_us=wait_us)
        recorded = record_run(rig, frames, report)
    finally:
        rig.close()
    content, path = recorded.as_file(), run_dir / GOLDEN_FILE
    digest = sha256_of(content)
    wanted = None if scenario.exec is None else scenario.exec.golden_sha256
    if wanted not in (None, digest):
        raise SetupError(
            f"the golden run that the boards computed has SHA-256 {digest}, not {wanted}",
            remedy="remove `golden_sha256:` if program, inputs, seed or boards are others now",
        )
    try:
        path.write_bytes(content)
    except OSError as error:
        raise RecordError(
            f"cannot write {path}: {error.strerror or error}",
            remedy="free disk space, or choose another folder (--out, from Python out=)",
        ) from error
    return recorded, digest
