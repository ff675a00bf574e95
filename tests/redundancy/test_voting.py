"""The verdict on one frame, against a second implementation.

`words` below is written from the words of csrc/host/frame_verdict.h, with sets and counters instead
of masks; it shares nothing with the C code.
"""

from __future__ import annotations

import itertools
import random
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import pytest

from hil.errors import KernelError
from hil.redundancy.voting import (
    CORRECT,
    DELIVERED,
    MAX_NODES,
    RE_EXECUTED,
    STATE_SPLIT,
    Ballot,
    NodeStatus,
    Verdict,
    VerdictKind,
    record_length,
    unpack,
    unpack_all,
    vote,
    vote_again,
)

DONE = NodeStatus.DONE


@dataclass(frozen=True)
class Words:
    """What the header says of a frame, as sets of node numbers."""

    kind: VerdictKind
    output: int
    state: int
    agree: frozenset[int]
    dissent: frozenset[int]
    latent: frozenset[int]
    split: bool


def most_of(values: list[int]) -> int | None:
    """The value that more than half of them have."""
    for value, count in Counter(values).items():
        if 2 * count > len(values):
            return value
    return None


def words(ballots: list[Ballot], voters: set[int]) -> Words:
    heard = {i for i, b in enumerate(ballots) if b.status == DONE}
    counted = heard & voters
    none: frozenset[int] = frozenset()
    if not counted:
        return Words(VerdictKind.NO_QUORUM, 0, 0, none, none, none, False)
    output = most_of([ballots[i].output_digest for i in counted])
    if output is None:
        return Words(VerdictKind.NO_MAJORITY, 0, 0, none, none, none, False)
    agree = {i for i in heard if ballots[i].output_digest == output}
    state = most_of([ballots[i].state_digest for i in counted & agree])
    latent = set() if state is None else {i for i in heard if ballots[i].state_digest != state}
    if len(counted) == 1:
        kind = VerdictKind.SIMPLEX
    elif voters <= agree and state is not None and not latent & voters:
        kind = VerdictKind.UNANIMOUS
    else:
        kind = VerdictKind.MAJORITY
    return Words(
        kind,
        output,
        state or 0,
        frozenset(agree),
        frozenset(heard - agree),
        frozenset(latent),
        state is None,
    )


def members(mask: int) -> frozenset[int]:
    return frozenset(i for i in range(8) if mask >> i & 1)


def mask_of(nodes: set[int]) -> int:
    return sum(1 << i for i in nodes)


def in_words(v: Verdict) -> Words:
    return Words(
        v.kind,
        v.output,
        v.state,
        members(v.agree),
        members(v.dissent),
        members(v.latent),
        bool(v.flags & STATE_SPLIT),
    )


OTHERS = [Ballot(s, 4 if s == NodeStatus.CRASHED else 0) for s in NodeStatus if s != DONE]


@pytest.mark.parametrize("nodes", [1, 2, 3])
def test_every_small_ballot_gets_the_verdict_that_the_header_words_say(nodes: int) -> None:
    alphabet = [Ballot(DONE, 0, out, state) for out in (1, 2, 3) for state in (1, 2, 3)]
    alphabet += OTHERS[:1] + OTHERS[-1:] if nodes == 3 else OTHERS
    seen: Counter[VerdictKind] = Counter()
    for ballots in itertools.product(alphabet, repeat=nodes):
        for mask in range(1 << nodes):
            verdict = vote(7, ballots, mask)
            assert in_words(verdict) == words(list(ballots), set(members(mask)))
            assert verdict.delivered == (verdict.output != 0)
            seen[verdict.kind] += 1
    possible = set(VerdictKind)
    if nodes == 1:
        possible -= {VerdictKind.UNANIMOUS, VerdictKind.MAJORITY, VerdictKind.NO_MAJORITY}
    assert set(seen) == possible


def random_case(rng: random.Random) -> tuple[list[Ballot], set[int]]:
    """Few values, so that they agree often; some nodes do not answer, some do not vote."""
    nodes = rng.randint(1, MAX_NODES)
    outputs = [rng.randrange(1, 2**64) for _ in range(rng.randint(1, 3))]
    states = [rng.randrange(1, 2**64) for _ in range(rng.randint(1, 3))]
    missing = rng.choice((0.0, 0.2, 0.6))
    ballots = [
        rng.choice(OTHERS)
        if rng.random() < missing
        else Ballot(DONE, 0, rng.choice(outputs), rng.choice(states))
        for _ in range(nodes)
    ]
    return ballots, {i for i in range(nodes) if rng.random() < 0.8}


@cache
def random_cases() -> list[tuple[list[Ballot], set[int]]]:
    return [random_case(random.Random(seed)) for seed in range(4000)]


def test_random_ballots_of_up_to_seven_nodes_agree_with_the_words() -> None:
    seen: Counter[VerdictKind] = Counter()
    splits = 0
    for ballots, voters in random_cases():
        verdict = vote(1, ballots, mask_of(voters))
        assert in_words(verdict) == words(ballots, voters)
        seen[verdict.kind] += 1
        splits += bool(verdict.flags & STATE_SPLIT)
    assert min(seen[kind] for kind in VerdictKind) > 100
    assert splits > 100


def test_masks_name_heard_nodes_only_and_split_them_in_two() -> None:
    for ballots, voters in random_cases():
        v = vote(1, ballots, mask_of(voters))
        heard = mask_of({i for i, b in enumerate(ballots) if b.status == DONE})
        assert not (v.agree | v.dissent | v.latent) & ~heard
        assert not v.agree & v.dissent
        assert not v.delivered or v.agree | v.dissent == heard
        assert v.delivered == (
            v.kind in (VerdictKind.UNANIMOUS, VerdictKind.MAJORITY, VerdictKind.SIMPLEX)
        )


def test_a_fail_silent_vote_keeps_back_what_one_node_alone_says_and_nothing_else() -> None:
    kept_back = 0
    for ballots, voters in random_cases():
        spoken = vote(1, ballots, mask_of(voters))
        silent = vote(1, ballots, mask_of(voters), fail_silent=True)
        alone = spoken.kind is VerdictKind.SIMPLEX
        kept_back += alone
        assert silent.delivered == (spoken.delivered and not alone)
        assert silent._replace(flags=0, record=b"") == spoken._replace(flags=0, record=b"")
        assert vote_again(silent) == silent
    assert kept_back > 10


def test_a_node_that_does_not_vote_never_matters() -> None:
    rng = random.Random(1)
    changed = 0
    for ballots, voters in random_cases():
        silent_ones = sorted(set(range(len(ballots))) - voters)
        if not silent_ones:
            continue
        before = vote(1, ballots, mask_of(voters))
        other = list(ballots)
        for i in silent_ones:
            other[i] = rng.choice([*OTHERS, Ballot(DONE, 0, rng.choice((1, before.output)), 1)])
        after = vote(1, other, mask_of(voters))
        changed += other != ballots
        assert (before.kind, before.output, before.state, before.flags) == (
            after.kind,
            after.output,
            after.state,
            after.flags,
        )
        counted = mask_of(voters)
        for name in ("agree", "dissent", "latent"):
            assert getattr(before, name) & counted == getattr(after, name) & counted
    assert changed > 500


def test_the_verdict_does_not_depend_on_the_order_of_the_nodes() -> None:
    rng = random.Random(2)
    for ballots, voters in random_cases()[:1000]:
        order = list(range(len(ballots)))
        rng.shuffle(order)
        turned = vote(1, [ballots[i] for i in order], mask_of({order.index(i) for i in voters}))
        straight = vote(1, ballots, mask_of(voters))
        assert (straight.kind, straight.output, straight.state, straight.flags) == (
            turned.kind,
            turned.output,
            turned.state,
            turned.flags,
        )
        assert {order[i] for i in members(turned.dissent)} == members(straight.dissent)


def test_the_golden_output_marks_what_was_delivered_and_never_decides() -> None:
    marked = 0
    for ballots, voters in random_cases():
        plain = vote(3, ballots, mask_of(voters))
        for golden in (plain.output, 1, 0):
            told = vote(3, ballots, mask_of(voters), golden)
            right = plain.delivered and golden == plain.output
            assert told.correct == right
            unmarked = told._replace(flags=told.flags & ~CORRECT, record=b"")
            assert unmarked == plain._replace(record=b"")
            marked += right
    assert marked > 1000


def test_a_recorded_frame_is_read_and_voted_again_with_the_same_verdict() -> None:
    for number, (ballots, voters) in enumerate(random_cases()):
        golden = ballots[0].output_digest
        verdict = vote(number << 20, ballots, mask_of(voters), golden, re_executed=number % 2 == 0)
        assert bool(verdict.flags & RE_EXECUTED) == (number % 2 == 0)
        assert unpack(verdict.record) == verdict
        assert vote_again(unpack(verdict.record)) == verdict


def test_a_verdict_that_the_ballots_do_not_give_is_found_out_by_voting_again() -> None:
    ballots = [Ballot(DONE, 0, 1, 1), Ballot(DONE, 0, 1, 1), Ballot(DONE, 0, 2, 1)]
    honest = vote(1, ballots, 7, 1)
    forged = bytearray(honest.record)
    forged[8] = VerdictKind.UNANIMOUS
    assert unpack(bytes(forged)).kind is VerdictKind.UNANIMOUS
    assert vote_again(unpack(bytes(forged))) == honest


def test_blocks_of_frames_are_read_in_order() -> None:
    verdicts = [vote(n, [Ballot(DONE, 0, n + 1, 5)] * 3, 7, n + 1) for n in range(50)]
    block = b"".join(v.record for v in verdicts)
    assert len(block) == 50 * record_length(3)
    assert list(unpack_all(block, 3)) == verdicts


@pytest.mark.parametrize("nodes", [0, MAX_NODES + 1])
def test_too_many_or_no_nodes_are_refused(nodes: int) -> None:
    with pytest.raises((KernelError, IndexError)):
        vote(1, [Ballot(DONE, 0, 1, 1)] * nodes, 0)


def test_voters_that_do_not_exist_are_refused() -> None:
    with pytest.raises(KernelError):
        vote(1, [Ballot(DONE, 0, 1, 1)] * 3, 8)


def test_bytes_that_are_no_frame_are_refused() -> None:
    good = vote(1, [Ballot(DONE, 0, 1, 1)] * 3, 7, 1).record
    for length in range(len(good)):
        with pytest.raises(KernelError):
            unpack(good[:length])
    for at, value in (
        (8, 0),
        (8, 6),
        (9, 0),
        (9, 8),
        (10, 8),
        (11, 33),
        (11, 64),
        (11, 128),
        (15, 4),
        (32, 6),
    ):
        with pytest.raises(KernelError):
            unpack(good[:at] + bytes([value]) + good[at + 1 :])


def test_several_threads_may_vote_and_read_at_the_same_time() -> None:
    """A viewer reads a record in a thread of the process that writes it."""
    cases = [
        (b, mask_of(v), vote(n, b, mask_of(v))) for n, (b, v) in enumerate(random_cases()[:500])
    ]

    def work(_: int) -> int:
        wrong = 0
        for n, (ballots, voters, verdict) in enumerate(cases * 6):
            wrong += vote(n % len(cases), ballots, voters) != verdict
            wrong += unpack(verdict.record) != verdict
        return wrong

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(work, range(4))) == 0
    finally:
        sys.setswitchinterval(interval)


def test_delivered_is_a_flag_of_the_record() -> None:
    assert vote(1, [Ballot(DONE, 0, 1, 1)], 1).flags & DELIVERED
    assert not vote(1, [Ballot(NodeStatus.HUNG)], 1).flags & DELIVERED
