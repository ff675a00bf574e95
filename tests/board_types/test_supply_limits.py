"""Limits before volts: a supply is not set to what its board does not stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.board_types.catalogue import list_board_profiles, load_board_profile
from hil.doctor.files import check
from hil.errors import SetupError
from hil.rig.board_kinds import build_nodes
from hil.scenario import load
from hil.scenario.overrides import Overrides

BENCH = """\
schema: 1
boards:
  - name: left
    port: /dev/ttyUSB0
    profile: {profile}
    power: {{kind: scpi, resource: "TCPIP::10.0.0.9::INSTR", voltage_v: {volts}}}
"""


def bench(folder: Path, profile: str, volts: float) -> Path:
    path = folder / "bench.yaml"
    path.write_text(BENCH.format(profile=profile, volts=volts))
    return path


@pytest.mark.parametrize(
    ("profile", "volts", "right"),
    [
        ("raspberry-pi-4b", 5.1, True),
        ("raspberry-pi-4b", 19.0, False),
        ("raspberry-pi-4b", 4.5, False),
        ("jetson-orin-nano", 19.0, True),
        ("jetson-orin-nano", 24.0, False),
        ("generic-linux-pc", 12.0, True),
    ],
)
def test_a_voltage_outside_the_range_of_the_board_is_refused_with_its_place(
    profile: str, volts: float, right: bool, tmp_path: Path
) -> None:
    path = bench(tmp_path, profile, volts)
    checked = check(str(path))
    assert checked.ok is right
    scenario = load("nominal", Overrides(scheme="simplex", bench=path)).scenario
    if right:
        build_nodes(scenario)
        return
    (problem,) = checked.problems
    assert problem.line == 6 and problem.path == "$.boards[0].power.voltage_v"
    assert f"{volts:g} V is outside the supply range of a " in problem.message
    with pytest.raises(SetupError, match=rf"node left: {volts:g} V is outside the supply range"):
        build_nodes(scenario)


def test_a_profile_of_one_s_own_is_found_beside_the_bench_file(tmp_path: Path) -> None:
    own = Path(__file__).parents[2] / "boards" / "raspberry-pi-4b.yaml"
    (tmp_path / "mine.yaml").write_text(
        own.read_text()
        .replace("high: 5.25", "high: 5.4")
        .replace("name: raspberry-pi-4b", "name: mine")
    )
    path = bench(tmp_path, "mine.yaml", 5.35)
    assert check(str(path)).ok
    build_nodes(load("nominal", Overrides(scheme="simplex", bench=path)).scenario)
    path.write_text(path.read_text().replace("5.35", "5.45"))
    assert not check(str(path)).ok
    path.write_text(path.read_text().replace("mine.yaml", "raspbery-pi-4b"))
    (problem,) = check(str(path)).problems
    assert problem.line == 5 and "there is no board profile" in problem.message


def test_a_board_without_a_profile_is_said_not_to_be_checked(tmp_path: Path) -> None:
    path = bench(tmp_path, "raspberry-pi-4b", 19.0)
    path.write_text(path.read_text().replace("    profile: raspberry-pi-4b\n", ""))
    assert check(str(path)).summary.endswith("without `profile:`: left")


def test_every_shipped_board_that_a_bench_supply_feeds_states_its_range() -> None:
    fed = [load_board_profile(name) for name in list_board_profiles()]
    missing = [
        p.name for p in fed if p.family in ("raspberry-pi", "jetson") and not p.power.supply_v
    ]
    assert not missing
