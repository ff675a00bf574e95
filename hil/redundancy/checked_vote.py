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

The packed frame names whose output left the system (`Verdict.primary`): the doer, or a checker.

The decision is made in C (`checked_decide` in csrc/host/checked.h), which runs, records that are
voted again and web pages share."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hil._kernel import ffi, lib
from hil.errors import ConfigError, Problem
from hil.kernel import Golden, check, workload
from hil.redundancy.field_vote import FieldMemory, ValueDecision
from hil.redundancy.value_vote import OutputBytes
from hil.redundancy.voting import (
    CORRECT,
    DELIVERED,
    Ballot,
    NodeStatus,
    Verdict,
    VerdictKind,
    from_c,
    in_c,
)
from hil.scenario import Scenario
from hil.scenario.checkers import CheckersConfig, Refused
from hil.scenario.outputs import NUMBER_TYPES, OutputField, output_fields
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
    "wrong_and_agreeing",
]

DOER: Final[int] = lib.CHECKED_DOER
"""The index of the doer."""
_DOER_MASK: Final = 1 << DOER
_BOUND: Final = struct.Struct("<BBBBIIIdd")


def distance(a: float, b: float, period: float = 0.0) -> float:
    """Return the distance of two numbers, the shorter way round where values repeat after `period`
    (0: they do not); infinity if one of them is not finite."""
    return float(lib.checked_distance(a, b, period))


@dataclass(frozen=True, slots=True)
class Bound:
    """The greatest distance of the numbers of a field of the doer's output from those of the
    checkers, in the unit of both."""

    full: OutputField
    reduced: OutputField
    bound: float

    @property
    def packed(self) -> bytes:
        """Return the bound as csrc/host/checked.h has it."""
        full, reduced = self.full, self.reduced
        return _BOUND.pack(
            NUMBER_TYPES.index(full.type),
            NUMBER_TYPES.index(reduced.type),
            full.fraction_bits,
            reduced.fraction_bits,
            full.offset,
            reduced.offset,
            full.count,
            abs(self.bound),
            abs(full.period),
        )


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


def wrong_and_agreeing(verdict: Verdict, golden: Golden) -> list[int]:
    """Return the nodes that agree with what was decided, and whose own output is not right: if a
    wrong output was delivered, no other node has let it out."""
    return [
        i
        for i, ballot in enumerate(verdict.ballots)
        if verdict.agree >> i & 1 and ballot.output_digest != golden.of(i).output_digest
    ]


def refuses_doer(verdict: Verdict) -> bool:
    """Return whether the doer answered, and its result was refused."""
    answered = verdict.ballots[DOER].status == NodeStatus.DONE
    asked = bool(verdict.voters & _DOER_MASK)
    return answered and asked and verdict.primary != DOER and verdict.kind in _DECIDED


_DECIDED: Final = (VerdictKind.MAJORITY, VerdictKind.UNANIMOUS, VerdictKind.NO_MAJORITY)


class CheckedVoter:
    """Decides frames of a doer and its checkers by `config`, with these `bounds`; `lengths`: of the
    outputs of the doer and of a checker [byte]. It remembers nothing. Thread-safe. Raises:
    KernelError for bounds of fields that the outputs do not have."""

    state: Final = StateVote.IGNORE
    """The state of the doer has none to be compared with."""
    remembers_values: Final = False

    def __init__(
        self, config: CheckersConfig, bounds: Sequence[Bound], lengths: tuple[int, int]
    ) -> None:
        self.config = config
        self.bounds = tuple(bounds)
        self.lengths = lengths
        content, count = self.packed_bounds, len(self.bounds)
        self._bounds = ffi.new("hil_checked_bound_t[]", count)
        check(
            lib.checked_bounds_unpack(self._bounds, count, content, len(content), *lengths),
            "checked_bounds_unpack",
        )
        delivers = config.refused is Refused.REDUCED
        rule = (self._bounds, count, config.needed_votes, config.after_frames, delivers)
        self._rules = ffi.new("hil_checked_rules_t *", rule)

    @property
    def packed_bounds(self) -> bytes:
        """Return the bounds as csrc/host/checked.h has them."""
        return b"".join(bound.packed for bound in self.bounds)

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
        return self.lengths[0]

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
        if (len(output), len(of_checker)) != self.lengths:
            return False
        return bool(lib.checked_accepts(self._rules, output, of_checker))

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
        as correct. Raises: KernelError for more than 8 nodes, or voters beyond them."""
        f = in_c(ballots)
        f.frame, f.voters, f.flags = frame, voters, flags
        of, kept = ffi.new("hil_frame_outputs_t *"), []
        for node, output in enumerate(outputs.nodes[: len(of.node)]):
            if len(output) == self.lengths[node != DOER]:
                kept.append(ffi.from_buffer(output))
                of.node[node] = ffi.cast("uint8_t *", kept[-1])
        commands = check(lib.checked_decide(self._rules, of, f), "checked_decide")
        del kept  # until here `of` points to them
        delivered: bytes | None = None
        if commands:
            delivered = outputs.nodes[commands - 1] or None
            if isinstance(outputs, CheckedOutputs) and (
                f.output == outputs.golden_digests[commands - 1 != DOER]
            ):
                f.flags |= CORRECT
        verdict = from_c(f, ballots, commands - 1 if commands else None)
        return verdict._replace(values=ValueDecision((), delivered, f.output, f.agree))
