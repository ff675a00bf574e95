"""The supply voltage of a board against the range that its profile states, before it is set."""

from __future__ import annotations

from pathlib import Path

from hil.board_types.catalogue import load_board_profile
from hil.board_types.profile import BoardProfile
from hil.errors import ConfigError, Problem, SetupError, UsageError
from hil.scenario import BenchBoardConfig, BenchConfig
from hil.scenario.supply import SupplyConfig
from hil.scenario.yaml.document import Document

__all__ = ["check_bench_supplies", "check_supply", "unchecked_boards"]


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


def _outside(profile: BoardProfile, volts: float) -> str:
    """Return why a board must not get this voltage; empty if it may, or nothing is known."""
    supply_v = profile.power.supply_v
    if supply_v is None or supply_v.low is None or supply_v.high is None:
        return ""
    if supply_v.low <= volts <= supply_v.high:
        return ""
    return (
        f"{volts:g} V is outside the supply range of a {profile.title}, {supply_v.low:g} to "
        f"{supply_v.high:g} V ({supply_v.origin})"
    )
