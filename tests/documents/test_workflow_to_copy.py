"""The workflow that users copy into their own CI: its steps are carried out as they stand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from .blocks import ROOT

FILE = ROOT / ".github" / "examples" / "hil-in-your-ci.yml"
BIN = Path(sys.executable).parent


@pytest.mark.slow
def test_every_step_of_it_runs_and_leaves_what_it_keeps(tmp_path: Path) -> None:
    workflow = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    (job,) = workflow["jobs"].values()
    env = os.environ | workflow["env"] | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert [c for c in commands if c.startswith("pip ")] == ['pip install "$HIL"']
    for command in [c for c in commands if c.startswith("hil ")]:
        done = subprocess.run(
            ["bash", "-ec", command],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr)
    (kept,) = [step["with"]["path"] for step in job["steps"] if "upload" in step.get("uses", "")]
    assert all((tmp_path / name).exists() for name in kept.split())
