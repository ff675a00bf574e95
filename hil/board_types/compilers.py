"""Compilers: the processors that hil compiles C for, and a compiler of this computer for each."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.errors import SetupError, UsageError
from hil.extras import install_command

__all__ = [
    "COMPILE_FLAGS",
    "REMEDY",
    "TARGETS",
    "BuildTarget",
    "Compilation",
    "Compiler",
    "cache_dir",
    "compile_once",
    "compiled",
    "find_compiler",
    "native",
    "run_compiler",
    "target_named",
]

_TIMEOUT_S: Final = 600
# The same as csrc/CMakeLists.txt: bits must not depend on who compiles. But for the warnings: one
# that a compiler of tomorrow has thought of must not keep an agent from its board.
COMPILE_FLAGS: Final = (
    "-std=c11",
    "-O2",
    "-ftree-vectorize",
    "-D_GNU_SOURCE",
    "-D_FILE_OFFSET_BITS=64",
    "-ffp-contract=off",
    "-fno-tree-slp-vectorize",
    "-fno-stack-protector",
)
"""The flags of every compilation."""

REMEDY: Final = f"{install_command('cross')} (brings zig, a compiler for every target)"


@dataclass(frozen=True, slots=True)
class BuildTarget:
    """A kind of processor with Linux.

    `triples`: prefixes of cross compilers; `machine`: its number in ELF files; `also`: other names
    of it, such as `uname -m` prints.
    """

    name: str
    zig: str
    triples: tuple[str, ...]
    machine: int
    bits: int
    also: tuple[str, ...] = ()


TARGETS: Final = (
    BuildTarget(
        "aarch64",
        "aarch64-linux-musl",
        ("aarch64-linux-gnu", "aarch64-linux-musl", "aarch64-unknown-linux-gnu"),
        183,
        64,
        ("arm64",),
    ),
    BuildTarget(
        "x86-64",
        "x86_64-linux-musl",
        ("x86_64-linux-gnu", "x86_64-linux-musl"),
        62,
        64,
        ("x86_64", "amd64"),
    ),
    BuildTarget(
        "riscv64", "riscv64-linux-musl", ("riscv64-linux-gnu", "riscv64-linux-musl"), 243, 64
    ),
    BuildTarget(
        "armv7",
        "arm-linux-musleabihf",
        ("arm-linux-gnueabihf", "armv7l-linux-musleabihf"),
        40,
        32,
        ("armv7l", "armv8l", "armhf", "arm"),
    ),
)


@dataclass(frozen=True, slots=True)
class Compiler:
    """A compiler: the beginning of its command, its version, and why it was chosen."""

    command: tuple[str, ...]
    version: str
    why: str


@dataclass(frozen=True, slots=True)
class Compilation:
    """The end of a compiler: whether it made what it was asked for, and its messages."""

    succeeded: bool
    messages: str


def target_named(name: str) -> BuildTarget:
    """Return the target of that name, or of a triple that begins with it.

    Raises:
        UsageError: There is no such target.
    """
    wanted = name.lower()
    for target in TARGETS:
        names = (target.name, target.zig, *target.triples, *target.also)
        if wanted in names or wanted.split("-")[0] in (target.name, *target.also):
            return target
    known = ", ".join(target.name for target in TARGETS)
    raise UsageError(f"there is no target `{name[:60]}`", remedy=f"one of {known}")


def native() -> BuildTarget | None:
    """Return the target that this computer is, if it is one."""
    machine = platform.machine().lower()
    return next((t for t in TARGETS if machine in (t.name, *t.also)), None)


# --- compilers ------------------------------------------------------------------------------------


def _version_of(command: tuple[str, ...]) -> str | None:
    """Return the first line of a compiler's `--version`; None if it cannot be started."""
    option = "version" if command[-1] == "cc" and len(command) > 1 else "--version"
    start = command[:-1] if option == "version" else command
    try:
        done = subprocess.run(
            [*start, option], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    first = done.stdout.strip().split("\n")[0]
    if done.returncode != 0 or not first:
        return None
    return f"zig {first}" if option == "version" else first


def _candidates(target: BuildTarget) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield compilers that may be installed, the best first, and why they would be chosen."""
    if native() == target:
        for name in ("cc", "gcc", "clang"):
            if path := shutil.which(name):
                yield (path,), f"this computer is {target.name} itself"
                break
    for triple in target.triples:
        if path := shutil.which(f"{triple}-gcc"):
            yield (path,), "a cross compiler of this system"
    zig = ("-target", target.zig, "-mcpu=baseline")
    if importlib.util.find_spec("ziglang") is not None:
        yield (sys.executable, "-m", "ziglang", "cc", *zig), "zig, from the Python package ziglang"
    if path := shutil.which("zig"):
        yield (path, "cc", *zig), "zig, found on the PATH"


def find_compiler(target: BuildTarget, given: str | None = None) -> Compiler:
    """Return the compiler for `target`; `given` names one instead of a choice.

    Raises:
        SetupError: No compiler can be started.
    """
    if given is not None:
        path = shutil.which(given)
        version = _version_of((path,)) if path else None
        if path is None or version is None:
            raise SetupError(f"the compiler {given} cannot be started", remedy="check its name")
        return Compiler((path,), version, "it was asked for")
    for command, why in _candidates(target):
        asked = command[: command.index("cc") + 1] if "cc" in command else command
        version = _version_of(asked)
        if version is not None:
            return Compiler(command, version, why)
    raise SetupError(
        f"there is no compiler for {target.name} here: looked for "
        f"{', '.join(f'{triple}-gcc' for triple in target.triples)}, ziglang and zig",
        remedy=f"{REMEDY}; or apt install gcc-{target.triples[0].replace('_', '-')}",
    )


def cache_dir() -> Path:
    """Return the cache folder for results that are slow to obtain: $XDG_CACHE_HOME or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    return Path(base) / "hil"


def run_compiler(command: list[str], folder: Path | None = None) -> str:
    """Run a compiler in `folder`, and return its messages if it fails; an empty text if not.

    Raises: SetupError if it cannot be started, or takes too long."""
    done = compiled(command, folder)
    return "" if done.succeeded else done.messages or "it says nothing"


def compiled(command: list[str], folder: Path | None = None) -> Compilation:
    """Run a compiler in `folder`. Raises: SetupError if it cannot be started, or takes too
    long."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C"},  # its messages are searched
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"the compiler failed: {error}", remedy=REMEDY) from error
    return Compilation(done.returncode == 0, done.stderr.strip())


def compile_once(command: list[str], sources: Sequence[Path], folder: Path) -> str:
    """Compile `sources` into object files in `folder`, unless it is there already; return the
    compiler's messages if it fails.

    Raises: SetupError if it cannot be started; OSError if the folder cannot be written."""
    if folder.is_dir():
        return ""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".objects-", dir=folder.parent) as draft:
        made = Path(draft) / "objects"
        made.mkdir()
        messages = run_compiler([*command, "-c", *map(str, sources)], made)
        if not messages:
            with contextlib.suppress(FileExistsError, NotADirectoryError):  # another was faster
                if not folder.is_dir():
                    made.rename(folder)
        return messages
