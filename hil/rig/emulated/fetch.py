"""The boot files of emulated boards: Debian's arm64 kernel, fetched once with apt into the cache.

apt verifies signatures and checksums, with package lists of its own in the cache: it changes no
configuration of this computer, installs nothing, and does not need root. $HIL_EMULATED_KERNEL and
$HIL_EMULATED_DTB name a kernel and a device tree instead; $HIL_EMULATED_DRIVERS names a folder of
modules to load at boot."""

from __future__ import annotations

import contextlib
import fcntl
import lzma
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.board_types.compilers import cache_dir
from hil.errors import SetupError

__all__ = ["BootFiles", "boot_files", "have_boot_files"]

_PACKAGE: Final = "linux-image-arm64"
# QEMU's raspi3b has the serial port of this device tree; with rpi-3-b.dtb there is no ttyAMA0.
_DTB: Final = "bcm2837-rpi-cm3-io3.dtb"
_DRIVER: Final = "bcm2835_wdt.ko"
"""Restarts the board: without it a kernel that panics stays dead until its power is cut."""
_UPDATE_TIMEOUT_S: Final = 300
_DOWNLOAD_TIMEOUT_S: Final = 900
_REMEDY: Final = (
    "on Debian, go online and run `hil board emulate raspberry-pi-3b` once; elsewhere set "
    "HIL_EMULATED_KERNEL and HIL_EMULATED_DTB to an arm64 kernel with an initramfs, PL011 and "
    f"ptrace, and its {_DTB}"
)


@dataclass(frozen=True, slots=True)
class BootFiles:
    """The files that QEMU boots. `drivers`: kernel modules to load; `version`: in words."""

    kernel: Path
    dtb: Path
    drivers: tuple[Path, ...]
    version: str


def _from_environment() -> BootFiles | None:
    """Return the files that the environment names; None if it names no kernel. Raises: SetupError
    if a file cannot be read."""
    kernel = os.environ.get("HIL_EMULATED_KERNEL")
    if not kernel:
        return None
    dtb = os.environ.get("HIL_EMULATED_DTB")
    if not dtb:
        raise SetupError(
            "HIL_EMULATED_KERNEL is set, HIL_EMULATED_DTB is not",
            remedy=f"set it to that kernel's {_DTB}",
        )
    for name, path in (("HIL_EMULATED_KERNEL", kernel), ("HIL_EMULATED_DTB", dtb)):
        if not os.access(path, os.R_OK):
            raise SetupError(f"{name} names {path}, which cannot be read", remedy="correct it")
    folder = os.environ.get("HIL_EMULATED_DRIVERS")
    drivers = tuple(sorted(Path(folder).glob("*.ko"))) if folder else ()
    return BootFiles(Path(kernel), Path(dtb), drivers, f"given by the user: {kernel}")


def _folder() -> Path:
    return cache_dir() / "emulated" / "arm64-kernel"


def _from_cache() -> BootFiles | None:
    folder = _folder()
    kernel, dtb, version = (folder / name for name in ("vmlinuz", _DTB, "version"))
    if not all(path.is_file() for path in (kernel, dtb, version)):
        return None
    return BootFiles(kernel, dtb, tuple(sorted(folder.glob("*.ko"))), version.read_text().strip())


def have_boot_files() -> bool:
    """Return whether an emulated board can boot without a download."""
    return bool(os.environ.get("HIL_EMULATED_KERNEL")) or _from_cache() is not None


def boot_files(say: Callable[[str], None] = lambda _: None) -> BootFiles:
    """Return the boot files, from the environment, the cache, or a download into the cache.

    `say` is called with progress messages. Raises: SetupError if the download fails. Several
    processes may call it at the same time; one of them downloads."""
    named = _from_environment()
    if named is not None:
        return named
    if (cached := _from_cache()) is not None:
        return cached
    with _locked(_folder().parent):  # another hil may be fetching it
        if (cached := _from_cache()) is None:
            _fetch(say)
            cached = _from_cache()
    if cached is None:
        raise SetupError(f"the kernel did not arrive in {_folder()}", remedy=_REMEDY)
    return cached


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("w")
    except OSError as error:
        raise SetupError(
            f"cannot write to {folder}: {error.strerror}", remedy="set XDG_CACHE_HOME"
        ) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# --- apt ------------------------------------------------------------------------------------------


def _fetch(say: Callable[[str], None]) -> None:
    for tool in ("apt-get", "apt-cache", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise SetupError(f"cannot fetch a kernel: there is no {tool} here", remedy=_REMEDY)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=_folder().parent) as name:
        work = Path(name)
        work.chmod(0o755)  # apt gives up its privileges to download
        apt = _options(work)
        say("fetching Debian's arm64 kernel with apt (once; about 120 MB)")
        update = _run(["apt-get", *apt, "-q", "update"], _UPDATE_TIMEOUT_S, work)
        _must_have_lists(work / "lists", update.stderr)
        package = _kernel_package(_run(["apt-cache", *apt, "depends", _PACKAGE], 60, work).stdout)
        _run(["apt-get", *apt, "-q", "download", package], _DOWNLOAD_TIMEOUT_S, work)
        archive = next(work.glob("*.deb"), None)
        if archive is None:
            raise SetupError(f"apt did not download {package}", remedy=_REMEDY)
        say(f"unpacking {archive.name}")
        out = work / "out"
        out.mkdir()
        _unpack(archive, out)
        (out / "version").write_text(f"{archive.stem}\n")
        shutil.rmtree(_folder(), ignore_errors=True)
        out.rename(_folder())


def _options(work: Path) -> list[str]:
    """Return apt options for separate package lists of another architecture."""
    for name in ("lists/partial", "cache/archives/partial"):
        (work / name).mkdir(parents=True)
    (work / "status").touch()
    settings = (
        "APT::Architecture=arm64",
        "APT::Architectures=arm64",
        f"Dir::State::lists={work / 'lists'}",
        f"Dir::State::status={work / 'status'}",
        f"Dir::Cache={work / 'cache'}",
        "Acquire::Languages=none",
        "Acquire::Retries=2",
        "Acquire::http::Timeout=30",
        *(["APT::Sandbox::User=root"] if os.geteuid() == 0 else []),
    )
    return [word for setting in settings for word in ("-o", setting)]


def _must_have_lists(lists: Path, complaints: str) -> None:
    """Check that there are package lists: without a network `apt-get update` only warns, and a
    later command fails with another message. Raises: SetupError if there are none."""
    if any("Packages" in path.name for path in lists.iterdir()):
        return
    lines = [line for line in complaints.split("\n") if line.startswith(("W:", "E:"))]
    why = lines[0][2:].strip() if lines else "its sources name no archive"
    raise SetupError(
        f"apt has reached no archive to fetch an arm64 kernel from: {why}", remedy=_REMEDY
    )


def _run(command: list[str], timeout_s: int, cwd: Path) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise SetupError(
            f"{command[0]} took longer than {timeout_s} s to fetch a kernel", remedy=_REMEDY
        ) from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.split("\n") if line.startswith(("E:", "Err"))]
        why = lines[0] if lines else done.stderr.strip().split("\n")[-1]
        raise SetupError(f"{command[0]} cannot fetch an arm64 kernel: {why}", remedy=_REMEDY)
    return done


def _kernel_package(depends: str) -> str:
    """Return the package of the newest kernel, on which the metapackage depends."""
    match = re.search(r"Depends: (linux-image-\S+)", depends)
    if match is None:
        raise SetupError(f"apt's sources know no {_PACKAGE}", remedy=_REMEDY)
    return match[1]


def _unpack(package: Path, out: Path) -> None:
    """Extract the kernel, the device tree and the driver from the package."""
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(package)],  # noqa: S607 (found on the PATH before)
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            for member in archive:
                name = Path(member.name).name
                content = archive.extractfile(member) if member.isfile() else None
                if content is None:
                    continue
                if name.startswith("vmlinuz-"):
                    (out / "vmlinuz").write_bytes(content.read())
                elif name == _DTB:
                    (out / _DTB).write_bytes(content.read())
                elif name == _DRIVER:
                    (out / _DRIVER).write_bytes(content.read())
                elif name == f"{_DRIVER}.xz":
                    (out / _DRIVER).write_bytes(lzma.decompress(content.read()))
