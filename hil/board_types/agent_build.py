"""Builds `hil-agent` for a board: one static executable that needs nothing there."""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil import assets
from hil.board_types.compilers import (
    COMPILE_FLAGS,
    BuildTarget,
    Compiler,
    cache_dir,
    compile_once,
    find_compiler,
    run_compiler,
)
from hil.board_types.workload_build import checked_object, raise_clash
from hil.errors import SetupError, UsageError
from hil.scenario.c_workload import CSource

__all__ = [
    "BuiltAgent",
    "build_agent",
    "cached_agent",
    "cached_agent_is_there",
    "elf_problem",
]

_FLAGS: Final = (*COMPILE_FLAGS, "-fvisibility=hidden")
_LINK_FLAGS: Final = ("-static", "-no-pie")
_STRIPPED: Final = "-s"
_LAYERS: Final = ("kernel", "kernel/workloads", "wire", "agent", "port/linux")
_REGISTRY: Final = "workload.c"


@dataclass(frozen=True, slots=True)
class BuiltAgent:
    """An agent that was built, and checked to be for the requested target. `warnings`: of the
    compiler, about the workloads that are in it beside those of hil."""

    path: Path
    target: BuildTarget
    compiler: Compiler
    size: int
    warnings: tuple[str, ...] = ()


# --- building -------------------------------------------------------------------------------------


def _sources() -> list[Path]:
    folder = assets.sources_dir()
    return [path for layer in _LAYERS for path in sorted((folder / layer).glob("*.c"))]


def _compiling(compiler: Compiler) -> list[str]:
    """Return the beginning of a command that compiles sources of the agent."""
    folder = assets.sources_dir()
    include = [f"-I{folder / layer}" for layer in ("kernel", "wire", "agent")]
    return [*compiler.command, *_FLAGS, *include]


def build_agent(
    target: BuildTarget,
    out: Path,
    compiler: Compiler | None = None,
    say: Callable[[str], None] = lambda _: None,
    workloads: Sequence[CSource] = (),
) -> BuiltAgent:
    """Compile the agent for `target` into the file `out`, and check it. `workloads` are in it
    beside those of hil.

    Raises:
        SetupError: That is not possible on this computer.
        UsageError: `out` cannot be written.
        ConfigError: A workload does not compile, or cannot be part of an agent.
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
        warnings = _compile(compiler, target, made, workloads)
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
    return BuiltAgent(out, target, compiler, out.stat().st_size, warnings)


def _compile(
    compiler: Compiler, target: BuildTarget, out: Path, workloads: Sequence[CSource]
) -> tuple[str, ...]:
    """Compile an agent; return the warnings about its workloads."""
    if not workloads:
        messages = run_compiler(
            [*_compiling(compiler), *_LINK_FLAGS, _STRIPPED, "-o", str(out), *map(str, _sources())]
        )
        _raise_if_any(messages, target)
        return ()
    objects = _objects_without_registry(compiler, target)
    registry = assets.sources_dir() / "kernel" / _REGISTRY
    entries = " ".join(f"X({source.name})" for source in workloads)
    with tempfile.TemporaryDirectory(prefix="hil-workload-") as folder:
        # With its symbols and lines: reports of campaigns name them.
        flags = (*_FLAGS, "-g")
        own = [checked_object(source, compiler, Path(folder), *flags) for source in workloads]
        command = [*_compiling(compiler), *_LINK_FLAGS, f"-DHIL_OWN_WORKLOADS(X)={entries}"]
        parts = [registry, *(one.path for one in own), *objects]
        messages = run_compiler([*command, "-o", str(out), *map(str, parts)])
    raise_clash(messages, workloads)
    _raise_if_any(messages, target)
    return tuple(warning for one in own for warning in one.warnings)


def _raise_if_any(messages: str, target: BuildTarget) -> None:
    if messages:
        lines = messages.split("\n")
        telling = next((line for line in lines if "error" in line), lines[0])
        raise SetupError(
            f"hil-agent does not compile for {target.name}: {telling[:300]}",
            remedy="name another compiler with --compiler, or please report it",
        )


def _objects_without_registry(compiler: Compiler, target: BuildTarget) -> list[Path]:
    """Return the compiled sources of the agent but the registry, which are cached: an agent with
    another workload is then linked in a moment."""
    folder = cache_dir() / "agents" / f"objects-{target.name}-{_key(compiler)}"
    sources = [path for path in _sources() if path.name != _REGISTRY]
    _raise_if_any(compile_once(_compiling(compiler), sources, folder), target)
    return sorted(folder.glob("*.o"))


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


def cached_agent(
    target: BuildTarget,
    say: Callable[[str], None] = lambda _: None,
    workloads: Sequence[CSource] = (),
) -> Path:
    """Return an agent for `target`, built at most once from these sources by this compiler, with
    `workloads` beside those of hil.

    $HIL_AGENT_X (X: the target in capitals) names one instead.

    Raises:
        SetupError: It cannot be built, or $HIL_AGENT_X is not such an agent.
        ConfigError: A workload does not compile, or cannot be part of an agent.
    """
    if (given := _from_environment(target)) is not None:
        return given
    compiler = find_compiler(target)
    cached = _from_cache(target, compiler, workloads)
    if not cached.is_file():
        build_agent(target, cached, compiler, say, workloads)
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


def _from_cache(target: BuildTarget, compiler: Compiler, workloads: Sequence[CSource] = ()) -> Path:
    """Return where the agent of these sources by this compiler is cached. It names the places of
    the workloads' files, for reports that show them."""
    own = "".join(f"-{source.name}-{source.sha256[:16]}" for source in workloads)
    places = "".join(str(source.path.resolve()) for source in workloads)
    own += f"-{hashlib.sha256(places.encode()).hexdigest()[:8]}" if workloads else ""
    return cache_dir() / "agents" / f"hil-agent-{target.name}-{_key(compiler)}{own}"


def _key(compiler: Compiler) -> str:
    """Return a word for the agent's sources and for what compiles them."""
    key = hashlib.sha256(repr((compiler.command, compiler.version, _FLAGS, _LINK_FLAGS)).encode())
    folder = assets.sources_dir()
    for layer in _LAYERS:
        for path in sorted((folder / layer).glob("*.[ch]")):
            key.update(path.name.encode() + b"\0" + path.read_bytes())
    return key.hexdigest()[:16]
