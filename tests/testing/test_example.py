"""The example of a user's own suite, on software boards of both kinds."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hil import assets


@pytest.mark.slow
@pytest.mark.parametrize(
    ("boards", "options", "passed"),
    [("inproc", [], 21), ("process", ["-k", "two_different or stops"], 3)],
)
def test_the_example_suite_passes(
    tmp_path: Path, boards: str, options: list[str], passed: int
) -> None:
    shutil.copytree(assets.scenarios_dir() / "testing", tmp_path / "own")
    done = subprocess.run(
        [sys.executable, "-I", "-m", "pytest", "own", f"--hil-boards={boards}", "-q", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().splitlines()[-1].startswith(f"{passed} passed")
