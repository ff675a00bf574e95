"""Compares an evidence file with the record that it is of: everything is computed again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.errors import RecordError, SetupError, UsageError
from hil.json_values import JsonObject, JsonValue
from hil.record.reader import Reader
from hil.record.recorded_context import recorded_context
from hil.record.result_file import RESULTS, application_of
from hil.report.evidence.board_evidence import BOOTED
from hil.report.evidence.document import WRITTEN_BY, file_digest
from hil.report.evidence.evidence_file import evidence_of
from hil.verification.replay import verify

__all__ = ["EvidenceCheck", "check_evidence", "record_of"]

_SHOWN: Final = 80
_KINDS: Final = ("run", "campaign")
_WITHOUT_CONTEXT: Final = 1
_ABSENT: Final = "nothing"


@dataclass(frozen=True, slots=True)
class EvidenceCheck:
    """The result of a check. `differences` are sentences on what is not as it should be, those of
    the record first; `covered` is what was done."""

    record: Path
    differences: tuple[str, ...]
    covered: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Return whether record and evidence are what they say."""
        return not self.differences

    def as_json(self) -> JsonObject:
        """Return the answer of `hil verify --json`."""
        return {
            "verified": self.ok,
            "record": str(self.record),
            "differences": list(self.differences),
            "covered": list(self.covered),
        }


def record_of(file: Path, evidence: JsonObject, given: Path | None) -> Path:
    """Return the record that an evidence file is of: the `given` one, or the one beside it. Raises:
    SetupError if there is none; UsageError if the given one is of another kind than the
    evidence."""
    if given is not None:
        found = given / "run.db" if given.is_dir() else given
    else:
        record = evidence.get("record")
        name = record.get("file") if isinstance(record, Mapping) else None
        found = file.resolve().parent / (Path(name).name if isinstance(name, str) else "run.db")
    if not found.is_file():
        raise SetupError(
            f"there is no record at {found}, and without it {file} proves nothing",
            remedy="name the run folder or the result file: hil verify EVIDENCE --record RUN",
        )
    if given is not None:
        _check_kind(file, evidence.get("kind"), found)
    return found


def _check_kind(file: Path, kind: JsonValue, record: Path) -> None:
    """Check that evidence of a run is compared with a run, and that of a campaign with a campaign.
    Raises: UsageError if it is not."""
    try:
        found = "campaign" if application_of(record) in RESULTS else "run"
    except RecordError:
        return  # which is a finding, not a mistake
    if kind in _KINDS and kind != found:
        raise UsageError(
            f"{file} is the evidence of a {kind}, but {record} is of a {found}",
            remedy=f"name the record of that {kind} with --record",
        )


def check_evidence(evidence: JsonObject, record: Path) -> EvidenceCheck:
    """Compare evidence with its record. A record that cannot be read is a difference."""
    differences: list[str] = []
    covered: list[str] = []
    try:
        if evidence.get("kind") == "run":
            differences += _record_differences(record, covered)
        again = _in_format_of(evidence, evidence_of(record))
        if evidence.get("kind") == "run":
            differences += _console_differences(record, covered)
    except RecordError as error:
        return EvidenceCheck(record, (f"the record cannot be read: {error}",), tuple(covered))
    for path, said, now in _differing("", _without_writer(evidence), _without_writer(again)):
        differences.append(
            f"`{path}`: the evidence says {_in_short(said)}, the record {_in_short(now)}"
        )
    writer = evidence.get(WRITTEN_BY)
    if not isinstance(writer, str):  # any version may have written it, but it has to say which
        differences.append(f"`{WRITTEN_BY}`: the evidence says {_in_short(writer)}, not a version")
    covered.append(
        "the evidence was computed again from the record, and compared key by key, all but "
        f"`{WRITTEN_BY}`"
    )
    return EvidenceCheck(record, tuple(differences), tuple(covered))


def _record_differences(record: Path, covered: list[str]) -> list[str]:
    """Return what `hil replay --verify` finds in a run's record."""
    reader = Reader(record)
    try:
        reader.hold()
        found = verify(reader)
    finally:
        reader.close()
    covered.append(f"{found.frames:,} frames of the record were voted again")
    covered += found.covered
    return [f"the record was changed: {difference}" for difference in found.differences]


def _in_format_of(evidence: JsonObject, again: JsonObject) -> JsonObject:
    """Return what the record says today in the format of an evidence file: the first one knew
    nothing of the context of boards."""
    if evidence.get("hil_evidence") != _WITHOUT_CONTEXT:
        return again
    added = {"context"} if "outputs" in evidence else {"context", "outputs"}
    older = {key: value for key, value in again.items() if key not in added}
    images = again.get("images")
    assert isinstance(images, list), "it was computed just now"
    kept = [dict(i) for i in images if isinstance(i, Mapping) and i["what"] not in BOOTED]
    for image in kept:
        del image["known"]
    return {**older, "hil_evidence": _WITHOUT_CONTEXT, "images": kept}


def _console_differences(record: Path, covered: list[str]) -> list[str]:
    """Return which console logs beside a record are not those of which it has the digests."""
    reader = Reader(record)
    try:
        context = recorded_context(reader)
    finally:
        reader.close()
    nodes = () if context is None else context.nodes.values()
    wrong = []
    for console in (node.console for node in nodes):
        if console is None:
            continue
        file = record.parent / "console" / Path(console.file).name
        if not file.is_file():
            wrong.append(f"{file} is missing, of which the record has the digest")
        elif file_digest(file) != console.sha256:
            wrong.append(f"{file} was changed: it is not the console log of the run")
        else:
            covered.append(f"{file.name} of the consoles is what the boards printed")
    return wrong


def _without_writer(content: JsonObject) -> JsonObject:
    plain: JsonValue = json.loads(json.dumps(content))
    kept = plain if isinstance(plain, dict) else {}
    return {key: value for key, value in kept.items() if key != WRITTEN_BY}


def _differing(
    path: str, said: JsonValue, now: JsonValue
) -> Iterator[tuple[str, JsonValue, JsonValue]]:
    """Yield each place where two documents differ, and what stands there in both."""
    if isinstance(said, Mapping) and isinstance(now, Mapping):
        for key in [*said, *(key for key in now if key not in said)]:
            inner = f"{path}.{key}" if path else key
            if key in said and key in now:
                yield from _differing(inner, said[key], now[key])
            else:
                yield inner, said.get(key, _ABSENT), now.get(key, _ABSENT)
    elif isinstance(said, list) and isinstance(now, list) and len(said) == len(now):
        for number, (one, other) in enumerate(zip(said, now, strict=True)):
            yield from _differing(f"{path}[{number}]", one, other)
    elif said != now or type(said) is not type(now):
        yield path, said, now


def _in_short(value: JsonValue) -> str:
    text = value if value is _ABSENT else json.dumps(value)
    return str(text) if len(str(text)) <= _SHOWN else f"{str(text)[:_SHOWN]}..."
