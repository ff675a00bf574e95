"""Outages against a frame by frame count."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from hil.record.outages import (
    Outage,
    VoteChange,
    mean_time_to_repair_s,
    node_outages,
    outages_of,
    timed_by_host,
)

FRAME_US = 100_000


def changes(*moves: tuple[int, str, bool]) -> list[VoteChange]:
    return [VoteChange(node, frame, votes, frame * 7) for frame, node, votes in moves]


def test_a_node_that_is_repaired_within_its_frame_was_never_out() -> None:
    assert outages_of(changes((5, "a", False), (5, "a", True)), {}) == []


def test_an_outage_lasts_until_the_node_votes_again_and_counts_skipped_frames() -> None:
    moves = changes((5, "a", False), (7, "b", False), (9, "a", True))
    assert outages_of(moves, {6: 100, 8: 10, 12: 1}) == [
        Outage("a", 5, 35, 119, 63),
        Outage("b", 107, 49),
    ]


@pytest.mark.parametrize("seed", range(20))
def test_times_are_those_of_a_count_frame_by_frame(seed: int) -> None:
    rng = random.Random(seed)
    votes = dict.fromkeys("abc", True)
    out = dict.fromkeys("abc", 0)
    moves: list[tuple[int, str, bool]] = []
    skips: dict[int, int] = {}
    nominal = 0
    for frame in range(400):
        if rng.random() < 0.02:
            skips[frame] = rng.randrange(1, 50)
        for _ in range(1 + skips.get(frame, 0)):
            nominal += 1
            for node in "abc":  # a change takes effect in the next frame
                out[node] += not votes[node]
        for node in "abc":
            if rng.random() < 0.05:
                votes[node] = not votes[node]
                moves.append((frame, node, votes[node]))
    found = node_outages(
        outages_of(changes(*moves), skips),
        "abc",
        frozenset(),
        FRAME_US,
        frames=nominal,
        wall_us=0,
    )
    for times in found:
        left = [frame for frame, name, on in moves if name == times.node and not on]
        assert times.outages == len(left) and times.away == (not votes[times.node])
        # The frame in which it leaves still counts as voted, the one it is given back as out.
        frames_out = out[times.node] + times.away
        assert times.out_s == pytest.approx(frames_out * FRAME_US / 1e6)
        total_s = nominal * FRAME_US / 1e6
        assert times.mtbf_s == pytest.approx((total_s - times.out_s) / times.outages)


@pytest.mark.parametrize(
    ("boards", "paced", "seconds"),
    [
        ({"a": "serial"}, False, 28e-6),
        ({"a": "serial"}, True, 0.4),
        ({"a": "emulated"}, False, 28e-6),
        ({"a": "process"}, False, 0.4),
    ],
)
def test_only_boards_beside_an_unpaced_run_are_timed_by_the_host(
    boards: Mapping[str, str], paced: bool, seconds: float
) -> None:
    ended = outages_of(changes((5, "a", False), (9, "a", True)), {})
    by_host = timed_by_host(boards, paced=paced)
    assert mean_time_to_repair_s(ended, by_host, FRAME_US) == pytest.approx(seconds)


def test_without_an_outage_that_ended_the_mean_time_to_repair_is_zero() -> None:
    outages = outages_of(changes((5, "a", False)), {})
    assert mean_time_to_repair_s(outages, frozenset(), FRAME_US) == 0
