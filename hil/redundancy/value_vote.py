"""The vote by value: one frame's verdict from the outputs of all nodes, field by field.

`hil.redundancy.value_rules` has the rules of one field, `hil.redundancy.agreement` those of values.
This module makes a verdict of them:

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
from typing import Final

from hil.errors import ConfigError, Problem
from hil.kernel import digest64
from hil.redundancy.field_vote import FieldBallots, FieldMemory, FieldRule, ValueDecision
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
from hil.scenario.outputs import NUMBERS, OutputField, OutputRole
from hil.scenario.voter import FieldVoterConfig, StateVote, VoterConfig, VoterName

__all__ = ["OutputBallots", "OutputBytes", "ValueVoter", "rules_of", "value_voter"]

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


def _other_bytes(begin: int, end: int) -> OutputField:
    return OutputField(f"bytes {begin} to {end - 1}", "u8", begin, end - begin, "", OutputRole.BITS)


def _unfit(message: str, remedy: str = "") -> ConfigError:
    return ConfigError(
        [Problem("", 0, 0, "$.rig.voter", f"the output's fields: {message}", remedy)]
    )


class ValueVoter:
    """Decides frames by the values of outputs. `nodes`: the number of nodes of the rig. Not
    thread-safe: `settle` changes what is remembered."""

    def __init__(self, rules: Sequence[FieldRule], state: StateVote, nodes: int) -> None:
        self.rules = tuple(rules)
        self.state = state
        self._length = sum(rule.field.length for rule in rules)
        self._memory = tuple(rule.first_memory(nodes) for rule in rules)

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
        return len(output) == len(golden) and all(
            rule.matches(_part(rule, output), _part(rule, golden)) for rule in self.rules
        )

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
        system again where nothing is delivered."""
        heard = sum(1 << i for i, b in enumerate(ballots) if b.status == NodeStatus.DONE)
        counted = heard & voters
        if not counted:
            return self._undecided(frame, ballots, voters, flags, None)
        decision = self._decide_fields(ballots, outputs, heard, counted)
        if not decision.decided:
            return self._undecided(frame, ballots, voters, flags, decision)
        return self._delivered(frame, ballots, voters, outputs, flags, decision)

    def _undecided(
        self,
        frame: int,
        ballots: Sequence[Ballot],
        voters: int,
        flags: int,
        decision: ValueDecision | None,
    ) -> Verdict:
        kind = VerdictKind.NO_QUORUM if decision is None else VerdictKind.NO_MAJORITY
        flags &= RE_EXECUTED | HELD | HELD_WRONG
        verdict = Verdict(frame, kind, voters, flags, 0, 0, 0, 0, 0, tuple(ballots), b"", decision)
        return packed(verdict)

    def _decide_fields(
        self, ballots: Sequence[Ballot], outputs: OutputBytes, heard: int, counted: int
    ) -> ValueDecision:
        """Vote on each field. If all voters have the same digest, and the bytes are not known, they
        are unanimous."""
        digests = {ballots[i].output_digest for i in range(len(ballots)) if counted >> i & 1}
        nodes = [i for i in range(len(ballots)) if heard >> i & 1]
        known = {i: outputs.nodes[i] for i in nodes if len(outputs.nodes[i]) == self._length}
        if len(digests) == 1 and not any(counted >> i & 1 for i in known):
            (digest,) = digests
            agree = sum(1 << i for i in nodes if ballots[i].output_digest == digest)
            empty = FieldBallots(dict.fromkeys(nodes), counted)
            memories = zip(self.rules, self._memory, strict=True)
            votes = tuple(rule.unanimous(empty, agree, memory) for rule, memory in memories)
            return ValueDecision(votes, None, digest, agree)
        votes = tuple(
            rule.vote(
                FieldBallots(
                    {i: _part(rule, known[i]) if i in known else None for i in nodes}, counted
                ),
                memory,
            )
            for rule, memory in zip(self.rules, self._memory, strict=True)
        )
        parts = [vote.delivered for vote in votes]
        if any(part is None for part in parts):
            return ValueDecision(votes, None, 0, 0)
        delivered = b"".join(part for part in parts if part is not None)
        agree = heard
        for vote in votes:
            agree &= vote.agree
        return ValueDecision(votes, delivered, digest64(delivered), agree)

    def _delivered(
        self,
        frame: int,
        ballots: Sequence[Ballot],
        voters: int,
        outputs: OutputBytes,
        flags: int,
        decision: ValueDecision,
    ) -> Verdict:
        heard = sum(1 << i for i, b in enumerate(ballots) if b.status == NodeStatus.DONE)
        counted, dissent = heard & voters, heard & ~decision.agree
        state, split = self._vote_states(ballots, counted, counted & decision.agree)
        latent = sum(
            1 << i
            for i, b in enumerate(ballots)
            if heard >> i & 1 and state not in (0, b.state_digest)
        )
        alone = counted.bit_count() == 1
        silent = alone and flags & FAIL_SILENT
        complete = counted == voters and not (dissent | latent) & voters and not split
        kind = VerdictKind.UNANIMOUS if complete else VerdictKind.MAJORITY
        out = flags & RE_EXECUTED | (STATE_SPLIT if split else 0)
        out |= FAIL_SILENT | flags & (HELD | HELD_WRONG) if silent else DELIVERED
        if not silent and self._is_golden(decision, outputs.golden):
            out |= CORRECT
        return packed(
            Verdict(
                frame,
                VerdictKind.SIMPLEX if alone else kind,
                voters,
                out,
                decision.agree,
                dissent,
                latent,
                decision.digest,
                state,
                tuple(ballots),
                b"",
                decision,
            )
        )

    def _is_golden(self, decision: ValueDecision, golden: bytes | None) -> bool:
        if golden is None:
            return False
        if decision.output is None:
            return decision.digest == digest64(golden)
        return self.is_right(decision.output, golden)

    def _vote_states(
        self, ballots: Sequence[Ballot], counted: int, trusted: int
    ) -> tuple[int, bool]:
        """Return the state digest that most nodes in the mask `trusted` have, 0 without one, and
        whether the states are split; `counted` are all voters that were heard."""
        if 2 * trusted.bit_count() <= counted.bit_count():
            return 0, True
        if self.state is StateVote.IGNORE:
            return 0, False
        states = [b.state_digest for i, b in enumerate(ballots) if trusted >> i & 1]
        for state in states:
            if 2 * states.count(state) > len(states):
                return state, False
        return 0, True


def _part(rule: FieldRule, output: bytes) -> bytes:
    field = rule.field
    return output[field.offset : field.offset + field.length]
