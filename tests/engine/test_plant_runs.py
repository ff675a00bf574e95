"""Runs with a plant: power, heat and protons act on boards that are really there."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hil.engine import loop as loop_module
from hil.engine import resume
from hil.engine.loop import Loop
from hil.engine.plant_coupling import PlantCoupling
from hil.plant.survey import survey
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.record.timeline import recorded_timeline
from hil.scenario import Scenario, load_scenario
from tests.amount import mostly_slow
from tests.between_frames import between_frames

from .test_live_faults import agents

ISS = {"epoch_utc": "2026-03-20T00:00:00Z", "altitude_km": 420.0, "inclination_deg": 51.64}
SHORT = {  # the battery is short at once, and the sun rises 20 minutes later
    "orbit": {**ISS, "mean_anomaly_deg": 100.0},
    "spacecraft": {
        "sizing": {"array_margin": 1.3, "depth_of_discharge": 0.5, "start_soc": 0.56},
        "bus": {
            "converter_node": "structure",
            "shed_from_soc": 0.55,
            "shed_to_soc": 0.25,
            "hysteresis_soc": 0.05,
            "restore_dwell_s": 5.0,
        },
    },
}


def scenario(plant: dict[str, Any], board: str = "inproc", **more: Any) -> Scenario:
    base = {
        "workload": "infer",
        "frame_ms": 1000.0,
        "duration": "90m",
        "timeouts": {"lost_after_ms": 2000.0, "retry_ms": 100.0, "cpu_floor_ms": 10.0},
        "rig": {"board": board, "profile": "raspberry-pi-4b"},
        "plant": plant,
    }
    return Scenario.model_validate({**base, **more})


def run(s: Scenario, out: Path, **more: Any) -> RunResult:
    out.mkdir(exist_ok=True)
    return Loop(s, out, **more).run()


def rows(out: Path, sql: str) -> list[tuple[Any, ...]]:
    reader = Reader(out)
    try:
        return [tuple(row) for row in reader.rows(sql)]
    finally:
        reader.close()


@pytest.fixture(scope="module")
def brown_out(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunResult]:
    """On real processes."""
    out = tmp_path_factory.mktemp("brown")
    return out, run(scenario(SHORT, "process", frame_ms=2000.0), out)


@pytest.mark.slow
def test_three_nodes_become_two_and_one_and_come_back(brown_out: tuple[Path, RunResult]) -> None:
    out, result = brown_out
    assert result.availability == 1 and not result.unexplained
    m = result.metrics
    assert m["voting.3"] > 100 and m["voting.2"] > 10 and m["voting.1"] > 10
    assert m["voting.0"] == 0 and m["isolated"] == 0
    edges = rows(out, "SELECT node, after FROM transitions WHERE after IN ('isolated', 'voting')")
    assert edges == [("c", "isolated"), ("b", "isolated"), ("b", "voting"), ("c", "voting")]


def test_the_record_says_from_where_on_screens_warn_of_heat(
    brown_out: tuple[Path, RunResult],
) -> None:
    """By the profile of the boards; what is measured here is this computer's."""
    ((told,),) = rows(brown_out[0], "SELECT value FROM meta WHERE key='board_limits'")
    pi = {"yellow_high": 80.0, "red_high": 85.0}
    assert json.loads(told) == {"die_c": dict.fromkeys("abc", pi), "cpu_temp_c": {}}


def test_workers_keep_every_cap_and_it_is_recorded(brown_out: tuple[Path, RunResult]) -> None:
    """That a worker with a duty really gets through less is part of the board contract."""
    out, _ = brown_out
    limits = rows(out, "SELECT cause, asked, applied FROM limits WHERE node='c' ORDER BY id")
    told = [(cause, json.loads(asked), json.loads(applied)) for cause, asked, applied in limits]
    duties = [
        (cause, asked["duty_permille"], applied["duty_permille"], applied["means"])
        for cause, asked, applied in told
        if cause in ("capped", "full")
    ]
    capped, full = ("capped", 400, 400, ["hold", "slice"]), ("full", 1000, 1000, list[str]())
    assert duties == [capped, capped, full], "before and after the night"
    assert [a["power"] for _, _, a in told if "power" in a] == ["off", "on"]
    speeds = rows(out, "SELECT level, steps_per_s FROM plant_nodes WHERE node='c' ORDER BY t_us")
    assert all(speed and speed > 0 for level, speed in speeds[2:] if level == "full")
    off = [speed for level, speed in speeds if level == "off"]
    assert len(off) > 10 and off[2:] == [None] * len(off[2:])


def test_boards_say_what_they_do(brown_out: tuple[Path, RunResult]) -> None:
    out, _ = brown_out
    told = [
        (n, c, json.loads(a), json.loads(d))
        for n, c, a, d in rows(out, "SELECT node, cause, asked, applied FROM limits ORDER BY id")
    ]
    assert told[0][:2] == ("c", "capped")
    assert told[0][2]["duty_permille"] == told[0][3]["duty_permille"] == 400
    assert told[0][3]["refused"] == [] and "hold" in told[0][3]["means"]
    cut = [(n, c) for n, c, _, d in told if d == {"power": "off"}]
    assert [n for n, _ in cut] == ["c", "b"] and all("battery at" in c for _, c in cut)


@pytest.mark.slow
def test_the_run_is_the_same_on_other_boards(
    brown_out: tuple[Path, RunResult], tmp_path: Path
) -> None:
    _, result = brown_out
    assert (
        run(scenario(SHORT, frame_ms=2000.0), tmp_path / "inproc").run_digest == result.run_digest
    )
    single = run(scenario(SHORT, frame_ms=2000.0), tmp_path / "single", batch=False)
    assert single.run_digest == result.run_digest


STORM = {
    "orbit": {
        **ISS,
        "altitude_km": 600.0,
        "inclination_deg": "sun-synchronous",
        "ascending_node_local_time_h": 10.5,
    },
    "radiation": {"data": "stand-in", "events": [{"onset": "5m", "strength": 0.05}]},
}
FAST = {"accel": 4.0, "orbit": {"voted_accel": 8e7}}


@pytest.mark.slow
def test_protons_become_upsets_that_are_read_back(tmp_path: Path) -> None:
    s = scenario(STORM, duration="3h", upsets=FAST)
    result = run(s, tmp_path)
    upsets = rows(tmp_path, "SELECT source, target, verified, before, after FROM upsets")
    assert result.upsets.verified == len(upsets) > 15
    assert {u[0] for u in upsets} <= {"orbit seu", "orbit mbu", "orbit sefi"}
    assert all(u[2] and u[3] != u[4] for u in upsets if u[1] in ("state", "input", "output"))
    assert result.accel == 4.0 and result.metrics["sdc_frames"] == 0


@pytest.mark.parametrize("board", ["inproc", pytest.param("process", marks=pytest.mark.slow)])
def test_quiet_time_is_skipped_and_said_so(tmp_path: Path, board: str) -> None:
    s = scenario({**STORM, "skip_quiet": True}, board, duration="3h", upsets=FAST)
    whole = run(scenario(STORM, duration="3h", upsets=FAST), tmp_path / "whole")
    result = run(s, tmp_path / "skipped")
    assert result.skipped > 9_000 and result.frames + result.skipped == 10_800
    assert result.upsets.injected == whole.upsets.injected
    times = "SELECT node, target, bit FROM upsets ORDER BY id"
    assert rows(tmp_path / "skipped", times) == rows(tmp_path / "whole", times)
    (last,) = rows(tmp_path / "skipped", "SELECT max(t_us) FROM frames")
    assert last[0] > 5_400_000_000  # in simulated time, not in frames
    skips = rows(tmp_path / "skipped", "SELECT sum(frames) FROM skips")
    assert skips == [(result.skipped,)]


@pytest.mark.parametrize("skips", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_rows_of_the_plant_do_not_depend_on_how_many_frames_a_batch_has(
    tmp_path: Path, skips: bool
) -> None:
    """How many it has is up to the time that batches take; one frame each is one way to run."""
    s = scenario({**STORM, "skip_quiet": skips}, duration="15m", upsets=FAST)
    for name, batch in (("batches", True), ("frames", False)):
        run(s, tmp_path / name, batch=batch)
    found = rows(tmp_path / "batches", "SELECT * FROM plant ORDER BY t_us")
    assert found == rows(tmp_path / "frames", "SELECT * FROM plant ORDER BY t_us")
    reader = Reader(tmp_path / "batches")
    timeline = recorded_timeline(reader, reader.frame_us)
    reader.close()
    for t_us, frame, *_ in found:
        assert timeline.t_us(frame) >= t_us and (frame == 0 or timeline.t_us(frame - 1) < t_us)


@pytest.mark.stress
def test_two_runs_on_processes_have_equal_rows_of_the_plant(tmp_path: Path) -> None:
    s = scenario(STORM, "process", duration="30m", upsets=FAST)
    found = []
    for name in ("first", "second"):
        run(s, tmp_path / name)
        found.append(rows(tmp_path / name, "SELECT * FROM plant ORDER BY t_us"))
    assert found[0] == found[1]


@pytest.mark.slow
def test_skipping_gives_the_same_digest_on_every_kind_of_board(tmp_path: Path) -> None:
    found = set()
    for board in ("inproc", "process"):
        s = scenario({**STORM, "skip_quiet": True}, board, duration="2h", upsets=FAST)
        found.add(run(s, tmp_path / board).run_digest)
    assert len(found) == 1


LATCH = {"orbit": ISS, "latch_up": {"off_s": 3.0}}
LATCHES = {"events": [{"at": "60s", "node": "b", "target": "board", "action": "latch_up"}]}


@pytest.mark.parametrize("board", ["inproc", "process"])
def test_a_latch_up_is_noticed_cut_and_healed(tmp_path: Path, board: str) -> None:
    result = run(scenario(LATCH, board, duration="3m", upsets=LATCHES), tmp_path)
    ((state, verified, effect, outcome, detected),) = rows(
        tmp_path, "SELECT state, verified, effect, outcome, detected_frame FROM upsets"
    )
    assert (state, verified, effect, outcome) == ("injected", 1, "reboot", "recovered")
    assert 60 <= detected <= 62
    causes = [c for (c,) in rows(tmp_path, "SELECT cause FROM limits ORDER BY id")]
    assert causes[0].startswith("over-current: 15.3 W")
    assert result.availability == 1 and result.metrics["isolated"] == 0
    assert result.metrics["voting.3"] > 150


def test_a_latch_up_that_nobody_watches_ends_when_the_chip_is_too_hot(tmp_path: Path) -> None:
    plant = {"orbit": ISS, "latch_up": {"trip_factor": None, "current_factor": 8.0}}
    result = run(scenario(plant, duration="60m", upsets=LATCHES), tmp_path)
    assert result.metrics["plant.too_hot"] == 1
    ((effect, outcome),) = rows(tmp_path, "SELECT effect, outcome FROM upsets")
    assert (effect, outcome) == ("reboot", "recovered")
    causes = [c for (c,) in rows(tmp_path, "SELECT cause FROM limits ORDER BY id")]
    assert any("too hot" in c for c in causes)


def test_a_latch_up_that_nothing_ends_is_degraded(tmp_path: Path) -> None:
    plant = {"orbit": ISS, "latch_up": {"trip_factor": None, "current_factor": 1.3}}
    run(scenario(plant, duration="2m", upsets=LATCHES), tmp_path)
    assert rows(tmp_path, "SELECT state, outcome FROM upsets") == [("injected", "degraded")]


def test_a_latch_up_without_a_plant_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no plant"):
        Scenario.model_validate({"workload": "infer", "duration": "3m", "upsets": LATCHES})


@pytest.mark.parametrize("at", mostly_slow([750, 1450], keep=0))
def test_a_run_that_is_taken_up_again_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    s = scenario(SHORT, frame_ms=2000.0)
    want = run(s, tmp_path / "whole").run_digest
    frames = 0

    def stop() -> bool:
        nonlocal frames
        frames += 1
        return frames > at

    with monkeypatch.context() as patched:
        patched.setattr(loop_module, "_SNAPSHOT_US", 0)  # after every frame
        loop = Loop(s, _made(tmp_path / "cut"), batch=False, **between_frames(stop))
        assert loop.run().outcome == "aborted"
    snapshot = resume.read_snapshot(tmp_path / "cut")
    assert snapshot is not None and snapshot.frame == at, "it goes on from there, not anew"
    again = Loop(s, tmp_path / "cut", resume_run=True).run()
    assert again.run_digest == want and again.outcome == "pass"


def _made(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.parametrize("skip", [False, True])
def test_the_flight_goes_on_to_the_end_of_the_run(tmp_path: Path, skip: bool) -> None:
    """Also through the quiet frames at its end, in which boards are told nothing: the battery falls
    until the last of them."""
    s = scenario({"orbit": {**ISS, "mean_anomaly_deg": 100.0}, "skip_quiet": skip}, duration="30m")
    result = run(s, tmp_path)
    assert result.plant is not None
    craft = survey(s, every_s=60.0).figures.spacecraft
    assert craft is not None
    assert result.plant["min_soc"] == craft.min_soc < 0.9
    ((last_us, soc),) = rows(tmp_path, "SELECT t_us, soc FROM plant ORDER BY t_us DESC LIMIT 1")
    assert last_us == 1_800_000_000 and soc == pytest.approx(result.plant["min_soc"], abs=1e-4)


@pytest.mark.slow
def test_the_orbit_stands_in_the_record_an_hour_ahead(tmp_path: Path) -> None:
    run(
        scenario(
            {
                "orbit": ISS,
                "stations": [{"name": "kourou", "latitude_deg": 5.25, "longitude_deg": -52.8}],
            },
            duration="2h",
        ),
        tmp_path,
    )
    found = rows(tmp_path, "SELECT t_us, latitude_deg, illumination FROM orbit ORDER BY t_us")
    assert found[0][0] == 0 and found[-1][0] >= 7200_000_000 - 30_000_000
    assert all(-52.5 <= latitude <= 52.5 for _, latitude, _ in found)
    assert {0.0, 1.0} <= {light for _, _, light in found}
    temps = json.loads(rows(tmp_path, "SELECT temperatures_c FROM plant")[-1][0])
    assert {"structure", "a.junction", "battery"} <= set(temps)


def test_scenarios_of_the_orbit_name_boards_beside_them(tmp_path: Path) -> None:
    board = Path(__file__).parents[2] / "boards" / "raspberry-pi-3b.yaml"
    (tmp_path / "raspberry-pi-3b.yaml").write_text(board.read_text())
    (tmp_path / "p.csv").write_text("t_s,bus_w\n0,30\n100,30\n")
    file = tmp_path / "s.yaml"
    file.write_text(
        "workload: infer\nframes: 100\nframe_ms: 1000\n"
        "rig: {board: inproc, profile: ./raspberry-pi-3b.yaml}\nplant: {profile: p.csv}\n"
    )
    result = run(load_scenario(file), tmp_path / "out")
    assert result.outcome == "pass" and result.plant is not None


@pytest.mark.slow
def test_boards_without_switchable_power_are_limited_by_clock_and_mode(tmp_path: Path) -> None:
    """Agents on ports, as on a bench: they refuse what they may not turn, and pause instead."""
    with agents(3) as boards:
        nodes = [{"name": n, "port": port} for n, (_, port) in zip("abc", boards, strict=True)]
        rig = {"board": "serial", "profile": "jetson-orin-nano", "nodes": nodes}
        result = run(scenario(SHORT, rig=rig, frame_ms=2000.0), tmp_path)
    assert result.availability == 1 and result.metrics["voting.1"] > 10
    told = [
        (n, c, json.loads(a), json.loads(d))
        for n, c, a, d in rows(
            tmp_path, "SELECT node, cause, asked, applied FROM limits ORDER BY id"
        )
    ]
    node, cause, asked, done = told[0]
    assert (node, cause) == ("c", "capped") and asked["mode"] == "7W"
    assert {"clock", "mode"} & set(done["instead of"])
    assert done["duty_permille"] < 1000  # by pauses, and said so
    off = next(d for n, c, a, d in told if n == "c" and c.endswith(", off"))
    assert off["power"].startswith("not ours") and off["suspend"] is True
    shed = [n for n, _, asked, _ in told if asked.get("suspend")]
    assert result.metrics["plant.sheds"] == len(shed) <= 2 * len(set(shed)), "not in every step"
    last = [d for n, _, _, d in told if n == "c"][-1]
    assert last["suspend"] is False and last["duty_permille"] == 1000


def test_the_cause_of_a_brown_out_names_the_charge_of_the_battery() -> None:
    moment = SimpleNamespace(soc=0.123, stage=255)
    coupling: Any = SimpleNamespace(flight=SimpleNamespace(moment=moment))
    at: Any = SimpleNamespace(level="off")
    text = PlantCoupling._why(coupling, at)
    assert text == "brown-out: the bus broke down at 12 % charge"


def test_a_board_whose_storage_is_lost_starts_only_after_a_power_cycle(tmp_path: Path) -> None:
    """The i.MX 8M Plus: nine of ten interrupts take its eMMC away. A new worker and a reset fail
    then; a hang of another cause is over with a new worker."""
    s = scenario(
        {"orbit": STORM["orbit"], "skip_quiet": True},
        duration="12h",
        rig={"board": "inproc", "profile": "imx8m-plus"},
        upsets={"accel": 5000.0, "orbit": {"sefis": {"hang": 1.0}}},
        recovery={"window_frames": 4, "restarts": 1, "resets": 1, "power_cycles": 2},
    )
    result = run(s, tmp_path)
    assert result.metrics["unexplained"] == 0 and result.metrics["isolated"] == 0
    hits = rows(tmp_path, "SELECT frame, node, source FROM upsets WHERE outcome='recovered'")
    lost = {(frame, node) for frame, node, source in hits if source == "orbit storage"}
    other = {(frame, node) for frame, node, source in hits if source == "orbit sefi"}
    assert len(lost) >= 3 and other
    repairs = rows(tmp_path, "SELECT frame, node, action, ok, detail FROM repairs ORDER BY id")
    for frame, node in lost | other:
        after = [r for r in repairs if r[1] == node and r[0] >= frame]
        done = next(r for r in after if r[3])
        assert (done[2] == "power_cycle") is ((frame, node) in lost)
        failed = after[: after.index(done)]
        assert all("until its power is cut" in r[4] for r in failed)
        assert bool(failed) is ((frame, node) in lost)
