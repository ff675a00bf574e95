"""Reads the context of the boards from the record of a run."""

from __future__ import annotations

from hil.json_values import JsonObject
from hil.record.board_context import (
    BOARD_CONTEXT,
    BoardContext,
    BootImage,
    ConsoleFile,
    KernelLog,
    LogExtent,
    NodeContext,
)
from hil.record.reader import Reader
from hil.record.result_json import Fields

__all__ = ["parse_context", "recorded_context"]


def recorded_context(reader: Reader) -> BoardContext | None:
    """Return the context of the boards of a run; None if its record has none. Raises: RecordError
    if it is damaged."""
    content = reader.meta_object(BOARD_CONTEXT)
    return None if content is None else parse_context(content)


def parse_context(content: JsonObject) -> BoardContext:
    """Return the context that was recorded as this. Raises: RecordError if it is damaged."""
    fields = Fields(content, "the board context")
    nodes = Fields.of(content.get("nodes"), "the nodes of the board context").content
    return BoardContext(
        fields.integer("from_frame"),
        fields.text("at_utc"),
        _log_in(fields, "host_log"),
        {name: _node_of(Fields.of(node, f"node {name}")) for name, node in nodes.items()},
    )


def _node_of(fields: Fields) -> NodeContext:
    console = _part(fields, "console")
    booted = fields.content.get("booted") or []
    if not isinstance(booted, list):
        raise fields.damaged("booted", "a list")
    images = [Fields.of(image, "an image of the board context") for image in booted]
    return NodeContext(
        fields.text("agent_sha256", "") or None,
        fields.text("agent_known"),
        tuple(BootImage(i.text("what"), i.text("name"), i.text("sha256")) for i in images),
        _log_in(fields, "kernel_log"),
        None
        if console is None
        else ConsoleFile(console.text("file"), console.integer("size"), console.text("sha256")),
    )


def _log_in(fields: Fields, key: str) -> KernelLog | None:
    log = _part(fields, key)
    if log is None:
        return None
    return KernelLog(
        log.text("source"),
        log.text("unknown", ""),
        _extent_in(log, "before"),
        log.texts("tail"),
        _extent_in(log, "after"),
        log.texts("new"),
        log.integer("new_lines", 0),
        log.boolean("lost", default=False),
    )


def _extent_in(fields: Fields, key: str) -> LogExtent | None:
    extent = _part(fields, key)
    return None if extent is None else LogExtent(extent.integer("lines"), extent.text("sha256"))


def _part(fields: Fields, key: str) -> Fields | None:
    value = fields.content.get(key)
    return None if value is None else Fields.of(value, f"`{key}` of the board context")
