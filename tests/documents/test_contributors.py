"""The contributors' pages name places that are there, and GitHub's files say what they must."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml

from .blocks import ROOT, name_of, spans_of

GITHUB = ROOT / ".github"
ROOMS = {path.name for path in (ROOT / "hil").iterdir() if (path / "__init__.py").is_file()}


@pytest.mark.parametrize("page", sorted(GITHUB.glob("*.md")), ids=name_of)
def test_every_place_that_a_page_names_is_there(page: Path) -> None:
    places = [
        (line, span)
        for line, span in spans_of(page)
        if re.fullmatch(r"(hil|csrc|tests|boards|scenarios|\.ci)(/[\w./-]*)", span)
    ]
    shipped = {"hil/data/"}  # made by an installation
    missing = [
        f"{name_of(page)}:{line}: {span}"
        for line, span in places
        if span not in shipped and not (ROOT / span).exists()
    ]
    assert not missing, "\n".join(missing)


def test_architecture_describes_every_room() -> None:
    spans = {span for _, span in spans_of(GITHUB / "ARCHITECTURE.md")}
    assert {f"hil/{room}" for room in ROOMS} - spans == set()
    modules = {path.name for path in (ROOT / "hil").glob("[a-z]*.py")}
    assert {f"hil/{module}" for module in modules} - spans == set()


def test_the_workflow_calls_the_checks_that_run_here() -> None:
    workflow = yaml.safe_load((GITHUB / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    steps = [step.get("run") for job in workflow["jobs"].values() for step in job["steps"]]
    assert ".ci/run" in steps and os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.mark.parametrize("form", sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")), ids=name_of)
def test_an_issue_form_has_a_name_and_questions(form: Path) -> None:
    content = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert content["name"] and content["description"]
    assert all(part["attributes"]["label"] for part in content["body"])
    assert any(part.get("validations", {}).get("required") for part in content["body"])


def test_the_hooks_before_a_commit_are_the_linters_of_the_contributors_page() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    entries = [hook["entry"] for repo in hooks["repos"] for hook in repo["hooks"]]
    assert " && ".join(entries) in (GITHUB / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_install_of_the_contributors_page_brings_every_tool_that_it_names() -> None:
    spans = {span for _, span in spans_of(GITHUB / "CONTRIBUTING.md")}
    named = {span.split()[0] for span in spans if span.startswith(".venv/bin/")}
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (lint,) = re.findall(r"^lint = \[\n(.*?)^\]", project, re.MULTILINE | re.DOTALL)
    missing = [tool for tool in named if f'"{Path(tool).name}' not in lint]
    assert named and not missing, missing


def test_the_checks_call_the_linters_of_c_and_show_coverage() -> None:
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert ".ci/lint-c" in run and ".ci/python --cov" in run
    assert os.access(ROOT / ".ci" / "lint-c", os.X_OK)
