"""Process boards in containers: ptrace may be forbidden there, and process 1 waits for nobody."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PTRACE = {"x86_64": 101, "aarch64": 117, "riscv64": 117, "armv7l": 26}
FORBIDDEN = Path(__file__).with_name("forbidden.py")

POWER_CUTS = """
import os
from pathlib import Path
from hil.rig.node import Node
from hil.rig.backends.process import ProcessBoard
from hil.rig.calls import Timing
from hil.rig.rig import Rig

rig = Rig([Node("a", 0, ProcessBoard("a"))], "attitude", 1, Timing())
for _ in range(3):
    rig.open()
    rig.load(rig.nodes[0])
    rig.nodes[0].board.power_off()
rig.close()
for process in Path("/proc").glob("[0-9]*"):
    stat = process / "stat"
    try:
        name, rest = stat.read_text().partition("(")[2].rsplit(")", 1)
    except OSError:
        continue
    if name.startswith("hil-"):
        print(name, rest.split()[0])
"""


def without_ptrace(*arguments: str) -> subprocess.CompletedProcess[str]:
    number = PTRACE[platform.machine()]
    return subprocess.run(
        [sys.executable, str(FORBIDDEN), str(number), sys.executable, "-m", "hil", *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in PTRACE, reason="the number of ptrace is not known")
def test_without_ptrace_a_run_names_it_and_says_what_allows_it(tmp_path: Path) -> None:
    done = without_ptrace(
        "run", "nominal", "--boards", "process", "--no-tui", "--out", str(tmp_path / "run")
    )
    assert done.returncode == 3
    told = " ".join(done.stderr.split())
    assert "its agent may not trace its worker (ptrace: Operation not permitted)" in told
    for remedy in ("ptrace_scope", "--cap-add=SYS_PTRACE", "seccomp", "--boards inproc"):
        assert remedy in told
    assert "errno" not in told and "Traceback" not in told


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in PTRACE, reason="the number of ptrace is not known")
def test_without_ptrace_the_doctor_does_not_advise_to_install_again() -> None:
    done = without_ptrace("doctor")
    assert "ptrace_scope" in done.stdout + done.stderr
    assert "install this package again" not in done.stdout + done.stderr


def can_be_process_1() -> bool:
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    call = [unshare, "--fork", "--pid", "--mount-proc", "true"]
    return subprocess.run(call, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_be_process_1(), reason="may not make a process namespace here")
def test_where_process_1_waits_for_nobody_no_zombie_is_left(tmp_path: Path) -> None:
    script = tmp_path / "cuts.py"
    script.write_text(POWER_CUTS)
    # A shell would wait; this process 1 only waits for the one that it started.
    process_1 = textwrap.dedent(
        f"""
        import os, sys
        child = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, {str(script)!r}])
        os.waitpid(child, 0)
        """
    )
    done = subprocess.run(
        ["unshare", "--fork", "--pid", "--mount-proc", sys.executable, "-c", process_1],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "", "hil-agent or hil-worker is still there"
