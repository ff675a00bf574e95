"""The link to the ground: its budget against published ones, contacts against skyfield, and the
queue against what can be counted by hand."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.plant.ground import budget_of, contacts_of, ground_station, scenario_contacts
from hil.plant.ground_link import GroundItem, GroundLink
from hil.plant.link_budget import LinkBudget, free_space_loss_db, slant_range_km
from hil.plant.scenario_orbit import orbit_of
from hil.plant.store_and_forward import ItemEvent, LinkQueue, QueuedItem
from hil.scenario import load_scenario
from hil.scenario.offload import IslConfig, OffloadConfig, RadioConfig, SendOrder
from hil.wire.ground import Contact, ItemFate

SHIPPED = Path(__file__).parents[2] / "scenarios" / "leo-offload.yaml"
S = 1_000_000

# --- the budget -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("distance_km", "frequency_mhz", "loss_db"),
    # spacelink 0.1.12 (PyPI), free_space_path_loss
    [
        (550.0, 2245.0, 154.27936392),
        (2205.0, 2245.0, 166.340282),
        (1000.0, 8200.0, 170.72406027),
        (35786.0, 12000.0, 205.10567129),
        (120.0, 401.5, 126.10511914),
    ],
)
def test_the_loss_of_free_space(distance_km: float, frequency_mhz: float, loss_db: float) -> None:
    assert free_space_loss_db(distance_km, frequency_mhz) == pytest.approx(loss_db, abs=1e-6)


def test_a_published_budget() -> None:
    """Table 1 of doi 10.1186/s13638-020-01674-9: 2200 MHz, EIRP 38.3 dBm, free space 162.2 dB,
    depointing 10 dB, an antenna of 38.2 dBi at 130 K; 3.4 Mbit/s. It has C/N0 81.8 dBHz, Eb/N0
    16.5 dB, and with 6 dB of demodulation losses and 7 dB required a margin of 3.5 dB."""
    g_over_t = 38.2 - 10.0 * math.log10(130.0)
    budget = LinkBudget(2200.0, 8.3, g_over_t, 10.0, 7.0 + 6.0, 0.0)
    distance_km = 10.0 ** (162.2 / 20.0) * 299.792458 / 2200.0 / (4.0 * math.pi) / 1e3
    assert free_space_loss_db(distance_km, 2200.0) == pytest.approx(162.2)
    c_over_n0 = budget.c_over_n0_dbhz(distance_km)
    assert c_over_n0 == pytest.approx(81.8, abs=0.05)
    assert c_over_n0 - 10.0 * math.log10(3.4e6) == pytest.approx(16.5, abs=0.06)
    margin_db = 10.0 * math.log10(budget.closing_bit_s(distance_km) / 3.4e6)
    assert margin_db == pytest.approx(3.5, abs=0.06)


def test_the_rate_follows_the_distance_squared_or_steps_below_it() -> None:
    budget = LinkBudget(2200.0, 0.0, 20.0, 3.0, 4.4, 3.0, max_bit_s=10**9)
    assert budget.rate_bit_s(500.0) == pytest.approx(4 * budget.rate_bit_s(1000.0), rel=1e-6)
    stepped = LinkBudget(2200.0, 0.0, 20.0, 3.0, 4.4, 3.0, rates_bit_s=(64_000, 4_000_000))
    closing = budget.closing_bit_s(slant_range_km(5.0, 550.0))
    assert 4e6 < closing < 2e7 and stepped.rate_bit_s(slant_range_km(5.0, 550.0)) == 4_000_000
    assert stepped.rate_bit_s(10_000.0) == 64_000
    assert stepped.rate_bit_s(10**7) == 0


def test_the_distance_to_an_elevation() -> None:
    assert slant_range_km(90.0, 550.0) == pytest.approx(550.0)
    horizon = math.sqrt((6371.0 + 550.0) ** 2 - 6371.0**2)
    assert slant_range_km(0.0, 550.0) == pytest.approx(horizon)


# --- contacts -------------------------------------------------------------------------------------


def test_contacts_have_the_rate_of_their_farther_end() -> None:
    """Distances by skyfield, at both ends of each step: the used rate closes at both."""
    api = pytest.importorskip("skyfield.api")
    scenario = load_scenario(SHIPPED)
    plant, offload = scenario.plant, scenario.offload
    assert plant is not None and plant.orbit is not None
    assert offload is not None and offload.downlink is not None
    timescale = api.load.timescale(builtin=True)
    orbit = orbit_of(plant.orbit, plant)
    satellite = api.EarthSatellite.from_satrec(orbit._satellite, timescale)
    stations = {s.name: s for s in plant.stations}
    contacts = scenario_contacts(scenario)
    assert {c.station for c in contacts} == set(stations)
    for contact in contacts:
        model = stations[contact.station]
        place = api.wgs84.latlon(
            model.latitude_deg, model.longitude_deg, model.altitude_km * 1000.0
        )
        ends_s = np.array([contact.start_us, contact.end_us]) / 1e6
        seen = (satellite - place).at(timescale.utc(2026, 3, 20, 0, 0, ends_s))
        elevation, _, distance = seen.altaz()
        assert elevation.degrees.min() >= model.min_elevation_deg - 0.05
        budget = budget_of(offload.downlink, model.g_over_t_db_k)
        closing = budget.closing_bit_s(float(distance.km.max()))
        rates = [rate for rate in offload.downlink.rates_bit_s if rate <= closing * 1.001]
        assert contact.down_bit_s == max(rates, default=0)


def test_contacts_do_not_overlap_and_another_satellite_fills_only_gaps() -> None:
    scenario = load_scenario(SHIPPED)
    plant = scenario.plant
    assert plant is not None and plant.orbit is not None and scenario.offload is not None
    with_isl = scenario.model_copy(
        update={
            "offload": scenario.offload.model_copy(
                update={"isl": IslConfig(rate_bit_s=9600, availability=0.5)}
            )
        }
    )
    ground = scenario_contacts(scenario)
    both = scenario_contacts(with_isl)
    assert all(a.end_us <= b.start_us for a, b in pairwise(both))
    assert tuple(c for c in both if c.station != "isl") == ground
    length_us = scenario.frame_count * scenario.frame_us
    slots_us = sum(c.end_us - c.start_us for c in both if c.station == "isl")
    seen_us = sum(c.end_us - c.start_us for c in ground)
    assert slots_us / (length_us - seen_us) == pytest.approx(0.5, abs=0.1)  # 300 slots


@pytest.mark.parametrize(("availability", "slots"), [(0.0, 0), (1.0, 1)])
def test_a_link_that_never_or_always_works(availability: float, slots: int) -> None:
    isl = IslConfig(rate_bit_s=100, availability=availability)
    offload = OffloadConfig(isl=isl)
    contacts = contacts_of(offload, None, (), (), end_us=600 * S, seed=1)
    assert len(contacts) == slots
    assert all((c.start_us, c.end_us) == (0, 600 * S) for c in contacts)


# --- the queue ------------------------------------------------------------------------------------


def queue(
    *rates: tuple[int, int, int], order: str = "oldest", room: int | None = None
) -> LinkQueue:
    times = [(start * S, end * S, rate, "x") for start, end, rate in rates]
    return LinkQueue(times, SendOrder(order), room)


def of(events: list[ItemEvent]) -> list[tuple[float, int, str]]:
    return [(e.at_us / S, e.id, e.fate) for e in sorted(events)]


def test_what_waits_goes_in_the_next_contact_and_is_finished_in_the_one_after() -> None:
    link = queue((10, 20, 80), (50, 60, 160))
    events = link.add(QueuedItem(1, 0, 90, 5)) + link.add(QueuedItem(2, 1 * S, 40, 5))
    events += link.advance(100 * S)
    # 90 bytes at 10 a second: 9 s. Of 40, 10 go in the last second, 30 at 20 a second.
    assert of(events) == [(19.0, 1, "delivered"), (51.5, 2, "delivered")]


def test_priority_goes_before_age_and_the_newest_first_if_that_is_wanted() -> None:
    link = queue((10, 100, 80), order="newest")
    for number, priority in ((1, 5), (2, 5), (3, 1), (4, 9)):
        link.add(QueuedItem(number, number * S, 10, priority))
    assert [event.id for event in link.advance(100 * S)] == [3, 2, 1, 4]


def test_what_is_too_old_is_dropped_when_it_is_and_what_has_begun_is_not() -> None:
    link = queue((10, 20, 80))
    link.add(QueuedItem(1, 0, 20, 5, expires_us=5 * S))
    link.add(QueuedItem(2, 1 * S, 30, 5, expires_us=11 * S))
    events = link.advance(30 * S)
    assert of(events) == [(5.0, 1, "too old"), (13.0, 2, "delivered")]


def test_without_room_the_oldest_of_the_lowest_priority_is_dropped() -> None:
    link = queue((100, 200, 80), room=100)
    link.add(QueuedItem(1, 0, 40, 5))
    link.add(QueuedItem(2, 1 * S, 40, 5))
    assert of(link.add(QueuedItem(3, 2 * S, 40, 1))) == [(2.0, 1, "no room")]
    assert of(link.add(QueuedItem(4, 3 * S, 40, 9))) == [(3.0, 4, "no room")]
    assert link.stored == 80


def test_an_answer_comes_up_after_the_work_and_only_in_a_contact() -> None:
    contacts = [Contact(0, 5 * S, "x", 80, 80), Contact(50 * S, 60 * S, "y", 80, 40)]
    link = GroundLink(contacts, SendOrder.OLDEST)
    link.add(GroundItem(QueuedItem(1, 0, 30, 1), answer_size=10, ground_us=4 * S))
    events = link.advance(100 * S)
    # Down at 3 s, computed at 7 s, when the contact is over; up at 40 bit/s from 50 s on.
    assert [(e.at_us / S, e.fate, e.station) for e in events] == [
        (3.0, ItemFate.DELIVERED, "x"),
        (52.0, ItemFate.ANSWERED, "y"),
    ]


items = st.lists(
    st.tuples(
        st.integers(0, 3 * S),
        st.integers(1, 200),
        st.integers(0, 2),
        st.one_of(st.none(), st.integers(1, 40 * S)),
        st.one_of(st.none(), st.integers(1, 200)),
    ),
    max_size=9,
)
spans = st.lists(
    st.tuples(st.integers(0, 4 * S), st.integers(1, 6 * S), st.integers(1, 999)), max_size=4
)


@settings(max_examples=60)
@given(items, spans, st.sampled_from(SendOrder), st.integers(S // 10, 3 * S))
def test_how_finely_time_is_advanced_does_not_matter_and_no_link_carries_too_much(
    given_items: list[tuple[int, int, int, int | None, int | None]],
    given_spans: list[tuple[int, int, int]],
    order: SendOrder,
    step_us: int,
) -> None:
    contacts, at_us = [], 0
    for gap_us, length_us, rate in given_spans:
        start_us, at_us = at_us + gap_us, at_us + gap_us + length_us
        contacts.append(Contact(start_us, at_us, "x", rate, rate))
    queued, made_us = [], 0
    for number, (gap_us, size, priority, age_us, answer) in enumerate(given_items):
        made_us += gap_us
        expires_us = None if age_us is None else made_us + age_us
        waits = QueuedItem(number, made_us, size, priority, expires_us)
        queued.append(GroundItem(waits, answer, ground_us=answer or 0))
    end_us = max(at_us, made_us) + S
    coarse, fine = GroundLink(contacts, order, 500), GroundLink(contacts, order, 500)
    once: list[ItemEvent] = []
    often: list[ItemEvent] = []
    now_us = 0
    for item in queued:
        once += coarse.add(item)
        while now_us + step_us < item.queued.at_us:
            now_us += step_us
            often += fine.advance(now_us)
        often += fine.add(item)
    once += coarse.advance(end_us)
    for at_us in range(now_us, end_us, step_us):
        often += fine.advance(at_us)
    often += fine.advance(end_us)
    assert sorted(once) == sorted(often)
    sizes = {i.queued.id: i.queued.size for i in queued}
    for fate, size_of in (
        (ItemFate.DELIVERED, sizes),
        (ItemFate.ANSWERED, {i.queued.id: i.answer_size or 0 for i in queued}),
    ):
        for contact in contacts:  # what has gone by the end of a contact, the link could carry
            gone = sum(
                size_of[e.id] * 8 for e in once if e.fate is fate and e.at_us <= contact.end_us
            )
            could = sum(
                (c.end_us - c.start_us) * c.down_bit_s
                for c in contacts
                if c.end_us <= contact.end_us
            )
            assert gone * S <= could


def test_a_station_is_where_its_elevation_is_taken_from() -> None:
    scenario = load_scenario(SHIPPED)
    assert scenario.plant is not None
    model = scenario.plant.stations[0]
    assert ground_station(model).min_elevation_deg == model.min_elevation_deg == 5.0
    own = budget_of(RadioConfig(frequency_mhz=1.0, eirp_dbw=0.0, g_over_t_db_k=1.0), 7.0)
    assert own.g_over_t_db_k == 7.0
