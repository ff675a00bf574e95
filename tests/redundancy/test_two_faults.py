"""Every pattern of up to two faulty nodes of up to five, with every voter, through whole schemes:
output, state, correctness and dissent, against an oracle that shares no code with hil.

`test_value_rules` has the same for one field alone, with more faults. Here the vote is that of a
frame: nodes are silent or crash, have only the state wrong, or any value; and pairs and spares are
combined with voters by value, too."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from hil.kernel import digest64
from hil.redundancy.electorate import Electorate, Scheme
from hil.redundancy.pairs import pairs_of
from hil.redundancy.value_vote import OutputBallots, OutputBytes, ValueVoter, rules_of
from hil.redundancy.voting import STATE_SPLIT, Ballot, NodeStatus, Verdict, VerdictKind
from hil.scenario.outputs import OutputField
from hil.scenario.voter import StateVote, VoterConfig
from hil.scenario.words import Unvoted

from . import value_oracle as oracle

FIELD = OutputField("x", "f64", 0)
TOLERANCE, REACH = 0.5, 0.75
RIGHT = (1.0, 1.25, 1.0, 0.75, 1.0, 1.0, 1.25, 1.0)
GOLDEN = FIELD.encode([1.0])
STATE = 5
LATENT, WRONG_STATE = "latent", 6
SILENT, CRASH = "silent", "crash"
FAULTS = (SILENT, CRASH, LATENT, math.nan, 64.0, 1.75)
"""What a faulty node answers: a number is its value, and its state is wrong then, too."""
PAIR_FAULTS = (SILENT, LATENT, 64.0, -64.0)

Answer = float | str
Rule = Callable[[Sequence[float | None]], float | str]


def bitwise(values: Sequence[float | None]) -> float | str:
    """The majority of each bit of the bytes that are there, counted as text."""
    words = [f"{int.from_bytes(FIELD.encode([v]), 'little'):064b}" for v in values if v is not None]
    if 2 * len(words) <= len(values):
        return oracle.UNDECIDED
    bits = [Counter(column) for column in zip(*words, strict=True)]
    if any(bit["0"] == bit["1"] for bit in bits):
        return oracle.UNDECIDED
    word = "".join("1" if bit["1"] > bit["0"] else "0" for bit in bits)
    return FIELD.numbers(int(word, 2).to_bytes(8, "little"))[0]


VOTERS: dict[str, tuple[dict[str, Any] | None, Rule]] = {
    "majority in C": (None, lambda v: oracle.exact(v, 0)),
    "exact": ({"kind": "exact", "state": "ignore"}, lambda v: oracle.exact(v, 0)),
    "bitwise": ({"kind": "bitwise"}, bitwise),
    "plurality": ({"kind": "plurality"}, lambda v: oracle.plurality(v, TOLERANCE)),
    "tolerance": ({"kind": "tolerance"}, lambda v: oracle.tolerance_majority(v, TOLERANCE)),
    "mid_value": ({"kind": "mid_value"}, lambda v: oracle.mid_value(v, TOLERANCE)),
    "generalised_median": (
        {"kind": "generalised_median"},
        lambda v: oracle.generalised_median(v, TOLERANCE),
    ),
    "history": ({"kind": "history"}, lambda v: oracle.history(v, TOLERANCE)),
    "smoothing": (
        {"kind": "smoothing", "reach": REACH},
        lambda v: oracle.smoothing(v, TOLERANCE, 1.0, REACH),
    ),
    "held_mean": (
        {"kind": "held_mean", "hold_frames": 3},
        lambda v: oracle.held_mean(v, TOLERANCE, 1.0),
    ),
}
BY_BYTES = ("majority in C", "exact", "bitwise")
MASKS_A_MINORITY = frozenset(VOTERS) - {"held_mean"}


def voter_of(name: str, nodes: int) -> ValueVoter | None:
    keys, _ = VOTERS[name]
    if keys is None:
        return None
    tolerance = {} if name in BY_BYTES else {"tolerance": TOLERANCE}
    config = VoterConfig.model_validate({**keys, **tolerance})
    voter = ValueVoter(rules_of(config, (FIELD,), 8), config.state, nodes)
    (memory,) = voter.memory
    if voter.remembers_values:
        voter.memory = (type(memory)(GOLDEN, 0, memory.records),)
    return voter


@dataclass(frozen=True)
class Node:
    """The answer of one node: its bytes (none without an answer) and its state."""

    status: NodeStatus
    value: float | None = None
    state: int = 0

    @property
    def output(self) -> bytes:
        return b"" if self.value is None else FIELD.encode([self.value])

    @property
    def ballot(self) -> Ballot:
        if self.status is not NodeStatus.DONE:
            return Ballot(self.status, 11 if self.status is NodeStatus.CRASHED else 0)
        return Ballot(self.status, 0, digest64(self.output), self.state)


def node_of(answer: Answer, right: float) -> Node:
    if answer == SILENT:
        return Node(NodeStatus.SILENT)
    if answer == CRASH:
        return Node(NodeStatus.CRASHED)
    if answer == LATENT:
        return Node(NodeStatus.DONE, right, WRONG_STATE)
    assert isinstance(answer, float)
    return Node(NodeStatus.DONE, answer, WRONG_STATE)


def patterns(
    nodes: int, faults: Sequence[Answer], right: Sequence[float], most: int = 2
) -> Iterator[list[Node]]:
    for count in range(min(most, nodes) + 1):
        for where in itertools.combinations(range(nodes), count):
            for chosen in itertools.product(faults, repeat=count):
                out = [Node(NodeStatus.DONE, right[i], STATE) for i in range(nodes)]
                for at, fault in zip(where, chosen, strict=True):
                    out[at] = node_of(fault, right[at])
                yield out


def decide(scheme: Scheme, nodes: Sequence[Node], voters: int | None = None) -> Verdict:
    mask = (1 << len(nodes)) - 1 if voters is None else voters
    ballots = [node.ballot for node in nodes]
    outputs = OutputBytes([node.output for node in nodes], GOLDEN)
    return scheme.decide(
        7, OutputBallots(ballots, outputs), Electorate(mask, 0), digest64(GOLDEN), frames_alone=0
    )


def expected(rule: Rule, nodes: Sequence[Node]) -> float | str:
    """What the oracle delivers; identical bytes of all are delivered by every voter."""
    heard = [node.value for node in nodes if node.status is NodeStatus.DONE]
    if not heard:
        return oracle.UNDECIDED
    if len({FIELD.encode([v]) for v in heard if v is not None}) == 1:
        assert heard[0] is not None
        return heard[0]
    return rule(heard)


def check(name: str, verdict: Verdict, nodes: Sequence[Node]) -> None:
    """Check a verdict on `nodes`, all of which decided, in every part."""
    rule = VOTERS[name][1]
    value = expected(rule, nodes)
    heard = [node for node in nodes if node.status is NodeStatus.DONE]
    if not isinstance(value, float):
        assert not verdict.delivered and not verdict.output, (name, nodes)
        kind = VerdictKind.NO_MAJORITY if heard else VerdictKind.NO_QUORUM
        assert verdict.kind is kind
        return
    assert verdict.output == digest64(FIELD.encode([value])), (name, nodes, value)
    alone = len(heard) == 1
    assert (verdict.kind is VerdictKind.SIMPLEX) == alone
    assert verdict.delivered == (not alone or len(nodes) == 1)
    near = name not in BY_BYTES
    right = abs(value - 1.0) <= TOLERANCE if near else FIELD.encode([value]) == GOLDEN
    assert verdict.correct == (verdict.delivered and right), (name, nodes, value)
    for number, node in enumerate(nodes):
        answered = node.status is NodeStatus.DONE
        sides = verdict.agree >> number & 1, verdict.dissent >> number & 1
        assert sum(sides) == answered, "who answered agrees or dissents, nobody else does"
    trusted = [n.state for i, n in enumerate(nodes) if verdict.agree >> i & 1]
    counts = Counter(trusted).most_common(1)
    split = name != "majority in C" and 2 * len(trusted) <= len(heard)
    if name != "exact":  # it ignores states here
        split = split or 2 * counts[0][1] <= len(trusted)
        assert verdict.state == (0 if split else counts[0][0]), (name, nodes)
    assert bool(verdict.flags & STATE_SPLIT) == split


@pytest.mark.parametrize("name", VOTERS)
def test_every_pattern_of_up_to_two_faulty_nodes_of_up_to_five(name: str) -> None:
    count = escapes = 0
    values = (1.0,) * 5 if name in BY_BYTES else RIGHT
    for size in range(1, 6):
        voter = voter_of(name, size)
        scheme = Scheme(size, Unvoted.NOTHING, values=voter)
        for nodes in patterns(size, FAULTS, values):
            verdict = decide(scheme, nodes)
            check(name, verdict, nodes)
            faulty = sum((n.status, n.value, n.state) != (NodeStatus.DONE, values[i], STATE)
                         for i, n in enumerate(nodes))  # fmt: skip
            minority = 2 * faulty < size
            escapes += minority and verdict.delivered and not verdict.correct
            if minority and name not in ("held_mean", "plurality"):
                assert verdict.delivered, (name, nodes)
            count += 1
    assert count == 5 + 6 * (1 + 2 + 3 + 4 + 5) + 36 * (1 + 3 + 6 + 10)
    if name in MASKS_A_MINORITY:
        assert escapes == 0


# --- pairs and spares by value --------------------------------------------------------------------

PAIR_VOTERS = ("majority in C", "mid_value", "tolerance", "history")


def speaks(name: str, one: Node, other: Node) -> bool:
    """A pair speaks if both answer, states are the same, and values differ by no more than is
    allowed."""
    if one.status is not NodeStatus.DONE or other.status is not NodeStatus.DONE:
        return False
    assert one.value is not None and other.value is not None
    allowed = 0.0 if name in BY_BYTES else TOLERANCE
    return one.state == other.state and abs(one.value - other.value) <= allowed


@pytest.mark.parametrize("name", PAIR_VOTERS)
@pytest.mark.parametrize("pairs", [3, 4])
def test_every_pattern_of_two_faulty_nodes_of_pairs(name: str, pairs: int) -> None:
    """Priority decides with four pairs. Values of right nodes differ within the tolerance."""
    values = (1.0,) * 8 if name in BY_BYTES else RIGHT
    size, by_priority = 2 * pairs, pairs == 4
    scheme = Scheme(
        size,
        Unvoted.NOTHING,
        pairs=pairs_of(pairs),
        by_priority=by_priority,
        values=voter_of(name, size),
    )
    escaped = []
    for nodes in patterns(size, PAIR_FAULTS, values):
        verdict = decide(scheme, nodes)
        able = [at for at in range(0, size, 2) if speaks(name, nodes[at], nodes[at + 1])]
        chosen = able[:1] if by_priority else able
        assert verdict.voters == sum(0b11 << at for at in chosen), (name, nodes)
        members = [nodes[at + side] for at in chosen for side in (0, 1)]
        value = expected(VOTERS[name][1], members)
        assert verdict.delivered == isinstance(value, float)
        if isinstance(value, float):
            assert verdict.output == digest64(FIELD.encode([value]))
        if verdict.delivered and not verdict.correct:
            escaped.append([n.value for n in nodes])
    # Only two faults that agree in the pair that commands: with a vote of pairs there is none.
    alike = [[v, v, *values[2:8]] for v in (64.0, -64.0)] if by_priority else []
    assert escaped == alike


@pytest.mark.parametrize("name", PAIR_VOTERS)
@pytest.mark.parametrize("spares", [1, 2])
def test_every_pattern_of_two_faulty_nodes_with_hot_spares(name: str, spares: int) -> None:
    """The first three that vote decide, and all others are compared with them."""
    values = (1.0,) * 8 if name in BY_BYTES else RIGHT
    size = 3 + spares
    scheme = Scheme(3, Unvoted.NOTHING, values=voter_of(name, size), hot_spares=spares)
    for nodes in patterns(size, PAIR_FAULTS, values):
        for out in (None, *range(size)):  # nobody, or one node, does not vote
            asked = [i for i in range(size) if i != out][:3]
            mask = sum(1 << i for i in range(size) if i != out)
            verdict = decide(scheme, nodes, mask)
            assert verdict.voters == sum(1 << i for i in asked)
            members = [nodes[i] for i in asked]
            value = expected(VOTERS[name][1], members)
            heard = sum(node.status is NodeStatus.DONE for node in members)
            assert verdict.delivered == (isinstance(value, float) and heard > 1)
            if isinstance(value, float):
                assert verdict.output == digest64(FIELD.encode([value]))
            silent = [i for i, n in enumerate(nodes) if n.status is not NodeStatus.DONE]
            assert not any((verdict.agree | verdict.dissent) >> i & 1 for i in silent)


def test_pair_with_ignored_states_speaks_if_its_values_agree() -> None:
    config = VoterConfig.model_validate({"kind": "mid_value", "tolerance": 0.5, "state": "ignore"})
    voter = ValueVoter(rules_of(config, (FIELD,), 8), StateVote.IGNORE, 6)
    scheme = Scheme(6, Unvoted.NOTHING, pairs=pairs_of(3), values=voter)
    nodes = [Node(NodeStatus.DONE, RIGHT[i], i) for i in range(6)]
    assert decide(scheme, nodes).voters == 0b111111
    nodes[1] = Node(NodeStatus.DONE, 1.75, 1)
    assert decide(scheme, nodes).voters == 0b111100
