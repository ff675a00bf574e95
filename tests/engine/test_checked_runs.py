"""Whole runs of a doer with checkers."""

from __future__ import annotations

import json
import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hil.analysis.scheme_figures import SingleHits
from hil.campaign.single_hits import single_hits
from hil.doctor.files import check
from hil.errors import Problem
from hil.kernel import Golden, workload
from hil.record.live import LiveRecord
from hil.record.reader import Reader
from hil.scenario import Scenario
from hil.scenario.load import load_scenario
from hil.views.listing import moments
from hil.views.screen.model.decision import decision
from hil.views.screen.model.scene import SceneReader
from hil.views.screen.pages.decision import decision_page
from hil.views.screen.pages.overview.page import overview
from hil.views.screen.pages.style import Marks
from tests.engine.verified_runs import differences, run, verdicts

FULL, REDUCED = "dense-fp32", "dense-int8"
TOO_LARGE, LOW_BITS = 3000, 8000  # of the doer's state: an exponent of a weight; its last bits
UPSETS = [
    {"frame": 10, "node": "a", "target": "state", "bit": TOO_LARGE},
    {"frame": 20, "node": "b", "target": "state", "bit": 30},
    {"frame": 30, "node": "a", "target": "cpu", "sefi": "crash"},
    {"frame": 45, "node": "c", "target": "cpu", "sefi": "hang"},
]


def scenario(
    board: str = "inproc", checkers: dict[str, Any] | None = None, **data: Any
) -> Scenario:
    own = {"workload": REDUCED, "bounds": {"class": 0, "logits": 0.7}, **(checkers or {})}
    rig = {"scheme": "doer_checkers", "board": board, "checkers": own}
    base = {"workload": FULL, "seed": 7, "frames": 60, "rig": rig, "expect": "none"}
    return Scenario.model_validate({**base, **data})


def by_the_record(out: Path) -> str:
    """Whose output left the system, frame by frame."""
    return "".join("-" if v.primary is None else "abcd"[v.primary] for v in verdicts(out))


@pytest.mark.ptrace
def test_digest_is_the_same_on_boards_of_each_kind_and_every_fault_is_met(tmp_path: Path) -> None:
    results = []
    for board in ("inproc", "process"):
        s = scenario(board, upsets={"events": UPSETS})
        results.append(run(s, tmp_path / board))
        assert differences(tmp_path / board) == []
    first, second = results
    assert first.run_digest == second.run_digest
    assert first.upsets.injected == 4 and first.metrics["sdc_frames"] == 0
    assert first.availability == 1
    # frame 10: refused. 30: no answer, and then three frames in which it returns
    by = by_the_record(tmp_path / "inproc")
    assert by == "a" * 10 + "b" + "a" * 19 + "b" * 4 + "a" * 26
    assert first.metrics["refused_frames"] == 1 and first.metrics["refused_right_frames"] == 0
    assert first.metrics["degraded_frames"] == 5


def test_results_that_are_wrong_within_the_bounds_are_counted_exactly(tmp_path: Path) -> None:
    """Against the two golden runs, computed here: one of them from a state with the same flips."""
    event = {"frame": 4, "node": "a", "target": "state", "bit": LOW_BITS}
    event["pattern"] = {"kind": "adjacent", "width": 4}
    frames = 120
    result = run(scenario(frames=frames, upsets={"events": [event]}), tmp_path / "run")
    right, hit, checker = Golden(FULL, 7), Golden(FULL, 7), Golden(REDUCED, 7)
    accepted = refused = 0
    for frame in range(frames):
        if frame == 4:
            state = bytearray(right.state)
            state[LOW_BITS // 8] ^= 0xF
            hit.resume(4, bytes(state))
        for golden in (right, hit, checker):
            golden.step()
        own = struct.unpack("<I10f", hit.output)
        reduced = struct.unpack("<I10i", checker.output[:44])
        near = own[0] == reduced[0]
        near &= all(abs(a - b / 65536) <= 0.7 for a, b in zip(own[1:], reduced[1:], strict=True))
        accepted += near and hit.output != right.output
        refused += not near
    assert refused == 0 < accepted
    assert result.metrics["accepted_wrong_frames"] == result.metrics["sdc_frames"] == accepted
    assert result.upsets.by_system_outcome["sdc_escaped"] == 1
    assert differences(tmp_path / "run") == []


def test_a_bound_that_is_too_narrow_refuses_right_results_and_says_so(tmp_path: Path) -> None:
    s = scenario(checkers={"bounds": {"logits": 0.2}}, recovery={"resyncs": 1000}, frames=20)
    result = run(s, tmp_path / "run")
    alarms = result.metrics["refused_right_frames"]
    assert result.metrics["refused_frames"] == alarms > 0
    assert result.metrics["sdc_frames"] == 0 and result.availability == 1
    assert differences(tmp_path / "run") == []


def test_without_two_checkers_that_agree_a_refused_result_is_computed_again(
    tmp_path: Path,
) -> None:
    output = {"frame": 10, "node": "a", "target": "output", "tick": workload(FULL).ticks, "bit": 62}
    s = scenario(checkers={"count": 1}, upsets={"events": [output]})
    result = run(s, tmp_path / "run")
    assert by_the_record(tmp_path / "run") == "a" * 60 and result.metrics["rollbacks"] == 1
    assert result.availability == 1 and differences(tmp_path / "run") == []


def test_refused_result_is_replaced_by_nothing_or_by_the_last_one(tmp_path: Path) -> None:
    for rule, held in (("nothing", 0), ("hold", 1)):
        rig = scenario(checkers={"refused": "nothing"}).rig.model_dump(mode="json")
        rig["unvoted_output"] = rule
        s = scenario(rig=rig, upsets={"events": UPSETS[:1]})
        result = run(s, tmp_path / rule)
        assert result.metrics["refused_frames"] == 1 and result.metrics["degraded_frames"] == 0
        assert result.held_frames == held and result.availability == pytest.approx(59 / 60)
        assert differences(tmp_path / rule) == []


def test_a_checker_is_given_the_state_of_the_others(tmp_path: Path) -> None:
    s = scenario(checkers={"count": 3}, upsets={"events": UPSETS[1:2]})
    assert run(s, tmp_path / "run").metrics["rollbacks"] == 0
    with closing(sqlite3.connect(tmp_path / "run" / "run.db")) as db:
        rows = db.execute("SELECT node, action, detail, bytes_moved FROM repairs").fetchall()
    assert rows == [("b", "resync", "delta", 256)]
    assert differences(tmp_path / "run") == []


def test_verification_finds_another_node_that_delivered_and_another_count(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run(scenario(frames=4), out)
    with closing(sqlite3.connect(out / "run.db")) as db, db:
        ((data,),) = db.execute("SELECT data FROM blocks").fetchall()
        changed = bytearray(data)
        assert changed[15] == 1
        changed[15] = 2
        db.execute("UPDATE blocks SET data = ?", (bytes(changed),))
        ((text,),) = db.execute("SELECT value FROM meta WHERE key = 'result'").fetchall()
        result = json.loads(text)
        result["metrics"]["accepted_wrong_frames"] = 5
        db.execute("UPDATE meta SET value = ? WHERE key = 'result'", (json.dumps(result),))
    texts = differences(out)
    assert any("node that commands: recorded b, now a" in text for text in texts)
    assert any("`accepted_wrong_frames` of the result: recorded 5, now 0" in text for text in texts)


def test_listing_and_screen_say_who_was_refused_and_whose_result_is_delivered(
    tmp_path: Path,
) -> None:
    out = tmp_path / "run"
    run(scenario(upsets={"events": UPSETS}), out)
    with closing(Reader(out)) as reader:
        texts = {m.frame: m.dissent for m in moments(reader)}
    assert texts[10] == ("degraded: the output of the checkers", "a refused")
    assert texts[20] == ("b wrong state",)
    source = LiveRecord(out)
    source.poll()
    scenes = SceneReader(source)
    while not scenes.history.read_on(1.0):
        pass
    for frame, parts in (
        (5, ["a does, accepted", "b accepts", "doer", "checker"]),
        (10, ["DEGRADED", "a does, REFUSED", "b delivers", "c agrees"]),
    ):
        lines = overview(scenes.scene(frame), [], 140, 40, Marks(ascii_only=False))
        text = "\n".join(line.plain for line in lines)
        assert [part for part in parts if part not in text] == [], text
    lines = decision_page(decision(source, 10), 120, Marks(ascii_only=False))
    source.close()
    assert "their own result is delivered (degraded)" in " ".join(line.plain for line in lines)


def test_every_single_hit_of_doer_and_checkers_is_counted() -> None:
    """With bounds of zero everything that is wrong is refused; without a useful one, all escapes
    that a doer alone has."""
    data: dict[str, Any] = {"workload": "mekf", "seed": 7, "frames": 40, "expect": "none"}
    loose = {"workload": "attitude", "bounds": {"quaternion": 1e300}}
    alone = single_hits(Scenario.model_validate({**data, "rig": {"scheme": "simplex"}}))
    checked = single_hits(scenario(checkers=loose, **data))
    assert isinstance(alone, SingleHits) and isinstance(checked, SingleHits)
    nan_or_infinite = alone.escaped - checked.escaped
    of_checker = 8 * (64 + 56 + 56) * (6 + 1)  # attitude: bits, and ticks with none
    assert checked.hits == alone.hits + 2 * of_checker
    assert 0 <= nan_or_infinite < alone.escaped / 100
    tight = scenario(checkers={"workload": "attitude", "bounds": {"quaternion": 0.0}}, **data)
    assert single_hits(tight) == SingleHits(checked.hits, 0)


def test_hit_of_a_checker_has_not_let_out_the_wrong_output_of_the_doer(tmp_path: Path) -> None:
    """A bound on nothing but the class: the doer's logits are wrong from frame 2 on."""
    hits = [
        {"frame": 2, "node": "a", "target": "state", "bit": LOW_BITS + 20},
        {"frame": 5, "node": "b", "target": "state", "bit": 30},
    ]
    bounds = {"bounds": {"logits": 1e30}, "count": 3}
    run(scenario(checkers=bounds, upsets={"events": hits}, frames=9), tmp_path / "r")
    with closing(sqlite3.connect(tmp_path / "r" / "run.db")) as db:
        outcomes = dict(db.execute("SELECT node, outcome FROM upsets"))
    assert outcomes == {"a": "sdc_escaped", "b": "corrected"}


def test_damage_that_the_checkpoint_of_the_doer_kept_is_explained(tmp_path: Path) -> None:
    """The doer's weight is damaged within the bounds; then the checkers differ, and all go back."""
    hits = [
        {"frame": 2, "node": "a", "target": "state", "bit": LOW_BITS},
        {"frame": 8, "node": "b", "target": "state", "bit": 30},
    ]
    more: dict[str, Any] = {"upsets": {"events": hits}, "recovery": {"checkpoint_every": 5}}
    result = run(scenario(frames=12, **more), tmp_path / "r")
    assert (result.metrics["rollbacks"], result.metrics["unexplained"]) == (1, 0)


def test_a_checker_that_was_given_a_wrong_state_is_explained_by_that(tmp_path: Path) -> None:
    """b and c are hit alike, and outvote d, which is given their state."""
    hits = [{"frame": 3, "node": n, "target": "state", "bit": TOO_LARGE} for n in "bc"]
    result = run(scenario(checkers={"count": 3}, upsets={"events": hits}, frames=8), tmp_path / "r")
    assert (result.metrics["unexplained"], result.metrics["recoveries"]) == (0, 1)


@pytest.mark.ptrace
def test_run_with_seven_checkers_is_verified_and_counts_frames_with_eight_voters(
    tmp_path: Path,
) -> None:
    result = run(scenario(checkers={"count": 7}, frames=5), tmp_path / "run")
    assert result.metrics["voting.8"] == 5
    assert differences(tmp_path / "run") == []


def test_hil_check_refuses_checkers_that_take_other_inputs(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(
        "schema: 1\nworkload: infer\nframes: 5\n"
        "rig: {scheme: doer_checkers, checkers: {workload: train, bounds: {class: 0}}}\n"
    )
    (problem,) = check(str(path)).problems
    assert "takes other inputs" in problem.message and problem.path == "$.rig.checkers.workload"


def test_a_problem_without_a_file_begins_with_its_path() -> None:
    assert str(Problem("", 0, 0, "$.rig.scheme", "is wrong", "change it")) == (
        "$.rig.scheme: is wrong; change it"
    )


def test_messages_about_bounds_and_nodes_say_what_is_expected(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    head = "schema: 1\nworkload: dense-fp32\nframes: 5\nrig: {scheme: doer_checkers, "
    checkers = "checkers: {workload: dense-int8, bounds: {class: %s}}"
    path.write_text(f"{head}{checkers % -1}}}\n")
    assert "the number -1; expected a number from 0" in check(str(path)).problems[0].message
    path.write_text(f"{head}{checkers % 0}, nodes: [a, b]}}\n")
    problem = check(str(path)).problems[0]
    assert "needs exactly 3" in problem.message and problem.remedy == "write `scheme: dmr`"


def test_shipped_scenario_names_a_pair_of_workloads_that_agree_without_faults() -> None:
    checkers = load_scenario("doer-checkers").rig.checkers
    assert checkers is not None
    full, reduced = Golden(FULL, 7), Golden(checkers.workload, 7)
    worst = 0.0
    for _ in range(800):
        full.step()
        reduced.step()
        pairs = zip(
            struct.unpack_from("<10f", full.output, 4),
            struct.unpack_from("<10i", reduced.output, 4),
            strict=True,
        )
        worst = max(worst, *(abs(a - b / 65536) for a, b in pairs))
        assert full.output[:4] == reduced.output[:4]
    assert 0.4 < worst < checkers.bounds["logits"]
