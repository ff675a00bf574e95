"""Is it healthy, and what can still fail: pure functions on plain values."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hil.record.live import LiveRecord, State
from hil.redundancy.spares import STANDS_BY
from hil.views.alarm_limits import Level
from hil.views.screen.model import health
from hil.views.screen.model.alarms import Alarm
from hil.views.screen.model.facts import NodeFacts, NodeReading, Scene, SceneRun, Vote
from hil.views.screen.model.scene import SceneReader
from hil.views.screen.rules import SchemeRule
from tests.views.story import Story

AGREED = Vote("unanimous", delivered=True, correct=True, voters=7, agree=7, dissent=0, latent=0)


def node(index: int, state: str = "voting", **more: Any) -> NodeFacts:
    return replace(NodeFacts(index, "abcdefg"[index], state=state, heard_frame=100), **more)


def scene(*nodes: NodeFacts, **more: Any) -> Scene:
    found = nodes or (node(0), node(1), node(2))
    return replace(
        Scene(SceneRun("r"), head=100, last=100, vote=AGREED, nodes=found, age_s=0.1), **more
    )


def alarm(level: Level, latched: Level, *, acknowledged: bool = False) -> Alarm:
    return Alarm(
        "soc", "", level, latched, 40, "battery charge 0.1 < 0.2", acknowledged=acknowledged
    )


@pytest.mark.parametrize(
    ("voting", "of", "mode", "margin", "level"),
    [
        (7, 7, "7MR", 3, Level.GOOD),
        (5, 7, "5MR", 2, Level.WARN),
        (4, 7, "4MR", 1, Level.WARN),
        (3, 3, "TMR", 1, Level.GOOD),
        (2, 3, "DMR", 0, Level.WARN),
        (1, 3, "SIMPLEX", 0, Level.WARN),
        (0, 3, "NONE", 0, Level.BAD),
        (1, 1, "SIMPLEX", 0, Level.GOOD),
    ],
)
def test_redundancy(voting: int, of: int, mode: str, margin: int, level: Level) -> None:
    nodes = [node(i, "voting" if i < voting else "isolated") for i in range(of)]
    found = health.redundancy(scene(*nodes))
    assert (found.mode, found.margin, found.level) == (mode, margin, level)
    assert (found.voting, found.of) == (voting, of)


@pytest.mark.parametrize(
    ("states", "voting", "margin", "level", "words"),
    [
        ("vvr", 2, 1, Level.GOOD, "outvoted when c is awake"),
        ("vrv", 2, 1, Level.GOOD, "outvoted when b is awake"),
        ("vvv", 3, 1, Level.GOOD, "1 more fault can be outvoted"),
        ("vvi", 2, 0, Level.WARN, "seen, not outvoted"),
        ("vii", 1, 0, Level.WARN, "no output"),
        ("iir", 0, 0, Level.BAD, "no node votes"),
    ],
)
def test_redundancy_where_a_node_rests(
    states: str, voting: int, margin: int, level: Level, words: str
) -> None:
    kinds: dict[str, dict[str, str]] = {
        "v": {},
        "r": {"state": "isolated", "began_cause": STANDS_BY},
        "i": {"state": "isolated"},
    }
    rule = SchemeRule("rotating_tmr", 3, "nothing", resting=1)
    of = scene(*(node(i, **kinds[kind]) for i, kind in enumerate(states)))
    found = health.redundancy(replace(of, run=replace(of.run, rule=rule)))
    assert (found.mode, found.of) == ("ROTATION", 2)
    assert (found.voting, found.margin, found.level) == (min(voting, 2), margin, level)
    assert words in found.text


def word(of: Scene, *alarms: Alarm) -> tuple[str, Level]:
    found = health.health(of, alarms)
    return found.word, found.level


def test_all_is_well() -> None:
    assert word(scene()) == ("HEALTHY", Level.GOOD)
    assert health.health(scene()).why == "all 3 nodes vote and agree"


def test_a_node_on_stand_by_is_no_weakness() -> None:
    off = node(2, "isolated", began_cause=STANDS_BY)
    found = health.health(scene(node(0), node(1), off))
    assert (found.word, found.level) == ("HEALTHY", Level.GOOD)
    assert found.why == "both nodes vote and agree; on stand-by: c"


def test_a_wrong_output_is_worse_than_everything_else() -> None:
    wrong = replace(AGREED, correct=False)
    found = health.health(scene(node(0), node(1, "isolated"), vote=wrong, age_s=99.0))
    assert (found.word, found.level) == ("FAILING", Level.BAD)
    assert "wrong output" in found.why


@pytest.mark.parametrize(
    ("kind", "why"), [("no_majority", "no majority"), ("no_quorum", "no node is heard")]
)
def test_no_output_is_failing(kind: str, why: str) -> None:
    found = health.health(scene(vote=replace(AGREED, kind=kind, delivered=False, correct=False)))
    assert found.word == "FAILING" and why in found.why


def test_a_node_that_is_out_degrades_and_says_since_when_and_why() -> None:
    out = node(1, "isolated", began_frame=40, began_cause="silent", upset="upset #3 board")
    found = health.health(scene(node(0), out, node(2)))
    assert (found.word, found.level) == ("DEGRADED", Level.BAD)
    assert found.since_us == 400_000
    assert found.why == "b isolated: silent, upset #3 board"


def test_one_that_comes_back_is_yellow_only() -> None:
    assert word(scene(node(0), node(1, "reintegrating"))) == ("DEGRADED", Level.WARN)


def test_the_worst_and_oldest_of_several_is_named() -> None:
    nodes = (
        node(0, "restart", began_frame=90),
        node(1, "isolated", began_frame=80),
        node(2, "isolated", began_frame=20),
    )
    found = health.health(scene(*nodes))
    assert found.why == "c isolated, also a b"


def test_nodes_that_are_out_come_before_the_reason_and_many_long_names_are_counted() -> None:
    why = {"began_frame": 0, "began_cause": "dissent", "upset": "upset #3 state bit"}
    found = health.health(scene(node(0, "resync", began_frame=7), node(1, "resync", **why)))
    assert found.why == "b resync, also a: dissent, upset #3 state bit"  # since frame 0: the oldest
    assert found.since_us == 0
    nodes = [replace(node(k, "resync"), name=f"jetson-orin-{k}") for k in range(3)]
    assert health.health(scene(*nodes)).why == "jetson-orin-0 resync, also 2 more"


def test_wrong_outputs_now_and_then_are_failing_in_between_too() -> None:
    text = "a wrong output left the system"
    alarm = Alarm("wrong output", "", Level.BAD, Level.BAD, 20, text, acknowledged=True)
    out = node(1, "isolated", began_frame=40, began_cause="silent")
    found = health.health(scene(node(0), out, node(2)), [alarm])
    assert (found.word, found.level, found.since_us) == ("FAILING", Level.BAD, 200_000)
    over = replace(alarm, level=Level.GOOD)
    assert health.health(scene(node(0), out, node(2)), [over]).word == "DEGRADED"


def test_a_voter_that_dissents_now_degrades() -> None:
    found = health.health(scene(vote=replace(AGREED, kind="majority", dissent=2, agree=5)))
    assert (found.word, found.level) == ("DEGRADED", Level.WARN)


def test_silence_of_the_writer_is_stale_only_while_the_newest_is_on_view() -> None:
    assert word(scene(age_s=health.STALE_S + 0.1))[0] == "STALE"
    assert word(scene(age_s=health.STALE_S - 0.1))[0] == "HEALTHY"
    assert word(scene(age_s=99.0, head=50))[0] == "HEALTHY"


def test_a_run_whose_process_is_gone_is_shown_as_stopped() -> None:
    found = health.health(scene(writer_ended=True))
    assert found.word == "STOPPED" and "--resume" in found.why


@pytest.mark.parametrize(("state", "expected"), [(State.WAITING, "WAITING"), (State.LOST, "LOST")])
def test_no_record_is_a_state(state: State, expected: str) -> None:
    assert word(scene(state=state))[0] == expected


@pytest.mark.parametrize(
    ("outcome", "level"),
    [("pass", Level.GOOD), ("fail", Level.BAD), ("aborted", Level.WARN), ("error", Level.BAD)],
)
def test_the_end_has_the_outcome(outcome: str, level: Level) -> None:
    over = scene(state=State.ENDED, outcome=outcome)
    found = health.health(over)
    assert (found.word, found.level) == ("ENDED", level)
    assert outcome.upper() in found.why
    # Looking back into it is looking at the run, not at its end.
    assert word(replace(over, head=50))[0] == "HEALTHY"


MET = {"metric": "sdc_frames", "wanted": "== 0", "measured": 0, "ok": True}
FAILED = {"metric": "unresolved", "wanted": "== 0", "measured": 9, "ok": False}


def lost(node: str) -> dict[str, Any]:
    return {"node": node, "frame": 3, "reason": "no answer for 3 s"}


@pytest.mark.parametrize(
    ("result", "why"),
    [
        ({"outcome": "pass", "expectations": [MET]}, "PASS: 1 of 1 expectations met"),
        (
            {"outcome": "fail", "expectations": [FAILED, MET]},
            "FAIL: unresolved == 0, measured 9: 1 of 2 expectations met",
        ),
        (
            {"outcome": "untested", "expectations": [MET]},
            "UNTESTED: `expect: none`: nothing was tested",
        ),
        (
            {"outcome": "aborted", "expectations": [MET], "frames": 6, "aborted_by": "ann"},
            "ABORTED: ended by ann after 6 of 10,000 frames",
        ),
        (
            {"outcome": "error", "expectations": [MET], "lost_boards": [lost("b")]},
            "ERROR: the board of node b lost, and not back at the end",
        ),
        (
            {
                "outcome": "error",
                "expectations": [FAILED],
                "lost_boards": [lost("a"), lost("b")],
            },
            "ERROR: the boards of nodes a, b lost, and not back at the end: unresolved == 0, "
            "measured 9",
        ),
    ],
)
def test_the_end_says_why_it_came_and_counts_expectations_only_where_they_decided(
    result: dict[str, Any], why: str, tmp_path: Path
) -> None:
    with Story(tmp_path / "run.db", frames=10_000) as story:
        story.agree(6)
        story.recorder.meta("result", json.dumps(result))
        story.recorder.meta("outcome", result["outcome"])
    with closing(LiveRecord(tmp_path)) as source:
        source.poll()
        assert health.health(SceneReader(source).scene(source.last)).why == why


def test_what_is_over_but_was_red_waits_for_somebody() -> None:
    over = alarm(Level.GOOD, Level.BAD)
    assert word(scene(), over) == ("ALARM", Level.BAD)
    assert word(scene(), replace(over, acknowledged=True)) == ("HEALTHY", Level.GOOD)
    assert word(scene(), replace(over, latched=Level.WARN)) == ("HEALTHY", Level.GOOD)


def test_what_is_red_now_comes_before_what_was() -> None:
    now = replace(alarm(Level.BAD, Level.BAD), quantity="cpu_temp_c", text="hot")
    assert health.health(scene(), [alarm(Level.GOOD, Level.BAD), now]).why == "hot"


def test_yellow_is_a_caution() -> None:
    assert word(scene(), alarm(Level.WARN, Level.WARN)) == ("CAUTION", Level.WARN)


def test_ages() -> None:
    reading = NodeReading(90, 5_000_000)
    quiet = node(1, heard_frame=40, reading=replace(reading, wall_us=1_000_000))
    of = scene(node(0, reading=reading), quiet)
    assert health.heard_age_us(quiet, of) == 60 * of.run.frame_us
    assert health.reading_age_s(quiet, of) == pytest.approx(4.0)
    assert health.heard_age_us(replace(quiet, heard_frame=None), of) is None


def test_since_says_when_and_how_long_ago() -> None:
    assert health.since_text(5_010_000, 125_010_000) == "since 5.010 s, 2 min ago"
    assert health.since_text(None, 5) == ""
