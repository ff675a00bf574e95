"""The values that a shell offers for arguments and options, where completion is installed.

Each function gets the beginning of a word and returns what may stand there; where it returns
nothing, shells offer files. None of them opens a file or raises."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load them)

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

__all__ = [
    "board_kinds",
    "paces",
    "priced",
    "profiles",
    "results",
    "rows",
    "runs",
    "runs_or_results",
    "scenarios",
    "scenarios_or_results",
    "scheme_lists",
    "schemes",
    "tables",
    "workload_lists",
]


def _beginning(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Return a completion that offers those of `names()` that begin with the word."""

    def offer(incomplete: str) -> list[str]:
        from hil.errors import HilError

        try:
            return [name for name in names() if name.startswith(incomplete)]
        except (HilError, OSError):
            return []

    return offer


def _lists(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Return a completion of lists with commas: it offers what may be the last word of one."""
    last = _beginning(names)

    def offer(incomplete: str) -> list[str]:
        before, comma, word = incomplete.rpartition(",")
        return [f"{before}{comma}{name}" for name in last(word)]

    return offer


def _scenario_names() -> list[str]:
    from hil import assets

    stories = [
        f"{story}/{path.stem}"
        for story in assets.list_stories()
        for path in sorted((assets.scenarios_dir() / "stories" / story).glob("*.yaml"))
    ]
    return [*assets.list_scenarios(), *stories, *_files("*.yaml")]


def _files(pattern: str) -> list[str]:
    return sorted(path.name for path in Path().glob(pattern))


def _run_folders() -> list[str]:
    places = [*Path().glob("runs/*/run.db"), *Path().glob("*/run.db")]
    return [str(path.parent) for path in sorted(places, key=str, reverse=True)]


def _result_files() -> list[str]:
    return [*_files("*.campaign"), *_files("*.proof")]


def _scheme_names() -> list[str]:
    from hil.scenario.words import SchemeName

    return [word.value for word in SchemeName]


def _row_names() -> list[str]:
    from hil.perf import GROUPS

    return list(GROUPS)


def _workload_names() -> list[str]:
    from hil.scenario.words import WORKLOADS

    return [*WORKLOADS, *_files("*.c")]


def _table_names() -> list[str]:
    from hil.export.campaign_tables import CampaignTable
    from hil.record.run_tables import RunTable

    return sorted({word.value for words in (RunTable, CampaignTable) for word in words})


def _kind_names() -> list[str]:
    from hil.scenario.words import BoardKind

    return [word.value for word in BoardKind]


def _profile_names() -> list[str]:
    from hil import assets

    return sorted(path.stem for path in assets.boards_dir().glob("*.yaml"))


scenarios = _beginning(_scenario_names)
runs = _beginning(_run_folders)
results = _beginning(_result_files)
runs_or_results = _beginning(lambda: [*_run_folders(), *_result_files()])
scenarios_or_results = _beginning(lambda: [*_scenario_names(), *_result_files()])
priced = _beginning(lambda: [*_scenario_names(), *_run_folders(), *_result_files()])
schemes = _beginning(_scheme_names)
scheme_lists = _lists(lambda: [*_scheme_names(), "own"])
workload_lists = _lists(_workload_names)
rows = _beginning(_row_names)
board_kinds = _beginning(_kind_names)
profiles = _beginning(_profile_names)
tables = _beginning(_table_names)
paces = _beginning(lambda: ["realtime", "free", "60x"])
