"""The reports of a run: `manifest.json` and `junit.xml`, both made from one value.

The manifest is what `hil run --json` prints, with what identifies the run; JUnit is made from the
manifest. So they cannot disagree with it or with each other. They are written when a run begins (it
has not ended, which is an error to whoever reads JUnit), and again when it ends, however it ends.
Each file is replaced as a whole: a program that reads it meanwhile gets the old one or the new one.

Loads little else of the project, so that it can report that the rest of it cannot be loaded."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.engine.junit import JUNIT, junit_of, junit_run
from hil.errors import ConfigError, HilError, Problem, RecordError
from hil.exit_codes import Exit
from hil.record.run_result import RUN_KEYS, RunResult
from hil.run_outcome import RunOutcome

if TYPE_CHECKING:
    from hil.engine.run_identity import Environment, RunIdentity
    from hil.json_values import JsonObject, JsonValue
    from hil.record.row_values import RecordedNode
    from hil.scenario import Scenario

__all__ = [
    "MANIFEST",
    "BegunRun",
    "FailedRun",
    "Failure",
    "RunReport",
    "failure_of",
    "may_be_replaced",
    "write_reports",
]

MANIFEST: Final = "manifest.json"


@dataclass(frozen=True, slots=True)
class BegunRun:
    """The facts of a run that has begun and not ended."""

    scenario: Scenario
    run_dir: Path

    def as_json(self) -> JsonObject:
        """Return what a report says of it."""
        return {
            "name": self.scenario.name,
            "campaign_mode": self.scenario.campaign_mode,
            "outcome": RunOutcome.RUNNING,
            "run_dir": str(self.run_dir),
            "planned_frames": self.scenario.frame_count,
            "accel": self.scenario.upsets.accel,
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """The failure of a command, or who ended it. `error` is the whole message, `message` its first
    part and `remedy` what to try; `problems` are those of a file with errors, None of anything
    else."""

    outcome: str
    exit_code: int
    error: str
    error_kind: str
    message: str
    remedy: str | None
    aborted_by: str
    problems: tuple[Problem, ...] | None = None

    def as_json(self) -> JsonObject:
        """Return what the answer with --json says."""
        content: JsonObject = {
            "outcome": self.outcome,
            "exit_code": self.exit_code,
            "error": self.error,
            "error_kind": self.error_kind,
            "message": self.message,
            "remedy": self.remedy,
            "aborted_by": self.aborted_by,
        }
        if self.problems is None:
            return content
        return {**content, "problems": [_problem_json(problem) for problem in self.problems]}


def _problem_json(problem: Problem) -> JsonObject:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
        "message": problem.message,
        "remedy": problem.remedy,
    }


def failure_of(error: BaseException | None, text: str, code: Exit) -> Failure:
    """Return the failure of what ended with this exception, None if the user ended it; `text` is
    the whole message."""
    interrupted = code is Exit.INTERRUPTED
    return Failure(
        outcome=RunOutcome.ABORTED if interrupted else RunOutcome.ERROR,
        exit_code=int(code),
        error=text,
        error_kind="Interrupted" if error is None else type(error).__name__,
        message=error.message if isinstance(error, HilError) else text,
        remedy=error.remedy if isinstance(error, HilError) else None,
        aborted_by="the user" if interrupted else "",
        problems=tuple(error.problems) if isinstance(error, ConfigError) else None,
    )


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A run that failed, or that the user ended, before it had a result. `scenario` is what should
    run and `run_dir` its folder, if they are known; `frames` how many it has computed, None if only
    its record knows; `recorded` what that says, None if there is none."""

    failure: Failure
    scenario: Scenario | None
    run_dir: Path | None
    frames: int | None
    recorded: RunResult | None

    def as_json(self) -> JsonObject:
        """Return all keys of `RUN_KEYS`, and those of the failure."""
        content: dict[str, JsonValue] = dict.fromkeys(RUN_KEYS)
        if self.scenario is not None:
            content["name"] = self.scenario.name
            content["seed"] = self.scenario.seed
            content["accel"] = self.scenario.upsets.accel
            content["planned_frames"] = self.scenario.frame_count
            content["frames"] = self.frames
            content["run_dir"] = None if self.run_dir is None else str(self.run_dir)
        if self.recorded is not None:
            recorded = {**self.recorded.as_json(), "wall_s": self.recorded.wall_s}
            content |= {key: value for key, value in recorded.items() if key in content}
        return {**content, **self.failure.as_json()}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """The content of the reports of a run. `identity` is the environment alone if it is not known
    what should run; `nodes` is None while they are not known; `record_digest` is None if there is
    none. `never_began`: there is no record, so the reports may be replaced."""

    identity: RunIdentity | Environment
    run: BegunRun | RunResult | FailedRun
    finished_utc: str = ""
    nodes: tuple[RecordedNode, ...] | None = None
    never_began: bool = False
    record_digest: str | None = None

    def as_json(self) -> JsonObject:
        """Return the content of the manifest."""
        content: dict[str, JsonValue] = {**self.identity.as_json()}
        if self.finished_utc:
            content["finished_utc"] = self.finished_utc
        if self.nodes is not None:
            content["nodes"] = [node.as_json() for node in self.nodes]
        content |= self.run.as_json()
        if isinstance(self.run, RunResult):
            content["wall_s"] = self.run.wall_s
        if self.never_began:
            content["never_began"] = True
        if self.record_digest is not None:
            content["record_digest"] = self.record_digest
        return content


def write_reports(run_dir: Path, report: RunReport) -> None:
    """Write both files into `run_dir`, which exists. Raises: RecordError if that fails."""
    content = report.as_json()
    manifest = json.dumps(content, indent=2, allow_nan=False) + "\n"
    _replace(run_dir / MANIFEST, manifest.encode("ascii"))
    _replace(run_dir / JUNIT, junit_of(junit_run(content)))


def may_be_replaced(run_dir: Path) -> bool:
    """Return whether the reports in `run_dir` may be overwritten: there are none, or those of a run
    that never began. The reports of a run with a record may not."""
    if os.path.lexists(run_dir / "run.db"):
        return False
    if not any(os.path.lexists(run_dir / name) for name in (MANIFEST, JUNIT)):
        return True
    try:
        content = json.loads((run_dir / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and bool(content.get("never_began"))


def _replace(path: Path, data: bytes) -> None:
    """Write `path` atomically: it is never seen half written."""
    try:
        number, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        new = Path(name)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(data)
            new.chmod(0o666 & ~_umask())
            new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)  # Ctrl-C may come when it has replaced the file
            raise
    except OSError as error:
        raise RecordError(
            f"cannot write {path}: {error.strerror or error}",
            remedy="free disk space, or choose another folder (--out, from Python out=)",
        ) from error


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
