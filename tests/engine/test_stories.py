"""The shipped stories end as they say: an expectation fails if, and only if, its line says so."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

import pytest

import hil
from hil import assets
from hil.scenario import Overrides, UpsetsConfig, load_scenario

FOLDER: Final = assets.scenarios_dir() / "stories"
FILES: Final = sorted(FOLDER.glob("*/*.yaml"))
NAMES: Final = [f"{path.parent.name}/{path.stem}" for path in FILES]
FAILS: Final = re.compile(r"^  ([a-z0-9_.]+):[^#\n]*# fails: ", re.MULTILINE)
DEFAULTS: Final = ["events.missed"]


def expected_failures(name: str) -> list[str]:
    """The expectations of a story that fail, by the comments in its file."""
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    return FAILS.findall(text.partition("\nexpect:\n")[2])


def ends_as_it_says(name: str, boards: str, folder: Path) -> None:
    run = hil.run(f"stories/{name}", boards=boards, out=folder / "run")
    failed = [e.metric for e in run.result.expectations or () if not e.ok]
    assert failed == expected_failures(name)
    assert run.outcome == ("fail" if failed else "pass")


@pytest.mark.parametrize("name", NAMES)
def test_a_story_ends_as_it_says(name: str, tmp_path: Path) -> None:
    ends_as_it_says(name, "inproc", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_story_ends_as_it_says_in_processes(name: str, tmp_path: Path) -> None:
    ends_as_it_says(name, "process", tmp_path)


@pytest.mark.parametrize("story", assets.list_stories())
def test_a_story_has_what_happened_a_good_end_and_a_bad_one(story: str) -> None:
    assert assets.story_scenario_path(story) == assets.story_scenario_path(f"stories/{story}")
    flown = assets.story_scenario_path(story)
    assert flown is not None and flown.stem in assets.AS_FLOWN
    of_story = [name for name in NAMES if name.startswith(f"{story}/")]
    assert {bool(expected_failures(name)) for name in of_story} == {False, True}


def test_only_spikes_as_far_apart_as_the_hold_pass_the_filter(tmp_path: Path) -> None:
    """The hold of 24 frames ends before frame 224: one frame sooner, or later, no spike passes."""
    story = tmp_path / "story"
    shutil.copytree(FOLDER / "spikes-pass-the-hold-filter", story)
    text = (story / "as-flown.yaml").read_text(encoding="utf-8")
    assert text.count("frame: 224") == 1
    for frame in (223, 225):
        (story / "as-flown.yaml").write_text(text.replace("frame: 224", f"frame: {frame}"), "utf-8")
        run = hil.run(story / "as-flown.yaml", boards="inproc", out=tmp_path / str(frame))
        assert run.passed


BY_POWER: Final = {"dead-bus-wake-up/all-at-once"}
BY_HITS: Final = [name for name in NAMES if expected_failures(name) and name not in BY_POWER]


@pytest.mark.slow
@pytest.mark.parametrize("name", BY_HITS)
def test_without_its_hits_nothing_goes_wrong_in_a_story(name: str, tmp_path: Path) -> None:
    """What goes wrong comes from the hits: the same rig, programs and rules are right without."""
    scenario = load_scenario(name, Overrides(board="inproc"))
    assert scenario.upsets.events or scenario.upsets.rates
    assert scenario.expect != "none"
    expect = {k: v for k, v in scenario.expect.items() if not k.startswith("upsets.")}
    update = {"upsets": UpsetsConfig(), "expect": expect}
    run = hil.run(scenario.model_copy(update=update), out=tmp_path / "run")
    assert run.passed


def test_each_story_has_its_row_in_the_table() -> None:
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.MULTILINE)
    assert sorted(rows) == sorted(assets.list_stories())
