"""Catching up: which missed frames are asked for, and nodes that answer otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hil.engine.catch_up import CatchUp
from hil.rig.calls import Timing
from hil.rig.node import ABSENT, CRASHED, DONE, SILENT, NodeResult
from tests.virtual_clock import VirtualClock

LATE = NodeResult(SILENT, late=True)
BEHIND = NodeResult(ABSENT, out_of_step=True, behind=True, reason="out of step, as it was late")
OUT = NodeResult(ABSENT, out_of_step=True)
STEP_US = 1_000


class Golden:
    def input_of(self, frame: int) -> bytes:
        return b"%d" % frame


class Node:
    def __init__(self, name: str) -> None:
        self.name = name


class Requests:
    timing = Timing()


class FakeRig:
    """Nodes whose agents have computed frames up to `at`; those in `answers` answer otherwise."""

    def __init__(self, **at: int) -> None:
        self.clock = VirtualClock()
        self.requests = Requests()
        self.by_name = {name: Node(name) for name in at}
        self.at = at
        self.asked: list[tuple[int, str]] = []
        self.answers: dict[tuple[str, int], NodeResult] = {}

    def step(
        self, nodes: Sequence[Node], frame: int, input_: bytes, timing: Timing
    ) -> dict[str, NodeResult]:
        assert input_ == b"%d" % frame and timing.lost_after_us >= 1_000
        self.clock.advance(STEP_US)
        self.asked.append((frame, "".join(node.name for node in nodes)))
        return {node.name: self._answer(node.name, frame) for node in nodes}

    def _answer(self, name: str, frame: int) -> NodeResult:
        if (name, frame) in self.answers:
            return self.answers[name, frame]
        if frame not in (self.at[name], self.at[name] + 1):
            return OUT
        self.at[name] = frame
        return NodeResult(DONE, output_digest=frame)


def after(
    rig: Any, frame: int, missed: Mapping[str, int], left_us: int = 100_000, **others: NodeResult
) -> dict[str, NodeResult]:
    """The results of `frame`, in which the nodes of `missed` are behind since a frame."""
    catch_up = CatchUp(rig, Golden())  # type: ignore[arg-type]
    for number in range(min(missed.values()), frame):
        late = {name: LATE for name, first in missed.items() if first <= number}
        catch_up.note(number, late)
    results = dict.fromkeys(missed, BEHIND) | others
    catch_up.note(frame, results)
    catch_up.run(frame, results, left_us)
    return results


def test_a_node_computes_what_it_missed_and_the_frame() -> None:
    rig = FakeRig(a=9)
    results = after(rig, 13, {"a": 10}, b=NodeResult(DONE), c=NodeResult(DONE))
    assert results["a"] == NodeResult(DONE, output_digest=13)
    assert rig.asked == [(10, "a"), (11, "a"), (12, "a"), (13, "a")]


def test_a_node_whose_answers_came_too_late_goes_on_from_where_it_is() -> None:
    rig = FakeRig(a=11)
    results = after(rig, 13, {"a": 9})
    assert results["a"].status == DONE and rig.at["a"] == 13


def test_several_nodes_catch_up_side_by_side() -> None:
    rig = FakeRig(a=9, b=11)
    results = after(rig, 13, {"a": 10, "b": 12})
    assert results["a"] == results["b"] == NodeResult(DONE, output_digest=13)
    assert rig.asked == [(10, "a"), (11, "a"), (12, "ab"), (13, "ab")]


def test_it_takes_no_longer_than_the_frame_if_most_nodes_have_computed_it() -> None:
    rig = FakeRig(a=9)
    done = {"b": NodeResult(DONE), "c": NodeResult(DONE)}
    results = after(rig, 40, {"a": 10}, left_us=5 * STEP_US, **done)
    assert results["a"].status == SILENT and results["a"].late
    assert rig.at["a"] == 14, "the next frame continues from there"
    rig = FakeRig(a=9)
    after(rig, 40, {"a": 10}, left_us=0, **done)
    assert rig.at["a"] == 11, "two in each frame, or it would stay behind"


def test_a_frame_without_an_output_is_made_longer() -> None:
    rig = FakeRig(a=9, b=9)
    results = after(rig, 40, {"a": 10, "b": 10}, left_us=0, c=NodeResult(DONE))
    assert results["a"].status == results["b"].status == DONE


def test_a_node_that_falls_silent_meanwhile_is_late_and_the_others_go_on() -> None:
    rig = FakeRig(a=9, b=9)
    rig.answers["a", 11] = NodeResult(SILENT)
    results = after(rig, 13, {"a": 10, "b": 10})
    assert results["a"].late and not results["a"].behind
    assert results["b"].status == DONE


def test_a_node_that_needs_no_frame_that_was_missed_stays_behind() -> None:
    rig = FakeRig(a=3)
    assert after(rig, 13, {"a": 10})["a"] == BEHIND


def test_a_node_that_crashes_meanwhile_has_crashed() -> None:
    rig = FakeRig(a=9)
    rig.answers["a", 12] = NodeResult(CRASHED, 11)
    assert after(rig, 13, {"a": 10})["a"] == NodeResult(CRASHED, 11)
    assert rig.asked[-1] == (12, "a")


def test_a_node_that_missed_very_many_frames_is_left_to_others() -> None:
    rig = FakeRig(a=9)
    assert after(rig, 80, {"a": 10})["a"] == BEHIND
    assert rig.asked == []


def test_a_node_that_was_not_late_before_is_not_asked() -> None:
    rig = FakeRig(a=9)
    catch_up = CatchUp(rig, Golden())  # type: ignore[arg-type]
    results = {"a": OUT}
    catch_up.note(13, results)
    catch_up.run(13, results, 100_000)
    assert results == {"a": OUT} and rig.asked == []
