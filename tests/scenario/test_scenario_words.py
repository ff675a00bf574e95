"""Durations, paces and expectations as people write them; exceptions and exit codes."""

from __future__ import annotations

import pickle

import pytest

from hil.errors import (
    ConfigError,
    HilError,
    KernelError,
    LinkError,
    LinkTimeout,
    NodeError,
    Problem,
    RecordError,
    SetupError,
    UsageError,
    VersionMismatch,
)
from hil.exit_codes import Exit
from hil.scenario.durations import parse_duration_us, parse_pace
from hil.scenario.expect import KNOWN_METRICS, UnknownMetricError, parse_expectation
from hil.scenario.problems import nearest


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("90s", 90_000_000),
        ("2h", 7_200_000_000),
        ("7d", 604_800_000_000),
        ("250ms", 250_000),
        ("10us", 10),
        ("3m", 180_000_000),
        ("3min", 180_000_000),
        ("1h30m", 5_400_000_000),
        ("1h 30m 5s", 5_405_000_000),
        ("0.1s", 100_000),
        ("1.5 h", 5_400_000_000),
        ("0.000001s", 1),
    ],
)
def test_durations_are_exact_microseconds(text: str, us: int) -> None:
    assert parse_duration_us(text) == us


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a duration"),
        ("90", "not a duration"),
        ("s", "not a duration"),
        ("-5s", "not a duration"),
        ("5 parsecs", "not a duration"),
        ("1e3s", "not a duration"),
        ("5s!", "not a duration"),
        ("1:30", "not a duration"),
        ("٣s", "not a duration"),
        ("0s", "out of range"),
        ("0.5us", "whole number of microseconds"),
        ("999999999999999d", "out of range"),
        ("9" * 10_000 + "s", "not a duration"),
    ],
)
def test_what_is_no_duration_is_refused_in_a_short_text(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        parse_duration_us(text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("text", "remedy"), [("-5s", ""), ("\u22125s", ""), ("1_000s", "; write 1000s")]
)
def test_what_is_proposed_for_a_duration_is_one(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match="not a duration") as caught:
        parse_duration_us(text)
    assert str(caught.value).partition("250ms")[2] == remedy


@pytest.mark.parametrize(
    ("text", "factor"), [("free", None), ("realtime", 1.0), ("60x", 60.0), ("0.5x", 0.5)]
)
def test_paces_are_factors_of_real_time(text: str, factor: float | None) -> None:
    assert parse_pace(text) == factor


@pytest.mark.parametrize("text", ["", "fast", "60", "x", "0x", "-1x", "Realtime", "1e400x"])
def test_what_is_no_pace_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_pace(text)


@pytest.mark.parametrize(
    ("wanted", "measured", "ok"),
    [
        (0, 0, True),
        (0, 1, False),
        ("0", 0, True),
        ("== 0", 0, True),
        ("==0", 1, False),
        ("!= 0", 1, True),
        ("!= 0", 0, False),
        (">= 0.999", 0.999, True),
        (">= 0.999", 0.9989, False),
        ("> 5", 5, False),
        ("> 5", 6, True),
        ("< 5", 5, False),
        ("< 5", 4, True),
        ("<= 5", 5, True),
        ("<= 5", 6, False),
        ("1..5", 1, True),
        ("1..5", 5, True),
        ("1..5", 0, False),
        ("1 .. 5", 6, False),
        ("0.5..1.5", 1, True),
        ("-2..-1", -1, True),
        ("2..2", 2, True),
        (" >=  1e-3 ", 0.001, True),
        (0.5, 0.5, True),
    ],
)
def test_expectations_compare_as_written(wanted: object, measured: float, ok: bool) -> None:
    result = parse_expectation("recoveries", wanted).evaluate({"recoveries": measured})
    assert result.ok is ok
    assert result.measured == measured


def test_the_wanted_text_reads_like_the_scenario() -> None:
    for wanted, shown in ((0, "== 0"), (">=0.999", ">= 0.999"), ("1 .. 5", "1..5")):
        assert parse_expectation("slips", wanted).wanted == shown
    assert parse_expectation("slips", "<frames").wanted == "< frames"


def test_a_metric_that_was_not_measured_is_a_failure_even_if_zero_was_wanted() -> None:
    result = parse_expectation("slips", 0).evaluate({"frames": 5})
    assert not result.ok
    assert result.measured is None


def test_another_metric_may_stand_in_place_of_the_number() -> None:
    expectation = parse_expectation("verdicts.unanimous", "== frames")
    assert expectation.evaluate({"verdicts.unanimous": 7, "frames": 7}).ok
    assert not expectation.evaluate({"verdicts.unanimous": 6, "frames": 7}).ok
    assert not expectation.evaluate({"verdicts.unanimous": 7}).ok, "frames was not measured"


def test_a_measured_nan_fulfils_nothing() -> None:
    for wanted in (0, ">= 0", "<= 0", "0..1"):
        assert (
            not parse_expectation("availability", wanted)
            .evaluate({"availability": float("nan")})
            .ok
        )


@pytest.mark.parametrize(
    "wanted",
    [True, None, [1], {}, "", "yes", "=> 1", ">=", "5..1", "1..", "..5", ">= x y", "1 2", "nan"],
)
def test_what_is_no_expectation_is_refused(wanted: object) -> None:
    with pytest.raises(ValueError, match=r"expected|there is no metric"):
        parse_expectation("slips", wanted)


@pytest.mark.parametrize(
    "wanted", [".inf", float("inf"), float("nan"), "1e999", 10**400, "== slips"]
)
def test_no_metric_is_compared_with_infinity_or_itself(wanted: object) -> None:
    with pytest.raises(ValueError, match=r"expected|there is no metric"):
        parse_expectation("slips", wanted)


def test_unknown_metrics_come_with_the_nearest_name() -> None:
    for metric, near in (
        ("availabilty", "availability"),
        ("injected", "upsets.injected"),
        ("verdicts.unanimus", "verdicts.unanimous"),
        ("by_target.register", "by_target."),
        ("sdc", "sdc_frames"),
        ("sdc_escape", "sdc_escaped"),
    ):
        with pytest.raises(UnknownMetricError) as caught:
            parse_expectation(metric, 0)
        assert near in caught.value.hint
    with pytest.raises(UnknownMetricError, match="framez"):
        parse_expectation("slips", "== framez")
    with pytest.raises(UnknownMetricError) as caught:
        parse_expectation("qqqqqq", 0)
    assert all(metric in caught.value.hint for metric in KNOWN_METRICS)


def test_known_metrics_are_the_documented_ones() -> None:
    assert (
        len(KNOWN_METRICS)
        == len(set(KNOWN_METRICS))
        == 24 + 3 + 9 + 12 + 5 + 3 + 9 + 7 + 16 + 5 + 2 + 3 + 20 + 4
    )
    assert {
        "frames",
        "verdicts.no_quorum",
        "upsets.not_injected",
        "by_target.board",
        "plant.min_soc",
    } <= set(KNOWN_METRICS)


def test_nearest_is_none_if_nothing_is_near() -> None:
    assert nearest("zzz", ["alpha", "beta"]) is None
    assert nearest("", ["alpha"]) is None
    assert nearest("ALPHA", ["alpha", "beta"]) == "alpha"
    assert nearest("frame-ms", ["frame_ms", "frames"]) == "frame_ms"


PROBLEM = Problem("f.yaml", 3, 5, "$.a", "wrong", "do right")


@pytest.mark.parametrize(
    "error",
    [
        UsageError("m", remedy="r"),
        ConfigError([PROBLEM]),
        SetupError("m"),
        KernelError(-3, "digest64"),
        LinkError("m"),
        LinkTimeout("m", remedy="r"),
        VersionMismatch("m"),
        NodeError("m"),
        RecordError("m"),
    ],
)
def test_errors_survive_pickling_for_runs_in_other_processes(error: HilError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert copy.remedy == error.remedy
    assert isinstance(copy, HilError)


def test_exit_codes_are_the_documented_ones() -> None:
    assert [int(code) for code in Exit] == [0, 1, 2, 3, 130]
    assert UsageError("m").exit_code == ConfigError([PROBLEM]).exit_code == 2
    for error in (SetupError("m"), LinkTimeout("m"), NodeError("m"), RecordError("m")):
        assert error.exit_code == 3


def test_errors_are_also_the_builtin_kind_that_callers_expect() -> None:
    assert isinstance(ConfigError([PROBLEM]), ValueError)
    assert isinstance(LinkTimeout("m"), TimeoutError)
    assert KernelError(-3, "x").status == -3


def test_a_config_error_reports_every_problem_on_its_own_line() -> None:
    assert str(ConfigError([PROBLEM])) == "f.yaml:3:5: $.a: wrong; do right"
    option = Problem("--seed", 0, 0, "$.seed", "wrong")
    assert str(ConfigError([PROBLEM, option])).splitlines() == [
        "2 problems:",
        "f.yaml:3:5: $.a: wrong; do right",
        "--seed: $.seed: wrong",
    ]


def test_an_error_shows_its_remedy_only_if_it_has_one() -> None:
    assert str(SetupError("no port", remedy="plug it in")) == "no port\n  try: plug it in"
    assert str(SetupError("no port")) == "no port"
