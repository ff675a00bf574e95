"""Proton fluxes that are given as files, and the solar cycle by date."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.errors import ConfigError
from hil.plant.radiation.flux_file import read_flux
from hil.plant.radiation.flux_table import FluxTable, integral_of
from hil.plant.radiation.solar_cycle import activity_of_date, activity_of_f10_7, drift_deg
from hil.plant.survey import survey
from hil.scenario import Scenario
from hil.scenario.plant.radiation import SolarPhase

START = datetime(2026, 3, 20, tzinfo=timezone.utc)


def read(tmp_path: Path, text: str, duration_s: float = 600.0, start: Any = START) -> FluxTable:
    path = tmp_path / "flux.txt"
    path.write_text(text)
    return read_flux(path, start, duration_s)


CSV = "# of a model\nt_s,>10,>30 MeV,E>100MeV\n0,100,50,10\n300,200,100,20\n600,300,150,30\n"

SPENVIS = """'*',    20,     1,     9,     0,     3,     3,     4,     2
'SPENVIS 4.6.10.3618          - 01-Jan-2026 00:00:00'
'PRJ_DEF', -1,'TEST'
'MOD_ABB', -1,'TRP'
'MIS_DUR',  1, 3.650000E+02,'days'
'ORB_APO',  1, 5.500000E+02,'km'
'SPECIES', -1,'proton'
'PLT_HDR', -1,'AP-8 MIN'
'Energy','MeV',  1,'Energy'
'IFlux','cm!u-2!n s!u-1!n',  1,'Integral Flux'
'DFlux','cm!u-2!n s!u-1!n MeV!u-1!n',  1,'Differential Flux'
 1.0000E-01, 2.0000E+03, 1.0000E+03
 1.0000E+01, 3.0000E+01, 2.0000E+00
 3.0000E+01, 2.0000E+01, 3.0000E-01
 1.0000E+02, 9.0000E+00, 1.0000E-01
'End of Block'
'*',    20,     1,     9,     0,     3,     3,     2,     1
'SPECIES', -1,'electron'
'PLT_HDR', -1,'AE-8 MAX'
'Energy','MeV',  1,'Energy'
'IFlux','cm!u-2!n s!u-1!n',  1,'Integral Flux'
'DFlux','cm!u-2!n s!u-1!n MeV!u-1!n',  1,'Differential Flux'
 4.0000E-02, 5.0000E+05, 1.0000E+07
 1.0000E-01, 3.0000E+05, 6.0000E+06
'End of File'
"""


def irene(
    form: str, times: list[str], fluxes: str, kind: str = "Integral", model: str = "AP9"
) -> str:
    """After the outputs in the test data of SpacePy."""
    head = (
        f"# Irene Model output file: Run.{model}.output_mean_flux.txt\n"
        f"# Irene Software Version:  1.58.001\n#\n# Model type:               {model}\n"
        f"# Particle species:         {'H+' if model == 'AP9' else 'e-'}\n"
        f"# Flux type:                {kind}\n# Flux direction:           Omnidirectional\n"
        "# Energy levels (MeV):       10 30 100\n#\n"
        f"# Time format:              {form}\n"
        "# Coordinate system:        GEI (Geocentric Equatorial Inertial) Cartesian in km\n"
        "# Data Delimiter:           comma\n#\n# time,posx(km),posy(km),posz(km),flux,flux,flux\n"
    )
    return head + "".join(f"{t},7000.0,0.0,0.0,{fluxes}\n" for t in times)


def test_a_csv_is_read_over_time_and_energy(tmp_path: Path) -> None:
    table = read(tmp_path, CSV)
    assert table.energies_mev.tolist() == [10.0, 30.0, 100.0]
    given = table.at(np.array([0.0, 150.0, 600.0])).above_active(np.array([10.0, 30.0, 1000.0]))
    assert given == pytest.approx(np.array([[100, 50, 10], [150, 75, 15], [300, 150, 30]]))


def test_columns_in_any_order_and_times_of_the_calendar(tmp_path: Path) -> None:
    text = "utc,100,10\n2026-03-20T00:00:00Z,1,5\n2026-03-20T00:10:00Z,2,6\n"
    table = read(tmp_path, text)
    assert table.t_s.tolist() == [0.0, 600.0] and table.above[0].tolist() == [5.0, 1.0]


def test_spenvis_gives_the_mean_spectrum_of_protons(tmp_path: Path) -> None:
    table = read(tmp_path, SPENVIS, 1e9)
    assert table.energies_mev.tolist() == [0.1, 10.0, 30.0, 100.0]
    assert table.at(np.array([0.0, 1e6])).above_active(np.array([30.0])).ravel().tolist() == [
        20,
        20,
    ]


@pytest.mark.parametrize(
    ("form", "times"),
    [
        ("Year, Month, Day, Hour, Minute, Seconds", ["2026,3,20,0,0,0.0", "2026,3,20,0,10,0.0"]),
        ("Modified Julian Date", ["61119.0", "61119.00694444444"]),
        ("Year, Day_of_Year, GMT_Seconds", ["2026,79,0.0", "2026,79,600.0"]),
    ],
)
def test_irene_is_read_in_its_forms_of_time(tmp_path: Path, form: str, times: list[str]) -> None:
    table = read(tmp_path, irene(form, times, "5.0e+01,2.0e+01,4.0e+00"))
    assert table.t_s == pytest.approx([0.0, 600.0], abs=1e-3)
    assert table.above[1].tolist() == [50.0, 20.0, 4.0]


def test_a_differential_flux_is_integrated() -> None:
    """Of E^-3 above E: E^-2/2, less what is beyond the last energy."""
    energies = np.geomspace(1.0, 1000.0, 40)
    above = integral_of(energies, (energies**-3.0)[None, :])[0]
    assert above == pytest.approx(energies**-2.0 / 2 - 1000.0**-2 / 2, rel=1e-9, abs=1e-15)


WRONG = {
    "empty": ("", 1, "it is empty"),
    "no header": ("1,2,3\n", 1, "the first column is `1`"),
    "an energy": ("t_s,high\n0,1\n", 1, "`high` is not an energy"),
    "no energy": ("t_s\n0\n", 1, "it has no energies"),
    "no rows": ("t_s,>10\n", 1, "it has no rows"),
    "a number": ("t_s,>10\n0,1\n600,x\n", 3, "`x` is not a number"),
    "not finite": ("t_s,>10\n0,1\n600,nan\n", 3, "not a finite number"),
    "a short row": ("t_s,>10,>30\n0,1\n", 2, "2 values for 3 columns"),
    "backwards": ("t_s,>10\n0,1\n700,1\n650,1\n", 4, "time runs backwards"),
    "negative": ("t_s,>10\n0,1\n700,-1\n", 3, "a flux is negative"),
    "differential": ("t_s,>10,>30\n0,1,2\n700,1,2\n", 2, "larger than that above a lower one"),
    "twice": ("t_s,>10,>10\n0,1,1\n700,1,1\n", 2, "listed twice"),
    "short": ("t_s,>10\n0,1\n10,1\n", 1, "it covers 0 s to 10 s; the run is 0 to 600 s"),
    "a date": ("utc,>10\n20/3/26,1\n", 2, "not a valid UTC time"),
    "electrons of spenvis": (SPENVIS.replace("proton", "electron"), 1, "no spectrum of protons"),
    "per steradian": (SPENVIS.replace("s!u-1!n'", "s!u-1!n sr!u-1!n'"), 12, "per steradian"),
    "fluence of spenvis": (SPENVIS.replace(" s!u-1!n'", "'"), 12, "fluence of a mission"),
    "square metres": (SPENVIS.replace("'cm!u-2!n s", "'m!u-2!n s"), 12, "unit of the flux is"),
    "keV of spenvis": (SPENVIS.replace("'MeV',  1", "'keV',  1"), 12, "of the energy is `keV`"),
    "damaged spenvis": (SPENVIS.replace("2.0000E+01", "abc"), 14, "`abc` is not a number"),
    "electrons of irene": (irene("Modified Julian Date", ["61119.0"], "1,1,1", model="AE9"), 1,
                           "these are electrons"),
    "fluence": (irene("Modified Julian Date", ["61119.0"], "1,1,1", "Fluence"), 1, "flux type"),
    "a time": (irene("Stardate", ["61119.0"], "1,1,1"), 1, "the time format `Stardate`"),
    "a row of irene": (irene("Modified Julian Date", ["61119.0"], "1"), 15, "a time and 3 fluxes"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_at_its_line(tmp_path: Path, case: str) -> None:
    text, line, words = WRONG[case]
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    (problem,) = caught.value.problems
    assert words in problem.message and problem.line == line, str(problem)


def flown(radiation: dict[str, Any], duration: str = "10m") -> Any:
    scenario = Scenario.model_validate(
        {
            "workload": "infer",
            "duration": duration,
            "frame_ms": 60_000.0,
            "rig": {"board": "inproc", "profile": "raspberry-pi-4b"},
            "plant": {
                "step_s": 10.0,
                "orbit": {
                    "epoch_utc": "2026-03-20T00:00:00Z",
                    "altitude_km": 550.0,
                    "inclination_deg": 51.64,
                },
                "radiation": radiation,
            },
        }
    )
    return survey(scenario)


def test_a_flight_through_given_protons(tmp_path: Path) -> None:
    """Without cosmic rays, the flux behind a wall is that above the energy which just passes it:
    4.366 mm of aluminium stop 30 MeV (NIST PSTAR: 1.180 g/cm2)."""
    (tmp_path / "f.csv").write_text(CSV)
    radiation = {
        "flux_file": str(tmp_path / "f.csv"),
        "cosmic_rays": False,
        "shielding_mm_al": 1.180 / 2.699 * 10.0,
    }
    flux = flown(radiation).columns["flux_per_cm2_s"]
    assert flux[0] == pytest.approx(50.0, rel=1e-3) and flux[60] == pytest.approx(150.0, rel=1e-3)
    assert flux[15] == pytest.approx(75.0, rel=1e-3)


# --- by date --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("year", "month", "activity"),
    [(2008, 12, 0.0), (2014, 4, 1.0), (2019, 12, 0.0), (2024, 10, 1.0), (1996, 8, 0.0),
     (2030, 10, 0.0), (1900, 1, 0.0)],
)  # fmt: skip
def test_the_cycle_turns_at_its_minima_and_maxima(year: int, month: int, activity: float) -> None:
    moment = datetime(year, month, 16, tzinfo=timezone.utc)
    assert activity_of_date(moment) == pytest.approx(activity, abs=2e-3)


def test_the_activity_is_continuous_and_within_its_bounds() -> None:
    days = [activity_of_date(START + timedelta(days=30 * n)) for n in range(-800, 600)]
    assert min(days) >= 0.0 and max(days) <= 1.0
    assert float(np.abs(np.diff(days)).max()) < 0.05


def test_an_index_and_a_drift() -> None:
    assert [activity_of_f10_7(x) for x in (60.0, 70.0, 110.0, 150.0, 250.0)] == [0, 0, 0.5, 1, 1]
    assert drift_deg(datetime(2020, 1, 1, tzinfo=timezone.utc), SolarPhase.MIN) == pytest.approx(18)
    assert drift_deg(datetime(2020, 1, 1, tzinfo=timezone.utc), SolarPhase.MAX) == pytest.approx(15)


def test_between_the_phases_the_flux_lies_between() -> None:
    low, high = (
        flown({"solar_phase": p, "saa_drift_deg": 0.0}, "24h").figures.mean_flux_per_cm2_s
        for p in ("max", "min")
    )
    middle = flown({"solar_activity": 0.25, "saa_drift_deg": 0.0}, "24h").figures
    assert middle.mean_flux_per_cm2_s == pytest.approx(0.75 * high + 0.25 * low)
    by_date = flown({"solar_activity": "by-date", "saa_drift_deg": "by-date"}, "24h").figures
    assert low < by_date.mean_flux_per_cm2_s < high
