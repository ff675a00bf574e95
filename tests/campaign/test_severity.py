"""Severity of wrong outputs, against numpy's reading of the same bytes."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from hil.campaign.severity import SeverityJudge
from hil.kernel import Golden, workload
from hil.record.campaign_endings import Severity, severities_of_workload
from hil.scenario import WORKLOADS
from hil.scenario.outputs import output_fields


def golden_output(name: str) -> bytes:
    golden = Golden(name, 11)
    for _ in range(5):
        golden.step()
    return golden.output


def difference(golden: bytes, output: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(golden, output, strict=True))


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_the_fields_of_a_workload_lie_in_its_output(name: str) -> None:
    at = 0
    for field in output_fields(name):
        assert field.offset == at
        at += field.length
    assert at in {workload(name).output_len, workload(name).output_len - 4}  # of infer, zeros


@pytest.mark.parametrize("name", [*sorted(WORKLOADS), "own_c_file"])
def test_only_known_severities_are_given_and_hashes_have_none(name: str) -> None:
    known = severities_of_workload(name)
    golden = golden_output(name) if name in WORKLOADS else bytes(40)
    judge, rng = SeverityJudge(name, golden), random.Random(name)
    given = Severity.NONE
    for _ in range(2000):
        length = rng.choice([1, len(golden)])
        at = rng.randrange(len(golden) + 1 - length)
        wrong = golden[:at] + rng.randbytes(length) + golden[at + length :]
        given |= judge.judge(difference(golden, wrong))[0]
    assert given == sum(known, Severity.NONE)
    assert bool(known) == (
        name.partition("+")[0] not in {"sha256", "aes128", "matmul", "archive", "own_c_file"}
    )


def test_a_classifier_is_judged_by_the_class_that_leaves() -> None:
    golden = golden_output("infer")
    scores = np.frombuffer(golden, dtype="<i4", count=10, offset=4)
    (right,) = np.frombuffer(golden, dtype="<u4", count=1)
    assert right == np.argmax(scores)
    best = np.argsort(-scores, kind="stable")[:5]
    judge = SeverityJudge("infer", golden)
    for chosen in [*range(10), 10, 2**31]:
        wrong = np.uint32(chosen).tobytes() + golden[4:]
        if chosen == right:
            continue
        severity, error = judge.judge(difference(golden, wrong))
        assert severity & Severity.SDC_1
        assert bool(severity & Severity.SDC_5) == (chosen not in best)
        assert error == 0


@pytest.mark.parametrize("place", [0, 3])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_right_value_that_is_no_number_makes_the_error_infinite(
    number: float, place: int
) -> None:
    """Never a NaN, which no limit would find too large."""
    quaternion = np.array([1.0, 0.5, 0.25, 0.125, 0.0, 0.0, 1.0])
    quaternion[place] = number
    golden = quaternion.tobytes()
    judge = SeverityJudge("attitude", golden)
    quaternion[1] = 2.0
    severity, error = judge.judge(difference(golden, quaternion.tobytes()))
    assert error == math.inf
    assert severity & Severity.ERROR_100
    other = golden[:-8] + np.float64(1.25).tobytes()  # of the other field alone
    assert judge.judge(difference(golden, other))[1] == 0.25


@pytest.mark.parametrize(("name", "dtype", "at"), [("infer", "<i4", 4), ("attitude", "<f8", 0)])
def test_relative_errors_are_those_of_numpy(name: str, dtype: str, at: int) -> None:
    golden, rng = golden_output(name), random.Random(name)
    judge = SeverityJudge(name, golden)
    spans = [(4, 44)] if name == "infer" else [(0, 32), (32, 56)]
    seen = set()
    for _ in range(2000):
        wrong = bytearray(golden)
        for _ in range(rng.randrange(1, 4)):
            wrong[rng.randrange(at, spans[-1][1])] ^= 1 << rng.randrange(8)
        if bytes(wrong) == golden:
            continue
        expected = 0.0
        for begin, end in spans:
            a = np.frombuffer(golden[begin:end], dtype=dtype).astype(float)
            b = np.frombuffer(bytes(wrong[begin:end]), dtype=dtype).astype(float)
            if not np.isfinite(b).all():
                expected = math.inf
            elif (a != b).any():
                with np.errstate(over="ignore"):
                    expected = max(expected, float(np.abs(a - b).max() / np.abs(a).max()))
        expected = expected if expected < 3.4e38 else math.inf
        severity, error = judge.judge(difference(golden, bytes(wrong)))
        assert error == pytest.approx(expected)
        limits = {Severity.ERROR_1: 0.01, Severity.ERROR_10: 0.1, Severity.ERROR_100: 1.0}
        for flag, limit in limits.items():
            assert bool(severity & flag) == (expected > limit)
            seen.add((flag, expected > limit))
    assert len(seen) == 6


def test_what_is_no_number_has_no_error() -> None:
    golden = golden_output("sha256")
    assert SeverityJudge("sha256", golden).judge(bytes([255] * 32)) == (Severity.NONE, 0.0)
    assert SeverityJudge("a workload of a user", golden).judge(bytes([1] * 32))[1] == 0.0


def test_a_value_that_is_not_a_number_is_an_infinite_error() -> None:
    golden = golden_output("attitude")
    wrong = np.array([np.nan], dtype="<f8").tobytes() + golden[8:]
    severity, error = SeverityJudge("attitude", golden).judge(difference(golden, wrong))
    assert error == math.inf
    assert severity & Severity.ERROR_100
