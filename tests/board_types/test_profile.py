"""Board profiles: all shipped ones load, every number has an origin, errors say where."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from hil import assets
from hil.board_types.catalogue import list_board_profiles, load_board_profile, parse_board_profile
from hil.board_types.channels import Channel
from hil.board_types.cited import Grade, Note, Number, Switch
from hil.board_types.profile import BoardProfile, Sensor, numbers_of
from hil.errors import ConfigError, UsageError
from hil.plant.board_parts import board_parts
from hil.plant.sections import curve_of

NAMES = (
    "generic-linux-pc",
    "google-tpu-v6e",
    "imx8m-plus",
    "jetson-agx-orin",
    "jetson-orin-nano",
    "jetson-orin-nx",
    "jetson-tx2",
    "jetson-xavier-nx",
    "rad-hard-reference",
    "raspberry-pi-3b",
    "raspberry-pi-4b",
    "raspberry-pi-5",
    "raspberry-pi-cm4",
    "raspberry-pi-zero-2w",
)
GOOD = (assets.boards_dir() / "raspberry-pi-4b.yaml").read_text(encoding="utf-8")


def test_all_boards_are_shipped() -> None:
    assert set(NAMES) <= set(list_board_profiles())


def bare_numbers(value: Any, path: str = "$") -> list[str]:
    """Numbers of a file that stand alone: without a mapping that says where they come from."""
    found: list[str] = []
    if isinstance(value, dict):
        if {"value"} <= value.keys():
            cited = ("source" in value and value.get("grade") in {g.value for g in Grade}) or (
                "assumption" in value
            )
            return [] if cited else [path]
        for key, item in value.items():
            found += bare_numbers(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += bare_numbers(item, f"{path}[{index}]")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        found.append(path)
    return found


@pytest.mark.parametrize("name", list_board_profiles())
def test_every_number_has_a_source_or_an_assumption(name: str) -> None:
    path = assets.boards_dir() / f"{name}.yaml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert bare_numbers(data) == ["$.schema"]  # read without the code under test
    profile = load_board_profile(name)
    assert profile.name == name
    cited = list(numbers_of(profile))
    assert len(cited) > 20
    for where, item in cited:
        assert isinstance(item, (Number, Note, Sensor, Switch))
        assert (item.source is None) != (item.assumption is None), where
        assert (item.source is None) == (item.grade is None), where
        assert len(item.origin) > 12


@pytest.mark.parametrize("name", list_board_profiles())
def test_every_profile_makes_a_board_of_a_satellite(name: str) -> None:
    parts = board_parts(load_board_profile(name), "x", mount="deck", priority=1)
    watts = [level.busy_w for level in parts.load.levels]
    assert watts == sorted(watts)
    assert parts.load.levels[0].name == "off"
    assert parts.load.levels[-1].name == "full"
    # At full power on a mount of 20 C in vacuum the junction stays where silicon survives.
    resistance = [1 / conductor.w_per_k for conductor in parts.conductors]
    junction_c = 20 + watts[-1] * (resistance[1] + resistance[0] * parts.load.node_share)
    assert junction_c < parts.load.shutdown_c
    # And 1 s is a stable step.
    capacity = parts.nodes[0].capacity_j_per_k
    assert capacity is not None
    assert capacity * resistance[0] > 5.0


def channel(name: str, which: str) -> Channel:
    sets = load_board_profile(name).radiation.data
    return next(c for data in sets for c in data.channels if c.name == which)


def cross_section_cm2(channel: Channel, x: float) -> float:
    """The cross-section of the whole device at `x` in MeV (protons) or MeV cm2/mg (ions)."""
    bits = 1.0 if channel.bits is None else channel.bits.value
    return bits * channel.sigma.best * float(curve_of(channel)(np.array([x]))[0])


@pytest.mark.parametrize(
    ("board", "which", "at_mev", "sigma_cm2"),
    [
        ("jetson-orin-nx", "soc-corrected", 480.0, 3.90e-9),
        ("jetson-orin-nx", "soc-sefi", 480.0, 1.59e-9),
        ("jetson-orin-nx", "dram-corrected", 480.0, 2.03e-10 + 2.55e-10),
        ("jetson-orin-nx", "dram-sefi", 480.0, 3.04e-10 + 3.83e-10),
        ("jetson-agx-orin", "soc-corrected", 480.0, 3.90e-9),
        ("jetson-xavier-nx", "cache-corrected", 200.0, 2.91e-8),
        ("jetson-xavier-nx", "cache-tag-sefi", 200.0, 1.30e-8),
        ("jetson-tx2", "sefi", 200.0, 1.02e-9),
        ("google-tpu-v6e", "sdc", 67.0, 7.5e-9),
        ("google-tpu-v6e", "hbm-uecc", 67.0, 3e-9),
    ],
)
def test_published_cross_sections(board: str, which: str, at_mev: float, sigma_cm2: float) -> None:
    found = channel(board, which)
    assert cross_section_cm2(found, at_mev) == pytest.approx(sigma_cm2)
    assert cross_section_cm2(found, 1.0) == 0.0


@pytest.mark.parametrize(
    ("board", "which", "low", "high"),
    [
        ("raspberry-pi-zero-2w", "linux-sefi", 2.84e-9, 6.95e-9),
        ("jetson-xavier-nx", "os-crash", 3.97e-9, 6.71e-9),
        ("jetson-xavier-nx", "data-error", 0.0, 9.6e-10),
        ("jetson-tx2", "sefi", 2.5e-10, 4.17e-9),
        ("jetson-orin-nx", "wrong-output", 0.0, 1.5e-10),
        ("google-tpu-v6e", "sdc", 6e-9, 9e-9),
    ],
)
def test_published_ranges(board: str, which: str, low: float, high: float) -> None:
    sigma = channel(board, which).sigma
    assert (sigma.low, sigma.high) == pytest.approx((low, high))
    assert sigma.low <= sigma.best <= sigma.high


def test_the_emmc_has_nine_of_ten_of_the_failures_of_the_imx() -> None:
    emmc, rest = (channel("imx8m-plus", name).sigma for name in ("emmc-sefi", "linux-sefi"))
    for part, other, whole in (
        (emmc.low, rest.low, 1.98e-10),
        (emmc.high, rest.high, 1.13e-9),
    ):
        assert part + other == pytest.approx(whole, rel=0.02)
        assert part / (part + other) == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize("name", list_board_profiles())
def test_what_is_not_of_this_board_says_so_and_is_no_default_without_the_same_chip(
    name: str,
) -> None:
    radiation = load_board_profile(name).radiation
    for data in radiation.data:
        if data.stand_in is not None:
            assert data.stand_in.assumption is not None
            assert (
                radiation.default != data.name or "the same T234 chip" in data.stand_in.assumption
            )
        for c in data.channels:
            assert c.cited.source is not None, "no cross-section is an assumption"
    assert radiation.search is not None


def test_proton_upsets_of_ddr4_follow_from_ions_by_the_figure_of_merit() -> None:
    """Petersen (1998): sigma_ion / L_0.25^2 = 4.5e4 sigma_proton; for each end of the ranges."""

    def protons(sigma: float, begin: float, width: float, shape: float) -> float:
        quarter = begin + width * (-math.log(0.75)) ** (1.0 / shape)
        return sigma / (4.5e4 * quarter**2)

    stated = channel("raspberry-pi-4b", "dram-bits-protons").sigma
    assert stated.best == pytest.approx(protons(2.6e-11, 0.5, 20.0, 1.5), rel=0.02)
    assert stated.low == pytest.approx(protons(4.4e-12, 0.5, 30.0, 2.0), rel=0.05)
    assert stated.high == pytest.approx(protons(1.14e-10, 0.5, 10.0, 1.0), rel=0.02)


def test_thermal_trips_of_the_orin_are_those_without_a_fan() -> None:
    for name in ("jetson-orin-nx", "jetson-orin-nano", "jetson-agx-orin"):
        thermal = load_board_profile(name).thermal
        assert (thermal.throttle_c.value, thermal.throttle_clear_c.value) == (99.0, 97.0)
    assert load_board_profile("raspberry-pi-3b").power.off_w.value == pytest.approx(0.10 * 5.1)
    assert load_board_profile("jetson-tx2").radiation.tid_limit_krad is None


def test_ions_of_the_xavier_go_through_both_measured_points() -> None:
    ions = channel("jetson-xavier-nx", "ion-sefi")
    assert cross_section_cm2(ions, 0.106) == pytest.approx(2.95e-7, rel=0.05)
    assert cross_section_cm2(ions, 40.4) == pytest.approx(4.48e-3, rel=0.05)


def cited(value: float) -> dict[str, Any]:
    return {"value": value, "assumption": "made for this test"}


def test_weibull_and_bendel_curves() -> None:
    common = {"name": "c", "observed": "silent", "part": "ram", "unit": "bit"}
    weibull = Channel.model_validate(
        {
            **common,
            "particle": "heavy_ion",
            "model": "weibull",
            "sigma_cm2": cited(2e-9),
            "threshold": cited(0.8),
            "width": cited(27.0),
            "shape": cited(0.88),
            "bits": cited(1e6),
        }
    )
    expected = 1e6 * 2e-9 * (1 - math.exp(-((19.2 / 27.0) ** 0.88)))
    assert cross_section_cm2(weibull, 20.0) == pytest.approx(expected)
    assert cross_section_cm2(weibull, 0.79) == 0.0
    assert cross_section_cm2(weibull, 1e6) == pytest.approx(2e-3)
    bendel = Channel.model_validate(
        {
            **common,
            "particle": "proton",
            "model": "bendel",
            "bendel_a": cited(10.0),
            "bendel_b": cited(8.0),
            "bits": cited(8.0),
        }
    )
    y = math.sqrt(1.8) * 50.0
    expected = 8 * 0.8**14 * (1 - math.exp(-0.18 * math.sqrt(y))) ** 4 * 1e-12
    assert cross_section_cm2(bendel, 60.0) == pytest.approx(expected)
    assert cross_section_cm2(bendel, 10.0) == 0.0


# Errors -------------------------------------------------------------------------------------------


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_board_profile(text, file="raspberry-pi-4b.yaml")
    return [str(problem) for problem in caught.value.problems]


def line_of(needle: str) -> int:
    return next(i for i, line in enumerate(GOOD.splitlines(), 1) if needle in line)


def test_the_shipped_text_itself_is_good() -> None:
    assert parse_board_profile(GOOD, file="raspberry-pi-4b.yaml").name == "raspberry-pi-4b"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            '{value: 41, assumption: "board of about 46 g at 0.9 J/(g K)"}',
            "{value: 41}",
            "$.thermal.board_j_per_k: the origin is missing",
        ),
        (
            '{value: 41, assumption: "board of about 46 g at 0.9 J/(g K)"}',
            "41",
            "$.thermal.board_j_per_k: the number 41; expected a mapping",
        ),
        (
            '{value: 41, assumption: "board of about 46 g at 0.9 J/(g K)"}',
            "{value: 41, source: a scale}",
            "the source has no grade",
        ),
        (
            '{value: 41, assumption: "board of about 46 g at 0.9 J/(g K)"}',
            "{value: 41, source: a scale, grade: S, assumption: and a thought}",
            "it has a source, so it cannot also be an assumption",
        ),
        (
            '{value: 41, assumption: "board of about 46 g at 0.9 J/(g K)"}',
            "{value: -41, assumption: a negative board}",
            "-41 is out of range",
        ),
        (
            '{value: 41, assumption: "board of about 46 g at 0.9 J/(g K)"}',
            "{value: 41, source: a scale, grade: A}",
            "expected one of M, S, S2, R",
        ),
        ("  capped: powersave", "  capped: powersafe", "no mode `powersafe`"),
        ("name: raspberry-pi-4b", "name: raspberry-pi-4", "its file `raspberry-pi-4b`"),
        ("family: raspberry-pi", "family: raspberry", "$.family"),
        ("soc: Broadcom BCM2711", "sock: Broadcom BCM2711", "unknown key"),
    ],
)
def test_errors_name_file_and_line(old: str, new: str, words: str) -> None:
    assert GOOD.count(old) == 1
    found = problems(GOOD.replace(old, new))
    assert any(words in text for text in found), found
    line = line_of(old)
    assert any(re.match(rf"raspberry-pi-4b\.yaml:{line}:\d+: ", text) for text in found), found


def test_all_problems_are_reported_at_once() -> None:
    text = GOOD.replace("soc: Broadcom BCM2711\n", "").replace("grade: S2", "grade: S9")
    found = problems(text)
    assert len(found) >= 2
    assert any("$.soc: this key is missing" in text for text in found)


def test_a_newer_schema_is_refused() -> None:
    assert "written for schema 3" in problems(GOOD.replace("schema: 2", "schema: 3"))[0]


def test_an_unknown_profile_is_told_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean `raspberry-pi-4b`"):
        load_board_profile("raspberry-pi-4")
    with pytest.raises(UsageError, match="there is no file"):
        load_board_profile("nowhere/board.yaml")


def test_a_profile_of_ones_own_is_named_by_its_path(tmp_path: Path) -> None:
    own = tmp_path / "my-board.yaml"
    own.write_text(GOOD.replace("name: raspberry-pi-4b", "name: my-board"), encoding="utf-8")
    assert load_board_profile(own).name == "my-board"
    assert load_board_profile(str(own)).name == "my-board"


def test_profiles_are_frozen() -> None:
    profile = load_board_profile("raspberry-pi-4b")
    assert BoardProfile.model_config["frozen"]
    with pytest.raises(ValueError, match="frozen"):
        profile.name = "x"  # type: ignore[misc]
