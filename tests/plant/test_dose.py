"""Dose and the belts behind it: against IRBEM's own numbers, SHIELDOSE-2, and published doses."""

from __future__ import annotations

import io
from datetime import datetime, timezone
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from hil.plant.elements import SUN_SYNCHRONOUS, Elements
from hil.plant.orbit import Orbit, Track
from hil.plant.radiation import bake_belts, bake_dose, belt_table, solpro
from hil.plant.radiation.belt_table import Places
from hil.plant.radiation.dose import DoseSums, differential
from hil.plant.radiation.dose_kernels import (
    DEPTHS_MM,
    ELECTRON_MEV,
    PROTON_MEV,
    kernels,
    sphere_dose,
)
from hil.plant.radiation.environment import RadiationEnvironment
from hil.plant.radiation.stopping import SILICON, proton_stopping
from hil.plant.survey import fly
from hil.plant.survey_figures import DoseFigures
from hil.scenario import Scenario
from hil.scenario.plant.radiation import SolarPhase

Floats = npt.NDArray[np.float64]
MIN, MAX = SolarPhase.MIN, SolarPhase.MAX


def flight(altitude_km: float, inclination: float | None, days: float = 5.0) -> Track:
    """Places a minute apart; inclination None is dawn-dusk sun-synchronous."""
    elements = Elements(
        datetime(2026, 3, 20, tzinfo=timezone.utc),
        SUN_SYNCHRONOUS if inclination is None else inclination,
        altitude_km=altitude_km,
        eccentricity=1e-4,
        ascending_node_local_time_h=18.0 if inclination is None else None,
    )
    return Orbit.from_elements(elements).propagate(np.arange(0.0, days * 86400.0, 60.0))


def rad_a_year(track: Track, phase: SolarPhase, wall_mm: float, years: float = 5.0) -> float:
    sums = DoseSums(RadiationEnvironment(phase=phase, saa_drift_deg=0.0))
    sums.add(track.latitude_deg, track.longitude_deg, track.altitude_km)
    return 1000.0 * sum(sums.rates(years).behind(wall_mm).values())


@pytest.fixture(scope="module")
def sso650() -> Track:
    return flight(650.0, None)


@pytest.fixture(scope="module")
def sso800() -> Track:
    return flight(800.0, None)


# --- published doses ------------------------------------------------------------------------------


def test_their_150_rad_a_year_behind_10_mm(sso650: Track) -> None:
    """Google's estimate for 650 km dawn-dusk. The belt alone: 144 at solar maximum, 191 at minimum;
    their mean is 12 % above."""
    sums = {}
    for phase in SolarPhase:
        belt = DoseSums(RadiationEnvironment(phase=phase, saa_drift_deg=0.0))
        belt.add(sso650.latitude_deg, sso650.longitude_deg, sso650.altitude_km)
        behind = belt.rates(5.0).behind(10.0)
        sums[phase] = 1000.0 * (sum(behind.values()) - behind["solar protons"])
    assert sums[MAX] == pytest.approx(150.0, rel=0.2)
    assert (sums[MAX] + sums[MIN]) / 2.0 == pytest.approx(150.0, rel=0.2)
    assert sums[MIN] == pytest.approx(191.0, rel=0.03)


@pytest.mark.parametrize(("wall_mm", "rad"), [(2.5, 3520.0), (10.0, 512.0), (20.0, 354.0)])
def test_doses_at_800_km_for_five_years(sso800: Track, wall_mm: float, rad: float) -> None:
    """Sinclair and Dyer, SSC13-IV-3: centre of an aluminium sphere, 800 km dawn-dusk, 5 years, with
    SPENVIS; their solar protons were of another model."""
    assert rad_a_year(sso800, MAX, wall_mm) == pytest.approx(rad, rel=0.2)


def test_shields_1_measured_at_500_km() -> None:
    """Thomsen 2022: 73.6 rad a year behind 3.0 g/cm2 at 500 km, 85 degrees, near solar minimum."""
    assert rad_a_year(flight(500.0, 85.0), MIN, 11.1) == pytest.approx(73.6, rel=0.2)


def test_thicker_walls_and_lower_orbits_have_less(sso650: Track, sso800: Track) -> None:
    doses = [rad_a_year(sso800, MIN, mm) for mm in (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 50.0)]
    assert doses == sorted(doses, reverse=True)
    assert rad_a_year(sso650, MIN, 2.5) < doses[3]


# --- other protons, and years between the phases ----------------------------------------------


def flown_dose(**radiation: object) -> DoseFigures:
    """The dose of six hours over the anomaly, with a board that has a limit of 30 (10 to 50)
    krad."""
    scenario = Scenario.model_validate(
        {
            "workload": "infer",
            "duration": "6h",
            "frame_ms": 60_000.0,
            "rig": {"board": "inproc", "profile": "raspberry-pi-4b"},
            "plant": {
                "orbit": {
                    "epoch_utc": "2026-03-20T00:00:00Z",
                    "altitude_km": 700.0,
                    "inclination_deg": "sun-synchronous",
                    "ltan": 6.0,
                },
                "radiation": radiation,
                "step_s": 10.0,
            },
        }
    )
    dose = fly(scenario, 60.0).figures.dose
    assert dose is not None
    return dose


def test_protons_of_a_file_give_the_dose_of_their_fluxes(tmp_path: Path) -> None:
    """The fluxes of AP8, written as a file, give AP8's dose; none give none. The electrons stay."""
    own = flown_dose()
    track = flight(700.0, None, days=0.25)
    scenario_track = Orbit.from_elements(
        Elements(
            datetime(2026, 3, 20, tzinfo=timezone.utc),
            SUN_SYNCHRONOUS,
            altitude_km=700.0,
            ascending_node_local_time_h=6.0,
        )
    ).propagate(track.t_s)
    places = Places.geodetic(
        scenario_track.latitude_deg, scenario_track.longitude_deg, scenario_track.altitude_km
    ).turned(18.0)
    shell, ratio = belt_table.field(MIN).coordinates(places)
    belt = belt_table.belt("proton", MIN)
    inside = belt.inside(shell, ratio)
    above = np.zeros((len(shell), len(belt.energies_mev)))
    above[inside] = belt.flux_above(shell[inside], ratio[inside])
    head = "t_s," + ",".join(f">{e:g}" for e in belt.energies_mev)
    body = "\n".join(
        f"{t:.0f}," + ",".join(f"{x:.6e}" for x in row)
        for t, row in zip(track.t_s, above, strict=True)
    )
    (tmp_path / "ap8.csv").write_text(f"{head}\n{body}\n")
    (tmp_path / "none.csv").write_text("t_s,>10,>100\n0,0,0\n")
    again = flown_dose(flux_file=str(tmp_path / "ap8.csv"))
    none = flown_dose(flux_file=str(tmp_path / "none.csv"))
    assert again.by_source["trapped protons"] == pytest.approx(
        own.by_source["trapped protons"], rel=0.01
    )
    assert none.by_source["trapped protons"] == 0.0
    for dose in (again, none):
        assert dose.by_source["trapped electrons"] == own.by_source["trapped electrons"]
    assert again.protons_of is not None and own.protons_of is None


def test_dose_between_the_phases_is_their_mean() -> None:
    quiet, active = flown_dose(solar_phase="min"), flown_dose(solar_phase="max")
    assert flown_dose(solar_activity=0.0) == quiet
    assert flown_dose(solar_activity=1.0) == active
    half = flown_dose(solar_activity=0.5)
    for source in ("trapped protons", "solar protons"):
        mean = (quiet.by_source[source] + active.by_source[source]) / 2.0
        assert half.by_source[source] == pytest.approx(mean, rel=0.01), source
    assert half.solar_confidence_percent == 90 and quiet.solar_confidence_percent is None


def test_solar_events_count_towards_the_limit_and_its_range_is_told() -> None:
    """Behind a thin wall an event of once in 10,000 years alone is more than 30 krad."""
    quiet = flown_dose()
    storm = flown_dose(
        shielding_mm_al=0.2,
        events=[{"onset": "-1h", "return_years": 10000, "strength": 4.0, "storm_factor": 0.1}],
    )
    limit, struck = quiet.limits[0], storm.limits[0]
    assert limit.years == pytest.approx(30.0 / quiet.krad_per_year)
    assert limit.soonest_years == pytest.approx(10.0 / quiet.krad_per_year)
    assert limit.latest_years == pytest.approx(50.0 / quiet.krad_per_year)
    assert not limit.within_flight
    assert storm.events_krad > 30.0 > storm.krad_per_year * 6.0 / 8766.0
    assert struck.within_flight and struck.years == 0.0


# --- the belts ------------------------------------------------------------------------------------


def test_the_tables_are_shipped_and_small() -> None:
    for name, limit in (("belts.npz", 600_000), ("dose.npz", 60_000)):
        data = resources.files("hil.plant.radiation").joinpath(name).read_bytes()
        assert len(data) < limit
        with np.load(io.BytesIO(data)) as npz:
            assert int(npz["format"]) == 1


@pytest.mark.parametrize(("phase", "expected"), [(MIN, 915.62), (MAX, 846.73)])
def test_r1_a_point_of_the_anomaly(phase: SolarPhase, expected: float) -> None:
    """45 W, 30 S, 500 km geodetic, above 20 MeV: by IRBEM."""
    place = Places.geodetic(np.array([-30.0]), np.array([-45.0]), np.array([500.0]))
    shell, ratio = belt_table.field(phase).coordinates(place)
    known = {MIN: (1.2702, 1.3259), MAX: (1.2827, 1.3558)}[phase]
    assert (shell[0], ratio[0]) == pytest.approx(known, rel=0.004)
    above = belt_table.belt("proton", phase).flux_above(shell, ratio)[0]
    assert above[belt_table.PROTON_ENERGIES_MEV.index(20.0)] == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("shape", [(4, 5, 2), (3, 4, 5, 2), (1, 1)])
def test_differences_come_back(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    values = rng.integers(0, 2**16, size=shape, dtype=np.uint16)
    assert np.array_equal(belt_table.undo(belt_table.differences(values)), values)


def test_there_are_no_particles_beyond_the_belts() -> None:
    far = Places.geodetic(np.array([0.0, 90.0]), np.zeros(2), np.array([70_000.0, 640.0]))
    shell, ratio = belt_table.field(MAX).coordinates(far)
    assert len(belt_table.belt("proton", MAX).inside(shell, ratio)) == 0


@pytest.mark.parametrize(
    ("altitude_km", "inclination"),
    [
        (420.0, 51.6),
        pytest.param(600.0, 45.0, marks=pytest.mark.slow),
        pytest.param(800.0, None, marks=pytest.mark.slow),
        (19000.0, 56.0),
    ],
)
@pytest.mark.parametrize(("particle", "phase"), list(bake_belts.FLUXES))
def test_peaks_and_means_along_orbits_are_those_of_irbem(
    particle: str, phase: SolarPhase, altitude_km: float, inclination: float | None
) -> None:
    pytest.importorskip("aep8")
    track = flight(altitude_km, inclination, days=1.0)
    places = Places.geodetic(track.latitude_deg, track.longitude_deg, track.altitude_km)
    shell, ratio = bake_belts.coordinates(phase, places.earth_fixed())
    found_shell, found_ratio = belt_table.field(phase).coordinates(places)
    belt = belt_table.belt(particle, phase)
    inside = belt.inside(found_shell, found_ratio)
    table = belt.flux_above(found_shell[inside], found_ratio[inside])
    for column, energy in enumerate(belt.energies_mev):
        direct = bake_belts.flux(particle, phase, energy, shell, ratio)
        if direct.max() < 10.0 or energy in (5.0, 6.0) or (particle == "proton" and energy < 4.0):
            continue
        assert table[:, column].max(initial=0.0) == pytest.approx(direct.max(), rel=0.05)
        assert table[:, column].sum() == pytest.approx(direct.sum(), rel=0.05)


# --- the kernels ----------------------------------------------------------------------------------


def test_thin_walls_give_the_stopping_power() -> None:
    """1 rad is 7.9e6 protons/cm2 of 67 MeV: what a thin layer takes from a beam."""
    spectrum = np.exp(-(np.log(PROTON_MEV / 67.0) ** 2) / (2.0 * 0.05**2))
    fluence = np.sum(spectrum * np.gradient(PROTON_MEV))
    dose = sphere_dose(spectrum @ kernels().proton)[np.searchsorted(DEPTHS_MM, 0.1)] / fluence
    assert 1.0 / dose == pytest.approx(7.9e6, rel=0.04)
    stopping = proton_stopping(np.array([67.0]), SILICON)[0] * 1.602e-8
    assert dose == pytest.approx(stopping, rel=0.04)


def test_protons_that_the_wall_stops_give_nothing() -> None:
    beam = np.where(np.abs(PROTON_MEV - 30.0) < 3.0, 1.0, 0.0)
    dose = beam @ kernels().proton
    assert dose[DEPTHS_MM < 3.0].min() > 0.0
    assert dose[DEPTHS_MM > 6.0].max() < 1e-20 * dose.max()


def test_a_spectrum_has_the_dose_of_shieldose_2() -> None:
    pytest.importorskip("spacepy")
    protons = 1e6 * np.exp(-PROTON_MEV / 40.0) / 40.0
    electrons = 1e9 * np.exp(-ELECTRON_MEV / 0.5)
    direct = bake_dose.half_space_doses(protons, electrons)
    k = kernels()
    assert protons @ k.proton == pytest.approx(direct["proton"], rel=1e-5)
    assert electrons @ k.bremsstrahlung == pytest.approx(direct["bremsstrahlung"], rel=1e-5)


@pytest.mark.parametrize("e_fold", [5.0, 40.0, 150.0])
def test_the_differential_spectrum_keeps_the_particles(e_fold: float) -> None:
    nodes = np.array([10.0, 20.0, 50.0, 100.0, 300.0])
    grid = np.logspace(0.0, 3.0, 151)
    spectrum = differential(nodes, 1e6 * np.exp(-nodes / e_fold), grid)
    edges = np.sqrt(grid[1:] * grid[:-1])
    count = np.sum(spectrum[1:-1] * np.diff(edges))
    expected = 1e6 * (np.exp(-edges[0] / e_fold) - np.exp(-edges[-1] / e_fold))
    assert count == pytest.approx(expected, rel=1e-6)
    assert np.all(differential(nodes, np.zeros(5), grid) == 0.0)


# --- solar protons --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("years", "confidence", "events"),
    [(0.1, 90, 1), (1.0, 90, 1), (1.0, 95, 1), (3.0, 90, 2), (5.0, 90, 4), (7.0, 90, 6)],
)
def test_events_of_a_mission_are_those_of_solpro(
    years: float, confidence: int, events: int
) -> None:
    """The polynomials of its Fortran, evaluated by hand; 7 years are 72 and 12 months."""
    assert solpro.event_count(years, confidence) == events
    assert solpro.fluence_above(np.array([30.0]), years, confidence)[0] == events * 7.9e9


def test_the_field_keeps_solar_protons_from_low_orbits(sso650: Track) -> None:
    low = flight(420.0, 28.5)
    doses = {}
    for name, track in (("low", low), ("polar", sso650)):
        sums = DoseSums(RadiationEnvironment(phase=MAX))
        sums.add(track.latitude_deg, track.longitude_deg, track.altitude_km)
        doses[name] = sums.rates(1.0).behind(2.54)["solar protons"]
    assert doses["low"] < 1e-3 * doses["polar"]
    quiet = DoseSums(RadiationEnvironment(phase=MIN))
    quiet.add(sso650.latitude_deg, sso650.longitude_deg, sso650.altitude_km)
    assert quiet.rates(1.0).behind(2.54)["solar protons"] == 0.0
