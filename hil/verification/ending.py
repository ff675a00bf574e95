"""The end of a run, verified: its result, its expectations, its reports, and the record digest.

What can be computed again is computed: metrics from frames and rows, expectations from metrics, the
outcome from expectations, the hash of the scenario from the scenario, JUnit from the content of the
reports. The record digest then covers whatever cannot."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from hil import __version__
from hil.engine.junit import JUNIT, junit_digest, junit_run
from hil.engine.metrics import Metrics, events_until, flat, repair_times, upset_counts
from hil.engine.result import decide
from hil.engine.run_reports import MANIFEST
from hil.errors import HilError, RecordError
from hil.exit_codes import EXIT_OF_OUTCOME
from hil.json_values import JsonObject, JsonValue
from hil.record.offload_figures import offload_figures
from hil.record.offload_rows import offload_rows
from hil.record.outages import Outage, recorded_outages
from hil.record.reader import Reader
from hil.record.result_json import Fields, lost_boards_of
from hil.record.run_result import RecordTally, expectation_json
from hil.record.seal import SEAL, difference
from hil.record.span_rows import all_nodes
from hil.redundancy.checked_tally import CheckedTally
from hil.redundancy.voting import VerdictKind
from hil.run_outcome import RunOutcome
from hil.scenario import Scenario
from hil.upsets.words import ACTIVATIONS
from hil.verification.findings import Verification

__all__ = ["NONSENSE", "SEALED_SINCE", "verify_end", "verify_seal", "verify_unfinished"]

NONSENSE: Final = (ArithmeticError, AttributeError, HilError, LookupError, TypeError, ValueError)
"""What values that no run has written may lead to."""

SEALED_SINCE: Final = 2
"""The first record version with a record digest."""
_OPEN_OUTCOMES: Final = (RunOutcome.RUNNING, RunOutcome.ABORTED, RunOutcome.ERROR)
_MISSING: Final = "missing"
_OF_VOTERS: Final = frozenset(
    {"split_frames", "split_outputs", "command_changes", *CheckedTally().metrics()}
)
"""Metrics that `hil.verification.replica_check`, `primary_check` and `checked_ballots` compare."""
_FROM_RECORD: Final = frozenset(
    {
        "rollbacks",
        "held_back",
        "supply_errors",
        "cuts",
        "reconnects",
        "executions",
        "executions_disagreed",
        "copies_differed",
        *_OF_VOTERS,
    }
)
"""Metrics that only the run itself could count; those of the plant, too."""
_LATER: Final = frozenset(
    {"outages", "mttr_s", "coverage", "effective_faults", "voting.8"}
    | {f"by_activation.{name}" for name in (*ACTIVATIONS, "unknown")}
)
"""Metrics that an older hil did not know; the record digest covers that they are not removed."""


def verify_end(
    out: Verification, reader: Reader, scenario: Scenario | None, counted: RecordTally
) -> None:
    """Verify everything beyond single frames of a finished run. `counted` is its tally, `scenario`
    what it ran (None if that cannot be read, which is a difference already)."""
    result = reader.meta_object("result")
    if result is None:
        out.differs(None, "result", "missing", "a finished run has one")
        return
    _result(out, "", result, counted)
    out.compare(None, "outcome", result.get("outcome"), out.outcome)
    out.compare(None, "run digest", result.get("run_digest"), out.run_digest)
    _identity(out, reader)
    if scenario is not None and "metrics" in result:
        _expectations(out, reader, scenario, result, counted)
    _reports(out, reader, result, counted)


# --- the result -----------------------------------------------------------------------------------


def _result(out: Verification, where: str, recorded: JsonObject, counted: RecordTally) -> None:
    now = counted.as_json()
    for key in (
        "frames",
        "verdicts",
        "availability",
        "slips",
        "skipped",
        "unexplained",
        "recoveries",
        "commands",
        "held_frames",
    ):
        if key in recorded or key not in ("skipped", "commands", "held_frames"):
            out.compare(None, f"`{key}`{where}", recorded.get(key), now[key])
    upsets = recorded.get("upsets")
    for key, counts in counted.upsets.as_json().items():
        old = upsets.get(key) if isinstance(upsets, Mapping) else None
        if key == "by_activation" and old is None:
            continue  # of an older hil; the record digest covers that it is not removed
        if key == "events" and isinstance(old, Mapping):  # how many were planned, the scenario says
            old = {"injected": old.get("injected")}
        out.compare(None, f"`upsets.{key}`{where}", _without_zeros(old), _without_zeros(counts))


def _without_zeros(value: JsonValue) -> JsonValue:
    return {k: v for k, v in value.items() if v} if isinstance(value, Mapping) else value


def _identity(out: Verification, reader: Reader) -> None:
    """Compare the scenario with its hash and its seed."""
    scenario = reader.meta_object("scenario")
    if scenario is None:
        return
    text = json.dumps(scenario, sort_keys=True, separators=(",", ":"))
    now = hashlib.sha256(text.encode()).hexdigest()
    out.compare(None, "config hash of the scenario", reader.meta.get("config_hash"), now)
    out.compare(None, "seed", reader.meta.get("seed"), str(scenario.get("seed")))


def _expectations(
    out: Verification,
    reader: Reader,
    scenario: Scenario,
    result: JsonObject,
    counted: RecordTally,
) -> None:
    """Compute metrics, expectations and outcome again, and compare them."""
    recorded = result["metrics"]
    if not isinstance(recorded, Mapping):
        out.differs(None, "metrics of the result", recorded, "names and numbers")
        return
    numbers = {name: value for name, value in recorded.items() if isinstance(value, (int, float))}
    for name in recorded.keys() - numbers.keys():
        out.differs(None, f"metric `{name}`", recorded[name], "a number")
    measured = {**numbers, **_metrics(scenario, counted, recorded_outages(reader))}
    measured |= _ground_metrics(reader, scenario, counted)
    for name, number in measured.items():
        if name in numbers or name not in recorded.keys() | _LATER:
            out.compare(None, f"metric `{name}`", numbers.get(name), number)
    judged = [e.evaluate(measured) for e in scenario.expectations]
    now = [expectation_json(e) for e in judged]
    before = result.get("expectations")
    pairs = itertools.zip_longest(before if isinstance(before, list) else (), now)
    for index, (old, new) in enumerate(pairs):
        entry = new or old
        metric = entry.get("metric", index) if isinstance(entry, Mapping) else index
        out.compare(None, f"expectation of `{metric}`", old, new)
    fields = Fields(result, "the result")
    try:
        fields.require("lost_boards", "aborted_by")
        lost = lost_boards_of(fields)
    except RecordError:
        out.differs(None, "result", "without lost boards or who ended it", "with both")
        return
    outcome = decide(
        aborted_by=str(result["aborted_by"]),
        lost=lost,
        frames=counted.frames,
        expectations=judged,
        expects_nothing=scenario.expects_nothing,
    )
    out.compare(None, "outcome that follows from the expectations", result.get("outcome"), outcome)
    for key, value in (
        ("exit_code", int(EXIT_OF_OUTCOME[outcome])),
        ("seed", scenario.seed),
        ("name", scenario.name),
        ("planned_frames", scenario.frame_count),
        ("accel", scenario.upsets.accel),
        ("campaign_mode", scenario.campaign_mode),
    ):
        out.compare(None, f"`{key}`", result.get(key), value)
    from_record = sorted(name for name in recorded if name in _FROM_RECORD or "plant." in name)
    out.covered.append(
        f"{len(measured) - len(from_record)} metrics, {len(judged)} expectations and the outcome "
        "were computed again"
    )
    uncounted = [name for name in from_record if name not in _OF_VOTERS]
    out.not_covered.append(f"metrics that only the run itself counted: {', '.join(uncounted)}")


def _metrics(
    scenario: Scenario, counted: RecordTally, outages: Sequence[Outage]
) -> dict[str, float]:
    """Return all metrics that follow from frames and rows."""
    metrics = Metrics(
        frames=counted.frames,
        available=counted.available,
        skipped=counted.skipped,
        sdc_frames=counted.sdc_frames,
        unresolved=counted.unresolved,
        held_frames=counted.held_frames,
        slips=counted.slips,
        recoveries=counted.recoveries,
        isolated=counted.isolated,
        unexplained=counted.unexplained,
        voting=Counter(counted.voting),
        verdicts=Counter({VerdictKind[k.upper()]: n for k, n in counted.verdicts.items()}),
    )
    planned, made = events_until(scenario, counted.flown), counted.upsets.events.injected
    upsets = upset_counts(counted.upset_kinds, planned, made)
    computed = flat(metrics, upsets, repair_times(scenario, outages), scenario.upsets.accel)
    return {name: value for name, value in computed.items() if name not in _FROM_RECORD}


def _ground_metrics(reader: Reader, scenario: Scenario, counted: RecordTally) -> dict[str, float]:
    """Return the metrics that follow from what went to the ground."""
    if scenario.offload is None:
        return {}
    figures = offload_figures(offload_rows(reader), counted.flown * scenario.frame_us)
    return {f"offload.{name}": value for name, value in figures.metrics().items()}


# --- manifest.json and junit.xml ------------------------------------------------------------------


def _reports(out: Verification, reader: Reader, result: JsonObject, counted: RecordTally) -> None:
    folder = reader.path.parent
    reports = reader.meta_object("reports") or {}
    content = reports.get("content")
    if not isinstance(content, Mapping):
        if reader.version >= SEALED_SINCE:
            out.differs(None, "what the reports say", "missing", "a finished run has it")
        _old_manifest(out, folder / MANIFEST, result, counted)
        return
    _content(out, reader, result, content)
    manifest = _manifest(out, folder / MANIFEST)
    if manifest is not None:
        digest = (reader.meta_object(SEAL) or {}).get("record_digest")
        for key in sorted({*manifest, *content, "record_digest"}):
            want = digest if key == "record_digest" else content.get(key, _MISSING)
            out.compare(None, f"`{key}` in {MANIFEST}", manifest.get(key, _MISSING), want)
        out.covered.append(f"{MANIFEST} says what the record says")
    _junit(out, folder / JUNIT, content, str(reports.get(JUNIT)))


def _content(out: Verification, reader: Reader, result: JsonObject, content: JsonObject) -> None:
    """Compare the content of the reports with the rest of the record."""
    for key, value in result.items():
        out.compare(None, f"`{key}` of the reports", content.get(key), value)
    for key in ("scenario", "config_hash", "seed", "started_utc"):
        recorded = reader.meta.get(key)
        reported = content.get(key)
        text = reported if isinstance(reported, str) else json.dumps(reported)
        out.compare(None, f"`{key}` of the reports", text, recorded)
    nodes = [node.as_json() for node in all_nodes(reader)]
    reported = content.get("nodes")
    if isinstance(reported, list) and nodes:
        known = nodes[0].keys()
        reported = [
            {key: node.get(key) for key in known} if isinstance(node, Mapping) else node
            for node in reported
        ]
    out.compare(None, "`nodes` of the reports", reported, nodes)


def _manifest(out: Verification, path: Path) -> JsonObject | None:
    """Return the content of a manifest.json; None if there is none, or it is damaged."""
    try:
        manifest: JsonValue = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        out.not_covered.append(f"there is no {path.name} beside the record")
        return None
    except (OSError, ValueError) as error:
        out.differs(None, path.name, "readable", error)
        return None
    if not isinstance(manifest, Mapping):
        out.differs(None, path.name, "an object", type(manifest).__name__)
        return None
    return manifest


def _junit(out: Verification, path: Path, content: JsonObject, digest: str) -> None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        out.not_covered.append(f"there is no {path.name} beside the record")
        return
    except OSError as error:
        out.differs(None, path.name, "readable", error)
        return
    now = hashlib.sha256(data).hexdigest()
    try:
        again = junit_digest(junit_run(content))
    except (RecordError, TypeError, ValueError) as error:
        out.differs(None, path.name, "made from what the run says of itself", error)
        return
    if now not in (again, digest):
        out.differs(None, f"digest of {path.name}", digest, now)
    if content.get("hil_version") == __version__:  # another may make it otherwise
        out.compare(None, f"{path.name} as it follows from the result", digest, again)
    out.covered.append(f"{path.name} says what the record says")


def _old_manifest(out: Verification, path: Path, result: JsonObject, counted: RecordTally) -> None:
    manifest = _manifest(out, path)
    if manifest is None:
        return
    for key in ("outcome", "run_digest", "seed"):
        out.compare(None, f"`{key}` in {path.name}", manifest.get(key), result.get(key))
    _result(out, f" in {path.name}", manifest, counted)


# --- a run that has not ended ---------------------------------------------------------------------


def verify_unfinished(out: Verification, reader: Reader) -> None:
    """Verify that a record which says that its run has not ended has nothing of an end: what only
    an ended run writes is in the record and its folder, or the outcome was changed."""
    if out.outcome not in _OPEN_OUTCOMES:
        out.differs(None, "outcome", out.outcome, f"one of {', '.join(_OPEN_OUTCOMES)}")
    for key in ("result", "reports", SEAL):
        if key in reader.meta and (key != "result" or out.outcome == RunOutcome.RUNNING):
            out.differs(None, f"`{key}` of a run that has not ended", "there", "not expected")
    path = reader.path.parent / MANIFEST
    if not path.exists():
        return
    manifest = _manifest(out, path)
    if manifest is None:
        return
    if manifest.get("outcome") in (RunOutcome.PASS, RunOutcome.FAIL, RunOutcome.UNTESTED):
        out.compare(None, f"`outcome` in {MANIFEST}", manifest["outcome"], out.outcome)
    if manifest.get("record_digest") is not None:
        out.differs(
            None,
            f"`record_digest` in {MANIFEST} of a run that has not ended",
            "there",
            "not expected",
        )


# --- the record digest ----------------------------------------------------------------------------


def verify_seal(out: Verification, reader: Reader) -> None:
    """Compare the record digest of a finished run with what stands in its record."""
    if reader.version < SEALED_SINCE:
        out.not_covered.append(
            "the record was written by an older hil, without a record digest: changes cannot be "
            "seen in other tables than frames, replies, blocks, upsets and transitions"
        )
        return
    try:
        now = reader.seal()
        recorded = reader.meta_json(SEAL)
    except RecordError as error:
        out.differs(None, "record digest", "computed at the end of the run", f"cannot be: {error}")
        return
    for what, before, after in difference(recorded, now):
        out.differs(None, what, before, after)
    if recorded == now.as_json() and reader.meta[SEAL] != now.text:
        out.differs(None, "seal of the record", "written in another way", "as a run writes it")
    out.record_digest = now.record_digest
    out.covered.append(f"the record digest covers {len(now.tables)} tables with {now.rows} rows")
    out.not_covered.append(
        "the digest shows that nothing was changed since; it is not a signature: whoever can "
        "write the record can compute it again"
    )
