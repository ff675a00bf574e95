"""`unvoted_output: hold`: without a voted output the last one leaves the system again, marked."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from hil.engine.loop import Loop
from hil.kernel import Golden
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.redundancy.electorate import Scheme
from hil.redundancy.hold import OutputHold
from hil.redundancy.voting import HELD, HELD_WRONG, Ballot, vote
from hil.scenario import Scenario
from hil.scenario.words import Unvoted
from hil.verification.findings import Verification
from hil.verification.replay import verify
from hil.views.listing import describe, moments
from tests.between_frames import between_frames

from .snapshots import snapshot_every_frame

CUT = {"frame": 20, "node": "b", "target": "board", "action": "power_loss"}
BACK = {**CUT, "returns_after_frames": 10}
LIES = [{"frame": 20, "node": n, "target": "output", "bit": 3, "tick": 6} for n in "ab"]


def scenario(scheme: str, events: list[dict[str, Any]], **more: Any) -> Scenario:
    rig = {"scheme": scheme, "board": "inproc", "unvoted_output": "hold", **more}
    keys = {"workload": "attitude", "frames": 60, "rig": rig, "upsets": {"events": events}}
    return Scenario.model_validate({**keys, "expect": {"frames": 60, "sdc_frames": ">= 0"}})


def run(out: Path, s: Scenario, **more: Any) -> RunResult:
    out.mkdir(exist_ok=True)
    return Loop(s, out, **more).run()


def checked(out: Path) -> Verification:
    reader = Reader(out)
    try:
        return verify(reader)
    finally:
        reader.close()


def held(out: Path) -> dict[int, bytes]:
    """The bytes that were held, by frame."""
    reader = Reader(out)
    rows = reader.rows("SELECT frame, value FROM frames WHERE flags & ?", HELD)
    reader.close()
    return {row["frame"]: row["value"] for row in rows}


def golden_output(frame: int) -> bytes:
    golden = Golden("attitude", 1)
    for _ in range(frame + 1):
        golden.step()
    return golden.output


CASES: dict[str, tuple[str, list[dict[str, Any]], dict[str, int], int, int]] = {
    # scheme, events, rule, frames held, frames without an output of their own
    "one of two is gone for good": ("dmr", [CUT], {}, 40, 40),
    "for seven frames at most": ("dmr", [CUT], {"unvoted_frames": 7}, 7, 40),
    "until the other is back": ("dmr", [BACK], {}, 10, 10),
    "nobody is heard": ("tmr", [{**BACK, "node": n} for n in "abc"], {}, 10, 10),
    "a computer without another": ("simplex", [{**BACK, "node": "a"}], {}, 10, 10),
}


@pytest.mark.parametrize("board", ["inproc", "process"])
@pytest.mark.parametrize("case", CASES)
def test_the_last_voted_output_is_held_for_as_long_as_the_rule_says(
    tmp_path: Path, case: str, board: str
) -> None:
    scheme, events, rule, frames, without = CASES[case]
    result = run(tmp_path, scenario(scheme, events, board=board, **rule))
    assert result.held_frames == result.metrics["held_frames"] == frames
    assert result.metrics["unresolved"] == without
    assert result.metrics["sdc_frames"] == 0
    assert result.availability == (60 - without) / 60, "a held output is no right one"
    assert held(tmp_path) == dict.fromkeys(range(20, 20 + frames), golden_output(19))
    assert checked(tmp_path).differences == []


def test_a_held_output_that_was_wrong_is_wrong_again(tmp_path: Path) -> None:
    """Both nodes of a pair say the same wrong thing in frame 20; from 21 on one is alone."""
    result = run(tmp_path, scenario("dmr", [*LIES, {**CUT, "frame": 21}]))
    assert result.metrics["sdc_frames"] == 40
    assert result.metrics["held_frames"] == 39
    assert result.metrics["unresolved"] == 0
    reader = Reader(tmp_path)
    shown = [describe(moment) for moment in moments(reader, 21, 21)]
    reader.close()
    assert "the wrong output that was voted on last left the system again" in shown[0]
    assert checked(tmp_path).differences == []


def test_before_the_first_voted_output_there_is_nothing_to_hold(tmp_path: Path) -> None:
    result = run(tmp_path, scenario("dmr", [{**BACK, "frame": 0}]))
    assert result.metrics["held_frames"] == 0 and result.metrics["unresolved"] == 10


def test_reports_and_views_say_that_frames_were_held(tmp_path: Path) -> None:
    run(tmp_path, scenario("dmr", [BACK]))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["held_frames"] == manifest["metrics"]["held_frames"] == 10
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()  # noqa: S314  (our own file)
    found = suite.find("properties/property[@name='held_frames']")
    assert found is not None and found.attrib["value"] == "10"
    reader = Reader(tmp_path)
    (moment,) = moments(reader, 20, 20)
    reader.close()
    assert (moment.held, moment.delivered, moment.correct) == (True, False, False)
    assert "the output that was voted on last left the system again" in describe(moment)


@pytest.mark.parametrize("at", [18, 24, 40])
def test_a_run_that_is_taken_up_again_holds_the_same_output(tmp_path: Path, at: int) -> None:
    s = scenario("dmr", [BACK, {**CUT, "frame": 35, "node": "a"}])
    straight = run(tmp_path / "straight", s)
    (tmp_path / "again").mkdir()
    asked = iter(range(1000))
    first = Loop(s, tmp_path / "again", batch=False, **between_frames(lambda: next(asked) >= at))
    snapshot_every_frame(first)
    assert first.run().outcome == "aborted"
    again = run(tmp_path / "again", s, resume_run=True)
    assert again.run_digest == straight.run_digest
    assert held(tmp_path / "again") == held(tmp_path / "straight")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE frames SET value=x'00' WHERE frame=25", "digest of the held output"),
        ("UPDATE frames SET value=NULL WHERE frame=25", "the held output"),
    ],
)
def test_held_bytes_that_were_changed_are_found(tmp_path: Path, change: str, said: str) -> None:
    run(tmp_path, scenario("dmr", [BACK]))
    reader = Reader(tmp_path)
    path = reader.path
    reader.close()
    with sqlite3.connect(path) as db:
        db.execute(change)
    db.close()
    assert said in [d.what for d in checked(tmp_path).differences]


def test_the_flags_of_held_frames_are_judged_by_the_rule_of_the_scheme(tmp_path: Path) -> None:
    """A record that says that nothing was held, or that does so for longer than its rule allows."""
    run(tmp_path, scenario("dmr", [CUT], unvoted_frames=7))
    path = tmp_path / "run.db"
    size = 32 + 2 * 18
    with sqlite3.connect(path) as db:
        for frame in (22, 30):  # in one block, or in two where the computer is slow
            first, block = db.execute(
                "SELECT first_frame, data FROM blocks WHERE first_frame <= ? "
                "ORDER BY first_frame DESC LIMIT 1",
                (frame,),
            ).fetchone()
            data = bytearray(block)
            data[(frame - first) * size + 11] ^= HELD
            db.execute("UPDATE blocks SET data=? WHERE first_frame=?", (bytes(data), first))
    db.close()
    found = [(d.frame, d.what) for d in checked(tmp_path).differences]
    assert (22, "the last voted output was held") in found
    assert (30, "the last voted output was held") in found


# --- the register alone ---------------------------------------------------------------------------


def test_the_last_voted_output_is_held_until_its_limit() -> None:
    done = [Ballot(0, 0, 5, 9), Ballot(0, 0, 5, 9)]
    hold = OutputHold(Scheme(2, Unvoted.HOLD, 2))
    assert hold.held_output is None
    hold.update(vote(0, done, 3, golden_output=5), b"five")
    for frame in (1, 2):
        assert hold.held_output is not None and (
            hold.held_output.output,
            hold.held_output.wrong,
        ) == (
            b"five",
            False,
        )
        hold.update(vote(frame, done, 1, fail_silent=True, held=HELD), b"")
    assert hold.held_output is None
    hold.update(vote(3, done, 3, golden_output=6), b"five")
    assert hold.held_output is not None and hold.held_output.wrong


def test_a_vote_keeps_the_mark_of_a_held_output_only_where_it_delivers_none() -> None:
    done = [Ballot(0, 0, 5, 9), Ballot(0, 0, 5, 9)]
    assert not vote(1, done, 3, held=HELD | HELD_WRONG).held
    assert not vote(1, done, 1, held=HELD).held, "it delivers the output of the one that is alone"
    silent = vote(1, done, 1, fail_silent=True, held=HELD | HELD_WRONG)
    assert silent.held and silent.held_wrong and not silent.delivered
    assert vote(1, [Ballot(4), Ballot(4)], 3, held=HELD).held
    assert not vote(1, [Ballot(4), Ballot(4)], 3, held=HELD_WRONG).held_wrong
