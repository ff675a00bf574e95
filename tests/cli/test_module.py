"""`python -m hil`: the same program, wherever it is started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import hil

PACKAGE = Path(hil.__file__).parent


def run_module(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hil", *words],
        cwd=cwd,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


def sources_in(folder: Path) -> Path:
    """A checkout: the package as it is before its kernel is compiled."""
    built = shutil.ignore_patterns("_kernel*.so", "bin", "__pycache__")  # others write there
    shutil.copytree(PACKAGE, folder / "hil", ignore=built)
    return folder


def test_the_module_is_the_command(tmp_path: Path) -> None:
    done = run_module("--version", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith(f"hil {hil.__version__}\n")


@pytest.mark.slow
def test_in_a_checkout_the_installed_one_runs(tmp_path: Path) -> None:
    words = ("run", "nominal", "--boards", "inproc", "--frames", "20", "--out", "r", "-q")
    done = run_module(*words, cwd=sources_in(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("PASS r ")


def test_sources_in_a_python_without_anything_say_that_they_must_be_installed(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "hil", "doctor"],
        cwd=sources_in(tmp_path),
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr.startswith("hil: it is not installed for ")
    assert "the module `" in done.stderr and ".venv/bin/pip install ." in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_sources_that_are_started_by_their_path_say_how_to_start_them(tmp_path: Path) -> None:
    folder = sources_in(tmp_path)
    for path in ("hil", "hil/__main__.py"):
        done = subprocess.run(
            [sys.executable, path],
            cwd=folder,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 3 and "expected `python3 -m hil`" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_sources_alone_say_that_they_must_be_installed(tmp_path: Path) -> None:
    """In a Python that has what hil needs, but not hil itself."""
    needed = tmp_path / "needed"
    needed.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(("hil", "_hil")):
            (needed / entry.name).symlink_to(entry)
    done = subprocess.run(
        [sys.executable, "-S", "-m", "hil", "run", "nominal", "--boards", "inproc"],
        cwd=sources_in(tmp_path),
        env={**os.environ, "PYTHONPATH": str(needed)},
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert "this installation lacks hil._kernel" in done.stderr and "pip" in done.stderr
    assert "Traceback" not in done.stderr
