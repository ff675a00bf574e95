"""The supply voltage of a board against the range that its profile states, before it is set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hil.board_types.catalogue import load_board_profile
from hil.board_types.profile import BoardProfile
from hil.errors import ConfigError, Problem, SetupError, UsageError
from hil.scenario import BenchBoardConfig, BenchConfig
from hil.scenario.supply import SupplyConfig
from hil.scenario.yaml.document import Document

__all__ = [
    "SupplyRange",
    "check_bench_supplies",
    "check_supply",
    "supply_range",
    "unchecked_boards",
]


@dataclass(frozen=True, slots=True)
class SupplyRange:
    """The voltages [V] that a type of board stands; `origin`: who says so."""

    low_v: float
    high_v: float
    board: str
    origin: str

    def refusal(self, volts: float) -> str:
        """Return why the board must not get this voltage [V]; empty if it may."""
        if self.low_v <= volts <= self.high_v:
            return ""
        return (
            f"{volts:g} V is outside the supply range of a {self.board}, {self.low_v:g} to "
            f"{self.high_v:g} V ({self.origin})"
        )


def supply_range(profile: str | None) -> SupplyRange | None:
    """Return the supply range that a node's own profile states; None without one.

    Raises: UsageError, ConfigError if there is no such profile, or it is not valid."""
    return None if profile is None else _range_of(load_board_profile(profile))


def check_supply(name: str, supply: SupplyConfig, profile: str | None) -> None:
    """Check that the supply of node `name` does not give a voltage that its board does not stand.

    `profile` is that which the node itself states; the default one of a rig says nothing about a
    real board. Raises: SetupError if it does; UsageError, ConfigError if there is no such profile,
    or it is not valid."""
    if supply.voltage_v is None or profile is None:
        return
    what = _outside(load_board_profile(profile), supply.voltage_v)
    if what:
        raise SetupError(f"node {name}: {what}", remedy=_REMEDY)


def check_bench_supplies(bench: BenchConfig, document: Document) -> None:
    """Check the voltages of a bench against the profiles of its boards, which are files beside
    `document` or shipped ones.

    Raises:
        ConfigError: A profile does not exist or is not valid, or a voltage is outside its range;
            names all of them, with their places.
    """
    problems: list[Problem] = []
    for index, board in enumerate(bench.boards):
        if board.profile is None:
            continue
        place = ("boards", index)
        try:
            profile = _profile(board.profile, Path(document.file).parent)
        except UsageError as error:
            remedy = error.remedy or ""
            problems.append(document.problem((*place, "profile"), error.message, remedy))
            continue
        except ConfigError as error:
            problems += error.problems
            continue
        volts = None if board.power is None else board.power.voltage_v
        what = "" if volts is None else _outside(profile, volts)
        if what:
            problems.append(document.problem((*place, "power", "voltage_v"), what, _REMEDY))
    if problems:
        raise ConfigError(problems)


def unchecked_boards(bench: BenchConfig) -> list[BenchBoardConfig]:
    """Return the boards with a voltage and without a profile: it is not checked."""
    return [
        board
        for board in bench.boards
        if board.profile is None and board.power is not None and board.power.voltage_v is not None
    ]


_REMEDY = "correct `voltage_v:`, or the board's `profile:`"


def _profile(name: str, folder: Path) -> BoardProfile:
    beside = folder / name
    return load_board_profile(beside if beside.suffix in (".yaml", ".yml") else name)


def _range_of(profile: BoardProfile) -> SupplyRange | None:
    stated = profile.power.supply_v
    if stated is None or stated.low is None or stated.high is None:
        return None
    return SupplyRange(stated.low, stated.high, profile.title, stated.origin)


def _outside(profile: BoardProfile, volts: float) -> str:
    """Return why a board must not get this voltage; empty if it may, or nothing is known."""
    limits = _range_of(profile)
    return "" if limits is None else limits.refusal(volts)
