"""The symbols of a compiled file: what it defines, what it needs, and what of it can be written.

ELF files of 32 and 64 bits, little-endian, as all targets of `hil.board_types.agent_build` are."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

__all__ = ["Symbol", "sections_of", "symbols_of"]

_SYMTAB: Final = 2
_UNDEFINED: Final = 0
_COMMON: Final = 0xFFF2
_WRITE: Final = 1
_OBJECT, _FUNCTION, _COMMON_OBJECT, _TLS_OBJECT = 1, 2, 5, 6


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol: `size` [byte]; `writable`: it is data that the program can change; `is_global`:
    other files see it; `defined`: it is in this file."""

    name: str
    size: int
    defined: bool
    is_global: bool
    writable: bool


@dataclass(frozen=True, slots=True)
class _Section:
    name_at: int
    kind: int
    flags: int
    at: int
    size: int
    link: int


def symbols_of(content: bytes) -> list[Symbol]:
    """Return the symbols of an object file that have a name. Raises: ValueError if it is none."""
    try:
        return _symbols(content, *_sections(content))
    except (struct.error, IndexError) as error:
        raise ValueError("not an ELF file, or damaged") from error


def sections_of(content: bytes) -> list[str]:
    """Return the names of the sections of an object file. Raises: ValueError if it is none."""
    try:
        return _sections(content)[1]
    except (struct.error, IndexError) as error:
        raise ValueError("not an ELF file, or damaged") from error


def _symbols(content: bytes, sections: list[_Section], names: list[str]) -> list[Symbol]:
    wide = content[4] == 2
    symbols: list[Symbol] = []
    for table in sections:
        if table.kind != _SYMTAB:
            continue
        strings = sections[table.link].at
        step = 24 if wide else 16
        for at in range(table.at, table.at + table.size, step):
            if wide:
                name_at, info, _, index, _, size = struct.unpack_from("<IBBHQQ", content, at)
            else:
                name_at, _, size, info, _, index = struct.unpack_from("<IIIBBH", content, at)
            name = _text(content, strings + name_at)
            if not name or info & 15 not in (0, _OBJECT, _FUNCTION, _COMMON_OBJECT, _TLS_OBJECT):
                continue
            symbols.append(
                Symbol(
                    name,
                    size,
                    defined=index != _UNDEFINED,
                    is_global=info >> 4 != 0,
                    writable=_is_writable(index, sections, names),
                )
            )
    return symbols


def _is_writable(index: int, sections: list[_Section], names: list[str]) -> bool:
    if index == _COMMON:
        return True
    if not 0 < index < len(sections) or not sections[index].flags & _WRITE:
        return False
    # Constants that hold addresses are written once, by the loader.
    return not names[index].startswith(".data.rel.ro")


def _sections(content: bytes) -> tuple[list[_Section], list[str]]:
    """Return the sections of a file, and their names."""
    if content[:4] != b"\x7fELF" or content[5] != 1:
        raise ValueError("not a little-endian ELF file")
    wide = content[4] == 2
    if wide:
        (at,) = struct.unpack_from("<Q", content, 40)
        size, count = struct.unpack_from("<HH", content, 58)
        layout, fields = "<IIQQQQII", (0, 1, 2, 4, 5, 6)
    else:
        (at,) = struct.unpack_from("<I", content, 32)
        size, count = struct.unpack_from("<HH", content, 46)
        layout, fields = "<IIIIIIII", (0, 1, 2, 4, 5, 6)
    rows = [struct.unpack_from(layout, content, at + size * i) for i in range(count)]
    sections = [_Section(*(row[field] for field in fields)) for row in rows]
    named = sections[struct.unpack_from("<H", content, 62 if wide else 50)[0]]
    return sections, [_text(content, named.at + section.name_at) for section in sections]


def _text(content: bytes, at: int) -> str:
    return content[at : content.index(b"\0", at)].decode("utf-8", "replace")
