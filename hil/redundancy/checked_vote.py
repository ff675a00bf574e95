"""The vote of a doer and its checkers: whether the result of one node is accepted. Pure.

The doer, the node with index 0, computes the workload; the checkers compute a reduced one from the
same inputs. The two results are never identical, so they are compared within bounds: a checker
*refuses* the doer's result if a number of a field with a bound is farther from its own than the
bound, and *accepts* it otherwise. A number that is not finite is refused.

    refused by fewer checkers than the rule  accepted: the doer's output is delivered. Checkers that
      asks for, and accepted by one           refuse dissent
    refused by as many, or by all that       refused. If two checkers or more, and more than half of
      answered                                those that answered, have the same output, the doer
                                              dissents, and by the rule `refused` their output is
                                              delivered in its place (*degraded*), or nothing. Else
                                              there is no majority: nobody is known to be right
    the doer does not answer, or returns     the same as refused; but a doer that returns agrees if
                                              the checkers accept its result
    one node alone answers                   simplex: nothing can be compared, and its own output is
                                              delivered by the rule for unvoted outputs alone

Checkers compute the same, so among themselves they are compared exactly, in output and state: one
that differs from most of the others dissents. Where none has a majority (one of two), the states
count as split, and all nodes go back to a checkpoint.

What this cannot see: a wrong result of the doer within the bounds of most checkers, or in a field
without a bound; a wrong state of the doer until it shows in a result. Both are counted, because a
delivered output is *correct* only if its bytes are those of the golden run of the one that computed
it: the doer, or, degraded, the checkers.

The packed frame names whose output left the system (`Verdict.primary`): the doer, or a checker."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hil.errors import ConfigError, Problem
from hil.kernel import Golden, workload
from hil.redundancy.field_vote import FieldMemory, ValueDecision
from hil.redundancy.value_vote import OutputBytes
from hil.redundancy.voting import (
    CORRECT,
    DELIVERED,
    FAIL_SILENT,
    HELD,
    HELD_WRONG,
    RE_EXECUTED,
    STATE_SPLIT,
    Ballot,
    NodeStatus,
    Verdict,
    VerdictKind,
    packed,
)
from hil.scenario import Scenario
from hil.scenario.checkers import CheckersConfig, Refused
from hil.scenario.outputs import OutputField, output_fields
from hil.scenario.voter import StateVote

__all__ = [
    "DOER",
    "Bound",
    "CheckedOutputs",
    "CheckedVoter",
    "all_golden",
    "bounds_of",
    "checked_voter",
    "distance",
    "is_degraded",
    "outputs_with",
    "refuses_doer",
]

DOER: Final = 0
"""The index of the doer."""
_DOER_MASK: Final = 1 << DOER


def distance(a: float, b: float, period: float = 0.0) -> float:
    """Return the distance of two numbers, the shorter way round where values repeat after `period`
    (0: they do not); infinity if one of them is not finite."""
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.inf
    apart = abs(a - b)
    if period:
        apart = math.fmod(apart, period)
        apart = min(apart, period - apart)
    return apart


@dataclass(frozen=True, slots=True)
class Bound:
    """The greatest distance of the numbers of a field of the doer's output from those of the
    checkers, in the unit of both."""

    full: OutputField
    reduced: OutputField
    bound: float

    def holds(self, output: bytes, of_checker: bytes) -> bool:
        """Return whether all numbers of the field are within the bound."""
        pairs = zip(self.full.values(output), self.reduced.values(of_checker), strict=True)
        return all(distance(a, b, self.full.period) <= self.bound for a, b in pairs)


@dataclass(frozen=True, slots=True)
class CheckedOutputs(OutputBytes):
    """The outputs of a frame, and the digests of the golden ones: of the doer, and of a checker."""

    golden_digests: tuple[int, int] = (0, 0)


def outputs_with(golden: Golden, nodes: Sequence[bytes]) -> CheckedOutputs:
    """Return the outputs `nodes` of a frame, with those of its golden run."""
    digests = (golden.output_digest, golden.of(DOER + 1).output_digest)
    return CheckedOutputs(nodes, golden.output, digests)


def all_golden(ballots: Sequence[Ballot], golden: Golden) -> bool:
    """Return whether each node has answered with the output and the state of its golden run."""
    return all(
        b.status == NodeStatus.DONE and b[2:] == (own.output_digest, own.state_digest)
        for b, own in ((b, golden.of(i)) for i, b in enumerate(ballots))
    )


def checked_voter(scenario: Scenario, output_len: int) -> CheckedVoter | None:
    """Return the voter of a scenario with a doer, whose outputs have `output_len` bytes; None if it
    has none. Raises: ConfigError as `bounds_of`; KernelError for an unknown workload."""
    checkers = scenario.rig.checkers
    if checkers is None or not scenario.rig.scheme.has_checkers:
        return None
    lengths = (output_len, workload(checkers.workload).output_len)
    return CheckedVoter(checkers, bounds_of(checkers, scenario.output_fields), lengths)


def bounds_of(checkers: CheckersConfig, fields: Sequence[OutputField]) -> tuple[Bound, ...]:
    """Return the bounds of `checkers`, of a doer with these `fields` in its output. Raises:
    ConfigError if a field is not known."""
    full = {field.name: field for field in fields}
    reduced = {field.name: field for field in output_fields(checkers.workload)}
    unknown = [name for name in checkers.bounds if name not in full or name not in reduced]
    if unknown:
        what = f"no field `{unknown[0]}` in both outputs"
        raise ConfigError([Problem("", 0, 0, "$.rig.checkers.bounds", what)])
    return tuple(Bound(full[n], reduced[n], bound) for n, bound in checkers.bounds.items())


def is_degraded(verdict: Verdict) -> bool:
    """Return whether the output of the checkers left the system in place of the doer's."""
    return verdict.delivered and verdict.primary not in (None, DOER)


def refuses_doer(verdict: Verdict) -> bool:
    """Return whether the doer answered, and its result was refused."""
    answered = verdict.ballots[DOER].status == NodeStatus.DONE
    asked = bool(verdict.voters & _DOER_MASK)
    return answered and asked and verdict.primary != DOER and verdict.kind in _DECIDED


_DECIDED: Final = (VerdictKind.MAJORITY, VerdictKind.UNANIMOUS, VerdictKind.NO_MAJORITY)


class CheckedVoter:
    """Decides frames of a doer and its checkers by `config`, with these `bounds`; `lengths`: of the
    outputs of the doer and of a checker [byte]. It remembers nothing. Thread-safe."""

    state: Final = StateVote.IGNORE
    """The state of the doer has none to be compared with."""
    remembers_values: Final = False

    def __init__(
        self, config: CheckersConfig, bounds: Sequence[Bound], lengths: tuple[int, int]
    ) -> None:
        self.config = config
        self.bounds = tuple(bounds)
        self._lengths = lengths

    @property
    def memory(self) -> tuple[FieldMemory, ...]:
        """Return what is remembered between two frames: nothing."""
        return ()

    @memory.setter
    def memory(self, memory: Sequence[FieldMemory]) -> None:
        del memory

    def settle(self, verdict: Verdict) -> None:
        """Take the final verdict of a frame."""

    @property
    def output_len(self) -> int:
        """Return the length of the doer's output [byte]."""
        return self._lengths[0]

    def is_right(self, output: bytes, golden: bytes) -> bool:
        """Return whether an output is the golden one of its node."""
        return output == golden

    def are_alike(self, ballots: Sequence[Ballot], first: int, second: int) -> bool:
        """Return whether two nodes have identical outputs and states."""
        a, b = ballots[first], ballots[second]
        return (a.output_digest, a.state_digest) == (b.output_digest, b.state_digest)

    def decide_alike(self, one: Verdict, other: Verdict) -> bool:
        """Return whether two verdicts on one frame deliver the same."""
        return (one.flags & DELIVERED, one.output) == (other.flags & DELIVERED, other.output)

    def accepts(self, output: bytes, of_checker: bytes) -> bool:
        """Return whether a checker with the output `of_checker` accepts that of the doer. Bytes
        that a board did not deliver are refused."""
        if (len(output), len(of_checker)) != self._lengths:
            return False
        return all(bound.holds(output, of_checker) for bound in self.bounds)

    def vote(
        self,
        frame: int,
        ballots: Sequence[Ballot],
        voters: int,
        outputs: OutputBytes,
        *,
        flags: int = 0,
    ) -> Verdict:
        """Return the verdict of a frame by the table of the module; the arguments are those of
        `hil.redundancy.value_vote.ValueVoter.vote`. With `CheckedOutputs` an output may be marked
        as correct."""
        done = NodeStatus.DONE
        heard = sum(1 << i for i, b in enumerate(ballots) if b.status == done)
        counted = heard & voters
        frame_ = _Frame(frame, tuple(ballots), voters, heard, flags, outputs)
        checkers = [i for i in range(1, len(ballots)) if counted >> i & 1]
        if not counted:
            return frame_.undecided(VerdictKind.NO_QUORUM)
        if counted.bit_count() == 1:
            return frame_.alone(counted.bit_length() - 1)
        if counted & _DOER_MASK:
            accepting = [i for i in checkers if self._accepts(frame, outputs, i)]
            refusals = len(checkers) - len(accepting)
            if accepting and refusals < self.config.needed_votes:
                return frame_.accepted(accepting)
        return self._refused(frame_, checkers)

    def _accepts(self, frame: int, outputs: OutputBytes, checker: int) -> bool:
        if frame < self.config.after_frames:
            return True
        return self.accepts(outputs.nodes[DOER], outputs.nodes[checker])

    def _refused(self, frame: _Frame, checkers: Sequence[int]) -> Verdict:
        agreeing = frame.most_alike(checkers)
        if len(agreeing) < 2:
            return frame.undecided(VerdictKind.NO_MAJORITY)
        agree = frame.all_like(agreeing[0])
        returns = frame.heard & ~frame.voters & _DOER_MASK
        if returns and self._accepts(frame.number, frame.outputs, agreeing[0]):
            agree |= _DOER_MASK
        return frame.degraded(agreeing[0], agree, self.config.refused is Refused.REDUCED)


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame that is decided. `heard`: the mask of the nodes that answered."""

    number: int
    ballots: tuple[Ballot, ...]
    voters: int
    heard: int
    flags: int
    outputs: OutputBytes

    @property
    def counted(self) -> int:
        return self.heard & self.voters

    def most_alike(self, nodes: Sequence[int]) -> list[int]:
        """Return those of `nodes` that have the output and the state of more than half of them;
        none if there is no such majority."""
        answers = [self.ballots[i][2:] for i in nodes]
        for answer in answers:
            if 2 * answers.count(answer) > len(answers):
                return [i for i, own in zip(nodes, answers, strict=True) if own == answer]
        return []

    def all_like(self, checker: int) -> int:
        """Return the mask of the checkers that answered as this one did, whether they vote or
        return."""
        answer = self.ballots[checker]
        heard = (i for i in range(1, len(self.ballots)) if self.heard >> i & 1)
        return _mask([i for i in heard if self.ballots[i] == answer])

    def undecided(self, kind: VerdictKind) -> Verdict:
        """Return the verdict without an output of the frame."""
        flags = self.flags & (RE_EXECUTED | HELD | HELD_WRONG)
        return self._verdict(kind, flags, 0, None)

    def alone(self, node: int) -> Verdict:
        """Return the verdict on the only node that answered."""
        if self.flags & FAIL_SILENT:
            flags = self.flags & (RE_EXECUTED | HELD | HELD_WRONG) | FAIL_SILENT
            return self._verdict(VerdictKind.SIMPLEX, flags, 1 << node, None, node)
        flags = self.flags & RE_EXECUTED | DELIVERED
        return self._verdict(VerdictKind.SIMPLEX, flags, 1 << node, node, node)

    def accepted(self, accepting: Sequence[int]) -> Verdict:
        """Return the verdict that delivers the doer's output."""
        alike = self.most_alike(accepting)
        agree = _DOER_MASK | (self.all_like(alike[0]) if alike else _mask(accepting))
        flags = self.flags & RE_EXECUTED | DELIVERED | (0 if alike else STATE_SPLIT)
        apart = self.heard & ~agree & self.voters
        whole = self.counted == self.voters and not apart and bool(alike)
        kind = VerdictKind.UNANIMOUS if whole else VerdictKind.MAJORITY
        return self._verdict(kind, flags, agree, DOER, DOER)

    def degraded(self, first: int, agree: int, delivers: bool) -> Verdict:
        """Return the verdict without the doer's result, where the checkers in the mask `agree`, of
        which `first` is one, have the same."""
        if delivers:
            flags = self.flags & RE_EXECUTED | DELIVERED
            return self._verdict(VerdictKind.MAJORITY, flags, agree, first, first)
        flags = self.flags & (RE_EXECUTED | HELD | HELD_WRONG)
        return self._verdict(VerdictKind.MAJORITY, flags, agree, None, first)

    def _verdict(
        self, kind: VerdictKind, flags: int, agree: int, delivers: int | None, of: int | None = None
    ) -> Verdict:
        """Return a packed verdict. `delivers`: the node whose output leaves the system, None if
        none does; `of`: the node whose output was decided for, None if none was."""
        digest = 0 if of is None else self.ballots[of].output_digest
        output = None
        if delivers is not None:
            output = self.outputs.nodes[delivers] or None
            outputs = self.outputs
            if isinstance(outputs, CheckedOutputs) and (
                digest == outputs.golden_digests[delivers != DOER]
            ):
                flags |= CORRECT
        dissent = self.heard & ~agree if agree else 0
        decision = ValueDecision((), output, digest, agree)
        verdict = Verdict(
            self.number,
            kind,
            self.voters,
            flags,
            agree,
            dissent,
            0,
            digest,
            0,
            self.ballots,
            b"",
            decision,
        )
        return packed(verdict, delivers)


def _mask(nodes: Sequence[int]) -> int:
    return sum(1 << i for i in nodes)
