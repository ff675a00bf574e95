"""Failures in orbit: of a made-up campaign by hand, and in a flight of constant flux."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from hil.analysis.failure_rates import FailureRates, failure_rates, fit, mttf_days
from hil.analysis.fault_sums import fault_sums
from hil.board_types.catalogue import load_board_profile
from hil.board_types.channels import Effect, Particle
from hil.errors import UsageError
from hil.plant.bit_rates import BitChannel, BitRates, Spread, bit_rates
from hil.plant.survey import survey
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_summary import campaign_summary
from hil.scenario import Overrides, Scenario, load_scenario

from .small_campaigns import small_campaign

LOW, BEST, HIGH = 1e-6, 2e-6, 8e-6  # upsets of a bit per day


def rates_of(
    duty: float, low: float = LOW, high: float = HIGH, *, measured: bool = True
) -> BitRates:
    channel = BitChannel(
        "bits",
        "dram",
        Particle.PROTON,
        Spread(1e-17, 2e-17, 8e-17),
        Spread(low, BEST, high),
        "beam [S]",
        measured=measured,
    )
    return BitRates(
        scenario="flight",
        profile="board",
        duration_s=86400.0,
        frame_s=0.01,
        activity=duty,
        shielding_mm_al=2.54,
        channels=(channel,),
        other_memories=(),
        whole_chip=(),
        notes=(),
    )


def failures(path: Path, rates: BitRates, duty: float | None = None) -> FailureRates:
    with CampaignFile(path) as file:
        return failure_rates(campaign_summary(file), fault_sums(file), rates, duty)


def test_a_step_that_runs_all_the_time(tmp_path: Path) -> None:
    """bits x AVF is 16 x 8/160 = 0.8 for the state, and 8 x 8/80 = 0.8 for the output."""
    result = failures(small_campaign(tmp_path / "s"), rates_of(1.0))
    assert [t.open_silent for t in result.targets] == pytest.approx([0.8, 0.8])
    for target in result.targets:
        assert target.open_silent == pytest.approx(target.bits * target.avf)
        assert target.silent.best == pytest.approx(target.bits * target.avf * BEST)
    assert result.silent.low == pytest.approx(1.6 * LOW)
    assert result.silent.high == pytest.approx(1.6 * HIGH)
    assert result.failures.best == pytest.approx((1.2 + 0.8) * BEST)  # and four crashes


def test_between_steps_only_the_state_waits(tmp_path: Path) -> None:
    """Two bits of the state are silent corruptions if flipped before the step, one is a crash."""
    result = failures(small_campaign(tmp_path / "s"), rates_of(1.0), duty=0.25)
    state, output = result.targets
    assert state.open_silent == pytest.approx(0.25 * 0.8 + 0.75 * 2)
    assert state.open_failures == pytest.approx(0.25 * 1.2 + 0.75 * 3)
    assert output.open_silent == pytest.approx(0.25 * 0.8)
    idle = failures(small_campaign(tmp_path / "i"), rates_of(1.0), duty=0.0)
    assert [t.open_silent for t in idle.targets] == [2, 0]


def test_fit_time_and_work_to_failure(tmp_path: Path) -> None:
    result = failures(small_campaign(tmp_path / "s"), rates_of(1.0))
    per_day = 1.6 * BEST
    assert fit(result.silent.best) == pytest.approx(per_day / 24 * 1e9)
    assert mttf_days(result.silent.best) == pytest.approx(1 / per_day)
    document = result.as_json()
    assert json.dumps(document, allow_nan=False)
    silent = document["sdc"]
    assert isinstance(silent, dict)
    assert silent["steps_to_failure"]["best"] == pytest.approx(100 * 86400 / per_day)
    assert fit(1.0) * 1e-9 * 24 == pytest.approx(1.0)
    assert mttf_days(0.0) == math.inf


def test_a_duty_is_a_share(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a share"):
        failures(small_campaign(tmp_path / "s"), rates_of(1.0), duty=1.5)


# --- the rate of one bit ----------------------------------------------------------------------


FLUX = 10.0  # protons /cm2/s


def flight(tmp_path: Path, profile: str, data: str, flux: float = FLUX) -> Scenario:
    rows = f"t_s,flux_per_cm2_s\n0,{flux}\n7200,{flux}\n"
    (tmp_path / "flux.csv").write_text(rows)
    return Scenario.model_validate(
        {
            "workload": "attitude",
            "duration": "7200s",
            "frame_ms": 1000,
            "rig": {"scheme": "simplex", "profile": profile},
            "plant": {
                "profile": str(tmp_path / "flux.csv"),
                "max_gap_s": 7200,
                "activity": 0.5,
                "radiation": {"data": data},
            },
            "upsets": {"accel": 50},
        }
    )


def test_a_constant_flux_times_a_cross_section(tmp_path: Path) -> None:
    """Of protons 6.8e-18 cm2 a bit, 3.6e-19 to 2.2e-16, whatever the acceleration and the share of
    bits used; 2 % of them flip several bits, which on-die ECC does not correct."""
    scenario = flight(tmp_path, "raspberry-pi-4b", "stand-in")
    rates = bit_rates(scenario)
    assert rates.per_day.best == pytest.approx(0.02 * 6.8e-18 * FLUX * 86400)
    assert rates.per_day.low == pytest.approx(0.02 * 3.6e-19 * FLUX * 86400)
    assert rates.per_day.high == pytest.approx(0.02 * 2.2e-16 * FLUX * 86400)
    sigma = rates.sigma_cm2
    assert (sigma.low, sigma.best, sigma.high) == pytest.approx((3.6e-19, 6.8e-18, 2.2e-16))
    assert (rates.activity, rates.frame_s) == (0.5, 1.0)
    raw = bit_rates(flight(tmp_path, "raspberry-pi-3b", "stand-in"))  # without ECC
    assert raw.per_day.best == pytest.approx(50 * rates.per_day.best)


def test_the_bits_of_a_board_together_are_upset_as_hil_orbit_says() -> None:
    scenario = load_scenario("leo-iss-day", Overrides(duration="3h"))
    rates = bit_rates(scenario)
    board = load_board_profile(rates.profile)
    channel = next(c for c in board.radiation.data_set("stand-in").channels if c.bits is not None)
    assert channel.bits is not None
    figures = survey(scenario, 60.0).figures.boards["a"].rates
    sefis = figures.of(Effect.SEFI)
    whole = figures.silent.plus(figures.of(Effect.CORRECTED)).best
    assert rates.per_day.best * channel.bits.value / 0.02 == pytest.approx(whole, rel=1e-9)
    assert sefis.best > 0.0


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ("google-tpu-v6e", "in its data set `suncatcher-2025`"),
        ("generic-linux-pc", "of memory, so"),
    ],
)
def test_a_profile_without_a_cross_section_of_a_bit_is_one_sentence(
    tmp_path: Path, profile: str, words: str
) -> None:
    with pytest.raises(UsageError, match=f"{profile} has no cross-section of a bit .*{words}"):
        bit_rates(flight(tmp_path, profile, default_of(profile)))
    with pytest.raises(UsageError) as caught:
        bit_rates(flight(tmp_path, "raspberry-pi-5", "none"))
    assert "data: stand-in" in (caught.value.remedy or "")


def default_of(profile: str) -> str:
    return load_board_profile(profile).radiation.default


def test_a_scenario_that_does_not_fly() -> None:
    with pytest.raises(UsageError, match="has no plant"):
        bit_rates(load_scenario("nominal"))


def test_an_assumed_cross_section_is_said_to_be_one(tmp_path: Path) -> None:
    result = failures(small_campaign(tmp_path / "s"), rates_of(1.0, measured=False))
    assert any("no beam test of its memory" in line for line in result.assumptions)
    beam = failures(small_campaign(tmp_path / "t"), rates_of(1.0))
    assert not any("no beam test" in line for line in beam.assumptions)
