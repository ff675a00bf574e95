"""Power and heat together: cases P1-P6, decisions, and an independent model in Python."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydantic import ValidationError

from hil.board_types.catalogue import load_board_profile
from hil.errors import UsageError
from hil.plant.battery import BatteryModel
from hil.plant.board_parts import board_parts
from hil.plant.power import PowerSystem
from hil.plant.power_block import BROWNED_OUT, PowerBlock
from hil.plant.solar_array import (
    SolarArrayModel,
    power_w,
    reference_power_w,
    smad_array_power_w,
)
from hil.plant.thermal import (
    NOMINAL,
    ZERO_C_K,
    ThermalEnvironment,
    ThermalModel,
    ThermalNetwork,
    earth_view_factor,
)
from hil.scenario.plant.power import BusModel, LevelModel, LoadModel, PowerModel, ShedOrder
from tests.plant.battery_formulas import discharge_a, most_w, open_circuit_v, resistance_ohm

Array = npt.NDArray[np.float64]
ORBIT_S, ECLIPSE_S = 5578.22, 2161.7  # cases O1 and O4: 420 km, beta 0


# Parts --------------------------------------------------------------------------------------------


def constant_temperature(c: float = 28.0) -> ThermalNetwork:
    """A node that nothing can warm: the electrical side alone."""
    return ThermalNetwork(ThermalModel.model_validate({"nodes": [{"name": "all", "fixed_c": c}]}))


def load(name: str, watts: float, priority: int = 1, **more: Any) -> LoadModel:
    levels = [("off", 0.0, 0.0), ("suspend", 0.1, 0.1), ("capped", 0.25, 0.5), ("full", 0.5, 1.0)]
    parts = {
        "name": name,
        "priority": priority,
        "node": "all",
        "levels": [LevelModel(name=n, idle_w=i * watts, busy_w=b * watts) for n, i, b in levels],
        **more,
    }
    return LoadModel.model_validate(parts)


def battery(**more: Any) -> BatteryModel:
    return BatteryModel.model_validate(
        {"node": "all", "series": 8, "parallel": 6, "cell_ah": 3.0, **more}
    )


def ideal_battery(wh: float, **more: Any) -> BatteryModel:
    """No resistance to speak of, and the same voltage at any charge: 25 V."""
    tables = {
        "ocv_soc": [0.0, 1.0],
        "ocv_v": [25.0, 25.0],
        "resistance_c": [20.0],
        "resistance_soc": [0.0],
        "resistance_ohm": [[1e-12]],
    }
    return BatteryModel.model_validate(
        {
            "node": "all",
            "series": 1,
            "parallel": 1,
            "cell_ah": wh / 25.0,
            "tables": tables,
            "charge_efficiency": 1.0,
            "charge_max_v": 26.0,
            "charge_max_c_rate": 10.0,
            "discharge_max_c_rate": 10.0,
            **more,
        }
    )


def system(
    loads: list[LoadModel],
    *,
    cells: BatteryModel | None = None,
    arrays: list[SolarArrayModel] | None = None,
    network: ThermalNetwork | None = None,
    **bus: Any,
) -> PowerSystem:
    model = PowerModel(
        bus=BusModel.model_validate({"converter_node": "all", **bus}),
        battery=cells or battery(),
        arrays=tuple(
            [SolarArrayModel(name="a", node="all", area_m2=0.3)] if arrays is None else arrays
        ),
        loads=tuple(loads),
    )
    return PowerSystem(model, network or constant_temperature())


NEVER: dict[str, Any] = {"shed_from_soc": 0.0, "shed_to_soc": 0.0}


# Verification cases -------------------------------------------------------------------------------


def test_p1_100_w_through_an_eclipse() -> None:
    bench = system(
        [load("l", 100.0)], cells=ideal_battery(200.0), converter_efficiency=0.95, **NEVER
    )
    block = bench.run(0.1, 21_617)
    assert block.account.load_j / 3600 == pytest.approx(60.047, rel=1e-3)
    assert 1.0 - bench.state.soc == pytest.approx(0.316, rel=1e-3)
    assert abs(block.account.residual) < 1e-6


def test_p2_smad_array_power() -> None:
    power = smad_array_power_w(100.0, ORBIT_S - ECLIPSE_S, ECLIPSE_S)
    assert power == pytest.approx(214.99, abs=0.1)


def test_p2_that_array_carries_the_load_and_one_of_95_percent_does_not() -> None:
    """The SMAD formula against the simulation: path losses as converter efficiencies."""
    # Day: array to load 0.85. Night: array to battery to load 0.65.
    charge_path = 0.65 / 0.85
    for scale, sign in ((1.001, 1), (0.999, -1)):
        power = smad_array_power_w(100.0, ORBIT_S - ECLIPSE_S, ECLIPSE_S) * scale
        array = SolarArrayModel(name="a", node="all", area_m2=1.0, transfer_efficiency=0.85)
        cells = ideal_battery(2000.0, charge_efficiency=charge_path, start_soc=0.5)
        bench = system(
            [load("l", 100.0)], cells=cells, arrays=[array], converter_efficiency=1.0, **NEVER
        )
        n = 55_782
        bright = np.arange(n) * 0.1 < ORBIT_S - ECLIPSE_S
        bench.run(0.1, n, array_w=np.where(bright, power, 0.0)[:, None])
        assert (bench.state.soc - 0.5) * sign > 0
        assert bench.state.soc == pytest.approx(0.5, abs=2e-4)


@pytest.mark.parametrize(("c", "expected_w"), [(28.0, 36.75), (60.0, 34.16)])
def test_p5_array_power(c: float, expected_w: float) -> None:
    array = SolarArrayModel(
        name="a", node="all", area_m2=0.1, efficiency=0.30, packing=0.9, transfer_efficiency=1.0
    )
    reference = reference_power_w(array, np.ones(1), 1361.0, np.ones(1))
    assert power_w(array, reference, c)[0] == pytest.approx(expected_w, abs=0.01)
    bench = system([load("l", 1.0)], arrays=[array], network=constant_temperature(c))
    light = bench.array_power_w(np.ones(1), np.ones(1), 1361.0)
    block = bench.run(1.0, 1, array_w=light)
    assert block.available_w[0] == pytest.approx(expected_w, abs=0.01)


def satellite(boards: int = 3, **bus: Any) -> tuple[PowerSystem, ThermalNetwork]:
    """A small satellite in the sun's plane: a hub, a wing, boards on a deck, a radiator panel."""
    profile = load_board_profile("jetson-orin-nano")
    parts = [board_parts(profile, f"b{i}", mount="deck", priority=i + 1) for i in range(boards)]
    surface = {"area_m2": 0.35, "emissivity": 0.8, "absorptivity": 0.88}
    thermal = ThermalModel.model_validate(
        {
            "nodes": [
                {"name": "hub", "capacity_j_per_k": 4000.0},
                {"name": "battery", "capacity_j_per_k": 900.0},
                {"name": "wing", "capacity_j_per_k": 2500.0},
                {"name": "deck", "capacity_j_per_k": 3000.0},
                *(node.model_dump() for p in parts for node in p.nodes),
            ],
            "conductors": [
                {"between": ["hub", "battery"], "w_per_k": 2.0},
                {"between": ["hub", "deck"], "w_per_k": 2.0},
                {"between": ["hub", "wing"], "w_per_k": 0.05},
                *(link.model_dump() for p in parts for link in p.conductors),
            ],
            "surfaces": [
                {**surface, "name": "front", "node": "wing"},
                {**surface, "name": "back", "node": "wing", "absorptivity": 0.2},
                {
                    "name": "nadir",
                    "node": "deck",
                    "area_m2": 0.16,
                    "emissivity": 0.85,
                    "absorptivity": 0.12,
                },
            ],
            "mli": [{"node": "hub", "area_m2": 0.5}],
        }
    )
    network = ThermalNetwork(thermal)
    power = PowerModel(
        bus=BusModel.model_validate({"converter_node": "hub", **bus}),
        battery=battery(node="battery", start_soc=0.9),
        arrays=(SolarArrayModel(name="wing", node="wing", area_m2=0.35),),
        loads=tuple(p.load for p in parts),
    )
    return PowerSystem(power, network), network


def orbit(network: ThermalNetwork, n: int, dt_s: float = 1.0) -> ThermalEnvironment:
    phase = (np.arange(n) * dt_s % ORBIT_S) / ORBIT_S
    light = (phase < 1 - ECLIPSE_S / ORBIT_S).astype(np.float64)
    earth = np.array([0.0, 0.2, earth_view_factor(420.0, 1.0)])
    return ThermalEnvironment(
        light, np.array([1.0, -1.0, 0.0]), earth, np.cos(2 * np.pi * (phase - 0.3))
    )


def fly(bench: PowerSystem, network: ThermalNetwork, n: int, dt_s: float = 1.0) -> PowerBlock:
    environment = orbit(network, n, dt_s)
    return bench.run(
        dt_s,
        n,
        heat_w=network.absorbed_w(environment),
        array_w=bench.array_power_w(environment.illumination, np.ones(1)),
    )


@pytest.mark.parametrize("dt_s", [1.0, 5.0])
def test_p6_energy_closes_over_an_orbit(dt_s: float) -> None:
    bench, network = satellite()
    n = int(ORBIT_S / dt_s)
    external = float(network.absorbed_w(orbit(network, n, dt_s)).sum()) * dt_s
    account = fly(bench, network, n, dt_s).account
    assert abs(account.residual) < 1e-6
    assert abs(account.heat.residual) < 1e-9
    # The whole satellite: light in = heat out + what stays in the battery + what stays as heat.
    left = external - account.heat.boundary_j - account.heat.stored_j - account.stored_j
    assert abs(left) < 1e-6 * external
    # And what its boards took became heat of theirs.
    electrical = account.load_j + account.transfer_loss_j + account.converter_loss_j
    electrical += account.battery_loss_j - account.array_j
    assert account.heat.load_j == pytest.approx(external + electrical, rel=1e-9)


def test_p6_energy_closes_over_a_day_with_shedding() -> None:
    bench, network = satellite(boards=4, shed_from_soc=0.85, shed_to_soc=0.6)
    account = fly(bench, network, 86_400).account
    assert bench.state.sheds > 3
    assert bench.state.restores > 3
    assert bench.state.brownouts == 0
    assert abs(account.residual) < 1e-6
    assert abs(account.heat.residual) < 1e-9


# The kernel against a model in Python -------------------------------------------------------------


@dataclasses.dataclass
class Reference:
    """The power system once more: no arrays of structs, no midpoint; small steps instead.

    One load without thermal limits, one array behind a tracker, constant temperature.
    """

    cells: BatteryModel
    array: SolarArrayModel
    efficiency: float
    soc: float
    c: float = 28.0
    charged: bool = False

    def step(self, light_w: float, load_w: float, dt_s: float) -> None:
        cells, amperes = self.cells, self.cells.cell_ah * self.cells.parallel
        lack = load_w / self.efficiency - light_w * self.array.transfer_efficiency
        volts, ohm = open_circuit_v(cells, self.soc), resistance_ohm(cells, self.c, self.soc)
        current = 0.0
        if lack > 0:
            discharge = discharge_a(cells, lack, self.c, self.soc)
            assert discharge is not None
            current = -discharge
        elif not self.charged or self.soc < cells.recharge_soc:
            limit = (cells.charge_max_v * cells.series - volts) / ohm
            offered = (-volts + math.sqrt(volts * volts - 4 * ohm * lack)) / (2 * ohm)
            current = max(0.0, min(offered, cells.charge_max_c_rate * amperes, limit))
            at_limit = current >= max(limit, 0.0)
            self.charged = at_limit and current < cells.taper_stop_c_rate * amperes
            current *= cells.charge_efficiency
        self.soc += current * dt_s / cells.capacity_as


def test_an_orbit_and_a_half_agrees_with_the_model_in_python() -> None:
    cells, array = battery(start_soc=0.8), SolarArrayModel(name="a", node="all", area_m2=0.3)
    bench = system([load("l", 75.0)], cells=cells, arrays=[array], **NEVER)
    n = 9000
    light = np.where(np.arange(n) % 5578 < 3416, 95.0, 0.0)
    activity = np.where(np.arange(n) % 600 < 300, 1.0, 0.2)
    block = bench.run(1.0, n, array_w=light[:, None], activity=activity[:, None])
    reference = Reference(cells, array, 0.92, 0.8)
    socs = []
    for i in range(n):
        for _ in range(2):
            reference.step(float(light[i]), 37.5 + 37.5 * float(activity[i]), 0.5)
        socs.append(reference.soc)
    assert np.max(np.abs(block.soc - np.array(socs))) < 2e-5
    assert block.soc.min() < 0.77
    assert np.sign(block.battery_a).tolist().count(1.0) > 2000  # and charged by day


def test_the_battery_of_the_kernel_is_that_of_the_model() -> None:
    cells = battery(start_soc=0.55)
    assert cells.energy_wh == pytest.approx(8 * 18.0 * 3.7, rel=0.02)
    for c in (-15.0, 0.0, 13.0, 35.0):
        bench = system([load("l", 60.0)], cells=cells, network=constant_temperature(c), **NEVER)
        block = bench.run(1e-3, 1)
        current = discharge_a(cells, 60.0 / 0.92, c, 0.55)
        assert current is not None
        assert -block.battery_a[0] == pytest.approx(current, rel=1e-6)
        volts = open_circuit_v(cells, 0.55) - current * resistance_ohm(cells, c, 0.55)
        assert block.bus_v[0] == pytest.approx(volts, rel=1e-6)


def test_a_direct_array_gives_what_the_formula_says() -> None:
    array = SolarArrayModel.model_validate(
        {"name": "a", "node": "all", "area_m2": 0.3, "transfer": "direct", "mp_v": 33.0}
    )
    for c in (-40.0, 28.0, 80.0):
        bench = system([load("l", 200.0)], arrays=[array], network=constant_temperature(28.0))
        bus_v = bench.state.bus_v
        light = bench.array_power_w(np.ones(1), np.ones(1))
        block = bench.run(1.0, 1, array_w=light)
        expected = power_w(array, light[:, 0], 28.0, bus_v)[0]
        assert block.available_w[0] == pytest.approx(expected, rel=1e-12)
        at_mp = power_w(array, light[:, 0], c, 33.0 * (1 - 0.00264 * (c - 28.0)))[0]
        tracked = light[0, 0] * (1 - 0.0022 * (c - 28.0))
        assert at_mp == pytest.approx(tracked)
        assert power_w(array, light[:, 0], c, 45.0)[0] == 0.0


# Shedding -----------------------------------------------------------------------------------------


def test_the_ladder_goes_by_priority() -> None:
    loads = [load("radio", 5.0, 0, keep="capped"), load("b", 15.0, 20), load("a", 15.0, 10)]
    by_load = system(loads).model.ladder
    assert [rung[:2] for rung in by_load] == [
        ("b", "capped"),
        ("b", "suspend"),
        ("b", "off"),
        ("a", "capped"),
        ("a", "suspend"),
        ("a", "off"),
        ("radio", "capped"),
    ]
    assert by_load[0][2:] == pytest.approx((0.60, 0.68))
    assert by_load[-1][2:] == pytest.approx((0.30, 0.38))
    by_level = system(loads, order=ShedOrder.LEVEL_BY_LEVEL).model.ladder
    assert [rung[:2] for rung in by_level] == [
        ("b", "capped"),
        ("a", "capped"),
        ("radio", "capped"),
        ("b", "suspend"),
        ("a", "suspend"),
        ("b", "off"),
        ("a", "off"),
    ]


def test_night_sheds_the_least_important_first_and_sunrise_brings_all_back() -> None:
    loads = [load("keep", 10.0, 0, keep="full"), load("first", 30.0, 9), load("second", 30.0, 5)]
    bench = system(loads, cells=battery(start_soc=0.64))
    night = bench.run(1.0, 15_000)
    level = night.level.astype(int)
    assert np.all(level[:, 0] == 3)
    assert np.all(np.diff(level, axis=0) <= 0)
    assert np.all((level[:, 1] == 0) | (level[:, 2] == 3))  # `second` only after `first`
    assert night.stage[-1] >= 4
    assert bench.state.restores == 0
    morning = bench.run(1.0, 15_000, array_w=np.full((15_000, 1), 140.0))
    assert np.all(np.diff(morning.level.astype(int), axis=0) >= 0)
    assert morning.level[-1].tolist() == [3, 3, 3]
    assert bench.state.restores == bench.state.sheds > 0
    for name, word, enter, leave in bench.model.ladder[: int(night.stage[-1])]:
        column = [item.name for item in bench.model.loads].index(name)
        number = bench.model.loads[column].level(word)
        down = int(np.argmax(level[:, column] <= number))
        assert night.soc[down - 1] == pytest.approx(enter, abs=1e-3)
        up = int(np.argmax(morning.level[:, column].astype(int) > number))
        assert morning.soc[up] >= leave


def test_hysteresis_keeps_a_board_from_flapping() -> None:
    """Light that just carries the shed load, for hours: one change, not hundreds."""
    bench = system([load("only", 40.0)], cells=battery(start_soc=0.605))
    bench.run(1.0, 20_000, array_w=np.full((20_000, 1), 30.0))
    assert 1 <= bench.state.sheds <= 3
    assert bench.state.restores <= bench.state.sheds


def test_a_command_limits_the_level_and_shedding_limits_the_command() -> None:
    bench = system([load("a", 10.0), load("b", 10.0, 2)], cells=battery(start_soc=0.9))
    block = bench.run(1.0, 2, command={"a": "suspend"})
    assert block.level[-1].tolist() == [1, 3]
    assert block.board_w[-1].tolist() == pytest.approx([1.0, 10.0])
    low = system([load("a", 10.0), load("b", 10.0, 2)], cells=battery(start_soc=0.4))
    assert low.run(1.0, 1).level[-1].tolist() == [2, 0]
    assert low.run(1.0, 1, command={"a": "off"}).level[-1].tolist() == [0, 0]


def test_power_as_reported_replaces_that_of_the_profile() -> None:
    bench = system([load("a", 10.0)])
    bench.set_power("a", "full", 7.5, 7.5)
    assert bench.run(1.0, 1).board_w[-1, 0] == 7.5
    with pytest.raises(UsageError, match="no level `ful`"):
        bench.set_power("a", "ful", 1.0, 1.0)
    with pytest.raises(UsageError, match="idle <= busy"):
        bench.set_power("a", "full", 2.0, 1.0)


# Brown-out ----------------------------------------------------------------------------------------


def test_more_than_the_battery_can_give_is_a_brown_out() -> None:
    """P > OCV^2 / 4R: at -20 C the resistance is five times that of a warm cell."""
    cells = battery(start_soc=0.9, discharge_max_c_rate=1000.0, discharge_min_v=0.0)
    limit_w = most_w(cells, -20.0, 0.9)
    for watts, survives in ((0.99 * limit_w, True), (1.01 * limit_w, False)):
        bench = system(
            [load("l", watts)],
            cells=cells,
            network=constant_temperature(-20.0),
            converter_efficiency=1.0,
        )
        block = bench.run(1e-3, 1)
        assert bench.state.browned_out is not survives
        assert block.load_w[0] == pytest.approx(watts if survives else 0.0)
        assert (block.stage[0] == BROWNED_OUT) is not survives
    assert discharge_a(cells, 1.01 * limit_w, -20.0, 0.9) is None


def test_an_empty_satellite_starts_again_in_the_sun() -> None:
    """Loads that may not be shed empty the battery; in the sun it charges first, then restarts."""
    bench = system([load("l", 60.0, keep="full")], cells=battery(start_soc=0.2))
    night = bench.run(1.0, 10_000)
    assert bench.state.browned_out
    assert bench.state.brownouts == 1
    dark = int(np.argmax(night.stage == BROWNED_OUT))
    assert np.all(night.load_w[dark:] == 0)
    # The breaker opened: at 2.8 V a cell, or for lack of charge.
    assert night.bus_v[dark - 1] < 3.3 * 8
    day = bench.run(1.0, 10_000, array_w=np.full((10_000, 1), 150.0))
    back = int(np.argmax(day.stage != BROWNED_OUT))
    assert back > 0
    assert day.soc[back - 1] >= 0.15
    assert np.all(day.load_w[back:] > 0)
    assert bench.state.brownouts == 1


# Heat acts on boards ------------------------------------------------------------------------------


def hot_board(mount_c: float) -> PowerSystem:
    """A Pi on a mount of fixed temperature: cooled by nothing else."""
    parts = board_parts(load_board_profile("raspberry-pi-4b"), "pi", mount="mount", priority=1)
    network = ThermalNetwork(
        ThermalModel.model_validate(
            {
                "nodes": [
                    {"name": "mount", "fixed_c": mount_c},
                    {"name": "all", "fixed_c": 28.0},
                    *(node.model_dump() for node in parts.nodes),
                ],
                "conductors": [link.model_dump() for link in parts.conductors],
            }
        )
    )
    return system([parts.load], network=network, cells=battery(cell_ah=100.0))


def test_a_warm_board_runs_and_settles_where_its_resistances_say() -> None:
    bench = hot_board(30.0)
    block = bench.run(1.0, 7200)
    watts = block.board_w[-1, 0]
    assert watts == pytest.approx(6.12)
    board = 30.0 + 2.0 * watts
    assert bench.temperature_c("pi.board") == pytest.approx(board, abs=0.01)
    assert bench.temperature_c("pi.junction") == pytest.approx(board + 8.0 * 0.6 * watts, abs=0.01)
    assert np.all(block.throttle == 0)


def test_a_hot_board_throttles_around_80_c() -> None:
    bench = hot_board(50.0)
    block = bench.run(1.0, 7200)
    late = block.temperature_k[-3600:, bench.network.node("pi.junction")] - ZERO_C_K
    assert late.max() < 81.5
    assert late.min() > 76.0
    assert block.throttle[-3600:].max() >= 1
    assert block.board_w[-3600:].mean() < 6.12
    assert bench.state.trips == 0


def test_a_board_too_hot_goes_off_and_stays_off_until_power_was_cut() -> None:
    bench = hot_board(88.0)
    block = bench.run(1.0, 7200)
    assert bench.state.tripped == (True,)
    assert bench.state.trips == 1
    assert block.level[-1, 0] == 0
    assert block.board_w[-1, 0] == pytest.approx(0.12)
    bench.run(1.0, 10, command={"pi": "off"})
    assert bench.state.tripped == (False,)
    bench.set_temperature_c("pi.junction", 40.0)
    assert bench.run(1.0, 1).level[-1, 0] == 2  # no suspend: off, capped, full


def test_a_cold_battery_is_not_charged() -> None:
    cold = system([load("l", 10.0)], cells=battery(start_soc=0.5), network=constant_temperature(-5))
    block = cold.run(1.0, 100, array_w=np.full((100, 1), 100.0))
    assert np.all(block.soc == 0.5)
    assert np.all(block.array_w < 15.0)  # what nobody takes stays in the array
    assert np.all(block.available_w > 100.0)


# Blocks -------------------------------------------------------------------------------------------


def test_blocks_of_any_length_give_the_same_day() -> None:
    whole, network = satellite(shed_from_soc=0.85, shed_to_soc=0.6)
    pieces, _ = satellite(shed_from_soc=0.85, shed_to_soc=0.6)
    n = 9000
    environment = orbit(network, n)
    heat = network.absorbed_w(environment)
    light = whole.array_power_w(environment.illumination, np.ones(1))
    one = whole.run(1.0, n, heat_w=heat, array_w=light)
    parts = []
    for start, stop in ((0, 1), (1, 4000), (4000, 4001), (4001, n)):
        parts.append(
            pieces.run(1.0, stop - start, heat_w=heat[start:stop], array_w=light[start:stop])
        )
    for field in ("soc", "temperature_k", "level", "stage", "battery_a"):
        joined = np.concatenate([getattr(part, field) for part in parts])
        assert np.array_equal(getattr(one, field), joined), field
    assert whole.state == pieces.state


def test_a_snapshot_goes_on_as_if_nothing_had_happened() -> None:
    bench, network = satellite()
    fly(bench, network, 4000)
    saved = bench.snapshot()
    first = fly(bench, network, 500)
    other, _ = satellite()
    other.restore(saved)
    second = fly(other, network, 500)
    assert np.array_equal(first.soc, second.soc)
    assert np.array_equal(first.temperature_k, second.temperature_k)
    small, _ = satellite(boards=1)
    with pytest.raises(UsageError, match="another satellite"):
        small.restore(saved)


def test_every_60th_step_is_noted() -> None:
    all_steps, network = satellite()
    some, _ = satellite()
    full = fly(all_steps, network, 600)
    environment = orbit(network, 600)
    sparse = some.run(
        1.0,
        600,
        heat_w=network.absorbed_w(environment),
        array_w=some.array_power_w(environment.illumination, np.ones(1)),
        every=60,
    )
    assert np.array_equal(sparse.soc, full.soc[59::60])
    assert np.array_equal(sparse.temperature_k, full.temperature_k[59::60])
    assert sparse.account == full.account


def test_the_plant_settles_on_the_same_orbit_in_coarse_steps() -> None:
    fine, network = satellite()
    coarse, _ = satellite()
    a, b = fly(fine, network, 16_730, 1.0), fly(coarse, network, 1673, 10.0)
    assert b.soc[-1] == pytest.approx(a.soc[-1], abs=2e-3)
    wing = network.node("wing")
    # The terminator falls within a step of 10 s; a wing in the sun warms by 0.2 K/s.
    assert np.max(np.abs(a.temperature_k[9::10, wing] - b.temperature_k[:, wing])) < 2.0


# Errors -------------------------------------------------------------------------------------------


def test_unknown_nodes_loads_and_levels_are_named() -> None:
    with pytest.raises(UsageError, match=r"power.battery.node: there is no thermal node `al`"):
        system([load("l", 1.0)], cells=battery(node="al"))
    bench = system([load("l", 1.0)])
    with pytest.raises(UsageError, match="no load `k`"):
        bench.run(1.0, 1, command={"k": "off"})
    with pytest.raises(UsageError, match="it has off, suspend, capped, full"):
        bench.run(1.0, 1, command={"l": "on"})


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match=r"step 2: a value of `array_w` or `activity`"):
        system([load("l", 1.0)]).run(1.0, 3, array_w=np.array([[1.0], [0.0], [-1.0]]))
    with pytest.raises(UsageError, match="step 0"):
        system([load("l", 1.0)]).run(1.0, 3, activity=np.array([1.5]))
    with pytest.raises(UsageError, match=r"`array_w` has the shape \(2, 1\); expected \(3, 1\)"):
        system([load("l", 1.0)]).run(1.0, 3, array_w=np.ones((2, 1)))
    with pytest.raises(UsageError, match="above 0"):
        system([load("l", 1.0)]).run(0.0, 3)
    bench, _ = satellite()
    with pytest.raises(UsageError, match=r"too long for the thermal node `battery`"):
        bench.run(500.0, 3)


@pytest.mark.parametrize(
    ("make", "place", "words"),
    [
        (lambda: load("l", 1.0, keep="of"), ("keep",), "no level `of`"),
        (lambda: load("l", 1.0, node_share=0.5), ("rest_node",), "rest of the heat"),
        (
            lambda: load("l", 1.0, levels=[{"name": "on", "idle_w": 1.0, "busy_w": 1.0}]),
            ("levels",),
            "expected 2 to 8",
        ),
        (
            lambda: load("l", 1.0, throttle_c=80.0, throttle_clear_c=81.0),
            ("throttle_clear_c",),
            "above",
        ),
        (
            lambda: BusModel(converter_node="n", shed_from_soc=0.3, shed_to_soc=0.4),
            ("shed_to_soc",),
            "downwards",
        ),
        (lambda: battery(charge_min_c=50.0), ("charge_max_c",), "not above"),
        (
            lambda: battery(tables={"ocv_soc": [0.0, 0.5], "ocv_v": [3.0, 4.0]}),
            ("tables", "ocv_soc"),
            "from 0 to 1",
        ),
        (lambda: battery(tables={"ocv_v": [3.0]}), ("tables", "ocv_v"), "1 voltages for 12"),
        (
            lambda: battery(tables={"resistance_ohm": [[0.1]]}),
            ("tables", "resistance_ohm"),
            "1 rows for 4",
        ),
        (
            lambda: SolarArrayModel.model_validate(
                {"name": "a", "node": "n", "area_m2": 1.0, "transfer": "direct"}
            ),
            ("mp_v",),
            "needs",
        ),
        (lambda: SolarArrayModel(name="a", node="n", area_m2=-1.0), ("area_m2",), "greater than 0"),
        (lambda: system([load("l", 1.0), load("l", 2.0)]), ("loads", 1, "name"), "twice"),
    ],
)
def test_bad_models_are_refused_where_they_are_bad(
    make: Any, place: tuple[str | int, ...], words: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        make()
    found = {tuple(e["loc"]): e["msg"] for e in caught.value.errors()}
    assert place in found
    assert words in found[place]


def test_the_case_gives_the_sun() -> None:
    bench = system([load("l", 1.0)])
    one = bench.array_power_w(np.ones(1), np.ones(1))
    assert one[0, 0] == pytest.approx(0.3 * 0.9 * 0.298 * NOMINAL.solar_w_per_m2)
    assert bench.array_power_w(np.ones(2), np.array([[1.0], [-0.5]]))[1, 0] == 0.0
    with pytest.raises(UsageError, match="`incidence_cos`"):
        bench.array_power_w(np.ones(2), np.ones((3, 1)))
