"""What a run's outcome is, and what it is judged by when its scenario does not say."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hil.engine.loop import Loop
from hil.engine.result import decide
from hil.errors import RecordError
from hil.record.run_result import LostBoard, RecordTally, RunResult, UpsetEvents
from hil.scenario import ExpectationResult, Scenario
from tests.between_frames import between_frames

QUIET: dict[str, Any] = {"workload": "sha256", "frames": 60, "rig": {"board": "inproc"}}
STUCK = {"frame": 20, "target": "output", "bit": 5, "pattern": "stuck", "permanent": True}
# The same fault in two of three nodes: the majority is wrong in about half of the frames after it.
TWO_FAULTS = {"events": [{**STUCK, "node": "b"}, {**STUCK, "node": "c"}]}
SAME_TWICE = [
    {"frame": 30, "node": "a", "target": "cpu", "sefi": "hang"},
    {"frame": 31, "node": "a", "target": "state"},
]
# The second one falls on a node that is isolated by then, and cannot be made.
ONE_MISSED: dict[str, Any] = {
    "recovery": {"resyncs": 0, "restarts": 0, "resets": 0, "power_cycles": 0},
    "upsets": {"events": SAME_TWICE},
}


def run(out: Path, **changes: Any) -> RunResult:
    out.mkdir(exist_ok=True)
    return Loop(Scenario.model_validate({**QUIET, **changes}), out).run()


def judged_by(result: RunResult) -> dict[str, tuple[str, bool, bool]]:
    return {e.metric: (e.wanted, e.ok, e.default) for e in result.expectations or ()}


# --- default expectations -------------------------------------------------------------------------


@pytest.mark.parametrize("expect", [{}, None, "left out"])
def test_wrong_outputs_fail_a_scenario_that_expects_nothing(tmp_path: Path, expect: Any) -> None:
    more = {} if expect == "left out" else {"expect": expect}
    result = run(tmp_path, upsets=TWO_FAULTS, **more)
    assert result.outcome == "fail" and result.exit_code == 1
    assert judged_by(result) == {
        "sdc_frames": ("== 0", False, True),
        "unresolved": ("== 0", True, True),
        "unexplained": ("== 0", True, True),
        "events.missed": ("== 0", True, True),
    }
    wrong = [frame for frame in range(20, 60) if not _right(tmp_path, frame)]
    assert result.metrics["sdc_frames"] == len(wrong) > 5
    assert result.metrics["sdc_upsets"] == 2


def _right(out: Path, frame: int) -> bool:
    """By the record: the output that left the system is the golden one."""
    from hil.record.reader import Reader  # noqa: PLC0415

    reader = Reader(out)
    try:
        rows = reader.rows("SELECT output, golden_output FROM frames WHERE frame=?", frame)
    finally:
        reader.close()
    return not rows or rows[0]["output"] == rows[0]["golden_output"]


def test_frames_without_an_output_fail_a_scenario_that_expects_nothing(tmp_path: Path) -> None:
    events = [{"frame": 30, "node": n, "target": "board", "action": "power_loss"} for n in "abc"]
    result = run(tmp_path, upsets={"events": events})
    assert result.outcome == "fail"
    assert result.metrics["unresolved"] == 30 and not judged_by(result)["unresolved"][1]


def test_a_quiet_run_that_expects_nothing_passes_by_the_defaults(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert (result.outcome, result.exit_code) == ("pass", 0)
    assert list(judged_by(result)) == ["sdc_frames", "unresolved", "unexplained"]


def test_expect_none_is_untested_and_not_a_pass(tmp_path: Path) -> None:
    result = run(tmp_path, upsets=TWO_FAULTS, expect="none")
    assert (result.outcome, result.exit_code) == ("untested", 0)
    assert judged_by(result) == {"events.missed": ("== 0", True, True)}
    assert run(tmp_path / "quiet", expect="none").outcome == "untested"


def test_a_wrong_output_fails_a_block_that_says_nothing_of_it(tmp_path: Path) -> None:
    result = run(tmp_path, upsets=TWO_FAULTS, expect={"frames": 60})
    assert result.outcome == "fail"
    assert judged_by(result)["sdc_frames"] == ("== 0", False, True)


@pytest.mark.parametrize("accepts", [{"sdc_frames": ">= 1"}, {"sdc_escaped": ">= 1"}])
def test_wrong_outputs_are_accepted_only_explicitly(
    tmp_path: Path, accepts: dict[str, Any]
) -> None:
    assert run(tmp_path, upsets=TWO_FAULTS, expect=accepts).outcome == "pass"


@pytest.mark.parametrize("counted", ["sdc_upsets", "by_system_outcome.sdc_escaped"])
def test_expecting_upsets_does_not_accept_wrong_outputs(tmp_path: Path, counted: str) -> None:
    """They are the causes that were injected: a wrong output may have another."""
    result = run(tmp_path, upsets=TWO_FAULTS, expect={counted: 2})
    assert result.outcome == "fail"
    assert judged_by(result)["sdc_frames"] == ("== 0", False, True)


def test_what_no_expectation_covers_is_named(tmp_path: Path) -> None:
    events = [{"frame": 30, "node": n, "target": "board", "action": "power_loss"} for n in "abc"]
    result = run(tmp_path, upsets={"events": events}, expect={"frames": 60})
    assert result.outcome == "pass"
    assert result.not_covered == ("30 frames without an output",)
    covered = run(tmp_path / "b", upsets={"events": events}, expect={"availability": ">= 0.4"})
    assert covered.outcome == "pass" and covered.not_covered == ()


# --- planned upsets that were not made ------------------------------------------------------------


@pytest.mark.parametrize("expect", [{}, {"sdc_frames": 0}, "none"])
def test_a_planned_event_that_was_missed_fails_the_run(tmp_path: Path, expect: Any) -> None:
    result = run(tmp_path, **ONE_MISSED, expect=expect)
    assert result.upsets.events == UpsetEvents(injected=1, planned=2, missed=1)
    assert result.outcome == "fail" and judged_by(result)["events.missed"] == ("== 0", False, True)


def test_as_many_missed_events_as_are_allowed_do_not_fail_it(tmp_path: Path) -> None:
    for allowed, outcome in ((0, "fail"), (1, "pass"), (2, "pass")):
        upsets = {**ONE_MISSED["upsets"], "allow_missed": allowed}
        result = run(tmp_path / str(allowed), recovery=ONE_MISSED["recovery"], upsets=upsets)
        assert result.outcome == outcome, allowed
    explicit = {"events.missed": 1}
    assert run(tmp_path / "own", **ONE_MISSED, expect=explicit).outcome == "pass"
    assert run(tmp_path / "wrong", **ONE_MISSED, expect={"events.missed": 0}).outcome == "fail"


def test_an_event_that_is_held_back_until_the_end_was_missed(tmp_path: Path) -> None:
    """A node that comes back takes three frames; the second event is due within them."""
    events = [{"frame": frame, "node": "a", "target": "cpu", "sefi": "crash"} for frame in (58, 59)]
    result = run(tmp_path, upsets={"one_at_a_time": True, "events": events})
    assert result.held_back == 1
    assert result.upsets.events == UpsetEvents(injected=1, planned=2, missed=1)
    assert result.outcome == "fail"


def test_random_upsets_that_were_not_made_are_counted_and_planned_by_nobody(tmp_path: Path) -> None:
    rates = [{"target": "state", "nodes": ["a"], "per_s": 50}]
    result = run(tmp_path, recovery=ONE_MISSED["recovery"], upsets={"rates": rates})
    assert result.upsets.not_injected > 5
    assert result.upsets.events == UpsetEvents(injected=0, planned=0, missed=0)
    assert result.outcome == "pass"


def test_events_after_an_abort_were_not_missed(tmp_path: Path) -> None:
    events = [{"frame": frame, "node": "a", "target": "output"} for frame in (10, 40)]
    s = Scenario.model_validate({**QUIET, "upsets": {"events": events}})
    loop = Loop(s, tmp_path, batch=False, **between_frames(lambda: loop.next_frame == 20))
    result = loop.run()
    assert (result.outcome, result.exit_code) == ("aborted", 130)
    assert result.upsets.events == UpsetEvents(injected=1, planned=1, missed=0)


# --- one place decides ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("aborted_by", "lost", "frames", "ok", "nothing", "outcome"),
    [
        ("", False, 9, True, False, "pass"),
        ("", False, 9, False, False, "fail"),
        ("", False, 0, True, False, "fail"),
        ("", False, 9, True, True, "untested"),
        ("", False, 9, False, True, "fail"),
        ("", True, 9, True, False, "error"),
        ("", True, 9, False, False, "error"),
        ("", True, 9, True, True, "error"),
        ("the user", False, 9, True, False, "aborted"),
        ("the user", True, 9, False, True, "aborted"),
    ],
)
def test_the_outcome_follows_from_the_facts(
    aborted_by: str, lost: bool, frames: int, ok: bool, nothing: bool, outcome: str
) -> None:
    assert (
        decide(
            aborted_by=aborted_by,
            lost=[LostBoard("a", 3, "gone")] if lost else [],
            frames=frames,
            expectations=[ExpectationResult("slips", "== 0", 0, ok)],
            expects_nothing=nothing,
        )
        == outcome
    )


# --- a flight has the same figures, whether its quiet time is skipped or computed -----------------

FLIGHT: dict[str, Any] = {
    "workload": "attitude",
    "frames": 3_600,
    "frame_ms": 1000,
    "rig": {"board": "inproc", "profile": "raspberry-pi-4b"},
    "recovery": {"resyncs": 1, "restarts": 0, "resets": 0, "power_cycles": 0, "rollbacks": 0},
    "plant": {
        "orbit": {
            "epoch_utc": "2026-03-20T00:00:00Z",
            "altitude_km": 420.0,
            "inclination_deg": 51.64,
        },
    },
    "expect": "none",
}
DEAD = [{"frame": 1_000, "node": n, "target": "cpu", "sefi": "crash"} for n in "abc"]
STATE = [{"frame": 1_000, "node": n, "target": "state", "bit": 7} for n in "ab"]


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([], id="quiet", marks=pytest.mark.slow),
        pytest.param(DEAD[:2], id="one", marks=pytest.mark.slow),
        pytest.param(DEAD, id="none"),
        pytest.param(STATE, id="sdc", marks=pytest.mark.slow),
    ],
)
def test_skipping_quiet_time_changes_no_figure(tmp_path: Path, events: list[Any]) -> None:
    metrics = {}
    for skip in (True, False):
        out = tmp_path / str(skip)
        plant = {**FLIGHT["plant"], "skip_quiet": skip}
        result = run(out, **{**FLIGHT, "plant": plant, "upsets": {"events": events}})
        assert (result.skipped > 900) is skip and result.frames + result.skipped == 3_600
        metrics[skip] = {
            name: value
            for name, value in result.metrics.items()
            if name in ("availability", "sdc_frames", "unresolved") or name.startswith("voting.")
        }
        assert result.availability == _tally(out).availability
        assert result.metrics["sdc_frames"] == _tally(out).sdc_frames
    assert metrics[True] == metrics[False]
    if events == DEAD:
        assert 0.27 < metrics[True]["availability"] < 0.28


def _tally(out: Path) -> RecordTally:
    from hil.record.reader import Reader  # noqa: PLC0415
    from hil.verification.tally import tally  # noqa: PLC0415

    reader = Reader(out)
    try:
        return tally(reader)
    finally:
        reader.close()


# --- the record that was written is the record that is there --------------------------------------


def delete(run_db: Path) -> None:
    run_db.unlink()


def replace(run_db: Path) -> None:
    shutil.copy(run_db, run_db.with_name("copy"))
    run_db.with_name("copy").replace(run_db)


def delete_all(run_db: Path) -> None:
    shutil.rmtree(run_db.parent)


def move_away(run_db: Path) -> None:
    run_db.parent.rename(run_db.parent.with_name("elsewhere"))


@pytest.mark.parametrize("harm", [delete, replace, delete_all, move_away])
def test_a_record_that_is_missing_at_the_end_is_not_a_pass(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    out = tmp_path / "r"
    out.mkdir()

    def stop() -> bool:
        if loop.next_frame == 30 and not done:
            harm(out / "run.db")
            done.append(True)
        return False

    done: list[bool] = []
    loop = Loop(Scenario.model_validate(QUIET), out, batch=False, **between_frames(stop))
    with pytest.raises(RecordError, match=r"was deleted or replaced|cannot"):
        loop.run()
    assert done
