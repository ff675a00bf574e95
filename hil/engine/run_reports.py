"""The reports of a run: `manifest.json` and `junit.xml`, both made from one mapping.

The mapping is what `hil run --json` prints, with what identifies the run. Because both files come
from it, they cannot disagree with it or with each other. They are written when a run begins (it has
not ended, which is an error to whoever reads JUnit), and again when it ends, however it ends. Each
file is replaced as a whole: who reads it meanwhile sees the old one or the new one.

Knows nothing else of the project, so that it can report that the rest of it cannot be loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import sys
import tempfile
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from hil import __version__
from hil.errors import RecordError

__all__ = [
    "JUNIT",
    "MANIFEST",
    "RUNNING",
    "environment",
    "junit_digest",
    "junit_of",
    "may_be_replaced",
    "write_reports",
    "xml_text",
]

MANIFEST: Final = "manifest.json"
JUNIT: Final = "junit.xml"
RUNNING: Final = "running"
"""The outcome of a run that has not ended (yet)."""

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PROPERTIES: Final = (
    "outcome",
    "exit_code",
    "run_digest",
    "seed",
    "accel",
    "config_hash",
    "run_dir",
    "frames",
    "planned_frames",
    "held_frames",
    "campaign_mode",
)
_MISSING_REPORT: Final = "the run has not ended: it goes on, or its process was killed"


def xml_text(text: object) -> str:
    r"""Return `text` with every character that XML 1.0 cannot hold as an escape: `\x01`,
    `\udc80`."""
    return _NOT_XML.sub(_escape, str(text))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def write_reports(run_dir: Path, content: Mapping[str, Any]) -> None:
    """Write both files into `run_dir`, which exists. Raises RecordError if one cannot be written.

    `content`: `outcome`, `name` (of the scenario), `expectations`, `frames`, `planned_frames`,
    `wall_s` (real time), `started_utc`, `aborted_by`, `lost_boards` and `error`; a key that is
    missing or None is not known.
    """
    manifest = json.dumps(content, indent=2, allow_nan=False) + "\n"
    _replace(run_dir / MANIFEST, manifest.encode("ascii"))
    _replace(run_dir / JUNIT, junit_of(content))


def junit_of(content: Mapping[str, Any]) -> bytes:
    """Return the JUnit file of a report with `content`."""
    suite = _suite(content)
    ElementTree.indent(suite)
    return bytes(ElementTree.tostring(suite, "utf-8", xml_declaration=True)) + b"\n"


def junit_digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the JUnit file of a report with `content`."""
    return hashlib.sha256(junit_of(content)).hexdigest()


def environment() -> dict[str, Any]:
    """Return what every report has: versions, the computer, the command line and the time."""
    return {
        "hil_version": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "started_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": sys.argv[1:],
    }


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
            new.unlink()
            raise
    except OSError as error:
        raise RecordError(
            f"cannot write {path}: {error.strerror or error}",
            remedy="free disk space, or choose another place with --out",
        ) from error


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


# --- JUnit ----------------------------------------------------------------------------------------


def _suite(content: Mapping[str, Any]) -> ElementTree.Element:
    name = f"hil.{content.get('name') or 'run'}"
    when = _timestamp(content)
    suite = ElementTree.Element("testsuite", name=xml_text(name))
    properties = ElementTree.SubElement(suite, "properties")
    for key in _PROPERTIES:
        value = content.get(key)
        if value is not None and value != "":
            text = f"{value:g}" if isinstance(value, float) else xml_text(value)
            ElementTree.SubElement(properties, "property", name=key, value=text)

    def case(title: str, time_s: float = 0.0) -> ElementTree.Element:
        return ElementTree.SubElement(
            suite,
            "testcase",
            classname=xml_text(name),
            name=xml_text(title),
            time=f"{time_s:.3f}",
            timestamp=when,
        )

    ran = case("frames were run", float(content.get("wall_s") or 0.0))
    stopped = _why_stopped(content)
    if stopped is not None:
        _problem(ran, "error", *stopped)
    elif not content.get("frames"):
        _problem(ran, "failure", "nothing was tested: no frame was run", "NothingTested")
    for board in content.get("lost_boards") or ():
        lost = f"{board['reason']}; last heard of before frame {board['frame']}"
        text = f"the board of node {board['node']} was lost and is not back: {lost}"
        _problem(
            case(f"the board of node {board['node']} is there at the end"),
            "error",
            text,
            "BoardLost",
        )
    for e in content.get("expectations") or ():
        _expectation(case(_title(e)), e, judged=stopped is None)
    if content.get("expectations") == [] or content.get("outcome") == "untested":
        _skip(case("expectations"), "untested: the scenario says `expect: none`")
    for text in content.get("left_out") or ():
        _skip(case(f"upsets: {text}"), "not made: an option took them away")
    if content.get("not_covered"):
        out = ElementTree.SubElement(suite, "system-out")
        out.text = xml_text(f"no expectation covers: {'; '.join(content['not_covered'])}")
    _count(suite)
    suite.set("time", f"{float(content.get('wall_s') or 0.0):.3f}")
    suite.set("timestamp", when)
    return suite


def _count(suite: ElementTree.Element) -> None:
    suite.set("tests", str(len(suite.findall("testcase"))))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))


def _timestamp(content: Mapping[str, Any]) -> str:
    """Return the beginning of the run in UTC without a zone, as JUnit's schema requires."""
    return str(content.get("started_utc") or content.get("finished_utc") or "").partition("+")[0]


def _why_stopped(content: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return why the run did not reach its end, and the type of that; None if it did."""
    outcome = content.get("outcome")
    if outcome == RUNNING:
        return _MISSING_REPORT, "NotEnded"
    frames, planned = content.get("frames") or 0, content.get("planned_frames")
    done = int(frames) + int(content.get("skipped") or 0)
    extent = f"after {done:,} frames"
    if planned is not None:
        extent = f"after {done:,} of {planned:,} frames: {planned - done:,} are missing"
    if outcome == "aborted":
        return f"ended by {content.get('aborted_by') or 'the user'} {extent}", "Aborted"
    if outcome == "error" and not content.get("lost_boards"):
        text = str(content.get("error") or "the run failed")
        return (f"{text}\n{extent}" if frames else text), str(content.get("error_kind") or "Error")
    return None


def _title(e: Mapping[str, Any]) -> str:
    return f"{e['metric']} {e['wanted']}"


def _expectation(case: ElementTree.Element, e: Mapping[str, Any], *, judged: bool) -> None:
    measured = "not measured" if e["measured"] is None else f"measured {e['measured']:.12g}"
    default = " (a default expectation)" if e.get("default") else ""
    if not judged:
        _skip(case, f"not judged, the run did not end: {measured} so far, expected {e['wanted']}")
    elif not e["ok"]:
        text = f"{measured}, expected {e['wanted']}{default}"
        _problem(case, "failure", text, "ExpectationFailed")


def _problem(case: ElementTree.Element, tag: str, message: str, kind: str) -> None:
    text = xml_text(message)
    first = text.partition("\n")[0]
    ElementTree.SubElement(case, tag, message=first, type=xml_text(kind)).text = text


def _skip(case: ElementTree.Element, message: str) -> None:
    ElementTree.SubElement(case, "skipped", message=xml_text(message))
