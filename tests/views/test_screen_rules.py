"""The rule of the scheme stands where the operator looks for the decision that it made."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.record.live import ALONE_MAX, LiveRecord
from hil.record.recorded_scenario import RecordedScenario
from hil.redundancy.electorate import Scheme
from hil.scenario import Scenario
from hil.scenario.words import SchemeName, Unvoted
from hil.views.screen.model.decision import decision
from hil.views.screen.model.playback import Player
from hil.views.screen.pages.style import Marks
from hil.views.screen.presenter import Presenter, View
from hil.views.screen.rules import rule_of
from tests.views.story import Story

pytestmark = pytest.mark.usefixtures("fresh")


def page(run: Path, view: View, size: tuple[int, int] = (120, 40), frame: int | None = None) -> str:
    """The text of a page, its lines joined so that a wrapped sentence is whole."""
    presenter = Presenter(run, Marks(), Player(), lambda: 0.0)
    presenter.refresh(*size)
    presenter.go(view)
    if frame is not None:
        presenter.seek(frame)
    presenter.refresh(*size)
    text = " ".join(" ".join(line.plain for line in presenter.page()).split())
    presenter.source.close()
    return text


def alone(folder: Path, frames: int, **rig: object) -> Path:
    """A run of two nodes, in which b says nothing from frame 5 on."""
    with Story(folder / "run.db", nodes=2, rig={"scheme": "dmr", **rig}) as story:
        story.agree(5)
        for _ in range(frames):
            story.differ(b="silent")
    return folder


@pytest.mark.parametrize("scheme", list(SchemeName))
@pytest.mark.parametrize("unvoted", [None, *Unvoted])
def test_the_rule_that_is_shown_is_that_of_the_scenario(
    scheme: SchemeName, unvoted: Unvoted | None
) -> None:
    rig: dict[str, object] = {"scheme": scheme.value, "unvoted_output": unvoted}
    rig["unvoted_frames"] = 12
    if scheme.pairs and unvoted in (Unvoted.DELIVER, Unvoted.LAST_NODE):
        return  # which a scenario may not say: a node of a pair never speaks alone
    if scheme.has_checkers:
        rig["checkers"] = {"count": 1, "workload": "infer", "bounds": {"class": 0}}
    scenario = Scenario.model_validate(
        {"schema": 1, "name": "x", "workload": "infer", "frames": 10, "rig": rig}
    )
    rule = rule_of(RecordedScenario.of(scenario), scheme.size)
    assert rule.unvoted == scenario.rig.unvoted.value
    policy = Scheme(scheme.size, scenario.rig.unvoted, 12)
    lasting = policy.delivers_unvoted(1, 1) and scheme.size > 1
    assert ("12 consecutive frames" in rule.text) == (lasting or rule.unvoted == "hold")
    assert bool(rule.alone) == (scheme.size > 1 and not scheme.pairs)


def test_a_fail_silent_scheme_says_that_the_output_was_kept_back(tmp_path: Path) -> None:
    text = page(alone(tmp_path, 3, unvoted_output="nothing"), View.DECISION, frame=7)
    assert "simplex: NO OUTPUT" in text
    assert (
        "decision undecided: only a answered, for 3 consecutive frames; its output was kept back"
        in text
    )
    assert "rule dmr: voters that agree decide" in text
    assert "if only one node answers, nothing is delivered" in text


def test_an_output_that_nobody_was_compared_with_is_marked(tmp_path: Path) -> None:
    run = alone(tmp_path, 3, unvoted_output="deliver", unvoted_frames=9)
    text = page(run, View.DECISION, frame=5)
    assert "simplex: right output, NOT VOTED ON" in text
    assert "decision undecided: only a answered; its output was delivered unvoted" in text
    assert "marked as unvoted, for at most 9 consecutive frames; then nothing" in text
    assert "agreed output" not in text and "alone output" in text


@pytest.mark.parametrize(
    ("said", "who"),
    [
        ({"a": 1, "b": 2}, "a and b do not agree"),
        ({"b": "silent"}, "only a answered"),
        ({"a": "silent", "b": "silent"}, "no node answered"),
    ],
)
def test_a_held_output_is_distinguished_from_those_of_the_frame(
    tmp_path: Path, said: dict[str, int | str], who: str
) -> None:
    rig = {"scheme": "dmr", "unvoted_output": "hold", "unvoted_frames": 4}
    with Story(tmp_path / "run.db", nodes=2, rig=rig) as story:
        story.agree(5).differ(**said)
    text = page(tmp_path, View.DECISION, frame=5)
    assert "THE LAST VOTED OUTPUT WAS HELD" in text
    assert f"decision undecided: {who}; the last voted output was delivered again" in text
    assert "held 00010203" in text and "value" not in text
    assert "agreed, WRONG" not in text
    assert (
        "the last one is delivered again, marked as held, for at most 4 consecutive frames" in text
    )
    assert "the last voted output is held" in page(tmp_path, View.OVERVIEW)


def test_frames_alone_are_counted_through_blocks_and_up_to_a_limit(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db", nodes=2) as story:
        story.agree(3)
        for _ in range(300):
            story.differ(b="silent")
            if story.frame % 70 == 0:
                story.commit()
        story.agree(2).differ(b="silent")
    source = LiveRecord(tmp_path)
    source.poll()
    assert len(source.rows("SELECT * FROM blocks")) > 3
    expected = [0, 0, 0, *range(1, 301), 0, 0, 1]
    assert [source.frames_alone(frame) for frame in range(len(expected))] == expected
    assert source.frames_alone(len(expected)) == 0  # not recorded
    assert ALONE_MAX > 300


@pytest.mark.parametrize(("size", "shown"), [((80, 24), False), ((140, 40), True)])
def test_with_two_voters_the_overview_says_what_one_alone_would_deliver(
    tmp_path: Path, size: tuple[int, int], shown: bool
) -> None:
    with Story(tmp_path / "run.db", nodes=2, rig={"scheme": "dmr", "unvoted_output": None}) as s:
        s.agree(5)
    text = page(tmp_path, View.OVERVIEW, size)
    assert "DMR: 2 of 2 vote, a fault is seen, not outvoted" in text
    assert ("if only one answers: no output" in text) == shown


def test_with_one_voter_left_the_overview_says_what_is_delivered(tmp_path: Path) -> None:
    rig = {"scheme": "tmr", "unvoted_output": "deliver", "unvoted_frames": 50}
    with Story(tmp_path / "run.db", rig=rig) as story:
        story.agree(30).isolate("b").agree(20).isolate("c").agree(20)
    text = page(tmp_path, View.OVERVIEW, (140, 40))
    assert "SIMPLEX: 1 of 3 votes, its output is delivered unvoted for 50 frames at most" in text


def test_a_returning_node_that_counted_is_named(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db", nodes=2) as story:
        story.agree(5).differ(b=1).move("b", "voting", "suspect", "restart", "reintegrating")
        story.differ(b="silent").agree(1).differ(b=1)
    source = LiveRecord(tmp_path)
    source.poll()
    parts = [[a.part for a in decision(source, frame).answers] for frame in (5, 6, 8)]
    assert parts == [["voter", "voter"], ["voter", "returns"], ["voter", "returns"]]
    text = page(tmp_path, View.DECISION, frame=7)
    assert "a and b agree; b counted, as the voters alone did not decide" in text


def test_a_rig_that_the_bench_heals_behind_the_programs_back_says_so_on_every_size(
    tmp_path: Path,
) -> None:
    upsets = {"accel": 1.0, "one_at_a_time": True}
    with Story(tmp_path / "run.db", nodes=1, upsets=upsets) as story:
        story.agree(5).upset("a").differ(a=1).repair("a", "refresh", cause="one at a time").agree(3)
    healed = "healed from the fault-free run by the bench after each upset (one_at_a_time)"
    for size in ((80, 24), (120, 40), (200, 60)):
        assert healed in page(tmp_path, View.OVERVIEW, size)
        assert healed in page(tmp_path, View.DECISION, size, 5)
    assert "one upset at a time" in page(tmp_path, View.OVERVIEW).split("VERDICTS")[0]
    event = "· 5 0.500 s a one upset at a time: the bench gave it the fault-free state"
    assert event in page(tmp_path, View.EVENTS)


def test_a_group_that_heals_itself_says_only_that_upsets_wait(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db", upsets={"accel": 1.0, "one_at_a_time": True}) as story:
        story.agree(5)
    text = page(tmp_path, View.OVERVIEW)
    assert "one upset at a time" in text and "fault-free run" not in text


def test_a_node_that_agrees_in_output_but_not_in_state_is_named(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(5).latent("c").agree(2)
    text = page(tmp_path, View.DECISION, frame=5)
    assert "decision a, b and c agree in output; the state of c differs" in text
