"""The verdict of a frame by value: what a whole output, its fields and the states make of it."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence

import pytest

from hil.errors import ConfigError
from hil.kernel import digest64
from hil.redundancy.electorate import Electorate, Scheme
from hil.redundancy.value_vote import OutputBallots, OutputBytes, ValueVoter, rules_of
from hil.redundancy.voting import (
    CORRECT,
    DELIVERED,
    FAIL_SILENT,
    HELD,
    RE_EXECUTED,
    STATE_SPLIT,
    Ballot,
    NodeStatus,
    Verdict,
    VerdictKind,
    unpack,
    vote,
)
from hil.scenario.outputs import OutputField, OutputRole
from hil.scenario.voter import StateVote, VoterConfig
from hil.scenario.words import Unvoted

MODE = OutputField("mode", "u32", 0, role=OutputRole.CLASS)
ANGLE = OutputField("angle", "f64", 4, unit="deg", period=360.0)
FIELDS = (MODE, ANGLE)
LENGTH = 14  # two bytes are in no field


def voter_of(voter: object, nodes: int = 3, fields: Sequence[OutputField] = FIELDS) -> ValueVoter:
    config = VoterConfig.model_validate(voter)
    return ValueVoter(rules_of(config, fields, LENGTH), config.state, nodes)


MID = {"kind": "mid_value", "tolerance": 0.5}


def output(mode: int = 1, angle: float = 90.0, rest: bytes = b"ok") -> bytes:
    return struct.pack("<Id", mode, angle) + rest


def ballot(value: bytes, state: int = 5) -> Ballot:
    return (
        Ballot(NodeStatus.DONE, 0, digest64(value), state) if value else Ballot(NodeStatus.SILENT)
    )


def decide(
    voter: ValueVoter,
    outputs: Sequence[bytes],
    *,
    states: Sequence[int] = (5,) * 7,
    voters: int | None = None,
    golden: bytes | None = None,
    flags: int = 0,
) -> Verdict:
    ballots = [ballot(o, s) for o, s in zip(outputs, states, strict=False)]
    mask = (1 << len(outputs)) - 1 if voters is None else voters
    verdict = voter.vote(3, ballots, mask, OutputBytes(outputs, golden), flags=flags)
    assert unpack(verdict.record)._replace(values=verdict.values) == verdict
    return verdict


@pytest.mark.parametrize("nodes", [1, 2, 3, 4])
def test_with_exact_rules_it_is_the_exact_majority_bit_by_bit(nodes: int) -> None:
    """Every combination of three outputs, two states and a silent node, all voting or one not."""
    rules = rules_of(VoterConfig(), (), 3)
    voter = ValueVoter(rules, StateVote.EXACT, nodes)
    options = [(o, s) for o in (b"aaa", b"bbb", b"ccc") for s in (5, 6)][: 6 if nodes < 4 else 5]
    everybody = (1 << nodes) - 1
    for answers in itertools.product([*options, (b"", 0)], repeat=nodes):
        outputs = [o for o, _ in answers]
        ballots = [ballot(o, s) for o, s in answers]
        for mask, flags in ((everybody, 0), (everybody >> 1, FAIL_SILENT | HELD)):
            mine = voter.vote(9, ballots, mask, OutputBytes(outputs, b"aaa"), flags=flags)
            c = vote(
                9,
                ballots,
                mask,
                digest64(b"aaa"),
                fail_silent=bool(flags & FAIL_SILENT),
                held=flags & HELD,
            )
            assert mine.record == c.record, (answers, mask)


def test_fields_are_decided_by_their_own_rules_and_the_output_may_be_that_of_no_node() -> None:
    outputs = [output(1, 90.0), output(2, 90.25), output(1, 91.0)]
    verdict = decide(voter_of(MID), outputs, golden=output(1, 90.125))
    assert verdict.values is not None and verdict.values.output == output(1, 90.25)
    assert verdict.values.output not in outputs
    assert verdict.output == digest64(output(1, 90.25))
    assert (verdict.agree, verdict.dissent) == (0b001, 0b110)
    assert verdict.kind is VerdictKind.MAJORITY and verdict.delivered and verdict.correct
    assert verdict.flags & STATE_SPLIT, "one of three agrees in all fields: no state is voted on"


def test_a_small_difference_is_agreement_and_not_latent() -> None:
    outputs = [output(angle=a) for a in (359.75, 0.0, 0.125)]
    verdict = decide(voter_of(MID), outputs, golden=output(angle=0.25))
    assert verdict.kind is VerdictKind.UNANIMOUS
    assert (verdict.agree, verdict.dissent, verdict.latent, verdict.state) == (0b111, 0, 0, 5)
    assert verdict.flags == DELIVERED | CORRECT


def test_a_value_beyond_the_tolerance_of_the_golden_one_is_wrong() -> None:
    outputs = [output(angle=a) for a in (10.0, 10.0, 10.25)]
    assert not decide(voter_of(MID), outputs, golden=output(angle=11.0)).correct
    assert not decide(voter_of(MID), outputs, golden=output(2, 10.0)).correct
    assert not decide(voter_of(MID), outputs, golden=output(angle=10.0, rest=b"no")).correct


def test_states_are_voted_on_unless_they_are_ignored() -> None:
    outputs, states = [output(angle=a) for a in (1.0, 1.125, 1.25)], (5, 6, 5)
    exact = decide(voter_of(MID), outputs, states=states)
    assert (exact.kind, exact.state, exact.latent) == (VerdictKind.MAJORITY, 5, 0b010)
    split = decide(voter_of(MID), outputs, states=(5, 6, 7))
    assert (split.state, split.latent, split.flags & STATE_SPLIT) == (0, 0, STATE_SPLIT)
    ignored = decide(voter_of({**MID, "state": "ignore"}), outputs, states=(5, 6, 7))
    assert (ignored.kind, ignored.state, ignored.latent) == (VerdictKind.UNANIMOUS, 0, 0)


def test_an_undecided_field_delivers_nothing() -> None:
    outputs = [output(1), output(2), output(3)]
    verdict = decide(voter_of(MID), outputs, flags=HELD | RE_EXECUTED)
    assert (verdict.kind, verdict.output) == (VerdictKind.NO_MAJORITY, 0)
    assert verdict.flags == HELD | RE_EXECUTED


def test_a_node_whose_bytes_are_missing_dissents() -> None:
    voter = voter_of(MID)
    ballots = [ballot(output(angle=a)) for a in (1.0, 1.25, 1.5)]
    outputs = OutputBytes([output(angle=1.0), b"", output(angle=1.5)])
    verdict = voter.vote(0, ballots, 0b111, outputs)
    assert (verdict.agree, verdict.dissent) == (0b101, 0b010)


def test_nodes_that_do_not_vote_are_compared() -> None:
    outputs = [output(angle=a) for a in (1.0, 1.25, 9.0, 1.5)]
    verdict = decide(voter_of(MID, 4), outputs, voters=0b0011)
    assert (verdict.agree, verdict.dissent) == (0b1011, 0b0100)
    assert verdict.kind is VerdictKind.UNANIMOUS


def test_a_returning_node_breaks_a_tie_by_its_value() -> None:
    scheme = Scheme(3, Unvoted.LAST_NODE, values=voter_of(MID))
    outputs = [output(angle=a) for a in (1.0, 9.0, 1.25)]
    ballots = OutputBallots(map(ballot, outputs), OutputBytes(outputs))
    verdict = scheme.decide(0, ballots, Electorate(0b011, 0b100), None, frames_alone=0)
    assert (verdict.voters, verdict.dissent) == (0b111, 0b010) and scheme.is_compared(verdict)


def test_alone_it_is_fail_silent_as_the_scheme_says() -> None:
    outputs = [output(), b"", b""]
    assert decide(voter_of(MID), outputs).flags == DELIVERED
    silent = decide(voter_of(MID), outputs, flags=FAIL_SILENT)
    assert (silent.kind, silent.flags) == (VerdictKind.SIMPLEX, FAIL_SILENT)


def test_what_is_remembered_changes_with_the_final_verdict_only() -> None:
    voter = voter_of({"kind": "history", "tolerance": 0.5})
    before = voter.memory
    verdict = decide(voter, [output(angle=a) for a in (1.0, 1.0, 9.0)])
    assert voter.memory == before
    voter.settle(verdict)
    assert [record.bit_count() for record in voter.memory[1].records] == [16, 16, 15]


def test_bits_of_a_floating_point_number_cannot_be_ignored() -> None:
    voter = {**MID, "fields": {"angle": {"kind": "mid_value", "ignore_bits": 1}}}
    with pytest.raises(ConfigError, match="is not an integer"):
        voter_of(voter)
    with pytest.raises(ValueError, match="compares bytes"):
        VoterConfig.model_validate({"kind": "exact", "ignore_bits": 1})


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ((OutputField("a", "u32", 0), OutputField("b", "u32", 2)), "inside another"),
        ((OutputField("a", "f64", 8),), "ends at byte 16; there are 14"),
        ((), "needs the fields of the output"),
    ],
)
def test_fields_that_do_not_fit_the_output_are_refused(
    fields: tuple[OutputField, ...], what: str
) -> None:
    with pytest.raises(ConfigError, match=what):
        voter_of(MID, fields=fields)
