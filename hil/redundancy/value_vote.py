"""The vote by value: one frame's verdict from the outputs of all nodes, field by field.

The decision is made in C (`value_verdict_decide` in csrc/host/value_verdict.h, which runs, records
that are voted again and web pages share); csrc/host/value_choice.h has the rules of one field. This
module converts its values to Python, and knows which rules an output has:

    delivered    the delivered bytes of all fields, in their order: it may be the output of no node.
                 Bytes that no field has are decided by the exact majority. Nothing is delivered
                 unless all fields are decided
    digest       `Verdict.output` is the digest of the delivered bytes. A record has these bytes,
                 and the output of every node, of each frame in which not all outputs are identical
    agree        a node agrees if it agrees in every field; a node that answered and does not agree
                 dissents, and is repaired. Nodes that were heard and do not vote are compared, too
    unanimous    all voters were heard and agree, and their states do
    majority     decided otherwise. Where no more than half of the voters agree (each may dissent in
                 another field), the output is delivered, and the states count as split: the nodes
                 roll back
    no majority  a field is undecided: fail-silent, or `rig.unvoted_output: hold`, as with the exact
                 majority. Bytes that a board did not deliver have no value in any field
    simplex      one voter was heard: its own output, by the same rule as with the exact majority
    state exact  the states of the voters that agree are voted on by their digests, as always
    state ignore no state is voted on: no node is latent, and damage of a state is found when it
                 shows in an output. A node keeps checkpoints of its own states, after frames in
                 which it agreed. Nothing is copied from node to node: a resync goes back to the
                 node's own checkpoint and computes again, any higher rung computes again from the
                 initial state. The host has no copy, and takes no snapshot to resume from
    correct      the delivered value of each field agrees with that of the golden run by the rule of
                 the field: the same bytes, or within its tolerance; else it is a wrong output (SDC)
    masked, sdc  a node's output is right if each field agrees with the golden one in the same way;
                 its state is right if it is the golden one, or is ignored with a right output
    hold         holds the delivered bytes
    NaN          of all nodes is delivered, and correct if the golden run has NaN, too

What a voter remembers (history, smoothing, held_mean) changes only by the final verdict of a frame,
not by results that were rolled back.

Pure but for that memory; a run and the verification of its record use the same code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hil._kernel import ffi, lib
from hil.errors import ConfigError, Problem
from hil.kernel import check
from hil.redundancy.field_vote import (
    PERIOD_MAX,
    FieldMemory,
    FieldRule,
    ValueDecision,
    field_vote_of,
    store_memory,
)
from hil.redundancy.voting import STATE_SPLIT, Ballot, Verdict, from_c, in_c
from hil.scenario import Scenario
from hil.scenario.outputs import NUMBERS, OutputField, OutputRole
from hil.scenario.voter import FieldVoterConfig, StateVote, VoterConfig, VoterName

__all__ = [
    "OutputBallots",
    "OutputBytes",
    "ValueVoter",
    "rules_of",
    "value_voter",
    "voter_of_record",
]

_ANY_BYTES: Final = frozenset({VoterName.EXACT, VoterName.BITWISE, VoterName.PLURALITY})


@dataclass(frozen=True, slots=True)
class OutputBytes:
    """The outputs of a frame: of each node in rig order, empty if there is none, and of the golden
    run (None: not known)."""

    nodes: Sequence[bytes]
    golden: bytes | None = None


class OutputBallots(list[Ballot]):
    """The ballots of a frame in rig order, with the `outputs` that a voter by value decides on."""

    def __init__(self, ballots: Iterable[Ballot], outputs: OutputBytes) -> None:
        super().__init__(ballots)
        self.outputs = outputs


def rules_of(
    config: VoterConfig, fields: Sequence[OutputField], output_len: int
) -> tuple[FieldRule, ...]:
    """Return the rules of all bytes of an output of `output_len` bytes, in their order.

    The voter of the rig applies to numbers; a class, a character or bits without an order are
    voted exactly, unless `fields:` of the voter names them. Raises: ConfigError for fields that
    overlap or do not fit, and for a voter by value of an output without fields."""
    exact = FieldVoterConfig()
    rules: list[FieldRule] = []
    at = 0
    for field in sorted(fields, key=lambda f: f.offset):
        if field.offset < at:
            raise _unfit(f"the field `{field.name}` begins at byte {field.offset}, inside another")
        if field.offset > at:
            rules.append(FieldRule(_other_bytes(at, field.offset), exact))
        at = field.offset + field.length
        if at > output_len:
            raise _unfit(f"the field `{field.name}` ends at byte {at}; there are {output_len}")
        if not field.significant_bits and field.period * (1 << field.fraction_bits) > PERIOD_MAX:
            raise _unfit(f"the period of the field `{field.name}` is beyond its type")
        own = config.fields.get(field.name)
        if own is not None and own.ignore_bits and field.significant_bits:
            raise _unfit(f"the field `{field.name}` is not an integer: it has no bits to ignore")
        usual = config if field.role in NUMBERS or config.kind in _ANY_BYTES else exact
        rules.append(FieldRule(field, own or usual))
    if at < output_len:
        by_value = not fields and config.kind not in _ANY_BYTES
        if by_value:
            raise _unfit(
                f"`rig.voter: {config.kind}` needs the fields of the output, and none are known",
                "declare them with `fields:` of the workload",
            )
        rules.append(FieldRule(_other_bytes(at, output_len), exact if fields else config))
    return tuple(rules)


def value_voter(scenario: Scenario, output_len: int) -> ValueVoter | None:
    """Return the voter by value of a scenario whose outputs have `output_len` bytes; None if the
    exact majority decides. Raises: ConfigError as `rules_of`."""
    config = scenario.rig.voter
    if config.is_exact:
        return None
    rules = rules_of(config, scenario.output_fields, output_len)
    return ValueVoter(rules, config.state, len(scenario.rig.nodes))


def voter_of_record(scenario: Scenario, longest: int) -> ValueVoter | None:
    """Return the same of a record in which the longest output has this length [byte]; 0 if no
    output is in it, for all were alike in all frames. Raises: ConfigError as `rules_of`."""
    length = longest or max((f.offset + f.length for f in scenario.output_fields), default=1)
    return value_voter(scenario, length)


def _other_bytes(begin: int, end: int) -> OutputField:
    return OutputField(f"bytes {begin} to {end - 1}", "u8", begin, end - begin, "", OutputRole.BITS)


def _unfit(message: str, remedy: str = "") -> ConfigError:
    return ConfigError(
        [Problem("", 0, 0, "$.rig.voter", f"the output's fields: {message}", remedy)]
    )


class ValueVoter:
    """Decides frames by the values of outputs. `nodes`: the number of nodes of the rig. Not
    thread-safe: `vote` uses memory of the voter, `settle` changes what is remembered."""

    def __init__(self, rules: Sequence[FieldRule], state: StateVote, nodes: int) -> None:
        self.rules = tuple(rules)
        self.state = state
        self._length = sum(rule.field.length for rule in rules)
        self._memory = tuple(rule.first_memory(nodes) for rule in rules)
        self._stored: Sequence[FieldMemory] | None = None  # what stands in C
        self._c = _Workspace(self.rules, self._length, state is StateVote.IGNORE)

    @property
    def packed_rules(self) -> bytes:
        """Return the rules of all fields as csrc/host/value_rule.h has them."""
        return b"".join(rule.packed for rule in self.rules)

    @property
    def remembers_values(self) -> bool:
        """Return whether a verdict depends on values of frames before: then a record has the
        outputs of every frame."""
        return any(rule.remembers_value for rule in self.rules)

    @property
    def memory(self) -> tuple[FieldMemory, ...]:
        """Return what is remembered after the last settled frame, field by field."""
        return self._memory

    @memory.setter
    def memory(self, memory: Sequence[FieldMemory]) -> None:
        self._memory = tuple(memory)

    def settle(self, verdict: Verdict) -> None:
        """Take the final verdict of a frame."""
        if verdict.values is not None:
            self._memory = tuple(vote.memory for vote in verdict.values.fields)

    def is_right(self, output: bytes, golden: bytes) -> bool:
        """Return whether an output agrees with the golden one in all fields."""
        if not len(output) == len(golden) == self._length:
            return False
        return bool(lib.value_outputs_match(self._c.rules, output, golden))

    def are_alike(self, ballots: Sequence[Ballot], first: int, second: int) -> bool:
        """Return whether two nodes that have answered have outputs that agree in all fields, and
        the same state where states are compared."""
        a, b = ballots[first], ballots[second]
        if self.state is StateVote.EXACT and a.state_digest != b.state_digest:
            return False
        if a.output_digest == b.output_digest:
            return True
        if not isinstance(ballots, OutputBallots):
            return False
        outputs = ballots.outputs.nodes
        known = len(outputs[first]) == self._length
        return known and self.is_right(outputs[second], outputs[first])

    def decide_alike(self, one: Verdict, other: Verdict) -> bool:
        """Return whether two verdicts on one frame deliver outputs that agree in all fields, or
        nothing, and the same state."""
        if one.delivered != other.delivered or one.state != other.state:
            return False
        if (one.flags ^ other.flags) & STATE_SPLIT:
            return False
        if not one.delivered or one.output == other.output:
            return True
        a = None if one.values is None else one.values.output
        b = None if other.values is None else other.values.output
        return a is not None and b is not None and self.is_right(a, b)

    @property
    def output_len(self) -> int:
        """Return the length of an output [byte]."""
        return self._length

    def vote(
        self,
        frame: int,
        ballots: Sequence[Ballot],
        voters: int,
        outputs: OutputBytes,
        *,
        flags: int = 0,
    ) -> Verdict:
        """Return the verdict of a frame; nothing is remembered before `settle`.

        `voters` is the mask of the nodes that vote. `flags`: RE_EXECUTED; FAIL_SILENT, if a voter
        that is alone delivers nothing; HELD and HELD_WRONG, if the last voted output leaves the
        system again where nothing is delivered. Raises: KernelError for more than 8 nodes."""
        if self._stored is not self._memory:
            self._c.store(self._memory)
            self._stored = self._memory
        f = in_c(ballots)
        f.frame, f.voters, f.flags = frame, voters, flags
        decision = self._c.decide(f, outputs, self._memory)
        return from_c(f, ballots)._replace(values=decision)


class _Workspace:
    """The memory of one voter in C: its rules, what it remembers, and what it decides."""

    def __init__(self, rules: Sequence[FieldRule], length: int, ignore_states: bool) -> None:
        count = len(rules)
        self._length = length
        self._of_fields = [(rule.field.offset, rule.field.length) for rule in rules]
        packed = b"".join(rule.packed for rule in rules)
        self._kept = [
            ffi.new("hil_value_rule_t[]", count),
            ffi.new("hil_field_memory_t[]", count),
            ffi.new("uint8_t[]", max(1, length)),
            ffi.new("hil_field_vote_t[]", count),
            ffi.new("uint8_t[]", max(1, length)),
            ffi.new("uint64_t[]", 2 * max((rule.field.count for rule in rules), default=1)),
        ]
        own, self._fields, self._last, self._votes, self._output, scratch = self._kept
        check(lib.value_rules_unpack(own, count, packed, len(packed), length), "value_rules_unpack")
        self.rules = ffi.new("hil_value_rules_t *", [own, count, length, ignore_states])
        self._memory = ffi.new("hil_value_memory_t *", [self._fields, self._last])
        self._decision = ffi.new(
            "hil_value_decision_t *", [self._votes, self._output, scratch, 0, 0, 0]
        )
        self._outputs = ffi.new("hil_frame_outputs_t *")

    def store(self, memory: Sequence[FieldMemory]) -> None:
        """Take what is remembered."""
        for own, (at, length), field in zip(memory, self._of_fields, self._fields, strict=True):
            store_memory(own, field)
            if own.last is None:
                continue
            if len(own.last) != length:
                raise ValueError(f"{len(own.last)} bytes remembered of a field of {length}")
            ffi.memmove(self._last + at, own.last, length)

    def decide(
        self, f: Any, outputs: OutputBytes, memory: Sequence[FieldMemory]
    ) -> ValueDecision | None:
        """Decide a frame; return the votes on its fields, None if no voter was heard."""
        to, length = self._outputs, self._length
        buffers = [ffi.from_buffer(o) if len(o) == length else ffi.NULL for o in outputs.nodes]
        golden = ffi.NULL
        if outputs.golden is not None and len(outputs.golden) == length:
            golden = ffi.from_buffer(outputs.golden)
        to.golden = ffi.cast("uint8_t *", golden)
        for node in range(len(to.node)):
            to.node[node] = ffi.cast("uint8_t *", buffers[node] if node < len(buffers) else 0)
        out = self._decision
        check(
            lib.value_verdict_decide(self.rules, self._memory, to, f, out), "value_verdict_decide"
        )
        if not out.voted:
            return None
        delivered = ffi.buffer(self._output, length)[:]
        votes = tuple(
            field_vote_of(vote, delivered[at : at + size], before)
            for vote, (at, size), before in zip(self._votes, self._of_fields, memory, strict=True)
        )
        known = delivered if out.output_known else None
        return ValueDecision(votes, known, f.output, f.agree)
