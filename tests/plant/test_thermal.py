"""The thermal network against closed forms (T1-T9), scipy, and its own energy account."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy
from pydantic import ValidationError

from hil.errors import UsageError
from hil.plant.thermal import (
    CASES,
    COLD,
    HOT,
    NOMINAL,
    SIGMA_W_PER_M2_K4,
    ZERO_C_K,
    RadiatorPanel,
    Surface,
    ThermalEnvironment,
    ThermalModel,
    ThermalNetwork,
    ThermalNode,
    earth_view_factor,
)

Array = npt.NDArray[np.float64]


def model(**parts: Any) -> ThermalModel:
    return ThermalModel.model_validate(parts)


def constant(
    network: ThermalNetwork, sun: Array, earth: Array, zenith: float = 0.0, n: int = 1
) -> ThermalEnvironment:
    return ThermalEnvironment(np.ones(n), sun, earth, np.full(n, zenith))


def settled(network: ThermalNetwork, environment: ThermalEnvironment, dt_s: float) -> Array:
    """Temperatures after so long that nothing changes."""
    load = network.absorbed_w(environment)[0]
    t_k = network.start_k
    for _ in range(100):
        block = network.run(t_k, dt_s, 2000, dissipation_w=load)
        done = np.max(np.abs(block.temperature_k[-1] - t_k)) < 1e-9
        t_k = block.temperature_k[-1]
        if done:
            return t_k
    raise AssertionError("it does not settle")


def plate(alpha: float, epsilon: float, *, both: bool, space_k: float = 0.0) -> ThermalNetwork:
    faces = [
        {
            "name": "front",
            "node": "plate",
            "area_m2": 1.0,
            "emissivity": epsilon,
            "absorptivity": alpha,
        }
    ]
    if both:
        faces.append({**faces[0], "name": "back"})
    nodes = [{"name": "plate", "capacity_j_per_k": 1000.0}]
    return ThermalNetwork(model(nodes=nodes, surfaces=faces, space_k=space_k))


@pytest.mark.parametrize(
    ("alpha", "epsilon", "both", "expected_k"),
    [
        (1.0, 1.0, True, 330.98),
        (1.0, 1.0, False, 393.61),
        (0.2, 0.9, True, 227.25),
        (0.2, 0.9, False, 270.25),
    ],
)
def test_t1_t2_plate_in_the_sun(
    alpha: float, epsilon: float, both: bool, expected_k: float
) -> None:
    network = plate(alpha, epsilon, both=both)
    sun = np.array([1.0, -1.0][: 1 + both])
    t_k = settled(network, constant(network, sun, np.zeros(1 + both)), 20.0)
    assert t_k[0] == pytest.approx(expected_k, abs=0.01)


def sphere(alpha: float, epsilon: float) -> ThermalNetwork:
    """A sphere of 1 m2: as a face, a quarter of it is seen by the sun."""
    return plate(alpha, epsilon, both=False)


@pytest.mark.parametrize(("alpha", "epsilon", "expected_k"), [(1, 1, 278.32), (0.2, 0.8, 196.80)])
def test_t3_sphere_in_the_sun(alpha: float, epsilon: float, expected_k: float) -> None:
    network = sphere(alpha, epsilon)
    t_k = settled(network, constant(network, np.array([0.25]), np.zeros(1)), 20.0)
    assert t_k[0] == pytest.approx(expected_k, abs=0.01)


def sphere_view_factor(altitude_km: float) -> float:
    """The share of a small sphere's surface that sees Earth: (1 - cos rho) / 2, sin rho = Re/r."""
    sine = 6378.137 / (6378.137 + altitude_km)
    return 0.5 * (1.0 - math.sqrt(1.0 - sine * sine))


@pytest.mark.parametrize(
    ("alpha", "epsilon", "sun", "expected_k"),
    [(1.0, 1.0, True, 314.00), (1.0, 1.0, False, 192.27), (0.25, 0.85, True, 248.67)],
)
def test_t4_sphere_above_the_earth(
    alpha: float, epsilon: float, sun: bool, expected_k: float
) -> None:
    view = sphere_view_factor(420.0)
    assert view == pytest.approx(0.32698, abs=1e-5)
    network = sphere(alpha, epsilon)
    environment = ThermalEnvironment(
        np.array([float(sun)]), np.array([0.25]), np.array([view]), np.array([1.0 if sun else -1.0])
    )
    assert settled(network, environment, 20.0)[0] == pytest.approx(expected_k, abs=0.05)


def cooling(capacity: float = 1800.0) -> ThermalNetwork:
    surface = {
        "name": "face",
        "node": "plate",
        "area_m2": 0.06,
        "emissivity": 0.85,
        "absorptivity": 0.2,
    }
    nodes = [{"name": "plate", "capacity_j_per_k": capacity, "start_c": 300.0 - ZERO_C_K}]
    return ThermalNetwork(model(nodes=nodes, surfaces=[surface], space_k=0.0))


@pytest.mark.parametrize("dt_s", [1.0, 10.0, 60.0, 120.0])
@pytest.mark.parametrize(("t_s", "expected_k"), [(600, 292.575), (1200, 285.835), (2160, 276.224)])
def test_t5_cool_down(dt_s: float, t_s: int, expected_k: float) -> None:
    network = cooling()
    block = network.run(network.start_k, dt_s, int(t_s / dt_s))
    exact = (300.0**-3 + 3 * 0.85 * 0.06 * SIGMA_W_PER_M2_K4 * t_s / 1800.0) ** (-1 / 3)
    assert block.temperature_k[-1, 0] == pytest.approx(expected_k, abs=0.01)
    # Second order: 0.02 uK at 1 s (Euler: 1.5 mK), 2-5 uK at 10 s (Euler: 15 mK).
    assert abs(block.temperature_k[-1, 0] - exact) < 5.1e-8 * dt_s**2
    assert abs(block.account.residual) < 1e-12


@pytest.mark.parametrize(("c", "expected_w"), [(20, 385.3), (40, 501.7), (60, 642.6), (80, 811.4)])
def test_t6_radiator_one_side(c: float, expected_w: float) -> None:
    network = ThermalNetwork(
        model(
            nodes=[{"name": "plate", "fixed_c": float(c)}],
            surfaces=[
                {
                    "name": "f",
                    "node": "plate",
                    "area_m2": 1.0,
                    "emissivity": 0.92,
                    "absorptivity": 0.1,
                }
            ],
            space_k=0.0,
        )
    )
    # Both nodes are boundaries: the heat that space takes is what the plate gives.
    other = ThermalNetwork(
        model(
            nodes=[{"name": "plate", "capacity_j_per_k": 1e12, "start_c": float(c)}],
            surfaces=[s.model_dump() for s in network.model.surfaces],
            space_k=0.0,
        )
    )
    block = other.run(other.start_k, 1.0, 100)
    assert block.account.boundary_j / 100 == pytest.approx(expected_w, abs=0.1)
    fixed = network.run(network.start_k, 1.0, 10)
    assert fixed.account.boundary_j == pytest.approx(0.0, abs=1e-9)


def test_t7_chip_on_a_radiator() -> None:
    network = ThermalNetwork(
        model(
            nodes=[
                {"name": "chip", "capacity_j_per_k": 20.0},
                {"name": "radiator", "capacity_j_per_k": 100.0},
            ],
            conductors=[{"between": ["chip", "radiator"], "w_per_k": 0.5}],
            surfaces=[
                {
                    "name": "r",
                    "node": "radiator",
                    "area_m2": 0.04,
                    "emissivity": 0.85,
                    "absorptivity": 0.2,
                }
            ],
            space_k=0.0,
        )
    )
    block = network.run(network.start_k, 1.0, 20_000, dissipation_w=np.array([15.0, 0.0, 0.0]))
    assert block.temperature_k[-1, 1] == pytest.approx(297.00, abs=0.05)
    assert block.temperature_k[-1, 0] == pytest.approx(327.00, abs=0.05)


def test_t9_blanket() -> None:
    network = ThermalNetwork(
        model(
            nodes=[{"name": "body", "capacity_j_per_k": 1e12, "start_c": 300.0 - ZERO_C_K}],
            mli=[{"node": "body", "area_m2": 1.0, "effective_emittance": 0.02}],
        )
    )
    block = network.run(network.start_k, 1.0, 100)
    assert block.account.boundary_j / 100 == pytest.approx(9.186, abs=1e-3)


def test_two_sided_panel_at_20_c_rejects_633_w_per_m2() -> None:
    """Starcloud's white paper: emits 770 W/m2 of panel, absorbs about 137, net 633."""
    # How the paper's 137 W/m2 come about was not read: here a coating absorbs them of the sun.
    panel = {
        "name": "panel",
        "attached_to": "bus",
        "w_per_k": 1e6,
        "area_m2": 1.0,
        "capacity_j_per_k": 1e9,
        "emissivity": 0.92,
        "absorptivity": 0.1009,
        "start_c": 20.0,
    }
    nodes = [{"name": "bus", "capacity_j_per_k": 1e9, "start_c": 20.0}]
    network = ThermalNetwork(model(nodes=nodes, panels=[panel], space_k=0.0))
    assert network.faces == ("panel.front", "panel.back")
    sunlit = constant(network, np.array([1.0, -1.0]), np.zeros(2))
    absorbed = float(network.absorbed_w(sunlit).sum())
    assert absorbed == pytest.approx(137.0, abs=0.5)
    block = network.run(
        network.start_k,
        1.0,
        100,
        environment=constant(network, np.array([1.0, -1.0]), np.zeros(2), n=100),
    )
    emitted = block.account.boundary_j / 100
    assert emitted == pytest.approx(770.5, abs=0.1)
    assert emitted - absorbed == pytest.approx(633.0, abs=1.0)


def test_a_panel_works_from_both_sides() -> None:
    panel = RadiatorPanel(
        name="p",
        attached_to="bus",
        w_per_k=2.0,
        area_m2=0.5,
        capacity_j_per_k=100.0,
        emissivity=0.8,
        absorptivity=0.2,
        absorptivity_eol=0.4,
    )
    nodes = (ThermalNode(name="bus", capacity_j_per_k=500.0),)
    whole = ThermalModel(nodes=nodes, panels=(panel,))
    hot, cold = ThermalNetwork(whole, HOT), ThermalNetwork(whole, COLD)
    for sun in ([1.0, -1.0], [-1.0, 1.0]):
        loads = [
            network.absorbed_w(constant(network, np.array(sun), np.zeros(2)))[0]
            for network in (hot, cold)
        ]
        assert loads[0][1] == pytest.approx(0.5 * 0.4 * 1414.0)
        assert loads[1][1] == pytest.approx(0.5 * 0.2 * 1322.0)


# Against an independent integration ---------------------------------------------------------------


def random_network(rng: np.random.Generator) -> ThermalNetwork:
    count = int(rng.integers(3, 9))
    names = [f"n{i}" for i in range(count)]
    nodes = [
        {
            "name": n,
            "capacity_j_per_k": float(rng.uniform(50, 2000)),
            "start_c": float(rng.uniform(-50, 80)),
        }
        for n in names
    ]
    nodes.append({"name": "ground", "fixed_c": float(rng.uniform(-20, 40))})
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    chosen = [pairs[i] for i in rng.permutation(len(pairs))[:count]]
    return ThermalNetwork(
        model(
            nodes=nodes,
            conductors=[
                *({"between": p, "w_per_k": float(rng.uniform(0.1, 2))} for p in chosen),
                {"between": [names[0], "ground"], "w_per_k": 0.7},
            ],
            couplings=[{"between": p, "m2": float(rng.uniform(0.01, 0.1))} for p in chosen],
            surfaces=[
                {
                    "name": f"face {n}".replace(" ", "-"),
                    "node": n,
                    "area_m2": float(rng.uniform(0.01, 0.3)),
                    "emissivity": float(rng.uniform(0.1, 0.9)),
                    "absorptivity": 0.3,
                    "view": float(rng.uniform(0.3, 1.0)),
                }
                for n in names
            ],
        )
    )


def derivative(network: ThermalNetwork, load: Array) -> Any:
    """The node equation once more, from the model and not from the kernel's arrays."""
    parts = network.model
    nodes = parts.all_nodes
    index = {node.name: i for i, node in enumerate(nodes)}
    size = len(nodes)
    linear, radiant = np.zeros((size, size)), np.zeros((size, size))
    for c in parts.conductors:
        a, b = index[c.between[0]], index[c.between[1]]
        linear[a, b] += c.w_per_k
        linear[b, a] += c.w_per_k
    for g in parts.couplings:
        a, b = index[g.between[0]], index[g.between[1]]
        radiant[a, b] += g.m2
        radiant[b, a] += g.m2
    for s in parts.surfaces:
        a, b = index[s.node], index["space"]
        radiant[a, b] += s.emissivity * s.area_m2 * s.view
        radiant[b, a] += s.emissivity * s.area_m2 * s.view
    inverse = np.array([1 / n.capacity_j_per_k if n.capacity_j_per_k else 0.0 for n in nodes])

    def f(_: float, t: Array) -> Array:
        flow = load + linear @ t - linear.sum(1) * t
        fourth = t**4
        flow = flow + SIGMA_W_PER_M2_K4 * (radiant @ fourth - radiant.sum(1) * fourth)
        return inverse * flow

    return f


@pytest.mark.parametrize("seed", range(8))
def test_random_networks_agree_with_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_network(rng)
    load = rng.uniform(0, 30, len(network.names))
    reference = scipy.integrate.solve_ivp(
        derivative(network, load),
        (0.0, 3000.0),
        network.start_k,
        method="DOP853",
        rtol=1e-11,
        atol=1e-9,
    ).y[:, -1]
    errors = []
    for dt_s in (2.0, 1.0):
        block = network.run(network.start_k, dt_s, int(3000 / dt_s), dissipation_w=load)
        errors.append(np.max(np.abs(block.temperature_k[-1] - reference)))
        assert abs(block.account.residual) < 1e-9
    assert errors[1] < 2e-3
    assert errors[1] < 0.3 * errors[0] or errors[1] < 1e-8  # second order


def test_energy_closes_over_a_day_of_changing_loads() -> None:
    network = random_network(np.random.default_rng(99))
    rng = np.random.default_rng(1)
    loads = rng.uniform(-2, 40, (86_400, len(network.names)))
    account = network.run(network.start_k, 1.0, 86_400, dissipation_w=loads).account
    assert abs(account.residual) < 1e-9
    assert account.load_j == pytest.approx(float(loads.sum()), rel=1e-12)
    assert account.boundary_j + account.stored_j == pytest.approx(account.load_j, rel=1e-9)


def test_one_block_is_two_halves() -> None:
    network = random_network(np.random.default_rng(5))
    loads = np.random.default_rng(6).uniform(0, 20, (200, len(network.names)))
    whole = network.run(network.start_k, 1.0, 200, dissipation_w=loads).temperature_k
    first = network.run(network.start_k, 1.0, 90, dissipation_w=loads[:90]).temperature_k
    second = network.run(first[-1], 1.0, 110, dissipation_w=loads[90:]).temperature_k
    assert np.array_equal(whole, np.vstack([first, second]))


# View factors and loads ---------------------------------------------------------------------------


def integrated_view(altitude_km: float, nadir_cos: float) -> float:
    """The view factor by summing cos over the disc of the Earth, 1/pi of it."""
    rho = math.asin(6378.137 / (6378.137 + altitude_km))
    theta = (np.arange(2000) + 0.5) / 2000 * rho
    phi = (np.arange(720) + 0.5) / 720 * 2 * np.pi
    sine = math.sqrt(1.0 - nadir_cos**2)
    facing = np.cos(theta)[:, None] * nadir_cos + np.sin(theta)[:, None] * np.cos(phi) * sine
    cell = np.sin(theta)[:, None] * (rho / 2000) * (2 * np.pi / 720)
    return float((np.maximum(facing, 0.0) * cell).sum() / np.pi)


@pytest.mark.parametrize("altitude_km", [300.0, 650.0, 1400.0])
@pytest.mark.parametrize("nadir_cos", [1.0, 0.8, 0.5, 0.2, 0.0, -0.2, -0.35, -0.7, -1.0])
def test_earth_view_factor_is_the_integral(altitude_km: float, nadir_cos: float) -> None:
    expected = integrated_view(altitude_km, nadir_cos)
    assert earth_view_factor(altitude_km, nadir_cos) == pytest.approx(expected, abs=2e-5)


def test_earth_view_factors_of_all_directions_make_a_sphere() -> None:
    cosines = (np.arange(4000) + 0.5) / 2000 - 1
    mean = float(np.mean([earth_view_factor(420.0, float(c)) for c in cosines]))
    assert mean == pytest.approx(sphere_view_factor(420.0), abs=1e-6)
    assert earth_view_factor(420.0, 1.0) == pytest.approx((6378.137 / 6798.137) ** 2)


def test_absorbed_heat_is_that_of_the_formulas() -> None:
    rng = np.random.default_rng(2)
    n, faces = 50, 3
    surfaces = [
        {
            "name": f"f{i}",
            "node": "ab"[i % 2],
            "area_m2": 0.1 * (i + 1),
            "emissivity": 0.8,
            "absorptivity": 0.2,
            "absorptivity_eol": 0.35,
            "view": 0.9,
        }
        for i in range(faces)
    ]
    nodes = [{"name": x, "capacity_j_per_k": 100.0} for x in "ab"]
    light = rng.uniform(0, 1, n)
    sun, earth = rng.uniform(-1, 1, (n, faces)), rng.uniform(0, 0.9, (n, faces))
    zenith = rng.uniform(-1, 1, n)
    for name, case in CASES.items():
        network = ThermalNetwork(model(nodes=nodes, surfaces=surfaces), case)
        got = network.absorbed_w(ThermalEnvironment(light, sun, earth, zenith))
        alpha = 0.35 if name == "hot" else 0.2
        want = np.zeros((n, 3))
        for k in range(n):
            for i in range(faces):
                area = 0.1 * (i + 1)
                direct = alpha * area * case.solar_w_per_m2 * light[k] * max(0.0, sun[k, i])
                albedo = alpha * area * case.albedo * case.solar_w_per_m2 * 0.9 * earth[k, i]
                want[k, i % 2] += direct + albedo * max(0.0, zenith[k])
                want[k, i % 2] += 0.8 * area * 0.9 * case.earth_ir_w_per_m2 * earth[k, i]
        assert np.allclose(got, want, rtol=1e-13, atol=1e-12)
        assert np.all(got[:, 2] == 0)


def test_a_solar_flux_for_each_step_replaces_that_of_the_case() -> None:
    network = plate(1.0, 1.0, both=False)
    flux = np.array([1316.0, 1408.0])
    environment = ThermalEnvironment(np.ones(2), np.ones(1), np.zeros(1), np.zeros(2), flux)
    assert np.allclose(network.absorbed_w(environment)[:, 0], flux)


def test_hot_is_hotter_than_nominal_is_hotter_than_cold() -> None:
    warm = [
        settled(
            ThermalNetwork(plate(0.2, 0.9, both=False).model, case),
            ThermalEnvironment(np.ones(1), np.array([0.5]), np.array([0.3]), np.ones(1)),
            20.0,
        )[0]
        for case in (HOT, NOMINAL, COLD)
    ]
    assert warm[0] > warm[1] > warm[2]


# Bad networks -------------------------------------------------------------------------------------

GOOD: dict[str, Any] = {
    "nodes": [
        {"name": "chip", "capacity_j_per_k": 20.0},
        {"name": "board", "capacity_j_per_k": 100.0},
    ],
    "conductors": [{"between": ["chip", "board"], "w_per_k": 0.5}],
    "surfaces": [
        {"name": "face", "node": "board", "area_m2": 0.1, "emissivity": 0.9, "absorptivity": 0.2}
    ],
}

LONELY = {"name": "lonely", "capacity_j_per_k": 1.0}


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        ({"nodes": []}, ("nodes",), "no nodes"),
        ({"nodes": [*GOOD["nodes"], LONELY]}, ("nodes", 2, "name"), "no heat can leave"),
        (
            {
                "nodes": [*GOOD["nodes"], LONELY, {**LONELY, "name": "also"}],
                "conductors": [
                    *GOOD["conductors"],
                    {"between": ["lonely", "also"], "w_per_k": 1.0},
                ],
            },
            ("nodes", 2, "name"),
            "nothing links it to space",
        ),
        ({"nodes": [*GOOD["nodes"], GOOD["nodes"][0]]}, ("nodes", 2, "name"), "`chip` exists"),
        (
            {"nodes": [*GOOD["nodes"], {"name": "space", "fixed_c": 0.0}]},
            ("nodes", 2, "name"),
            "without being listed",
        ),
        (
            {"nodes": [*GOOD["nodes"], {"name": "x"}]},
            ("nodes", 2, "capacity_j_per_k"),
            "neither a capacity nor",
        ),
        (
            {"nodes": [*GOOD["nodes"], {"name": "x", "capacity_j_per_k": 1.0, "fixed_c": 1.0}]},
            ("nodes", 2, "fixed_c"),
            "no use for a capacity",
        ),
        (
            {"nodes": [{"name": "chip", "capacity_j_per_k": 0.0}]},
            ("nodes", 0, "capacity_j_per_k"),
            "greater than 0",
        ),
        (
            {"nodes": [{"name": "chip", "capacity_j_per_k": -3.0}]},
            ("nodes", 0, "capacity_j_per_k"),
            "greater than 0",
        ),
        (
            {"conductors": [{"between": ["chip", "bord"], "w_per_k": 0.5}]},
            ("conductors", 0, "between", 1),
            "no node `bord`",
        ),
        (
            {"conductors": [{"between": ["chip", "chip"], "w_per_k": 0.5}]},
            ("conductors", 0, "between"),
            "same node",
        ),
        (
            {"conductors": [*GOOD["conductors"], {"between": ["board", "chip"], "w_per_k": 1.0}]},
            ("conductors", 1, "between"),
            "linked by `conductors[0]`, too",
        ),
        (
            {"conductors": [{"between": ["chip", "board"], "w_per_k": -1.0}]},
            ("conductors", 0, "w_per_k"),
            "greater than 0",
        ),
        (
            {"surfaces": [{**GOOD["surfaces"][0], "node": "nowhere"}]},
            ("surfaces", 0, "node"),
            "no node `nowhere`",
        ),
        (
            {"surfaces": [*GOOD["surfaces"], *GOOD["surfaces"]]},
            ("surfaces", 1, "name"),
            "a face `face` exists",
        ),
        (
            {"mli": [{"node": "chip", "towards": "chip", "area_m2": 1.0}]},
            ("mli", 0, "towards"),
            "same node",
        ),
        (
            {
                "panels": [
                    {
                        "name": "p",
                        "attached_to": "p",
                        "w_per_k": 1.0,
                        "area_m2": 1.0,
                        "capacity_j_per_k": 1.0,
                        "emissivity": 0.9,
                        "absorptivity": 0.1,
                    }
                ]
            },
            ("panels", 0, "attached_to"),
            "attached to itself",
        ),
        (
            {
                "nodes": [{"name": f"n{i}", "capacity_j_per_k": 1.0} for i in range(64)],
                "conductors": [{"between": [f"n{i}", "space"], "w_per_k": 1.0} for i in range(64)],
                "surfaces": [],
            },
            ("nodes",),
            "needs 65; at most 64",
        ),
        ({"colour": "black"}, ("colour",), "Extra inputs"),
    ],
)
def test_bad_networks_are_refused_where_they_are_bad(
    change: dict[str, Any], place: tuple[str | int, ...], words: str
) -> None:
    model(**GOOD)
    with pytest.raises(ValidationError) as caught:
        model(**{**GOOD, **change})
    found = {tuple(e["loc"]): e["msg"] for e in caught.value.errors()}
    assert place in found
    assert words in found[place]


def test_a_misspelt_node_is_told_the_right_name() -> None:
    with pytest.raises(ValidationError) as caught:
        model(**{**GOOD, "conductors": [{"between": ["chip", "bord"], "w_per_k": 0.5}]})
    assert caught.value.errors()[0]["ctx"]["remedy"] == "did you mean `board`?"
    with pytest.raises(UsageError, match="did you mean `board`"):
        ThermalNetwork(model(**GOOD)).node("boards")


def test_an_unstable_step_is_refused_and_names_the_node() -> None:
    network = ThermalNetwork(model(**GOOD))
    longest, name = network.stable_dt_s()
    assert name == "chip"
    assert longest == pytest.approx(40.0)
    assert [network.parts_of(dt_s) for dt_s in (1.0, 10.0, 10.1, 40.0, 60.0)] == [1, 1, 2, 4, 6]
    with pytest.raises(UsageError, match=r"node `chip`: at 125 °C it is stable up to 40 s"):
        network.parts_of(1e6)
    with pytest.raises(UsageError, match="node `chip`: now it is stable up to 40 s"):
        network.run(network.start_k, 41.0, 10)
    block = network.run(network.start_k, 39.9, 500)
    assert np.all(np.diff(block.temperature_k[:, 1]) < 0)  # it cools, and nothing swings


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1e12])
def test_loads_that_make_no_sense_are_refused(bad: float) -> None:
    network = ThermalNetwork(model(**GOOD))
    loads = np.zeros((10, 3))
    loads[4, 1] = bad
    with pytest.raises(UsageError, match=r"in step 4 .* node `(board|chip)` is not a valid"):
        network.run(network.start_k, 1.0, 10, dissipation_w=loads)


def test_wrong_shapes_say_what_is_expected() -> None:
    network = ThermalNetwork(model(**GOOD))
    one = np.ones(5)
    with pytest.raises(UsageError, match=r"`sun_cos` .*expected \(5, 1\) or \(1,\)"):
        network.absorbed_w(ThermalEnvironment(one, np.ones(2), np.ones(1), one))
    with pytest.raises(UsageError, match=r"expected \(5, 3\) or \(3,\)"):
        network.run(network.start_k, 1.0, 5, dissipation_w=np.zeros((4, 3)))
    with pytest.raises(UsageError, match="expected 3, of chip, board, space"):
        network.run(np.zeros(2), 1.0, 5)
    with pytest.raises(UsageError, match="above 0"):
        network.run(network.start_k, 0.0, 5)


def test_results_cannot_be_changed_and_inputs_are_not() -> None:
    network = cooling()
    start = np.array(network.start_k)
    block = network.run(start, 1.0, 5)
    assert np.array_equal(start, network.start_k)
    assert not block.temperature_k.flags.writeable
    assert Surface.model_config["frozen"]
