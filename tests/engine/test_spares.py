"""Whole runs with hot and cold spares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hil.engine.loop import Loop
from hil.redundancy.recovery import NodeState
from hil.redundancy.spares import first_of
from hil.redundancy.voting import NodeStatus
from hil.rig.node import PowerCut
from hil.scenario import Scenario
from tests.between_frames import between_frames
from tests.engine.snapshots import snapshot_every_frame
from tests.engine.verified_runs import differences, run, verdicts

NO_REPAIR = {"resyncs": 0, "restarts": 0, "resets": 0, "power_cycles": 0}


def scenario(board: str = "inproc", rig: dict[str, Any] | None = None, **data: Any) -> Scenario:
    of_rig = {"scheme": "tmr", "board": board, **(rig or {})}
    base = {"workload": "attitude", "frames": 60, "rig": of_rig, "recovery": NO_REPAIR}
    return Scenario.model_validate({**base, "expect": "none", **data})


def hits(*at: tuple[int, str]) -> dict[str, Any]:
    events = [{"frame": k, "node": n, "target": "state", "bit": 77} for k, n in at]
    return {"events": events}


def test_first_nodes_of_a_mask_are_those_of_the_lowest_bits() -> None:
    for mask in range(256):
        for count in range(9):
            nodes = [node for node in range(8) if mask >> node & 1][:count]
            assert first_of(mask, count) == sum(1 << node for node in nodes)


def test_hot_spare_votes_in_place_of_a_node_from_the_next_frame_on(tmp_path: Path) -> None:
    s = scenario(rig={"hot_spares": 2}, upsets=hits((10, "b"), (20, "a"), (30, "e")))
    result = run(s, tmp_path / "run")
    assert result.availability == 1 and result.metrics["isolated"] == 3
    voters = [v.voters for v in verdicts(tmp_path / "run")]
    assert voters[10] == 0b00111 and voters[11] == 0b01101
    assert voters[20] == 0b01101 and voters[21] == 0b11100
    assert voters[31] == 0b01100, "a spare that was hit is isolated, too"
    assert differences(tmp_path / "run") == []


def test_value_of_a_spare_that_does_not_vote_is_in_no_verdict(tmp_path: Path) -> None:
    s = scenario(rig={"hot_spares": 1}, upsets=hits((10, "d")))
    run(s, tmp_path / "run")
    verdict = verdicts(tmp_path / "run")[10]
    assert verdict.voters == 0b0111 and verdict.agree == 0b0111 and verdict.dissent == 0b1000


@pytest.mark.parametrize("board", ["inproc", "process"])
def test_cold_spare_is_off_until_a_node_is_isolated(board: str, tmp_path: Path) -> None:
    s = scenario(board, rig={"cold_spares": 1}, upsets=hits((10, "b"), (30, "a")))
    seen: dict[int, tuple[bool, NodeState]] = {}
    loop: Loop

    def look() -> None:
        node = loop._parts.rig.by_name["d"]
        state = loop._parts.redundancy.recovery.state("d")
        on = getattr(node.board, "has_power", True) and PowerCut.STAND_BY not in node.power_cuts
        seen[loop.next_frame] = (on, state)

    out = tmp_path / "run"
    out.mkdir()
    loop = Loop(s, out, **between_frames(look))
    result = loop.run()
    assert seen[1] == (False, NodeState.ISOLATED) and seen[11] == (False, NodeState.ISOLATED)
    assert seen[12] == (True, NodeState.REINTEGRATING) and seen[20] == (True, NodeState.VOTING)
    assert result.availability == 1 and result.metrics["isolated"] == 2
    assert result.metrics["outages"] == 2, "stand-by is no outage, nor is its end"
    of_d = [v.ballots[3].status for v in verdicts(out)]
    assert of_d[:11] == [NodeStatus.EXCLUDED] * 11 and of_d[12:] == [NodeStatus.DONE] * 48
    assert differences(out) == []


@pytest.mark.slow
def test_digest_is_the_same_on_boards_of_each_kind_and_when_resumed(tmp_path: Path) -> None:
    rig = {"cold_spares": 1, "hot_spares": 1}
    upsets = {"rates": [{"targets": ["state", "output"], "per_s": 1.5}]}
    some = {**NO_REPAIR, "resyncs": 1}
    digests = []
    for board in ("inproc", "process"):
        s = scenario(board, rig=rig, upsets=upsets, recovery=some, seed=4)
        digests.append(run(s, tmp_path / board).run_digest)
        assert differences(tmp_path / board) == []
    s, out = scenario(rig=rig, upsets=upsets, recovery=some, seed=4), tmp_path / "parts"
    out.mkdir()
    loop = Loop(s, out, **between_frames(lambda: loop.next_frame >= 40))
    snapshot_every_frame(loop)
    assert loop.run().outcome == "aborted"
    digests.append(run(s, out, resume_run=True).run_digest)
    assert len(set(digests)) == 1


def test_standby_of_a_single_node_takes_over_when_it_crashes(tmp_path: Path) -> None:
    """A crash is detected, and the spare goes on from the host's copy of the last checkpoint."""
    crash = {"frame": 20, "node": "a", "target": "cpu", "sefi": "crash"}
    rig = {"scheme": "simplex", "cold_spares": 1}
    s = scenario(rig=rig, upsets={"events": [crash]}, recovery={**NO_REPAIR, "rollbacks": 0})
    result = run(s, tmp_path / "run")
    assert result.metrics["sdc_frames"] == 0 and result.metrics["isolated"] == 1
    assert result.metrics["unresolved"] <= 2, "the frame of the crash, and that of the boot"
    assert verdicts(tmp_path / "run")[-1].correct
    assert differences(tmp_path / "run") == []


def test_fault_that_is_not_detected_does_not_call_the_spare(tmp_path: Path) -> None:
    """Coverage below one, as a run shows it: nothing compares the output of a single node."""
    rig = {"scheme": "simplex", "cold_spares": 1}
    result = run(scenario(rig=rig, upsets=hits((20, "a"))), tmp_path / "run")
    assert result.metrics["sdc_frames"] > 0 and result.metrics["isolated"] == 0


@pytest.mark.parametrize(
    ("rig", "message"),
    [
        ({"scheme": "triple_pairs", "hot_spares": 1}, "has no spares"),
        ({"scheme": "dual_execution", "cold_spares": 1}, "has no spares"),
        ({"scheme": "7mr", "cold_spares": 2}, "8 at most"),
        ({"cold_spares": 1, "nodes": ["a", "b", "c"]}, "with 1 spare needs exactly 4"),
    ],
)
def test_spares_that_are_not_possible_are_refused(rig: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scenario(rig=rig)
