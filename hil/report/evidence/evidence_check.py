"""Compares an evidence file with the record that it is of: everything is computed again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.errors import RecordError, SetupError, UsageError
from hil.json_values import JsonObject, JsonValue
from hil.record.console_files import check_consoles, file_digest
from hil.record.held_record import held_record
from hil.record.result_file import RESULTS, application_of
from hil.report.evidence.document import WRITTEN_BY
from hil.report.evidence.evidence_file import evidence_of
from hil.report.evidence.older_formats import in_format_of
from hil.verification.replay import verify

__all__ = ["EvidenceCheck", "check_evidence", "record_of"]

_SHOWN: Final = 80
_DIGEST_SHOWN: Final = 16
_KINDS: Final = ("run", "campaign")
_ABSENT: Final = "nothing"
_IDENTITY: Final = (
    "subject.scenario",
    "subject.scenario_sha256",
    "subject.seed",
    "environment.started_utc",
    "reproduce.digest",
    "record.digest",
)
"""The keys of evidence that differ between two runs, or two campaigns."""
_OTHERS: Final = 3
"""How many of them differ at least, where the time of the start does not."""


@dataclass(frozen=True, slots=True)
class EvidenceCheck:
    """The result of a check. `record`: None if the evidence could not be read. `differences` are
    sentences on what is not as it should be, those of the record first; `covered` is what was done,
    `not_covered` what could not be."""

    record: Path | None
    differences: tuple[str, ...]
    covered: tuple[str, ...]
    not_covered: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Return whether record and evidence are what they say."""
        return not self.differences

    def as_json(self) -> JsonObject:
        """Return the answer of `hil verify --json`."""
        return {
            "verified": self.ok,
            "record": None if self.record is None else str(self.record),
            "differences": list(self.differences),
            "covered": list(self.covered),
            "not_covered": list(self.not_covered),
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
    not_covered: list[str] = []
    again: JsonObject | None = None
    try:
        if evidence.get("kind") == "run":
            differences += _record_differences(record, covered, not_covered)
        again = in_format_of(evidence, evidence_of(record))
    except RecordError as error:
        differences += _unreadable(evidence, record, error)
    if again is not None:
        differences += _of_another(evidence, again) or _changed_keys(evidence, again)
        covered.append(
            "the evidence was computed again from the record, and compared key by key, all but "
            f"`{WRITTEN_BY}`"
        )
    writer = evidence.get(WRITTEN_BY)
    if not isinstance(writer, str):  # any version may have written it, but it has to say which
        differences.append(f"`{WRITTEN_BY}`: the evidence says {_in_short(writer)}, not a version")
    return EvidenceCheck(record, tuple(differences), tuple(covered), tuple(not_covered))


def _record_differences(record: Path, covered: list[str], not_covered: list[str]) -> list[str]:
    """Return what `hil replay --verify` finds in a run's record, and which console logs beside it
    are not those of the run. Raises: RecordError if it cannot be read."""
    with held_record(record) as reader:
        found = verify(reader)
        consoles = check_consoles(reader)
    covered.append(f"{found.frames:,} frames of the record were voted again")
    covered += found.covered
    covered += [
        f"{file.name} of the consoles is what the boards printed" for file in consoles.matching
    ]
    not_covered += found.not_covered
    not_covered += [f"the record has no digest of console/{file.name}" for file in consoles.unknown]
    changes = [f"the record was changed: {difference}" for difference in found.differences]
    return [*changes, *consoles.doubts.values()]


def _unreadable(evidence: JsonObject, record: Path, error: RecordError) -> Iterator[str]:
    """Yield why a record cannot be compared: a campaign's file may have another digest, too."""
    said = evidence.get("record")
    if isinstance(said, Mapping) and said.get("digest_of") == "file":
        now = file_digest(record)
        if said.get("digest") != now:
            yield (
                f"the record was changed: its digest is {now}, the evidence says "
                f"{_in_short(said.get('digest'))}"
            )
    yield f"the record cannot be read: {error.message}"


def _of_another(evidence: JsonObject, again: JsonObject) -> list[str]:
    """Return that the evidence is of another run or campaign than the record, and how many keys
    differ for that reason; empty if it is not."""
    said, now = _identity(evidence), _identity(again)
    differing = {key for key in said if said[key] != now[key]}
    if "record.digest" not in differing:
        return []
    if "environment.started_utc" not in differing and len(differing) < _OTHERS:
        return []
    keys = sum(1 for _ in _differing("", _without_writer(evidence), _without_writer(again)))
    return [
        f"this evidence is of {_named(said)}; the record is of {_named(now)}",
        f"{keys:,} keys differ for that reason",
    ]


def _identity(content: JsonObject) -> dict[str, JsonValue]:
    """Return the values that tell one run or campaign from others, by their keys."""
    values: dict[str, JsonValue] = {}
    for key in _IDENTITY:
        part, _, name = key.partition(".")
        holder = content.get(part)
        values[key] = holder.get(name) if isinstance(holder, Mapping) else None
    return values


def _named(identity: Mapping[str, JsonValue]) -> str:
    """Return a run or campaign in words."""
    said = {key: str(value) for key, value in identity.items() if value is not None}
    started = said.get("environment.started_utc")
    facts = [
        f"seed {said.get('subject.seed')}",
        *([] if started is None else [f"started {started}"]),
        f"record digest {said.get('record.digest', 'none')[:_DIGEST_SHOWN]}..",
    ]
    return f"`{said.get('subject.scenario', 'no scenario')[:_SHOWN]}` ({', '.join(facts)})"


def _changed_keys(evidence: JsonObject, again: JsonObject) -> list[str]:
    return [
        f"`{path}`: the evidence says {_in_short(said)}, the record {_in_short(now)}"
        for path, said, now in _differing("", _without_writer(evidence), _without_writer(again))
    ]


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
