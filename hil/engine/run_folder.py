"""The run folder: its name and its files, and the content of its reports.

`runs/<UTC time>-<scenario>/` holds `run.db`, `manifest.json` and `junit.xml`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from hil.engine.result import RunResult
from hil.engine.run_reports import JUNIT, MANIFEST, RUNNING, environment, may_be_replaced
from hil.errors import RecordError, UsageError
from hil.kernel import WIRE_VERSION
from hil.record.row_values import RecordedNode
from hil.record.schema import SCHEMA_VERSION
from hil.scenario import Scenario

_LAST_WORDS_BYTES: Final = 96 << 10


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RecordError(
            f"cannot write {path}: {error.strerror or error}",
            remedy="free disk space, or choose another place with --out",
        ) from error


def capture_path(run_dir: Path) -> Path:
    """Return the path of the next capture: a resumed run keeps the captures before it."""
    names = ("capture.pcapng", *(f"capture-{n}.pcapng" for n in range(2, 1000)))
    return next(p for name in names if not (p := run_dir / name).exists())


@contextmanager
def space_for_last_words(run_dir: Path) -> Iterator[None]:
    """Reserve some disk space until a run ends, so that a run that ends because the disk is full
    can still note that in its record and its reports. Raises: RecordError if there is too little.

    The space is that of a file without a name, which the system removes however the process
    ends."""
    with contextlib.ExitStack() as stack:
        with _writing(run_dir):
            file = stack.enter_context(tempfile.TemporaryFile(dir=run_dir, buffering=0))
            os.posix_fallocate(file.fileno(), 0, _LAST_WORDS_BYTES)
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
                remedy="choose a new folder with --out",
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
        raise UsageError(
            f"{folder} already holds the record of a run",
            remedy="choose a new folder with --out, or go on with that run with --resume",
        )


def scenario_json(scenario: Scenario) -> dict[str, Any]:
    """Return the effective scenario as plain data for JSON."""
    data: dict[str, Any] = scenario.model_dump(mode="json", by_alias=True)
    return data


def config_hash(scenario: Scenario) -> str:
    """Return the SHA-256 of the effective scenario."""
    text = json.dumps(scenario_json(scenario), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def identity(scenario: Scenario) -> dict[str, Any]:
    """Return what identifies a run before it begins: versions, scenario, seed."""
    return {
        **environment(),
        "wire_version": WIRE_VERSION,
        "record_version": SCHEMA_VERSION,
        "scenario": scenario_json(scenario),
        "config_hash": config_hash(scenario),
        "seed": scenario.seed,
    }


def beginning(scenario: Scenario, run_dir: Path) -> dict[str, Any]:
    """Return the content of the reports while a run goes on."""
    return {
        **identity(scenario),
        "name": scenario.name,
        "campaign_mode": scenario.campaign_mode,
        "outcome": RUNNING,
        "run_dir": str(run_dir),
        "planned_frames": scenario.frame_count,
        "accel": scenario.upsets.accel,
    }


def ended(
    scenario: Scenario, result: RunResult, nodes: Sequence[RecordedNode], started_utc: str
) -> dict[str, Any]:
    """Return the content of the reports of a run that has ended, whatever its outcome."""
    return {
        **identity(scenario),
        "started_utc": started_utc,
        "finished_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "nodes": [node.as_json() for node in nodes],
        **result.as_json(),
        "wall_s": result.wall_s,
    }
