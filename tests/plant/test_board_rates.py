"""How often boards are hit: in the board, in the voted data, and after acceleration; against what
the beam tests themselves say."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hil import kernel
from hil.board_types.catalogue import list_board_profiles, load_board_profile
from hil.board_types.channels import DataSet, Effect, Observed, Particle
from hil.board_types.profile import BoardProfile
from hil.errors import ConfigError
from hil.plant.board_rates import STOPS, VOTED, BoardRates
from hil.plant.build import build_plant
from hil.plant.footprint import STACK_BYTES, Footprint, footprint_of
from hil.plant.radiation.crosssection import Plateau, Section
from hil.plant.radiation.rates import section_rate
from hil.plant.sections import board_sections
from hil.plant.survey import fly
from hil.scenario import Overrides, Scenario, load_scenario
from hil.scenario.words import UpsetTarget
from tests.amount import mostly_slow

FLYING = ("leo-iss-day", "saa-pass", "solar-storm", "sso-dawn-dusk", "sso-noon-eclipse")


def cited(value: float, **more: float) -> dict[str, Any]:
    return {"value": value, "assumption": "made for this test", **more}


def bits(ecc: bool = False, **changes: Any) -> tuple[BoardProfile, DataSet]:
    """A board with 1e6 bits of 1e-12 cm2, a tenth of whose upsets hit several bits."""
    channel = {
        "name": "bits",
        "observed": "silent",
        "part": "dram",
        "particle": "proton",
        "unit": "bit",
        "model": "plateau",
        "sigma_cm2": cited(1e-12, low=5e-13, high=4e-12),
        "threshold": cited(20.0),
        "bits": cited(1e6),
        "multiple": cited(0.1),
        **changes,
    }
    data = DataSet.model_validate(
        {
            "name": "made",
            "title": "made",
            "tested": "nothing",
            "channels": [channel],
            "os_memory": {"crash": cited(0.2), "hang": cited(0.05)},
        }
    )
    profile = load_board_profile("raspberry-pi-4b")
    memory = {"type": "DRAM", "on_die_ecc": {"value": ecc, "assumption": "made for this test"}}
    content = {**profile.model_dump(by_alias=True), "memory": memory}
    return BoardProfile.model_validate(content), data


PRINT = Footprint(  # 40,000 bits are hit, 20,000 more are the workload's
    {UpsetTarget.STATE: 4000, UpsetTarget.OUTPUT: 1000, UpsetTarget.STACK: 2500},
    (UpsetTarget.STATE, UpsetTarget.OUTPUT),
)


def shares(board: tuple[BoardProfile, DataSet], **more: Any) -> dict[Effect, float]:
    """The cm2 of each kind, single and multiple upsets apart."""
    out: dict[Effect, float] = {}
    for one in board_sections(*board, PRINT, **more):
        for kind, share in (
            (one.section.kind, 1.0 - one.section.mbu_fraction),
            (Effect.MBU, one.section.mbu_fraction),
        ):
            out[kind] = out.get(kind, 0.0) + one.scale.best * share
    return {kind: cm2 for kind, cm2 in out.items() if cm2}


def test_bit_flips_are_shared_out_by_the_footprint() -> None:
    """4 % in voted data, 2 % in the rest of the workload, 94 % in other memory: there 20 % crash
    and 5 % hang."""
    whole = 1e-6
    found = shares(bits())
    assert found == pytest.approx(
        {
            Effect.SEU: 0.9 * 0.04 * whole,
            Effect.MBU: 0.1 * 0.04 * whole,
            Effect.REBOOT: 0.2 * 0.94 * whole,
            Effect.HANG: 0.05 * 0.94 * whole,
            Effect.IDLE: (0.02 + 0.75 * 0.94) * whole,
        }
    )


def test_on_die_ecc_leaves_what_hits_several_bits_and_the_switch_turns_it_off() -> None:
    raw, ecc = shares(bits()), shares(bits(ecc=True))
    assert ecc[Effect.CORRECTED] == pytest.approx(0.9e-6)
    assert Effect.SEU not in ecc
    assert ecc[Effect.MBU] == pytest.approx(raw[Effect.MBU])
    assert ecc[Effect.REBOOT] == pytest.approx(0.1 * raw[Effect.REBOOT])
    assert shares(bits(ecc=True, on_die_ecc=True)) == pytest.approx(raw), "it is in the number"


def test_a_stated_share_takes_the_place_of_the_footprint() -> None:
    found = shares(bits(), exposed=0.5)
    assert found[Effect.SEU] + found[Effect.MBU] == pytest.approx(0.5e-6)
    assert shares(bits(), exposed=1.0) == pytest.approx({Effect.SEU: 0.9e-6, Effect.MBU: 0.1e-6})


def test_a_wrong_result_of_a_device_hits_the_voted_data_whatever_its_size() -> None:
    board = bits(unit="device", bits=None, multiple=None)
    assert shares(board) == {Effect.SEU: 1e-12}


def test_what_hardware_corrects_is_never_a_flip() -> None:
    board = bits(unit="device", bits=None, multiple=None, observed="corrected")
    assert shares(board) == {Effect.CORRECTED: 1e-12}


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"observed": "detected"}, Effect.DETECTED),
        ({"observed": "sefi"}, Effect.SEFI),
        ({"observed": "sefi", "mode": "hang"}, Effect.HANG),
        ({"observed": "sefi", "mode": "reboot"}, Effect.REBOOT),
        ({"observed": "sefi", "mode": "power_cycle"}, Effect.POWER_CYCLE),
        ({"observed": "sefi", "part": "sd-card"}, Effect.STORAGE),
        ({"observed": "destructive", "mode": "latch_up"}, Effect.SEL),
    ],
)
def test_what_was_seen_decides_what_happens(changes: dict[str, Any], kind: Effect) -> None:
    assert shares(bits(unit="device", bits=None, multiple=None, **changes)) == {kind: 1e-12}


@pytest.mark.parametrize("name", ["attitude", "infer"])
def test_the_footprint_is_what_the_workload_states(name: str) -> None:
    scenario = Scenario.model_validate({"workload": name, "frames": 10})
    workload, found = kernel.workload(name), footprint_of(scenario)
    voted = workload.state_len + workload.input_len + workload.output_len
    assert found.hit_bits == 8 * voted
    others = workload.scratch_len + workload.text_len + STACK_BYTES
    assert found.bits == 8 * (voted + others)
    assert found.weights == tuple(
        8 * n for n in (workload.state_len, workload.input_len, workload.output_len)
    )


def test_the_footprint_of_a_program_is_not_known_before_it_runs() -> None:
    scenario = Scenario.model_validate(
        {"workload": "exec", "exec": {"program": "p"}, "frames": 10, "rig": {"board": "process"}}
    )
    assert footprint_of(scenario).sizes == {}


FALLING = ("threshold", "width", "shape", "depth_um", "bendel_a")


def at_the_end(value: Any, end: str) -> Any:
    """The content of a profile with the ends of its radiation data as their best values: the high
    ones are those of more events."""
    if isinstance(value, list):
        return [at_the_end(item, end) for item in value]
    if not isinstance(value, dict):
        return value
    other = {"low": "high", "high": "low"}[end]
    out = {}
    for key, item in value.items():
        side = other if key in FALLING else end
        if isinstance(item, dict) and item.get(side) is not None and "value" in item:
            out[key] = {**item, "value": item[side], "low": None, "high": None}
        else:
            out[key] = at_the_end(item, end)
    return out


@pytest.mark.parametrize("end", mostly_slow(["high", "low"], keep=1))
def test_every_range_of_a_profile_reaches_the_rates(end: str, tmp_path: Path) -> None:
    """The ends of the printed ranges are the rates of a board whose numbers are the ends: of
    cross-sections, curves, sensitive volumes, multiple flips, and what a hit of memory does."""
    profile = load_board_profile("raspberry-pi-4b")
    content = profile.model_dump(mode="json", by_alias=True)
    content["radiation"] = at_the_end(content["radiation"], end)
    content["name"] = "own"
    own = tmp_path / "own.yaml"
    own.write_text(json.dumps(content), encoding="utf-8")
    whole, alone = (
        rates_in(with_board(name, data="stand-in")) for name in ("raspberry-pi-4b", str(own))
    )
    for kind in (Effect.MBU, Effect.REBOOT, Effect.HANG, Effect.SEFI):
        assert getattr(whole.of(kind), end) == pytest.approx(alone.of(kind).best), kind
    assert getattr(whole.upsets, end) == pytest.approx(alone.upsets.best)
    if end == "high":  # 30 % multiple flips, of which 10 % crash: not 2 % and 1 %
        assert whole.of(Effect.REBOOT).high > 100.0 * whole.of(Effect.REBOOT).best


@pytest.mark.parametrize(
    ("part", "changes"),
    [("high", {"multiple": {"high": 30.0}}), ("low", {"threshold": {"low": -1.0}})],
)
def test_an_end_of_a_range_has_the_limits_of_the_number(
    part: str, changes: dict[str, dict[str, float]]
) -> None:
    made: dict[str, Any] = {key: cited(0.5, **more) for key, more in changes.items()}
    with pytest.raises(ValidationError, match=rf"\.{part}\s+\S+ is out of range"):
        bits(**made)


# --- flights ------------------------------------------------------------------------------------


def rates_in(scenario: Scenario) -> BoardRates:
    return fly(scenario, 60.0).figures.boards["a"].rates


def with_board(name: str, **radiation: Any) -> Scenario:
    """The flight of sso-dawn-dusk with another board, at the rate of reality."""
    flown = load_scenario("sso-dawn-dusk", Overrides(duration="24h"))
    content = flown.model_dump(mode="json", by_alias=True)
    content["rig"]["profile"] = name
    for node in content["rig"]["nodes"]:
        node["profile"] = None
    content["plant"]["radiation"] |= {"estimate": "best", **radiation}
    content["upsets"] |= {"accel": 1.0, "orbit": {"voted_accel": 1.0}}
    return Scenario.model_validate(content)


@functools.cache
def protons_per_day() -> float:
    """Protons /cm2 and day of more than 20 MeV behind the wall of that flight, counted by the
    rates of a section of 1 cm2."""
    plant = build_plant(with_board("google-tpu-v6e"))
    (unit,) = plant.sky.block_of(0).unit_rates
    total = sum(
        float(plant.sky.block_of(first).unit_rates[unit][: plant.sky.steps - first].sum())
        for first in range(0, plant.sky.steps, 3600)
    )
    return total / plant.sky.steps * 86_400.0


def test_unit_rates_are_those_of_a_section_of_one_cm2() -> None:
    plant = build_plant(with_board("google-tpu-v6e"))
    block = plant.sky.block_of(0)
    assert block.track is not None
    one = Section(Effect.SEU, Particle.PROTON, Plateau(1.0, 20.0), "counts protons", "M")
    direct = section_rate(block.track, plant.sky.radiation, one)
    assert block.unit_rates[one.unit] == pytest.approx(direct)


SILENT = {  # cm2 of what the beam test itself says of silent upsets
    "google-tpu-v6e": (6e-9, 9e-9),
    "jetson-agx-orin": (0.0, 1.5e-10),
    "jetson-orin-nano": (0.0, 1.5e-10),
    "jetson-orin-nx": (0.0, 1.5e-10),
    "jetson-xavier-nx": (0.0, 9.6e-10),
    # Only interrupts were counted in these tests, so that nothing silent may be claimed.
    "imx8m-plus": (0.0, 0.0),
    "jetson-tx2": (0.0, 0.0),
    "raspberry-pi-zero-2w": (0.0, 0.0),
}
NO_BEAM = (
    "generic-linux-pc",
    "rad-hard-reference",
    "raspberry-pi-3b",
    "raspberry-pi-4b",
    "raspberry-pi-5",
    "raspberry-pi-cm4",
)


@pytest.mark.parametrize("name", mostly_slow(sorted(SILENT), keep=2))
def test_silent_upsets_lie_within_the_interval_of_the_beam_test(name: str) -> None:
    low, high = (sigma * protons_per_day() for sigma in SILENT[name])
    silent = rates_in(with_board(name)).silent
    assert low * 0.999 <= silent.low <= silent.best <= silent.high <= high * 1.001


@pytest.mark.parametrize("name", mostly_slow(NO_BEAM, keep=1))
def test_a_board_without_beam_data_has_no_upsets(name: str) -> None:
    rates = rates_in(with_board(name))
    assert rates.data == "none" and rates.channels == ()
    assert set(SILENT) | set(NO_BEAM) == set(list_board_profiles())


@pytest.mark.parametrize("name", mostly_slow(["jetson-orin-nx", "jetson-agx-orin"], keep=1))
def test_the_orin_is_near_what_its_own_test_says_of_its_memory(name: str) -> None:
    """At 650 km behind 10 mm: about 0.002 corrected upsets of the LPDDR5 and 0.0025 interrupts of
    it a day; it was 4.9 silent ones."""
    rates = rates_in(with_board(name))
    by_channel = {c.channel: c.per_day.best for c in rates.channels}
    assert 0.0002 < by_channel["dram-corrected"] < 0.02
    assert 0.00025 < by_channel["dram-sefi"] < 0.025
    assert rates.silent.best == 0.0 and rates.of(*STOPS).best < 0.025


@pytest.mark.parametrize("name", mostly_slow(FLYING, keep=1))
def test_a_shipped_flight_has_ten_hits_of_voted_data_at_the_printed_acceleration(
    name: str,
) -> None:
    scenario = load_scenario(name)
    boards = fly(scenario, 60.0).figures.boards
    days = scenario.frame_count * scenario.frame_us / 86_400e6
    expected = sum(board.rates.flown(*VOTED) for board in boards.values()) * days
    assert expected > 16.0, "at most one of 20 runs has fewer than ten"
    rates = boards["a"].rates
    real = getattr(rates.of(*VOTED), rates.estimate)
    assert rates.flown(*VOTED) == pytest.approx(real * rates.accel * rates.voted_accel)
    assert rates.silent.high == pytest.approx(
        sum(c.per_day.high for c in rates.channels if c.observed is Observed.SILENT)
        - rates.of(Effect.CORRECTED).high * (rates.data == "stand-in")
    )


@pytest.mark.slow
def test_the_end_of_the_range_that_is_flown_is_chosen() -> None:
    def flown(estimate: str) -> float:
        scenario = with_board("google-tpu-v6e", estimate=estimate)
        plant = build_plant(scenario)
        return float(plant.sky.block_of(0).rates["a"][Effect.SEU].sum())

    low, best, high = (flown(estimate) for estimate in ("low", "best", "high"))
    assert (low / best, high / best) == pytest.approx((6.0 / 7.5, 9.0 / 7.5))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("stand-inn", "has no data set `stand-inn`; expected one of memon-2026"),
        ({"raspberry-pi-5": "stand-in"}, "no board of the rig is a `raspberry-pi-5`"),
    ],
)
def test_an_unknown_data_set_is_refused_with_those_that_there_are(data: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_plant(with_board("raspberry-pi-zero-2w", data=data))
    assert words in caught.value.problems[0].message
    assert caught.value.problems[0].path.startswith("$.plant.radiation.data")


def test_an_old_scenario_without_upsets_is_told_what_to_write() -> None:
    """One of before: a board without beam data, or an acceleration that was for the whole memory
    in a few bytes."""
    base = load_scenario("leo-iss-day", Overrides(duration="1h"))
    content = base.model_dump(mode="json", by_alias=True)
    content["plant"]["radiation"] = {"exposed": None}
    content["upsets"] = {"accel": 20.0}
    (no_data,) = fly(Scenario.model_validate(content), 60.0).notes
    assert "no beam data" in no_data and "data: stand-in" in no_data
    content["plant"]["radiation"] = {"data": "stand-in"}
    (few,) = fly(Scenario.model_validate(content), 60.0).notes
    assert "hits of voted data are expected" in few
    wanted = re.search(r"voted_accel: ([0-9.e+]+)", few)
    assert wanted is not None
    content["upsets"]["orbit"] = {"voted_accel": float(wanted[1])}
    mended = fly(Scenario.model_validate(content), 60.0)
    hits = sum(b.rates.flown(*VOTED) for b in mended.figures.boards.values()) / 24.0
    assert hits == pytest.approx(30.0, rel=0.05) and mended.notes == ()
    content["upsets"] = {"accel": 1.0}
    assert fly(Scenario.model_validate(content), 60.0).notes == ()


def test_a_share_of_before_still_puts_all_flips_into_the_voted_data() -> None:
    base = load_scenario("leo-iss-day", Overrides(duration="1h"))
    content = base.model_dump(mode="json", by_alias=True)
    content["plant"]["radiation"]["exposed"] = 1.0
    rates = rates_in(Scenario.model_validate(content))
    assert rates.of(*VOTED).best == pytest.approx(rates.silent.best)
