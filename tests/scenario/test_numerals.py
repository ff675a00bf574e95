"""Numbers as others write them are refused with what to write; none is read as another one."""

from __future__ import annotations

import pytest

from hil.errors import ConfigError
from hil.scenario import parse_scenario
from hil.scenario.durations import parse_duration_us
from hil.scenario.numerals import is_plain, number_remedy, rewritten


def remedy_of(lines: str) -> str:
    text = f"workload: attitude\nrig: {{scheme: tmr}}\n{lines}\n"
    if "frames:" not in lines and "duration:" not in lines:
        text += "frames: 10\n"
    with pytest.raises(ConfigError) as caught:
        parse_scenario(text)
    (problem,) = caught.value.problems
    assert problem.line == 3
    return problem.remedy


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("frames: 10_000", "write 10000"),
        ('frames: "10000"', "remove the quotes"),
        ("frames: 1e3", "write 1000"),
        ("frames: 1.0", "write 1"),
        ("frames: 0b101", "write 5"),
        ("frames: 0o1_7", "write 15"),
        ("frames: 1,000", "write 1000"),
        ("frames: 1 000", "write 1000"),
        ("frames: 1'000", "write 1000"),
        ("frames: 1,5", ""),
        ("frames: 12:30:00", "write one number, in the unit of the key"),
        ("frames: 100 frames", "write 100; its unit is that of the key or the column"),
        ("frames: .nan", "write a finite number"),
        ("frames: NaN", "write a finite number"),
        ("frames: -.inf", "write a finite number"),
        ("frame_ms: 1,5", "write 1.5"),
        ("frame_ms: 1,500", "write 1.500, or 1500 if the comma separates thousands"),
        ("frame_ms: 1.000,5", "write 1000.5"),
        ("frame_ms: 1_000.5", "write 1000.5"),
        ("frame_ms: 1d3", "write 1e3"),
        ("frame_ms: 100 ms", "write 100; its unit is that of the key or the column"),
        ("frame_ms: 5 %", "write 0.05 for 5 %"),
        ("frame_ms: \u22125", "write -5"),
        ("frame_ms: .inf", "write a finite number"),
        ("frame_ms: Infinity", "write a finite number"),
        ("frame_ms: off", ""),
    ],
)
def test_a_number_that_is_none_is_told_with_how_to_write_it(line: str, remedy: str) -> None:
    assert remedy_of(line) == remedy


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("017", 'write 17, or 15 if it is an octal number; text belongs in quotes: "017"'),
        ("007", 'write 7; text belongs in quotes: "007"'),
        ("-0100", 'write -100, or -64 if it is an octal number; text belongs in quotes: "-0100"'),
        ("08", 'write 8; text belongs in quotes: "08"'),
        ("00", 'write 0; text belongs in quotes: "00"'),
    ],
)
def test_a_leading_zero_is_neither_octal_nor_decimal(text: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_scenario(f"workload: attitude\nframes: 10\nrig: {{scheme: tmr}}\nseed: {text}\n")
    problem = caught.value.problems[0]
    assert (problem.line, problem.path, problem.remedy) == (4, "$.seed", remedy)


def test_what_yaml_1_2_calls_a_number_is_read() -> None:
    def seed(text: str) -> int:
        return parse_scenario(
            f"workload: attitude\nframes: 10\nrig: {{scheme: tmr}}\nseed: {text}\n"
        ).seed

    assert [seed(t) for t in ("0", "+5", "0x10", "0o17")] == [0, 5, 16, 15]


def test_a_decimal_comma_between_braces_is_told() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_scenario("workload: attitude\nframes: 10\nexpect: {availability: 0,99}\n")
    assert "write decimals with a point" in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "remedy"),
    [
        ('">= 0,99"', 'write ">= 0.99"'),
        ('">= 99 %"', 'write ">= 0.99"'),
        ("99 %", "write 0.99 for 99 %"),
        ("1_0", "write 10"),
        ('"<= 1_0"', 'write "<= 10"'),
    ],
)
def test_expectations_too(wanted: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_scenario(f"workload: attitude\nframes: 10\nexpect: {{availability: {wanted}}}\n")
    assert str(caught.value).endswith(f"; {remedy}")


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("12:30:00", "write 12h30m00s"),
        ("10_000s", "write 10000s"),
        ("1,5h", "write 1.5h"),
        ("1 000 ms", "write 1000ms"),
    ],
)
def test_durations_too(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match="is not a duration") as caught:
        parse_duration_us(text)
    assert str(caught.value).endswith(f"; {remedy}")
    parse_duration_us(remedy.removeprefix("write "))


@pytest.mark.parametrize(
    ("key", "text", "remedy"),
    [
        ("ascending_node_local_time_h", "10:30", "write 10.5"),
        ("raan_deg", "-12:30:36", "write -12.51"),
        ("off_s", "1:00:00", "write 3600"),
        ("off_s", "1:30", "write 90 for minutes and seconds"),
    ],
)
def test_clocks_are_told_in_the_unit_of_their_key(key: str, text: str, remedy: str) -> None:
    assert number_remedy(text, key=key) == remedy


def test_what_is_proposed_is_a_number_of_the_same_value() -> None:
    meant = {
        "1_0.5_0": 10.5,
        "0x_ff": 255.0,
        "1.0D-3": 1e-3,
        "\u22121e3": -1e3,
        "1.234.567,8": 1234567.8,
        "1,234,567.8": 1234567.8,
        ",5": 0.5,
    }
    for text, value in meant.items():
        better = rewritten(text)
        assert better is not None and is_plain(better) and float(better) == value


@pytest.mark.parametrize(
    "text", ["", "abc", "-", "1-2", "0x", "1__", "9" * 5000 + "s", "1.2.3", "\u0661"]
)
def test_where_nothing_is_meant_nothing_is_proposed(text: str) -> None:
    assert number_remedy(text) in {"", "remove the quotes"}
