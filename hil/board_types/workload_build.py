"""Compiles the C file of a user's workload: as a part of an agent, and as a library for this
computer.

Before anything is made of it the compiled file is checked: it defines the workload, calls nothing
that a worker does not have, and keeps nothing outside of its state."""

from __future__ import annotations

import hashlib
import json
import platform
import posixpath
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from hil import assets
from hil.board_types.compilers import (
    COMPILE_FLAGS,
    REMEDY,
    Compiler,
    cache_dir,
    compile_once,
    compiled,
    find_compiler,
    native,
    run_compiler,
)
from hil.board_types.elf_symbols import Symbol, sections_of, symbols_of
from hil.errors import ConfigError, Problem, SetupError
from hil.scenario.c_workload import CSource

__all__ = ["CheckedLibrary", "CheckedObject", "cached_library", "checked_object", "raise_clash"]

_TEMPLATE: Final = "scenarios/workloads/template.c is one"
_ERROR: Final = re.compile(
    r"^([^\s:][^:\n]*):(\d+):(?:(\d+):)? (?:fatal )?error: (.*)$", re.MULTILINE
)
_WARNING: Final = re.compile(r"^([^\s:][^:\n]*):(\d+):(\d+): warning: (.*)$", re.MULTILINE)
_WARNING_FLAGS: Final = ("-Wall", "-Wextra")
_CLASH: Final = re.compile(r"multiple definition of [`']?(\w+)|duplicate symbol: (\w+)")
_C_LIBRARY: Final = frozenset(
    {"memcpy", "memmove", "memset", "memcmp", "memchr", "strcmp", "strlen", "strncmp"}
)
# Functions that the compiler calls by itself, and names that the linker makes.
_COMPILER: Final = re.compile(
    r"__(start|stop)_wl_\w+|_GLOBAL_OFFSET_TABLE_|__aeabi_\w+|"
    r"__(u?div|u?mod|mul|ash|lsh|clz|ctz|popcount|parity|float|fix|extend|trunc|add|sub|neg|u?cmp|"
    r"eq|ne|lt|le|gt|ge|bswap|ffs)[a-z]*[0-9]?"
)
_LIBRARY_FLAGS: Final = (*COMPILE_FLAGS, "-fPIC")
_SHARED: Final = ("-shared", "-Wl,-Bsymbolic")


@dataclass(frozen=True, slots=True)
class CheckedObject:
    """A compiled workload. `warnings`: of the compiler, each with its place."""

    path: Path
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckedLibrary:
    """A workload as a library for this computer. `warnings`: of the compiler, each with its
    place."""

    path: Path
    warnings: tuple[str, ...]


def checked_object(source: CSource, compiler: Compiler, folder: Path, *flags: str) -> CheckedObject:
    """Compile a workload into an object file in the empty `folder`, which gets copies of its
    files, and check it.

    Raises: ConfigError if it does not compile, or cannot be a workload; SetupError if the compiler
    fails."""
    place = folder / source.name
    for name, content in source.files:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    kernel = assets.sources_dir() / "kernel"
    made = folder / f"{source.name}.o"
    # Names of files are those of the user, not of their copies.
    names = f"-fdebug-prefix-map={place}={source.path.parent.resolve()}"
    command = [*compiler.command, *flags, *_WARNING_FLAGS, names, f"-I{kernel}"]
    command += ["-c", source.path.name, "-o", str(made)]
    done = compiled(command, place)
    if not done.succeeded:
        raise _does_not_compile(done.messages or "the compiler says nothing", source)
    content = made.read_bytes()
    try:
        symbols, sections = symbols_of(content), sections_of(content)
    except ValueError as error:
        raise SetupError(f"{compiler.version} made something else than an object file: {error}"
                         ) from error  # fmt: skip
    problems = _problems(symbols, sections, source)
    if problems:
        raise ConfigError(problems)
    return CheckedObject(made, _with_folder(_warnings(done.messages, source), source))


def _warnings(messages: str, source: CSource) -> tuple[str, ...]:
    """Return the compiler's warnings of the user's own files, with places relative to the folder of
    the workload: one that it gives for each use of an inline function stands there once."""
    own = {name for name, _ in source.files}
    found = [
        f"{posixpath.normpath(file)}:{line}:{column}: {text}"
        for file, line, column, text in _WARNING.findall(messages)
        if posixpath.normpath(file) in own
    ]
    return tuple(dict.fromkeys(found))


def _with_folder(warnings: Iterable[str], source: CSource) -> tuple[str, ...]:
    folder = source.path.parent
    return tuple(w if folder == Path() else f"{folder}/{w}" for w in warnings)


def _does_not_compile(messages: str, source: CSource) -> ConfigError:
    match = _ERROR.search(messages)
    if match is None:
        return _problem(source, "", f"it does not compile: {messages.splitlines()[0][:300]}")
    file, line, column, message = match.groups()
    place = source.path.parent / file
    return ConfigError([Problem(str(place), int(line), int(column or 1), "", message)])


def _problem(source: CSource, word: str, message: str, remedy: str = "") -> ConfigError:
    return ConfigError([_placed(source, word, message, remedy)])


def _placed(source: CSource, word: str, message: str, remedy: str = "") -> Problem:
    file, line = source.line_of(word) if word else (str(source.path), 0)
    return Problem(file, line, 1 if line else 0, "", message, remedy)


# --- what a workload may be -------------------------------------------------------------------


@cache
def _kernel_functions() -> frozenset[str]:
    """Return the names of the functions that the headers of the kernel declare."""
    headers = sorted((assets.sources_dir() / "kernel").glob("*.h"))
    texts = [
        re.sub(r"/\*.*?\*/", " ", h.read_text(encoding="utf-8"), flags=re.DOTALL) for h in headers
    ]
    names = frozenset(name for text in texts for name in re.findall(r"\b([a-z]\w*)\(", text))
    return names - {"workload_at", "workload_find"}  # of the registry, which a workload is in


def _is_there(name: str) -> bool:
    """Return whether a worker has the function `name`."""
    plain = re.sub(r"^__(\w+)_chk$", r"\1", name)
    return (
        plain in _C_LIBRARY or plain in _kernel_functions() or _COMPILER.fullmatch(name) is not None
    )


def _problems(symbols: Sequence[Symbol], sections: Sequence[str], source: CSource) -> list[Problem]:
    own = f"workload_{source.name}"
    problems: list[Problem] = []
    defined = {s.name for s in symbols if s.defined and s.is_global}
    if own not in defined:
        others = sorted(n for n in defined if n.startswith("workload_"))
        hint = f"; it has {others[0]}: name the file {others[0][9:]}.c" if others else ""
        problems.append(
            _placed(
                source,
                "",
                f"it exports no workload: expected `const hil_workload_t {own}`{hint}",
                f"csrc/kernel/workload.h says what a workload is, {_TEMPLATE}",
            )
        )
    if f"wl_{source.name}" not in sections and any("_wl_" in s.name for s in symbols):
        problems.append(
            _placed(
                source,
                "text_begin",
                f"nothing is marked as machine code of the workload, WORKLOAD_TEXT({source.name})",
                "mark every function that runs within a step, or set no `.text_begin`",
            )
        )
    for symbol in symbols:
        word = symbol.name.partition(".")[0]
        if not symbol.defined and symbol.is_global and not _is_there(symbol.name):
            problems.append(
                _placed(
                    source,
                    word,
                    f"`{word}` is not something that a workload can call: a worker makes no system "
                    "call and has no library, only the functions of csrc/kernel/*.h and "
                    f"{', '.join(sorted(_C_LIBRARY))}",
                    "write it with + - * / and tables: a mathematical library has other bits on "
                    "another computer",
                )
            )
        elif symbol.defined and symbol.writable and symbol.size:
            problems.append(
                _placed(
                    source,
                    word,
                    f"`{word}` keeps {symbol.size} bytes outside of the state: they would not be "
                    "compared, voted on or restored",
                    "put them into the state, or make them const",
                )
            )
    return list(dict.fromkeys(problems))


def raise_clash(messages: str, sources: Sequence[CSource]) -> None:
    """Raise the error that a workload defines a name that hil has itself, if these messages of the
    linker say so. Raises: ConfigError."""
    match = _CLASH.search(messages)
    if match is None:
        return
    word = match[1] or match[2]
    file = next((s for s in sources if s.line_of(word)[1]), sources[0])
    raise _problem(file, word, f"`{word}` is a name of hil's own, too", "make it static")


# --- the library ------------------------------------------------------------------------------


def _library_compiler(path: Path) -> Compiler:
    """Return a compiler of libraries for this computer. Raises: SetupError."""
    target = native()
    if target is None:
        raise SetupError(
            f"{path} must be compiled, which is not possible on a {platform.machine()}",
            remedy="use a computer with x86-64, aarch64, riscv64 or armv7",
        )
    try:
        compiler = find_compiler(target)
    except SetupError as error:
        raise SetupError(
            f"the workload {path} must be compiled: there is no C compiler here (cc, gcc or clang)",
            remedy=f"apt install gcc, or {REMEDY}",
        ) from error
    if target.zig in compiler.command and platform.libc_ver()[0] == "glibc":
        # It is loaded into this program, which has that C library.
        words = tuple(
            w.replace("-musl", "-gnu") if w == target.zig else w for w in compiler.command
        )
        compiler = replace(compiler, command=words)
    return compiler


def cached_library(source: CSource) -> CheckedLibrary:
    """Return a library for this computer with the workload of `source`, built at most once by this
    compiler, whose warnings are kept beside it.

    Raises: ConfigError if it does not compile, or cannot be a workload; SetupError without a
    compiler, or a place to keep it."""
    compiler = _library_compiler(source.path)
    kernel = assets.sources_dir() / "kernel"
    parts = [path for path in sorted(kernel.glob("*.c")) if path.name != "workload.c"]
    flags = (*_LIBRARY_FLAGS, *_WARNING_FLAGS)
    key = hashlib.sha256(repr((compiler.command, compiler.version, flags)).encode())
    for path in [*parts, *sorted(kernel.glob("*.h"))]:
        key.update(path.read_bytes())
    folder, word = cache_dir() / "workloads", key.hexdigest()[:16]
    cached = folder / f"{source.name}-{source.sha256[:32]}-{word}.so"
    beside = cached.with_suffix(".warnings")
    if cached.is_file():
        return CheckedLibrary(cached, _kept_warnings(beside, source))
    command = [*compiler.command, *_LIBRARY_FLAGS, f"-I{kernel}"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".draft-", dir=folder) as draft:
            own = checked_object(source, compiler, Path(draft), *_LIBRARY_FLAGS)
            messages = compile_once(command, parts, folder / f"kernel-{word}")
            objects = sorted((folder / f"kernel-{word}").glob("*.o"))
            made = Path(draft) / "library.so"
            messages = messages or run_compiler(
                [*command, *_SHARED, "-o", str(made), str(own.path), *map(str, objects)]
            )
            raise_clash(messages, [source])
            if messages:
                raise _problem(
                    source, "", f"it cannot be linked: {messages.splitlines()[-1][:300]}"
                )
            kept = [warning.removeprefix(f"{source.path.parent}/") for warning in own.warnings]
            beside.write_text(json.dumps(kept), encoding="utf-8")
            made.replace(cached)
    except OSError as error:
        raise SetupError(
            f"the compiled workload cannot be kept in {folder}: {error.strerror or error}",
            remedy="set XDG_CACHE_HOME to a folder that can be written",
        ) from error
    return CheckedLibrary(cached, own.warnings)


def _kept_warnings(file: Path, source: CSource) -> tuple[str, ...]:
    """Return the warnings that were kept in a file; none if it has been deleted. The same text may
    have been in another folder when it was compiled."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    return _with_folder(kept, source)
