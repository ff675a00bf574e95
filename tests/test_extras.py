"""What messages and documents say to install can be installed."""

from __future__ import annotations

import ast
import re
import shlex
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from hil.extras import install_command
from tests.sources import tree_of

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [
    *(ROOT / "hil").rglob("*.py"),
    *(ROOT / "boards").glob("*"),
    *ROOT.glob("*.md"),
    *(ROOT / ".github").glob("*.md"),
    *(ROOT / "csrc").rglob("*.md"),
    *(ROOT / "scenarios").rglob("*.md"),
]
DECLARED = metadata.metadata("hil-flight").get_all("Provides-Extra") or []


NAMED = (
    *("campaign", "ccsds", "cross", "dask", "labgrid", "mcap", "onnx", "parquet", "plot"),
    *("prometheus", "visa", "web"),
)


def named_extras() -> set[str]:
    """Those that a message names: install_command("...")."""
    named: set[str] = set()
    for path in (ROOT / "hil").rglob("*.py"):
        for node in ast.walk(tree_of(path)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id == "install_command":
                assert isinstance(node.args[0], ast.Constant)
                named.add(str(node.args[0].value))
    return named


def test_no_package_is_named_that_nobody_has_published() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {found}"
        for path in SOURCES
        for found in re.findall(r"pip install [^\n]*hil-flight[^\n]*", path.read_text("utf-8"))
    ]
    assert not wrong, "\n".join(wrong)


def test_documents_name_extras_that_there_are() -> None:
    told = {
        extra
        for path in SOURCES
        for extras in re.findall(r"'\.\[([\w,]+)\]'", path.read_text("utf-8"))
        for extra in extras.split(",")
    }
    assert {"test", "web", "cross", "visa"} <= told <= set(DECLARED)


@pytest.mark.parametrize("extra", NAMED)
def test_a_message_names_the_packages_of_an_extra_and_this_interpreter(extra: str) -> None:
    python, *pip, first, second = [*shlex.split(install_command(extra)), ""][:6]
    assert python == sys.executable and pip == ["-m", "pip", "install"]
    told = {Requirement(word) for word in (first, second) if word}
    mine = [Requirement(text) for text in metadata.requires("hil-flight") or []]
    wanted = {
        (r.name, r.specifier)
        for r in mine
        if r.marker is not None and r.marker.evaluate({"extra": extra})
    }
    assert {(r.name, r.specifier) for r in told} == wanted != set()


def test_messages_name_extras_that_there_are() -> None:
    assert named_extras() == set(NAMED) <= set(DECLARED)


def test_sources_that_were_not_installed_have_no_packages_to_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(_: str) -> list[str]:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "requires", none)
    assert install_command("web") == "pip install '.[web]', in a checkout"
