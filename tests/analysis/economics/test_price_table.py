"""The shipped prices, and those of a user."""

from pathlib import Path

import pytest

from hil.analysis.economics.price_table import given_price, shipped_prices
from hil.errors import ConfigError, UsageError


def test_every_shipped_price_has_a_source_a_date_and_a_unit() -> None:
    table = shipped_prices()
    assert len(table) > 25
    for price in table.values():
        assert price.source and price.date and price.unit, price.name
        assert price.low <= price.mode <= price.high


def test_a_file_replaces_what_it_names(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "launch_usd_per_kg: 200\nusd_per_kwh: {low: 0.1, mode: 0.2, high: 0.3, source: my bill}\n",
        encoding="utf-8",
    )
    table = shipped_prices().with_file(file)
    launch, energy = table["launch_usd_per_kg"], table["usd_per_kwh"]
    assert (launch.low, launch.mode, launch.high) == (200.0, 200.0, 200.0)
    assert launch.source == str(file) and launch.unit == "USD/kg"
    assert (energy.mode, energy.source, energy.kind) == (0.2, "my bill", "given")
    assert list(table) == list(shipped_prices())


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("lunch_usd_per_kg: 3", "mine.yaml:1:1", "there is no price lunch_usd_per_kg"),
        ("ground_pue: 0.9", "mine.yaml:1:13", "at least 1"),
        ("\ndiscount_rate: {low: 3, mode: 1, high: 2}", "mine.yaml:2:16", "in order"),
        ("launch_failure: 1", "mine.yaml:1:17", "below 1"),
        ("life_years: 0", "mine.yaml:1:13", "above 0"),
        ("usd_per_kwh: {low: 1, mode: 2}", "mine.yaml:1:14", "high is not a number"),
        ("usd_per_kwh: cheap", "mine.yaml:1:14", "not a price"),
        ("usd_per_kwh: {low: 1, mode: 2, high: 3, unit: EUR/kWh}", "mine.yaml:1:47", "USD/kWh"),
        ("usd_per_kwh: {low: 1, mode: 2, high: 3, note: x}", "mine.yaml:1:41", "has no note"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(
    tmp_path: Path, text: str, where: str, said: str
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        shipped_prices().with_file(file)
    assert where in str(refused.value) and said in str(refused.value)


@pytest.mark.parametrize("text", ["", "[1]"])
def test_a_file_without_prices_is_told_what_a_price_is(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        shipped_prices().with_file(file)
    assert "usd_per_kwh: 0.2" in str(refused.value)
    assert "schema" not in str(refused.value) and "scenario" not in str(refused.value)


def test_a_price_can_be_given_as_one_number_or_three() -> None:
    table = shipped_prices()
    assert given_price("launch_usd_per_kg=300", table).spread == 0.0
    three = given_price("launch_usd_per_kg=100..200..500", table)
    assert (three.low, three.mode, three.high) == (100.0, 200.0, 500.0)


@pytest.mark.parametrize(
    "text",
    [
        "launch_usd_per_kg",
        "launch=3",
        "life_years=0",
        "life_years=x",
        "life_years=1..2",
        "discount_rate=nan",
        "discount_rate=-1",
        "battery_depth=1.5",
        "life_years=3..2..1",
        "life_years=1e-300",
        "launch_usd_per_kg=1e308",
    ],
)
def test_a_bad_price_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        given_price(text, shipped_prices())


def test_a_price_without_a_value_is_not_called_unknown() -> None:
    with pytest.raises(UsageError, match="price 'life_years' has no value"):
        given_price("life_years", shipped_prices())
