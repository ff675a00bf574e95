"""The vote of one frame from the record: answers, differences, causes and repairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from hil.record.digest import hex64
from hil.record.event_queries import (
    anomalies,
    damaged_chunks,
    departures,
    neighbour_frame,
    next_settled,
    notable_frame,
    repairs_of_frame,
    replies_of_frame,
    states_reached,
    upsets_of_frame,
)
from hil.record.live import EVERYTHING, LiveRecord
from hil.record.queries import upsets_behind
from hil.record.record_tables import RecordTable
from hil.record.row_values import (
    RecordedFrame,
    RecordedRepair,
    RecordedReply,
    RecordedTransition,
    RecordedUpset,
)
from hil.record.timeline import Timeline
from hil.redundancy.recovery import NodeState
from hil.redundancy.voting import NodeStatus, Verdict, VerdictKind
from hil.views.checker_results import (
    CheckersResult,
    checkers_words,
    has_checkers,
    output_of_checkers,
    verdict_of_checkers,
)
from hil.views.correctness import Answered, answer_words, answered
from hil.views.field_values import FieldReader, FieldValues, last_outputs
from hil.views.listing import inherited_text, signal_name, upset_text
from hil.views.screen.model.executions import RepeatedStep, repeated_steps
from hil.views.screen.model.facts import Vote
from hil.views.screen.model.recorded_values import vote_of
from hil.views.screen.rules import SchemeRule, rule_of
from hil.views.style import duration
from hil.views.voter_views import VoterView, voter_views
from hil.wire.messages import UpsetState
from hil.word_enum import Word

__all__ = [
    "Cure",
    "Decision",
    "NodeAnswer",
    "OutputDifference",
    "VotePart",
    "decision",
    "neighbour",
]

_CHUNK: Final = 8
_DIFFERENCES_MAX: Final = 64
_CURES: Final = 40
_TRANSITIONS: Final = 500
"""A node returns within a few frames: its state is among the newest ones."""


class VotePart(Word):
    """The part of a node in a vote."""

    VOTER = "voter"
    RETURNS = "returns"  # it is re-integrating, and its answer counted
    HEARD = "heard"  # it was compared, but does not count
    OUT = "out"


@dataclass(frozen=True, slots=True)
class NodeAnswer:
    """The answer of one node, and its `part` in the vote. `worth` is its correctness; `words` the
    same in words, beside the vote."""

    node: str
    status: str
    reason: str
    output_digest: str
    state_digest: str
    part: VotePart
    agrees: bool
    latent: bool
    worth: Answered = Answered.RIGHT
    words: str = ""


@dataclass(frozen=True, slots=True)
class OutputDifference:
    """Bytes of one node, `actual`, that differ from those of the reference, `agreed`. `where` is
    output or state."""

    node: str
    where: str
    offset: int
    agreed: bytes
    actual: bytes

    @property
    def bits(self) -> int:
        """Return the number of bits that differ."""
        return sum((a ^ b).bit_count() for a, b in zip(self.agreed, self.actual, strict=False))


@dataclass(frozen=True, slots=True)
class Cure:
    """One repair that recovery carried out."""

    frame: int
    node: str
    text: str
    ok: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision in one frame. `notable` is false if all nodes plainly agreed: then the record
    has digests only. `golden_*`: results of the golden run. `fields`: the values
    of the nodes, field by field. `reference`: the output that others are
    compared with if that is not the agreed one. `rule`: that of the scheme; `alone`: the number of
    consecutive frames in which one of several nodes answered alone; `repeats`: the executions of
    the step by a scheme with time redundancy; `voters`: the replicas of the voter, where their
    views differ."""

    frame: int
    t_us: int
    vote: Vote | None = None
    notable: bool = False
    executions: int = 1
    output: str = ""
    state: str = ""
    golden_output: str = ""
    golden_state: str = ""
    value: bytes = b""
    fields: tuple[FieldValues, ...] = ()
    answers: tuple[NodeAnswer, ...] = ()
    differences: tuple[OutputDifference, ...] = ()
    hidden: int = 0
    reference: str = ""
    bits: int = 0
    rule: SchemeRule = field(default_factory=SchemeRule)
    alone: int = 0
    causes: tuple[str, ...] = ()
    cures: tuple[Cure, ...] = ()
    outage: str = ""
    repeats: tuple[RepeatedStep, ...] = ()
    voters: tuple[VoterView, ...] = ()


def decision(source: LiveRecord, frame: int) -> Decision:
    """Return all that the record has on the vote of a frame."""
    at_us = source.time.t_us(frame)
    verdict = source.verdict(frame)
    if verdict is None:
        return Decision(frame, at_us)
    row = notable_frame(source, frame)
    replies = replies_of_frame(source, frame)
    first = {r.node: r for r in replies if r.execution == 0}
    value = bytes(row.value or b"") if row else b""
    agreed = b"" if verdict.held else value  # a held output is of another frame
    checkers = None
    if has_checkers(source.meta.scenario.scheme):
        checkers = verdict_of_checkers(verdict)
    answers = _answers(source.names, verdict, row, first, _returning(source, frame), checkers)
    alone = verdict.kind is VerdictKind.SIMPLEX and len(source.names) > 1
    reference, right = _reference(source.names, verdict, answers, first, agreed)
    if checkers is not None:  # whose outputs have another layout than the doer's
        reference, right = "", output_of_checkers(verdict, replies)
        first = {node: reply for node, reply in first.items() if node}
    differences = _in_output(source.names, first, right) + _in_state(source, frame)
    cures, outage = _cures(source, frame)
    rule = rule_of(source.meta.scenario, len(source.names))
    return Decision(
        frame,
        at_us,
        vote_of(verdict),
        notable=row is not None,
        executions=1 + max((r.execution for r in replies), default=0),
        output=hex64(verdict.output) if verdict.output else "",
        state=hex64(verdict.state) if verdict.state else "",
        golden_output=row.golden_output if row else "",
        golden_state=row.golden_state if row else "",
        value=value,
        fields=_fields(source, verdict, replies, value),
        answers=answers,
        differences=tuple(differences[:_DIFFERENCES_MAX]),
        reference=reference,
        hidden=max(0, len(differences) - _DIFFERENCES_MAX),
        bits=sum(difference.bits for difference in differences),
        rule=rule,
        alone=source.frames_alone(frame) if alone else 0,
        causes=tuple(_causes(source, frame, answers)),
        cures=cures,
        outage=outage,
        repeats=tuple(repeated_steps(verdict, replies)) if rule.executions > 1 else (),
        voters=voter_views(source, source.names, frame, replies) if row is not None else (),
    )


def _fields(
    source: LiveRecord, verdict: Verdict, replies: Sequence[RecordedReply], value: bytes
) -> tuple[FieldValues, ...]:
    """Return the fields of the last execution, by which the frame was decided."""
    delivered = value if verdict.delivered else b""
    reader = FieldReader(source.meta.scenario, source.names)
    return reader.of(last_outputs(replies), verdict.voters, delivered)


def _answers(
    names: tuple[str, ...],
    verdict: Verdict,
    row: RecordedFrame | None,
    first: dict[int, RecordedReply],
    returning: frozenset[str],
    checkers: CheckersResult | None,
) -> tuple[NodeAnswer, ...]:
    """Return the answers of the first execution: a rollback may have made the nodes agree."""
    agreed = (hex64(verdict.output), hex64(verdict.state))
    golden = (row.golden_output, row.golden_state) if row else agreed
    out: list[NodeAnswer] = []
    for index, name in enumerate(names):
        ballot, reply = verdict.ballots[index], first.get(index)
        status = reply.status if reply else NodeStatus(ballot.status).word
        number = reply.signal if reply else ballot.signal
        output = reply.output_digest if reply else hex64(ballot.output_digest)
        state = reply.state_digest if reply else hex64(ballot.state_digest)
        bit = 1 << index
        part = VotePart.OUT if status == NodeStatus.EXCLUDED.word else VotePart.HEARD
        if verdict.voters & bit:
            part = VotePart.RETURNS if name in returning else VotePart.VOTER
        done = status == NodeStatus.DONE.word
        by_vote = bool(verdict.agree & bit) and output == hex64(ballot.output_digest)
        agrees = done and bool(verdict.output) and (output == agreed[0] or by_vote)
        latent = done and bool(verdict.state) and state != agreed[1]
        if checkers is not None and index:
            worth = checkers.answer(status, output, state)
        else:
            worth = answered(
                status,
                output,
                state,
                golden,
                accepted=by_vote and verdict.correct,
                states_ignored=verdict.states_ignored,
            )
        words = checkers_words(checkers, verdict, index) or answer_words(
            worth,
            dissents=done and not agrees,
            latent=latent,
            delivered=verdict.delivered,
            correct=verdict.correct,
        )
        out.append(
            NodeAnswer(
                name,
                status,
                signal_name(number) if number else (reply.reason if reply else ""),
                output if done else "",
                state if done else "",
                part,
                agrees,
                latent,
                worth,
                words,
            )
        )
    return tuple(out)


def _returning(source: LiveRecord, frame: int) -> frozenset[str]:
    """Return the nodes that were re-integrating when a frame began."""
    position = source.position(RecordTable.TRANSITIONS, frame - 1)
    states = states_reached(source, position - _TRANSITIONS, position)
    return frozenset(name for name, state in states.items() if state == NodeState.REINTEGRATING)


def _reference(
    names: tuple[str, ...],
    verdict: Verdict,
    answers: tuple[NodeAnswer, ...],
    first: dict[int, RecordedReply],
    value: bytes,
) -> tuple[str, bytes]:
    """Return the output that others are compared with, and its name: the agreed one if it is
    correct (its name is empty then), else that of a node with the correct output, else any."""
    if value and verdict.correct:
        return "", value
    for index, answer in enumerate(answers):
        reply = first.get(index)
        if reply and reply.output and answer.worth in {Answered.RIGHT, Answered.WRONG_STATE}:
            return f"{names[index]}, right", bytes(reply.output)
    if value:
        return "agreed, WRONG", value
    done = [i for i, r in first.items() if r.status == NodeStatus.DONE.word and r.output]
    return (names[done[0]], bytes(first[done[0]].output)) if done else ("", b"")


def _in_output(
    names: tuple[str, ...], first: dict[int, RecordedReply], right: bytes
) -> list[OutputDifference]:
    """Return the pieces of outputs that differ from the reference."""
    out: list[OutputDifference] = []
    for index, row in first.items():
        if row.status == NodeStatus.DONE.word and row.output and index < len(names):
            out += pieces(names[index], "output", 0, right, bytes(row.output))
    return out


def pieces(
    node: str, where: str, begin: int, agreed: bytes, actual: bytes
) -> list[OutputDifference]:
    """Return the pieces of eight bytes in which two byte strings differ."""
    return [
        OutputDifference(
            node, where, begin + at, agreed[at : at + _CHUNK], actual[at : at + _CHUNK]
        )
        for at in range(0, min(len(agreed), len(actual)), _CHUNK)
        if agreed[at : at + _CHUNK] != actual[at : at + _CHUNK]
    ]


def _in_state(source: LiveRecord, frame: int) -> list[OutputDifference]:
    """Return the pieces of the state that a resync found damaged."""
    out: list[OutputDifference] = []
    first, last = (
        source.position(RecordTable.REPAIRS, frame - 1),
        source.position(RecordTable.REPAIRS, frame),
    )
    for row in damaged_chunks(source, first, last, frame):
        out += pieces(row.node, "state", row.offset, bytes(row.voted), bytes(row.found))
    return out


def _causes(source: LiveRecord, frame: int, answers: tuple[NodeAnswer, ...]) -> Iterator[str]:
    """Return the upsets of this frame, earlier upsets that still affect nodes with a wrong answer,
    and the deviations that no upset explains."""
    good = {Answered.RIGHT, Answered.EXCLUDED}
    faulty = [a.node for a in answers if a.worth not in good]
    if not faulty and not any(a.worth is Answered.RIGHT for a in answers):
        faulty = [a.node for a in answers]  # all are excluded: by these upsets
    hits = upsets_of_frame(source, frame)
    known = {upset.id for upset in hits}
    behind = [u for u in upsets_behind(source, frame, faulty) if u.id not in known]
    yield from (cause_text(upset, frame) for upset in (*hits, *behind))
    explained = {upset.node for upset in (*hits, *behind)}
    first, last = (
        source.position(RecordTable.ANOMALIES, frame - 1),
        source.position(RecordTable.ANOMALIES, frame),
    )
    for row in anomalies(source, first, last):
        if row.frame != frame:
            continue
        explained.add(row.node)
        yield f"{row.node}: {row.effect}, explained by no upset. {row.reason}"
    for name in faulty:
        text = "" if name in explained else inherited_text(source, frame, name)
        if text:
            yield text


def cause_text(upset: RecordedUpset, frame: int) -> str:
    """Describe an upset, with the bytes that were read before and after it."""
    text = upset_text(upset)
    if upset.state == UpsetState.INJECTED:
        text += f"; at tick {upset.tick}" + (f" + {upset.steps} steps" if upset.steps else "")
        if upset.space:
            text += f", bit {upset.bit:,} of {upset.space:,}"
        if upset.before or upset.after:
            text += f": {bytes(upset.before).hex()} -> {bytes(upset.after).hex()}"
    if upset.frame != frame:
        text += f" (made in frame {upset.frame:,}, and still in force)"
    return text


def _cures(source: LiveRecord, frame: int) -> tuple[tuple[Cure, ...], str]:
    """Return the repairs from this frame on until its nodes voted again, and how long they took."""
    start = source.position(RecordTable.TRANSITIONS, frame - 1)
    end = source.position(RecordTable.TRANSITIONS, frame)
    departed: dict[str, RecordedTransition] = {}
    back: dict[str, RecordedTransition] = {}
    for row in departures(source, start, end):
        if row.frame == frame and row.node not in departed:
            departed[row.node] = row
            again = next_settled(source, row.id, row.node)
            if again is not None:
                back[row.node] = again
    last = max((row.frame for row in back.values()), default=frame)
    if len(back) < len(departed):
        last = EVERYTHING  # all repairs so far
    begin, end = (
        source.position(RecordTable.REPAIRS, frame - 1),
        source.position(RecordTable.REPAIRS, last),
    )
    repairs = repairs_of_frame(source, begin, end, frame, departed, _CURES + 1)
    cures = [Cure(r.frame, r.node, _repair_text(r), bool(r.ok)) for r in repairs[:_CURES]]
    if len(repairs) > _CURES:
        cures.append(Cure(repairs[-1].frame, repairs[-1].node, "and more repairs", ok=True))
    texts = [_outage(name, row, back.get(name), source.time) for name, row in departed.items()]
    return tuple(cures), "; ".join(texts)


def _repair_text(row: RecordedRepair) -> str:
    what = row.action.replace("_", " ")
    if not row.ok:
        return f"{what} FAILED: {row.detail}"
    moved = f", {row.chunks} chunks, {row.bytes_moved:,} B moved" if row.chunks else ""
    return f"{what} ({row.cause}): done in {duration(row.duration_wall_us)}{moved}"


def _outage(
    name: str, departure: RecordedTransition, back: RecordedTransition | None, time: Timeline
) -> str:
    if back is None:
        return f"{name} left the vote ({departure.cause}) and is not back yet"
    frames = back.frame - departure.frame
    real = duration(back.wall_us - departure.wall_us)
    end = "was isolated" if back.after == NodeState.ISOLATED else "voted again"
    flight = time.t_us(back.frame) - time.t_us(departure.frame)
    if not frames:
        return f"{name} {end} before the next frame, after {real}"
    return f"{name} {end} after {frames} frames: {duration(flight)} of flight, {real}"


def neighbour(source: LiveRecord, frame: int, step: int) -> int | None:
    """Return the next notable frame after `frame` (step 1), or the one before it (-1)."""
    return neighbour_frame(source, frame, step)
