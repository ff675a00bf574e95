"""The boards in the evidence of a run: what each executed, its console, and its kernel log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Final

from hil.json_values import JsonObject
from hil.record.board_context import BoardContext, KernelLog
from hil.record.row_values import RecordedNode

__all__ = ["BOOTED", "agent_images", "board_evidence"]

BOOTED: Final = frozenset({"kernel", "device tree", "driver"})
"""What a board has booted besides its agent."""
_UNKNOWN: Final = "the record has no digest of it"
_BY_KIND: Final = "the program of all boards of this kind"


def agent_images(
    nodes: Sequence[RecordedNode], context: BoardContext | None, programs: Mapping[str, str]
) -> list[JsonObject]:
    """Return the agent of each node, and what else its board has booted, with digests; `programs`
    are those of kinds of boards, for records without a context."""
    images: list[JsonObject] = []
    for node in nodes:
        known = None if context is None else context.nodes.get(node.name)
        by_kind = programs.get(node.board)
        sha256 = by_kind if known is None else known.agent_sha256
        why = (_BY_KIND if by_kind else _UNKNOWN) if known is None else known.agent_known
        images.append(_image(node, "agent", node.model, node.agent_version, sha256, why))
        images += [
            _image(node, image.what, image.name, None, image.sha256, "the file that was booted")
            for image in (() if known is None else known.booted)
        ]
    return images


def _image(
    node: RecordedNode,
    what: str,
    model: str | None,
    version: str | None,
    sha256: str | None,
    known: str,
) -> JsonObject:
    return {
        "node": node.name,
        "board": node.board,
        "arch": node.arch,
        "model": model,
        "what": what,
        "version": version,
        "sha256": sha256,
        "known": known,
    }


def board_evidence(
    nodes: Sequence[RecordedNode], context: BoardContext | None
) -> JsonObject | None:
    """Return the context of all boards; None if the record has none."""
    if context is None:
        return None
    boards: list[JsonObject] = []
    for node in nodes:
        known = context.nodes.get(node.name)
        log = None if known is None else known.kernel_log
        console = None if known is None else known.console
        boards.append(
            {
                **node.as_json(),
                "console": None if console is None else asdict(console),
                "kernel_log": None if log is None else _log(log),
            }
        )
    host = context.host_log
    return {
        "from_frame": context.from_frame,
        "at_utc": context.at_utc,
        "host_kernel_log": None if host is None else _log(host),
        "boards": boards,
    }


def _log(log: KernelLog) -> JsonObject:
    return {
        "source": log.source,
        "unknown": log.unknown,
        "before": None if log.before is None else asdict(log.before),
        "after": None if log.after is None else asdict(log.after),
        "new_lines": log.new_lines,
        "new": list(log.new),
        "lost": log.lost,
    }
