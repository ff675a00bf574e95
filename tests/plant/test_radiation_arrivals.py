"""Event times: the statistics of case R4, and that they repeat."""

from __future__ import annotations

import math
from datetime import datetime, timezone

import numpy as np
import numpy.typing as npt
import pytest

from hil.board_types.channels import Effect, Particle
from hil.plant.elements import Elements
from hil.plant.orbit import Orbit
from hil.plant.radiation.arrivals import Arrivals, quantised
from hil.plant.radiation.crosssection import Plateau, Section
from hil.plant.radiation.environment import RadiationEnvironment
from hil.plant.radiation.rates import section_rate
from hil.random_streams import stream

Floats = npt.NDArray[np.float64]

SECOND_US = 1_000_000


def drawn(rates: Floats, seed: int, step_us: int = SECOND_US) -> list[int]:
    return Arrivals(stream(seed, "orbit seu/0")).advance(rates, step_us=step_us)


def humps(length: int = 1000) -> Floats:
    """Two passes through an anomaly, nothing between them; exact in binary."""
    rates = np.zeros(length)
    rates[100:228] = np.arange(128) / 1024.0
    rates[600:664] = 0.25
    return rates


# --- R4 -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_r4_counts_have_the_mean_and_the_variance_of_the_integral() -> None:
    rates = humps()
    expected = float(rates.sum())
    runs = 600
    counts = np.array([len(drawn(rates, seed)) for seed in range(runs)])
    assert abs(counts.mean() - expected) < 3.0 * math.sqrt(expected / runs)
    spread = expected * math.sqrt(2.0 / runs + 1.0 / (expected * runs))
    assert abs(counts.var(ddof=1) - expected) < 3.0 * spread


def test_r4_events_follow_the_rate_bin_by_bin() -> None:
    rates = humps()
    times = np.array([t for seed in range(300) for t in drawn(rates, seed)])
    counts, _ = np.histogram(times / SECOND_US, bins=np.arange(0, 1009, 16))
    expected = np.add.reduceat(rates, np.arange(0, 1000, 16)) * 300.0
    some = expected > 5.0
    chi2 = float(np.sum((counts[some] - expected[some]) ** 2 / expected[some]))
    degrees = int(np.count_nonzero(some))
    assert degrees > 10
    assert abs(chi2 - degrees) < 3.0 * math.sqrt(2.0 * degrees)
    wrong = expected[some] * 1.15
    assert float(np.sum((counts[some] - wrong) ** 2 / wrong)) - degrees > 3.0 * math.sqrt(
        2.0 * degrees
    )


def test_r4_nothing_happens_where_the_rate_is_zero() -> None:
    rates = humps()
    for seed in range(100):
        assert all(rates[t // SECOND_US] > 0.0 for t in drawn(rates, seed))


def test_r4_with_the_belt_alone_all_upsets_are_in_the_anomaly() -> None:
    elements = Elements(datetime(2026, 3, 20, tzinfo=timezone.utc), 51.64, altitude_km=420.0)
    track = Orbit.from_elements(elements).propagate(np.arange(0.0, 86400.0))
    section = Section(Effect.SEU, Particle.PROTON, Plateau(6.71e-9), "Xavier NX", "S2")
    rates = section_rate(track, RadiationEnvironment(cosmic_rays=False, accel=1e5), section)
    at = np.array(drawn(rates, 3)) // SECOND_US
    expected = float(rates.sum())
    assert abs(len(at) - expected) < 3.0 * math.sqrt(expected)
    assert expected > 400.0
    assert np.all(track.latitude_deg[at] < 15.0)
    assert np.all(rates[at] > 0.0)


def test_within_a_step_every_instant_is_as_likely() -> None:
    within = np.array(drawn(np.full(4000, 1.0), 5)) % SECOND_US
    assert abs(within.mean() / SECOND_US - 0.5) < 3.0 / math.sqrt(12.0 * len(within))
    steps = sorted(abs(np.sort(within) / SECOND_US - np.linspace(0.0, 1.0, len(within))))
    assert steps[-1] < 1.95 / math.sqrt(len(within))  # Kolmogorov and Smirnov, p = 0.001


def test_steps_with_many_events() -> None:
    times = drawn(np.array([2000.0, 0.0, 1000.0]), 1)
    assert times == sorted(times)
    assert abs(len(times) - 3000) < 3.0 * math.sqrt(3000.0)
    assert not any(SECOND_US <= t < 2 * SECOND_US for t in times)


# --- they repeat ----------------------------------------------------------------------------------


def test_these_times_are_pinned() -> None:
    """If this fails, runs no longer repeat those of earlier versions."""
    assert drawn(humps(), 1)[:6] == PINNED


PINNED = [166534123, 169425557, 175468756, 184037018, 207628120, 208139595]


def test_cutting_the_run_into_calls_changes_nothing() -> None:
    rates = humps()
    whole = drawn(rates, 9)
    assert len(whole) > 10
    for cuts in ([500], [1, 2, 3, 150, 151, 640], list(range(1, 1000))):
        arrivals = Arrivals(stream(9, "orbit seu/0"))
        parts = [arrivals.advance(p, step_us=SECOND_US) for p in np.split(rates, cuts)]
        assert [t for part in parts for t in part] == whole


def test_large_expectations_are_cut_and_stay_the_same() -> None:
    rates = np.full(12, 500.0)  # 6000 events: more than is cumulated at once
    whole = drawn(rates, 2)
    arrivals = Arrivals(stream(2, "orbit seu/0"))
    parts = [arrivals.advance(p, step_us=SECOND_US) for p in np.split(rates, 12)]
    assert [t for part in parts for t in part] == whole
    assert abs(len(whole) - 6000) < 3.0 * math.sqrt(6000.0)


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    rates = humps()
    short = drawn(rates[:620], 4)
    assert drawn(rates, 4)[: len(short)] == short


def test_the_last_digits_of_rates_do_not_matter() -> None:
    """What differs between processors: some parts in 10^12 of each rate."""
    rates = humps() * math.pi / 3.0
    noise = np.random.default_rng(1)
    for seed in range(40):
        other = rates * (1.0 + 4e-12 * noise.standard_normal(len(rates)))
        assert drawn(other, seed) == drawn(rates, seed)


def test_rates_keep_twelve_binary_digits() -> None:
    rates = np.array([0.0, 1.0, 1.0 + 2.0**-13, math.pi, 1e-12, 5e-324])
    rounded = quantised(rates)
    assert rounded[:3].tolist() == [0.0, 1.0, 1.0]
    assert rounded[3] == 3217.0 / 1024.0
    assert np.abs(rounded[3:5] / rates[3:5] - 1.0).max() <= 2.0**-12
    assert np.array_equal(quantised(rounded), rounded)


def test_a_start_later_than_zero() -> None:
    late = Arrivals(stream(1, "orbit seu/0"), start_us=5_000)
    assert late.advance(humps(), step_us=SECOND_US) == [t + 5_000 for t in drawn(humps(), 1)]


@pytest.mark.parametrize(
    ("rates", "step_us", "message"),
    [
        (np.array([1.0, -1e-9]), SECOND_US, "negative or not"),
        (np.array([math.nan]), SECOND_US, "negative or not"),
        (np.array([math.inf]), SECOND_US, "negative or not"),
        (np.array([1e4]), SECOND_US, "at most 4000"),
        (np.zeros((2, 2)), SECOND_US, "one-dimensional"),
        (np.zeros(2), 0, "at least 1 us"),
    ],
)
def test_bad_rates(rates: Floats, step_us: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        drawn(rates, 1, step_us)


def test_no_rates_are_no_events() -> None:
    assert drawn(np.zeros(0), 1) == []
    assert drawn(np.zeros(10_000), 1) == []
