"""Checks whether this computer can run scenarios, by running some.

It does not compare versions but injects known faults (`hil.doctor.known_faults`), which must be
detected as what they are; without a fault nothing must be reported.
"""

# ruff: noqa: PLC0415  (imports in functions: a failed import is a finding as well)

from __future__ import annotations

import grp
import os
import platform
import pwd
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hil.check_state import CheckState
from hil.doctor.findings import REINSTALL, Check, Finding, good, run_check
from hil.doctor.known_faults import faults_on_inproc_boards, faults_on_process_boards, no_faults
from hil.doctor.software_boards import addresses_check, agent_check, pty_check, registers_check
from hil.errors import HilError
from hil.extras import install_command

__all__ = ["examine", "possible"]

_DISK_WARN_MIB: Final = 1024


def possible(checks: list[Check]) -> bool:
    """Return whether scenarios can be run on software boards on this computer, by `checks`."""
    return all(c.state is not CheckState.MISSING for c in checks if c.needed)


def examine() -> Iterator[Check]:
    """Yield all checks, each as soon as it is done. Raises nothing: a failure is a finding."""
    for name, means, check in _CHECKS:
        yield run_check(name, means, check)


# --- the package ----------------------------------------------------------------------------------


def _python() -> Finding:
    return good(f"{platform.python_implementation()} {platform.python_version()}")


def _kernel() -> Finding:
    """Compare checksums, digests and random numbers with published values.

    RFC 3720 B.4 for CRC-32C, xxHash's own for XXH64, the known answers of Random123 (Salmon et al.,
    2011) for Philox4x64-10.
    """
    from hil._kernel import ffi, lib
    from hil.kernel import digest64

    text = b"123456789"
    block = ffi.new("uint64_t[4]")
    lib.philox_block([0] * 4, [0] * 2, block)
    known: tuple[tuple[str, int, int], ...] = (
        ("CRC-32C", int(lib.hil_crc32c(0, text, len(text))), 0xE3069283),
        ("XXH64 of nothing", digest64(b""), 0xEF46DB3751D8E999),
        ("XXH64", digest64(text), 0x8CB841DB40E6AE83),
        ("Philox", int(block[0]), 0x16554D9ECA36314C),
        ("Philox", int(block[3]), 0x7E68B68AEC7BA23B),
    )
    wrong = [name for name, got, want in known if got != want]
    if wrong:
        return Finding(CheckState.MISSING, f"wrong results: {', '.join(wrong)}", REINSTALL)
    return good(f"{len(known)} published values match")


# --- other boards ---------------------------------------------------------------------------------


def _emulated_boards() -> Finding:
    """Check for what an emulated board needs, without booting one, which takes many seconds."""
    from hil.board_types.agent_build import cached_agent_is_there
    from hil.board_types.compilers import find_compiler, target_named
    from hil.rig.emulated.fetch import boot_files, have_boot_files
    from hil.rig.emulated.machine import qemu_version

    try:
        version = qemu_version()
        target = target_named("aarch64")
        agent = (
            "agent built"
            if cached_agent_is_there(target)
            else f"agent will be compiled by {find_compiler(target).version}"
        )
        if not have_boot_files():
            return Finding(
                CheckState.WARN,
                f"{version}; {agent}; no kernel yet",
                "the first run downloads it with apt (about 120 MB); or set HIL_EMULATED_KERNEL",
                needed=False,
            )
        kernel = boot_files().version
    except HilError as error:
        return Finding(CheckState.WARN, error.message, error.remedy or "", needed=False)
    return Finding(CheckState.OK, f"{version}; {kernel}; {agent}", needed=False)


def _compilers() -> Finding:
    from hil.board_types.compilers import TARGETS, find_compiler

    available: list[str] = []
    missing: list[str] = []
    for target in TARGETS:
        try:
            find_compiler(target)
            available.append(target.name)
        except HilError:
            missing.append(target.name)
    targets = f"for {', '.join(available) or 'no board'}" + (
        f"; not for {', '.join(missing)}" if missing else ""
    )
    if "aarch64" in available:
        return Finding(CheckState.OK, targets, needed=False)
    return Finding(CheckState.WARN, targets, install_command("cross"), needed=False)


# --- this computer --------------------------------------------------------------------------------


def _serial_ports() -> Finding:
    from serial.tools import list_ports

    ports = sorted(p.device for p in list_ports.comports() if p.hwid != "n/a")
    if not ports:
        return Finding(CheckState.OK, "none: software boards only", needed=False)
    closed = [p for p in ports if not os.access(p, os.R_OK | os.W_OK)]
    if not closed:
        return Finding(CheckState.OK, ", ".join(ports), needed=False)
    user = pwd.getpwuid(os.geteuid()).pw_name
    group = _group_of(closed[0])
    mode = stat.filemode(os.stat(closed[0]).st_mode)
    return Finding(
        CheckState.WARN,
        f"no permission for {', '.join(closed)} (group {group}, {mode})",
        f"sudo usermod -aG {group} {user}, then log in again",
        needed=False,
    )


def _group_of(port: str) -> str:
    try:
        return grp.getgrgid(os.stat(port).st_gid).gr_name
    except (KeyError, OSError):
        return "dialout"


def _disk() -> Finding:
    here = Path("runs") if Path("runs").is_dir() else Path()
    where = here.resolve()
    if not os.access(where, os.W_OK):
        return Finding(
            CheckState.WARN,
            f"{where} is not writable",
            "go to another folder, or use --out",
            needed=False,
        )
    free_mib = shutil.disk_usage(where).free // 2**20
    if free_mib < _DISK_WARN_MIB:
        return Finding(
            CheckState.WARN,
            f"{free_mib} MiB free at {where}",
            "free some space; long runs need GiB",
            False,
        )
    return good(f"{free_mib / 1024:.0f} GiB free at {where}")


def _cores() -> Finding:
    count = len(os.sched_getaffinity(0))
    if count < 2:
        return Finding(
            CheckState.WARN,
            "1 core: nodes take turns, frames are slower",
            "allow this process more cores",
            False,
        )
    return good(f"{count} cores")


# In the order in which they are listed.
_CHECKS: Final = (
    ("python", "hil runs on this Python", _python),
    ("kernel", "votes and digests are computed correctly", _kernel),
    ("agent", "software boards can be started", agent_check),
    ("pty", "software boards use a serial line like real ones", pty_check),
    (
        "registers",
        "registers and memory of a worker can be changed and read back",
        registers_check,
    ),
    ("addresses", "the same upset hits the same place in every run", addresses_check),
    (
        "faults, process",
        "known faults are detected as what they are",
        faults_on_process_boards,
    ),
    ("faults, inproc", "known faults are detected as what they are", faults_on_inproc_boards),
    ("no faults", "without upsets no fault is reported", no_faults),
    ("emulated boards", "an emulated Raspberry Pi can be booted", _emulated_boards),
    ("agents", "agents for real boards can be compiled", _compilers),
    ("serial ports", "real boards can be reached", _serial_ports),
    ("disk", "there is room for records", _disk),
    ("cores", "nodes compute in parallel", _cores),
)
