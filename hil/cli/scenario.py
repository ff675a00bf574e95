"""`hil scenario ...`: the shipped scenarios, to list, read and copy."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hil.cli import completion
from hil.cli.help_texts import App
from hil.cli.options import Json
from hil.cli.output import answer, out, say, show
from hil.errors import SetupError, UsageError
from hil.exit_codes import Exit
from hil.printable import quoted

if TYPE_CHECKING:
    from hil.json_values import JsonObject

__all__ = ["scenario_app"]

scenario_app = App(
    no_args_is_help=True, help="Shipped scenarios: list them, show one, copy one to change it."
)

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="A shipped scenario.", autocompletion=completion.shipped_scenarios
    ),
]


@scenario_app.command("list")
def list_(as_json: Json = False) -> int:
    """List the shipped scenarios, with one line about each."""
    from hil import assets
    from hil.scenario import load_scenario
    from hil.views import scenarios

    names = [*assets.list_scenarios(), *_of_stories()]
    shipped = [(name, load_scenario(name)) for name in names]
    if as_json:
        rows: list[JsonObject] = [
            {
                "name": name,
                "summary": scenario.summary,
                "workload": scenario.workload_name,
                "scheme": str(scenario.rig.scheme),
                "boards": sorted({str(node.board.value) for node in scenario.rig.nodes}),
                "frames": scenario.frame_count,
            }
            for name, scenario in shipped
        ]
        answer({"scenarios": rows})
    else:
        lines = [(name, scenario.summary) for name, scenario in shipped]
        show(lambda _: scenarios.table(lines), width=140)
    return Exit.PASS


@scenario_app.command("show")
def show_(name: Name, as_json: Json = False) -> int:
    """Print the file of a shipped scenario."""
    path = _shipped(name)
    text = path.read_text(encoding="utf-8")
    if as_json:
        answer({"name": name, "file": str(path), "text": text})
    else:
        out(text.rstrip("\n"))
    return Exit.PASS


@scenario_app.command("copy")
def copy(
    name: Name,
    destination: Annotated[
        str | None,
        typer.Argument(
            metavar="[DEST]", help="File or folder to copy to; NAME.yaml here if left out."
        ),
    ] = None,
) -> int:
    """Copy a shipped scenario, with the C file that it names, or a whole story, to change it. An
    existing file is never overwritten."""
    from hil import assets

    name = name.removeprefix("stories/")
    story = assets.story_dir(name.partition("/")[0])
    if story is not None:
        return _copy_story(story, name, Path(destination or story.name))
    source = _shipped(name)
    target = Path(destination or ".")
    if target.is_dir() or (destination or "").endswith(os.sep):
        target /= f"{name}.yaml"
    beside = _beside(source)
    for file in beside:
        if (target.parent / file).exists():
            raise UsageError(
                f"{target.parent / file} exists already, and is not overwritten",
                remedy="copy to another folder",
            )
    _write_new(target, source.read_bytes())
    for file, content in beside.items():
        (target.parent / file).parent.mkdir(parents=True, exist_ok=True)
        _write_new(target.parent / file, content)
    also = "".join(f" and {target.parent / file}" for file in beside)
    say(f"copied to {target}{also}; after a change: hil check {quoted(target)}")
    return Exit.PASS


def _beside(scenario: Path) -> dict[Path, bytes]:
    """Return the C file that a scenario names, and those that it includes, by their paths relative
    to the scenario's folder; nothing if it names none."""
    from hil.scenario import load_scenario
    from hil.scenario.c_workload import read_c_source

    config = load_scenario(scenario).c_workload
    if config is None:
        return {}
    source = read_c_source(Path(config.c))
    folder = source.path.parent.relative_to(scenario.parent.resolve())
    return {folder / name: content for name, content in source.files}


def _of_stories() -> list[str]:
    """Return the names of the scenarios of all stories."""
    from hil import assets

    folders = [(story, assets.story_dir(story)) for story in assets.list_stories()]
    return [
        f"{story}/{path.stem}"
        for story, folder in folders
        if folder is not None
        for path in sorted(folder.glob("*.yaml"))
    ]


def _copy_story(story: Path, name: str, target: Path) -> int:
    """Copy the folder of a story to `target`, which is made. Raises: UsageError, SetupError."""
    if name != story.name:
        raise UsageError(
            f"{name} needs the other files of its story",
            remedy=f"copy all of them: hil scenario copy {story.name}",
        )
    try:
        target.mkdir()
    except FileExistsError:
        raise UsageError(
            f"{target} exists already, and is not overwritten", remedy="name another folder"
        ) from None
    except (OSError, ValueError) as error:
        raise SetupError(f"cannot make the folder {target}: {_reason(error)}") from error
    for path in sorted(story.iterdir()):
        _write_new(target / path.name, path.read_bytes())
    say(f"copied to {target}{os.sep}")
    return Exit.PASS


def _shipped(name: str) -> Path:
    """Return the file of a shipped scenario. Raises: UsageError if there is none of that name."""
    from hil import assets
    from hil.scenario.problems import did_you_mean

    path = assets.scenario_path(name) or assets.story_scenario_path(name)
    if path is None:
        hint = did_you_mean(name, [*assets.list_scenarios(), *_of_stories()])
        raise UsageError(
            f"there is no shipped scenario `{name[:80]}`",
            remedy=(f"{hint} " if hint else "") + "`hil scenario list` lists them",
        )
    return path


def _write_new(path: Path, content: bytes) -> None:
    """Write a file that does not exist yet, whole or not at all. Raises: UsageError, SetupError."""
    try:
        file = path.open("xb")
    except FileExistsError:
        raise UsageError(
            f"{path} exists already, and is not overwritten", remedy="name another file"
        ) from None
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"{path.parent} is not a folder", remedy=f"mkdir -p {quoted(path.parent)}"
        ) from None
    except (OSError, ValueError) as error:
        raise SetupError(f"cannot write {path}: {_reason(error)}") from error
    try:
        with file:
            file.write(content)
    except OSError as error:
        os.unlink(path)  # noqa: PTH108  (its error, if any, is the same one)
        raise SetupError(f"cannot write {path}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or str(error)
