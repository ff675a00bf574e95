"""Sequences of single faults: what a right majority says is delivered, and no output stays away.

A share of all pairs runs by default; `-m slow` runs all pairs at all distances and a fixed share of
the triples (1.6 million for each scheme of three nodes and more). `-m stress` runs every one of
them, which takes some four hours on one core. How many were tried stands at the end of the run."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from hil import kernel
from hil.engine.loop import Loop
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.redundancy import checkpoints, electorate, rollback
from hil.redundancy.electorate import TRUSTED_AFTER
from hil.scenario import WORKLOADS, Scenario
from hil.scenario.words import SchemeName
from tests.amount import mostly_stress, without_variants

from .sequences import POWER_RETURNS, Fault, Trial, sequences, try_all

SIZE = {"simplex": 1, "dmr": 2, "tmr": 3, "4mr": 4, "5mr": 5}
DISTANCES = range(25)
FEW = (0, 1, 2, 3, 4, 8, 16, 20, 24)
TRIPLES = 120
IN_ONE_RUN = 1000
BOARD_LEVEL = frozenset({"reset", "power"})


def allowed_to_lose(trial: Trial, scheme: str) -> frozenset[int]:
    """The frames in which the written rule of the scheme delivers nothing: a fail-silent pair while
    one of its boards has no power, and a single computer while it has none; of more nodes, while
    none has power, and the one frame in which only one of those that are asked is left."""
    if scheme in ("simplex", "dmr"):
        return trial.without_power
    cuts = {(f.node, f.at) for f in trial.faults if f.kind == "power"}
    lost = set()
    for frame in trial.without_power:
        powered = SIZE[scheme] - len({n for n, at in cuts if at <= frame < at + POWER_RETURNS})
        if not powered or (powered == 1 and frame in {at for _, at in cuts}):
            lost.add(frame)
    return frozenset(lost)


def allowed_to_be_wrong(trial: Trial, scheme: str) -> frozenset[int]:
    """The frames in which the written rule of the scheme delivers an output that nothing could be
    compared with, marked so: of three nodes, while two have no power."""
    cuts = [f.at for f in trial.faults if f.kind == "power"]
    if scheme != "tmr" or len(cuts) < 2:
        return frozenset()
    return trial.without_power & frozenset(trial.unvoted)


def may_be_isolated(trial: Trial) -> bool:
    """One node needed its board started again three times in a row: that uses up the ladder."""
    hits = [f.node for f in trial.faults if f.kind in BOARD_LEVEL]
    return any(hits.count(node) >= 3 for node in set(hits))


def chunks(all_: Iterable[tuple[Fault, ...]]) -> Iterator[list[tuple[Fault, ...]]]:
    it = iter(all_)
    while chunk := list(itertools.islice(it, IN_ONE_RUN)):
        yield chunk


def check(
    trials: Iterable[tuple[Fault, ...]], scheme: str, out: Path, board: str = "inproc"
) -> int:
    """Run all of them; how many there were."""
    count = 0
    for number, chunk in enumerate(chunks(trials)):
        isolating = [t for t in chunk if may_be_isolated(Trial(t, (), (), whole=True))]
        healing = [t for t in chunk if t not in set(isolating)]
        # What isolates a node for good comes last, each in a run of its own.
        runs = [healing, *([t] for t in isolating)]
        for index, run in enumerate(r for r in runs if r):
            for trial in try_all(run, scheme, board, out / f"{number}-{index}"):
                count += 1
                assert not set(trial.lost) - allowed_to_lose(trial, scheme), f"{scheme}: {trial}"
                if scheme != "simplex":  # whose only node is believed, whatever it says
                    assert not set(trial.wrong) - allowed_to_be_wrong(trial, scheme), (
                        f"{scheme}: {trial}"
                    )
                    assert trial.whole or may_be_isolated(trial), f"{scheme}: {trial}"
    return count


def share(all_: Sequence[tuple[Fault, ...]], count: int) -> list[tuple[Fault, ...]]:
    return random.Random(10).sample(all_, min(count, len(all_)))


@pytest.mark.parametrize("scheme", SIZE)
def test_pairs_of_faults_lose_nothing_that_the_scheme_promises(scheme: str, tmp_path: Path) -> None:
    trials = list(sequences(2, SIZE[scheme], (0, 1, 3)))
    assert check(share(trials, 50), scheme, tmp_path) == min(50, len(trials))


@pytest.mark.slow
def test_one_node_that_is_hit_while_two_have_no_power_is_wrong_no_longer_than_it_is_alone(
    tmp_path: Path,
) -> None:
    trials = [
        (Fault("power", 0, 0), Fault("power", 1, gap), Fault(kind, 2, gap + later))
        for kind in ("state", "output", "checkpoint", "crash", "reset")
        for gap in range(4)
        for later in range(6)
    ]
    assert check(trials, "tmr", tmp_path) == len(trials)


@pytest.mark.parametrize("kind", ["crash", "state", "output", "reset"])
def test_a_node_that_returns_ends_the_wait_after_a_rollback_that_had_nobody_to_compare_with(
    kind: str, tmp_path: Path
) -> None:
    """b loses its state while a has no power, goes back, and is still alone. When a is there again
    and is hit at once, the pair goes back in the same frame."""
    trials = [
        (Fault("power", 0, 0), Fault("reset", 1, at), Fault(kind, 0, 4))
        for at in (1, 2, 3)
        for _ in range(3)
    ]
    assert check(trials, "dmr", tmp_path) == len(trials)


@pytest.mark.parametrize("scheme", mostly_stress(SIZE, keep=3, timeout_s=900))
def test_all_pairs_at_all_distances(
    scheme: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    trials = list(sequences(2, SIZE[scheme], DISTANCES))
    assert len(trials) == 8 * 8 * 25 * (1 if scheme == "simplex" else 2)
    count = check(trials, scheme, tmp_path)
    record_property("tried", f"{count} of {len(trials)} pairs of faults on {scheme}")


@pytest.mark.parametrize(
    "most",
    [
        pytest.param(TRIPLES, marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
        pytest.param(None, marks=[pytest.mark.stress, pytest.mark.timeout(36_000)], id="all"),
    ],
)
@pytest.mark.parametrize("scheme", SIZE)
def test_triples_at_all_distances(
    scheme: str, most: int | None, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    trials = list(sequences(3, SIZE[scheme], DISTANCES))
    count = check(share(trials, most or len(trials)), scheme, tmp_path)
    record_property("tried", f"{count} of {len(trials)} triples of faults on {scheme}")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scheme", ["dmr", "tmr"])
def test_pairs_on_process_boards(scheme: str, tmp_path: Path) -> None:
    kinds = ("state", "output", "checkpoint", "crash", "reset", "link")
    trials = list(sequences(2, SIZE[scheme], (0, 1, 3, 16), kinds))
    assert check(share(trials, 200), scheme, tmp_path, "process") == 200


# --- an adversary's cases -----------------------------------------------------------------------


def run(
    out: Path,
    board: str,
    scheme: str,
    workload: str,
    seed: int,
    frames: int,
    events: Any,
    **more: Any,
) -> RunResult:
    scenario = Scenario.model_validate(
        {
            "workload": workload,
            "seed": seed,
            "frames": frames,
            "rig": {"scheme": scheme, "board": board, **more},
            "upsets": {"events": events},
            "expect": {"frames": frames},
        }
    )
    out.mkdir()
    return Loop(scenario, out).run()


CASES = {
    "a reset, healed, and a state bit six frames later": (
        "dmr",
        "sha256",
        1000,
        [
            {"frame": 97, "node": "a", "target": "cpu", "sefi": "reset", "tick": 1},
            {"frame": 103, "node": "a", "target": "state", "bit": 77, "tick": 17},
        ],
    ),
    "two bits of a checkpoint, and a transient before the next": (
        "dmr",
        "matmul",
        400,
        [
            {
                "frame": 70,
                "node": "b",
                "target": "checkpoint",
                "bit": 100,
                "tick": 0,
                "pattern": {"kind": "adjacent", "width": 2},
            },
            {"frame": 73, "node": "a", "target": "output", "bit": 5, "tick": 50},
        ],
    ),
    "a crash, and an output bit of the other in the next frame": (
        "dmr",
        "matmul",
        300,
        [
            {"frame": 100, "node": "b", "target": "cpu", "sefi": "crash", "tick": 10},
            {"frame": 101, "node": "a", "target": "output", "bit": 5, "tick": 50},
        ],
    ),
    "three nodes hit one after the other": (
        "tmr",
        "matmul",
        300,
        [
            {"frame": 100, "node": "b", "target": "cpu", "sefi": "crash", "tick": 10},
            {"frame": 101, "node": "c", "target": "cpu", "sefi": "crash", "tick": 10},
            {"frame": 102, "node": "a", "target": "state", "bit": 77, "tick": 0},
        ],
    ),
}


@pytest.mark.parametrize("board", ["inproc", "process"])
@pytest.mark.parametrize("case", CASES)
def test_no_frame_of_an_adversarys_case_is_lost_or_wrong(
    case: str, board: str, tmp_path: Path
) -> None:
    scheme, workload, frames, events = CASES[case]
    result = run(tmp_path / "run", board, scheme, workload, 3, frames, events)
    assert result.upsets.injected == len(events)
    assert result.availability == 1.0
    assert result.metrics["sdc_frames"] == 0


# --- what leaves the system without a comparison --------------------------------------------------


BLACKOUT = [{"frame": 20, "node": "b", "target": "board", "action": "power_loss"}]


@pytest.mark.parametrize(
    ("rule", "delivered"),
    [
        ({}, 20),
        ({"unvoted_output": "nothing"}, 20),
        ({"unvoted_output": "deliver"}, 60),
        ({"unvoted_output": "deliver", "unvoted_frames": 7}, 27),
    ],
)
def test_a_pair_delivers_unvoted_outputs_as_its_rule_says(
    rule: dict[str, Any], delivered: int, tmp_path: Path
) -> None:
    result = run(tmp_path / "run", "inproc", "dmr", "attitude", 1, 60, BLACKOUT, **rule)
    assert result.availability == delivered / 60
    assert result.metrics["unresolved"] == 60 - delivered
    assert result.metrics["verdicts.simplex"] == 40


def test_damage_of_a_node_that_was_alone_is_not_copied_to_the_other(tmp_path: Path) -> None:
    """A fail-silent pair: b has no power for 20 frames, a is hit meanwhile. When b is back, a goes
    back to what both agreed on before b is healed from it."""
    events = [
        {
            "frame": 20,
            "node": "b",
            "target": "board",
            "action": "power_loss",
            "returns_after_frames": 20,
        },
        {"frame": 30, "node": "a", "target": "state", "bit": 77, "tick": 0},
    ]
    result = run(tmp_path / "run", "inproc", "dmr", "attitude", 1, 100, events)
    assert result.metrics["sdc_frames"] == 0
    assert result.metrics["unresolved"] == 20
    assert result.verdicts["unanimous"] == 80


@pytest.mark.parametrize("every", [1, 16])
@pytest.mark.parametrize(
    ("scheme", "rule", "wrong"),
    [
        ("dmr", {"unvoted_output": "deliver"}, 10),
        ("dmr", {"unvoted_output": "deliver", "unvoted_frames": 15}, 5),
        ("tmr", {}, 10),
        ("tmr", {"unvoted_frames": 15}, 5),
    ],
)
def test_the_state_of_a_node_that_was_alone_is_not_trusted_by_returning_nodes(
    scheme: str, rule: dict[str, Any], wrong: int, every: int, tmp_path: Path
) -> None:
    """All others have no power for 20 frames, and a is hit in the eleventh: its own outputs are
    wrong until they are back, as the rule has it, and not one that was voted on. Of three nodes
    the first frame is lost: all three were asked in it."""
    events: list[dict[str, Any]] = [
        {
            "frame": 20,
            "node": node,
            "target": "board",
            "action": "power_loss",
            "returns_after_frames": 20,
        }
        for node in "bc"[: SIZE[scheme] - 1]
    ]
    events.append({"frame": 30, "node": "a", "target": "state", "bit": 77, "tick": 0})
    scenario = Scenario.model_validate(
        {
            "workload": "attitude",
            "frames": 100,
            "rig": {"scheme": scheme, "board": "inproc", **rule},
            "recovery": {"checkpoint_every": every},
            "upsets": {"events": events},
        }
    )
    result = Loop(scenario, tmp_path).run()
    assert result.outcome == "fail"
    assert result.metrics["sdc_frames"] == wrong
    kept_back = (5 if "unvoted_frames" in rule else 0) + (scheme == "tmr")
    assert result.metrics["unresolved"] == kept_back
    assert result.verdicts["unanimous"] + result.verdicts["majority"] == 80


def test_a_node_that_has_delivered_alone_for_long_is_believed_by_those_that_return(
    tmp_path: Path,
) -> None:
    """To compute so many frames again would hold up the others."""
    back = TRUSTED_AFTER + 1
    events = [
        {
            "frame": 20,
            "node": "b",
            "target": "board",
            "action": "power_loss",
            "returns_after_frames": back,
        },
    ]
    result = run(
        tmp_path / "run",
        "inproc",
        "dmr",
        "attitude",
        1,
        20 + back + 30,
        events,
        unvoted_output="deliver",
    )
    assert result.availability == 1 and result.metrics["isolated"] == 0
    reader = Reader(tmp_path / "run")
    causes = [c for (c,) in reader.db.execute("SELECT cause FROM repairs WHERE frame > 20")]
    reader.close()
    assert causes == ["power is back"]


def test_a_pair_delivers_again_after_one_was_out_longer_than_can_be_re_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollback, "RE_EXECUTION_MAX", 60)
    monkeypatch.setattr(electorate, "SILENT_TRUSTED_AFTER", 40)
    events = [
        {
            "frame": 20,
            "node": "b",
            "target": "board",
            "action": "power_loss",
            "returns_after_frames": 100,
        },
    ]
    result = run(tmp_path / "run", "inproc", "dmr", "attitude", 1, 150, events)
    assert result.metrics["unresolved"] == 100
    assert result.verdicts["unanimous"] == 50


@pytest.mark.parametrize(("scheme", "rule"), [("dmr", {}), ("tmr", {"unvoted_output": "nothing"})])
def test_a_damaged_cell_of_a_node_that_was_alone_is_not_given_to_those_that_return(
    scheme: str, rule: dict[str, Any], tmp_path: Path
) -> None:
    """Its state, computed again, is wrong again: nobody takes it over, and no wrong output is
    voted on."""
    events: list[dict[str, Any]] = [
        {
            "frame": 20,
            "node": node,
            "target": "board",
            "action": "power_loss",
            "returns_after_frames": 20,
        }
        for node in "bc"[: SIZE[scheme] - 1]
    ]
    cell = {"frame": 30, "node": "a", "target": "state", "tick": 0, "permanent": True}
    for bit, value in ((15, 0), (15, 1), (77, 0), (77, 1)):
        stuck = {**cell, "bit": bit, "pattern": {"kind": "stuck", "value": value}}
        out = tmp_path / f"{bit}-{value}"
        result = run(out, "inproc", scheme, "matmul", 1, 100, [*events, stuck], **rule)
        assert result.metrics["sdc_frames"] == 0


def test_a_node_that_is_alone_stays_in_step_if_another_cannot_be_healed(tmp_path: Path) -> None:
    """A stuck bit of c lets it take over no state; a was given up. b loses no frame of its own."""
    events = [
        {"frame": 42, "node": "a", "target": "cpu", "sefi": "hang", "tick": 1},
        {
            "frame": 44,
            "node": "c",
            "target": "state",
            "bit": 17,
            "tick": 0,
            "pattern": {"kind": "stuck", "value": 1},
            "hold_frames": 8,
        },
    ]
    scenario = Scenario.model_validate(
        {
            "workload": "infer",
            "frames": 80,
            "upsets": {"events": events},
            "expect": "none",
            "rig": {"scheme": "tmr", "board": "inproc", "unvoted_output": "hold"},
            "recovery": {"restarts": 0, "resets": 0, "power_cycles": 0},
        }
    )
    Loop(scenario, tmp_path).run()
    reader = Reader(tmp_path)
    late = reader.rows("SELECT frame, reason FROM replies WHERE node=1 AND status!='done'")
    reader.close()
    assert not late


@pytest.mark.parametrize("scheme", ["simplex", "dmr", "tmr"])
def test_a_board_whose_power_returns_is_taken_back_by_a_rig_that_switches_none(
    scheme: str, tmp_path: Path
) -> None:
    events = [
        {
            "frame": 20,
            "node": "a",
            "target": "board",
            "action": "power_loss",
            "returns_after_frames": 10,
        },
    ]
    scenario = Scenario.model_validate(
        {
            "workload": "attitude",
            "frames": 100,
            "rig": {"scheme": scheme, "board": "inproc"},
            "recovery": {"power_cycles": 0},
            "upsets": {"events": events},
            "expect": "none",
        }
    )
    result = Loop(scenario, tmp_path).run()
    assert result.metrics["unresolved"] == (0 if scheme == "tmr" else 10)
    assert result.metrics["isolated"] == 0


@pytest.mark.parametrize("every", [16, 1000])
def test_a_pair_goes_back_soon_after_the_end_of_a_stuck_bit(every: int, tmp_path: Path) -> None:
    """However far back the checkpoint is from which it computes again: 727 frames here."""
    stuck = {"kind": "stuck", "value": 0}
    hit = {"frame": 727, "node": "a", "target": "state", "bit": 3, "tick": 1, "pattern": stuck}
    scenario = Scenario.model_validate(
        {
            "workload": "sha256",
            "seed": 3,
            "frames": 900,
            "rig": {"scheme": "dmr", "board": "inproc"},
            "recovery": {"checkpoint_every": every},
            "upsets": {"events": [{**hit, "hold_frames": 3}]},
            "expect": "none",
        }
    )
    result = Loop(scenario, tmp_path).run()
    assert result.metrics["sdc_frames"] == 0
    assert 0 < result.metrics["unresolved"] <= 4


@pytest.mark.slow
@pytest.mark.parametrize("second", [645, 900, 1900])
def test_a_pair_does_not_wait_for_what_an_earlier_fault_has_cost(
    second: int, tmp_path: Path
) -> None:
    """A stuck bit of an output ends by itself, and all agree at once; another fault comes later."""
    stuck = {"kind": "stuck", "value": 1}
    first = {"frame": 600, "node": "b", "target": "output", "tick": 17, "bit": 5, "pattern": stuck}
    state = {"frame": second, "node": "a", "target": "state", "tick": 1, "bit": 3}
    held = {"pattern": {"kind": "stuck", "value": 0}, "hold_frames": 3}
    lost = []
    for events in ([{**first, "hold_frames": 40}], [{**first, "hold_frames": 40}, state | held]):
        scenario = Scenario.model_validate(
            {
                "workload": "sha256",
                "seed": 3,
                "frames": 2000,
                "rig": {"scheme": "dmr", "board": "inproc"},
                "recovery": {"checkpoint_every": 1000},
                "upsets": {"events": events},
                "expect": "none",
            }
        )
        out = tmp_path / str(len(events))
        out.mkdir()
        result = Loop(scenario, out).run()
        assert result.metrics["sdc_frames"] == 0
        lost.append(result.metrics["unresolved"])
    assert lost[1] - lost[0] <= 4


@pytest.mark.parametrize(("scheme", "without"), [("simplex", 20), ("dmr", 40), ("tmr", 6)])
def test_nodes_that_were_given_up_are_tried_again_where_too_few_are_left_for_an_output(
    scheme: str, without: int, tmp_path: Path
) -> None:
    """One node after the other is reset until its ladder is used up, and nothing is rolled back:
    after the window of the ladder the healthy boards compute again. Of three nodes the last two
    are a pair then, of which one alone delivers nothing."""
    events = [
        {
            "frame": 20 + 40 * j + 4 * k,
            "node": "abc"[j],
            "target": "cpu",
            "sefi": "reset",
            "tick": 1,
        }
        for j in range(SIZE[scheme])
        for k in range(8)
    ]
    scenario = Scenario.model_validate(
        {
            "workload": "attitude",
            "frames": 300,
            "rig": {"scheme": scheme, "board": "inproc"},
            "recovery": {"rollbacks": 0},
            "upsets": {"events": events, "allow_missed": 24},
            "expect": "none",
        }
    )
    result = Loop(scenario, tmp_path).run()
    assert result.metrics["sdc_frames"] == 0
    assert result.metrics["unresolved"] == without
    assert result.metrics["isolated"] <= (1 if scheme == "tmr" else 0)


@pytest.mark.parametrize("workload", without_variants(WORKLOADS))
def test_a_rig_whose_boards_all_lost_their_checkpoints_late_in_a_flight_goes_on_from_the_hosts_copy(
    workload: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too late to compute the whole flight again; here that is after 40 frames, and the host's copy
    is as young as a checkpoint. The state of `archive` is of 1 MiB."""
    monkeypatch.setattr(rollback, "RE_EXECUTION_MAX", 40)
    monkeypatch.setattr(checkpoints, "_COPY_EVERY", 1)
    events = [
        {
            "frame": 60,
            "node": node,
            "target": "board",
            "action": "power_loss",
            "returns_after_frames": 2,
        }
        for node in "ab"
    ]
    result = run(tmp_path / "run", "inproc", "dmr", workload, 1, 80, events)
    assert result.metrics["unresolved"] == 2
    assert result.availability == 78 / 80


# --- storms -------------------------------------------------------------------------------------


NAMES = without_variants(WORKLOADS)
STORMS = [*((name, 10_000) for name in NAMES[:5]), *((name, 30_000) for name in NAMES)]
"""Workloads, and the frames of their storms."""
SPACING = 30  # [frame] Every upset is healed before the next.


@pytest.mark.parametrize(("workload", "length"), mostly_stress(STORMS, keep=5, timeout_s=1800))
@pytest.mark.parametrize("scheme", ["simplex", "dmr", "tmr", "4mr", "5mr", "6mr"])
def test_a_storm_of_single_upsets_loses_no_frame(
    scheme: str, workload: str, length: int, tmp_path: Path
) -> None:
    rng = random.Random(f"{scheme} {workload}")
    ticks = kernel.workload(workload).ticks
    frames = length // (10 if workload == "archive" else 1)  # its state is of 1 MiB
    events: list[dict[str, Any]] = []
    for frame in range(20, frames - SPACING, SPACING):
        kind = rng.choice(("state", "output", "input", "checkpoint", "crash", "hang", "reset"))
        hit: dict[str, Any] = {
            "frame": frame,
            "node": "abcdef"[rng.randrange(SchemeName(scheme).size)],
        }
        hit["tick"] = rng.randrange(ticks + 1)
        if kind in ("crash", "hang", "reset"):
            hit |= {"target": "cpu", "sefi": kind, "tick": rng.randrange(1, ticks)}
        else:
            hit |= {"target": kind}
        events.append(hit)
    result = run(tmp_path / "run", "inproc", scheme, workload, 1, frames, events)
    assert result.metrics["upsets.not_injected"] == 0
    assert result.metrics["unresolved"] == 0
    assert result.metrics["isolated"] == 0
    if scheme != "simplex":  # whose only node is believed, whatever it says
        assert result.availability == 1.0


def test_a_checkpoint_that_kept_damage_is_no_anomaly_of_the_node_that_went_back_to_it(
    tmp_path: Path,
) -> None:
    """A single computer is believed: it keeps a checkpoint of a state that an upset changed, goes
    back to it after a crash, and stays wrong because of that upset."""
    events = [
        {"frame": 43, "node": "a", "target": "state", "bit": 9, "tick": 0},
        {"frame": 70, "node": "a", "target": "cpu", "sefi": "crash", "tick": 3},
    ]
    result = run(tmp_path / "run", "inproc", "simplex", "sha256", 1, 100, events)
    assert result.metrics["rollbacks"] == 1 and result.metrics["sdc_frames"] == 57
    assert result.unexplained == 0
