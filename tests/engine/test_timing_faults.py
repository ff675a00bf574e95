"""Nodes whose clock is wrong, that are slow, or that answer too late: what each scheme does."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import pytest

from hil.engine.loop import Loop
from hil.engine.observers import FramesDone, RunObserver
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.rig.timing_faults import NodeTiming
from hil.scenario import Scenario
from hil.scenario.timing import TimingConfig
from hil.verification.replay import verify

FRAME_US: Final = 20_000
BEGIN, LASTS = 20, 30
SKEWED, SLOW, LATE = {"skew": "15ms"}, {"slow_by": 3, "load": 0.5}, {"late_by": "1ms"}


def scenario(scheme: str, timing: Any, nodes: str = "a", **more: Any) -> Scenario:
    event = {"frame": BEGIN, "target": "timing", "timing": timing, "lasts_frames": LASTS}
    return Scenario.model_validate(
        {
            "workload": "attitude",
            "frames": 100,
            "frame_ms": FRAME_US / 1000,
            "rig": {"scheme": scheme, "board": "inproc"},
            "upsets": {"events": [{**event, "node": node} for node in nodes]},
            "expect": "none",
            **more,
        }
    )


def run(s: Scenario, out: Path) -> RunResult:
    """Run it, and check that the record can be voted on again."""
    out.mkdir(exist_ok=True)
    result = Loop(s, out).run()
    with closing(Reader(out)) as reader:
        assert [str(d) for d in verify(reader).differences] == []
    return result


def outcome_of(result: RunResult) -> str:
    (outcome,) = [name for name, count in result.upsets.by_system_outcome.items() if count]
    return outcome


def effect_of(result: RunResult) -> str:
    (effect,) = [name for name, count in result.upsets.by_node_effect.items() if count]
    return effect


@pytest.mark.parametrize(
    ("scheme", "timing", "effect", "outcome", "wrong", "missing"),
    [
        ("tmr", SKEWED, "sdc", "degraded", 0, 0),  # its repairs are used up: it is isolated
        ("dmr", SKEWED, "sdc", "recovered", 0, 0),  # each frame is computed again from the log
        ("simplex", SKEWED, "sdc", "sdc_escaped", 100 - BEGIN, 0),  # its state stays wrong
        ("tmr", LATE, "late", "corrected", 0, 0),
        ("dmr", LATE, "late", "detected_unresolved", 0, LASTS),
        ("simplex", LATE, "late", "unavailable", 0, LASTS),
        # 30 steps of 1.5 frames: 15 frames are behind, and 29 answers late until they are made up
        ("tmr", SLOW, "late", "corrected", 0, 0),
        ("dmr", SLOW, "late", "detected_unresolved", 0, 2 * LASTS - 1),
        ("simplex", SLOW, "late", "unavailable", 0, 2 * LASTS - 1),
    ],
)
def test_what_schemes_do_with_a_node_whose_timing_is_wrong(
    scheme: str,
    timing: dict[str, Any],
    effect: str,
    outcome: str,
    wrong: int,
    missing: int,
    tmp_path: Path,
) -> None:
    result = run(scenario(scheme, timing), tmp_path / "run")
    metrics = result.metrics
    assert (effect_of(result), outcome_of(result)) == (effect, outcome)
    assert (metrics["sdc_frames"], metrics["unresolved"]) == (wrong, missing)
    assert metrics["isolated"] == (outcome == "degraded")
    assert metrics["unexplained"] == 0
    late = {"late": LASTS if timing is LATE else 2 * LASTS - 1}.get(effect, 0)
    assert metrics["slips"] == late


def test_a_silently_slow_node_that_is_in_time_shows_nowhere(tmp_path: Path) -> None:
    result = run(scenario("tmr", {"slow_by": 1.9, "load": 0.5}), tmp_path / "run")
    assert outcome_of(result) == "no_effect"
    assert (result.metrics["slips"], result.availability) == (0, 1)


class StepTimes(RunObserver):
    """Asks for the last answers again, which have the time that the step took on its board."""

    def __init__(self) -> None:
        self.loop: Loop | None = None
        self.times: dict[int, list[int]] = {}

    def on_frame(self, done: FramesDone) -> None:
        frame = done.next_frame - 1
        if self.loop is not None and frame in (BEGIN + 5, BEGIN + LASTS + 5):
            rig = self.loop.controls.rig
            answers = rig.step(rig.nodes, frame, b"")
            self.times[frame] = [answers[node.name].step_us for node in rig.nodes]


def test_the_worker_of_a_slow_node_has_its_share_of_the_speed(tmp_path: Path) -> None:
    """The time of boards in this process is that of their steps, without any of the computer's."""
    watch = StepTimes()
    s = scenario("tmr", {"slow_by": 4, "load": 0.1})
    loop = watch.loop = Loop(s, tmp_path, observers=[watch], batch=False)
    loop.run()
    slow, usual = watch.times[BEGIN + 5], watch.times[BEGIN + LASTS + 5]
    assert usual[0] == usual[1] == usual[2] > 0
    assert slow == [4 * usual[0], usual[1], usual[2]]


def test_a_node_that_is_late_for_long_counts_as_hung_and_is_repaired(tmp_path: Path) -> None:
    """A new worker has nothing to work off, so that it is in time again."""
    timeouts = {"lost_after_ms": 25 * FRAME_US / 1000}
    result = run(scenario("tmr", SLOW, timeouts=timeouts), tmp_path / "run")
    assert outcome_of(result) == "recovered"
    assert result.metrics["slips"] < 2 * LASTS - 1
    assert (result.metrics["isolated"], result.availability) == (0, 1)


@pytest.mark.parametrize(("nodes", "wrong", "missing"), [("ab", 0, LASTS), ("abc", 80, 0)])
def test_splits_of_four_nodes_by_clocks_that_are_wrong_in_the_same_way(
    nodes: str, wrong: int, missing: int, tmp_path: Path
) -> None:
    """Two against two have no majority, in each frame of the fault; three against one are the
    majority, wrong as they are, and the sound node is given their state."""
    recovery = {"rollbacks": 0, "resyncs": 200, "window_frames": 1}
    result = run(scenario("4mr", SKEWED, nodes, recovery=recovery), tmp_path / "run")
    metrics = result.metrics
    if not wrong:
        # states stay split: two of each, until the end of the run
        assert (metrics["sdc_frames"], metrics["unresolved"]) == (0, 100 - BEGIN)
    else:
        assert (metrics["sdc_frames"], metrics["unresolved"]) == (100 - BEGIN, 0)
        assert outcome_of(result) == "sdc_escaped"


@pytest.mark.parametrize("timing", [SLOW, LATE])
def test_a_run_on_other_boards_with_late_answers_is_reproducible(
    timing: dict[str, Any], tmp_path: Path
) -> None:
    """The scenario makes them late, nothing outside of it does."""
    s = scenario("simplex", timing, rig={"scheme": "simplex", "board": "process"})
    result = run(s, tmp_path / "run")
    assert (result.reproducible, result.not_reproducible) == (True, "")
    assert result.metrics["slips"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("timing", [SKEWED, SLOW, LATE])
def test_digest_is_the_same_on_boards_of_each_kind(timing: dict[str, Any], tmp_path: Path) -> None:
    digests = set()
    for board in ("inproc", "process"):
        s = scenario("tmr", timing, rig={"scheme": "tmr", "board": board})
        digests.add(run(s, tmp_path / board).run_digest)
    assert len(digests) == 1


@pytest.mark.parametrize("slow_by", ["1.5", "2", "2.2", "4"])
def test_answers_of_a_slow_node_are_those_of_a_queue(slow_by: str) -> None:
    """Lindley's recursion of a queue with one server: W' = max(0, W + S - T), in frames here."""
    config = TimingConfig(slow_by=float(slow_by), load=0.5)
    fault = NodeTiming(1, "a", config, first=10, frames=20)
    wait = Fraction(0)
    for frame in range(10, 90):
        service = Fraction(slow_by if frame < 30 else "1") / 2
        answered = (wait + service) * FRAME_US
        assert fault.answered_us(frame, FRAME_US) == (answered if answered > FRAME_US else 0)
        wait = max(Fraction(0), wait + service - 1)
    assert fault.is_over(90)


def test_a_clock_takes_the_input_of_the_frame_that_is_nearest_to_its_time() -> None:
    """1 % of drift is half a frame after 50 frames, and one and a half after 150."""
    fault = NodeTiming(1, "a", TimingConfig(drift_ppm=10_000), first=100, frames=0)
    behind = [fault.frames_before(frame, FRAME_US) for frame in range(100, 300)]
    assert (behind.index(1), behind.index(2)) == (50, 150)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"timing": {}}, "no fault is stated"),
        ({"timing": {"skew": "1ms", "slow_by": 2}}, "several faults are stated"),
        ({"timing": {"skew": "1ms", "load": 0.3}}, "a meaning only with `slow_by`"),
        ({}, "target timing needs `timing:`"),
        ({"timing": {"skew": "1ms"}, "target": "state"}, "it is for timing"),
        ({"timing": {"skew": "1ms"}, "tick": 3}, "`tick` has no meaning for target timing"),
    ],
)
def test_what_makes_no_sense_is_refused(event: dict[str, Any], message: str) -> None:
    content = {"frame": 1, "node": "a", "target": "timing", **event}
    with pytest.raises(ValueError, match=message):
        scenario("tmr", SKEWED, upsets={"events": [content]})


def test_executions_of_one_step_have_no_timing_of_their_own() -> None:
    with pytest.raises(ValueError, match="the timing of its executions is not modelled"):
        scenario("triple_execution", LATE)
