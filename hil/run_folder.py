"""The run folder: its name, the manifest, and the JUnit report.

`runs/<UTC time>-<scenario>/` holds `run.db`, `manifest.json` and `junit.xml`.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from hil import __version__
from hil.errors import RecordError, UsageError
from hil.kernel import WIRE_VERSION
from hil.record.schema import SCHEMA_VERSION
from hil.result import RunResult
from hil.scenario import Scenario


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
    """Where the next capture goes: a run that is gone on with keeps the one before."""
    names = ("capture.pcapng", *(f"capture-{n}.pcapng" for n in range(2, 1000)))
    return next(p for name in names if not (p := run_dir / name).exists())


def create(scenario: Scenario, out: Path | None) -> Path:
    """A fresh folder for a run: `out`, or a new one below `runs/`.

    RecordError if it cannot be made, UsageError if `out` already holds a record.
    """
    if out is not None:
        must_be_free(out)
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
    """UsageError if `folder` already holds a record."""
    if (folder / "run.db").exists():
        raise UsageError(
            f"{folder} already holds the record of a run",
            remedy="choose a new folder with --out, or go on with that run with --resume",
        )


def scenario_json(scenario: Scenario) -> dict[str, Any]:
    """The effective scenario, as data."""
    data: dict[str, Any] = scenario.model_dump(mode="json", by_alias=True)
    return data


def config_hash(scenario: Scenario) -> str:
    """SHA-256 of the effective scenario."""
    text = json.dumps(scenario_json(scenario), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def identity(scenario: Scenario) -> dict[str, Any]:
    """What identifies a run before it began: versions, scenario, seed."""
    return {
        "hil_version": __version__,
        "wire_version": WIRE_VERSION,
        "record_version": SCHEMA_VERSION,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "started_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": sys.argv[1:],
        "scenario": scenario_json(scenario),
        "config_hash": config_hash(scenario),
        "seed": scenario.seed,
    }


def write_manifest(scenario: Scenario, result: RunResult, nodes: list[dict[str, Any]]) -> None:
    """`manifest.json`: everything that identifies and summarises the run. RecordError."""
    path = result.run_dir / "manifest.json"
    content = {
        **identity(scenario),
        "nodes": nodes,
        "finished_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **result.as_json(),
    }
    del content["started_utc"]
    with _writing(path):
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_junit(scenario: Scenario, result: RunResult) -> None:
    """`junit.xml`: one test case per expectation, and one that frames were run at all.
    RecordError."""
    failures = [e for e in result.expectations if not e.ok]
    suite = ElementTree.Element(
        "testsuite",
        name=f"hil.{scenario.name}",
        tests=str(len(result.expectations) + 1),
        failures=str(len(failures) + (result.frames == 0)),
        errors="0",
    )
    properties = ElementTree.SubElement(suite, "properties")
    for key, value in (
        ("run_digest", result.run_digest),
        ("seed", result.seed),
        ("accel", f"{result.accel:g}"),
        ("config_hash", config_hash(scenario)),
        ("run_dir", result.run_dir),
    ):
        ElementTree.SubElement(properties, "property", name=key, value=str(value))
    ran = ElementTree.SubElement(
        suite, "testcase", classname=f"hil.{scenario.name}", name="frames were run"
    )
    if result.frames == 0:
        ElementTree.SubElement(ran, "failure", message="nothing was tested")
    for e in result.expectations:
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"hil.{scenario.name}", name=f"{e.metric} {e.wanted}"
        )
        if not e.ok:
            measured = "not measured" if e.measured is None else f"measured {e.measured:g}"
            ElementTree.SubElement(case, "failure", message=measured)
    path = result.run_dir / "junit.xml"
    with _writing(path):
        ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
