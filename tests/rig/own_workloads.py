"""C files of a user, good and bad: the shipped template, with parts replaced."""

from __future__ import annotations

from pathlib import Path

from hil import assets
from hil.scenario import Scenario, load_scenario

TEMPLATE = "workloads/template.c"


def template() -> str:
    return (assets.scenarios_dir() / TEMPLATE).read_text(encoding="utf-8")


def changed(name: str, *changes: tuple[str, str]) -> str:
    """The template under another name, with these parts of its text replaced."""
    text = (
        template()
        .replace("(template)", f"({name})")
        .replace("workload_template", f"workload_{name}")
    )
    text = text.replace('"template"', f'"{name}"')
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def scenario_of(
    folder: Path, name: str, *changes: tuple[str, str], board: str = "process", frames: int = 50
) -> Scenario:
    """A scenario of one node whose workload is that file, in `folder`."""
    (folder / f"{name}.c").write_text(changed(name, *changes), encoding="utf-8")
    (folder / "s.yaml").write_text(
        f"workload: {name}.c\nframes: {frames}\nrig: {{scheme: simplex, board: {board}}}\n"
    )
    return load_scenario(folder / "s.yaml")
