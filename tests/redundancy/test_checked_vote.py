"""The vote of a doer and its checkers, against a plain reading of the table in the manual."""

from __future__ import annotations

import itertools
import math
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hil.errors import ConfigError
from hil.kernel import digest64
from hil.redundancy.checked_tally import CheckedTally
from hil.redundancy.checked_vote import CheckedOutputs, CheckedVoter, checked_voter
from hil.redundancy.voting import (
    FAIL_SILENT,
    STATE_SPLIT,
    Ballot,
    NodeStatus,
    Verdict,
    VerdictKind,
    unpack,
)
from hil.scenario import Scenario
from hil.scenario.load import load_scenario

FULL, REDUCED = "dense-fp32", "dense-int8"


def scenario(count: int, **checkers: Any) -> Scenario:
    bounds = {"class": 0, "logits": 0.5}
    rig = {"workload": REDUCED, "count": count, "bounds": bounds, **checkers}
    return Scenario.model_validate(
        {
            "workload": FULL,
            "frames": 5,
            "rig": {"scheme": "doer_checkers", "checkers": rig, "board": "inproc"},
        }
    )


def voter(count: int, **checkers: Any) -> CheckedVoter:
    made = checked_voter(scenario(count, **checkers), 44)
    assert made is not None
    return made


def full(first: float, chosen: int = 3) -> bytes:
    return struct.pack("<I10f", chosen, first, *([1.0] * 9))


def reduced(first: float, chosen: int = 3) -> bytes:
    return struct.pack("<I10i", chosen, round(first * 65536), *([65536] * 9))


RIGHT, NEAR, FAR = full(2.0), full(2.25), full(9.0)
DOER = {"right": RIGHT, "near": NEAR, "far": FAR, "silent": b""}
CHECKER = {"right": reduced(2.125), "other": reduced(7.0), "another": reduced(-7.0), "silent": b""}
VALUE = {"right": 2.0, "near": 2.25, "far": 9.0}
OF_CHECKER = {"right": 2.125, "other": 7.0, "another": -7.0}


def decide(
    v: CheckedVoter, doer: bytes, checkers: list[bytes], *, flags: int = 0, frame: int = 0
) -> Verdict:
    answers = [doer, *checkers]
    ballots = [
        Ballot(NodeStatus.DONE, 0, digest64(a), digest64(b"state" + a))
        if a
        else Ballot(NodeStatus.SILENT)
        for a in answers
    ]
    golden = (digest64(RIGHT), digest64(CHECKER["right"]))
    everybody = (1 << len(answers)) - 1
    outputs = CheckedOutputs(answers, RIGHT, golden)
    return v.vote(frame, ballots, everybody, outputs, flags=flags)


def by_the_table(doer: str, checkers: tuple[str, ...], votes: int) -> tuple[str, set[int]]:
    """What is delivered, and who agrees: by values, not by digests or bounds of the code."""
    heard = [c for c in checkers if c != "silent"]
    if doer != "silent" and heard:
        refuse = [c for c in heard if abs(VALUE[doer] - OF_CHECKER[c]) > 0.5]
        accept = [c for c in heard if c not in refuse]
        if accept and len(refuse) < votes:
            return "doer", {0} | {i for i, c in enumerate(checkers, 1) if c in accept}
    if len(heard) + (doer != "silent") == 1:
        return "nothing", {i for i, c in enumerate((doer, *checkers)) if c != "silent"}
    most = Counter(heard).most_common(1)
    if most and most[0][1] >= 2 and 2 * most[0][1] > len(heard):
        return most[0][0], {i for i, c in enumerate(checkers, 1) if c == most[0][0]}
    return "nothing", set()


@pytest.mark.parametrize(("count", "votes"), [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3)])
def test_every_pattern_of_answers_is_decided_by_the_table(count: int, votes: int) -> None:
    v, tally, escapes = voter(count, votes=votes), CheckedTally(), 0
    for doer, *checkers in itertools.product(DOER, *[CHECKER] * count):
        verdict = decide(v, DOER[doer], [CHECKER[c] for c in checkers], flags=FAIL_SILENT)
        delivered, agree = by_the_table(doer, tuple(checkers), votes)
        what = (doer, *checkers)
        assert verdict.agree == sum(1 << i for i in agree), what
        expected = {"doer": DOER[doer], "nothing": None}.get(delivered, CHECKER.get(delivered))
        assert verdict.values is not None and verdict.values.output == expected, what
        assert verdict.delivered == (expected is not None), what
        assert verdict.correct == (expected in (RIGHT, CHECKER["right"])), what
        by = None if expected is None else min(agree)
        assert verdict.primary == by == unpack(verdict.record).primary, what
        tally.count(verdict, digest64(RIGHT))
        escapes += delivered == "doer" and doer != "right"
    assert tally.accepted_wrong == escapes > 0


def test_no_output_outside_of_all_bounds_leaves_as_the_doers() -> None:
    v = voter(2)
    for first in (2.0, 2.6250, 2.6251, 1.6250, 1.6249, math.nan, math.inf, -math.inf):
        verdict = decide(v, full(first), [CHECKER["right"]] * 2)
        (stored,) = struct.unpack("<f", struct.pack("<f", first))
        near = math.isfinite(stored) and abs(stored - 2.125) <= 0.5
        assert (verdict.primary == 0) is near, first
    assert decide(v, full(2.0, chosen=4), [CHECKER["right"]] * 2).primary == 1  # another class


def test_checkers_that_differ_only_in_state_take_all_back_and_a_third_decides() -> None:
    golden = (digest64(RIGHT), digest64(CHECKER["right"]))
    for count, split in ((2, True), (3, False)):
        ballots = [Ballot(NodeStatus.DONE, 0, golden[0], 1)]
        ballots += [Ballot(NodeStatus.DONE, 0, golden[1], 7 + (i == 0)) for i in range(count)]
        outputs = CheckedOutputs([RIGHT, *[CHECKER["right"]] * count], RIGHT, golden)
        verdict = voter(count).vote(0, ballots, (1 << (count + 1)) - 1, outputs)
        assert verdict.correct and bool(verdict.flags & STATE_SPLIT) is split
        assert bool(verdict.agree & 2) is split  # the first checker, which is wrong


def test_a_doer_that_returns_is_checked_and_does_not_deliver_yet() -> None:
    golden = (digest64(RIGHT), digest64(CHECKER["right"]))
    for output, agrees in ((RIGHT, True), (FAR, False)):
        ballots = [Ballot(NodeStatus.DONE, 0, digest64(output), 1)]
        ballots += [Ballot(NodeStatus.DONE, 0, golden[1], 2)] * 2
        outputs = CheckedOutputs([output, *[CHECKER["right"]] * 2], RIGHT, golden)
        verdict = voter(2).vote(0, ballots, 0b110, outputs)
        assert verdict.primary == 1 and verdict.correct
        assert bool(verdict.agree & 1) is agrees and bool(verdict.dissent & 1) is not agrees


def test_refused_result_may_be_replaced_by_nothing_and_the_doer_still_dissents() -> None:
    verdict = decide(voter(2, refused="nothing"), FAR, [CHECKER["right"]] * 2)
    assert verdict.kind is VerdictKind.MAJORITY and not verdict.delivered and verdict.decided
    assert verdict.dissent == 1 and verdict.agree == 0b110


def test_nothing_is_refused_before_filters_have_settled() -> None:
    v = voter(2, after_frames=3)
    assert [decide(v, FAR, [CHECKER["right"]] * 2, frame=k).primary for k in range(5)] == [
        *[0, 0, 0, 1, 1]
    ]


@pytest.mark.parametrize(
    ("rig", "where", "what"),
    [
        ("", "$.rig.checkers", "needs to know what the checkers compute"),
        ("checkers: {workload: sha256, bounds: {hash: 0}}", "$.rig.checkers.bounds.hash", "no num"),
        ("checkers: {workload: dense-int8, bounds: {class: 1}}", ".bounds.class", "expected 0"),
        ("checkers: {workload: dense-int8, bounds: {logit: 1}}", ".bounds.logit", "`logits`"),
        (
            "checkers: {workload: dense-int8, bounds: {}}",
            "$.rig.checkers.bounds",
            "nothing is compared",
        ),
        ("checkers: {workload: dense-int8, bounds: {class: 0}, votes: 3}", ".votes", "there are 2"),
        ("checkers: {workload: dense-9, bounds: {class: 0}}", ".workload", "dense-9"),
    ],
)
def test_what_does_not_fit_is_said_where_it_stands(
    tmp_path: Path, rig: str, where: str, what: str
) -> None:
    text = f"workload: {FULL}\nframes: 5\nrig:\n  scheme: doer_checkers\n  {rig}\n"
    (tmp_path / "it.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        load_scenario(tmp_path / "it.yaml")
    assert where in str(error.value) and what in str(error.value)


def test_an_orbit_and_another_voter_do_not_go_with_checkers() -> None:
    data = scenario(2).model_dump(mode="json", by_alias=True)
    with pytest.raises(ValidationError, match="accepted or refused as a whole"):
        Scenario.model_validate({**data, "rig": {**data["rig"], "voter": "mid_value"}})
