"""`--use`: which boards of a bench a run takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.errors import ConfigError, UsageError
from hil.scenario import Overrides, load
from hil.scenario.bench import BenchConfig, parse_bench
from hil.scenario.bench_choice import boards_of, words_of

BENCH = """\
schema: 1
boards:
  - {name: one, port: /dev/ttyS1, tags: [lab, v1]}
  - {name: two, port: /dev/ttyS2, profile: raspberry-pi-4b, absent: true}
  - {name: three, port: /dev/ttyS3, profile: raspberry-pi-4b}
  - {name: four, port: /dev/ttyS4, tags: [lab]}
"""


@pytest.fixture
def bench() -> BenchConfig:
    return parse_bench(BENCH)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("four,one", ["four", "one"]),
        ("lab", ["one", "four"]),
        ("raspberry-pi-4b", ["three", "two"]),
        ("v1, raspberry-pi-4b, lab", ["one", "three", "two", "four"]),
        ("one,,one", ["one"]),
    ],
)
def test_words_choose_by_name_tag_or_profile_in_their_order(
    bench: BenchConfig, text: str, names: list[str]
) -> None:
    assert [board.name for board in boards_of(bench, words_of(text))] == names


def test_a_word_that_chooses_nothing_is_refused_with_those_that_do(bench: BenchConfig) -> None:
    with pytest.raises(
        UsageError, match="no board, tag or profile `tree`; it has four, lab"
    ) as got:
        boards_of(bench, ("tree",))
    assert "three" in (got.value.remedy or "")


def load_with(folder: Path, use: str, scheme: str = "dmr") -> list[str]:
    path = folder / "bench.yaml"
    path.write_text(BENCH, encoding="utf-8")
    loaded = load("nominal", Overrides(scheme=scheme, bench=path, use=words_of(use)))
    return [node.name for node in loaded.scenario.rig.nodes]


def test_a_rig_takes_the_first_chosen_boards_in_their_order(tmp_path: Path) -> None:
    assert load_with(tmp_path, "four,three,one") == ["four", "three"]
    assert load_with(tmp_path, "raspberry-pi-4b") == ["three", "two"]


def test_too_few_chosen_boards_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--use chooses 1 board; scheme dmr needs 2"):
        load_with(tmp_path, "four")


def test_a_choice_without_a_bench_is_refused() -> None:
    with pytest.raises(UsageError, match="--use chooses boards of a bench"):
        load("nominal", Overrides(use=("one",)))


@pytest.mark.parametrize("text", ["", " ", ",", " , "])
def test_an_option_without_a_word_does_not_choose_all_boards(text: str) -> None:
    with pytest.raises(UsageError, match="--use names no board"):
        words_of(text)
    assert words_of(None) == ()
