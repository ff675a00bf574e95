"""What a shell is offered, of every argument and option, is what the command takes there."""

from __future__ import annotations

import inspect
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from hil import api, assets
from hil.analysis.economics.price_table import shipped_prices
from hil.board_types.compilers import TARGETS
from hil.campaign.regions import SAMPLED_TARGETS
from hil.campaign.scheme_sweep import SWEPT
from hil.campaign.theory.experiments import EXPERIMENTS
from hil.campaign.training_runs import BOARDS
from hil.campaign.training_runs import TARGETS as TRAINED_TARGETS
from hil.cli import completion
from hil.cli.campaign_sampled import _outcome
from hil.cli.compare_schemes import _schemes
from hil.control.commands import COMMANDS
from hil.engine.resume import open_run
from hil.perf import GROUPS
from hil.plant.sweep import SWEPT_KEYS
from hil.record.run_tables import RunTable
from hil.rig.discovery.probe import USUAL_BAUDS
from hil.scenario import Overrides, load_scenario
from tests.cli.test_help import COMMANDS as LINES
from tests.command_line import Hil
from tests.documents.cli import misuse

LINE = SimpleNamespace(params={"source": "runs/done", "bench": None, "command": "inject"})
"""A command line that names a run and a command."""
OFFERS = {name: getattr(completion, name) for name in completion.__all__}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a complete run, one that was killed before it wrote evidence, and a bench."""
    where = tmp_path_factory.mktemp("work")
    for name in ("done", "killed"):
        api.run("nominal", boards="inproc", frames=3, out=where / "runs" / name)
    (where / "runs" / "killed" / "evidence.json").unlink()
    with closing(sqlite3.connect(where / "runs" / "killed" / "run.db")) as db, db:
        db.execute("UPDATE meta SET value = 'running' WHERE key = 'outcome'")
    manifest = where / "runs" / "killed" / "manifest.json"
    content = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(json.dumps({**content, "outcome": "running"}), encoding="utf-8")
    (where / "bench.yaml").write_text(
        "schema: 1\nboards: [{name: left, port: /dev/ttyUSB0}]\n", encoding="utf-8"
    )
    return where


def scenario_file(name: str) -> Path:
    return assets.scenario_path(name) or assets.story_scenario_path(name) or Path(name)


def is_scheme(word: str) -> bool:
    scenario = "doer-checkers" if word == "doer_checkers" else "nominal"
    return bool(load_scenario(scenario, Overrides(scheme=word)))


def is_kind(word: str) -> bool:
    return bool(load_scenario("nominal", Overrides(board=word)))


def is_workload(word: str) -> bool:
    return bool(load_scenario("nominal", Overrides(workload=word, board="inproc")))


def trains(name: str) -> bool:
    return yaml.safe_load(scenario_file(name).read_bytes())["workload"] == "train"


def is_run(name: str) -> bool:
    return (Path(name) / "run.db").is_file()


def is_evidence(name: str) -> bool:
    return (Path(name) / "evidence.json" if Path(name).is_dir() else Path(name)).is_file()


def key_of(names: Any) -> Callable[[str], bool]:
    return lambda word: word.partition("=")[0] in names and "=" in word


def is_one_of(names: Any) -> Callable[[str], bool]:
    return lambda word: word in names


CHECKS: dict[str, Callable[[str], object]] = {
    "bauds": lambda word: int(word) in USUAL_BAUDS,
    "bench_boards": is_one_of({"left"}),
    "board_lists": is_one_of({"left"}),
    "c_files": lambda word: Path(word).is_file(),
    "command_arguments": key_of({argument.name for argument in COMMANDS["inject"].arguments}),
    "commands": is_one_of(COMMANDS),
    "console_words": is_run,
    "evidence": is_evidence,
    "experiments": is_one_of(EXPERIMENTS),
    "fast_kinds": lambda word: is_kind(word) and word in BOARDS,
    "orbits": lambda word: b"\nplant:" in scenario_file(word).read_bytes(),
    "outcomes": _outcome,
    "over_keys": key_of(SWEPT),
    "paces": lambda word: load_scenario("nominal", Overrides(pace=word)),
    "ports": lambda word: Path(word).exists(),
    "priced": lambda word: is_run(word) or scenario_file(word).is_file(),
    "prices": key_of(shipped_prices()),
    "profiles": assets.board_path,
    "results": lambda word: Path(word).is_file(),
    "rows": is_one_of(GROUPS),
    "runs": is_run,
    "runs_or_results": is_run,
    "scenarios": lambda word: scenario_file(word).is_file(),
    "scenarios_or_results": lambda word: scenario_file(word).is_file(),
    "scheme_lists": _schemes,
    "schemes": is_scheme,
    "shipped_scenarios": assets.scenario_path,
    "software_kinds": is_kind,
    "sweep_keys": key_of(SWEPT_KEYS),
    "tables": RunTable,
    "target_lists": is_one_of(SAMPLED_TARGETS),
    "trained_target_lists": is_one_of(TRAINED_TARGETS),
    "trainings": trains,
    "triples": is_one_of({target.name for target in TARGETS}),
    "unfinished_runs": lambda word: open_run(Path(word)),
    "workload_lists": is_workload,
}


def offered(name: str, incomplete: str = "") -> list[str]:
    offer = OFFERS[name]
    takes_line = "ctx" in inspect.signature(offer).parameters
    return list(offer(LINE, incomplete) if takes_line else offer(incomplete))


@pytest.mark.parametrize("name", sorted(completion.__all__))
def test_what_is_offered_is_taken(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    words = offered(name)
    refused = [word for word in words if word != "bench.yaml" and not CHECKS[name](word)]
    assert not refused and "" not in words
    assert words or name in {"c_files", "ports", "results"}  # of which this folder has none


def test_the_parser_of_every_command_takes_what_it_is_offered(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    count = 0
    for line, command in LINES.items():
        for parameter in command.params:
            offer = getattr(parameter, "_custom_shell_complete", None)
            for item in [] if offer is None else offer(LINE, parameter, ""):
                word = f"{item.value}1" if item.value.endswith("=") else item.value
                option = "" if parameter.param_type_name == "argument" else parameter.opts[0]
                assert misuse(f"{line} {option} {word}", whole=False) == ""
                count += 1
    assert count > 500


def test_only_runs_that_are_not_complete_are_offered_to_be_resumed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert offered("unfinished_runs") == ["runs/killed"]
    assert offered("evidence") == ["runs/done/evidence.json", "runs/done"]


def test_the_console_of_a_run_is_offered_its_nodes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for named, words in (
        ({"what": ["runs/done"]}, ["a", "b", "c"]),
        ({"what": ["runs/done", "a"]}, []),
        ({"what": ["nowhere"]}, []),
        ({"bench": Path("bench.yaml")}, ["left"]),
    ):
        line = SimpleNamespace(params=named)
        assert completion.console_words(line, "") == words  # type: ignore[arg-type]


def test_a_run_is_verified_by_its_folder(hil: Hil) -> None:
    assert hil("run", "nominal", "--boards", "inproc", "--frames", 5, "--out", "r").code == 0
    done = hil("verify", "r")
    assert done.code == 0 and done.out.startswith("verified: r/evidence.json is what ")
