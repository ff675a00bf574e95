"""Schemes compared in runs of one scenario, and keys that take several values."""

from __future__ import annotations

import struct
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hil.analysis.reliability.persistence import PersistenceModel
from hil.analysis.scheme_figures import NotCounted, SchemeFigures, SingleHits, compromises
from hil.campaign.inproc_samples import FaultBench, fault_array
from hil.campaign.scheme_sweep import OF_MONITORS, OF_OWN_SCHEME, SWEPT, parse_over
from hil.campaign.scheme_trials import run_scheme
from hil.campaign.single_hits import single_hits
from hil.campaign.single_step import all_hits
from hil.campaign.theory.persistence_of import persistence_model
from hil.errors import UsageError
from hil.kernel import Golden
from hil.scenario import Overrides, Scenario, UpsetTarget, load_scenario, parse_scenario

PERSISTENCE = """
schema: 1
workload: attitude
frames: 200
frame_ms: 1000
rig: {scheme: 4mr, board: inproc}
recovery: {resyncs: 4, restarts: 0, resets: 0, power_cycles: 0, rollbacks: 0, window_frames: 200}
upsets:
  rates: [{target: output, per_s: 0.07}]
  events: [{frame: 20, node: d, target: output, bit: 62, pattern: stuck, permanent: true}]
expect: none
"""


ORBIT = {
    "epoch_utc": "2026-03-20T00:00:00Z",
    "altitude_km": 500.0,
    "inclination_deg": 51.64,
    "mean_anomaly_deg": 175.0,
    "raan_deg": 305.0,
}


@pytest.fixture
def persistence(tmp_path: Path) -> Scenario:
    path = tmp_path / "persistence.yaml"
    path.write_text(PERSISTENCE)
    return load_scenario(path)


def hit_at(scheme: str, bit: int = 40) -> Scenario:
    """One wrong output: in frame 7, of node a."""
    return Scenario.model_validate(
        {
            "workload": "attitude",
            "frames": 40,
            "rig": {"scheme": scheme, "board": "inproc"},
            "upsets": {
                "events": [{"frame": 7, "node": "a", "target": "output", "bit": bit, "tick": 6}]
            },
            "expect": "none",
        }
    )


def test_one_wrong_output_is_counted_once_and_only_where_nothing_is_compared() -> None:
    alone, voted = run_scheme(hit_at("simplex"), 2), run_scheme(hit_at("tmr"), 2)
    assert (alone.frames, alone.right, alone.wrong) == (80, 78, 2)
    assert (alone.failures, alone.lossless, alone.upsets) == (2, 0, 2)
    assert alone.mean_time_to_failure_s == pytest.approx(78 * 0.01 / 2)
    assert alone.mean_time_to_repair_s == pytest.approx(0.01)
    assert (voted.right, voted.wrong, voted.failures, voted.lossless) == (80, 0, 0, 2)
    assert (alone.steps, voted.steps) == (80, 240)
    assert voted.boards_per_right_frame == 3.0
    assert voted.bytes_per_frame > 2.5 * alone.bytes_per_frame > 0
    assert voted.energy_per_right_frame_j == pytest.approx(
        3.0 * (alone.energy_per_right_frame_j or 0.0) * 78 / 80
    )


def test_single_hits_are_those_of_every_node_and_escape_only_alone() -> None:
    """7 ticks of 512 bits of state, 448 of input and of output; the last tick of the output is
    always wrong, and what is voted on masks it."""
    alone, pair, voted = (run_scheme(hit_at(s), 1).counted for s in ("simplex", "dmr", "tmr"))
    assert alone is not None and pair is not None and voted is not None
    assert alone.escaped > alone.hits / 100
    assert (pair.hits, voted.hits) == (2 * alone.hits, 3 * alone.hits)
    assert pair.escaped == voted.escaped == 0


def counted(rig: str, workload: str = "attitude") -> SingleHits | NotCounted:
    return single_hits(parse_scenario(f"schema: 1\nworkload: {workload}\nframes: 40\nrig: {rig}\n"))


def test_single_hits_are_counted_for_every_scheme_in_every_execution_that_it_plans() -> None:
    """7 ticks of 512 bits of state, 448 of input and of output. A spare that is off computes
    nothing, one that is on does."""
    one = 7 * (512 + 448 + 448)
    for rig, steps in (
        ("{scheme: dual_execution}", 2),
        ("{scheme: triple_execution}", 3),
        ("{scheme: triple_pairs}", 6),
        ("{scheme: priority_pairs}", 8),
        ("{scheme: tmr, cold_spares: 1}", 3),
        ("{scheme: tmr, hot_spares: 1}", 4),
    ):
        assert counted(rig) == SingleHits(steps * one, 0), rig


def test_a_voter_by_value_lets_no_more_out_than_lies_beyond_its_tolerance() -> None:
    """Alone, it delivers each output; wrong is one with a number that is farther off. The output of
    `attitude` is 7 numbers of 64 bits."""
    bench = FaultBench(partial(Golden, "attitude", 1))
    bench.hold(16)
    right = struct.unpack("<7d", bench.fault_free()[0])
    far = 0
    for target in (UpsetTarget.STATE, UpsetTarget.INPUT, UpsetTarget.OUTPUT):
        faults = fault_array(all_hits(bench, target), [target])
        for number in range(len(faults)):
            output = bench.inspect(faults[number : number + 1])[2]
            pairs = zip(struct.unpack("<7d", output), right, strict=True)
            far += any(not abs(a - b) <= 0.001 for a, b in pairs)
    simplex = counted("{scheme: simplex, voter: {kind: mid_value, tolerance: 0.001}}")
    assert simplex == SingleHits(7 * (512 + 448 + 448), far)
    assert far > 100


def test_a_count_that_would_take_too_long_says_so() -> None:
    assert counted("{scheme: tmr}", "infer") == NotCounted(
        "a step of infer has 491,520 hits: too many for a table"
    )


@pytest.mark.parametrize(
    ("text", "values"),
    [("persistence=0,1,4", (0, 1, 4)), ("accel=1:3:0.5", (1, 1.5, 2, 2.5, 3))],
)
def test_values_of_a_swept_key(text: str, values: tuple[float, ...]) -> None:
    assert parse_over(text).values == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("persistence", "no `=`"),
        ("persistance=1", "cannot be swept"),
        ("accel=a", "not a number"),
        ("accel=inf", "finite"),
        ("accel=3:1:1", "FIRST:LAST:STEP"),
        ("accel=1:1e9:1", "larger step"),
        ("accel=1,2,1", "value 1 is given more than once"),
        ("accel=" + ",".join(map(str, range(1, 103))), "102 values; at most 100"),
    ],
)
def test_what_cannot_be_swept_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_over(text)


def test_every_key_changes_the_scenario_and_a_wrong_value_is_named(persistence: Scenario) -> None:
    flown = load_scenario("leo-iss-day", Overrides(board="inproc"))
    scheme = {"in_anomaly": "tmr", "in_storm": "tmr", "in_errors": "tmr", "else": "dmr"}
    rig = type(flown.rig).model_validate({"scheme": scheme, "board": "inproc"})
    follows = flown.model_copy(update={"rig": rig})
    with_primary = {"scheme": "primary_monitors", "board": "inproc", "monitors": {"count": 6}}
    rig = type(flown.rig).model_validate(with_primary)
    monitored = persistence.model_copy(update={"rig": rig})
    for name in SWEPT:
        along = ("altitude_km", "inclination_deg", "shielding_mm_al", *OF_OWN_SCHEME)
        scenario = follows if name in along else monitored if name in OF_MONITORS else persistence
        key = parse_over(f"{name}=50")
        changed = key.changed(scenario, 500.0 if name == "altitude_km" else 5.0)
        assert changed != scenario
        assert changed.seed == scenario.seed
        if scenario.plant is not None and changed.plant is not None:
            assert changed.plant.step_s == scenario.plant.step_s
    with pytest.raises(UsageError, match=r"persistence=0.5"):
        parse_over("persistence=0.5").changed(persistence, 0.5)
    with pytest.raises(UsageError, match=r"persistence=-1: expected at least 0"):
        parse_over("persistence=2,-1").changed(persistence, -1.0)
    with pytest.raises(UsageError, match="no orbit"):
        parse_over("altitude_km=500").changed(persistence, 500.0)


def test_persistence_model_has_the_rates_of_the_scenario(persistence: Scenario) -> None:
    model = persistence_model(persistence)
    assert isinstance(model, PersistenceModel)
    assert (model.nodes, model.frames, model.broken, model.broken_from) == (4, 200, 1, 20)
    assert model.hit == pytest.approx(0.00995, abs=1e-5)  # 0.07 a frame, of which 1/7 does harm
    other = load_scenario("two-faults", Overrides(board="inproc"))
    assert "resync only" in str(persistence_model(other))


@pytest.mark.slow
def test_optimum_of_the_persistence_count_is_where_the_model_predicts_it(
    persistence: Scenario,
) -> None:
    key = parse_over("persistence=0,1,4,16,64")
    model = persistence_model(persistence)
    assert isinstance(model, PersistenceModel)
    predicted = key.values.index(model.best([int(value) for value in key.values]))
    lossless = [run_scheme(key.changed(persistence, v), 8).lossless for v in key.values]
    assert 0 < predicted < len(key.values) - 1
    assert abs(lossless.index(max(lossless)) - predicted) <= 1


def figures(wrong: int, joules: float, right: int = 100) -> SchemeFigures:
    counts = {"runs": 1, "frame_s": 1.0, "frames": 200, "right": right, "wrong": wrong}
    none = {"failures": 0, "lossless": 0, "upsets": 0, "steps": 0, "link_bytes": 0}
    more: dict[str, Any] = {**counts, **none, "link_frames": 1, "energy_j": joules * right}
    return SchemeFigures(scheme=f"{wrong}/{joules}", boards=3, **more)


def test_compromises_are_the_schemes_that_no_other_one_beats() -> None:
    """Against the definition: of every other one, something is worse."""
    every = [figures(w, j) for w, j in ((0, 9.0), (0, 8.0), (3, 8.5), (3, 5.0), (9, 5.0), (7, 2.0))]

    def beats(a: SchemeFigures, b: SchemeFigures) -> bool:
        mine = (a.wrong, a.energy_per_right_frame_j or 0.0)
        other = (b.wrong, b.energy_per_right_frame_j or 0.0)
        return mine != other and mine[0] <= other[0] and mine[1] <= other[1]

    unbeaten = [s for s in every if not any(beats(other, s) for other in every)]
    assert compromises(every) == sorted(unbeaten, key=lambda s: s.wrong)
    assert [s.scheme for s in compromises(every)] == ["0/8.0", "3/5.0", "7/2.0"]


@pytest.mark.slow
def test_scheme_of_the_orbit_costs_between_its_schemes_and_its_threshold_is_swept() -> None:
    plant = {"orbit": ORBIT, "radiation": {"data": "stand-in"}, "step_s": 30.0}
    data = {"workload": "attitude", "frames": 200, "frame_ms": 6000, "expect": "none"}

    def of(scheme: Any) -> Scenario:
        rig = {"scheme": scheme, "board": "inproc"}
        return Scenario.model_validate({**data, "rig": rig, "plant": plant})

    own = of({"in_anomaly": "tmr", "else": "dmr", "dwell": "30s"})
    key = parse_over("anomaly_flux=200,1e9")
    two, three = run_scheme(of("dmr"), 1), run_scheme(of("tmr"), 1)
    some, never = (run_scheme(key.changed(own, value), 1) for value in key.values)
    joules = [s.energy_per_right_frame_j or 0.0 for s in (two, never, some, three)]
    assert joules[0] <= joules[1] < joules[2] < joules[3]
    assert (some.woken > 0, never.woken) == (True, 0) and some.waking_frames >= 3 * some.woken
    assert key.changed(of("tmr"), 5.0) == of("tmr"), "which has no threshold"
