"""The values that a shell offers for arguments and options, where completion is installed.

Each function gets the beginning of a word and returns what may stand there; where it returns
nothing, shells offer files. None of them raises. What is offered is what the command takes: some
look into small files, such as the bench, or read a record's nodes."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load them)

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Final

import typer

__all__ = [
    "bauds",
    "bench_boards",
    "board_lists",
    "c_files",
    "command_arguments",
    "commands",
    "console_words",
    "evidence",
    "experiments",
    "fast_kinds",
    "orbits",
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
    "shipped_scenarios",
    "software_kinds",
    "sweep_keys",
    "tables",
    "target_lists",
    "trained_target_lists",
    "trainings",
    "triples",
    "unfinished_runs",
    "workload_lists",
]

_COMPLETE: Final = {"pass", "fail", "untested"}
_RESULTS: Final = (".campaign", ".proof")


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


def _shipped_names() -> Iterable[str]:
    from hil import assets

    return assets.list_scenarios()


def _scenarios_with(line: str) -> Callable[[], list[str]]:
    """Return what gives the names of the scenarios with a line that begins like this."""
    pattern = re.compile(f"^{line}", re.MULTILINE)

    def names() -> list[str]:
        from hil.assets import scenario_path, story_scenario_path

        files = {
            name: scenario_path(name) or story_scenario_path(name) or Path(name)
            for name in _scenario_names()
        }
        return [name for name, file in files.items() if pattern.search(_text(file))]

    return names


def _text(file: Path) -> str:
    """Return the text of a file, as far as it is one."""
    return file.read_text(encoding="utf-8", errors="replace")


def _files(pattern: str) -> list[str]:
    return sorted(path.name for path in Path().glob(pattern))


def _run_folders() -> list[str]:
    places = [*Path().glob("runs/*/run.db"), *Path().glob("*/run.db")]
    return [str(path.parent) for path in sorted(places, key=str, reverse=True)]


def _unfinished_runs() -> list[str]:
    """Return the runs that can be resumed, by the outcomes in their manifests."""
    return [run for run in _run_folders() if _outcome(Path(run)) not in _COMPLETE]


def _outcome(run: Path) -> str:
    """Return the outcome in the manifest of a run; empty if it does not have one."""
    try:
        return str(json.loads(_text(run / "manifest.json"))["outcome"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _result_files() -> list[str]:
    return [name for ending in _RESULTS for name in _files(f"*{ending}")]


def _evidence_names() -> list[str]:
    """Return the evidence files, and the runs that have one."""
    runs = [*Path().glob("runs/*/evidence.json"), *Path().glob("*/evidence.json")]
    places = sorted([*runs, *Path().glob("*.evidence.json")], key=str, reverse=True)
    return [*map(str, places), *(str(path.parent) for path in sorted(runs, key=str, reverse=True))]


def _scheme_names() -> list[str]:
    from hil.scenario.words import SchemeName

    return [word.value for word in SchemeName]


def _row_names() -> list[str]:
    from hil.perf import GROUPS

    return list(GROUPS)


def _workload_names() -> list[str]:
    from hil.scenario.words import WORKLOADS

    return [*WORKLOADS, *_files("*.c")]


def tables(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the tables of the run or the result that the command line names, or else all."""
    from hil.export.campaign_tables import CampaignTable
    from hil.record.run_tables import RunTable

    source = ctx.params.get("source")
    of_runs, of_results = [*map(str, RunTable)], [*map(str, CampaignTable)]
    names = sorted({*of_runs, *of_results})
    if source is not None:
        names = of_results if Path(source).suffix in _RESULTS else of_runs
    return _beginning(lambda: names)(incomplete)


def _software_kinds() -> list[str]:
    from hil.scenario.words import BoardKind

    return [kind.value for kind in BoardKind if kind is not BoardKind.SERIAL]


def _fast_kinds() -> list[str]:
    from hil.campaign.training_runs import BOARDS

    return [kind.value for kind in BOARDS]


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
    from hil.record.campaign_rows import EFFECTS

    return [effect.value for effect in EFFECTS]


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


def console_words(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the runs, then the nodes of the run that was named; with --bench, its boards."""
    named = ctx.params.get("what") or []
    if ctx.params.get("bench"):
        return [] if named else bench_boards(ctx, incomplete)
    if not named:
        return runs(incomplete)
    return _beginning(lambda: _nodes(Path(named[0])))(incomplete) if len(named) == 1 else []


def _nodes(run: Path) -> list[str]:
    from hil.record.reader import Reader

    with closing(Reader(run)) as reader:
        return reader.node_names


def _port_names() -> list[str]:
    patterns = ("serial/by-id/*", "ttyUSB*", "ttyACM*", "ttyAMA*")
    return sorted(str(path) for pattern in patterns for path in Path("/dev").glob(pattern))


scenarios = _beginning(_scenario_names)
runs = _beginning(_run_folders)
unfinished_runs = _beginning(_unfinished_runs)
shipped_scenarios = _beginning(_shipped_names)
orbits = _beginning(_scenarios_with("plant:"))
trainings = _beginning(_scenarios_with("workload: train"))
results = _beginning(_result_files)
runs_or_results = _beginning(lambda: [*_run_folders(), *_result_files()])
scenarios_or_results = _beginning(lambda: [*_scenario_names(), *_result_files()])
priced = _beginning(lambda: [*_scenario_names(), *_run_folders(), *_result_files()])
schemes = _beginning(_scheme_names)
scheme_lists = _lists(lambda: [*_scheme_names(), "own"])
workload_lists = _lists(_workload_names)
rows = _beginning(_row_names)
software_kinds = _beginning(_software_kinds)
fast_kinds = _beginning(_fast_kinds)
profiles = _beginning(_profile_names)
paces = _beginning(lambda: ["realtime", "free", "60x"])
evidence = _beginning(_evidence_names)
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
