"""The frames that were more than agreement: which node differed, in which bits and values, from
which cause, and how it was healed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hil.record.event_queries import damaged_chunks, replies_of_frame
from hil.record.outages import Outage
from hil.record.reader import Reader
from hil.record.row_values import RecordedFrame, RecordedReply
from hil.record.span_rows import frames_between
from hil.redundancy.voting import NodeStatus
from hil.report.run_page.healing import Healer, Healing
from hil.views.checker_results import has_checkers
from hil.views.field_values import FieldReader, FieldValues, dissenting, last_outputs
from hil.views.listing import ListedMoment, moments
from hil.views.voter_views import VoterView, voter_views

__all__ = ["DISSENTS_MAX", "VALUES_MAX", "BitDifference", "Dissent", "dissents", "listed"]

DISSENTS_MAX: Final = 1000
"""A page lists no more; those that a wrong or missing output shows come first."""
VALUES_MAX: Final = 200
"""Of the first dissents, a page also has the values of all nodes, and what each voter received."""
_ALL: Final = 2**62
_BYTES_SHOWN: Final = 4


@dataclass(frozen=True, slots=True)
class BitDifference:
    """Bytes of one node that differ from the right ones: of its output, or of its state. `bits`
    differ in all; `bytes_shown` has the first of them, as offset, found and right byte."""

    node: str
    where: str
    bits: int
    bytes_shown: Sequence[tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class Dissent:
    """A frame that was more than agreement. `differences` are empty where a node gave no output, or
    where no bytes were recorded; `fields`: those in which a node has another value than the voted
    one; `voters`: the replicas of the voter, where their views differed; `reasons`: why nodes gave
    none; `away_us`: for how long the nodes that left the vote were out of it, None for one that did
    not come back; `healings`: how each node that was wrong, silent or outvoted came back."""

    moment: ListedMoment
    differences: Sequence[BitDifference]
    fields: Sequence[FieldValues]
    voters: Sequence[VoterView]
    reasons: Sequence[str]
    away_us: Mapping[str, int | None]
    healings: Sequence[Healing]

    @property
    def is_bad(self) -> bool:
        """Return whether no output, or a wrong one, left the system."""
        return not (self.moment.delivered and self.moment.correct)

    @property
    def anchor(self) -> str:
        """Return the name of the row in the page."""
        return f"f{self.moment.frame}"


def dissents(reader: Reader, outages: Sequence[Outage]) -> list[Dissent]:
    """Return the frames with a dissent, or without a right output, in order: all there are, the
    first DISSENTS_MAX of them with their bits. Raises: RecordError."""
    names, frame_us = reader.node_names, reader.frame_us
    rows = {row.frame: row for row in frames_between(reader, 0, _ALL)}
    read = FieldReader(reader.scenario, names)
    healer = Healer(reader, rows)
    out: list[Dissent] = []
    for moment in moments(reader):
        if not (moment.dissent or moment.unexplained or not moment.correct):
            continue
        detailed = len(out) < DISSENTS_MAX
        row = rows[moment.frame]
        replies = replies_of_frame(reader, row.frame) if detailed else []
        first = [r for r in replies if r.execution == 0 and r.node < len(names)]
        differences = list(_differences(reader, row, first, names)) if detailed else []
        shown = replies if len(out) < VALUES_MAX else []
        delivered = bytes(row.value or b"") if row.delivered else b""
        fields = dissenting(read.of(last_outputs(shown), row.voters, delivered))
        voters = voter_views(reader, names, row.frame, shown) if shown else ()
        reasons = [f"{names[r.node]}: {r.reason}" for r in first if r.reason]
        away = _away(moment, outages, frame_us)
        healings = tuple(healer.healings(row))
        out.append(Dissent(moment, differences, fields, voters, reasons, away, healings))
    return out


def _away(moment: ListedMoment, outages: Sequence[Outage], frame_us: int) -> dict[str, int | None]:
    nominal = moment.t_us // frame_us
    out: dict[str, int | None] = {}
    for outage in outages:
        if outage.first_frame == nominal:
            last = outage.last_frame
            out[outage.node] = None if last is None else (last - nominal) * frame_us
    return out


def _differences(
    reader: Reader, row: RecordedFrame, replies: Sequence[RecordedReply], names: Sequence[str]
) -> Iterator[BitDifference]:
    right = _right_output(row, replies)
    if has_checkers(reader.scenario.scheme):  # whose outputs are others; the doer has the first
        replies = [reply for reply in replies if reply.node == 0]
        right = b"" if not row.agree & 1 else right
    for reply in replies:
        wrong = reply.status == NodeStatus.DONE.word and reply.output_digest != row.golden_output
        if wrong and right and reply.output:
            found = _difference(names[reply.node], "output", 0, reply.output, right)
            if found is not None:
                yield found
    for chunk in damaged_chunks(reader, 0, _ALL, row.frame):
        found = _difference(chunk.node, "state", chunk.offset, chunk.found, chunk.voted)
        if found is not None:
            yield found


def _right_output(row: RecordedFrame, replies: Sequence[RecordedReply]) -> bytes:
    """Return the output that the fault-free run has, if any node or the system had it."""
    if row.correct and row.value:
        return row.value
    return next((r.output for r in replies if r.output_digest == row.golden_output), b"")


def _difference(
    node: str, where: str, offset: int, found: bytes, right: bytes
) -> BitDifference | None:
    pairs = [(offset + at, a, b) for at, (a, b) in enumerate(zip(found, right)) if a != b]  # noqa: B905
    bits = sum((a ^ b).bit_count() for _, a, b in pairs)
    return BitDifference(node, where, bits, pairs[:_BYTES_SHOWN]) if pairs else None


def listed(found: Sequence[Dissent]) -> list[Dissent]:
    """Return the dissents that have a row: the first ones, and of the others those that are bad."""
    others = [d for d in found[DISSENTS_MAX:] if d.is_bad]
    return [*found[:DISSENTS_MAX], *others[:DISSENTS_MAX]]
