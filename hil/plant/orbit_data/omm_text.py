"""Orbit mean-elements messages (OMM) as text: JSON, CSV, XML and KVN, to fields with their lines.

Sources: CCSDS 502.0-B (orbit data messages) for KVN, CCSDS 505.0-B for XML; JSON and CSV as
CelesTrak and Space-Track write them, with the same keywords. Unknown keywords are passed over."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from xml.etree import ElementTree

from hil.plant.orbit_data.fault import OrbitDataError

__all__ = [
    "Message",
    "csv_messages",
    "json_messages",
    "kvn_messages",
    "local_name",
    "parse_xml",
    "xml_messages",
]

_KVN: Final = re.compile(r"([A-Za-z][A-Za-z0-9_]*)\s*=\s*(.*)")
_UNIT: Final = re.compile(r"\s*\[[^\]]*\]\s*$")
_FIRST_OF_KVN: Final = "CCSDS_OMM_VERS"


@dataclass(slots=True)
class Message:
    """The fields of one message by their keyword, in capitals; and the lines that they stand in."""

    fields: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    line: int = 0

    def add(self, key: str, value: object, line: int) -> None:
        """Add a field; None counts as empty."""
        self.fields[key.upper()] = "" if value is None else str(value).strip()
        self.lines[key.upper()] = line

    def line_of(self, key: str) -> int:
        """Return the line of a field, or that of the message."""
        return self.lines.get(key, self.line)


def json_messages(text: str) -> list[Message]:
    """Return the messages in JSON: one object, or a list of them.

    Raises:
        OrbitDataError: It is not JSON, or holds no objects.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise OrbitDataError(f"it is not valid JSON: {error}", line=error.lineno) from None
    except RecursionError:
        raise OrbitDataError("it is not valid JSON of an OMM: it is nested too deeply") from None
    items = data if isinstance(data, list) else [data]
    out = []
    places = _lines_of_json(text)
    for item in items:
        if not isinstance(item, dict):
            raise OrbitDataError(
                "this JSON is not an OMM: it holds something else than objects",
                'expected {"OBJECT_NAME": ..., "EPOCH": ...}, or a list of such',
            )
        inner = item.get("omm", item.get("OMM", item))
        flat = dict(_flattened(inner if isinstance(inner, dict) else item))
        message = Message(line=next(places, 0))
        for key, value in flat.items():
            message.add(key, value, message.line)
        out.append(message)
    return out


def _lines_of_json(text: str) -> Iterator[int]:
    """Yield the lines of the keyword that every message has."""
    for match in re.finditer(r'"(?:EPOCH|epoch)"\s*:', text):
        yield text.count("\n", 0, match.start()) + 1


def _flattened(item: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in item.items():
        if isinstance(value, dict):
            yield from _flattened(value)
        elif not isinstance(value, list):
            yield str(key), value


def csv_messages(text: str) -> list[Message]:
    """Return the messages in CSV: a header of keywords, and a row for each.

    Raises:
        OrbitDataError: A row has another number of values than the header.
    """
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    out = []
    try:
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = [cell.strip().upper() for cell in cells]
                continue
            line = rows.line_num
            if len(cells) != len(header):
                raise OrbitDataError(
                    f"{len(cells)} values for {len(header)} keywords", "is a line cut?", line
                )
            message = Message(line=line)
            for key, cell in zip(header, cells, strict=True):
                message.add(key, cell.strip(), line)
            out.append(message)
    except csv.Error as error:
        raise OrbitDataError(f"it is not valid CSV: {error}", line=rows.line_num) from None
    return out


def kvn_messages(text: str) -> list[Message]:
    """Return the messages in KVN: `KEYWORD = value [unit]`, each message from its
    CCSDS_OMM_VERS on.

    Raises:
        OrbitDataError: A line is no such pair.
    """
    out: list[Message] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.upper().startswith("COMMENT") or line.startswith(("#", "//")):
            continue
        match = _KVN.fullmatch(line)
        if match is None:
            raise OrbitDataError(
                f"`{line[:40]}` is not a valid line of an OMM; expected `KEYWORD = value`",
                line=number,
            )
        key, value = match[1].upper(), _UNIT.sub("", match[2]).strip()
        if not out or key == _FIRST_OF_KVN or (key in out[-1].fields and key == "OBJECT_NAME"):
            out.append(Message(line=number))
        out[-1].add(key, value, number)
    return out


def parse_xml(text: str) -> ElementTree.Element:
    """Return the root of an XML text.

    Raises:
        OrbitDataError: It is not XML, or declares entities.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise OrbitDataError("this XML has a DOCTYPE, which an OMM has not", "remove it")
    declared = re.sub(r"^\s*<\?xml[^>]*\?>", "", text)
    try:
        return ElementTree.fromstring(declared)  # noqa: S314  (no entities: refused above)
    except ElementTree.ParseError as error:
        line = error.position[0] + text[: len(text) - len(declared)].count("\n")
        raise OrbitDataError(f"it is not valid XML: {error}", line=line) from None


def xml_messages(root: ElementTree.Element) -> list[Message]:
    """Return the OMM in an XML document: its root is `omm`, or `ndm` with several in it."""
    found = [e for e in root.iter() if local_name(e) == "omm"]
    out = []
    for element in found:
        message = Message()
        for leaf in element.iter():
            if len(leaf) == 0 and leaf.text is not None:
                if local_name(leaf) == "USER_DEFINED":
                    continue
                message.add(local_name(leaf), leaf.text.strip(), 0)
        out.append(message)
    return out


def local_name(element: ElementTree.Element) -> str:
    """Return the name of an element without its namespace."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
