"""Runs in which boards die of the dose that they got."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hil.engine import loop as loop_module
from hil.engine import resume
from hil.engine.loop import Loop
from hil.plant.build import build_plant
from hil.plant.survey import survey
from hil.record.reader import Reader
from hil.scenario import Scenario
from tests.between_frames import between_frames

ISS = {"epoch_utc": "2026-03-20T00:00:00Z", "altitude_km": 420.0, "inclination_deg": 51.64}
HOUR_US = 3_600_000_000


def scenario(duration: str = "24h", **plant: Any) -> Scenario:
    orbit = {"orbit": ISS, "step_s": 10.0, "skip_quiet": True}
    base = {
        "workload": "infer",
        "frame_ms": 10_000.0,
        "duration": duration,
        "timeouts": {"lost_after_ms": 20_000.0, "retry_ms": 100.0, "cpu_floor_ms": 10.0},
        "rig": {"board": "inproc", "profile": "raspberry-pi-4b"},
        "plant": {**orbit, **plant},
    }
    return Scenario.model_validate(base)


# A day of 14 krad: node a dies at 31.6, c at 35.5; b would at 36.0.
DYING = scenario(wear={"before_krad": 21.5, "accel": 20_000.0})


def rows(out: Path, sql: str) -> list[tuple[Any, ...]]:
    reader = Reader(out)
    try:
        return [tuple(row) for row in reader.rows(sql)]
    finally:
        reader.close()


@pytest.mark.slow
def test_boards_die_one_after_another_and_the_others_vote_on(tmp_path: Path) -> None:
    end = build_plant(DYING).end_of_life
    assert end is not None
    result = Loop(DYING, tmp_path).run()
    cuts = rows(tmp_path, "SELECT node, cause FROM limits WHERE cause LIKE 'end of life%'")
    order = sorted(end.limits_krad, key=lambda name: end.limits_krad[name])
    reached = [n for n in order if end.limits_krad[n] <= end.krad(24 * HOUR_US)]
    assert len(reached) >= 2, "the test's dose kills at least two"
    assert [node for node, _ in cuts] == reached
    assert result.metrics["plant.worn_out"] == len(reached) == result.metrics["plant.sheds"]
    assert result.metrics["isolated"] == len(reached), "nothing repairs what is dead"
    assert result.metrics["voting.3"] > 0 and result.metrics["voting.2"] > 0
    assert result.metrics["skipped"] > 1000, "quiet frames are skipped up to each death"
    dead = rows(tmp_path, "SELECT node, after FROM transitions ORDER BY id")
    assert dead == [(node, "isolated") for node in reached]


@pytest.mark.slow
def test_the_dose_of_a_run_is_that_of_its_survey() -> None:
    s = scenario(wear={"before_krad": 1.0, "accel": 365.25})
    built = build_plant(s)
    figures = survey(s).figures.dose
    assert built.end_of_life is not None and figures is not None
    krad = built.end_of_life.krad(24 * HOUR_US) - 1.0
    assert krad == pytest.approx(figures.krad_per_year, rel=0.02)


def test_a_time_of_death_is_exact_to_the_microsecond_of_the_dose() -> None:
    end = build_plant(DYING).end_of_life
    assert end is not None
    t_us, seen = 0, []
    while (t_us := end.next_us(t_us, 24 * HOUR_US)) < 24 * HOUR_US:
        name = min(end.limits_krad, key=lambda n: abs(end.limits_krad[n] - end.krad(t_us)))
        assert end.is_over(name, t_us) and not end.is_over(name, t_us - 2)
        seen.append(name)
    assert len(seen) == len(set(seen)) >= 2


def test_limits_differ_by_board_and_seed_and_not_without_spread() -> None:
    def limits(**wear: float) -> list[float]:
        end = build_plant(scenario(wear=wear)).end_of_life
        assert end is not None
        return list(end.limits_krad.values())

    assert limits(spread=0.0) == [30.0] * 3
    assert len(set(limits())) == 3 and all(20.0 < x < 45.0 for x in limits())


@pytest.mark.slow
def test_a_board_that_is_spent_before_the_run_is_dead_from_its_start(tmp_path: Path) -> None:
    s = scenario(wear={"before_krad": 60.0})
    result = Loop(s, tmp_path).run()
    assert result.metrics["plant.worn_out"] == 3 and result.availability == 0


@pytest.mark.slow
def test_a_run_that_is_taken_up_again_after_a_death_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = scenario("6h", wear={"before_krad": 30.0, "accel": 40_000.0}, skip_quiet=False)
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    want = Loop(s, tmp_path / "whole").run()
    ((died,),) = rows(tmp_path / "whole", "SELECT min(frame) FROM transitions")
    frames = 0

    def stop() -> bool:
        nonlocal frames
        frames += 1
        return frames > died + 5

    with monkeypatch.context() as patched:
        patched.setattr(loop_module, "_SNAPSHOT_US", 0)  # after every frame
        loop = Loop(s, tmp_path / "cut", batch=False, **between_frames(stop))
        assert loop.run().outcome == "aborted"
    snapshot = resume.read_snapshot(tmp_path / "cut")
    assert snapshot is not None and snapshot.frame > died
    again = Loop(s, tmp_path / "cut", resume_run=True).run()
    assert again.run_digest == want.run_digest
    assert again.metrics["plant.worn_out"] == want.metrics["plant.worn_out"]


def test_wear_needs_an_orbit() -> None:
    with pytest.raises(ValueError, match="dose follows from the orbit"):
        scenario(orbit=None, profile="flight.csv", wear={})
