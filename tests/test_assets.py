"""Modules of the package as processes of their own, started from any folder."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hil import assets
from hil.assets import module_command
from tests.command_line import clean_env

PACKAGE = Path(assets.__file__).parent


def test_a_module_is_found_in_a_folder_that_holds_other_sources(tmp_path: Path) -> None:
    """As in a clone: its folder `hil` has no compiled kernel, which this module imports."""
    (tmp_path / "hil").mkdir()
    (tmp_path / "hil" / "__init__.py").touch()
    done = subprocess.run(
        module_command("hil.kernel"), cwd=tmp_path, env=clean_env(),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_no_module_of_the_package_is_started_by_its_name() -> None:
    """`hil` itself may be: it leaves the sources (`hil/__main__.py`)."""
    for path in PACKAGE.rglob("*.py"):
        assert '"-m", "hil.' not in path.read_text(encoding="utf-8"), path
