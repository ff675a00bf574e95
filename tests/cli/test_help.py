"""What `--help` and the shell say of commands and options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from hil import assets
from hil.cli import completion
from hil.cli.entry import app
from hil.cli.help_texts import EXAMPLES
from hil.scenario.words import SchemeName
from tests.command_line import Hil
from tests.documents.cli import misuse


def commands() -> Iterator[tuple[str, Any]]:
    """Every command and group, by the words that call it."""

    def below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        yield name, command
        for word, one in getattr(command, "commands", {}).items():
            yield from below(f"{name} {word}", one)

    yield from below("hil", typer.main.get_command(app))


COMMANDS = dict(commands())


def options(command: Any) -> list[Any]:
    return [p for p in command.params if p.param_type_name == "option"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples_that_its_parser_takes(name: str) -> None:
    for example in EXAMPLES[name]:
        assert example.startswith(name) and misuse(example) == "", example


def test_no_examples_are_of_commands_that_are_not_there() -> None:
    assert set(EXAMPLES) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_that_is_written_is_named_by_one_pair_of_options(name: str) -> None:
    pairs = [set(p.opts) for p in options(COMMANDS[name]) if {"-o", "--out"} & set(p.opts)]
    assert all(pair == {"-o", "--out"} for pair in pairs), pairs
    assert not [p for p in options(COMMANDS[name]) if "--output" in p.opts]


def test_one_long_option_has_one_kind_of_value_or_none_in_all_commands() -> None:
    kinds: dict[str, set[bool]] = {}
    for command in COMMANDS.values():
        for option in options(command):
            for word in option.opts:
                kinds.setdefault(word, set()).add(bool(option.is_flag))
    unlike = {word for word, flags in kinds.items() if len(flags) > 1}
    assert unlike <= {"--follow"}  # a console is followed, and damage for N steps


@pytest.mark.parametrize("name", ["hil", "hil run", "hil orbit", "hil board build", "hil watch"])
def test_help_has_no_types_of_flags_and_ends_with_examples(name: str, hil: Hil) -> None:
    done = hil(*name.split()[1:], "--help", env={"COLUMNS": "120"})
    assert done.code == 0
    assert "<bool>" not in done.out and "<str>" not in done.out and "list[" not in done.out
    assert "Examples:" in done.out and EXAMPLES[name][-1] in done.out


def test_the_usage_has_the_arguments_as_they_are_written(hil: Hil) -> None:
    for name, usage in (("console", "[RUN] NODE"), ("feed", "[RUN]"), ("watch", "[RUN]...")):
        lines = hil(name, "--help", env={"COLUMNS": "120"}).out.splitlines()
        line = next(line for line in lines if "Usage:" in line)
        assert line.split("[OPTIONS]")[1].strip() == usage


def test_help_shows_defaults(hil: Hil) -> None:
    assert "default: 8000" in " ".join(hil("watch", "--help").out.split())


def test_a_shell_is_offered_what_may_stand_there(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "runs" / "first").mkdir(parents=True)
    (tmp_path / "runs" / "first" / "run.db").touch()
    assert completion.scenarios("quick") == ["quickstart"]
    assert "mine.yaml" in completion.scenarios("m")
    assert set(assets.list_scenarios()) <= set(completion.scenarios(""))
    assert completion.runs("ru") == ["runs/first"]
    assert completion.schemes("") == [word.value for word in SchemeName]
    assert completion.profiles("raspberry-pi-4") == ["raspberry-pi-4b"]
    assert completion.software_kinds("p") == ["process"]
    assert completion.scheme_lists("simplex,5m") == ["simplex,5mr"]
    assert completion.workload_lists("infer,sha") == ["infer,sha256"]
    assert completion.rows("digest") == ["digest"]
    (tmp_path / "runs" / "first" / "evidence.json").touch()
    assert completion.evidence("runs/") == ["runs/first/evidence.json", "runs/first"]
    assert completion.target_lists("state,st") == ["state,state", "state,stack"]


FREE = {
    "FILE",
    "DIR",
    "TIME",
    "SECONDS",
    "S",
    "N",
    "X",
    "P",
    "A:B",
    "ID",
    "K/N",
    "C,C...",
    "SHARE",
    "USD",
    "WATT",
    "ADDRESS",
    "[HOST:]PORT",
    "BENCH",
    "[DEST]",
    "[USER@HOST]",
    "DEV",
    "NAME=PATH[,ARG...]",
    "CC",
}
"""What users alone know: numbers, times, and files, which shells offer."""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_value_that_is_known_is_offered(name: str) -> None:
    for parameter in COMMANDS[name].params:
        is_flag = getattr(parameter, "is_flag", False)
        offers = getattr(parameter, "_custom_shell_complete", None)
        of_enum = parameter.metavar is None  # its words are offered, and are its metavar
        known = is_flag or offers or of_enum or parameter.metavar in FREE
        assert known, f"{name} {parameter.opts} {parameter.metavar}"


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("hil run quick", "quickstart"),
        ("hil run --scheme t", "tmr"),
        ("hil board show goo", "tpu"),
        ("hil cost --price launch", "launch_usd_per_kg="),
        ("hil campaign quickstart --targets state,o", "state,output"),
        ("hil control run pa", "pause"),
        ("hil control run inject no", "node="),
    ],
)
def test_the_completion_of_bash_prints_them(hil: Hil, line: str, offered: str) -> None:
    words = line.split()
    done = hil(
        env={
            "_HIL_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        }
    )
    assert offered in done.out, done.err
