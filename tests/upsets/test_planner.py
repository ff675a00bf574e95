"""Plans of upsets: how many, where, when, and what does not move them."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from typing import Any

import pytest
import scipy

from hil.kernel import Workload, workload
from hil.scenario import Scenario
from hil.upsets.planner import UpsetPlanner, needed_targets
from hil.upsets.upset import UpsetPlan

FRAME_MS = 10.0


def scenario(**changes: Any) -> Scenario:
    data = {
        "workload": "infer",
        "frames": 100_000,
        "frame_ms": FRAME_MS,
        "rig": {"scheme": "tmr"},
        **changes,
    }
    return Scenario.model_validate(data)


def rated(*rates: dict[str, Any], **changes: Any) -> Scenario:
    upsets = changes.pop("upsets", {})
    return scenario(upsets={"rates": list(rates), **upsets}, **changes)


WORK: Workload = workload("infer")


def plan(s: Scenario) -> list[UpsetPlan]:
    """Every upset of a run."""
    planner = UpsetPlanner(s, workload(s.workload_name))
    out: list[UpsetPlan] = []
    while (frame := planner.next_frame) is not None:
        out += planner.due(frame, settled=True)
    return out


def bare(plans: list[UpsetPlan], label: str | None = None) -> list[UpsetPlan]:
    """Without what depends on other sources: the number, and the name of the source."""
    return [
        p._replace(id=0, source="") for p in plans if label is None or p.source.startswith(label)
    ]


# --- how many, and when -------------------------------------------------------------------------


def test_counts_per_second_are_poisson_with_the_given_rate() -> None:
    per_s, seconds = 3.0, 1000
    plans = plan(rated({"targets": "state", "per_s": per_s, "nodes": ["b"]}))
    by_second = Counter(p.frame // 100 for p in plans)
    seen = Counter(min(by_second[s], 9) for s in range(seconds))
    expected = [seconds * scipy.stats.poisson.pmf(k, per_s) for k in range(9)]
    expected.append(seconds - sum(expected))
    assert scipy.stats.chisquare([seen[k] for k in range(10)], expected).pvalue > 1e-3
    assert scipy.stats.poisson.cdf(len(plans), per_s * seconds) > 1e-3
    assert scipy.stats.poisson.sf(len(plans), per_s * seconds) > 1e-3


def test_gaps_between_upsets_are_exponential() -> None:
    plans = plan(rated({"targets": "state", "per_s": 2, "nodes": ["a"]}))
    frames = [p.frame for p in plans]
    gaps_s = [(b - a) * FRAME_MS / 1000 for a, b in itertools.pairwise(frames)]
    # Times are cut to frames; uniform jitter of a frame makes the gaps continuous again.
    rng = random.Random(3)
    jitter = [rng.random() * FRAME_MS / 1000 for _ in frames]
    smooth = [g + b - a for g, a, b in zip(gaps_s, jitter[:-1], jitter[1:], strict=True)]
    assert scipy.stats.kstest(smooth, "expon", args=(0, 0.5)).pvalue > 1e-3
    assert scipy.stats.kstest(smooth, "expon", args=(0, 0.6)).pvalue < 1e-3


@pytest.mark.parametrize("accel", [0.25, 1.0, 3.0])
def test_acceleration_multiplies_every_rate(accel: float) -> None:
    plans = plan(
        rated(
            {"targets": "state", "per_s": 0.5, "nodes": ["a"]},
            {"targets": "link", "per_s": 1.5},
            upsets={"accel": accel},
        )
    )
    count: Counter[str] = Counter(p.target for p in plans)
    for target, mean in (("state", 500 * accel), ("link", 4500 * accel)):
        assert abs(count[target] - mean) < 4 * mean**0.5
        assert 1e-4 < scipy.stats.poisson.cdf(count[target], mean) < 1 - 1e-4


def test_acceleration_is_the_same_as_a_higher_rate() -> None:
    slow = rated({"targets": "state", "per_s": 0.5}, upsets={"accel": 4.0})
    assert plan(slow) == plan(rated({"targets": "state", "per_s": 2.0}))


# --- what is hit --------------------------------------------------------------------------------


def test_targets_and_nodes_are_hit_alike() -> None:
    targets = ["state", "input", "output", "heap", "text"]
    plans = plan(rated({"targets": targets, "per_s": 2}))
    by_target, by_node = Counter(p.target for p in plans), Counter(p.node for p in plans)
    assert set(by_target) == set(targets) and set(by_node) == {"a", "b", "c"}
    assert scipy.stats.chisquare(list(by_target.values())).pvalue > 1e-3
    assert scipy.stats.chisquare(list(by_node.values())).pvalue > 1e-3


@pytest.mark.slow
def test_weights_of_patterns_noises_and_sefis_are_honoured() -> None:
    patterns = {"bit": 4, "adjacent": 3, "stuck": 2, "zero_word": 1, "random_word": 0}
    noises = {"corrupt": 1, "drop": 2, "duplicate": 3, "truncate": 4}
    sefis = {"hang": 1, "crash": 3, "reset": 0}
    plans = plan(
        rated(
            {"targets": "state", "per_s": 2, "patterns": patterns},
            {"targets": "link", "per_s": 2, "noises": noises},
            {"targets": "cpu", "per_s": 2, "sefis": sefis},
        )
    )
    for target, weights in (("state", patterns), ("link", noises), ("cpu", sefis)):
        seen: Counter[str] = Counter(p.kind for p in plans if p.target == target)
        total = sum(seen.values())
        assert set(seen) == {kind for kind, w in weights.items() if w}
        expected = [total * w / sum(weights.values()) for w in weights.values() if w]
        counts = [seen[kind] for kind, w in weights.items() if w]
        assert scipy.stats.chisquare(counts, expected).pvalue > 1e-3


def test_ticks_steps_bits_and_directions_cover_their_ranges_evenly() -> None:
    plans = plan(
        rated({"targets": "stack", "per_s": 3, "steps_max": 9}, {"targets": "link", "per_s": 3})
    )
    memory = [p for p in plans if p.target == "stack"]
    for name, size in (("tick", WORK.ticks + 1), ("steps", 10)):
        seen = Counter(getattr(p, name) for p in memory)
        assert set(seen) == set(range(size)), name
        assert scipy.stats.chisquare(list(seen.values())).pvalue > 1e-3
    bits = Counter(p.bit % 64 for p in plans)
    assert scipy.stats.chisquare([bits[b] for b in range(64)]).pvalue > 1e-3
    ways = Counter(p.direction for p in plans if p.target == "link")
    assert set(ways) == {"to_board", "to_host"}
    assert scipy.stats.chisquare(list(ways.values())).pvalue > 1e-3


def test_patterns_have_the_shape_of_their_kind() -> None:
    weights = {"bit": 1, "adjacent": 1, "stuck": 1, "zero_word": 1, "random_word": 1}
    plans = plan(rated({"targets": "state", "per_s": 2, "patterns": weights}))
    shapes: dict[str, set[tuple[int, int]]] = {}
    for p in plans:
        shapes.setdefault(p.kind, set()).add((p.width, p.hold_frames))
        assert 0 <= p.value < 1 << p.width
    assert shapes == {
        "bit": {(1, 0)},
        "adjacent": {(2, 0), (3, 0), (4, 0)},
        "stuck": {(1, 1)},
        "zero_word": {(32, 0)},
        "random_word": {(32, 0)},
    }
    assert {p.value for p in plans if p.kind == "stuck"} == {0, 1}


def test_steps_are_only_for_what_runs_in_a_process() -> None:
    plans = plan(rated({"targets": ["state", "gpr"], "per_s": 2, "steps_max": 50}))
    assert {p.steps for p in plans if p.target == "state"} == {0}
    assert len({p.steps for p in plans if p.target == "gpr"}) > 30


# --- what does not move a plan ------------------------------------------------------------------


RATE = {"targets": ["state", "output"], "per_s": 1.0}
OTHER = {"targets": ["input", "link"], "per_s": 2.0}


def test_the_same_seed_is_the_same_plan_and_another_seed_another() -> None:
    short = rated(RATE, OTHER, frames=10_000)
    assert plan(short) == plan(rated(RATE, OTHER, frames=10_000))
    assert plan(short) != plan(rated(RATE, OTHER, frames=10_000, seed=2))


def test_another_rate_moves_nothing() -> None:
    alone, beside = plan(rated(RATE)), plan(rated(RATE, OTHER))
    assert len(beside) > len(alone) > 100
    assert bare(beside, "rate 0") == bare(alone)


def test_another_node_moves_nothing() -> None:
    alone = plan(rated({**RATE, "nodes": ["b"]}))
    beside = plan(rated(RATE))
    more = plan(rated(RATE, rig={"scheme": "5mr"}))
    assert len(alone) > 100
    assert bare([p for p in beside if p.node == "b"]) == bare(alone)
    assert bare([p for p in more if p.node in "abc"]) == bare(beside)


def test_names_of_boards_move_nothing() -> None:
    named = plan(rated(RATE, rig={"scheme": "tmr", "nodes": ["left", "right", "top"]}))
    plain = plan(rated(RATE))
    assert [p._replace(node="") for p in named] == [p._replace(node="") for p in plain]


def test_events_keep_their_drawn_bits_when_others_are_left_out() -> None:
    events = [
        {"frame": 10, "node": "a", "target": "state"},
        {"frame": 10, "node": "b", "target": "state"},
        {"frame": 10, "node": "a", "target": "output"},
        {"frame": 20, "node": "a", "target": "state", "pattern": "random_word"},
    ]
    everything = {(p.frame, p.node, p.target): p for p in plan(scenario(upsets={"events": events}))}
    assert len({p.bit for p in everything.values()}) == 4
    for left_out in range(4):
        rest = [e for n, e in enumerate(events) if n != left_out]
        for p in plan(scenario(upsets={"events": rest})):
            known = everything[p.frame, p.node, p.target]
            assert (p.bit, p.value) == (known.bit, known.value)


def test_two_equal_events_hit_different_bits() -> None:
    twice = [{"frame": 10, "node": "a", "target": "state"}] * 2
    first, second = plan(scenario(upsets={"events": twice}))
    assert first.bit != second.bit


def test_rates_move_no_events_and_come_after_them() -> None:
    events = [{"frame": f, "node": "a", "target": "state"} for f in (5, 50, 500)]
    alone = plan(scenario(upsets={"events": events}))
    beside = plan(rated({"targets": "state", "per_s": 400}, upsets={"events": events}, frames=600))
    assert bare(beside, "event") == bare(alone)
    for event in (p for p in beside if p.source.startswith("event")):
        same_frame = [p for p in beside if p.frame == event.frame]
        assert len(same_frame) > 1
        assert same_frame[0] == event


def test_what_an_event_says_is_planned() -> None:
    events = [
        {
            "frame": 1,
            "node": "c",
            "target": "state",
            "bit": 77,
            "tick": 3,
            "pattern": {"kind": "random_word", "width": 16, "value": 999},
        },
        {
            "frame": 2,
            "node": "a",
            "target": "output",
            "pattern": {"kind": "stuck", "value": 0},
            "hold_frames": 4,
        },
        {"frame": 3, "node": "a", "target": "state", "pattern": "stuck", "permanent": True},
        {"frame": 4, "node": "b", "target": "gpr", "tick": 2, "steps": 30},
        {"frame": 5, "node": "b", "target": "cpu", "sefi": "hang", "us": 15},
        {"frame": 6, "node": "b", "target": "link", "noise": "truncate", "direction": "to_host"},
        {"frame": 7, "node": "b", "target": "board", "returns_after_frames": 9},
    ]
    word, held, damaged, register, hang, noise, power = plan(scenario(upsets={"events": events}))
    assert (word.bit, word.tick, word.kind) == (77, 3, "random_word")
    assert (word.width, word.value) == (16, 999)
    assert (held.kind, held.value, held.hold_frames, held.permanent) == ("stuck", 0, 4, False)
    assert (damaged.value, damaged.permanent) == (1, True)
    assert (register.tick, register.steps, register.us) == (2, 30, None)
    assert (hang.kind, hang.us) == ("hang", 15)
    assert (noise.kind, noise.direction) == ("truncate", "to_host")
    assert (power.kind, power.returns_after_frames) == ("power_loss", 9)
    assert [p.id for p in plan(scenario(upsets={"events": events}))] == [1, 2, 3, 4, 5, 6, 7]


def test_needed_targets_are_those_that_boards_must_be_able_to_hit() -> None:
    s = rated(
        {"targets": ["gpr", "link"], "per_s": 1, "nodes": ["b"]},
        {"targets": "state", "per_s": 1},
        upsets={
            "events": [
                {"frame": 1, "node": "a", "target": "cpu", "sefi": "hang"},
                {"frame": 1, "node": "c", "target": "board"},
            ]
        },
    )
    assert needed_targets(s) == {"a": {"cpu", "state"}, "b": {"gpr", "state"}, "c": {"state"}}


# --- one at a time, and going on later ----------------------------------------------------------


def one_at_a_time(frames: int = 2000) -> Scenario:
    events = [{"frame": f, "node": n, "target": "state"} for f in (3, 3, 9) for n in "ab"]
    return rated(
        {"targets": ["state", "output"], "per_s": 10},
        frames=frames,
        upsets={"events": events, "one_at_a_time": True},
    )


def all_at_once(s: Scenario) -> Scenario:
    """The same without holding back."""
    return s.model_copy(update={"upsets": s.upsets.model_copy(update={"one_at_a_time": False})})


def drive(planner: UpsetPlanner, first: int, end: int, busy: set[int]) -> list[UpsetPlan]:
    """Ask for frames as the loop does; in `busy` ones the rig still recovers."""
    out = []
    for frame in range(first, end):
        due = planner.due(frame, frame not in busy)
        assert len(due) <= 1
        out += due
    return out


def test_held_back_upsets_come_one_by_one_in_their_order_when_the_rig_has_settled() -> None:
    s = one_at_a_time()
    rng = random.Random(4)
    busy = {f for f in range(2000) if rng.random() < 0.4}
    planner = UpsetPlanner(s, WORK)
    got = drive(planner, 0, 2000, busy)
    assert not busy & {p.frame for p in got}
    assert [p.id for p in got] == list(range(1, len(got) + 1))
    wanted = plan(all_at_once(s))
    assert [p._replace(frame=0) for p in got] == [p._replace(frame=0) for p in wanted[: len(got)]]
    assert all(g.frame >= w.frame for g, w in zip(got, wanted, strict=False))
    assert planner.drop_held_back() == len(wanted) - len(got)
    assert planner.drop_held_back() == 0


def test_what_never_got_its_turn_is_counted_as_held_back() -> None:
    planner = UpsetPlanner(one_at_a_time(20), WORK)
    assert drive(planner, 0, 20, set(range(20))) == []
    held_back = planner.drop_held_back()
    assert held_back == len(plan(all_at_once(one_at_a_time(20))))
    assert held_back >= 6 and planner.numbered == 0


def test_an_upset_that_is_held_back_may_fall_due_in_every_next_frame() -> None:
    events = [{"frame": 3, "node": n, "target": "state"} for n in "ab"]
    s = scenario(upsets={"events": events, "one_at_a_time": True})
    planner = UpsetPlanner(s, WORK)
    assert planner.next_frame == 3
    assert planner.due(3, settled=False) == []
    assert planner.next_frame == 3
    assert [p.node for p in planner.due(40, settled=True)] == ["a"]
    assert planner.next_frame == 3
    assert [(p.node, p.frame) for p in planner.due(41, settled=True)] == [("b", 41)]
    assert planner.next_frame is None


@pytest.mark.parametrize("at", [1, 4, 137, 1999])
@pytest.mark.parametrize("single", [True, False])
def test_skipping_is_the_same_as_having_run(at: int, single: bool) -> None:
    s = one_at_a_time()
    if not single:
        s = rated({"targets": ["state", "link"], "per_s": 10}, frames=2000)
    rng = random.Random(at)
    busy = {f for f in range(2000) if single and rng.random() < 0.3}
    whole = UpsetPlanner(s, WORK)
    later = UpsetPlanner(s, WORK)

    def ask(planner: UpsetPlanner, first: int, end: int) -> list[UpsetPlan]:
        return [p for f in range(first, end) for p in planner.due(f, f not in busy)]

    ask(whole, 0, at)
    later.skip(at, whole.numbered)
    assert later.numbered == whole.numbered
    assert ask(later, at, 2000) == ask(whole, at, 2000)
    assert later.numbered == whole.numbered
    assert later.drop_held_back() == whole.drop_held_back()


def test_nothing_is_planned_behind_the_end() -> None:
    planner = UpsetPlanner(rated({"targets": "state", "per_s": 50}, frames=50), WORK)
    last = 0
    while planner.next_frame is not None:
        last = planner.next_frame
        assert planner.due(last, settled=True)
    assert 40 < last < 50


def test_without_upsets_nothing_ever_falls_due() -> None:
    planner = UpsetPlanner(scenario(), WORK)
    assert planner.next_frame is None and planner.due(10**9, settled=True) == []
