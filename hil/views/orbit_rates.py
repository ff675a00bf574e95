"""The lines of a survey that say how often a board is hit: in the whole board, in the data that is
voted on, and after acceleration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rich.text import Text

from hil.board_types.channels import NO_DATA, Effect
from hil.board_types.spread import Spread
from hil.plant.board_rates import STOPS, VOTED, BoardRates
from hil.views.style import WARN

__all__ = ["grouped_rate_lines", "rate_lines", "spread_text"]

Line = tuple[str, Text | str]

_MIB_BITS: Final = 8 << 20
_NAMES: Final = (
    ((Effect.CORRECTED,), "corrected by hardware"),
    ((Effect.IDLE,), "without effect"),
)


def grouped_rate_lines(boards: Mapping[str, BoardRates]) -> list[Line]:
    """Return the lines of all nodes' boards; equal boards have theirs once."""
    groups: list[tuple[BoardRates, list[str]]] = []
    for name, rates in boards.items():
        for known, names in groups:
            if known == rates:
                names.append(name)
                break
        else:
            groups.append((rates, [name]))
    lines: list[Line] = []
    for rates, names in groups:
        lines += rate_lines(f"node {', '.join(names)}", rates)
    return lines


def rate_lines(label: str, rates: BoardRates) -> list[Line]:
    """Return label and text of each line of one board."""
    lines: list[Line] = [(label, _head(rates))]
    if rates.stand_in is not None:
        lines.append(("", Text(f"not this board: {rates.stand_in}", style=WARN)))
    upsets, voted, stops = rates.upsets, rates.of(*VOTED), rates.of(*STOPS)
    if upsets.high > 0.0:
        parts = [
            f"{text} {rates.of(*kinds).best:.3g}"
            for kinds, text in _NAMES
            if rates.of(*kinds).best > 0.0
        ]
        lines.append(("  upsets in board", _listed(spread_text(upsets), parts)))
    if rates.voted_bytes is None and voted.high == 0.0 and rates.silent.high > 0.0:
        lines.append(("  in voted data", "not known: the program states its size when it runs"))
    elif upsets.high > 0.0 or voted.high > 0.0:
        lines.append(("  in voted data", _listed(spread_text(voted), [_share(rates)])))
    if stops.high > 0.0:
        stored = rates.of(Effect.STORAGE).best
        parts = [f"by its storage {stored:.3g}"] if stored else []
        lines.append(("  hang or reboot", _listed(spread_text(stops), parts)))
    latched = rates.of(Effect.SEL)
    if latched.high > 0.0:
        lines.append(("  latch-up", spread_text(latched)))
    if len(lines) > 1 and (rates.accel != 1.0 or rates.voted_accel != 1.0):
        lines.append(("  in a run", _accelerated(rates)))
    return lines


def _listed(rate: str, parts: list[str]) -> str:
    """Return a rate per day, and what is said of it."""
    said = ", ".join(part for part in parts if part)
    return f"{rate} a day{': ' if said else ''}{said}"


def _head(rates: BoardRates) -> str:
    if rates.data == NO_DATA:
        return f"{rates.profile}: no beam data, so no upsets" + (
            "" if not rates.stated else " but those of the flight's profile"
        )
    text = f"{rates.profile}, data set {rates.data}: {rates.title}"
    flown = {"low": "; flown with the low ends", "high": "; flown with the high ends"}
    return text + flown.get(rates.estimate, "")


def _share(rates: BoardRates) -> str:
    if rates.voted_bytes is None:
        return "the program's size is not known before it runs"
    mib = rates.memory_bits / _MIB_BITS
    memory = f"{mib / 1024:g} GiB" if mib >= 1024 else f"{mib:g} MiB"
    return f"{rates.voted_bytes:,} B of {memory}"


def _accelerated(rates: BoardRates) -> Text:
    voted = rates.accel * rates.voted_accel
    factor = f"{rates.accel:g}x"
    if rates.voted_accel != 1.0:
        factor += f", voted data {_factor(voted)}x"
    parts = [f"{rates.flown(*VOTED):.3g} hits of voted data"]
    for kinds, text in ((STOPS, "hangs or reboots"), ((Effect.SEL,), "latch-ups")):
        rate = rates.flown(*kinds)
        if rate:
            parts.append(f"{rate:.3g} {text}")
    return Text(f"ACCELERATED {factor}: {', '.join(parts)} a day", style=WARN)


def _factor(value: float) -> str:
    return f"{value:,.0f}" if value < 1e6 else f"{value:.2g}"


def spread_text(spread: Spread) -> str:
    """Return a rate as its best value, and its range where it has one."""
    if spread.low == spread.best == spread.high:
        return f"{spread.best:.3g}"
    if spread.best == 0.0:
        return f"none seen, at most {spread.high:.3g}"
    return f"{spread.best:.3g} ({spread.low:.3g} to {spread.high:.3g})"
