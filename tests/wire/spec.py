"""csrc/SPEC.md as data: layout tables, worked bytes, and messages packed and unpacked by them.

`python_pack` and `python_unpack` know nothing of the C code but the document's tables; `c_pack` and
`c_unpack` are the C code."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hil._kernel import ffi, lib

__all__ = [
    "EXAMPLES",
    "INTEGERS",
    "LAYOUTS",
    "SPEC",
    "TYPES",
    "VERSION",
    "Example",
    "Row",
    "Value",
    "c_encode",
    "c_pack",
    "c_status",
    "c_unpack",
    "python_pack",
    "python_unpack",
    "tables",
]

SPEC = (Path(__file__).parents[2] / "csrc" / "SPEC.md").read_text(encoding="utf-8")

VERSION = int(SPEC.partition("version ")[2].partition("\n")[0])

INTEGERS = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i8": "b", "i32": "i"}
RAIL = struct.Struct("<8sii")
READING = struct.Struct("<B16si")

# A field's value: integer, text, bytes, list of digests, or list of (name, mv, ma).
Value = Any


# --- the document -----------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One row of a layout table."""

    at: int
    size: str
    name: str
    type: str
    range: tuple[int, int] | None

    @property
    def entry(self) -> int | None:
        """Bytes per entry if the size depends on another field."""
        if self.size.isdigit():
            return None
        return int(self.size.split(" x ")[0]) if " x " in self.size else 1

    @property
    def counted_by(self) -> str:
        """Name of the field that says how many entries there are."""
        return self.size.split(" x ")[-1]


@dataclass
class Example:
    """One worked frame."""

    name: str
    type: int = -1
    seq: int = -1
    version: int = VERSION
    layout: str = "none"
    fields: dict[str, Value] = field(default_factory=dict)
    wire: bytes = b""


def tables(section: str) -> list[list[str]]:
    """Cells of all table rows (headings left out) of one section, by the start of its title."""
    found = re.search(rf"^#+ {section}.*?\n(.*?)(?=^#)", SPEC + "\n#", re.MULTILINE | re.DOTALL)
    assert found, section
    rows = [line for line in found[1].splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return [
        row
        for row, after in zip(cells, [*cells[1:], [""]], strict=True)
        if not row[0].startswith("---") and not after[0].startswith("---")
    ]


def read_layouts() -> dict[str, list[Row]]:
    out: dict[str, list[Row]] = {}
    for name in re.findall(r"^### `(\w+)`$", SPEC, re.MULTILINE):
        out[name] = []
        for at, size, member, kind, limits, _unit, _meaning in tables(f"`{name}`"):
            low, _, high = limits.partition("..")
            legal = (int(low), int(high)) if limits else None
            out[name].append(Row(int(at), size, member, kind, legal))
    return out


LAYOUTS = read_layouts()


def parse_value(row: Row, text: str) -> Value:
    if row.type == "text":
        assert text.startswith('"') and text.endswith('"')
        return text[1:-1]
    if row.type == "bytes":
        return bytes.fromhex(text)
    return int(text, 0)


def parse_example(name: str, body: str) -> Example:
    example = Example(name)
    for line in re.sub(r"\n  ", " ", body).splitlines():
        key, _, text = line.partition(" ")
        text = text.strip()
        if key == "@wire":
            example.wire = bytes.fromhex(text)
        elif key == "@layout":
            example.layout = text
            example.fields = {r.name: [] for r in LAYOUTS.get(text, []) if r.entry and r.entry > 1}
        elif key.startswith("@"):
            setattr(example, key[1:], int(text, 0))
        elif key == "rail":
            rail = re.fullmatch(r'"(.*)" (-?\d+) (-?\d+)', text)
            assert rail
            example.fields[key].append((rail[1], int(rail[2]), int(rail[3])))
        elif key == "reading":
            reading = re.fullmatch(r'(\d) "(.*)" (-?\d+)', text)
            assert reading
            example.fields[key].append((int(reading[1]), reading[2], int(reading[3])))
        else:
            row = next(r for r in LAYOUTS[example.layout] if r.name == key)
            if row.type != "bytes" and row.entry:
                example.fields[key].append(int(text, 0))
            else:
                example.fields[key] = parse_value(row, text)
    return example


EXAMPLES = [
    parse_example(name, body)
    for name, body in re.findall(r"^```bytes (\w+)\n(.*?)^```$", SPEC, re.MULTILINE | re.DOTALL)
]
TYPES = [
    (int(number, 16), name, request.strip("`"), answer.strip("`"))
    for number, name, request, answer, _ in tables("3. Types")
]

# --- the implementation in Python ---------------------------------------------------------------


def python_pack(layout: str, fields: dict[str, Value]) -> bytes:
    out = b""
    for row in LAYOUTS.get(layout, []):
        value = fields[row.name]
        if row.type == "text":
            out += value.encode().ljust(int(row.size), b"\0")
        elif row.type == "bytes":
            out += value
        elif row.type == "hil_rail_t":
            out += b"".join(RAIL.pack(name.encode(), mv, ma) for name, mv, ma in value)
        elif row.type == "hil_reading_t":
            out += b"".join(READING.pack(kind, name.encode(), v) for kind, name, v in value)
        elif row.entry:
            out += struct.pack(f"<{len(value)}{INTEGERS[row.type]}", *value)
        else:
            out += struct.pack("<" + INTEGERS[row.type], value)
    return out


def python_unpack(layout: str, payload: bytes) -> dict[str, Value]:
    out: dict[str, Value] = {}
    end = 0
    for row in LAYOUTS.get(layout, []):
        count = out[row.counted_by] if row.entry else 1
        end = row.at + (row.entry * count if row.entry else int(row.size))
        part = payload[row.at : end]
        if row.type == "text":
            out[row.name] = part.rstrip(b"\0").decode()
        elif row.type == "bytes":
            out[row.name] = part
        elif row.type == "hil_rail_t":
            out[row.name] = [(n.rstrip(b"\0").decode(), v, a) for n, v, a in RAIL.iter_unpack(part)]
        elif row.type == "hil_reading_t":
            out[row.name] = [
                (kind, n.rstrip(b"\0").decode(), v) for kind, n, v in READING.iter_unpack(part)
            ]
        elif row.entry:
            out[row.name] = list(struct.unpack(f"<{count}{INTEGERS[row.type]}", part))
        else:
            (out[row.name],) = struct.unpack("<" + INTEGERS[row.type], part)
    assert end == len(payload)
    return out


# --- the implementation in C --------------------------------------------------------------------


def c_pack(layout: str, fields: dict[str, Value]) -> bytes:
    out, n = ffi.new("uint8_t[]", lib.WIRE_PAYLOAD_MAX), ffi.new("size_t *")
    if layout == "id":
        assert lib.hil_id_pack(fields["id"], out, len(out), n) == lib.HIL_OK
        return bytes(ffi.buffer(out, n[0]))
    m = ffi.new(f"{layout} *")
    for row in LAYOUTS[layout]:
        value = fields[row.name]
        if row.type == "text":
            setattr(m, row.name, value.encode())
        elif row.type == "bytes":
            ffi.memmove(getattr(m, row.name), value, len(value))
        elif row.type == "hil_rail_t":
            for i, (name, mv, ma) in enumerate(value):
                m.rail[i] = {"name": name.encode(), "mv": mv, "ma": ma}
        elif row.type == "hil_reading_t":
            for i, (kind, name, v) in enumerate(value):
                m.reading[i] = {"kind": kind, "name": name.encode(), "value": v}
        else:
            setattr(m, row.name, value)
    assert getattr(lib, layout[:-1] + "pack")(m, out, len(out), n) == lib.HIL_OK
    return bytes(ffi.buffer(out, n[0]))


def c_status(layout: str, payload: bytes) -> int:
    m = ffi.new("uint32_t *" if layout == "id" else f"{layout} *")
    name = "hil_id_unpack" if layout == "id" else layout[:-1] + "unpack"
    return int(getattr(lib, name)(m, payload, len(payload)))


def c_unpack(layout: str, payload: bytes) -> dict[str, Value]:
    if layout == "id":
        number = ffi.new("uint32_t *")
        assert lib.hil_id_unpack(number, payload, len(payload)) == lib.HIL_OK
        return {"id": number[0]}
    m = ffi.new(f"{layout} *")
    assert getattr(lib, layout[:-1] + "unpack")(m, payload, len(payload)) == lib.HIL_OK
    out: dict[str, Value] = {}
    for row in LAYOUTS[layout]:
        value = getattr(m, row.name)
        count = out[row.counted_by] if row.entry else 1
        if row.type == "text":
            out[row.name] = ffi.string(value).decode()
        elif row.type == "bytes":
            out[row.name] = bytes(ffi.buffer(value, count if row.entry else int(row.size)))
        elif row.type == "hil_rail_t":
            out[row.name] = [(ffi.string(r.name).decode(), r.mv, r.ma) for r in value[0:count]]
        elif row.type == "hil_reading_t":
            out[row.name] = [(r.kind, ffi.string(r.name).decode(), r.value) for r in value[0:count]]
        elif row.entry:
            out[row.name] = list(value[0:count])
        else:
            out[row.name] = value
    return out


def c_encode(version: int, type_: int, seq: int, payload: bytes) -> bytes:
    out, n = ffi.new("uint8_t[]", lib.WIRE_FRAME_MAX), ffi.new("size_t *")
    args = (version, type_, seq, payload, len(payload), out, len(out), n)
    assert lib.wire_encode_version(*args) == lib.HIL_OK
    return bytes(ffi.buffer(out, n[0]))
