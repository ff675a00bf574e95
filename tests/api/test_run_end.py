"""However a run ends that Python carries out, its folder is that of `hil run`: record, reports and
evidence, which say the same, and the command that repeats it."""

from __future__ import annotations

import json
import shlex
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import hil
from hil.engine.observers import FramesDone, RunEvent
from hil.engine.result import RunProgress
from hil.errors import ConfigError, UsageError
from hil.report.evidence.evidence_check import check_evidence
from hil.report.evidence.evidence_file import read_evidence
from tests.cli.test_reports import agree

TEXT = """\
schema: 1
name: small
workload: sha256
frames: 60
rig: {scheme: tmr, board: inproc}
upsets:
  events:
    - {frame: 20, node: b, target: state, bit: 5}
"""


@pytest.fixture(scope="module")
def scenario() -> hil.Scenario:
    return hil.parse_scenario(TEXT, file="small.yaml")


class Failing(hil.RunObserver):
    """Raises `error` in one of its methods."""

    def __init__(self, method: str, error: BaseException) -> None:
        self.method = method
        self.error = error

    def _fail(self, method: str) -> None:
        if method == self.method:
            raise self.error

    def on_start(self, next_frame: int) -> None:
        self._fail("on_start")

    def on_frame(self, done: FramesDone) -> None:
        self._fail("on_frame")

    def on_event(self, event: RunEvent) -> None:
        self._fail("on_event")

    def on_progress(self, progress: RunProgress) -> None:
        self._fail(f"on_progress {progress.phase}")


def raising(error: BaseException) -> Callable[[], bool]:
    def stop() -> bool:
        raise error

    return stop


def evidence_of(folder: Path) -> dict[str, Any]:
    """The evidence beside a record, which it is compared with."""
    content = read_evidence(folder / "evidence.json")
    assert check_evidence(content, folder / "run.db").ok
    return dict(content)


def evidence_outcome(folder: Path) -> str:
    return str(evidence_of(folder)["verdict"]["outcome"])


def test_a_run_leaves_evidence_that_its_record_bears_out(
    scenario: hil.Scenario, tmp_path: Path
) -> None:
    run = hil.run(scenario, out=tmp_path / "run")
    assert evidence_outcome(run.folder) == run.outcome == "pass"


def test_a_stepped_run_leaves_evidence(scenario: hil.Scenario, tmp_path: Path) -> None:
    with hil.stepped_run(scenario, out=tmp_path / "run") as run:
        run.step(30)
    assert evidence_outcome(run.folder) == agree(run.folder, 130, None) == "aborted"


@pytest.mark.parametrize("method", ["on_start", "on_frame", "on_event"])
@pytest.mark.parametrize(
    ("error", "code", "outcome"),
    [(ValueError("mine"), 3, "error"), (KeyboardInterrupt(), 130, "aborted")],
    ids=["error", "ctrl-c"],
)
def test_an_observer_that_raises_ends_the_run_in_all_its_files(
    scenario: hil.Scenario,
    tmp_path: Path,
    method: str,
    error: BaseException,
    code: int,
    outcome: str,
) -> None:
    with pytest.raises(type(error)):
        hil.run(scenario, out=tmp_path / "run", observers=[Failing(method, error)])
    assert agree(tmp_path / "run", code, None) == outcome == evidence_outcome(tmp_path / "run")


def test_a_stop_that_raises_ends_the_run_in_all_its_files(
    scenario: hil.Scenario, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="mine"):
        hil.run(scenario, out=tmp_path / "run", stop=raising(ValueError("mine")))
    assert agree(tmp_path / "run", 3, None) == "error"
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["error"] == "ValueError: mine"


@pytest.mark.parametrize("method", ["on_start", "on_frame"])
def test_a_stepped_run_whose_observer_raises_ends_in_all_its_files(
    scenario: hil.Scenario, tmp_path: Path, method: str
) -> None:
    observers = [Failing(method, ValueError("mine"))]
    with (
        pytest.raises(ValueError, match="mine"),
        hil.stepped_run(scenario, out=tmp_path / "run", observers=observers) as run,
    ):
        run.step(10)
    assert agree(tmp_path / "run", 3, None) == "error" == evidence_outcome(tmp_path / "run")


def test_an_error_of_the_caller_between_two_steps_ends_the_run_in_all_its_files(
    scenario: hil.Scenario, tmp_path: Path
) -> None:
    run = hil.stepped_run(scenario, out=tmp_path / "run")
    with pytest.raises(ZeroDivisionError), run:
        run.step(run.step(10) // 0)
    assert agree(tmp_path / "run", 3, None) == "error"


def test_a_run_that_never_began_leaves_its_reports_where_a_folder_was_named(
    scenario: hil.Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    observers = [Failing("on_progress opening", ValueError("mine"))]
    with pytest.raises(ValueError, match="mine"):
        hil.run(scenario, out=tmp_path / "run", observers=observers)
    assert agree(tmp_path / "run", 3, None) == "error"
    assert not (tmp_path / "run" / "run.db").exists()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="mine"):
        hil.run(scenario, observers=observers)
    assert list((tmp_path / "runs").iterdir()) == []


def test_the_reports_of_another_run_in_the_folder_stay(
    scenario: hil.Scenario, tmp_path: Path
) -> None:
    hil.run(scenario, out=tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with pytest.raises(UsageError, match="already holds the record"):
        hil.run(scenario, out=tmp_path / "run")
    assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"observers": [1]}, "observers= has 1, which is not an object of hil.RunObserver"),
        ({"observers": [Failing]}, "is not an object of hil.RunObserver"),
        ({"observers": 5}, "observers=5 is not a list"),
        ({"stop": 5}, "stop= is 5, which cannot be called"),
        ({"out": ""}, "out= is an empty text"),
    ],
)
def test_what_cannot_be_used_is_refused_before_a_folder_is_made(
    scenario: hil.Scenario,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wrong: dict[str, Any],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        hil.run(scenario, **wrong)
    assert list(tmp_path.iterdir()) == []


def test_errors_name_the_arguments_of_the_call() -> None:
    with pytest.raises(UsageError, match=r"^frames= and duration= exclude each other"):
        hil.run("saa-pass", frames=3, duration="1s")
    with pytest.raises(ConfigError, match="seed=: "):
        hil.run("saa-pass", seed="x")  # type: ignore[arg-type]


def test_the_command_that_repeats_a_run_is_that_of_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hil.run("memory-storm", seed=3, boards="inproc", frames=50, out="x")
    reproduce = evidence_of(tmp_path / "x")["reproduce"]
    assert reproduce["command"] == "hil run memory-storm --boards inproc --seed 3 --frames 50"
    manifest = json.loads((tmp_path / "x" / "manifest.json").read_text())
    with closing(sqlite3.connect(tmp_path / "x" / "run.db")) as db:
        (stored,) = db.execute("SELECT value FROM meta WHERE key='command'").fetchone()
    assert ["hil", *manifest["command"]] == shlex.split(reproduce["command"])
    assert json.loads(stored) == manifest["command"]


def test_a_parsed_scenario_is_beside_its_record_and_repeats_the_run(
    scenario: hil.Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = hil.run(scenario, out="run")
    words = shlex.split(evidence_of(tmp_path / "run")["reproduce"]["command"])
    assert words == ["hil", "run", "run/scenario.yaml", "--seed", "1"]
    again = hil.run(words[2], seed=int(words[4]), out="again")
    assert again.digest == first.digest
    assert evidence_of(again.folder)["subject"] == evidence_of(first.folder)["subject"]


def test_a_scenario_of_the_user_in_the_folder_of_a_run_stays(
    scenario: hil.Scenario, tmp_path: Path
) -> None:
    (tmp_path / "scenario.yaml").write_text(TEXT, encoding="utf-8")
    hil.run(scenario, out=tmp_path)
    assert (tmp_path / "scenario.yaml").read_text(encoding="utf-8") == TEXT
    command = evidence_of(tmp_path)["reproduce"]["command"]
    assert shlex.split(command)[2] == str(tmp_path / "scenario-2.yaml")
