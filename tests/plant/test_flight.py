"""The flight of a scenario: sky, spacecraft and boards together, profiles, and what is refused.

Verification case R6 (the closure of Google's TPU test) is here, because it needs the whole chain.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from hil._kernel import lib
from hil.board_types.catalogue import list_board_profiles, load_board_profile
from hil.board_types.channels import Effect
from hil.errors import ConfigError
from hil.plant.attitude import Faces, earth_views
from hil.plant.build import BuiltPlant, build_plant
from hil.plant.earth import EARTH_RADIUS_KM
from hil.plant.footprint import Footprint
from hil.plant.moment import Draw
from hil.plant.profile import Profile, read_profile, write_profile
from hil.plant.radiation.crosssection import KINDS
from hil.plant.sections import board_sections
from hil.plant.strikes import COUNTED
from hil.plant.survey import survey
from hil.plant.thermal import earth_view_factor
from hil.scenario import Scenario
from hil.scenario.plant import battery, power, thermal
from hil.scenario.plant.thermal import Pointing

ISS = {"epoch_utc": "2026-03-20T00:00:00Z", "altitude_km": 420.0, "inclination_deg": 51.64}


def scenario(plant: dict[str, Any] | None = None, **more: Any) -> Scenario:
    base = {
        "workload": "infer",
        "frame_ms": 1000.0,
        "duration": "2h",
        "rig": {"board": "inproc", "profile": "raspberry-pi-4b"},
        "plant": {"orbit": ISS, "radiation": {"data": "stand-in"}, **(plant or {})},
    }
    return Scenario.model_validate({**base, **more})


def built(plant: dict[str, Any] | None = None, **more: Any) -> BuiltPlant:
    return build_plant(scenario(plant, **more))


# --- geometry -----------------------------------------------------------------------------------


def test_view_factors_of_many_places_are_those_of_one() -> None:
    altitudes = np.array([300.0, 420.0, 650.0, 1400.0])
    for cosine in (-1.0, -0.9, -0.3, 0.0, 0.2, 0.35, 0.7, 0.95, 1.0):
        many = earth_views(EARTH_RADIUS_KM + altitudes, np.full(4, cosine))
        one = [earth_view_factor(a, cosine) for a in altitudes]
        assert many == pytest.approx(one, abs=1e-12)


def test_faces_look_where_they_say() -> None:
    track = built().sky.block_of(0).track
    assert track is not None
    faces = Faces(track)
    assert faces.sun_cos(Pointing.SUN) == pytest.approx(np.ones(len(track)))
    assert faces.sun_cos(Pointing.SHADE) == pytest.approx(np.zeros(len(track)))
    up = track.r_teme_km / np.linalg.norm(track.r_teme_km, axis=1)[:, None]
    zenith = np.einsum("ij,ij->i", up, track.sun_teme)
    assert faces.sun_cos(Pointing.ZENITH) == pytest.approx(zenith, abs=1e-12)
    assert faces.sun_cos(Pointing.NADIR) == pytest.approx(-zenith, abs=1e-12)
    north = np.cross(track.r_teme_km, track.v_teme_kmps)
    north /= np.linalg.norm(north, axis=1)[:, None]
    beta = np.degrees(np.arcsin(faces.sun_cos(Pointing.NORTH)))
    assert beta == pytest.approx(track.beta_deg, abs=1e-9)
    ram = np.cross(north, up)
    assert faces.sun_cos(Pointing.RAM) == pytest.approx(
        np.einsum("ij,ij->i", ram, track.sun_teme), abs=1e-12
    )
    r = np.linalg.norm(track.r_teme_km, axis=1)
    assert faces.earth_view(Pointing.NADIR) == pytest.approx((EARTH_RADIUS_KM / r) ** 2)
    assert not np.any(faces.earth_view(Pointing.ZENITH))


@pytest.mark.parametrize("pointing", list(Pointing))
def test_opposites_cancel(pointing: Pointing) -> None:
    track = built().sky.block_of(0).track
    assert track is not None
    faces = Faces(track)
    assert pointing.opposite.opposite is pointing
    assert faces.sun_cos(pointing) == pytest.approx(-faces.sun_cos(pointing.opposite))


# --- limits that the scenario layer repeats because it may not import the kernel ----------------


def test_the_scenario_knows_what_the_kernel_has_room_for() -> None:
    assert (thermal.MAX_NODES, thermal.MAX_LINKS) == (lib.THERMAL_MAX_NODES, lib.THERMAL_MAX_LINKS)
    assert battery.MAX_TABLE == lib.POWER_MAX_TABLE
    assert (power.MAX_ARRAYS, power.MAX_LOADS) == (lib.POWER_MAX_ARRAYS, lib.POWER_MAX_LOADS)
    assert (power.MAX_LEVELS, power.MAX_THROTTLE) == (lib.POWER_MAX_LEVELS, lib.POWER_MAX_THROTTLE)


# --- the flight ---------------------------------------------------------------------------------


def states(plant: BuiltPlant, seconds: list[int]) -> list[tuple[Any, ...]]:
    out = []
    for second in seconds:
        m = plant.flight.advance(second * 1_000_000)
        out.append((m.soc, m.bus_v, m.stage, tuple(m.temperatures_c.values())))
    return out


def test_blocks_and_single_steps_come_to_the_same() -> None:
    """However far ahead the kernel computes: bit by bit."""
    seconds = [1, 2, 3, 100, 101, 3599, 3600, 3601, 4000]
    one_by_one = states(built(), list(range(1, 4001)))
    assert states(built(), seconds) == [one_by_one[second - 1] for second in seconds]


def test_a_board_that_changes_what_it_does_changes_only_what_comes_after() -> None:
    plain, changed = built(), built()
    before = states(plain, [500, 1000])
    assert states(changed, [500, 1000]) == before
    changed.flight.next_change_us(10**15)  # computes ahead
    changed.flight.set_draw("b", Draw(on=False, activity=0.0))
    changed.flight.set_draw("b", Draw(on=True, activity=1.0))  # and back, at the same moment
    assert states(changed, [1500]) == states(plain, [1500])
    changed.flight.set_draw("b", Draw(on=False))
    assert changed.flight.advance(1_501_000_000).boards["b"].level == "off"
    warm = plain.flight.advance(2_500_000_000).boards["b"].die_c
    cold = changed.flight.advance(2_500_000_000).boards["b"].die_c
    assert warm is not None and cold is not None and cold < warm - 5


def test_energy_closes_over_orbits_also_when_blocks_are_cut() -> None:
    plant = built({"spacecraft": {"sizing": {"array_margin": 0.8}}}, duration="5h")
    for second in range(0, 5 * 3600, 617):
        plant.flight.advance(second * 1_000_000)
        plant.flight.set_draw("a", Draw(activity=(second % 3) / 3))
    totals = plant.flight.finish()
    assert totals.throughput_j > 3 * 3 * 5 * 3600
    assert totals.residual < 1e-6  # P6


def test_over_current_is_drawn_and_heats() -> None:
    plant = built()
    plant.flight.advance(600_000_000)
    before = plant.flight.moment.boards["c"]
    plant.flight.set_draw("c", Draw(factor=2.5))
    after = plant.flight.advance(605_000_000).boards["c"]
    assert before.power_w is not None and after.power_w == pytest.approx(2.5 * before.power_w)
    after = plant.flight.advance(660_000_000).boards["c"]
    assert before.die_c is not None and after.die_c is not None and after.die_c > before.die_c + 10


def test_the_rig_degrades_by_priority_and_comes_back_after_sunrise() -> None:
    plant = built(
        {
            "spacecraft": {
                "sizing": {"array_margin": 1.05, "depth_of_discharge": 0.55, "start_soc": 0.62},
                "bus": {
                    "converter_node": "structure",
                    "shed_from_soc": 0.58,
                    "shed_to_soc": 0.42,
                    "hysteresis_soc": 0.05,
                },
            }
        },
        rig={
            "board": "inproc",
            "profile": "raspberry-pi-4b",
            "nodes": [
                {"name": "a", "priority": 2},
                {"name": "b", "priority": 0},
                {"name": "c", "priority": 1},
            ],
        },
        duration="3h",
    )
    course: list[str] = []
    for second in range(0, 3 * 3600, 10):
        boards = plant.flight.advance(second * 1_000_000).boards
        running = "".join(n for n in "abc" if boards[n].level in ("capped", "full"))
        if not course or course[-1] != running:
            course.append(running)
    assert course == ["abc", "bc", "b", "bc", "abc", "bc", "b", "bc", "abc"]


def test_a_hot_board_is_throttled_and_its_duty_says_so() -> None:
    plant = built(
        {"case": "hot", "spacecraft": {"sizing": {"radiator_margin": 0.5, "start_c": 45.0}}},
        duration="3h",
    )
    seen = set()
    for second in range(0, 3 * 3600, 20):
        b = plant.flight.advance(second * 1_000_000).boards["a"]
        seen.add((b.throttle > 0, b.duty < 1.0))
    assert seen == {(False, False), (True, True)}


def test_what_is_remembered_goes_on_in_the_same_way() -> None:
    plain, resumed = built(), built()
    plain.flight.advance(1_234_000_000)
    resumed.flight.advance(1_234_000_000)
    snapshot = resumed.flight.snapshot()
    fresh = built()
    fresh.flight.restore(snapshot)
    plain.flight._cut()  # both go on from the same block edge
    assert states(fresh, [2000, 5000]) == states(plain, [2000, 5000])


# --- radiation ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_r6_the_tpu_closure() -> None:
    """Google: about 8.8 SDC per chip-year at 650 km dawn-dusk behind some 10 mm of aluminium."""
    rates = []
    for phase in ("min", "max"):
        plant = build_plant(
            scenario(
                {
                    "orbit": {
                        "epoch_utc": "2026-03-20T00:00:00Z",
                        "altitude_km": 650.0,
                        "inclination_deg": "sun-synchronous",
                        "ascending_node_local_time_h": 18.0,
                    },
                    "radiation": {
                        "solar_phase": phase,
                        "shielding_mm_al": 10.0,
                    },
                    "step_s": 10.0,
                },
                duration="3d",
                frame_ms=10_000.0,
                rig={"board": "inproc", "profile": "google-tpu-v6e"},
            )
        )
        blocks = [plant.sky.block_of(step) for step in range(0, plant.sky.steps, 3600)]
        seu = np.concatenate([b.rates["a"][Effect.SEU] for b in blocks])[: plant.sky.steps]
        rates.append(float(seu.mean()) * 365.25 * 86_400.0)
    for a_year in rates:  # at both ends of the solar cycle
        assert 8.8 * 0.7 <= a_year <= 8.8 * 1.3


@pytest.mark.parametrize("name", list_board_profiles())
def test_every_channel_of_a_board_profile_is_zero_at_its_threshold_and_saturates(name: str) -> None:
    profile = load_board_profile(name)
    for data in profile.radiation.data:
        sections = board_sections(profile, data, Footprint({}, ()))
        for channel in data.channels:
            parts = [one for one in sections if one.channel == channel.name]
            bits = 1.0 if channel.bits is None else channel.bits.value
            whole = sum(one.scale.high for one in parts)
            assert whole == pytest.approx(bits * channel.sigma.high), channel.name
            for one in parts:
                curve = one.section.curve
                begin, end = curve(np.array([curve.threshold, 1e9]))
                assert (begin, end) == (0.0, pytest.approx(1.0, rel=1e-6)), channel.name


def test_a_solar_event_may_be_going_on_when_the_run_begins() -> None:
    """On the same track: at its beginning nothing has come yet, six hours later much has."""
    polar = {**ISS, "inclination_deg": 98.0, "altitude_km": 600.0, "mean_anomaly_deg": 90.0}

    def peak(onset: str) -> float:
        events = [{"onset": onset, "strength": 1.0, "rise_h": 3.0, "decay_h": 18.0}]
        plant = built({"orbit": polar, "radiation": {"events": events, "trapped": False}})
        return float(plant.sky.block_of(0).flux_per_cm2_s[:60].max())

    assert peak("2h") < 10.0 < 100.0 * peak("0s") < peak("-6h")
    with pytest.raises(ValidationError, match="not a duration"):
        peak("-soon")


def test_acceleration_multiplies_every_rate_and_no_flux() -> None:
    one, many = built(), built(upsets={"accel": 250.0})
    a, b = one.sky.block_of(0), many.sky.block_of(0)
    assert np.array_equal(a.flux_per_cm2_s, b.flux_per_cm2_s)
    for kind, rate in a.rates["a"].items():
        assert b.rates["a"][kind] == pytest.approx(250.0 * rate)


@pytest.mark.slow
def test_strikes_come_in_order_and_as_often_as_the_rates_say() -> None:
    plant = built(duration="12h", upsets={"accel": 3000.0})
    strikes = [s for _ in range(12) for s in plant.strikes.next_block()]
    assert strikes == sorted(strikes)
    expected = sum(
        float(plant.sky.block_of(b * 3600).rates[n][k].sum())
        for b in range(12)
        for n in "abc"
        for k in KINDS
        if k not in COUNTED
    )
    assert len(strikes) == pytest.approx(expected, abs=5 * expected**0.5)
    again = built(duration="12h", upsets={"accel": 3000.0})
    assert [s for _ in range(12) for s in again.strikes.next_block()] == strikes


# --- profiles -----------------------------------------------------------------------------------

ROWS = "t_s,illumination,bus_w,flux_per_cm2_s,temperature_c.a.junction\n"


def csv(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "p.csv"
    path.write_text(text)
    return path


def course(bus_w: list[float], step: int = 100) -> str:
    lines = [f"{i * step},{i % 2},{w},{i},{20 + i}" for i, w in enumerate(bus_w)]
    return ROWS + "\n".join(lines) + "\n"


def test_a_profile_alone_feeds_the_boards(tmp_path: Path) -> None:
    path = csv(tmp_path, course([30, 30, 12, 12, 0.2, 0.2, 30, 30]))
    s = scenario(duration="700s", plant={"orbit": None, "profile": str(path)})
    plant = build_plant(
        s.model_copy(update={"plant": s.plant.model_copy(update={"orbit": None})})  # type: ignore[union-attr]
    )
    seen = {}
    for second in (0, 150, 250, 450, 699):
        m = plant.flight.advance(second * 1_000_000)
        seen[second] = "".join(m.boards[n].level[0] for n in "abc")
        assert m.boards["a"].die_c == pytest.approx(20 + second / 100)
        assert m.flux_per_cm2_s == pytest.approx(second / 100)
    assert seen[0] == seen[150] == seen[699] == "fff"
    assert seen[250] == "fco", "12 W: one at full speed, one capped, one off"
    assert seen[450] == "ooo"


@pytest.mark.slow
def test_what_is_written_can_be_read_and_says_the_same(tmp_path: Path) -> None:
    found = survey(scenario(duration="30m"), every_s=5.0)
    for name in ("p.csv", "p.npz"):
        write_profile(tmp_path / name, found.columns)
        profile = read_profile(tmp_path / name)
        assert set(profile.names) | {"t_s"} == set(found.columns)
        for column, values in found.columns.items():
            got = profile.at(column, found.columns["t_s"])
            assert got == pytest.approx(values, rel=1e-8, abs=1e-8), column
        again = build_plant(scenario({"profile": str(tmp_path / name)}, duration="30m"))
        m = again.flight.advance(900_000_000)
        row = 900 // 5
        assert m.soc == pytest.approx(found.columns["soc"][row], abs=1e-6)
        assert m.temperatures_c["a.junction"] == pytest.approx(
            found.columns["temperature_c.a.junction"][row], abs=0.05
        )


def test_a_part_of_a_profile_replaces_that_part_only(tmp_path: Path) -> None:
    text = "t_s,flux_per_cm2_s\n" + "\n".join(f"{t},1000" for t in range(0, 7300, 100))
    plant = built({"profile": str(csv(tmp_path, text))})
    plain = built()
    a, b = plant.sky.block_of(0), plain.sky.block_of(0)
    assert np.all(a.flux_per_cm2_s == 1000.0)
    assert np.array_equal(a.illumination, b.illumination)
    assert np.all(a.rates["a"][Effect.SEFI] > b.rates["a"][Effect.SEFI])


BAD_PROFILES = {
    "time runs backwards": ("t_s,soc\n0,1\n20,1\n10,1\n", 4, "time runs backwards"),
    "not a number": ("t_s,soc\n0,1\n10,nan\n20,1\n", 3, "not a finite number"),
    "an empty cell": ("t_s,soc\n0,1\n10,\n20,1\n", 3, "there is no value"),
    "a gap": ("t_s,soc\n0,1\n1,1\n2,1\n3,1\n90,1\n", 6, "a gap from 3 s to 90 s"),
    "an unknown column": ("t_s,state_of_charge\n0,1\n9000,1\n", 1, "no column `state_of_charge`"),
    "no time": ("soc\n1\n1\n", 1, "the column `t_s` is missing"),
    "out of range": ("t_s,illumination\n0,1\n9000,1.5\n", 3, "1.5 is out of range"),
    "a short row": ("t_s,soc\n0,1\n10\n", 3, "1 value for 2 columns"),
    "text": ("t_s,soc\n0,full\n", 2, "`full` is not a number"),
    "one row": ("t_s,soc\n0,1\n", 1, "1 rows"),
    "empty": ("", 1, "it is empty"),
    "twice": ("t_s,soc,soc\n0,1,1\n9000,1,1\n", 1, "listed twice"),
    "semicolons": ("t_s;soc\n0;1\n9000;1\n", 1, "separated by semicolons; expected commas"),
    "tabs": ("t_s\tsoc\n0\t1\n", 1, "separated by tabs"),
    "a comment": ("# mine\nt_s,soc\n0,1\n", 1, "a comment"),
    "below blank lines": ("t_s,soc\n\n\n0,1\n10,nan\n20,1\n", 5, "not a finite number"),
    "a number of Python": ("t_s,soc\n0,1\n1_0,1\n", 3, "`1_0` is not a number"),
    "a level between two": ("t_s,level.a\n0,3\n9000,2.5\n", 3, "2.5 is not a whole number"),
    "some rows lost": ("t_s,soc\n0,1\n1,1\n2,1\n8,1\n9,1\n", 5, "a gap from 2 s to 8 s"),
}


@pytest.mark.parametrize("case", BAD_PROFILES)
def test_a_bad_profile_is_refused_at_its_line(tmp_path: Path, case: str) -> None:
    text, line, words = BAD_PROFILES[case]
    with pytest.raises(ConfigError) as caught:
        built({"profile": str(csv(tmp_path, text))})
    problem = caught.value.problems[0]
    assert problem.line == line and words in problem.message, problem


def test_rows_may_be_closer_where_more_happens(tmp_path: Path) -> None:
    times = [*range(0, 3600, 60), *range(3600, 3900, 10), *range(3900, 9000, 60)]
    text = "t_s,soc\n" + "".join(f"{t},1\n" for t in times)
    assert len(read_profile(csv(tmp_path, text)).t_s) == len(times)


def test_a_profile_that_begins_late_is_not_mended_by_a_shorter_run(tmp_path: Path) -> None:
    text = "t_s,soc\n" + "".join(f"{t},1\n" for t in range(100, 9000, 100))
    with pytest.raises(ConfigError, match="subtract the first one"):
        built({"profile": str(csv(tmp_path, text))})


def test_rates_of_a_profile_are_real_ones_that_accel_multiplies(tmp_path: Path) -> None:
    """Written in a flight at 20 times, flown at 100 times: the same real rates."""
    found = survey(scenario(duration="30m", upsets={"accel": 20.0}), every_s=60.0)
    plain = survey(scenario(duration="30m"), every_s=60.0)
    column = "mbu_per_day.a"
    assert found.columns[column] == pytest.approx(plain.columns[column])
    write_profile(tmp_path / "p.npz", found.columns)
    s = scenario({"profile": str(tmp_path / "p.npz")}, duration="30m", upsets={"accel": 100.0})
    rates = build_plant(s).sky.block_of(0).rates["a"][Effect.MBU][:1800:60] * 86_400.0
    assert rates == pytest.approx(100.0 * plain.columns[column][:30])


def test_a_profile_must_cover_the_run_and_know_its_nodes(tmp_path: Path) -> None:
    path = csv(tmp_path, "t_s,level.d,temperature_c.wing\n0,1,20\n100,1,20\n")
    with pytest.raises(ConfigError) as caught:
        built({"profile": str(path)})
    words = " ".join(p.message for p in caught.value.problems)
    assert "covers 0 s to 100 s" in words and "no `d`" in words and "no `wing`" in words


def test_a_damaged_npz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.npz"
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(ConfigError, match="it is damaged"):
        read_profile(path)
    np.savez(path, t_s=np.arange(3.0), soc=np.ones(2))
    with pytest.raises(ConfigError, match="differ in length"):
        read_profile(path)
    np.savez(path, t_s=np.arange(3.0) + 1j)
    with pytest.raises(ConfigError, match="complex"):
        read_profile(path)
    np.savez(path, t_s=np.array([object()]))
    with pytest.raises(ConfigError):
        read_profile(path)


def test_levels_hold_and_values_are_interpolated() -> None:
    profile = Profile(
        "p",
        {
            "t_s": np.array([0.0, 10.0]),
            "soc": np.array([1.0, 0.0]),
            "level.a": np.array([3.0, 0.0]),
        },
    )
    at = np.array([0.0, 5.0, 9.999, 10.0, 11.0])
    assert profile.at("soc", at) == pytest.approx([1.0, 0.5, 0.0001, 0.0, 0.0])
    assert list(profile.at("level.a", at)) == [3.0, 3.0, 3.0, 0.0, 0.0]


# --- what is refused before a run begins ----------------------------------------------------------

BAD_ORBITS = {
    "below ground": ({**ISS, "altitude_km": -50.0}, "below ground"),
    "an escape": ({**ISS, "eccentricity": 1.2}, "escape"),
    "no such plane": ({**ISS, "inclination_deg": 200.0}, "0..180"),
    "too high for sun-synchronous": (
        {**ISS, "altitude_km": 9000.0, "inclination_deg": "sun-synchronous"},
        "sun-synchronous",
    ),
    "decays": ({**ISS, "altitude_km": 110.0, "bstar": 0.1}, "the orbit ends"),
    "day 366 of a year of 365": (
        {
            "tle": [
                "1 25544U 98067A   07366.51782528 -.00002182  00000-0 -11606-4 0  2929",
                "2 25544  51.6416 247.4627 0006703 130.5360 325.0288 15.72125391563537",
            ]
        },
        "is in no year",
    ),
    "four lines": ({"tle": "a\nb\nc\nd"}, "4 lines; expected the two lines of a TLE"),
    "a damaged TLE": (
        {
            "tle": [
                "1 25544U 98067A   26079.50000000  .00016717  00000-0  10270-3 0  9005",
                "2 25544  51.6400 208.9163 0006317  69.9862  25.2906 15.50000000    10",
            ]
        },
        "checksum",
    ),
}


@pytest.mark.parametrize("case", BAD_ORBITS)
def test_a_bad_orbit_is_refused_before_the_run(case: str) -> None:
    orbit, words = BAD_ORBITS[case]
    with pytest.raises((ConfigError, ValidationError), match=words):
        # Steps so short that the first block of them sees nothing of the orbit.
        built({"orbit": orbit, "step_s": 0.1})


TLE = (
    "1 25544U 98067A   08264.51782528 -.00002182  00000-0 -11606-4 0  2927",
    "2 25544  51.6416 247.4627 0006703 130.5360 325.0288 15.72125391563537",
)  # of Vallado et al., AIAA 2006-6753


@pytest.mark.parametrize(
    "tle", [TLE, ["ISS (ZARYA)", *TLE], "\r\n".join(TLE), "\n".join(["0 ISS", *TLE, ""])]
)
def test_a_tle_may_be_pasted_as_it_comes(tle: Any) -> None:
    orbit = built({"orbit": {"tle": tle}}).sky.orbit
    assert orbit is not None and f"{orbit.epoch_utc:%Y-%m-%d %H:%M}" == "2008-09-20 12:25"


def test_without_the_belt_an_orbit_may_be_as_high_as_it_likes() -> None:
    """At GEO nothing is cut off: 4.9 protons /cm2/s in free space, less the Earth's shadow."""
    geo = built({"orbit": {**ISS, "altitude_km": 35_786.0}, "radiation": {"trapped": False}})
    assert geo.sky.block_of(0).flux_per_cm2_s == pytest.approx(4.85, abs=0.15)


def test_a_stale_epoch_is_refused_and_an_old_one_noted() -> None:
    with pytest.raises(ConfigError, match="days before the run's start"):
        built({"start_utc": "2030-01-01T00:00:00Z"})


@pytest.mark.parametrize("step_s", [20.0, 60.0])
def test_long_steps_agree_with_short_ones_and_close(step_s: float) -> None:
    """A rule-sized radiator of 218 J/K is stable up to 26 s: longer steps are computed in parts."""
    change = {"step_s": step_s}
    coarse = survey(scenario(change, duration="12h", frame_ms=60_000.0), 600.0)
    fine = survey(scenario(duration="12h", frame_ms=60_000.0), 600.0)
    craft, reference = coarse.figures.spacecraft, fine.figures.spacecraft
    assert craft is not None and reference is not None
    assert craft.energy_residual < 1e-6
    assert craft.min_soc == pytest.approx(reference.min_soc, abs=0.01)
    for part in ("radiator", "a.junction"):
        column = f"temperature_c.{part}"
        assert coarse.columns[column] == pytest.approx(fine.columns[column], abs=1.0)


def test_a_step_longer_than_can_be_cut_into_parts_is_refused() -> None:
    tiny = {"nodes": [{"name": "body", "capacity_j_per_k": 1e-5}]}
    with pytest.raises(ConfigError, match="too long for the thermal node"):
        built({"step_s": 60.0, "spacecraft": design(**tiny)}, frame_ms=60_000.0)


def design(**thermal_parts: Any) -> dict[str, Any]:
    heat = {
        "nodes": [{"name": "body", "capacity_j_per_k": 5000.0}],
        "surfaces": [
            {
                "name": "top",
                "node": "body",
                "area_m2": 0.3,
                "emissivity": 0.9,
                "absorptivity": 0.2,
                "pointing": "shade",
            },
            {
                "name": "wing",
                "node": "body",
                "area_m2": 0.2,
                "emissivity": 0.85,
                "absorptivity": 0.92,
                "pointing": "sun",
            },
        ],
    }
    return {
        "design": {
            "thermal": {**heat, **thermal_parts},
            "mount": "body",
            "battery": {"node": "body", "series": 4, "parallel": 2, "cell_ah": 3.0},
            "arrays": [{"name": "wing", "node": "body", "area_m2": 0.2, "pointing": "sun"}],
            "bus": {"converter_node": "body"},
        }
    }


def test_a_design_part_by_part_flies() -> None:
    m = built({"spacecraft": design()}).flight.advance(3600_000_000)
    assert m.soc is not None and 0.5 < m.soc <= 1.0
    assert set(m.temperatures_c) >= {"body", "a.junction", "c.board"}


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (
            {
                "nodes": [
                    {"name": "body", "capacity_j_per_k": 5000.0},
                    {"name": "alone", "capacity_j_per_k": 10.0},
                ]
            },
            "no heat can leave",
        ),
        ({"nodes": [{"name": "body", "capacity_j_per_k": 0.0}]}, "greater than 0"),
        (
            {
                "surfaces": [
                    {
                        "name": "top",
                        "node": "body",
                        "area_m2": 0.3,
                        "emissivity": 0.9,
                        "absorptivity": 0.2,
                    }
                ]
            },
            "does not say where it looks",
        ),
        (
            {
                "surfaces": [
                    {
                        "name": "top",
                        "node": "bdoy",
                        "area_m2": 0.3,
                        "emissivity": 0.9,
                        "absorptivity": 0.2,
                        "pointing": "sun",
                    }
                ]
            },
            "no node `bdoy`",
        ),
    ],
)
def test_a_bad_network_is_refused(parts: dict[str, Any], words: str) -> None:
    with pytest.raises((ValidationError, ConfigError), match=words):
        built({"spacecraft": design(**parts)})


FACE = {"name": "wing", "node": "body", "area_m2": 0.2, "emissivity": 0.85, "absorptivity": 0.92}


@pytest.mark.parametrize(
    ("surfaces", "node", "key", "words"),
    [
        ([{**FACE, "pointing": "nadir"}], "body", "node", "no surface that looks to sun"),
        ([{**FACE, "pointing": "sun", "absorptivity": 0.0}], "body", "node", "no surface that"),
        ([{**FACE, "pointing": "sun", "area_m2": 0.01}], "body", "area_m2", "more light into"),
        ([{**FACE, "pointing": "sun"}], "a.junction", "node", "no surface that looks to sun"),
    ],
)
def test_an_array_takes_no_more_light_than_its_thermal_node_takes_in(
    surfaces: list[dict[str, Any]], node: str, key: str, words: str
) -> None:
    """Its current is taken from the heat of that node, which would cool without bound."""
    wrong = design(surfaces=surfaces)
    wrong["design"]["arrays"][0]["node"] = node
    with pytest.raises(ValidationError) as caught:
        scenario({"spacecraft": wrong})
    (error,) = caught.value.errors()
    assert error["loc"][-4:] == ("design", "arrays", 0, key) and words in error["msg"]


def test_two_arrays_on_one_surface_share_its_light() -> None:
    two = design()
    (wing,) = two["design"]["arrays"]
    two["design"]["arrays"] = [{**wing, "name": name} for name in ("one", "two", "three", "four")]
    with pytest.raises(ValidationError, match="more light into current"):
        scenario({"spacecraft": two})
    two["design"]["arrays"].pop()
    built({"spacecraft": two})


def test_an_array_on_a_node_of_fixed_temperature_needs_no_surface() -> None:
    part = design(
        nodes=[{"name": "body", "capacity_j_per_k": 5000.0}, {"name": "lab", "fixed_c": 20.0}]
    )
    part["design"]["arrays"][0]["node"] = "lab"
    plant = built({"spacecraft": part})
    assert plant.built is not None
    assert len(plant.built.array_pointings) == 1


def test_parts_that_collide_with_the_boards_are_refused() -> None:
    """The names of a board's own parts, which are added to a design."""
    nodes = [{"name": "body", "capacity_j_per_k": 5000.0}, {"name": "a.junction", "fixed_c": 20.0}]
    with pytest.raises(ConfigError, match=r"boards of the rig in it: a node `a\.junction` exists"):
        built({"spacecraft": design(nodes=nodes)})


def test_an_unknown_thermal_node_is_reported_where_it_is_named() -> None:
    wrong = design()
    wrong["design"]["battery"]["node"] = "bdoy"
    with pytest.raises(ValidationError) as caught:
        scenario({"spacecraft": wrong})
    (error,) = caught.value.errors()
    assert error["loc"][-3:] == ("design", "battery", "node") and "no thermal node" in error["msg"]


def test_frames_and_steps_must_fit() -> None:
    with pytest.raises(ValidationError, match="do not fit"):
        scenario(frame_ms=300.0, duration="90s")
