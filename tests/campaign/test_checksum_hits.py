"""What checksums of a workload find, as a table from one command: against sums of NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from hil.campaign.checksum_hits import checksum_hits, clean_steps
from hil.campaign.tick_step import TickStep
from hil.errors import KernelError
from hil.kernel import Golden
from tests.command_line import Hil

N = 48


@pytest.mark.parametrize("workload", ["matmul+abft", "lm"])
def test_steps_are_those_of_the_golden_run_in_any_order(workload: str) -> None:
    golden, step = Golden(workload, 5), TickStep(workload, 5)
    states, outputs = [step.state], []
    for frame in range(6):
        golden.step()
        outputs.append(step.step(frame))
        states.append(step.state)
        assert (outputs[-1], states[-1]) == (golden.output, golden.state)
    step.state = states[3]
    assert step.step(3) == outputs[3] and step.state == states[4]
    with pytest.raises(KernelError, match="state of 3 bytes"):
        step.state = b"abc"


def test_a_struck_step_has_one_other_bit_from_that_tick_on() -> None:
    """One bit of C, flipped between its computation and its use: the outputs that NumPy says."""
    step = TickStep("matmul", 3)
    a = np.frombuffer(step.state, "<u4").reshape(N, N)
    step.step(0)
    right = step.state
    b = np.frombuffer(step.scratch(0, 4 * N * N), "<u4").reshape(N, N)
    c = np.frombuffer(step.scratch(4 * N * N, 4 * N * N), "<u4").reshape(N, N)
    assert (c == a @ b).all()
    step.state = a.tobytes()
    row = 7
    step.struck_step(0, row + 2, 8 * 4 * N * (N + row) + 5, scratch=True)
    assert step.state != right
    hit = np.frombuffer(step.scratch(4 * N * N, 4 * N * N), "<u4").reshape(N, N)
    assert np.argwhere(hit != c).tolist() == [[row, 0]] and int(hit[row, 0] ^ c[row, 0]) == 1 << 5
    step.state = a.tobytes()
    step.step(0)
    assert step.state == right, "one hit strikes once"


@pytest.mark.parametrize(
    ("workload", "bare_least"),
    [("matmul", 0.9), pytest.param("lm", 0.8, marks=pytest.mark.slow)],
)
def test_nothing_that_is_hit_reaches_an_output_and_products_are_all_found(
    workload: str, bare_least: float
) -> None:
    rows = checksum_hits(workload, 11, 60)
    assert rows == checksum_hits(f"{workload}+abft", 11, 60), "drawn from the seed"
    assert [row.wrong for row in rows] == [0] * len(rows)
    first = rows[0]
    assert first.bare_wrong is not None and first.bare_wrong >= bare_least * first.hits
    found = {row.part: row.found for row in rows}
    if workload == "matmul":
        assert found["product A B"] == 60
    else:
        assert found["place, last character"] == 60
    clean = clean_steps(workload, 11, 500)
    assert (clean.steps, clean.alarms, clean.wrong) == (500, 0, 0)


@pytest.mark.slow
def test_the_command_prints_the_table_and_refuses_other_workloads(hil: Hil) -> None:
    words = ("campaign", "lm-saa", "--checksum-hits", "20", "--clean-steps", "50")
    done = hil(*words)
    assert done.code == 0 and "Without upsets: 50 steps, no false alarm" in done.out
    answer = hil(*words, "--workload", "matmul+abft", "--json").json
    assert answer["workload"] == "matmul+abft" and answer["without_upsets"]["alarms"] == 0
    assert [row["hits"] for row in answer["rows"]] == [20] * 5
    refused = hil("campaign", "nominal", "--checksum-hits", "20")
    assert refused.code == 2 and "the workload `infer` has no checksums" in refused.err
    refused = hil("campaign", "nominal", "--exact", "--clean-steps", "5")
    assert (
        refused.code == 2
        and "--clean-steps is for hits of a workload with checksums" in refused.err
    )
