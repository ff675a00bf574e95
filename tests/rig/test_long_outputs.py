"""Outputs that are too long for the answer to a step: they vote by their digest."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from hil.engine.long_outputs import with_long_outputs
from hil.engine.loop import Loop
from hil.kernel import digest64
from hil.record.reader import Reader
from hil.redundancy.voting import Ballot, Verdict, vote
from hil.rig.node import DONE, NodeResult
from hil.rig.program import golden_run, has_long_output
from hil.rig.resync import read_outputs
from hil.rig.rig import Rig
from hil.scenario import Scenario
from hil.verification.replay import verify
from hil.wire.messages import Arm
from tests.amount import mostly_slow

from .contract import SEED
from .exec_rig import HOSTILE, MakeRig, python

pytestmark = pytest.mark.ptrace

LENGTHY = 48_000


def long_rig(make_rig: MakeRig, nodes: int = 1) -> Rig:
    rig = make_rig("bad", nodes, bad=python(HOSTILE, "lengthy", "99"))
    rig.setup.long_outputs = True
    return rig


def voted(rig: Rig, results: dict[str, NodeResult]) -> Verdict:
    ballots = [
        Ballot(r.status, r.signal, r.output_digest, r.state_digest) for r in results.values()
    ]
    return vote(0, ballots, 2 ** len(rig.nodes) - 1)


def test_a_long_output_votes_by_its_digest(make_rig: MakeRig) -> None:
    rig = long_rig(make_rig)
    golden = golden_run("exec:bad", SEED)
    assert has_long_output(golden.workload) and not has_long_output(
        golden_run("exec:c", SEED).workload
    )
    for frame in range(3):
        golden.step()
        (result,) = rig.step(rig.nodes, frame, golden.input).values()
        assert (result.status, result.output) == (DONE, b"")
        assert (result.output_digest, result.state_digest) == (
            golden.output_digest,
            golden.state_digest,
        )
        assert read_outputs(rig, rig.nodes, LENGTHY) == {"n0": golden.output}


def test_the_bytes_of_a_dissenter_and_of_one_that_agrees_are_read(make_rig: MakeRig) -> None:
    rig = long_rig(make_rig, 3)
    golden = golden_run("exec:bad", SEED)
    golden.step()
    rig.arm(rig.nodes[1], Arm(1, 0, "output", "bit", tick=1, bit=8 * 40_000 + 5))
    results = rig.step(rig.nodes, 0, golden.input)
    verdict = voted(rig, results)
    assert verdict.dissent == 0b010 and verdict.output == golden.output_digest
    filled = with_long_outputs(rig, results, verdict, LENGTHY)
    assert filled["n0"].output == golden.output and filled["n2"].output == b""
    wrong = bytearray(golden.output)
    wrong[40_000] ^= 1 << 5
    assert filled["n1"].output == bytes(wrong)


def test_bytes_that_do_not_have_their_digest_are_not_taken(make_rig: MakeRig) -> None:
    rig = long_rig(make_rig, 3)
    golden = golden_run("exec:bad", SEED)
    golden.step()
    results = rig.step(rig.nodes, 0, golden.input)
    verdict = voted(rig, results)
    later = rig.step(rig.nodes, 1, golden.input_of(1))  # the boards have another output now
    assert later["n0"].output_digest != verdict.output
    filled = with_long_outputs(rig, results, verdict, LENGTHY)
    assert all(result.output == b"" for result in filled.values())


def test_a_board_that_does_not_answer_leaves_its_output_empty(make_rig: MakeRig) -> None:
    rig = long_rig(make_rig, 3)
    golden = golden_run("exec:bad", SEED)
    golden.step()
    results = rig.step(rig.nodes, 0, golden.input)
    verdict = voted(rig, results)
    rig.nodes[0].link.detach("unplugged")
    filled = with_long_outputs(rig, results, verdict, LENGTHY)
    assert filled["n0"].output == b"" and filled["n1"].output == golden.output


@pytest.mark.timeout(180)
@pytest.mark.parametrize("unvoted", mostly_slow(["deliver", "hold"], keep=0))
def test_a_run_with_long_outputs_is_recorded_and_verified(
    tmp_path: Path, allow: Callable[..., None], unvoted: str
) -> None:
    allow(bad=python(HOSTILE, "lengthy", "99"))
    scenario = Scenario.model_validate(
        {
            "workload": "exec",
            "exec": {"program": "bad"},
            "frames": 60,
            "rig": {"scheme": "tmr", "board": "process", "unvoted_output": unvoted},
            "timeouts": {"calibration_frames": 4},
            "upsets": {
                "events": [
                    {"frame": 10, "node": "a", "target": "output", "tick": 1, "bit": 300_000},
                    {"frame": 20, "node": "b", "target": "state", "tick": 0},
                    {"frame": 30, "node": "b", "target": "output", "tick": 1},
                    {"frame": 30, "node": "c", "target": "output", "tick": 1},
                ]
            },
            "expect": {"sdc_escaped": 0, "upsets.injected": 4, "unexplained": 0},
        }
    )
    folder = tmp_path / "run"
    folder.mkdir()
    result = Loop(scenario, folder).run()
    assert result.outcome == "pass", result
    with contextlib.closing(sqlite3.connect(folder / "run.db")) as record:
        ((value, output),) = record.execute("SELECT value, output FROM frames WHERE frame = 10")
        replies = dict(record.execute("SELECT node, output FROM replies WHERE frame = 10"))
    assert len(value) == LENGTHY and f"{digest64(value):016x}" == output
    assert len(replies[0]) == LENGTHY  # the dissenter's
    assert sum(a != b for a, b in zip(value, replies[0], strict=True)) == 1
    reader = Reader(folder)
    try:
        found = verify(reader)
    finally:
        reader.close()
    assert found.ok, found.differences
    assert found.outputs >= 4
