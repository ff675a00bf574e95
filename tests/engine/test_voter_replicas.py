"""Runs with a voter per node: some receivers get a reply changed, late or not at all."""

from __future__ import annotations

import itertools
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from hil.engine.loop import Loop
from hil.redundancy.byzantine import decision_of
from hil.redundancy.voting import unpack
from hil.scenario import Scenario
from tests.engine.snapshots import snapshot_every_frame
from tests.engine.verified_runs import differences, run

NOISES: Final = ("alter", "corrupt", "drop", "truncate", "delay", "duplicate")
SPACING: Final = 8  # frames: a node that was given the state votes again before the next fault


def scenario(events: list[dict[str, Any]], frames: int = 40, **rig: Any) -> Scenario:
    return Scenario.model_validate(
        {
            "workload": "attitude",
            "frames": frames,
            "rig": {"scheme": "4mr", "board": "inproc", "voter_per_node": True, **rig},
            "recovery": {"rollbacks": 0, "window_frames": 1},
            "upsets": {"events": [{"target": "link", **event} for event in events]},
            "expect": "none",
        }
    )


def split_of_the_loyal(out: Path, traitor: int) -> set[int]:
    """The frames in which voters of other nodes than the two-faced one decided differently."""
    decisions = defaultdict(set)
    with closing(sqlite3.connect(out / "run.db")) as db:
        for frame, node, verdict in db.execute("SELECT frame, node, verdict FROM replicas"):
            if node != traitor:
                decisions[frame].add(decision_of(unpack(verdict)))
    return {frame for frame, each in decisions.items() if len(each) > 1}


def every_fault(nodes: str) -> list[dict[str, Any]]:
    """Each noise on the copies of the last node, for each set of receivers."""
    others, traitor = nodes[:-1], nodes[-1]
    sets = [c for n in range(1, len(nodes)) for c in itertools.combinations(others, n)]
    faults = list(itertools.product(NOISES, sets))
    return [
        {"frame": SPACING * (1 + i), "node": traitor, "noise": noise, "to": to, "bit": 62}
        if noise in ("alter", "corrupt")
        else {"frame": SPACING * (1 + i), "node": traitor, "noise": noise, "to": to}
        for i, (noise, to) in enumerate(faults)
    ]


@pytest.mark.parametrize(("exchange", "split"), [(False, 30), (True, 0)])
def test_every_fault_of_the_lines_of_one_node(exchange: bool, split: int, tmp_path: Path) -> None:
    """Without an exchange the three other voters differ whenever one or two of them, but not all,
    get another copy: 6 of 7 sets, for all noises but the duplicate, which a receiver drops."""
    events = every_fault("abcd")
    s = scenario(events, SPACING * (len(events) + 2), exchange=exchange)
    result = run(s, tmp_path / "run")
    assert result.upsets.injected == len(events) == 6 * 7
    assert len(split_of_the_loyal(tmp_path / "run", traitor=3)) == split
    assert result.metrics["sdc_frames"] == 0
    assert differences(tmp_path / "run") == []
    if exchange:
        assert result.availability == 1


def relays(frame: int, about: str, to: str) -> dict[str, Any]:
    return {
        "frame": frame,
        "node": "c",
        "passes_on": about,
        "to": [to],
        "noise": "alter",
        "bit": 3,
    }


@pytest.mark.parametrize(("scheme", "holds"), [("tmr", False), ("4mr", True)])
def test_a_voter_that_passes_on_another_value_is_outvoted_from_four_nodes_on(
    scheme: str, holds: bool, tmp_path: Path
) -> None:
    """With three, b cannot know whether a or c lies, and takes no reply of a."""
    s = scenario([relays(10, "a", "b")], scheme=scheme, exchange=True)
    result = run(s, tmp_path / "run")
    assert (split_of_the_loyal(tmp_path / "run", traitor=2) == set()) is holds
    assert result.metrics["copies_differed"] == 1
    assert differences(tmp_path / "run") == []


LASTING: Final = [{"frame": 10, "node": "a", "noise": "alter", "bit": 5, "to": ["c", "d"]}]


def test_two_against_two_lets_nothing_out_and_says_so(tmp_path: Path) -> None:
    s = scenario([{**LASTING[0], "lasts_frames": 5}])
    result = run(s, tmp_path / "run")
    assert result.metrics["split_frames"] == 5
    assert result.metrics["unresolved"] == 5
    assert result.upsets.by_system_outcome["detected_unresolved"] == 1


def test_digest_is_the_same_on_boards_of_each_kind(tmp_path: Path) -> None:
    digests = set()
    for board in ("inproc", "process"):
        s = scenario([{**LASTING[0], "lasts_frames": 3}], board=board)
        digests.add(run(s, tmp_path / board).run_digest)
    assert len(digests) == 1


def test_resumed_run_is_the_same(tmp_path: Path) -> None:
    s = scenario([*LASTING, {**LASTING[0], "frame": 30}])
    whole = run(s, tmp_path / "whole")
    out = tmp_path / "resumed"
    out.mkdir()
    loop = Loop(s, out, stop=lambda: loop.next_frame >= 25)
    snapshot_every_frame(loop)
    loop.run()
    with closing(sqlite3.connect(out / "run.db")) as db:
        assert db.execute("SELECT frame FROM snapshot").fetchone()[0] > 10
    resumed = run(s, out, resume_run=True)
    assert resumed.run_digest == whole.run_digest
    assert resumed.metrics["split_frames"] == whole.metrics["split_frames"] == 2
    assert differences(out) == []


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM replicas WHERE node = 0",
        "DELETE FROM replicas",
        "UPDATE replicas SET verdict = (SELECT verdict FROM replicas WHERE node = 0)",
    ],
)
def test_verification_finds_changed_views(change: str, tmp_path: Path) -> None:
    run(scenario(LASTING), tmp_path / "run")
    assert differences(tmp_path / "run") == []
    with closing(sqlite3.connect(tmp_path / "run" / "run.db")) as db, db:
        db.execute(change)
    found = differences(tmp_path / "run")
    assert any("frame 10" in difference for difference in found), found


@pytest.mark.parametrize(
    ("event", "rig", "message"),
    [
        ({"to": ["b"]}, {"voter_per_node": False}, "the rig has one voter"),
        ({"to": ["a"]}, {}, "does not send to itself"),
        ({"to": ["x"]}, {}, "there is no node `x`"),
        ({"to": ["b"], "passes_on": "c"}, {}, "the voters pass nothing on"),
        ({"noise": "delay"}, {}, "`delay` needs receivers"),
        ({"to": ["b"], "direction": "to_board"}, {}, "only replies have several receivers"),
        ({}, {"scheme": "priority_pairs"}, "has no replicas of the voter"),
        ({}, {"voter_per_node": False, "exchange": True}, "there is only one voter"),
    ],
)
def test_what_makes_no_sense_is_refused(
    event: dict[str, Any], rig: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        scenario([{"frame": 1, "node": "a", **event}], **rig)


def test_a_copy_for_a_node_that_does_not_vote_is_a_missed_fault(tmp_path: Path) -> None:
    stuck = {"kind": "stuck", "value": 1}
    events: list[dict[str, Any]] = [
        {"frame": 4, "node": "b", "target": "output", "pattern": stuck, "permanent": True},
        {"frame": 30, "node": "a", "noise": "alter", "to": ["b"], "lasts_frames": 4},
        {"frame": 30, "node": "c", "noise": "alter", "to": ["b", "d"]},
    ]
    s = scenario(events)
    recovery = {"resyncs": 1, "restarts": 0, "resets": 0, "power_cycles": 0, "window_frames": 50}
    s = Scenario.model_validate({**s.model_dump(by_alias=True), "recovery": recovery})
    result = run(s, tmp_path / "run")
    assert result.metrics["isolated"] == 1
    assert (result.upsets.injected, result.upsets.not_injected) == (2, 1)
    assert differences(tmp_path / "run") == []
