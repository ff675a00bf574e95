"""The C unit tests and fuzz regressions, built by csrc/CMakeLists.txt, one pytest case each.

The cases come from the names of the source files, so that none can be forgotten: a source that the
build leaves out fails here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CSRC = Path(__file__).resolve().parents[2] / "csrc"
TESTS = sorted(path.stem for path in CSRC.glob("tests/test_*.c"))
TESTS.append("test_agent_without_campaigns")  # test_agent.c, with the agent of a small board
FUZZ = sorted(path.stem for path in CSRC.glob("fuzz/fuzz_*.c"))


def tool(name: str) -> str:
    """A build tool: beside this Python (the `test` extra brings it), or on the PATH."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found, f"{name} is missing; pip install '.[test]' brings it"
    return found


def run(*command: str | Path) -> str:
    """The output of a program; fails with all of it unless it ends with 0."""
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=300,
        check=False,
    )
    if done.returncode:
        shown = " ".join(map(str, command))
        pytest.fail(f"{shown}\nended with {done.returncode}:\n{done.stdout}", pytrace=False)
    return done.stdout


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the built test programs. What they test is compiled as in the product; their
    own sources are compiled fast (.ci/run compiles those, too, with all optimization)."""
    folder = tmp_path_factory.mktemp("c-suites")
    ninja = tool("ninja")
    run(
        tool("cmake"),
        "-G",
        "Ninja",
        f"-DCMAKE_MAKE_PROGRAM={ninja}",
        "-DHIL_TESTS=ON",
        "-DHIL_EXTENSION=OFF",
        "-DHIL_TEST_SOURCE_FLAGS=-O1",
        "-S",
        CSRC,
        "-B",
        folder,
    )
    programs = [*TESTS, *(f"regress_{name}" for name in FUZZ)]
    run(ninja, "-C", folder, "-j", str(os.cpu_count() or 1), *programs)
    return folder


def test_there_are_c_suites() -> None:
    assert TESTS
    assert FUZZ


def test_every_fuzz_target_has_a_corpus() -> None:
    assert {path.name for path in (CSRC / "fuzz" / "corpus").iterdir()} == set(FUZZ)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", TESTS)
def test_unit(name: str, built: Path) -> None:
    output = run(built / name)
    assert "ok  " in output, "it ran no test"
    assert "FAIL" not in output


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", FUZZ)
def test_fuzz_regression(name: str, built: Path) -> None:
    output = run(built / f"regress_{name}", CSRC / "fuzz" / "corpus" / name)
    files = sum(1 for path in (CSRC / "fuzz" / "corpus" / name).iterdir() if path.is_file())
    assert output.strip() == f"{files} files"
