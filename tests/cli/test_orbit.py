"""`hil orbit`: a flight without boards, as its users see it; and bad plants at their lines."""

from __future__ import annotations

import pytest

from tests.amount import mostly_slow
from tests.command_line import Hil

PLANT = """workload: infer
frames: 600
frame_ms: 1000
rig: {board: inproc}
plant:
  orbit: {epoch_utc: 2026-03-20T00:00:00Z, altitude_km: 420.0, inclination_deg: 51.64}
"""


def test_a_flight_is_told_in_figures(hil: Hil) -> None:
    done = hil("orbit", "leo-iss-day", "--every", "60")
    assert done.code == 0 and not done.err
    for words in ("51.64°", "16 eclipses", "raspberry-pi-4b", "ACCELERATED 20x", "battery never"):
        assert words in done.out
    assert max(map(len, done.out.splitlines())) <= 100


def test_its_json_has_the_figures(hil: Hil) -> None:
    figures = hil("orbit", "leo-iss-day", "--every", "60", "--json").json
    assert figures["eclipses"] == 16 and figures["energy_residual"] < 1e-6
    assert figures["accel"] == 20 and figures["upsets_per_day"]["a"]["mbu"] > 1


def test_a_year_that_is_scaled_up_from_a_few_passes_says_so(hil: Hil) -> None:
    (hil.cwd / "s.yaml").write_text(PLANT)
    words = "scaled up from 0.167 hours of flight"
    assert words in hil("orbit", "s.yaml").out
    assert hil("orbit", "s.yaml", "--json").json["dose"]["duration_d"] == pytest.approx(600 / 86400)
    assert "scaled up" not in hil("orbit", "leo-iss-day", "--every", "60").out


def test_what_it_writes_can_be_flown(hil: Hil) -> None:
    (hil.cwd / "s.yaml").write_text(PLANT)
    assert hil("orbit", "s.yaml", "-o", "p.csv").code == 0
    head = (hil.cwd / "p.csv").read_text().splitlines()[0].split(",")
    assert head[0] == "t_s" and {"illumination", "soc", "level.a", "temperature_c.a.junction"} <= {
        *head
    }
    (hil.cwd / "again.yaml").write_text(PLANT + "  profile: p.csv\n")
    done = hil("run", "again.yaml", "--json", "--out", "again")
    assert done.code == 0 and done.json["plant"]["energy_residual"] < 1e-6


def test_a_picture_needs_its_extra_or_is_drawn(hil: Hil) -> None:
    done = hil("orbit", "latch-up", "--every", "10", "--plot", "p.svg")
    if done.code == 3:
        assert "pip install" in done.err and "matplotlib" in done.err
    else:
        assert done.code == 0 and "<svg" in (hil.cwd / "p.svg").read_text()[:2000]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("quickstart",), "has no plant"),
        (("leo-iss-day", "--every", "0.3"), "do not fit"),
        (("leo-iss-day", "--every", "nan"), "do not fit"),
        (("leo-iss-day", "--every", "1e9"), "longer apart than the flight"),
        (("leo-iss-day", "-o", "p.txt"), "neither .csv nor .npz"),
        (("leo-iss-day", "--plot", "p.txt"), "is not a kind of picture"),
        (("leo-iss-day", "--accel", "1e300"), "up to 1000000000000"),
        (("leo-iss-day", "--duration", "1e9d"), "duration"),
        (("nowhere",), "no scenario `nowhere`"),
    ],
)
def test_what_cannot_be_flown_is_refused(hil: Hil, arguments: tuple[str, ...], words: str) -> None:
    done = hil("orbit", *arguments)
    assert done.code == 2 and words in done.err and "Traceback" not in done.err


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    mostly_slow(
        [
            ("altitude_km: 420.0", "altitude_km: -20.0", 6, "below ground"),
            ("inclination_deg: 51.64", "inclination_deg: 181.0", 6, "0..180"),
            ("board: inproc", "board: inproc, profile: rasberry-pi-5", 4, "did you mean"),
            ("51.64}", "51.64}\n  step_s: 61.0", 7, "from 0.01 up to 60"),
            ("51.64}", "51.64}\n  profile: none.csv", 7, "no file"),
        ],
        keep=2,
    ),
)
def test_a_bad_plant_is_reported_at_its_line_before_anything_runs(
    hil: Hil, old: str, new: str, line: int, words: str
) -> None:
    (hil.cwd / "bad.yaml").write_text(PLANT.replace(old, new))
    for command in (("run", "bad.yaml", "--out", "o"), ("check", "bad.yaml")):
        done = hil(*command)
        assert done.code == 2 and "Traceback" not in done.err, done
        assert f"bad.yaml:{line}:" in done.err + done.out and words in done.err + done.out
    assert sorted(p.name for p in (hil.cwd / "o").iterdir()) == ["junit.xml", "manifest.json"]
