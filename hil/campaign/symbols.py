"""The functions and source lines of a step's instructions, from the executable that ran (ELF, and
DWARF where it has line tables).

What an executable says counts only if it has the very bytes that the board has at every address of
the step. Names of files are relative, so that a result does not depend on where its sources lie."""

from __future__ import annotations

import io
import posixpath
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hil import assets
from hil.errors import SetupError
from hil.extras import install_command

if TYPE_CHECKING:
    from elftools.dwarf.dwarfinfo import DWARFInfo
    from elftools.elf.elffile import ELFFile

__all__ = ["SOURCES", "CodePlace", "StepSymbols", "require_elf_reader", "symbols_of"]

SOURCES: Final = "csrc"
"""The folder of the agent's sources, as its line tables name it."""
_NO_TEXTS: Final[Mapping[str, bytes]] = {}
_SOURCE_MAX: Final = 1_000_000  # [byte] of one file
_FUNCTION: Final = 2  # STT_FUNC
_INDIRECT: Final = 10  # STT_GNU_IFUNC
_GLOBAL: Final = 1  # STB_GLOBAL
_DWARF_5: Final = 5
_SYMBOL: Final = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("at", "<u8"),
     ("size", "<u8")]
)  # fmt: skip
"""Elf64_Sym."""


@dataclass(frozen=True, slots=True)
class CodePlace:
    """The function of an instruction, its source file and line; empty and 0: not known."""

    symbol: str = ""
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class StepSymbols:
    """The places of instructions by address, and the text of their source files by name."""

    places: Mapping[int, CodePlace]
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Line:
    directory: str
    name: str
    line: int


def require_elf_reader() -> None:
    """Check that pyelftools is installed. Raises: SetupError."""
    try:
        import elftools  # noqa: F401, PLC0415  (an extra)
    except ImportError:
        raise SetupError(
            "an exact campaign needs pyelftools, which is not installed",
            remedy=install_command("campaign"),
        ) from None


def symbols_of(
    executable: bytes | None, content: Mapping[int, bytes], texts: Mapping[str, bytes] = _NO_TEXTS
) -> StepSymbols:
    """Return the places of the addresses in `content`, which has the board's memory there, as
    `executable` (None: nobody has it) gives them. All are empty where it is of another program or
    has no symbols. `texts` are source files by their names, besides those of the agent.

    Raises: SetupError without pyelftools."""
    require_elf_reader()
    from elftools.common.exceptions import DWARFError, ELFError  # noqa: PLC0415  (an extra)
    from elftools.elf.elffile import ELFFile  # noqa: PLC0415

    addresses = sorted(content)
    none = StepSymbols({}, {})
    if executable is None:
        return none
    try:
        elf = ELFFile(io.BytesIO(executable))
        if elf.elfclass != 64 or not _has_bytes(elf, content):
            return none
        names = dict(zip(addresses, _functions(elf, addresses), strict=True))
    except (ELFError, ValueError):
        return none
    lines: dict[int, _Line] = {}
    try:
        if elf.get_section_by_name(".debug_line") is not None:
            lines = _lines(elf.get_dwarf_info(), addresses)
    except (ELFError, DWARFError, ValueError, KeyError, IndexError):
        lines = {}  # line tables of a kind that the library does not know
    places: dict[int, CodePlace] = {}
    paths: dict[str, Path] = {}
    for address in addresses:
        found = lines.get(address)
        if found is None or not found.line:
            places[address] = CodePlace(names[address])
            continue
        file = _relative(found)
        paths.setdefault(file, Path(posixpath.join(found.directory, found.name)))
        places[address] = CodePlace(names[address], file, found.line)
    sources = {
        name: texts[name].decode(errors="replace") if name in texts else _source(name, paths[name])
        for name in sorted(paths)
    }
    return StepSymbols(places, {name: text for name, text in sources.items() if text})


def _has_bytes(elf: ELFFile, content: Mapping[int, bytes]) -> bool:
    """Return whether an executable has this content at its own addresses."""
    loaded = [
        (segment["p_vaddr"], segment.data())
        for segment in elf.iter_segments()
        if segment["p_type"] == "PT_LOAD"
    ]
    for address, there in content.items():
        for first, data in loaded:
            mine = data[address - first : address - first + len(there)] if address >= first else b""
            if mine and there.startswith(mine):
                break
        else:
            return False
    return True


# --- functions ------------------------------------------------------------------------------------


def _functions(elf: ELFFile, addresses: list[int]) -> list[str]:
    """Return the function around each address; empty where there is none. One of assembly may have
    no size: it ends where the next begins."""
    table = elf.get_section_by_name(".symtab")
    if table is None:
        return [""] * len(addresses)
    strings = elf.get_section(table["sh_link"]).data()
    entries = np.frombuffer(table.data(), dtype=_SYMBOL)
    kind = entries["info"] & 0xF
    entries = entries[(kind == _FUNCTION) | (kind == _INDIRECT)]
    starts = np.unique(entries["at"])
    following = np.append(starts, starts[-1:])[np.searchsorted(starts, entries["at"]) + 1]
    ends = np.where(entries["size"] > 0, entries["at"] + entries["size"], following)
    known = np.array(addresses, dtype=np.uint64)
    near = np.searchsorted(known, entries["at"]) < np.searchsorted(known, ends)
    spans = [
        (int(e["at"]), end, int(e["info"]) >> 4, _text(strings, e))
        for e, end in zip(entries[near], ends[near].tolist(), strict=True)
    ]
    return [_function_at(spans, address) for address in addresses]


def _text(strings: bytes, entry: Any) -> str:
    first = int(entry["name"])
    return strings[first : strings.index(b"\0", first)].decode(errors="replace")


def _function_at(spans: list[tuple[int, int, int, str]], address: int) -> str:
    """Return the best name of an address: of the innermost symbol; of several, a global one."""
    around = [span for span in spans if span[0] <= address < span[1]]
    if not around:
        return ""
    best = min(around, key=lambda s: (s[1] - s[0], s[2] != _GLOBAL, s[3].startswith("_"), s[3]))
    return best[3]


# --- source lines ---------------------------------------------------------------------------------


def _lines(dwarf: DWARFInfo, addresses: list[int]) -> dict[int, _Line]:
    """Return the source line of each address that a line table spans."""
    found: dict[int, _Line] = {}
    for unit in _units(dwarf, addresses):
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        directory = unit.get_top_DIE().attributes.get("DW_AT_comp_dir")
        base = "" if directory is None else directory.value.decode(errors="replace")
        for first, end, state in _spans(program.get_entries()):
            for address in addresses[bisect_left(addresses, first) : bisect_left(addresses, end)]:
                found[address] = _line(program.header, state, base)
    return found


def _units(dwarf: DWARFInfo, addresses: list[int]) -> Iterator[Any]:
    """Yield the compilation units of the addresses; all, where the executable has no index."""
    index = dwarf.get_aranges()
    if index is None:
        yield from dwarf.iter_CUs()
        return
    offsets = {index.cu_offset_at_addr(address) for address in addresses}
    for offset in sorted(o for o in offsets if o is not None):
        yield dwarf.get_CU_at(offset)


def _spans(entries: Iterable[Any]) -> Iterator[tuple[int, int, Any]]:
    """Yield the spans of addresses of a line table, each with the state that holds in it."""
    before = None
    for entry in entries:
        state = entry.state
        if state is None:
            continue
        if before is not None and before.address < state.address:
            yield before.address, state.address, before
        before = None if state.end_sequence else state


def _line(header: Any, state: Any, base: str) -> _Line:
    """Return the file and line of a state. Version 5 counts files and directories from 0, where
    directory 0 is that of the compilation; those before it count from 1, and leave it out."""
    directories = [directory.decode(errors="replace") for directory in header["include_directory"]]
    if header["version"] < _DWARF_5:
        file = header["file_entry"][state.file - 1]
        directories = [base, *directories]
    else:
        file = header["file_entry"][state.file]
    directory = posixpath.join(base, directories[file.dir_index] if directories else "")
    return _Line(directory, file.name.decode(errors="replace"), state.line)


def _relative(line: _Line) -> str:
    """Return the name of a source file: below the agent's sources, or alone."""
    path = posixpath.normpath(posixpath.join(line.directory, line.name))
    parts = path.split("/")
    if SOURCES in parts[:-1]:
        last = len(parts) - 1 - parts[::-1].index(SOURCES)
        return "/".join(parts[last:])
    return posixpath.basename(path)


def _source(name: str, path: Path) -> str:
    """Return the text of a source file: of the agent's sources that are installed here, or where
    the compiler found it; empty if it is not there."""
    if name.startswith(f"{SOURCES}/"):
        path = assets.sources_dir() / name[len(SOURCES) + 1 :]
    try:
        if not path.is_file() or path.stat().st_size > _SOURCE_MAX:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
