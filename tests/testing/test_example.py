"""The example of a user's own suite, on software boards."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hil import assets


@pytest.mark.slow
def test_the_example_suite_passes_where_it_is_copied_to(tmp_path: Path) -> None:
    shutil.copytree(assets.scenarios_dir() / "testing", tmp_path / "own")
    done = subprocess.run(
        [sys.executable, "-I", "-m", "pytest", "own", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().splitlines()[-1].startswith("21 passed")
