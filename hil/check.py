"""Check: whether scenario and bench files are right, without running anything.

A file with a `boards:` key is a bench file, any other a scenario. All problems are found, of all
files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hil.errors import ConfigError, HilError, Problem
from hil.scenario import Scenario, find_scenario, load
from hil.scenario.bench import bench_of
from hil.scenario.load import placing
from hil.scenario.positions import read_yaml

__all__ = ["Checked", "check", "check_all"]

SCENARIO: Final = "scenario"
BENCH: Final = "bench"


@dataclass(frozen=True, slots=True)
class Checked:
    """One file: what it is, what it says in a few words, and what is wrong with it."""

    source: str
    file: str
    kind: str
    summary: str
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "file": self.file,
            "kind": self.kind,
            "ok": self.ok,
            "summary": self.summary,
            "problems": [
                {
                    "file": p.file,
                    "line": p.line,
                    "column": p.column,
                    "path": p.path,
                    "message": p.message,
                    "remedy": p.remedy,
                }
                for p in self.problems
            ],
        }


def check_all(sources: Iterable[str]) -> list[Checked]:
    """Every one of `sources`, in their order. SetupError if the shipped scenarios are missing."""
    return [check(source) for source in sources]


def check(source: str) -> Checked:
    """One file, or one shipped scenario by its bare name. SetupError as above."""
    file, kind, summary = source, SCENARIO, ""
    problems: tuple[Problem, ...] = ()
    try:
        path = find_scenario(source)
        file = str(path)
        document = read_yaml(path)
        if "boards" in document.data:
            kind = BENCH
            bench = bench_of(document)
            summary = f"bench, {_count(len(bench.boards), 'board')}"
        else:
            scenario = load(path).scenario
            summary = _scenario_text(scenario)
            _check_plant(scenario, path)
    except ConfigError as error:
        problems = error.problems
    except HilError as error:
        if error.exit_code != ConfigError.exit_code:
            raise
        problems = (Problem(file, 0, 0, "$", error.message, error.remedy or ""),)
    return Checked(source, file, kind, summary, problems)


def _check_plant(scenario: Scenario, path: Path) -> None:
    """What is only found when a plant is built: an orbit that decays, a profile with gaps."""
    if scenario.plant is None:
        return
    from hil.plant.build import build_plant  # noqa: PLC0415  (heavy; few scenarios need it)

    with placing(path):
        build_plant(scenario)


def _scenario_text(scenario: Scenario) -> str:
    upsets = scenario.upsets
    return (
        f"scenario {scenario.name}, {scenario.rig.scheme}, {scenario.workload_name}, "
        f"{_count(scenario.frame_count, 'frame')}, {_count(len(upsets.events), 'upset')} and "
        f"{_count(len(upsets.rates), 'rate')}, {_count(len(scenario.expect), 'expectation')}"
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
