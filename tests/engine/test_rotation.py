"""Whole runs of rigs whose boards rest in turn."""

from __future__ import annotations

from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hil.board_types.catalogue import profiles_of
from hil.campaign.scheme_trials import run_scheme
from hil.engine.loop import Loop
from hil.record.reader import Reader
from hil.record.scheme_changes import scheme_changes
from hil.redundancy.rotation import HAND_OVER, UNDECIDED
from hil.redundancy.voting import Verdict, unpack_all
from hil.scenario import Scenario
from tests.between_frames import between_frames
from tests.command_line import Hil
from tests.engine.snapshots import snapshot_every_frame
from tests.engine.verified_runs import differences, run

FRAMES, TURN = 120, 20
ORBIT = {"altitude_km": 500.0, "inclination_deg": 51.64, "epoch_utc": "2026-03-20T00:00:00Z"}
LAG = 3
"""Frames from the beginning of a turn until the node that comes on votes: three that agree."""
NO_REPAIR = {"resyncs": 0, "restarts": 0, "resets": 0, "power_cycles": 0, "rollbacks": 0}


def scenario(board: str = "inproc", scheme: str = "rotating_tmr", **data: Any) -> Scenario:
    rig = {"scheme": scheme, "board": board, "turn_frames": TURN}
    base = {"workload": "attitude", "frames": FRAMES, "rig": rig, "expect": "none"}
    return Scenario.model_validate({**base, **data})


def damaged(frame: int, node: str) -> dict[str, Any]:
    """A permanent fault: a damaged cell in both polarities, of which one is always wrong."""
    cell = {"frame": frame, "node": node, "target": "state", "permanent": True}
    kinds = [{"kind": "stuck", "value": value} for value in (0, 1)]
    return {
        "events": [{**cell, "bit": 70 + i, "pattern": kind} for i, kind in enumerate(kinds * 4)]
    }


def verdicts(out: Path) -> list[Verdict]:
    with closing(Reader(out)) as reader:
        return [v for *_, data in reader.blocks() for v in unpack_all(data, 3)]


def woken(out: Path) -> list[tuple[int, str, str]]:
    with closing(Reader(out)) as reader:
        return [(c.frame, c.node, c.reason) for c in scheme_changes(reader)[0]]


def test_two_nodes_vote_and_the_third_rests_in_turn_without_a_gap(tmp_path: Path) -> None:
    result = run(scenario(), tmp_path / "run")
    assert result.availability == 1 and result.metrics["outages"] == 0
    masks = [v.voters for v in verdicts(tmp_path / "run")]
    turns = [0b011, 0b110, 0b101, 0b011, 0b110, 0b101]
    for k, mask in enumerate(masks):
        turn, into = divmod(k, TURN)
        assert mask == (turns[turn] if into >= LAG or not turn else turns[turn - 1]), k
    assert woken(tmp_path / "run") == [
        (TURN * (i + 1), node, HAND_OVER) for i, node in enumerate("cabca")
    ]
    assert differences(tmp_path / "run") == []


def test_summary_says_who_rests_and_why_nodes_were_woken(hil: Hil, tmp_path: Path) -> None:
    run(scenario(), tmp_path / "run")
    text = " ".join(hil("replay", str(tmp_path / "run"), "--summary").out.split())
    assert "b on stand-by" in text and "isolated" not in text
    assert "2 of 3 nodes in turn; 5 nodes woken, by turn, voted after 3 frames" in text


@pytest.mark.parametrize(("frame", "node"), [(10, "a"), (10, "b"), (30, "c")])
def test_permanent_fault_costs_one_frame_until_the_third_node_decides(
    frame: int, node: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    result = run(scenario(upsets=damaged(frame, node), recovery=NO_REPAIR), out)
    found = verdicts(out)
    lost = [k for k, v in enumerate(found) if not v.delivered]
    assert result.sdc_frames == 0 and lost == [frame]
    assert result.metrics["isolated"] == 1
    others = 0b111 & ~(1 << "abc".index(node))
    assert all(v.voters == others and v.correct for v in found[frame + 2 :])
    assert (frame + 1, UNDECIDED) in [(at, why) for at, _, why in woken(out)]
    assert differences(out) == []


def test_transient_fault_is_recomputed_and_wakes_nobody(tmp_path: Path) -> None:
    hit = {"events": [{"frame": 10, "node": "a", "target": "state", "bit": 77}]}
    result = run(scenario(upsets=hit), tmp_path / "run")
    assert result.availability == 1 and result.metrics["rollbacks"] == 1
    assert {why for *_, why in woken(tmp_path / "run")} == {HAND_OVER}


def test_node_that_rests_has_no_power_and_takes_no_part(tmp_path: Path) -> None:
    off: list[set[str]] = []
    loop: Loop

    def look() -> None:
        off.append({node.name for node in loop._parts.rig.nodes if not node.powered})

    out = tmp_path / "run"
    out.mkdir()
    loop = Loop(scenario("process", frames=50), out, **between_frames(look))
    assert loop.run().availability == 1
    assert {"c"} in off and {"a"} in off and max(map(len, off)) == 1
    assert all(before == after or not (before and after) for before, after in pairwise(off))


@pytest.mark.slow
def test_energy_is_that_of_two_boards_and_of_the_hand_overs() -> None:
    plant = {"orbit": ORBIT, "step_s": 3.0, "record_every_s": 3.0}
    data: dict[str, Any] = {"frames": 200, "frame_ms": 3000, "plant": plant}
    energy = {}
    for scheme in ("dmr", "rotating_tmr"):
        rig = {"scheme": scheme, "board": "inproc", "turn_frames": 100}
        figures = run_scheme(scenario(**data, rig=rig), 1)
        assert figures.energy_j is not None and figures.right == 200
        energy[scheme] = figures.energy_j
    board_frame = energy["dmr"] / 2 / 200
    off_w = profiles_of(scenario())["raspberry-pi-4b"].power.off_w.value
    third = energy["rotating_tmr"] - energy["dmr"] - off_w * 3.0 * 200
    assert LAG <= third / board_frame <= LAG + 1, "one hand-over, in steps of the plant"


@pytest.mark.slow
def test_digest_is_the_same_on_boards_of_each_kind_and_when_resumed(tmp_path: Path) -> None:
    rates = {"rates": [{"targets": ["state", "output"], "per_s": 1.0}]}
    how: dict[str, Any] = {"upsets": rates, "recovery": {"rollbacks": 0, "resyncs": 1}, "seed": 3}
    digests = []
    for board in ("inproc", "process"):
        digests.append(run(scenario(board, **how), tmp_path / board).run_digest)
        assert differences(tmp_path / board) == []
    assert UNDECIDED in {why for *_, why in woken(tmp_path / "inproc")}
    digests.append(run(scenario(**how), tmp_path / "single", batch=False).run_digest)
    out = tmp_path / "parts"
    out.mkdir()
    loop = Loop(scenario(**how), out, **between_frames(lambda: loop.next_frame >= 43))
    snapshot_every_frame(loop)
    assert loop.run().outcome == "aborted"
    digests.append(run(scenario(**how), out, resume_run=True).run_digest)
    assert len(set(digests)) == 1
