"""Builds `hil-agent` for a board: one static executable that needs nothing there."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil import assets
from hil.errors import SetupError, UsageError
from hil.extras import install_command

__all__ = [
    "TARGETS",
    "BuildTarget",
    "BuiltAgent",
    "Compiler",
    "build_agent",
    "cache_dir",
    "cached_agent",
    "cached_agent_is_there",
    "elf_problem",
    "find_compiler",
    "target_named",
]

_TIMEOUT_S: Final = 600
# The same as csrc/CMakeLists.txt: bits must not depend on who compiles. But for the warnings: one
# that a compiler of tomorrow has thought of must not keep an agent from its board.
_FLAGS: Final = (
    "-std=c11",
    "-O2",
    "-ftree-vectorize",
    "-D_GNU_SOURCE",
    "-D_FILE_OFFSET_BITS=64",
    "-fvisibility=hidden",
    "-ffp-contract=off",
    "-fno-tree-slp-vectorize",
    "-fno-stack-protector",
    "-static",
    "-no-pie",
    "-s",
)
_LAYERS: Final = ("kernel", "kernel/workloads", "wire", "agent", "port/linux")
_REMEDY: Final = f"{install_command('cross')} (brings zig, a compiler for every target)"


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
class BuiltAgent:
    """An agent that was built, and checked to be for the requested target."""

    path: Path
    target: BuildTarget
    compiler: Compiler
    size: int


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
        remedy=f"{_REMEDY}; or apt install gcc-{target.triples[0].replace('_', '-')}",
    )


# --- building -------------------------------------------------------------------------------------


def _sources() -> list[Path]:
    folder = assets.sources_dir()
    return [path for layer in _LAYERS for path in sorted((folder / layer).glob("*.c"))]


def _command(compiler: Compiler, out: Path) -> list[str]:
    folder = assets.sources_dir()
    include = [f"-I{folder / layer}" for layer in ("kernel", "wire", "agent")]
    return [*compiler.command, *_FLAGS, *include, "-o", str(out), *map(str, _sources())]


def build_agent(
    target: BuildTarget,
    out: Path,
    compiler: Compiler | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> BuiltAgent:
    """Compile the agent for `target` into the file `out`, and check it.

    Raises:
        SetupError: That is not possible on this computer.
        UsageError: `out` cannot be written.
    """
    if out.is_dir():
        raise UsageError(f"cannot write {out}: it is a folder", remedy="name a file with -o")
    compiler = compiler or find_compiler(target)
    say(f"compiling for {target.name} with {compiler.version} ({compiler.why})")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # Into a file of another name, so that nobody ever finds half an agent.
        number, name = tempfile.mkstemp(prefix=".hil-agent-", dir=out.parent)
    except OSError as error:
        raise UsageError(
            f"cannot write {out}: {error.strerror}", remedy="name another file with -o"
        ) from error
    os.close(number)
    made = Path(name)
    try:
        _compile(_command(compiler, made), target)
        problem = elf_problem(made.read_bytes(), target)
        if problem:
            raise SetupError(
                f"{compiler.version} made something else than asked for: {problem}",
                remedy="name another compiler with --compiler",
            )
        made.chmod(0o755)
        made.replace(out)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}") from error
    finally:
        made.unlink(missing_ok=True)
    return BuiltAgent(out, target, compiler, out.stat().st_size)


def _compile(command: list[str], target: BuildTarget) -> None:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"the compiler failed: {error}", remedy=_REMEDY) from error
    if done.returncode != 0:
        lines = done.stderr.strip().split("\n")
        telling = next((line for line in lines if "error" in line), lines[0])
        raise SetupError(
            f"hil-agent does not compile for {target.name}: {telling[:300]}",
            remedy="name another compiler with --compiler, or please report it",
        )


def elf_problem(content: bytes, target: BuildTarget) -> str:
    """Return what is wrong with an executable that must be static and for `target`; empty if
    nothing.
    """
    if content[:4] != b"\x7fELF" or len(content) < 64:
        return "no ELF file"
    bits = {1: 32, 2: 64}.get(content[4], 0)
    machine = struct.unpack_from("<H", content, 18)[0]
    if (machine, bits) != (target.machine, target.bits):
        return f"it is for machine {machine} with {bits} bits, not {target.machine}/{target.bits}"
    if bits == 64:
        at, size, count = struct.unpack_from("<Q14xHH", content, 32)
    else:
        at, size, count = struct.unpack_from("<I10xHH", content, 28)
    if count and (size < 4 or at + size * count > len(content)):
        return "its program headers are not in the file: it is cut off"
    kinds = {struct.unpack_from("<I", content, at + size * i)[0] for i in range(count)}
    return "it needs an interpreter: not static" if 3 in kinds else ""  # PT_INTERP


# --- kept ones ------------------------------------------------------------------------------------


def cache_dir() -> Path:
    """Return the cache folder for results that are slow to obtain: $XDG_CACHE_HOME or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    return Path(base) / "hil"


def cached_agent(target: BuildTarget, say: Callable[[str], None] = lambda _: None) -> Path:
    """Return an agent for `target`, built at most once from these sources by this compiler.

    $HIL_AGENT_X (X: the target in capitals) names one instead.

    Raises:
        SetupError: It cannot be built, or $HIL_AGENT_X is not such an agent.
    """
    if (given := _from_environment(target)) is not None:
        return given
    compiler = find_compiler(target)
    cached = _from_cache(target, compiler)
    if not cached.is_file():
        build_agent(target, cached, compiler, say)
    return cached


def cached_agent_is_there(target: BuildTarget) -> bool:
    """Return whether `cached_agent` would compile nothing. Raises as `cached_agent`."""
    return (
        _from_environment(target) is not None
        or _from_cache(target, find_compiler(target)).is_file()
    )


def _from_environment(target: BuildTarget) -> Path | None:
    """Return the agent that the environment names."""
    name = f"HIL_AGENT_{target.name.upper().replace('-', '_')}"
    given = os.environ.get(name)
    if not given:
        return None
    try:
        problem = elf_problem(Path(given).read_bytes(), target)
    except OSError as error:
        problem = str(error.strerror)
    if problem:
        raise SetupError(f"${name} names {given}: {problem}", remedy=f"correct or unset {name}")
    return Path(given)


def _from_cache(target: BuildTarget, compiler: Compiler) -> Path:
    """Return where the agent of these sources by this compiler is cached."""
    key = hashlib.sha256(repr((compiler.command, compiler.version, _FLAGS)).encode())
    folder = assets.sources_dir()
    for layer in _LAYERS:
        for path in sorted((folder / layer).glob("*.[ch]")):
            key.update(path.name.encode() + b"\0" + path.read_bytes())
    return cache_dir() / "agents" / f"hil-agent-{target.name}-{key.hexdigest()[:16]}"
