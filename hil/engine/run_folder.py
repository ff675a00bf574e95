"""The run folder: its name and its files, and its reports.

`runs/<UTC time>-<scenario>/` holds `run.db`, `manifest.json` and `junit.xml`, a console log of each
board that has printed something, and the golden run if boards have recorded it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from hil.engine.junit import JUNIT
from hil.engine.run_identity import RunIdentity, environment
from hil.engine.run_reports import MANIFEST, BegunRun, RunReport, may_be_replaced
from hil.errors import RecordError, UsageError
from hil.kernel import WIRE_VERSION
from hil.record.row_values import RecordedNode
from hil.record.run_result import RunResult
from hil.record.schema import SCHEMA_VERSION
from hil.scenario import Scenario

_FINAL_REPORTS_BYTES: Final = 96 << 10


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RecordError(
            f"cannot write {path}: {error.strerror or error}",
            remedy="free disk space, or choose another folder (--out, from Python out=)",
        ) from error


def capture_path(run_dir: Path) -> Path:
    """Return the path of the next capture: a resumed run keeps the captures before it."""
    names = ("capture.pcapng", *(f"capture-{n}.pcapng" for n in range(2, 1000)))
    return next(p for name in names if not (p := run_dir / name).exists())


@contextmanager
def reserve_for_final_reports(run_dir: Path) -> Iterator[None]:
    """Reserve some disk space until a run ends, so that a run that ends because the disk is full
    can still note that in its record and its reports. Raises: RecordError if there is too little.

    The space is that of a file without a name, which the system removes however the process
    ends."""
    with contextlib.ExitStack() as stack:
        with _writing(run_dir):
            file = stack.enter_context(tempfile.TemporaryFile(dir=run_dir, buffering=0))
            os.posix_fallocate(file.fileno(), 0, _FINAL_REPORTS_BYTES)
        yield


def create(scenario: Scenario, out: Path | None) -> Path:
    """Create a folder for a run, `out` or a new one below `runs/`, and return it.

    Raises:
        RecordError: it cannot be created.
        UsageError: `out` already holds a record, or the reports of a run that began.
    """
    if out is not None:
        must_be_free(out)
        if not may_be_replaced(out):
            raise UsageError(
                f"{out} already holds a {MANIFEST} or {JUNIT}, of a run whose record was removed, "
                "or of another program",
                remedy="choose a new folder (--out, from Python out=)",
            )
        with _writing(out):
            out.mkdir(parents=True, exist_ok=True)
        return out
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    with _writing(Path("runs")):
        for suffix in ("", *(f"-{n}" for n in range(2, 1000))):
            folder = Path("runs") / f"{stamp}-{scenario.name}{suffix}"
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            return folder
    raise RecordError(f"too many runs of {scenario.name} began in this second")


def must_be_free(folder: Path) -> None:
    """Check that `folder` holds no record. Raises: UsageError if it does."""
    if (folder / "run.db").exists():
        where = shlex.quote(str(folder))
        raise UsageError(
            f"{folder} already holds the record of a run",
            remedy="choose a new folder (--out, from Python out=); "
            f"`hil replay {where}` shows that run, and "
            f"`hil run --resume {where}` continues it if it is not complete",
        )


def identity(scenario: Scenario, command: Sequence[str] | None = None) -> RunIdentity:
    """Return what identifies a run of `scenario` that begins now; `command` as of
    `environment`."""
    return RunIdentity(environment(command), WIRE_VERSION, SCHEMA_VERSION, scenario)


def begun(scenario: Scenario, run_dir: Path, command: Sequence[str] | None = None) -> RunReport:
    """Return the report of a run that has not ended."""
    return RunReport(identity=identity(scenario, command), run=BegunRun(scenario, run_dir))


def ended(
    scenario: Scenario,
    result: RunResult,
    nodes: tuple[RecordedNode, ...],
    started_utc: str,
    command: Sequence[str] | None = None,
) -> RunReport:
    """Return the report of a run that has ended, whatever its outcome."""
    began = replace(environment(command), started_utc=started_utc)
    return RunReport(
        identity=replace(identity(scenario), environment=began),
        finished_utc=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        nodes=nodes,
        run=result,
    )
