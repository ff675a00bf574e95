"""The replicas of the voter in an MCAP file: what each decided, and on which replies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from hil.errors import KernelError, RecordError
from hil.export.event_lines import EventLevel, ListedEvent
from hil.export.mcap_ground import TopicMessage
from hil.export.mcap_topics import BALLOT, DIGESTS, described, typed
from hil.json_values import JsonObject
from hil.record.reader import Reader
from hil.record.row_values import RecordedReplica
from hil.record.span_rows import replicas_between
from hil.redundancy.voting import NodeStatus, Verdict, unpack

__all__ = ["REPLICAS", "REPLICA_SCHEMAS", "replica_messages"]

REPLICAS: Final = "/replicas"
_ALL: Final = 2**62

REPLICA_SCHEMAS: Final[Mapping[str, tuple[str, JsonObject]]] = {
    REPLICAS: (
        "hil.replicas",
        described(
            {
                **dict.fromkeys(("t_us", "frame", "index"), typed("integer")),
                **dict.fromkeys(("node", "verdict"), typed("string")),
                **dict.fromkeys(("verdict_code", "voters"), typed("integer")),
                **dict.fromkeys(("agree", "dissent"), typed("integer")),
                "delivered": typed("boolean"),
                **DIGESTS,
                "nodes": {"type": "array", "items": described({**BALLOT, **DIGESTS}, "ballot")},
            },
            "hil.replicas",
        ),
    )
}
"""Name and JSON Schema of the topic's messages."""


def replica_messages(reader: Reader, names: Sequence[str]) -> Iterator[TopicMessage]:
    """Yield what each replica decided in frames in which their views differed. Raises: RecordError
    if the record is damaged."""
    for row in replicas_between(reader, 0, _ALL):
        try:
            verdict = unpack(row.verdict)
        except (KernelError, ValueError) as error:
            raise RecordError(f"the record is damaged: replicas of frame {row.frame}") from error
        yield _message(row, verdict, reader.t_us(row.frame), names)


def _message(
    row: RecordedReplica, verdict: Verdict, t_us: int, names: Sequence[str]
) -> TopicMessage:
    statuses = {int(status): status.word for status in NodeStatus}
    at = names[row.node] if 0 <= row.node < len(names) else str(row.node)
    message: JsonObject = {
        "t_us": t_us,
        "frame": row.frame,
        "index": row.node,
        "node": at,
        "verdict": verdict.kind.word,
        "verdict_code": int(verdict.kind),
        "voters": verdict.voters,
        "agree": verdict.agree,
        "dissent": verdict.dissent,
        "delivered": verdict.delivered,
        "output_digest": f"{verdict.output:016x}",
        "state_digest": f"{verdict.state:016x}",
        "nodes": [
            {
                "node": name,
                "status": statuses.get(ballot.status, str(ballot.status)),
                "signal": ballot.signal,
                "output_digest": f"{ballot.output_digest:016x}",
                "state_digest": f"{ballot.state_digest:016x}",
            }
            for name, ballot in zip(names, verdict.ballots, strict=False)
        ],
    }
    text = f"its replica of the voter decided {verdict.kind.word} on a view of its own"
    line = ListedEvent(row.frame, at, "replicas", EventLevel.WARNING, text)
    return TopicMessage(REPLICAS, t_us, message, line)
