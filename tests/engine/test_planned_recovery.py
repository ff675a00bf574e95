"""Recovery that is planned: preventive restarts, and the cold start of a rig after a dead bus."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hil.doctor.restart_spacing import restart_warnings
from hil.engine.loop import Loop
from hil.record.reader import Reader
from hil.record.row_counts import repair_costs
from hil.redundancy.voting import FAIL_SILENT, VerdictKind
from hil.scenario import Scenario
from tests.between_frames import between_frames
from tests.engine.snapshots import snapshot_every_frame
from tests.engine.verified_runs import differences, run, verdicts

FRAMES = 120


def scenario(board: str = "inproc", scheme: str = "tmr", **data: Any) -> Scenario:
    base = {"workload": "attitude", "frames": FRAMES, "rig": {"scheme": scheme, "board": board}}
    return Scenario.model_validate({**base, "expect": "none", **data})


def rows(out: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(Reader(out)) as reader:
        return [tuple(row) for row in reader.rows(sql)]


# --- preventive restarts --------------------------------------------------------------------------

PREVENTIVE = {"preventive": {"every_frames": 30}}
TURNS = "SELECT frame, node, action FROM repairs WHERE cause = 'preventive restart' ORDER BY id"


@pytest.mark.parametrize("scheme", ["simplex", "dmr", "tmr"])
def test_each_node_is_restarted_once_per_interval_and_no_output_is_lost(
    tmp_path: Path, scheme: str
) -> None:
    s = scenario(scheme=scheme, recovery=PREVENTIVE)
    result = run(s, tmp_path)
    names = [node.name for node in s.rig.nodes]
    apart = 30 // len(names)
    turns = range(apart, FRAMES, apart)
    wanted = [(k, names[i % len(names)], "restart") for i, k in enumerate(turns)]
    assert rows(tmp_path, TURNS) == wanted
    assert result.availability == 1 and result.recoveries == len(wanted)
    with closing(Reader(tmp_path)) as reader:
        assert {c.strategy for c in repair_costs(reader)} == {"restart, preventive"}
        assert all(c.ok and c.duration_wall_us > 0 for c in repair_costs(reader))
    assert differences(tmp_path) == []


def test_last_node_in_service_is_never_restarted_by_plan(tmp_path: Path) -> None:
    losses = [
        {"frame": 20, "node": name, "target": "board", "action": "power_loss"} for name in "bc"
    ]
    s = scenario(recovery=PREVENTIVE, upsets={"events": losses})
    result = run(s, tmp_path)
    assert [turn for turn in rows(tmp_path, TURNS) if turn[0] > 22] == []
    assert rows(tmp_path, TURNS), "before, there were some"
    assert result.availability > 0.95


def test_turns_are_the_same_on_process_boards_and_when_resumed(tmp_path: Path) -> None:
    hits = {"rates": [{"target": "state", "per_s": 10.0}]}
    s = scenario(recovery=PREVENTIVE, upsets=hits)
    digest = run(s, tmp_path / "run").run_digest
    process = scenario("process", recovery=PREVENTIVE, upsets=hits)
    assert run(process, tmp_path / "process").run_digest == digest
    out = tmp_path / "parts"
    out.mkdir()
    loop = Loop(s, out, **between_frames(lambda: loop.next_frame >= 75))
    snapshot_every_frame(loop)
    assert loop.run().outcome == "aborted"
    assert run(s, out, resume_run=True).run_digest == digest


@pytest.mark.parametrize(
    ("every", "words"), [(8, "later than planned"), (9, "all the time"), (12, "")]
)
def test_a_warning_says_that_restarts_leave_no_time_with_all_nodes(
    tmp_path: Path, every: int, words: str
) -> None:
    s = scenario(recovery={"preventive": {"every_frames": every}})
    warnings = restart_warnings(s)
    assert [words in warning for warning in warnings] == [True] * bool(words)
    assert all("`every_frames: 12`" in warning for warning in warnings)
    run(s, tmp_path / "run")
    begun = every // 3
    with_all = sum(verdict.voters == 0b111 for verdict in verdicts(tmp_path / "run")[begun:])
    assert bool(with_all) == (not words), with_all
    late = len(rows(tmp_path / "run", TURNS)) < (FRAMES - 1) // begun
    assert late == (words == "later than planned")


# --- cold start -----------------------------------------------------------------------------------

WOKEN = "SELECT frame, node FROM repairs WHERE action = 'power_cycle' AND ok ORDER BY id"
COLD = "SELECT frame, node, cause, ok, detail FROM repairs WHERE action = 'cold_start'"


def dead_bus(*returning: str, scheme: str = "tmr", **cold: Any) -> Scenario:
    """All nodes lose their power in frame 30; those named have it again 20 frames later."""
    s = scenario(scheme=scheme)
    events = [
        {"frame": 30, "node": node.name, "target": "board", "action": "power_loss"}
        | ({"returns_after_frames": 20} if node.name in returning else {})
        for node in s.rig.nodes
    ]
    return scenario(
        scheme=scheme, recovery={"cold_start": cold, "power_cycles": 0}, upsets={"events": events}
    )


def test_nodes_wake_up_in_their_order_and_nothing_is_delivered_until_two_agree(
    tmp_path: Path,
) -> None:
    result = run(dead_bus("a", "b", "c", order=["c", "a"], apart_frames=7), tmp_path)
    # the order to wake up comes one frame after the power: nobody knows yet who else has it
    assert rows(tmp_path, WOKEN) == [(50, "c"), (57, "a"), (64, "b")]
    found = verdicts(tmp_path)
    assert all(v.kind is VerdictKind.NO_QUORUM for v in found[30:51])
    assert all(v.flags & FAIL_SILENT and not v.delivered for v in found[51:58])
    assert all(v.delivered and v.correct for v in found[58:])
    assert result.frames - round(result.availability * result.frames) == 28
    assert differences(tmp_path) == []


def test_end_of_a_cold_start_is_on_the_record_with_its_cost(tmp_path: Path) -> None:
    result = run(dead_bus("a", "b", "c", apart_frames=7), tmp_path)
    ((frame, node, cause, ok, detail),) = rows(tmp_path, COLD)
    assert (node, cause, ok) == ("a", "dead bus", 1) and 58 <= frame <= 70
    assert "woken: a, b, c" in detail
    assert result.recoveries == 3, "those of the nodes; the whole start is not another one"


@pytest.mark.parametrize(("alone_after", "first"), [(0, None), (9, 60)])
def test_node_that_stays_alone_commands_only_if_and_when_it_may(
    tmp_path: Path, alone_after: int, first: int | None
) -> None:
    run(dead_bus("b", apart_frames=3, alone_after_frames=alone_after), tmp_path)
    delivered = [v.frame for v in verdicts(tmp_path)[31:] if v.delivered]
    assert delivered == ([] if first is None else list(range(first, FRAMES)))
    assert differences(tmp_path) == []


def test_node_without_power_does_not_hold_up_those_behind_it_in_the_order(tmp_path: Path) -> None:
    run(dead_bus("b", "c", order=["a", "b", "c"], apart_frames=4), tmp_path)
    assert rows(tmp_path, WOKEN) == [(50, "b"), (54, "c")]
    assert all(v.delivered and v.correct for v in verdicts(tmp_path)[56:])


def test_order_names_nodes_of_the_rig_once() -> None:
    for order, message in ((["a", "x"], "no node `x`"), (["a", "a"], "twice")):
        with pytest.raises(ValueError, match=message):
            scenario(recovery={"cold_start": {"order": order}})
