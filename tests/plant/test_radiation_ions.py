"""Heavy ions against published numbers: ranges and LETs, cosmic-ray spectra, chords of a box, and
upset rates of real parts that CREME96 gave."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from hil.plant.radiation.crosssection import Plateau, Weibull
from hil.plant.radiation.galactic_ions import element_spectrum, elements, flux_above
from hil.plant.radiation.gcr import proton_flux_above
from hil.plant.radiation.irpp import Box, chord_exceeds, effective_section, ion_rate
from hil.plant.radiation.let_spectrum import (
    LETS,
    IonFlux,
    absorption_g_cm2,
    galactic_let_spectrum,
    let_spectrum,
)
from hil.plant.radiation.stopping import (
    ALUMINIUM,
    ENERGIES_MEV_U,
    SILICON,
    ion_range_g_cm2,
    ion_stopping,
    proton_stopping,
)
from hil.scenario.plant.radiation import SolarPhase

Floats = npt.NDArray[np.float64]
DAY_S = 86_400.0

# --- stopping -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("energy_mev", "range_g_cm2"),
    [  # NIST PSTAR, aluminium, CSDA
        (1.0, 3.945e-3),
        (2.0, 1.146e-2),
        (5.0, 5.188e-2),
        (10.0, 0.1705),
        (30.0, 1.180),
        (100.0, 10.01),
        (300.0, 65.72),
        (1000.0, 412.4),
        (10000.0, 5757.0),
    ],
)
def test_ranges_of_protons_in_aluminium_are_those_of_pstar(
    energy_mev: float, range_g_cm2: float
) -> None:
    per_nucleon = energy_mev * 931.494 / 938.272
    ranges = ion_range_g_cm2(1, 1.00728, ALUMINIUM)
    found = np.exp(np.interp(math.log(per_nucleon), np.log(ENERGIES_MEV_U), np.log(ranges)))
    assert found == pytest.approx(range_g_cm2, rel=0.02 if energy_mev < 10 else 0.004)


def test_stopping_of_protons_in_silicon() -> None:
    """34.7 MeV cm2/g at 10 MeV (PSTAR); 1.66 at the minimum; the peak below 0.54 MeV cm2/mg."""
    at = proton_stopping(np.array([10.0, 2000.0]), SILICON)
    assert at == pytest.approx([34.7, 1.66], rel=0.02)
    peak = proton_stopping(np.logspace(-2.0, 1.0, 300), SILICON).max() / 1000.0
    assert peak == pytest.approx(0.54, rel=0.03)


@pytest.mark.parametrize(
    ("ion", "z", "mev_u", "let"),
    [  # NASA Space Radiation Laboratory, SEE library: LET in silicon by ion and energy
        ("C", 6, 300.0, 0.1),
        ("Si", 14, 370.0, 0.5),
        ("Ti", 22, 500.0, 1.0),
        ("Fe", 26, 270.0, 2.0),
        ("Fe", 26, 142.0, 3.0),
        ("Nb", 41, 199.0, 6.0),
        ("Ag", 47, 163.0, 9.0),
        ("Ta", 73, 278.0, 15.0),
        ("Bi", 83, 130.0, 30.0),
        ("Bi", 83, 36.0, 60.0),
        # Berkeley, 10 MeV a nucleon: energies and LETs as in Bagatin et al., NTRS 20180000792
        ("B", 5, 9.8, 0.9),
        ("Ne", 10, 9.83, 3.5),
        ("Si", 14, 10.06, 6.1),
        ("Ar", 18, 10.0, 9.7),
        ("Cu", 29, 10.14, 21.2),
        ("Kr", 36, 10.3, 30.9),
        # Berkeley, 16 MeV a nucleon: NEPP-TR-2019-Berg, table 19
        ("O", 8, 16.0, 1.54),
        ("V", 23, 16.0, 10.9),
        ("Xe", 54, 16.0, 49.3),
    ],
)
def test_lets_are_those_that_beam_facilities_publish(
    ion: str, z: int, mev_u: float, let: float
) -> None:
    found = ion_stopping(z, np.array([mev_u]), SILICON)[0] / 1000.0
    assert found == pytest.approx(let, rel=0.09), ion  # the first column is rounded


def test_iron_s_largest_let_is_29() -> None:
    assert ion_stopping(26, ENERGIES_MEV_U, SILICON).max() / 1000.0 == pytest.approx(29.3, rel=0.05)


# --- galactic ions --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("z", "mev_u", "wolf", "flux"),
    [  # per m2 s sr MeV/nucleon: the package CosRayModifiedISO 1.2.12
        (1, 1000.0, 0.0, 1.3445),
        (1, 1000.0, 100.0, 0.43601),
        (2, 300.0, 50.0, 0.19073),
        (8, 1000.0, 0.0, 0.0029941),
        (26, 200.0, 100.0, 2.3608e-4),
        (26, 1000.0, 100.0, 1.8151e-4),
    ],
)
def test_spectra_are_those_of_the_modified_iso_model(
    z: int, mev_u: float, wolf: float, flux: float
) -> None:
    (element,) = elements(z, z)
    found = element_spectrum(element, np.array([mev_u]), wolf)[0]
    assert found == pytest.approx(flux, rel=0.002)


@pytest.mark.parametrize("phase", list(SolarPhase))
def test_its_protons_agree_with_the_force_field(phase: SolarPhase) -> None:
    """Two models of different authors, above 10 MeV: the integral flux to 25 %."""
    (hydrogen,) = elements(1, 1)
    above = float(np.interp(10.0, ENERGIES_MEV_U, flux_above(hydrogen, phase)))
    assert above == pytest.approx(float(proton_flux_above(phase)[0]), rel=0.25)


def test_elements_beyond_nickel_follow_the_solar_system() -> None:
    """HEAO 3 and Ariel 6: the elements from Z = 33 on are some 1e-4 of iron."""
    e = {element.z: element for element in elements()}
    assert sorted(e)[:28] == list(range(1, 29))
    assert max(e) == 92
    at = np.array([2000.0])
    iron = element_spectrum(e[26], at, 10.0)[0]
    heavy = sum(element_spectrum(e[z], at, 10.0)[0] for z in e if z >= 33)
    assert 0.5e-4 < heavy / iron < 4e-4


# --- LET spectra ----------------------------------------------------------------------------------


def test_let_spectrum_agrees_with_the_reference_s_own_model() -> None:
    """Free space, 2.5 mm, solar minimum, by another author's code (see the reference document)."""
    lets = np.array([0.1, 0.5, 1.0, 3.0, 5.0, 10.0, 15.0])
    spectrum = galactic_let_spectrum(SolarPhase.MIN, 2.54)
    per_day = spectrum.above(lets, np.zeros(1))[0] * DAY_S
    assert per_day == pytest.approx([2650.0, 421.0, 220.0, 18.7, 5.8, 1.03, 0.30], rel=0.2)


def test_a_beam_of_one_energy_arrives_as_the_range_says() -> None:
    """Iron of 100 MeV/u behind 2.54 mm: what its range leaves, less what collisions take."""
    above = np.where(ENERGIES_MEV_U <= 100.0, 1.0, 0.0)
    spectrum = let_spectrum([IonFlux(26, 55.8, above)], 2.54)
    ranges = ion_range_g_cm2(26, 55.8, ALUMINIUM)
    across = 0.254 * 2.699
    left = np.interp(100.0, ENERGIES_MEV_U, ranges) - across
    inside = np.interp(left, ranges, ENERGIES_MEV_U)
    let = ion_stopping(26, np.array([inside]), SILICON)[0] / 1000.0
    arrived = spectrum.by_cutoff[0]
    survive = math.exp(-across / absorption_g_cm2(55.8))
    assert 0.96 < survive < 0.98
    assert arrived[0.95 * let > LETS] == pytest.approx(survive, rel=1e-9)
    assert arrived[1.1 * let < LETS].max() == 0.0


def test_a_thicker_wall_and_a_higher_cutoff_let_fewer_through() -> None:
    thin, thick = (galactic_let_spectrum(SolarPhase.MIN, mm).by_cutoff for mm in (2.54, 20.0))
    assert np.all(thick[0] <= thin[0] * 1.0001)
    assert np.all(np.diff(thin, axis=0) <= 0.0)
    assert np.all(np.diff(thin, axis=1) <= 0.0)
    low, high = (galactic_let_spectrum(p, 2.54).by_cutoff[0] for p in SolarPhase)
    assert np.all(high <= low)


def test_a_wall_of_a_metre_is_refused() -> None:
    with pytest.raises(ValueError, match=r"it must be 0\.\.200 mm"):
        let_spectrum([], 1000.0)


# --- chords ---------------------------------------------------------------------------------------


def drawn_chords(box: Box, count: int = 400_000) -> Floats:
    """Chords of an isotropic flux: entry points on the surface, directions by the cosine law."""
    rng = np.random.default_rng(7)
    sides = np.array(box.sides)
    a, b, c = sides
    areas = np.array([b * c, a * c, a * b])
    face = rng.choice(3, size=count, p=areas / areas.sum())
    point = rng.random((count, 3)) * sides
    point[np.arange(count), face] = 0.0
    inward = np.sqrt(rng.random(count))
    around = 2.0 * math.pi * rng.random(count)
    slant = np.sqrt(1.0 - inward * inward)
    direction = np.empty((count, 3))
    rows = np.arange(count)
    direction[rows, face] = inward
    direction[rows, (face + 1) % 3] = slant * np.cos(around)
    direction[rows, (face + 2) % 3] = slant * np.sin(around)
    with np.errstate(divide="ignore"):
        wall = np.where(direction > 0.0, (sides - point) / direction, -point / direction)
    out: Floats = wall.min(axis=1)
    return out


@pytest.mark.parametrize("sides", [(10.0, 10.0, 1.0), (1.0, 1.0, 1.0), (3.0, 0.5, 2.0)])
def test_chords_are_those_of_an_isotropic_flux(sides: tuple[float, float, float]) -> None:
    box = Box(*sides)
    chords = drawn_chords(box)
    lengths = np.linspace(0.0, box.longest_chord_um, 25)
    drawn = np.array([(chords > length).mean() for length in lengths])
    assert chord_exceeds(box, lengths) == pytest.approx(drawn, abs=0.004)


@pytest.mark.parametrize("sides", [(10.0, 10.0, 1.0), (1.0, 1.0, 1.0), (7.0, 0.3, 2.0)])
def test_the_mean_chord_is_cauchy_s(sides: tuple[float, float, float]) -> None:
    """4 V / S for any convex body."""
    box = Box(*sides)
    a, b, c = sides
    lengths = np.linspace(0.0, box.longest_chord_um, 40_001)
    survival = chord_exceeds(box, lengths)
    mean = float(np.sum((survival[1:] + survival[:-1]) / 2.0 * np.diff(lengths)))
    assert mean == pytest.approx(4.0 * a * b * c / (2.0 * (a * b + b * c + c * a)), rel=1e-4)
    assert survival[0] == 1.0
    assert survival[-1] == 0.0
    assert np.all(np.diff(survival) <= 1e-12)


def test_short_chords_of_a_cube() -> None:
    """Below its side, from the overlap of a unit cube with itself moved by r, averaged over the
    directions: 1 - 3r/2 + 2 r^2/pi - r^3/(4 pi). The density is 2/3 of its second derivative.
    """
    cube = Box(1.0, 1.0, 1.0)
    r = np.array([0.2, 0.5, 0.9])
    density = (chord_exceeds(cube, r - 1e-5) - chord_exceeds(cube, r + 1e-5)) / 2e-5
    assert density == pytest.approx((2.0 / 3.0) * (4.0 / math.pi - 6.0 * r / (4.0 * math.pi)))


# --- rates ----------------------------------------------------------------------------------------


def test_a_thin_wide_box_counts_by_the_effective_let() -> None:
    """A slab seen from everywhere: half of its face, and the square of L / L_c below threshold."""
    box = Box(1e5, 1e5, 1.0)
    curve = Plateau(1e2, threshold=10.0)  # the face of the box: 1e10 um2
    sigma = effective_section(curve, box, np.array([1.0, 5.0, 100.0]))
    assert sigma == pytest.approx([0.5, 12.5, 50.0], rel=0.01)


def test_far_above_the_threshold_every_crossing_counts() -> None:
    box = Box(2.0, 3.0, 1.0)
    curve = Weibull(6e-8, 1.0, 5.0, 1.5)
    assert effective_section(curve, box, np.array([1e7]))[0] == pytest.approx(
        box.mean_projection_cm2, rel=1e-3
    )


def test_below_the_longest_chord_s_let_nothing_is_upset() -> None:
    box = Box(2.0, 2.0, 1.0)  # diagonal 3
    curve = Plateau(4e-8, threshold=9.0)
    assert effective_section(curve, box, np.array([2.9, 3.1]))[0] == 0.0
    assert effective_section(curve, box, np.array([2.9, 3.1]))[1] > 0.0


@pytest.mark.parametrize("side", [0.0, -1.0, math.nan, math.inf])
def test_a_box_has_three_sides(side: float) -> None:
    with pytest.raises(ValueError, match="depth of a sensitive volume must be a positive number"):
        Box(1.0, 1.0, side)


PUBLISHED = [
    # Microchip, "Radiation characteristics of FPGA using complementary-SONOS configuration cell"
    # (2020), table 1 and section on orbital rates: PolarFire MPF300, GEO, solar minimum, 100 mil.
    ("PolarFire uSRAM", (3e-9, 0.1, 12.0, 1.3), 4.44e-8),
    ("PolarFire LSRAM", (5e-9, 0.1, 11.0, 1.3), 9.21e-8),
    ("PolarFire flip-flop, all one", (5e-9, 0.5, 11.0, 1.3), 4.07e-8),
    ("PolarFire flip-flop, all zero", (4e-9, 0.5, 10.0, 1.3), 3.36e-8),
    ("PolarFire flip-flop, checkerboard", (7e-8, 0.1, 32.0, 1.6), 2.28e-7),
    ("PolarFire flip-flop, slow checkerboard", (3e-8, 0.1, 28.0, 1.5), 1.34e-7),
    # Lee, Wirthlin, Swift and Le, REDW 2014 (7004595), tables 1 and 2: Kintex-7 325T, GEO, solar
    # minimum, 100 mil; read where two tools quote them.
    ("Kintex-7 configuration", (3.34e-8, 0.4, 338.5, 0.852), 1.0e-7),
    ("Kintex-7 block RAM", (3.82e-8, 0.1, 87.5, 0.893), 5.2e-7),
    ("Kintex-7 flip-flop", (1.47e-7, 1.1, 271.3, 1.09), 9.0e-8),
]


@pytest.mark.parametrize(("part", "curve", "per_bit_day"), PUBLISHED, ids=[p[0] for p in PUBLISHED])
def test_rates_are_those_that_creme96_gave(
    part: str, curve: tuple[float, float, float, float], per_bit_day: float
) -> None:
    """Within a factor of two; the boxes are as wide as the limit says and 1 um deep."""
    weibull = Weibull(*curve)
    above = galactic_let_spectrum(SolarPhase.MIN, 2.54).by_cutoff[0] * DAY_S
    found = float(ion_rate(weibull, Box.of_face(weibull.sigma_cm2), LETS, above))
    assert 0.5 < found / per_bit_day < 2.0, (part, found / per_bit_day)


@pytest.mark.parametrize(("phase", "c"), [(SolarPhase.MIN, 200.0), (SolarPhase.MAX, 40.0)])
def test_the_figure_of_merit_of_petersen(phase: SolarPhase, c: float) -> None:
    """R = C sigma / L_0.25^2 upsets a bit and day at GEO behind 100 mil, C = 200 and 40 (Petersen
    1998), for soft parts of a few um: within a factor of two for each."""
    above = galactic_let_spectrum(phase, 2.54).by_cutoff[0] * DAY_S
    for threshold, width, shape in ((1.0, 5.0, 1.5), (2.0, 10.0, 1.5), (3.0, 15.0, 2.0)):
        curve = Weibull(1e-7, threshold, width, shape)
        quarter = threshold + width * (-math.log(0.75)) ** (1.0 / shape)
        rate = float(ion_rate(curve, Box.of_face(1e-7), LETS, above))
        assert 0.5 < rate / (c * 1e-7 / quarter**2) < 2.0
