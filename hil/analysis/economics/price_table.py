"""Prices and other assumptions: each has a low, a most likely and a high value, a unit, a source
and a date.

The shipped table is `prices.yaml`; a user's file may have any of its entries and replaces them,
and `NAME=VALUE` or `NAME=LOW..MODE..HIGH` replaces one on the command line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.errors import ConfigError, UsageError
from hil.scenario.yaml.reader import FileKind, read_yaml

if TYPE_CHECKING:
    from hil.errors import Problem
    from hil.json_values import JsonValue
    from hil.scenario.yaml.document import Document

__all__ = ["GIVEN", "MOST_USD", "Price", "PriceTable", "given_price", "shipped_prices"]

_SHIPPED: Final = Path(__file__).with_name("prices.yaml")
GIVEN: Final = "given"
"""The kind of a price of the user's own."""
_KINDS: Final = ("quoted", "derived", "assumed")
_KEYS: Final = ("low", "mode", "high", "unit", "kind", "date", "source")
_NUMBERS: Final = ("low", "mode", "high")
_BELOW_ONE: Final = frozenset({"launch_failure", "array_loss_per_year"})
_SHARES: Final = frozenset({"battery_depth", "battery_efficiency", "ground_availability"})
_ABOVE_ZERO: Final = frozenset(
    {"life_years", "array_w_per_kg", "battery_wh_per_kg", "radiator_w_per_m2", *_SHARES}
)
_PRICE_FILE: Final = FileKind(
    "usd_per_kwh: 0.2",
    "`hil cost --prices` lists the names of all prices; each takes a number, or "
    "{low: ..., mode: ..., high: ..., source: ...}",
)
_LEAST: Final = 1e-9
MOST_USD: Final = 1e12
"""Between these all costs are finite; nothing that has a price lies outside."""


@dataclass(frozen=True, slots=True)
class Price:
    """One entry. `low`, `mode` and `high` are those of a triangular distribution; all three are
    equal where a number is certain, or was given as one."""

    name: str
    low: float
    mode: float
    high: float
    unit: str
    kind: str
    date: str
    source: str

    @property
    def spread(self) -> float:
        """Return the width of its range."""
        return self.high - self.low


class PriceTable(Mapping[str, Price]):
    """All prices by name, in the order of the shipped file."""

    def __init__(self, prices: Sequence[Price]) -> None:
        self._prices = {price.name: price for price in prices}

    def __getitem__(self, name: str) -> Price:
        return self._prices[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._prices)

    def __len__(self) -> int:
        return len(self._prices)

    def replaced(self, prices: Sequence[Price]) -> PriceTable:
        """Return the table with these prices in place of those of their names."""
        return PriceTable(list({**self._prices, **{p.name: p for p in prices}}.values()))

    def with_file(self, path: Path) -> PriceTable:
        """Return the table with the entries of a user's file in place of its own.

        Raises: UsageError if there is no such file; ConfigError if it is not one of prices."""
        document = read_yaml(path, _PRICE_FILE)
        prices, problems = _prices_of(document, self._prices)
        if problems or document.problems:
            raise ConfigError([*document.problems, *problems])
        return self.replaced(prices)


def shipped_prices() -> PriceTable:
    """Return the shipped table."""
    document = read_yaml(_SHIPPED)
    prices, problems = _prices_of(document, None)
    if problems:
        raise ConfigError(problems)
    return PriceTable(prices)


def given_price(text: str, table: PriceTable) -> Price:
    """Return the price that `NAME=VALUE` or `NAME=LOW..MODE..HIGH` gives.

    Raises: UsageError if there is no such price, or it is not a number that it can have."""
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals and name in table:
        raise UsageError(
            f"price {text!r} has no value",
            remedy=f"{name}=VALUE or {name}=LOW..MODE..HIGH, in {table[name].unit}",
        )
    if name not in table:
        known = ", ".join(table)
        raise UsageError(f"there is no price {name!r}", remedy=f"NAME=VALUE with one of {known}")
    parts = value.split("..")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers *= 3
    wrong = _why_not(name, numbers) if len(numbers) == 3 else "one number, or LOW..MODE..HIGH"
    if wrong:
        raise UsageError(f"price {text!r} is not {wrong}", remedy=f"the unit is {table[name].unit}")
    low, mode, high = numbers
    return Price(name, low, mode, high, table[name].unit, GIVEN, "", "the command line")


def _why_not(name: str, numbers: Sequence[float]) -> str:
    """Return what the three numbers of a price would have to be; empty if they are."""
    low, mode, high = numbers
    if not all(math.isfinite(n) for n in numbers) or low < 0.0:
        return "a finite number that is not negative"
    if not low <= mode <= high:
        return "in order: low, mode, high"
    if high > MOST_USD:
        return f"at most {MOST_USD:g}"
    if name in _ABOVE_ZERO and low < _LEAST:
        return "above 0" if low == 0.0 else f"at least {_LEAST:g}"
    if name in _SHARES | _BELOW_ONE:
        return _why_not_share(name, high)
    if name == "ground_pue" and low < 1.0:
        return "at least 1: a site takes no less than its computers"
    return ""


def _why_not_share(name: str, high: float) -> str:
    if name in _SHARES and high > 1.0:
        return "a share, at most 1"
    return "a share below 1" if name in _BELOW_ONE and high >= 1.0 else ""


def _prices_of(
    document: Document, known: Mapping[str, Price] | None
) -> tuple[list[Price], list[Problem]]:
    prices: list[Price] = []
    problems: list[Problem] = []
    for name, entry in document.data.items():
        if known is not None and name not in known:
            problems.append(
                document.problem(
                    (name,),
                    f"there is no price {name}",
                    f"one of {', '.join(known)}",
                    at_key=True,
                )
            )
            continue
        usual = None if known is None else known[name]
        price = _price_of(document, name, entry, usual, problems)
        if price is not None:
            prices.append(price)
    return prices, problems


def _price_of(
    document: Document,
    name: str,
    entry: JsonValue,
    usual: Price | None,
    problems: list[Problem],
) -> Price | None:
    if isinstance(entry, (int, float)) and not isinstance(entry, bool):
        entry = dict.fromkeys(_NUMBERS, float(entry))
    if not isinstance(entry, dict):
        problems.append(
            document.problem((name,), "this is not a price", "a number, or {low, mode, high}")
        )
        return None
    before = len(problems)
    for key in entry:
        if key not in _KEYS:
            known = ", ".join(_KEYS)
            problems.append(
                document.problem((name, key), f"a price has no {key}", known, at_key=True)
            )
    numbers: list[float] = []
    for key in _NUMBERS:
        value = entry.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            problems.append(document.problem((name, key), f"{key} is not a number", "write one"))
        else:
            numbers.append(float(value))
    if len(problems) > before:
        return None
    wrong = _why_not(name, numbers)
    if wrong:
        problems.append(document.problem((name,), f"its numbers are not {wrong}"))
        return None
    unit = "" if usual is None else usual.unit
    if (stated := entry.get("unit", unit)) != unit and usual is not None:
        problems.append(
            document.problem((name, "unit"), f"the unit is {unit}, not {stated}", f"in {unit}")
        )
        return None
    kind = str(entry.get("kind", GIVEN if usual else ""))
    if usual is None and kind not in _KINDS:
        problems.append(document.problem((name, "kind"), f"a kind is one of {', '.join(_KINDS)}"))
        return None
    low, mode, high = numbers
    source = str(entry.get("source", document.file))
    return Price(name, low, mode, high, str(stated), kind, str(entry.get("date", "")), source)
