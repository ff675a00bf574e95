"""Properties of the vote, for all schemes, against an oracle that counts.

The oracle is written from the tables of hil.redundancy.electorate and of README: it counts answers
in dictionaries, and shares neither masks nor code with what it checks."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import assume
from hypothesis import strategies as st

from hil.errors import KernelError
from hil.kernel import vote_bitwise
from hil.redundancy.electorate import Electorate, Scheme
from hil.redundancy.hold import OutputHold
from hil.redundancy.voting import (
    HELD,
    HELD_WRONG,
    MAX_NODES,
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
from hil.scenario.words import SchemeName, Unvoted
from tests.properties import property_of

DONE = NodeStatus.DONE
GOLDEN = 1

# Few values, so that nodes agree often, and the extremes of a digest; 0 stands for none.
DIGESTS = st.sampled_from([GOLDEN, 2, 3, 2**64 - 1])
ANSWERS = st.builds(Ballot, st.just(DONE), st.just(0), DIGESTS, DIGESTS)
FAILURES = st.sampled_from(
    [Ballot(s, 4 if s is NodeStatus.CRASHED else 0) for s in NodeStatus if s != DONE]
)
BALLOTS = ANSWERS | ANSWERS | FAILURES
PARTS = st.sampled_from(["votes", "votes", "returns", "out"])


@dataclass(frozen=True)
class Frame:
    """One frame: the ballot of each node, and whether the node votes, returns or is isolated."""

    ballots: tuple[Ballot, ...]
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """Frames of one scheme."""

    scheme: Scheme
    frames: tuple[Frame, ...]


@st.composite
def frames_of(draw: st.DrawFn, nodes: int) -> Frame:
    parts = tuple(draw(PARTS) for _ in range(nodes))
    excluded = Ballot(NodeStatus.EXCLUDED)
    return Frame(tuple(excluded if part == "out" else draw(BALLOTS) for part in parts), parts)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    size = draw(st.sampled_from(list(SchemeName))).size
    scheme = Scheme(size, draw(st.sampled_from(list(Unvoted))), draw(st.sampled_from([0, 1, 2])))
    return Case(scheme, tuple(draw(st.lists(frames_of(size), min_size=1, max_size=8))))


# --- the oracle -----------------------------------------------------------------------------------


def most_of(values: list[int]) -> int | None:
    """The value that more than half of them have."""
    counts: dict[int, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    for value, count in counts.items():
        if count > len(values) - count:
            return value
    return None


@dataclass(frozen=True)
class Count:
    """What counting the answers of some nodes gives."""

    asked: int
    answers: int
    output: int | None
    state: int | None

    def is_compared(self, size: int) -> bool:
        return self.state is not None and (self.answers > 1 or size == 1)


def count_of(frame: Frame, among: list[int]) -> Count:
    answers = [frame.ballots[i] for i in among if frame.ballots[i].status == DONE]
    output = most_of([answer.output_digest for answer in answers])
    state = most_of([a.state_digest for a in answers if a.output_digest == output])
    return Count(len(among), len(answers), output, state if output is not None else None)


def decided(frame: Frame, size: int) -> Count:
    """Who decides: voters that agree; else with the help of returning nodes."""
    returning = [i for i, part in enumerate(frame.parts) if part == "returns"]
    voters = [i for i, part in enumerate(frame.parts) if part == "votes"] or returning
    count = count_of(frame, voters)
    if count.is_compared(size) or not returning:
        return count
    together = count_of(frame, sorted({*voters, *returning}))
    return together if count.answers < 2 or together.is_compared(size) else count


@dataclass
class Oracle:
    """The delivered digest of each frame, by the scheme's rule for unvoted outputs."""

    scheme: Scheme
    frames_alone: int = 0
    last_voted: int | None = None
    unvoted: int = 0
    expected: list[tuple[str, int | None]] = field(default_factory=list)

    def take(self, frame: Frame) -> None:
        size, limit = self.scheme.members, self.scheme.unvoted_frames
        count = decided(frame, size)
        alone = count.answers == 1
        self.frames_alone = self.frames_alone + 1 if alone else 0
        rule = self.scheme.unvoted
        willing = rule is Unvoted.DELIVER or (rule is Unvoted.LAST_NODE and count.asked == 1)
        may_deliver = willing and (limit == 0 or self.frames_alone <= limit)
        holds = self.scheme.unvoted is Unvoted.HOLD and (limit == 0 or self.unvoted < limit)
        if count.output is not None and (not alone or size == 1):
            self.last_voted, self.unvoted = count.output, 0
            self.expected.append(("voted", count.output))
            return
        self.unvoted += 1
        if alone and may_deliver:
            self.expected.append(("unvoted", count.output))
        elif holds and self.last_voted is not None:
            self.expected.append(("held", self.last_voted))
        else:
            self.expected.append(("nothing", None))


# --- what is checked ------------------------------------------------------------------------------


def mask_of(frame: Frame, *parts: str) -> int:
    return sum(1 << i for i, part in enumerate(frame.parts) if part in parts)


def verdict_of(frame: Frame, scheme: Scheme, frames_alone: int, held: int = 0) -> Verdict:
    """The verdict as a run makes it."""
    voters = mask_of(frame, "votes") or mask_of(frame, "returns")

    electorate = Electorate(voters, mask_of(frame, "returns"))
    return scheme.decide(7, frame.ballots, electorate, GOLDEN, frames_alone=frames_alone, held=held)


@property_of(cases(), quick=100, slow=1500)
def test_every_scheme_delivers_in_every_frame_what_counting_and_its_rule_say(case: Case) -> None:
    hold, oracle, frames_alone = OutputHold(case.scheme), Oracle(case.scheme), 0
    delivered: list[tuple[str, int | None]] = []
    for frame in case.frames:
        oracle.take(frame)
        offer = hold.held_output
        held = 0 if offer is None else HELD | (HELD_WRONG if offer.wrong else 0)
        verdict = verdict_of(frame, case.scheme, frames_alone, held)
        alone = verdict.kind is VerdictKind.SIMPLEX
        frames_alone = frames_alone + 1 if alone else 0
        if verdict.delivered:
            single = alone and case.scheme.members > 1
            delivered.append(("unvoted" if single else "voted", verdict.output))
            assert verdict.correct == (verdict.output == GOLDEN)
        elif verdict.held and offer is not None:
            delivered.append(("held", offer.digest))
            assert verdict.held_wrong == (offer.digest != GOLDEN)
        else:
            delivered.append(("nothing", None))
        hold.update(verdict, verdict.output.to_bytes(8, "little"))
    assert delivered == oracle.expected


@property_of(cases(), quick=60)
def test_the_masks_of_a_verdict_name_the_nodes_that_agree_dissent_and_differ_in_state(
    case: Case,
) -> None:
    for frame in case.frames:
        verdict, count = verdict_of(frame, case.scheme, 0), decided(frame, case.scheme.members)
        heard = {i for i, ballot in enumerate(frame.ballots) if ballot.status == DONE}
        agree, latent = set(), set()
        if count.output is not None:
            agree = {i for i in heard if frame.ballots[i].output_digest == count.output}
        if count.state is not None:
            latent = {i for i in heard if frame.ballots[i].state_digest != count.state}
        dissent = heard - agree if count.output is not None else set()
        for mask, nodes in ((verdict.agree, agree), (verdict.dissent, dissent)):
            assert mask == sum(1 << i for i in nodes)
        assert verdict.latent == sum(1 << i for i in latent)
        assert verdict.output == (count.output or 0)
        assert verdict.state == (count.state or 0)
        split = count.output is not None and count.state is None
        assert bool(verdict.flags & STATE_SPLIT) == split


@property_of(
    st.sampled_from([s for s in SchemeName if s.size > 2]),
    st.permutations(range(MAX_NODES)),
    st.data(),
)
def test_a_minority_of_faulty_nodes_never_changes_the_output(
    name: SchemeName, order: list[int], data: st.DataObject
) -> None:
    faulty = data.draw(st.integers(0, (name.size - 1) // 2), label="faulty nodes")
    wrong = [data.draw(BALLOTS) for _ in range(faulty)]
    right = [Ballot(DONE, 0, GOLDEN, GOLDEN)] * (name.size - faulty)
    ballots = [[*wrong, *right][i] for i in order if i < name.size]
    frame = Frame(tuple(ballots), ("votes",) * name.size)
    verdict = verdict_of(frame, Scheme(name.size, Unvoted.NOTHING), 0)
    assert verdict.correct
    assert verdict.state == GOLDEN
    clean = all((b.status, b.output_digest, b.state_digest) == (DONE, 1, 1) for b in wrong)
    assert verdict.kind is (VerdictKind.UNANIMOUS if clean else VerdictKind.MAJORITY)


@property_of(st.integers(1, MAX_NODES).flatmap(frames_of), BALLOTS, st.booleans())
def test_what_a_node_that_does_not_vote_answers_decides_nothing(
    frame: Frame, answer: Ballot, silent: bool
) -> None:
    others = [i for i, part in enumerate(frame.parts) if part != "votes"]
    assume(others)
    changed = [answer if i in others else ballot for i, ballot in enumerate(frame.ballots)]
    before = vote(1, frame.ballots, mask_of(frame, "votes"), fail_silent=silent)
    after = vote(1, changed, mask_of(frame, "votes"), fail_silent=silent)
    for part in ("kind", "output", "state", "flags"):
        assert getattr(after, part) == getattr(before, part)


@property_of(cases())
def test_a_recorded_frame_is_read_back_and_voted_again_with_the_same_verdict(case: Case) -> None:
    verdicts = [verdict_of(frame, case.scheme, 0) for frame in case.frames]
    assert list(unpack_all(b"".join(v.record for v in verdicts), case.scheme.members)) == verdicts
    assert [vote_again(unpack(v.record)) for v in verdicts] == verdicts


@st.composite
def damaged_records(draw: st.DrawFn) -> bytes:
    """A packed frame with some bytes changed, cut off or added; or any bytes at all."""
    frame = draw(st.integers(1, MAX_NODES).flatmap(frames_of))
    record = bytearray(vote(1, frame.ballots, mask_of(frame, "votes")).record)
    for at, value in draw(
        st.lists(st.tuples(st.integers(0, len(record) - 1), st.integers(0, 255)), max_size=3)
    ):
        record[at] = value
    return bytes(record[: draw(st.integers(0, len(record)))]) + draw(st.binary(max_size=3))


@property_of(damaged_records() | st.binary(max_size=record_length(MAX_NODES) + 2), quick=80)
def test_any_bytes_are_refused_or_read_as_the_frame_that_they_are(record: bytes) -> None:
    try:
        verdict = unpack(record)
    except KernelError:
        return
    assert verdict.record == record[: record_length(len(verdict.ballots))]
    assert not verdict.held_wrong or verdict.held
    again = vote_again(verdict)
    assert again.ballots == verdict.ballots
    assert vote_again(again) == again


@property_of(st.sampled_from([1, 3, 5, 7]), st.integers(0, 200), st.data())
def test_every_bit_of_a_bitwise_vote_is_what_most_inputs_have(
    inputs: int, length: int, data: st.DataObject
) -> None:
    bytes_ = [data.draw(st.binary(min_size=length, max_size=length)) for _ in range(inputs)]
    result = vote_bitwise(bytes_)
    for at in range(8 * length):
        ones = sum(value[at // 8] >> at % 8 & 1 for value in bytes_)
        assert (result.value[at // 8] >> at % 8 & 1) == (ones > inputs - ones)
    for i, value in enumerate(bytes_):
        differing = [at for at in range(length) if value[at] != result.value[at]]
        bits = sum((value[at] ^ result.value[at]).bit_count() for at in differing)
        assert (result.first_diff[i], result.diff_bits[i]) == (
            differing[0] if differing else length,
            bits,
        )
        assert bool(result.dissent_mask >> i & 1) == bool(differing)
