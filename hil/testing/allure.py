"""Files for Allure: one `UUID-result.json` for each test that used a rig, in the format that Allure
2 and 3 read, and its attachments beside it.

They are written only where no other plugin does it: allure-pytest reports all tests, without what
identifies a rig. The format: https://allurereport.org/docs/how-it-works-test-result-file/."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hil.testing.session import TestAction

if TYPE_CHECKING:
    from hil.json_values import JsonObject, JsonValue

__all__ = ["TestOutcome", "write_result"]

_TYPES = {".json": "application/json", ".xml": "application/xml", ".txt": "text/plain"}


@dataclass(frozen=True, slots=True)
class TestOutcome:
    """The outcome of one test: `status` is passed, failed (an assertion), broken (any other error)
    or skipped; times are in milliseconds since 1970."""

    __test__ = False

    nodeid: str
    status: str
    message: str
    trace: str
    start_ms: int
    stop_ms: int


def write_result(
    folder: Path,
    outcome: TestOutcome,
    actions: Sequence[TestAction],
    properties: Sequence[tuple[str, str]],
    attachments: Sequence[tuple[str, bytes]],
) -> Path:
    """Write the result of a test into `folder`, and return the file. `properties` become parameters
    of the test, `attachments` are names of files and what they contain. Raises: OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    attached: list[JsonValue] = []
    for name, data in attachments:
        ending = Path(name).suffix
        # Allure 2 takes each `*.xml` in the folder for the results of tests by JUnit.
        source = f"{uuid.uuid4()}-attachment{'.junit' if ending == '.xml' else ending}"
        (folder / source).write_bytes(data)
        attached.append({"name": name, "source": source, "type": _TYPES[ending]})
    own = str(uuid.uuid4())
    file = folder / f"{own}-result.json"
    result: JsonObject = {
        **_result(own, outcome, properties),
        "steps": [_step(action) for action in actions],
        "attachments": attached,
    }
    part = file.with_suffix(".json.tmp")  # a report is never made of half a file
    part.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    part.replace(file)
    return file


def _result(own: str, outcome: TestOutcome, properties: Sequence[tuple[str, str]]) -> JsonObject:
    module, _, test = outcome.nodeid.partition("::")
    package = module.removesuffix(".py").replace("/", ".")
    full_name = f"{package}#{test.replace('::', '.')}"
    case, _, drawn = full_name.partition("[")
    labels = {
        "parentSuite": package.rpartition(".")[0],
        "suite": package.rpartition(".")[2],
        "package": package,
        "framework": "pytest",
        "language": "python",
        "tag": "hil",
    }
    return {
        "uuid": own,
        # Of one test over all its runs: without what each run has another value of.
        "historyId": _digest(full_name),
        "testCaseId": _digest(case),
        "fullName": full_name,
        "name": test.rpartition("::")[2],
        "status": outcome.status,
        **({"statusDetails": _details(outcome.message, outcome.trace)} if outcome.message else {}),
        "stage": "finished",
        "start": outcome.start_ms,
        "stop": outcome.stop_ms,
        "labels": [{"name": k, "value": v} for k, v in labels.items() if v],
        "parameters": [
            # What tells the cases of one test apart: without it, each is a repetition of the other.
            *([{"name": "parameters", "value": drawn.removesuffix("]")}] if drawn else []),
            *({"name": name, "value": value, "excluded": True} for name, value in properties),
        ],
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:32]


def _details(message: str, trace: str) -> JsonObject:
    return {"message": message, "trace": trace}


def _step(action: TestAction) -> JsonObject:
    failure = action.failure
    status = "passed"
    if failure is not None:
        status = "failed" if isinstance(failure, AssertionError) else "broken"
    return {
        "name": action.name,
        "status": status,
        **({} if failure is None else {"statusDetails": _details(str(failure), "")}),
        "stage": "finished",
        "start": action.start_ms,
        "stop": action.stop_ms,
    }
