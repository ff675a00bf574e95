"""The values that a shell offers for arguments and options, where completion is installed.

Each function gets the beginning of a word and returns what may stand there; where it returns
nothing, shells offer files. None of them raises; only those of boards open a file, the bench."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load them)

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import typer

__all__ = [
    "bauds",
    "bench_boards",
    "board_kinds",
    "board_lists",
    "c_files",
    "command_arguments",
    "commands",
    "evidence",
    "experiments",
    "outcomes",
    "over_keys",
    "paces",
    "ports",
    "priced",
    "prices",
    "profiles",
    "results",
    "rows",
    "runs",
    "runs_or_results",
    "scenarios",
    "scenarios_or_results",
    "scheme_lists",
    "schemes",
    "sweep_keys",
    "tables",
    "target_lists",
    "trained_target_lists",
    "triples",
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


def _keys(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Return a completion of `KEY=VALUE`: it offers the keys, each with its `=`."""
    return _beginning(lambda: [f"{name}=" for name in names()])


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


def _evidence_files() -> list[str]:
    places = [
        *Path().glob("runs/*/evidence.json"),
        *Path().glob("*/evidence.json"),
        *Path().glob("*.evidence.json"),
    ]
    return [str(path) for path in sorted(places, key=str, reverse=True)]


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


def _target_names() -> list[str]:
    from hil.campaign.regions import SAMPLED_TARGETS

    return [target.value for target in SAMPLED_TARGETS]


def _trained_names() -> list[str]:
    from hil.campaign.training_runs import TARGETS

    return [target.value for target in TARGETS]


def _outcome_names() -> list[str]:
    from hil.upsets.words import NodeEffect

    return [effect.value for effect in NodeEffect]


def _price_names() -> list[str]:
    """Return each price as it may stand behind --price, with the numbers that are shipped."""
    from hil.analysis.economics.price_table import shipped_prices

    table = shipped_prices()
    return [f"{name}={p.low:g}..{p.mode:g}..{p.high:g}" for name, p in table.items()]


def _sweep_names() -> Iterable[str]:
    from hil.plant.sweep import SWEPT_KEYS

    return SWEPT_KEYS


def _over_names() -> Iterable[str]:
    from hil.campaign.scheme_sweep import SWEPT

    return SWEPT


def _experiment_names() -> Iterable[str]:
    from hil.campaign.theory.experiments import EXPERIMENTS

    return EXPERIMENTS


def _target_machines() -> list[str]:
    from hil.board_types.compilers import TARGETS

    return [target.name for target in TARGETS]


def _rates() -> list[str]:
    from hil.rig.discovery.probe import USUAL_BAUDS

    return [str(baud) for baud in USUAL_BAUDS]


def _command_names() -> Iterable[str]:
    from hil.control.commands import COMMANDS

    return COMMANDS


def command_arguments(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the arguments of the command that `hil control` is given."""
    from hil.control.commands import COMMANDS

    command = COMMANDS.get(str(ctx.params.get("command") or "").replace("-", "_"))
    arguments = () if command is None else command.arguments
    return _keys(lambda: [argument.name for argument in arguments])(incomplete)


def _bench_names(ctx: typer.Context) -> Callable[[], list[str]]:
    """Return what gives the boards of the bench file that the command line names, or of
    `bench.yaml`."""

    def names() -> list[str]:
        from hil.scenario.bench import load_bench

        return [board.name for board in load_bench(ctx.params.get("bench") or "bench.yaml").boards]

    return names


def bench_boards(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the boards of the bench."""
    return _beginning(_bench_names(ctx))(incomplete)


def board_lists(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the boards of the bench, as lists with commas."""
    return _lists(_bench_names(ctx))(incomplete)


def _port_names() -> list[str]:
    patterns = ("serial/by-id/*", "ttyUSB*", "ttyACM*", "ttyAMA*")
    return sorted(str(path) for pattern in patterns for path in Path("/dev").glob(pattern))


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
evidence = _beginning(lambda: [*_evidence_files(), *_run_folders()])
target_lists = _lists(_target_names)
trained_target_lists = _lists(_trained_names)
outcomes = _beginning(_outcome_names)
prices = _beginning(_price_names)
sweep_keys = _keys(_sweep_names)
over_keys = _keys(_over_names)
experiments = _beginning(_experiment_names)
triples = _beginning(_target_machines)
bauds = _beginning(_rates)
commands = _beginning(_command_names)
c_files = _beginning(lambda: _files("*.c"))
ports = _beginning(_port_names)
