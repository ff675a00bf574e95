"""The rules of voters by value: published results, and every pattern of up to two faulty nodes
against an oracle that shares no code with hil."""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import strategies as st

from hil.redundancy.field_vote import FieldBallots, FieldMemory, FieldRule, FieldVote, members
from hil.scenario.outputs import OutputField
from hil.scenario.voter import FieldVoterConfig, VoterName
from tests.properties import property_of

from . import value_oracle as oracle

NAN, INF = math.nan, math.inf
F64 = OutputField("x", "f64", 0)


def rule(kind: VoterName, /, field: OutputField = F64, **more: float) -> FieldRule:
    return FieldRule(field, FieldVoterConfig.model_validate({"kind": kind.value, **more}))


def vote(
    of: FieldRule,
    values: Sequence[float | tuple[float, ...] | None],
    memory: FieldMemory | None = None,
) -> FieldVote:
    parts = {
        i: None if v is None else of.field.encode(v if isinstance(v, tuple) else (v,))
        for i, v in enumerate(values)
    }
    ballots = FieldBallots(parts, (1 << len(values)) - 1)
    return of.vote(ballots, memory or of.first_memory(len(values)))


def delivered(
    of: FieldRule, values: Sequence[float | tuple[float, ...] | None], **more: FieldMemory
) -> tuple[float, ...] | None:
    bytes_ = vote(of, values, **more).delivered
    return None if bytes_ is None else of.field.numbers(bytes_)


# --- published results ----------------------------------------------------------------------------

V1 = (0.18155, 0.18230, 0.18130, 0.18180, 0.18235)
V2 = ((2.1350, -1.9693, 4.3354), (2.1340, -1.9649, 4.3281), (2.1376, -1.9623, 4.3284))


def test_formalised_majority_of_numbers_is_the_published_class() -> None:
    """Lorczak, Caglayan and Eckhardt (FTCS-19, 1989), as course material has it: {x1, x3, x4}. Two
    of its distances are the tolerance itself, and more than that in binary."""
    of = rule(VoterName.TOLERANCE, tolerance=0.0005)
    assert 0.18180 - 0.18130 > 0.0005
    parts = {node: F64.encode([x]) for node, x in enumerate(V1)}
    assert [members(m) for m in of.clusters(parts)] == [[0, 2, 3], [1, 4]]
    result = vote(of, V1)
    assert (members(result.agree), result.delivered) == ([0, 2, 3], F64.encode([0.18155]))


def test_formalised_majority_of_vectors_is_the_published_class() -> None:
    field = OutputField("v", "f64", 0, 3)
    for kind in (VoterName.TOLERANCE, VoterName.GENERALISED_MEDIAN, VoterName.MID_VALUE):
        result = vote(rule(kind, field, tolerance=0.005), V2)
        assert members(result.agree) == [1, 2], kind
    length = rule(VoterName.GENERALISED_MEDIAN, field).length_between
    parts = map(field.encode, V2)
    lengths = [length(a, b) for a, b in itertools.combinations(parts, 2)]
    assert lengths == pytest.approx([0.0086, 0.0102, 0.0044], abs=6e-5)


def test_majority_of_bit_vectors_is_the_published_class() -> None:
    field = OutputField("bits", "u8", 0)
    result = vote(rule(VoterName.EXACT, field), (0b00010000, 0b01000000, 0b00010000))
    assert members(result.agree) == [0, 2]


@pytest.mark.parametrize("kind", [VoterName.TOLERANCE, VoterName.PLURALITY])
def test_majority_by_a_masked_metric_is_the_published_class(kind: VoterName) -> None:
    """{x1, x2, x4} is one class only if bit 15 is not compared: 54106 is 21338 with it."""
    field = OutputField("v", "u16", 0)
    values = (21338, 54106, 37722, 54106, 4954)
    masked = vote(rule(kind, field, ignore_bits=1 << 15), values)
    assert (members(masked.agree), masked.delivered) == ([0, 1, 3], field.encode([21338]))
    assert members(vote(rule(kind, field), values).agree) != [0, 1, 3]


@pytest.mark.parametrize(("type_", "sign"), [("i8", 1 << 7), ("i16", 1 << 15), ("i32", 1 << 31)])
def test_sign_that_is_not_compared_is_0_in_the_delivered_number(type_: str, sign: int) -> None:
    of = rule(VoterName.MID_VALUE, OutputField("v", type_, 0), ignore_bits=sign)
    result = vote(of, (-sign, 5, 5 - sign, 0, 5))
    assert (members(result.agree), result.delivered) == ([1, 2, 4], of.field.encode([5]))


# Pullum (2001), in J. Softw. Eng. R&D 2014, table 2: C correct, I incorrect, PC and PI probably so,
# NO no output. Here: the set of results that each cell allows.
SITUATIONS = {
    "all identical and correct": (1.0, 1.0, 1.0, 1.0, 1.0),
    "majority identical and correct": (1.0, 1.0, 1.0, 7.0, 9.0),
    "plurality identical and correct": (1.0, 1.0, 5.0, 7.0, 9.0),
    "all different, all wrong": (3.0, 5.0, 7.0, 9.0, 11.0),
    "plurality identical and wrong": (7.0, 7.0, 1.0, 3.0, 5.0),
    "majority identical and wrong": (7.0, 7.0, 7.0, 1.0, 1.5),
    "all identical and wrong": (7.0, 7.0, 7.0, 7.0, 7.0),
}
MATRIX = {
    VoterName.EXACT: ("C", "C", "NO", "NO", "NO", "I", "I"),
    VoterName.MID_VALUE: ("C", "C", "C I", "I", "C I", "I", "I"),
    VoterName.PLURALITY: ("C", "C", "C", "NO", "I", "I", "I"),
    VoterName.TOLERANCE: ("C", "C", "NO", "NO", "NO", "I", "I"),
}


@pytest.mark.parametrize("kind", MATRIX)
def test_outcomes_are_those_of_the_published_matrix(kind: VoterName) -> None:
    for values, allowed in zip(SITUATIONS.values(), MATRIX[kind], strict=True):
        for order in itertools.permutations(values):
            result = delivered(rule(kind), order)
            outcome = "NO" if result is None else "C" if result == (1.0,) else "I"
            assert outcome in allowed.split(), (order, result)


# --- every pattern of up to two faulty nodes ------------------------------------------------------

CORRECT = (1.0, 1.25, 1.0, 0.75, 1.0)
FAULTS: tuple[float | None, ...] = (None, NAN, INF, -INF, 64.0, 1.5, 1.75, -0.0)
TOLERANCE = 0.5
LAST, REACH = 1.0, 0.75


def patterns(nodes: int, faulty: int) -> Iterator[tuple[float | None, ...]]:
    for who in itertools.combinations(range(nodes), faulty):
        for faults in itertools.product(FAULTS, repeat=faulty):
            values: list[float | None] = list(CORRECT[:nodes])
            for node, fault in zip(who, faults, strict=True):
                values[node] = fault
            yield tuple(values)


ORACLES: dict[VoterName, Callable[[Sequence[float | None]], float | str]] = {
    VoterName.EXACT: lambda v: oracle.exact(v, 0),
    VoterName.PLURALITY: lambda v: oracle.plurality(v, TOLERANCE),
    VoterName.TOLERANCE: lambda v: oracle.tolerance_majority(v, TOLERANCE),
    VoterName.MID_VALUE: lambda v: oracle.mid_value(v, TOLERANCE),
    VoterName.GENERALISED_MEDIAN: lambda v: oracle.generalised_median(v, TOLERANCE),
    VoterName.HISTORY: lambda v: oracle.history(v, TOLERANCE),
    VoterName.SMOOTHING: lambda v: oracle.smoothing(v, TOLERANCE, LAST, REACH),
    VoterName.HELD_MEAN: lambda v: oracle.held_mean(v, TOLERANCE, LAST),
}
KEYS: dict[VoterName, dict[str, float]] = {
    VoterName.EXACT: {},
    VoterName.SMOOTHING: {"tolerance": TOLERANCE, "reach": REACH},
    VoterName.HELD_MEAN: {"tolerance": TOLERANCE, "hold_frames": 3},
}


def same(a: float, b: float | str) -> bool:
    return isinstance(b, float) and (a == b or (math.isnan(a) and math.isnan(b)))


@pytest.mark.parametrize("kind", ORACLES)
def test_every_pattern_of_up_to_two_faulty_nodes(kind: VoterName) -> None:
    of = rule(kind, F64, **KEYS.get(kind, {"tolerance": TOLERANCE}))
    count = 0
    for nodes, faulty in itertools.product(range(1, 6), range(3)):
        for values in patterns(nodes, faulty) if faulty <= nodes else ():
            count += 1
            memory = replace(of.first_memory(nodes), last=F64.encode([LAST]))
            result = delivered(of, values, memory=memory)
            expected = ORACLES[kind](values)
            identical = len({None if v is None else F64.encode([v]) for v in values}) == 1
            if identical and values[0] is not None:
                expected = values[0]  # identical bytes of all are delivered, by every voter
            if result is None:
                assert expected == oracle.UNDECIDED, (values, expected)
            else:
                assert same(result[0], expected), (values, result, expected)
    assert count == 5 + 8 * (1 + 2 + 3 + 4 + 5) + 64 * (1 + 3 + 6 + 10)


@pytest.mark.parametrize("nodes", range(1, 6))
def test_bitwise_majority_of_every_pattern(nodes: int) -> None:
    field = OutputField("word", "u8", 0)
    of = rule(VoterName.BITWISE, field)
    for values in itertools.product((0b1010, 0b1000, 0b0110, 0b1111), repeat=nodes):
        ones = np.unpackbits(np.array(values, np.uint8)[:, None], axis=1).sum(axis=0)
        tied = bool((2 * ones == nodes).any())
        expected = None if tied else (int(np.packbits(2 * ones > nodes)[0]),)
        assert delivered(of, values) == expected


@pytest.mark.parametrize("kind", [VoterName.MID_VALUE, VoterName.TOLERANCE, VoterName.HISTORY])
def test_faults_of_a_minority_never_take_the_output_out_of_the_tolerance(kind: VoterName) -> None:
    """Zero escapes: whatever less than half of the nodes deliver."""
    of = rule(kind, tolerance=TOLERANCE)
    escapes = count = 0
    for nodes, faulty in ((3, 1), (4, 1), (5, 1), (5, 2)):
        for values in patterns(nodes, faulty):
            result = delivered(of, values)
            count += 1
            escapes += result is not None and not 0.75 - 0.5 <= result[0] <= 1.25 + 0.5
    assert (escapes, count) == (0, 8 * (3 + 4 + 5) + 64 * 10)


# --- invariants -----------------------------------------------------------------------------------

NUMBERS = st.floats(allow_nan=True, width=64)
NEAR = st.floats(-1.0, 1.0)


@property_of(st.lists(NEAR, min_size=3, max_size=7), st.data())
def test_mid_value_lies_between_the_correct_ones(correct: list[float], data: st.DataObject) -> None:
    room = min(7 - len(correct), len(correct) - 1)
    faulty = data.draw(st.lists(NUMBERS, max_size=room))
    values = data.draw(st.permutations([*correct, *faulty]))
    result = delivered(rule(VoterName.MID_VALUE), values)
    assert result is not None and min(correct) <= result[0] <= max(correct)


ANY_ORDER = [
    (VoterName.EXACT, {}),
    (VoterName.BITWISE, {}),
    (VoterName.PLURALITY, {"tolerance": 0.25}),
    (VoterName.TOLERANCE, {"tolerance": 0.25}),
    (VoterName.MID_VALUE, {"tolerance": 0.25}),
    (VoterName.GENERALISED_MEDIAN, {"tolerance": 0.25}),
    (VoterName.SMOOTHING, {"tolerance": 0.25, "reach": 1.0}),
]


@property_of(
    st.sampled_from(ANY_ORDER),
    st.lists(NUMBERS | NEAR | st.none(), min_size=1, max_size=7),
    st.data(),
    quick=150,
)
def test_the_order_of_the_nodes_has_no_influence(
    voter: tuple[VoterName, dict[str, float]], values: list[float | None], data: st.DataObject
) -> None:
    kind, keys = voter
    order = data.draw(st.permutations(range(len(values))))
    of = rule(kind, F64, **keys)
    memory = FieldMemory(F64.encode([0.5]))
    one = vote(of, values, memory)
    other = vote(of, [values[i] for i in order], memory)
    assert one.delivered == other.delivered
    assert {order[i] for i in members(other.agree)} == set(members(one.agree))


@property_of(st.lists(NEAR, min_size=1, max_size=7), st.floats(0.001, 0.5))
def test_members_of_a_cluster_agree_pair_by_pair_and_none_can_be_added(
    values: list[float], tolerance: float
) -> None:
    of = rule(VoterName.TOLERANCE, tolerance=tolerance)
    parts = {node: F64.encode([value]) for node, value in enumerate(values)}
    groups = of.clusters(parts)
    assert sorted(itertools.chain(*map(members, groups))) == list(range(len(values)))
    for mask in groups:
        inside = members(mask)
        assert all(of.matches(parts[a], parts[b]) for a in inside for b in inside)
    best = members(groups[0])
    left = set(parts) - set(best)
    assert not any(all(of.matches(parts[n], parts[m]) for m in best) for n in left)


@property_of(st.lists(st.integers(0, 359), min_size=3, max_size=5), st.integers(0, 359), st.data())
def test_the_middle_of_angles_turns_with_them(
    angles: list[int], turn: int, data: st.DataObject
) -> None:
    """Angles of correct nodes in a quarter, less than half of the others anywhere."""
    correct = [angle % 90 for angle in angles]
    faulty = data.draw(st.lists(st.integers(0, 359), max_size=min(2, (len(correct) - 1) // 2)))
    of = rule(VoterName.MID_VALUE, OutputField("a", "i32", 0, period=360.0))
    result = delivered(of, [*correct, *faulty])
    turned = delivered(of, [(angle + turn) % 360 for angle in (*correct, *faulty)])
    assert result is not None and turned is not None
    assert min(correct) <= result[0] <= max(correct)
    low, high = min(correct) + turn, max(correct) + turn
    assert any(low <= turned[0] + around <= high for around in (0, 360, 720))


# --- rules of single values -----------------------------------------------------------------------


def test_agreement_is_not_transitive_and_the_narrower_cluster_wins() -> None:
    result = vote(rule(VoterName.TOLERANCE, tolerance=1.0), (0.0, 0.9, 1.7))
    assert members(result.agree) == [1, 2] and result.delivered == F64.encode([0.9])
    assert [members(m) for m in result.clusters] == [[1, 2], [0]]


def test_angles_agree_across_the_end_of_the_circle() -> None:
    of = rule(VoterName.MID_VALUE, replace(F64, period=360.0), tolerance=3.0)
    result = vote(of, (359.0, 1.0, 100.0))
    assert members(result.agree) == [0, 1] and result.delivered == F64.encode([1.0])


def test_angles_whose_difference_is_a_period_in_doubles_agree() -> None:
    """As REDUNDANCY.md says: neither number is what it is written as."""
    assert 4.1818 - 0.1818 == 4.0
    result = vote(rule(VoterName.TOLERANCE, replace(F64, period=4.0)), (4.1818, 0.1818, 1.0))
    assert members(result.agree) == [0, 1] and result.delivered == F64.encode([4.1818])


def test_an_infinite_angle_has_no_place_in_a_middle() -> None:
    angle = replace(F64, period=360.0)
    values = (INF, INF, 1.0)
    assert members(vote(rule(VoterName.TOLERANCE, angle, tolerance=1.0), values).agree) == [0, 1]
    assert members(vote(rule(VoterName.MID_VALUE, angle, tolerance=1.0), values).agree) == []


def test_a_zero_without_sign_is_delivered() -> None:
    result = vote(rule(VoterName.MID_VALUE), (-0.0, 0.0, -0.0))
    assert (result.delivered, members(result.agree)) == (F64.encode([0.0]), [0, 1, 2])
    assert vote(rule(VoterName.EXACT), (-0.0, 0.0, -0.0)).delivered == F64.encode([-0.0])


def test_nan_of_most_is_delivered_as_the_one_nan() -> None:
    payloads = [struct.pack("<Q", bits) for bits in (0x7FF8000000000001, 0xFFF8000000000000)]
    ballots = FieldBallots({0: payloads[0], 1: payloads[1], 2: F64.encode([1.0])}, 0b111)
    for kind in (VoterName.MID_VALUE, VoterName.TOLERANCE):
        of = rule(kind)
        result = of.vote(ballots, of.first_memory(3))
        assert result.delivered == struct.pack("<Q", 0x7FF8000000000000)
        assert members(result.agree) == [0, 1]


def test_identical_nan_is_delivered_as_it_is() -> None:
    part = struct.pack("<Q", 0xFFF8000000000123)
    of = rule(VoterName.MID_VALUE)
    ballots = FieldBallots(dict.fromkeys(range(3), part), 0b111)
    assert of.vote(ballots, FieldMemory()).delivered == part


def test_integers_of_64_bits_are_compared_exactly() -> None:
    field = OutputField("n", "u64", 0)
    big = 2**63
    assert members(vote(rule(VoterName.MID_VALUE, field), (big, big, big + 1)).agree) == [0, 1]
    of = rule(VoterName.TOLERANCE, field, tolerance=1)
    assert members(vote(of, (big, big + 1, big + 2)).agree) == [0, 1]


def test_a_fixed_point_tolerance_is_in_the_unit_of_the_field() -> None:
    field = OutputField("loss", "i32", 0, unit="nat", fraction_bits=16)
    of = rule(VoterName.TOLERANCE, field, tolerance=0.5)
    assert members(vote(of, (0, 32768, -1)).agree) == [0, 2]
    assert members(vote(of, (0, 32768, 65536 + 1)).agree) == [0, 1]


def test_a_node_with_a_bad_record_has_no_weight() -> None:
    of = rule(VoterName.HISTORY, tolerance=0.5)
    memory = of.first_memory(3)
    assert delivered(of, (1.0, 1.0, 1.375), memory=memory) == (1.125,)
    for _ in range(8):
        memory = vote(of, (1.0, 1.0, 64.0), memory).memory
    assert [record.bit_count() for record in memory.records] == [16, 16, 8]
    assert delivered(of, (1.0, 1.0, 1.375), memory=memory) == (1.0,)
    for _ in range(16):
        memory = vote(of, (1.0, 1.0, 1.25), memory).memory
    assert delivered(of, (1.0, 1.0, 1.375), memory=memory) == (1.125,)


def test_smoothing_takes_the_nearest_then_holds_and_then_gives_up() -> None:
    of = rule(VoterName.SMOOTHING, tolerance=0.1, reach=1.0, hold_frames=2)
    memory = vote(of, (5.0, 5.0, 5.0)).memory
    near = vote(of, (5.5, 7.0, 9.0), memory)
    assert near.delivered == F64.encode([5.5]) and members(near.agree) == [0]
    results = []
    memory = near.memory
    for _ in range(3):
        held = vote(of, (20.0, 30.0, 40.0), memory)
        results.append(held.delivered)
        memory = held.memory
    assert results == [F64.encode([5.5]), F64.encode([5.5]), None]


# --- the angle of attack of 7 October 2008 --------------------------------------------------------

TRUE_DEG, SPIKE_DEG = 2.0, 50.625  # ATSB AO-2008-070: an altitude, labelled as an angle of attack
FRAMES_PER_S, HOLD_FRAMES = 10, 12


def worst_deg(kind: VoterName, gap_frames: int, **keys: float) -> float:
    """The greatest deviation of the delivered angle; the first of three nodes has two spikes."""
    of = rule(kind, OutputField("aoa", "f64", 0, unit="deg"), tolerance=1.0, **keys)
    memory, worst = of.first_memory(3), 0.0
    for frame in range(60):
        spikes = frame in (20, 20 + gap_frames)
        result = vote(of, (SPIKE_DEG if spikes else TRUE_DEG, TRUE_DEG, 1.875), memory)
        assert result.delivered is not None
        worst = max(worst, abs(of.field.numbers(result.delivered)[0] - TRUE_DEG))
        memory = result.memory
    return worst


def test_spikes_as_far_apart_as_the_hold_pass_its_filter() -> None:
    assert HOLD_FRAMES == 1.2 * FRAMES_PER_S
    held = {
        gap: worst_deg(VoterName.HELD_MEAN, gap, hold_frames=HOLD_FRAMES) for gap in range(1, 39)
    }
    assert held.pop(HOLD_FRAMES) == (SPIKE_DEG - TRUE_DEG) / 2
    assert set(held.values()) == {0.0}


def test_spikes_do_not_pass_mid_value_select() -> None:
    assert {worst_deg(VoterName.MID_VALUE, gap) for gap in range(1, 39)} == {0.0}
