"""Chooses the data set of each board type that a scenario flies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hil.board_types.channels import DataSet
from hil.board_types.profile import BoardProfile
from hil.errors import ConfigError, Problem
from hil.scenario.load import UNPLACED
from hil.scenario.plant.radiation import ALL_BOARDS
from hil.scenario.problems import did_you_mean, one_of

__all__ = ["data_sets"]

_WHERE = "$.plant.radiation.data"


def data_sets(wanted: Mapping[str, str], profiles: Iterable[BoardProfile]) -> dict[str, DataSet]:
    """Return the data set of each profile by its name: the one that a scenario names for it, or for
    all boards, else the profile's default.

    Raises:
        ConfigError: A data set or a profile does not exist; names all of them.
    """
    by_name = {profile.name: profile for profile in profiles}
    problems = [
        Problem(
            UNPLACED,
            0,
            0,
            f"{_WHERE}.{name}",
            f"no board of the rig is a `{name}`; expected {one_of([*by_name, ALL_BOARDS])}",
            did_you_mean(name, [*by_name, ALL_BOARDS]),
        )
        for name in wanted
        if name not in by_name and name != ALL_BOARDS
    ]
    chosen: dict[str, DataSet] = {}
    for name, profile in by_name.items():
        radiation = profile.radiation
        own = wanted.get(name, wanted.get(ALL_BOARDS))
        try:
            chosen[name] = radiation.data_set(own)
        except KeyError:
            assert own is not None
            where = f"{_WHERE}.{name}" if name in wanted else _WHERE
            message = f"{name} has no data set `{own}`; expected {one_of(radiation.names)}"
            hint = did_you_mean(own, radiation.names)
            problems.append(Problem(UNPLACED, 0, 0, where, message, hint))
    if problems:
        raise ConfigError(problems)
    return chosen
