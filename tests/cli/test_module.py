"""`python -m hil`: the same program, wherever it is started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import hil

PACKAGE = Path(hil.__file__).parent


def run_module(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hil", *words], cwd=cwd, text=True, capture_output=True,
        timeout=60, check=False,
    )  # fmt: skip


def sources_in(folder: Path) -> Path:
    """A checkout: the package as it is before its kernel is compiled."""
    shutil.copytree(PACKAGE, folder / "hil", ignore=shutil.ignore_patterns("_kernel*.so", "bin"))
    return folder


def test_the_module_is_the_command(tmp_path: Path) -> None:
    done = run_module("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"hil {hil.__version__}\n")


def test_in_a_checkout_the_installed_one_runs(tmp_path: Path) -> None:
    words = ("run", "nominal", "--boards", "inproc", "--frames", "20", "--out", "r", "-q")
    done = run_module(*words, cwd=sources_in(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("PASS r ")


def test_sources_alone_say_that_they_must_be_installed(tmp_path: Path) -> None:
    """In a Python that has what hil needs, but not hil itself."""
    needed = tmp_path / "needed"
    needed.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(("hil", "_hil")):
            (needed / entry.name).symlink_to(entry)
    done = subprocess.run(
        [sys.executable, "-S", "-m", "hil", "run", "nominal", "--boards", "inproc"],
        cwd=sources_in(tmp_path), env={**os.environ, "PYTHONPATH": str(needed)}, text=True,
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert "this installation lacks hil._kernel" in done.stderr and "pip" in done.stderr
    assert "Traceback" not in done.stderr
