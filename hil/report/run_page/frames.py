"""The packed frames of a run, which its page votes on again before the reader's eyes: the voter is
csrc/host/frame_verdict.c, compiled to WebAssembly (csrc/port/wasm), with csrc/host/primary.c
where a node commands, csrc/host/replicas.c where each node has a voter,
csrc/host/value_verdict.c where values are compared, and csrc/host/checked.c where checkers judge a
doer."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from importlib import resources
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.json_values import JsonObject
from hil.printable import quoted
from hil.record.reader import Reader
from hil.record.seal import ROWS_WITH_BLOBS
from hil.record.span_rows import has_replicas
from hil.redundancy.voting import VerdictKind, record_length
from hil.report.markup import text
from hil.report.page_file import asset
from hil.report.run_page.checked import JudgedOutputs, checked_of
from hil.report.run_page.facts import RunFacts
from hil.report.run_page.values import Values, values_of
from hil.report.run_page.voters import (
    EVIDENCE_MAX,
    ROWS_MAX,
    Voters,
    are_too_many,
    seal_of_record,
    voters_of,
)
from hil.scenario.words import SchemeName
from hil.views.checker_results import has_checkers

__all__ = [
    "SCRIPT_POLICY",
    "all_numbered",
    "frame_data",
    "numbered",
    "plain_digests",
    "vote_section",
]

SCRIPT_POLICY: Final = "'wasm-unsafe-eval'"

Frames: TypeAlias = npt.NDArray[np.uint8]

_SCRIPTS: Final = ("voters.js", "values.js", "checked.js", "votes.js")

_BYTES_MAX: Final = 2 << 20
"""Packed frames that take more are put into the page with numbers in place of digests."""
_OUTPUT, _STATE, _NODES = slice(16, 24), slice(24, 32), 32
_NODE_LEN, _NODE_OUTPUT, _NODE_STATE = 18, slice(2, 10), slice(10, 18)


def vote_section(reader: Reader, facts: RunFacts) -> str:
    """Return the section in which the page votes again; empty for a run without frames. Raises:
    RecordError if the record cannot be read."""
    data = frame_data(reader, facts)
    if data is None:
        return ""
    if data.get("refused"):
        return (
            f"<h2>Voted again, here</h2><p>{data['refused']} Vote again with "
            f"<code>hil replay {text(quoted(facts.name))} --verify</code>.</p>"
        )
    content = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    return (
        '<h2>Voted again, here</h2><section class="card" id="votes"><p id="voted" role="status">'
        'The page has not voted yet.</p><dl id="vote-facts"></dl>'
        f'<p class="note">{_note(data, facts)}</p></section>'
        '<noscript><p class="warning">Voting again needs JavaScript; all other parts of this page '
        "do not.</p></noscript>"
        f'<script type="application/json" id="frames">{content}</script>'
        f'<script>"use strict";\n{"".join(map(asset, _SCRIPTS))}</script>'
    )


def _note(data: JsonObject, facts: RunFacts) -> str:
    """Return what a page with this `data` votes on, and how."""
    note = (
        "The record's packed frames are part of this page, and so is the voter that decided when "
        "they were recorded, compiled to WebAssembly. It votes on each frame again now; whose "
        "votes count is the record's. Its verdict, masks, digests and flags are compared with the "
        "recorded ones, byte for byte."
    )
    if data["primary"]:
        note += (
            " A node commands in this run: who does in each frame follows again from the frames "
            "before it."
        )
    if data["voters"]:
        had = "had received"
        if facts.meta.scenario.exchange:
            had = (
                "had after the exchange (that itself is not repeated: the copies that were passed "
                "on are not recorded)"
            )
        note += (
            " Each node of this run has a voter of its own. Where their views of the replies "
            f"differed, each votes again on what it {had}, and the verdict of the frame follows "
            "again from theirs."
        )
    if data["values"]:
        note += (
            " Its voter compares values. The rules of all fields are part of this page, and so are "
            "the outputs of each frame in which not all were identical: their digests are computed "
            "again, and what they decide is compared with the output that left the system."
        )
    if data["checked"]:
        note += (
            " Checkers judge a doer in this run. Their bounds are part of this page, and so are "
            "the outputs of each frame in which they are judged: from the record, or, where a node "
            "computed as in the fault-free run, computed again from the seed for this page. Their "
            "digests are computed again here, and must be the recorded ones."
        )
    note += str(data["left_out"])
    has_outputs = data["values"] or data["checked"]
    if data["numbered"]:
        note += (
            " This run is long: its digests are replaced by numbers within their frame, which are "
            "equal where digests are equal; nothing else matters to the voter"
            + (" in frames whose outputs are not here." if has_outputs else ".")
        )
    return note


def frame_data(reader: Reader, facts: RunFacts) -> JsonObject | None:
    """Return what the page votes on, or why it does not (`refused`); None if there is no whole
    frame. Raises: RecordError if the record cannot be read."""
    nodes = len(facts.nodes)
    length = record_length(nodes) if nodes else 0
    blocks = [data for _, _, data in reader.blocks()] if nodes else []
    content = b"".join(blocks)
    count = len(content) // length if length else 0
    if not count:
        return None
    refused = _refusal(reader)
    if refused:
        return {"refused": refused}
    frames = np.frombuffer(content[: count * length], np.uint8).reshape(count, length)
    voters: Voters | None = None
    by_value = facts.meta.scenario.votes_by_value
    if has_replicas(reader):
        voters = voters_of(reader, count, length, by_value=by_value)
        if voters is None:
            return {"refused": "What the voters of the nodes decided is damaged in this record."}
        if len(voters.evidence) > EVIDENCE_MAX:
            return {
                "refused": "What the voters of the nodes received would make this page too large."
            }
    outputs = _outputs_of(reader, facts, frames, voters)
    if isinstance(outputs, str):
        return {"refused": outputs}
    packed, voters_data = _content(frames, nodes, voters)
    is_numbered = _size(packed, voters_data) > _BYTES_MAX
    if is_numbered:
        frames, voters = _numbered_all(frames, nodes, voters, outputs)
        packed, voters_data = _content(frames, nodes, voters)
    events = hashlib.sha256("\n".join(reader.event_lines()).encode()).hexdigest()
    wasm = (resources.files("hil.report") / "page" / "voter.wasm").read_bytes()
    return {
        "names": facts.node_names,
        "length": length,
        "count": count,
        "numbered": is_numbered,
        "kinds": {str(int(kind)): kind.word.replace("_", " ") for kind in VerdictKind},
        "digest": "" if is_numbered else facts.result.run_digest,
        "events": events,
        "frames": base64.b64encode(packed).decode("ascii"),
        "primary": _primary(facts),
        "voters": voters_data,
        "values": outputs.data() if isinstance(outputs, Values) else None,
        "checked": outputs.data() if isinstance(outputs, JudgedOutputs) else None,
        "left_out": _left_out(outputs, count),
        "seal": None if is_numbered or voters is None else seal_of_record(reader),
        "seal_rows": ROWS_WITH_BLOBS,
        "voter": base64.b64encode(wasm).decode("ascii"),
    }


def _outputs_of(
    reader: Reader, facts: RunFacts, frames: Frames, voters: Voters | None
) -> Values | JudgedOutputs | str | None:
    """Return the outputs that the page needs to vote again, or why it cannot; None if digests are
    enough. Raises: RecordError if the record cannot be read."""
    scenario = facts.meta.scenario
    if scenario.votes_by_value:
        views = () if voters is None else voters.frames.tolist()
        return values_of(reader, scenario, frames, views)
    return checked_of(reader, scenario, frames) if has_checkers(scenario.scheme) else None


def _refusal(reader: Reader) -> str:
    """Return why a page does not vote on a run; empty if it does."""
    if are_too_many(reader):
        return (
            f"In this run each node has a voter of its own, and more than {ROWS_MAX:,} of their "
            "verdicts are of different views: they would make this page too large."
        )
    return ""


def _primary(facts: RunFacts) -> JsonObject | None:
    """Return the rule of the primary, and how often command passed; None in other schemes."""
    scenario = facts.meta.scenario
    if scenario.scheme != SchemeName.PRIMARY_MONITORS.value:
        return None
    votes, frames = scenario.monitors
    changes = facts.result.metrics.get("command_changes")
    return {"votes": votes, "frames": frames, "changes": changes}


def _left_out(outputs: Values | JudgedOutputs | None, count: int) -> str:
    """Return which frames the page does not vote on; empty if it does on all."""
    if outputs is None or outputs.until >= count:
        return ""
    until = f"{outputs.until:,}"
    if isinstance(outputs, JudgedOutputs) and not outputs.too_large:
        why = f"The outputs of frame {until} are not in the record, and this hil computes others"
    else:
        why = f"The outputs of the frames from {until} on would make this page too large"
    return f" {why}: it votes on the first {until} of {count:,} frames."


def _numbered_all(
    frames: Frames, nodes: int, voters: Voters | None, outputs: Values | JudgedOutputs | None
) -> tuple[Frames, Voters | None]:
    """Return frames and the verdicts of voters with numbers in place of digests; those
    frames keep them of which the page has outputs."""
    if outputs is None:
        return all_numbered(frames, nodes, voters)
    out, kept = numbered(frames, nodes), outputs.frames
    out[kept] = frames[kept]
    if voters is not None:
        out[voters.frames] = frames[voters.frames]
    return out, voters


def _content(frames: Frames, nodes: int, voters: Voters | None) -> tuple[bytes, JsonObject | None]:
    return _packed(plain_digests(frames, nodes)), None if voters is None else voters.data(frames)


def _size(packed: bytes, voters: JsonObject | None) -> int:
    texts = () if voters is None else (voters["heads"], voters["records"], voters["evidence"])
    return len(packed) + sum(3 * len(str(text)) // 4 for text in texts)


def _packed(frames: Frames) -> bytes:
    """Return frames compressed, in planes: all first bytes, all second ones, and so on."""
    return zlib.compress(np.ascontiguousarray(frames.T).tobytes(), 9)


def plain_digests(frames: Frames, nodes: int) -> Frames:
    """Return frames in which the digests of nodes are differences to the agreed ones (exclusive
    or): zero where a node agrees. The page undoes it."""
    out: Frames = frames.copy()
    for node in range(nodes):
        at = _NODES + _NODE_LEN * node
        for own, agreed in ((_NODE_OUTPUT, _OUTPUT), (_NODE_STATE, _STATE)):
            out[:, at + own.start : at + own.stop] ^= frames[:, agreed]
    return out


def numbered(frames: Frames, nodes: int) -> Frames:
    """Return frames in which each digest is replaced by a number from 1 on that is the same within
    a frame exactly where digests are the same; 0 stays 0, which stands for none."""
    return _numbered_together(frames[:, None], nodes)[:, 0]


def all_numbered(frames: Frames, nodes: int, voters: Voters | None) -> tuple[Frames, Voters | None]:
    """Return frames and the verdicts of voters with numbers in place of digests: a frame and its
    voters have the same ones."""
    out = numbered(frames, nodes)
    if voters is None:
        return out, None
    wide = _numbered_together(voters.wide(frames), nodes)
    out[voters.frames] = wide[:, 0]
    return out, voters.replaced(wide)


def _numbered_together(wide: Frames, nodes: int) -> Frames:
    """Return packed verdicts, of each frame some, with the same numbers for the same digests of
    one frame."""
    out: Frames = wide.copy()
    for own, agreed in ((_NODE_OUTPUT, _OUTPUT), (_NODE_STATE, _STATE)):
        columns = [
            (slot, part)
            for slot in range(wide.shape[1])
            for part in (agreed, *(_of_node(node, own) for node in range(nodes)))
        ]
        values = [np.ascontiguousarray(wide[:, at, c]).view("<u8").ravel() for at, c in columns]
        for number, ((slot, column), value) in enumerate(zip(columns, values, strict=True)):
            label = np.full(len(wide), number + 1, dtype="<u8")
            for earlier in reversed(range(number)):
                label[values[earlier] == value] = earlier + 1
            label[value == 0] = 0
            out[:, slot, column] = label.view(np.uint8).reshape(-1, 8)
    return out


def _of_node(node: int, part: slice) -> slice:
    at = _NODES + _NODE_LEN * node
    return slice(at + part.start, at + part.stop)
