"""Board profiles that a scenario names are there, whether or not its plant needs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.assets import boards_dir
from hil.doctor.files import check
from tests.command_line import Hil

HEAD = "workload: sha256\nframes: 20\n"


def problems(folder: Path, rig: str) -> list[str]:
    path = folder / "s.yaml"
    path.write_text(f"{HEAD}{rig}\n", encoding="utf-8")
    return [str(problem).replace(f"{folder}/", "") for problem in check(str(path)).problems]


@pytest.mark.parametrize(
    ("rig", "where", "words"),
    [
        (
            "rig: {scheme: simplex, profile: raspberry-pi-9}",
            "s.yaml:3:33: $.rig.profile:",
            "there is no board profile `raspberry-pi-9`",
        ),
        (
            "rig: {scheme: simplex, profile: raspberry-pi-9}",
            "$.rig.profile:",
            "did you mean `raspberry-pi-5`?",
        ),
        ("rig: {scheme: simplex, profile: ''}", "$.rig.profile:", "there is no board profile ``"),
        ("rig: {scheme: simplex, profile: mine.yaml}", "$.rig.profile:", "there is no file mine.y"),
        (
            "rig: {scheme: simplex, nodes: [{name: a, profile: pi}]}",
            "$.rig.nodes[0].profile:",
            "there is no board profile `pi`",
        ),
        (
            "rig: {scheme: simplex, nodes: [{name: a, profile: ''}]}",
            "$.rig.nodes[0].profile:",
            "there is no board profile ``",
        ),
        (
            "rig: {scheme: dmr, nodes: [{name: a}, {name: b, profile: ./mine.yaml}]}",
            "$.rig.nodes[1].profile:",
            "there is no file mine.yaml",
        ),
    ],
)
def test_a_profile_that_there_is_not_is_refused_without_a_plant(
    tmp_path: Path, rig: str, where: str, words: str
) -> None:
    (problem,) = problems(tmp_path, rig)
    assert where in problem and words in problem


def test_all_missing_profiles_are_reported_each_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        "rig: {scheme: tmr, nodes: [{name: a, profile: x}, {name: b, profile: y}, "
        "{name: c, profile: x}]}",
    )
    assert [problem.split(": ")[1] for problem in found] == [
        "$.rig.nodes[0].profile",
        "$.rig.nodes[1].profile",
    ]


def test_what_is_wrong_in_a_named_profile_is_reported_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("schema: 1\nname: mine\n", encoding="utf-8")
    found = problems(tmp_path, "rig: {scheme: simplex, profile: mine.yaml}")
    assert found and all(problem.startswith("mine.yaml:") for problem in found)


def test_a_right_profile_beside_the_scenario_is_accepted(tmp_path: Path) -> None:
    text = (boards_dir() / "raspberry-pi-5.yaml").read_text(encoding="utf-8")
    text = text.replace("name: raspberry-pi-5", "name: mine", 1)
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    assert problems(tmp_path, "rig: {scheme: simplex, profile: mine.yaml}") == []
    assert problems(tmp_path, "rig: {scheme: simplex, profile: jetson-tx2}") == []


def test_the_run_refuses_it_too(hil: Hil) -> None:
    scenario = hil.write("s.yaml", f"{HEAD}rig: {{scheme: simplex, profile: nope}}\n")
    done = hil("run", scenario, "--no-tui", "--out", "r")
    assert done.code == 2 and "$.rig.profile: there is no board profile `nope`" in done.err
