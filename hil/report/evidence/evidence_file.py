"""Evidence files: written beside what they are of, read, and their JSON Schema."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Final

from hil.errors import RecordError, UsageError
from hil.json_values import JsonObject, JsonValue
from hil.record.held_record import held_record
from hil.report.evidence.document import FORMAT
from hil.report.evidence.run_evidence import run_evidence
from hil.report.page_file import write_file
from hil.verification.recorded_run import result_of

__all__ = [
    "EVIDENCE",
    "evidence_of",
    "evidence_path",
    "evidence_schema",
    "evidence_text",
    "read_evidence",
    "write_evidence",
]

EVIDENCE: Final = "evidence.json"
_BYTES_MAX: Final = 64 << 20


def evidence_of(path: Path) -> JsonObject:
    """Return the evidence of the run in a folder, or of a campaign's result file. Raises:
    RecordError if it cannot be read."""
    if path.is_dir() or path.name == "run.db":
        with held_record(path) as reader:
            # Here, as bytes in place of a text are damage of the record.
            content: JsonObject = json.loads(json.dumps(run_evidence(reader, result_of(reader))))
            return content
    from hil.record.campaign_file import CampaignFile  # noqa: PLC0415  (every run writes evidence)
    from hil.report.evidence.campaign_evidence import campaign_evidence  # noqa: PLC0415

    with CampaignFile(path) as file:
        return campaign_evidence(file)


def evidence_path(path: Path) -> Path:
    """Return where the evidence of a run or a result file stands, if nothing else is said: in the
    run's folder, or beside the result."""
    if path.is_dir():
        return path / EVIDENCE
    return path.with_name(EVIDENCE if path.name == "run.db" else f"{path.stem}.{EVIDENCE}")


def evidence_text(content: JsonObject) -> str:
    """Return an evidence file."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def write_evidence(path: Path, out: Path | None = None) -> Path:
    """Write the evidence of a run or a result file, to `out` or to where it belongs, in place of
    one that stands there; return its path. Raises: RecordError, SetupError."""
    file = out or evidence_path(path)
    write_file(file, evidence_text(evidence_of(path)))
    return file


def read_evidence(file: Path) -> JsonObject:
    """Return the content of an evidence file. Raises: UsageError if there is none, or it is of a
    newer format; RecordError if it is not one."""
    if not file.is_file():
        raise UsageError(f"there is no evidence file {file}")
    try:
        with file.open("rb") as opened:
            text = opened.read(_BYTES_MAX)
        content = json.loads(text, object_pairs_hook=_without_repetition)
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{file} cannot be read as JSON: {error}") from error
    version = content.get("hil_evidence") if isinstance(content, dict) else None
    if not isinstance(content, dict) or not isinstance(version, int):
        raise RecordError(f"{file} is not an evidence file: it lacks the key `hil_evidence`")
    if version > FORMAT:
        raise UsageError(
            f"{file} has a newer format (version {version}) than this hil knows ({FORMAT})",
            remedy="install that release, or a later one",
        )
    return content


def _without_repetition(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    """Return an object of JSON. Raises: ValueError if a key stands in it twice: of these, programs
    take one or the other, and only one of them could be compared."""
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key `{twice}` stands twice in one object")
    return content


def evidence_schema() -> JsonObject:
    """Return the JSON Schema of evidence files."""
    name = "evidence.schema.json"
    text = (resources.files("hil.report.evidence") / name).read_text(encoding="utf-8")
    content: JsonObject = json.loads(text)
    return content
