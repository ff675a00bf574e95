"""Fixtures: programs of the user as workers of process boards."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hil.rig.agent_setup import Budget
from hil.rig.backends.process import ProcessBoard
from hil.rig.node import Node
from hil.rig.rig import Rig

from .contract import SEED, TIMING
from .exec_rig import BUDGET_US, EXAMPLES, MakeRig, python


@pytest.fixture(scope="session")
def filter_c(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler here, to build the example with")
    made = tmp_path_factory.mktemp("programs") / "ab_filter"
    subprocess.run(
        [
            compiler,
            "-std=c11",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-o",
            made,
            EXAMPLES / "ab_filter.c",
        ],
        check=True,
    )
    return made


@pytest.fixture
def allow(monkeypatch: pytest.MonkeyPatch, filter_c: Path) -> Callable[..., None]:
    def allow(**programs: str) -> None:
        listed = {"c": str(filter_c), "py": python(EXAMPLES / "ab_filter.py"), **programs}
        monkeypatch.setenv("HIL_EXEC", ";".join(f"{k}={v}" for k, v in listed.items()))

    allow()
    return allow


@pytest.fixture
def make_rig(allow: Callable[..., None]) -> Iterator[MakeRig]:
    made: list[Rig] = []

    def make(name: str = "c", nodes: int = 1, budget_us: int = BUDGET_US, **programs: str) -> Rig:
        if programs:
            allow(**programs)
        members = [Node(f"n{i}", i, ProcessBoard(f"n{i}")) for i in range(nodes)]
        rig = Rig(members, f"exec:{name}", SEED, TIMING)
        made.append(rig)
        rig.setup.budget = Budget(budget_us, 68)
        rig.open()
        for node in rig.nodes:
            rig.load(node)
        return rig

    yield make
    for rig in made:
        rig.close()
