"""Limits, persistence, latching: pure."""

from __future__ import annotations

import json

import pytest

from hil.record.recorded_scenario import RecordedScenario
from hil.record.run_meta import RunMeta
from hil.scenario import parse_scenario
from hil.scenario.alarms import AlarmsConfig
from hil.views.alarm_limits import DEFAULTS, QUANTITIES, Level, Limit, limits_of, limits_of_boards
from hil.views.screen.model.alarms import AlarmBook

GOOD, WARN, BAD = Level.GOOD, Level.WARN, Level.BAD


def book(**limit: float) -> AlarmBook:
    return AlarmBook({("soc", ""): Limit(**limit)})  # type: ignore[arg-type]


def feed(b: AlarmBook, *values: float) -> list[Level]:
    return [b.sample(k, "soc", "a", value) for k, value in enumerate(values)]


def test_a_limit_itself_is_within() -> None:
    limit = Limit(yellow_low=2, yellow_high=5, red_low=1, red_high=6)
    expected = {1: WARN, 0.9: BAD, 2: GOOD, 1.9: WARN, 5: GOOD, 5.1: WARN, 6: WARN, 6.1: BAD}
    assert {value: limit.level(value) for value in expected} == expected


def test_it_takes_persistence_to_raise_and_one_good_value_to_fall() -> None:
    b = book(yellow_high=5, persistence=3)
    assert feed(b, 6, 6, 4, 6, 6, 6, 4) == [GOOD, GOOD, GOOD, GOOD, GOOD, WARN, GOOD]


def test_red_needs_its_own_persistence() -> None:
    b = book(yellow_high=5, red_high=8, persistence=2)
    assert feed(b, 6, 9, 9, 6, 9) == [GOOD, WARN, BAD, WARN, WARN]


def test_an_alarm_stays_until_it_is_acknowledged() -> None:
    b = book(yellow_high=5, persistence=1)
    feed(b, 6, 4)
    (alarm,) = b.alarms
    assert (alarm.level, alarm.latched, alarm.since_frame) == (GOOD, WARN, 0)
    assert b.acknowledge() == 1
    assert b.alarms == ()


def test_acknowledging_what_goes_on_keeps_it_listed_until_it_is_over() -> None:
    b = book(yellow_high=5, persistence=1)
    feed(b, 6)
    b.acknowledge()
    assert [(a.level, a.acknowledged) for a in b.alarms] == [(WARN, True)]
    b.sample(2, "soc", "a", 4)
    assert b.alarms == ()


def test_what_gets_worse_must_be_acknowledged_again() -> None:
    b = book(yellow_high=5, red_high=8, persistence=1)
    feed(b, 6)
    b.acknowledge()
    b.sample(1, "soc", "a", 9)
    assert [(a.level, a.acknowledged) for a in b.alarms] == [(BAD, False)]


def test_what_comes_back_is_counted_and_keeps_its_beginning() -> None:
    b = book(yellow_high=5, persistence=1)
    feed(b, 6, 4, 6, 4, 6)
    (alarm,) = b.alarms
    assert (alarm.times, alarm.since_frame, alarm.level) == (3, 0, WARN)


def test_the_worst_comes_first() -> None:
    b = AlarmBook({("soc", ""): Limit(yellow_high=5, red_high=8, persistence=1)})
    b.sample(1, "soc", "a", 6)
    b.sample(2, "soc", "b", 9)
    assert [a.node for a in b.alarms] == ["b", "a"]
    assert b.alarms[0].text == "b: battery charge 9 > 8"


def test_the_phase_of_the_orbit_has_its_own_limits() -> None:
    b = AlarmBook(
        {
            ("soc", ""): Limit(yellow_low=0.5, persistence=1),
            ("soc", "eclipse"): Limit(yellow_low=0.3, persistence=1),
        }
    )
    assert b.sample(0, "soc", "", 0.4, "eclipse") is GOOD
    assert b.sample(1, "soc", "", 0.4, "sun") is WARN
    assert b.sample(2, "soc", "", 0.4, "") is WARN


def test_quantities_without_a_limit_raise_nothing() -> None:
    assert AlarmBook({}).sample(0, "soc", "", -5) is GOOD


def test_scenarios_and_the_screen_know_the_same_quantities() -> None:
    assert set(AlarmsConfig.model_fields) == set(QUANTITIES)


def test_limits_of_a_scenario_replace_the_defaults() -> None:
    scenario = parse_scenario(
        "schema: 1\nworkload: infer\nframes: 9\nalarms:\n"
        "  soc: {yellow_low: 0.6, persistence: 5, eclipse: {yellow_low: 0.45}}\n"
    )
    found = limits_of(RecordedScenario.of(scenario).alarms)
    assert found["soc", ""] == Limit(yellow_low=0.6, persistence=5)
    assert found["soc", "eclipse"] == Limit(yellow_low=0.45, persistence=5)
    assert found["cpu_temp_c", ""] == DEFAULTS["cpu_temp_c", ""]


@pytest.mark.parametrize(
    "told",
    [{}, {"alarms": None}, {"alarms": {"soc": None}}, {"alarms": {"nonsense": {"red_high": 1}}}],
)
def test_what_makes_no_sense_is_left_out(told: dict[str, object]) -> None:
    assert limits_of(RecordedScenario.parse(json.dumps(told)).alarms) == DEFAULTS


def meta_of(**properties: object) -> RunMeta:
    """What a record with these properties says."""
    return RunMeta.parse({key: json.dumps(value) for key, value in properties.items()})


def test_a_board_has_limits_of_its_own_where_the_scenario_has_none() -> None:
    meta = meta_of(
        scenario={"alarms": {"cpu_temp_c": {"red_high": 60}}},
        board_limits={
            "die_c": {"a": {"yellow_high": 95, "red_high": 99.75}, "b": None},
            "cpu_temp_c": {"a": {"yellow_high": 95}},
            "nonsense": {"a": {"red_high": 1}},
        },
    )
    own = limits_of_boards(meta)
    assert own == {("die_c", "a"): Limit(yellow_high=95, red_high=99.75)}
    b = AlarmBook(limits_of(meta.scenario.alarms), own)
    for frame in range(3):
        b.sample(frame, "die_c", "a", 90.0)
        b.sample(frame, "die_c", "b", 90.0)
        b.sample(frame, "cpu_temp_c", "a", 90.0)
    assert {alarm.key: alarm.level for alarm in b.alarms} == {
        ("die_c", "b"): BAD,
        ("cpu_temp_c", "a"): BAD,
    }


@pytest.mark.parametrize("meta", [{}, {"board_limits": 7}, {"board_limits": {"die_c": None}}])
def test_a_record_without_limits_of_boards_has_none(meta: dict[str, object]) -> None:
    assert limits_of_boards(meta_of(**meta)) == {}
