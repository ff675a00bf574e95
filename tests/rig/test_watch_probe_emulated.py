"""The watch of the agent on single instructions of aarch64, in a machine of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hil.board_types.compilers import find_compiler, target_named
from hil.rig.emulated import cpio
from hil.rig.emulated.fetch import boot_files
from hil.rig.emulated.machine import find_qemu

from ..emulated import possible
from .test_watch_probe import A64, EVERYWHERE, check, probe_command, results_of

pytestmark = [pytest.mark.slow, pytest.mark.emulated, pytest.mark.usefixtures("possible")]
__all__ = ["possible"]

BOOT_S = 120


def test_each_kind_of_instruction_is_told_apart_on_aarch64(tmp_path: Path) -> None:
    program, files = tmp_path / "probe", tmp_path / "files"
    compiler = find_compiler(target_named("aarch64"))
    command = [*probe_command([*map(str, compiler.command)], program), "-static"]
    subprocess.run(command, check=True, timeout=120)
    entries = [cpio.directory("dev"), cpio.device("dev/console", 5, 1), cpio.directory("proc")]
    files.write_bytes(cpio.archive([*entries, cpio.program("init", program.read_bytes())]))
    machine = ["-M", "virt", "-cpu", "cortex-a53", "-m", "512", "-no-reboot"]
    devices = ["-nodefaults", "-display", "none", "-serial", "stdio"]
    boot = ["-kernel", str(boot_files().kernel), "-initrd", str(files)]
    done = subprocess.run(
        [find_qemu(), *machine, *devices, *boot, "-append", "console=ttyAMA0 quiet panic=-1"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BOOT_S,
        check=False,
    )
    check(results_of(done.stdout), EVERYWHERE | A64)
