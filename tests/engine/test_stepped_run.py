"""A run that its caller steps is the run that `hil run` makes, and takes orders between frames."""

from __future__ import annotations

from pathlib import Path

import pytest

import hil
from hil.errors import UsageError


def test_however_it_is_stepped_it_is_the_same_run(tmp_path: Path) -> None:
    whole = hil.run("memory-storm", out=tmp_path / "whole", boards="inproc", frames=600)
    with hil.stepped_run(
        "memory-storm", out=tmp_path / "steps", boards="inproc", frames=600
    ) as run:
        assert [run.step(frames) for frames in (1, 7, 300, 1)] == [1, 7, 300, 1]
        assert (run.frame, run.frames_left, run.ended) == (309, 291, False)
        while run.step(1, save=False):
            pass
        assert run.ended
    assert run.result.run_digest == whole.digest != ""
    assert run.result.reproducible and run.result.frames == 600


def test_a_step_ends_where_it_should_although_quiet_frames_are_batched(tmp_path: Path) -> None:
    with hil.stepped_run("nominal", out=tmp_path / "run", boards="inproc") as run:
        for frames in (3, 100, 17, 250):
            first = run.frame
            assert run.step(frames) == frames == run.frame - first
        assert len(hil.open_run(run.folder).frames["frame"]) == 370


def test_a_step_of_a_flight_counts_the_frames_that_are_skipped(tmp_path: Path) -> None:
    with hil.stepped_run("leo-iss-day", out=tmp_path / "run", boards="inproc") as run:
        assert run.step(3000) == 3000 == run.frame
        skipped = hil.open_run(run.folder).table("skips")["frames"].sum()
        computed = len(hil.open_run(run.folder).frames["frame"])
        assert computed + skipped == 3000 and skipped > 100


def test_an_order_acts_before_the_next_frame_and_is_recorded(tmp_path: Path) -> None:
    with hil.stepped_run("nominal", out=tmp_path / "run", boards="inproc", who="me") as run:
        run.step(20)
        answer = run.order("inject", node="b", target="state", bit=7)
        assert answer.frame == 20 and answer.data == hil.UpsetOrdered(1)
        run.step(1)
        recorded = hil.open_run(run.folder)
        assert list(recorded.upsets["frame"]) == [20]
        assert list(recorded.upsets["outcome"]) == ["corrected"]
        assert recorded.frames["latent"][20] == 0b010
        assert list(recorded.table("commands")["command"]) == ["inject"]
    assert (run.result.outcome, run.result.aborted_by) == ("aborted", "me")
    assert hil.open_run(run.folder).verify().ok


@pytest.mark.parametrize(
    ("command", "arguments", "why"),
    [
        ("inject", {"node": "x", "target": "state"}, "there is no node `x`"),
        ("inject", {"node": "b"}, "needs `target`"),
        ("injct", {}, "did you mean `inject`"),
        ("power_on", {"node": "a"}, "node a has power"),
        ("pause", {}, "stands still between two steps"),
    ],
)
def test_an_order_that_is_not_possible_says_why(
    tmp_path: Path, command: str, arguments: dict[str, str], why: str
) -> None:
    with hil.stepped_run("nominal", out=tmp_path / "run", boards="inproc") as run:
        run.step()
        with pytest.raises(UsageError, match=why):
            run.order(command, **arguments)


def test_after_the_last_frame_nothing_is_ordered(tmp_path: Path) -> None:
    with hil.stepped_run("nominal", out=tmp_path / "run", boards="inproc", frames=5) as run:
        assert run.step(9) == 5
        assert run.step() == 0
        with pytest.raises(UsageError, match="the run has ended"):
            run.order("isolate", node="b")
    assert run.result.outcome == "pass"


def test_a_run_that_is_ended_by_a_command_has_no_more_frames(tmp_path: Path) -> None:
    with hil.stepped_run("nominal", out=tmp_path / "run", boards="inproc", who="me") as run:
        run.step(3)
        run.order("end")
        assert (run.step(5), run.ended, run.frame) == (0, True, 3)
    assert (run.result.outcome, run.result.aborted_by) == ("aborted", "me")


def test_what_a_node_can_do_is_known_once_its_board_is_open(tmp_path: Path) -> None:
    with hil.stepped_run("nominal", out=tmp_path / "run", boards="inproc") as run:
        (a, *others) = run.nodes
        assert (a.name, a.state, a.board, len(others)) == ("a", "voting", "inproc", 2)
        assert {"power", "state", "output"} <= a.can <= hil.BOARD_CAPABILITIES
        assert not {"real", "board", "board-ram"} & a.can


def test_a_failure_of_the_caller_is_that_of_the_run(tmp_path: Path) -> None:
    run = hil.stepped_run("nominal", out=tmp_path / "run", boards="inproc")

    def fail() -> None:
        with run:
            run.step(3)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert hil.open_run(tmp_path / "run").outcome == "error"
