"""Failures in orbit: of a made-up campaign by hand, and in a flight of constant flux."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import scipy

from hil.analysis.failure_rates import (
    FailureRates,
    failure_rates,
    fit,
    mttf_days,
    sampled_failure_rates,
)
from hil.analysis.fault_sums import fault_sums
from hil.analysis.sample_summary import sample_summary
from hil.board_types.catalogue import load_board_profile
from hil.board_types.channels import Effect, Particle
from hil.errors import UsageError
from hil.plant.bit_rates import BitChannel, BitRates, Spread, bit_rates
from hil.plant.survey import survey
from hil.record.campaign_file import CampaignFile, write_samples
from hil.record.campaign_rows import FrameRow, MomentUnit, RegionRow, SampleRow, SamplingMeta
from hil.record.campaign_summary import campaign_summary
from hil.scenario import Overrides, Scenario, load_scenario
from hil.upsets.words import NodeEffect

from .small_campaigns import META, small_campaign

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
        data="beam",
        stand_in=None,
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


# --- samples ----------------------------------------------------------------------------------


def drawn(path: Path, counts: Mapping[str, Sequence[int]]) -> Path:
    """Write a sampled campaign of a state of four bytes and an input of two, with ten moments: of
    each target so many samples at moment 0 with a silent corruption, without, and at moment 5."""
    sampling = SamplingMeta(
        MomentUnit.TICK, "3", 1, NodeEffect.SDC, None, 0.95, (100,), in_proportion=False
    )
    rows: list[SampleRow] = []
    for region, (wrong, right, later_wrong, later_right) in enumerate(counts.values()):
        outcomes = [(0, NodeEffect.SDC)] * wrong + [(0, NodeEffect.MASKED)] * right
        outcomes += [(5, NodeEffect.SDC)] * later_wrong + [(5, NodeEffect.LATENT)] * later_right
        for moment, effect in outcomes:
            rows.append(SampleRow(len(rows), 3, region, moment, 0, 0, effect, 0))
    lengths = {"state": 4, "input": 2}
    regions = [
        RegionRow(n, name, lengths[name], 80 * lengths[name], 0, {})
        for n, name in enumerate(counts)
    ]
    meta = replace(META, targets=tuple(counts), sampling=sampling)
    write_samples(path, meta, regions, [FrameRow(3, 10, "")], rows)
    return path


def sampled_failures(path: Path, duty: float) -> FailureRates:
    with CampaignFile(path) as file:
        return sampled_failure_rates(file, sample_summary(file), rates_of(1.0), duty)


def test_the_interval_of_a_sample_is_carried_to_its_rates(tmp_path: Path) -> None:
    """20 of 100 samples of 32 bits, all the time; the ends by scipy's beta distribution."""
    result = sampled_failures(drawn(tmp_path / "s", {"state": (5, 5, 15, 75)}), 1.0)
    low, high = scipy.stats.beta.ppf(0.025, 20, 81), scipy.stats.beta.ppf(0.975, 21, 80)
    assert result.silent.best == pytest.approx(32 * 0.2 * BEST)
    assert result.silent.low == pytest.approx(32 * low * LOW)
    assert result.silent.high == pytest.approx(32 * high * HIGH)
    assert mttf_days(result.silent.high) == pytest.approx(1 / (32 * high * HIGH))
    document = result.as_json()
    assert document["confidence_of_open_bits"] == pytest.approx(0.95)
    assert json.dumps(document, allow_nan=False)


def test_between_steps_samples_of_the_first_moment_tell(tmp_path: Path) -> None:
    """5 of the 10 of them are silent corruptions; without any, all bits or none may be open."""
    result = sampled_failures(drawn(tmp_path / "s", {"state": (5, 5, 15, 75)}), 0.0)
    low, high = scipy.stats.beta.ppf(0.025, 5, 6), scipy.stats.beta.ppf(0.975, 6, 5)
    assert result.silent.best == pytest.approx(32 * 0.5 * BEST)
    assert result.silent.low == pytest.approx(32 * low * LOW)
    assert result.silent.high == pytest.approx(32 * high * HIGH)
    assert any("10 samples" in line for line in result.assumptions)
    none = sampled_failures(drawn(tmp_path / "n", {"state": (0, 0, 20, 80)}), 0.0)
    assert (none.silent.low, none.silent.high) == pytest.approx((0.0, 32 * HIGH))


def test_targets_together_have_a_narrower_interval_than_their_sums(tmp_path: Path) -> None:
    path = drawn(tmp_path / "s", {"state": (0, 10, 20, 70), "input": (0, 10, 40, 50)})
    result = sampled_failures(path, 1.0)
    state, inputs = result.targets
    assert result.silent.best == pytest.approx(state.silent.best + inputs.silent.best)
    assert state.silent.low + inputs.silent.low < result.silent.low < result.silent.best * 0.5
    assert result.silent.high < state.silent.high + inputs.silent.high


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
    bits used; 2 % of them (1.4 to 30 %) flip several bits, which on-die ECC does not correct."""
    scenario = flight(tmp_path, "raspberry-pi-4b", "stand-in")
    rates = bit_rates(scenario)
    assert rates.per_day.best == pytest.approx(0.02 * 6.8e-18 * FLUX * 86400, rel=1e-9, abs=0.0)
    assert rates.per_day.low == pytest.approx(0.014 * 3.6e-19 * FLUX * 86400, rel=1e-9, abs=0.0)
    assert rates.per_day.high == pytest.approx(0.3 * 2.2e-16 * FLUX * 86400, rel=1e-9, abs=0.0)
    sigma = rates.sigma_cm2
    expected = pytest.approx((3.6e-19, 6.8e-18, 2.2e-16), rel=1e-9, abs=0.0)
    assert (sigma.low, sigma.best, sigma.high) == expected
    assert (rates.activity, rates.frame_s) == (0.5, 1.0)
    raw = bit_rates(flight(tmp_path, "raspberry-pi-3b", "stand-in"))  # without ECC
    assert raw.per_day.best == pytest.approx(50 * rates.per_day.best, rel=1e-9, abs=0.0)


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


def test_data_of_other_boards_are_said_to_be_theirs(tmp_path: Path) -> None:
    rates = replace(rates_of(1.0), data="stand-in", stand_in="the same chip")
    lines = failures(small_campaign(tmp_path / "s"), rates).assumptions
    assert any("`stand-in` is of other boards: the same chip" in line for line in lines)
