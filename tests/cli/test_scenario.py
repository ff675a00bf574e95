"""`hil scenario`: shipped scenarios are listed, shown and copied, and nothing is overwritten."""

from __future__ import annotations

import pytest

from hil import assets
from tests.command_line import Hil

NAMES = [path.stem for path in sorted(assets.scenarios_dir().glob("*.yaml"))]
STORIES = sorted(assets.scenarios_dir().glob("stories/*/*.yaml"))
OF_STORIES = [f"{path.parent.name}/{path.stem}" for path in STORIES]
STORY = "dropped-state-scrub"


def test_each_shipped_scenario_is_listed_with_one_line_about_it(hil: Hil) -> None:
    done = hil("scenario", "list")
    assert (done.code, done.err) == (0, "")
    told = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert list(told) == [*NAMES, *OF_STORIES]
    assert told["nominal"] == "No upsets; every frame is unanimous."
    as_json = hil("scenario", "list", "--json").json["scenarios"]
    assert {s["name"]: s["summary"] for s in as_json} == told
    (nominal,) = [s for s in as_json if s["name"] == "nominal"]
    assert (nominal["scheme"], nominal["boards"]) == ("tmr", ["process"])


def test_show_prints_the_file_as_it_is(hil: Hil) -> None:
    text = (assets.scenarios_dir() / "hang.yaml").read_text(encoding="utf-8")
    done = hil("scenario", "show", "hang")
    assert (done.code, done.out, done.err) == (0, text, "")
    assert hil("scenario", "show", "hang", "--json").json["text"] == text


@pytest.mark.slow
def test_a_copy_is_a_scenario_like_the_original(hil: Hil) -> None:
    (hil.cwd / "mine").mkdir()
    for words, file in (
        (("hang",), "hang.yaml"),
        (("hang", "storm.yaml"), "storm.yaml"),
        (("hang", "mine"), "mine/hang.yaml"),
        (("leo-iss-day", "mine/"), "mine/leo-iss-day.yaml"),
    ):
        assert hil("scenario", "copy", *words).code == 0
        original = assets.scenarios_dir() / f"{words[0]}.yaml"
        assert (hil.cwd / file).read_bytes() == original.read_bytes()
        assert hil("check", file).code == 0


def test_a_copy_overwrites_nothing(hil: Hil) -> None:
    (hil.cwd / "mine").mkdir()
    kept = [hil.write(name, "my work\n") for name in ("hang.yaml", "mine/hang.yaml")]
    (hil.cwd / "link.yaml").symlink_to("nowhere.yaml")
    for words in ((), ("hang.yaml",), ("mine",), ("mine/",), ("link.yaml",)):
        done = hil("scenario", "copy", "hang", *words)
        assert done.code == 2 and "not overwritten" in done.err
    assert [path.read_text(encoding="utf-8") for path in kept] == ["my work\n"] * 2
    assert not (hil.cwd / "nowhere.yaml").exists()


def test_what_cannot_be_copied_exits_2_with_a_remedy(hil: Hil) -> None:
    for words, what, remedy in (
        (("copy", "hangs"), "no shipped scenario `hangs`", "did you mean `hang`?"),
        (("show", "../hang"), "no shipped scenario `../hang`", "hil scenario list"),
        (("copy", "hang", "none/"), "none is not a folder", "mkdir -p none"),
        (("copy", "hang", "none/a.yaml"), "none is not a folder", "mkdir -p none"),
        ((), "which command?", "hil scenario --help"),
    ):
        done = hil("scenario", *words)
        assert done.code == 2
        assert what in done.err and remedy in done.err
    assert list(hil.cwd.iterdir()) == []


def test_a_story_is_copied_as_a_whole(hil: Hil) -> None:
    assert hil("scenario", "copy", STORY).code == 0
    assert {path.name for path in (hil.cwd / STORY).iterdir()} == {
        "build-a.yaml", "build-b.yaml", "elevator.h", "elevator_a.c", "elevator_b.c",
    }  # fmt: skip
    assert hil("check", f"{STORY}/build-b.yaml").code == 0
    again = hil("scenario", "copy", STORY)
    assert again.code == 2 and "exists already" in again.err
    alone = hil("scenario", "copy", f"{STORY}/build-a")
    assert alone.code == 2 and f"hil scenario copy {STORY}" in alone.err
    assert hil("scenario", "copy", STORY, "other").code == 0
    assert hil("scenario", "copy", STORY, "no/other").code == 3


def test_a_scenario_of_a_story_is_named_by_both(hil: Hil) -> None:
    assert hil("scenario", "show", f"{STORY}/build-a").out.startswith("# The story of")
    unknown = hil("check", f"{STORY}/build-c")
    assert unknown.code == 2


def test_a_story_alone_is_what_happened(hil: Hil) -> None:
    flown = hil("scenario", "show", f"{STORY}/build-b").out
    for name in (STORY, f"stories/{STORY}", f"stories/{STORY}/build-b"):
        assert hil("scenario", "show", name).out == flown
        assert hil("check", name).code == 0
    assert "did you mean" in hil("check", f"{STORY}s").err
    assert hil("scenario", "copy", f"stories/{STORY}").code == 0
    assert (hil.cwd / STORY / "build-b.yaml").exists()
