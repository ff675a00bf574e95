"""`junit.xml`: what a run says of itself, for programs that read the results of tests."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

from hil.record.result_json import Fields, expectations_of, lost_boards_of
from hil.record.run_result import LostBoard
from hil.run_outcome import RunOutcome

if TYPE_CHECKING:
    from hil.json_values import JsonObject
    from hil.scenario import ExpectationResult

__all__ = ["JUNIT", "JUnitRun", "junit_digest", "junit_of", "junit_run", "xml_text"]

JUNIT: Final = "junit.xml"

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MISSING_REPORT: Final = "the run has not ended: it is still running, or its process was killed"


@dataclass(frozen=True, slots=True, kw_only=True)
class JUnitRun:
    """The facts of a run that JUnit reports. None, or an empty text or 0 where the type has no
    None, means that a fact is not known. `expectations` is empty if the scenario expects nothing.
    `frames` are without, `planned_frames` with the skipped ones; `wall_s` is real time [s]."""

    outcome: str | None
    exit_code: int | None
    name: str
    run_digest: str | None
    seed: int | None
    accel: float | None
    config_hash: str | None
    run_dir: str | None
    frames: int | None
    planned_frames: int | None
    held_frames: int | None
    campaign_mode: str | None
    skipped: int
    wall_s: float
    started_utc: str
    finished_utc: str
    aborted_by: str
    error: str
    error_kind: str
    lost: tuple[LostBoard, ...]
    expectations: tuple[ExpectationResult, ...] | None
    left_out: tuple[str, ...]
    not_covered: tuple[str, ...]

    @property
    def properties(self) -> tuple[tuple[str, str | float | None], ...]:
        """Return the names and values of the properties of the suite, in their order."""
        return (
            ("outcome", self.outcome),
            ("exit_code", self.exit_code),
            ("run_digest", self.run_digest),
            ("seed", self.seed),
            ("accel", self.accel),
            ("config_hash", self.config_hash),
            ("run_dir", self.run_dir),
            ("frames", self.frames),
            ("planned_frames", self.planned_frames),
            ("held_frames", self.held_frames),
            ("campaign_mode", self.campaign_mode),
        )


def junit_run(content: JsonObject) -> JUnitRun:
    """Return what JUnit says of a run with this manifest: both files come from one document, so
    that they cannot disagree. Raises: RecordError if it makes no sense."""
    fields = Fields(content, "the report of the run")
    return JUnitRun(
        outcome=fields.text_or_none("outcome"),
        exit_code=fields.integer_or_none("exit_code"),
        name=fields.text("name", ""),
        run_digest=fields.text_or_none("run_digest"),
        seed=fields.integer_or_none("seed"),
        accel=fields.number_or_none("accel"),
        config_hash=fields.text_or_none("config_hash"),
        run_dir=fields.text_or_none("run_dir"),
        frames=fields.integer_or_none("frames"),
        planned_frames=fields.integer_or_none("planned_frames"),
        held_frames=fields.integer_or_none("held_frames"),
        campaign_mode=fields.text_or_none("campaign_mode"),
        skipped=fields.integer("skipped", 0),
        wall_s=fields.number("wall_s", 0.0),
        started_utc=fields.text("started_utc", ""),
        finished_utc=fields.text("finished_utc", ""),
        aborted_by=fields.text("aborted_by", ""),
        error=fields.text("error", ""),
        error_kind=fields.text("error_kind", ""),
        lost=lost_boards_of(fields),
        expectations=expectations_of(fields),
        left_out=fields.texts("left_out"),
        not_covered=fields.texts("not_covered"),
    )


def xml_text(text: object) -> str:
    r"""Return `text` with every character that XML 1.0 cannot hold as an escape: `\x01`,
    `\udc80`."""
    return _NOT_XML.sub(_escape, str(text))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def junit_of(run: JUnitRun) -> bytes:
    """Return the JUnit file of a run."""
    suite = _suite(run)
    ElementTree.indent(suite)
    return bytes(ElementTree.tostring(suite, "utf-8", xml_declaration=True)) + b"\n"


def junit_digest(run: JUnitRun) -> str:
    """Return the SHA-256 of the JUnit file of a run."""
    return hashlib.sha256(junit_of(run)).hexdigest()


def _suite(run: JUnitRun) -> ElementTree.Element:
    name = f"hil.{run.name or 'run'}"
    suite = ElementTree.Element("testsuite", name=xml_text(name))
    properties = ElementTree.SubElement(suite, "properties")
    for key, value in run.properties:
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
        )

    ran = case("frames were run", run.wall_s)
    stopped = _why_stopped(run)
    if stopped is not None:
        _problem(ran, "error", *stopped)
    elif not run.frames:
        _problem(ran, "failure", "nothing was tested: no frame was run", "NothingTested")
    for board in run.lost:
        lost = f"{board.reason}; last heard of before frame {board.frame}"
        text = f"the board of node {board.node} was lost and is not back: {lost}"
        _problem(
            case(f"the board of node {board.node} is there at the end"), "error", text, "BoardLost"
        )
    for e in run.expectations or ():
        _expectation(case(f"{e.metric} {e.wanted}"), e, judged=stopped is None)
    if run.expectations == () or run.outcome == RunOutcome.UNTESTED:
        _skip(case("expectations"), "untested: the scenario says `expect: none`")
    for text in run.left_out:
        _skip(case(f"upsets: {text}"), "not made: an option took them away")
    if run.not_covered:
        out = ElementTree.SubElement(suite, "system-out")
        out.text = xml_text(f"no expectation covers: {'; '.join(run.not_covered)}")
    _count(suite)
    suite.set("time", f"{run.wall_s:.3f}")
    suite.set("timestamp", _timestamp(run))
    return suite


def _count(suite: ElementTree.Element) -> None:
    suite.set("tests", str(len(suite.findall("testcase"))))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))


def _timestamp(run: JUnitRun) -> str:
    """Return the beginning of the run in UTC without a zone, as JUnit's schema requires."""
    return (run.started_utc or run.finished_utc).partition("+")[0]


def _why_stopped(run: JUnitRun) -> tuple[str, str] | None:
    """Return why the run did not reach its end, and the type of that; None if it did."""
    if run.outcome == RunOutcome.RUNNING:
        return _MISSING_REPORT, "NotEnded"
    planned = run.planned_frames
    done = (run.frames or 0) + run.skipped
    extent = f"after {done:,} frames"
    if planned is not None:
        extent = f"after {done:,} of {planned:,} frames: {planned - done:,} are missing"
    if run.outcome == RunOutcome.ABORTED:
        return f"ended by {run.aborted_by or 'the user'} {extent}", "Aborted"
    if run.outcome == RunOutcome.ERROR and not run.lost:
        text = run.error or "the run failed"
        return (f"{text}\n{extent}" if run.frames else text), run.error_kind or "Error"
    return None


def _expectation(case: ElementTree.Element, e: ExpectationResult, *, judged: bool) -> None:
    measured = "not measured" if e.measured is None else f"measured {e.measured:.12g}"
    default = " (a default expectation)" if e.default else ""
    if not judged:
        _skip(case, f"not judged, the run did not end: {measured} so far, expected {e.wanted}")
    elif not e.ok:
        text = f"{measured}, expected {e.wanted}{default}"
        _problem(case, "failure", text, "ExpectationFailed")


def _problem(case: ElementTree.Element, tag: str, message: str, kind: str) -> None:
    text = xml_text(message)
    first = text.partition("\n")[0]
    ElementTree.SubElement(case, tag, message=first, type=xml_text(kind)).text = text


def _skip(case: ElementTree.Element, message: str) -> None:
    ElementTree.SubElement(case, "skipped", message=xml_text(message))
