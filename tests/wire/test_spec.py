"""csrc/SPEC.md against the C code, and against a second implementation in Python.

The layout tables and the worked bytes are read from the document. Each worked frame is checked
four ways: made and taken apart by the C code, made and taken apart by `struct`, PyPI `cobs` and
`google_crc32c`, which know nothing of the C code but the document's tables."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
from cobs import cobs

from hil._kernel import ffi, lib
from hil.errors import KernelError
from hil.wire import encoding, messages

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

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.name)
each_layout = pytest.mark.parametrize(
    "layout", [n for n in LAYOUTS if n not in {"hil_rail_t", "hil_reading_t"}]
)


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


# --- tests -----------------------------------------------------------------------


def test_the_document_was_understood() -> None:
    assert VERSION == lib.WIRE_VERSION
    assert len(LAYOUTS) == 24
    assert len(TYPES) == 20
    assert len(EXAMPLES) >= 40
    assert len({e.name for e in EXAMPLES}) == len(EXAMPLES)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_offsets_and_sizes_of_a_layout_add_up(layout: str) -> None:
    at = 0
    for row in LAYOUTS[layout]:
        assert row.at == at
        if row.entry:
            assert row is LAYOUTS[layout][-1]
            assert row.counted_by in {r.name for r in LAYOUTS[layout]}
            return
        if row.type in INTEGERS:
            assert int(row.size) == struct.calcsize("<" + INTEGERS[row.type])
        at += int(row.size)


@pytest.mark.parametrize("layout", [n for n in LAYOUTS if n != "id"])
def test_the_c_struct_has_the_same_fields_in_the_same_order(layout: str) -> None:
    fields = ffi.typeof(layout).fields
    assert [name for name, _ in fields] == [row.name for row in LAYOUTS[layout]]
    for (_, member), row in zip(fields, LAYOUTS[layout], strict=True):
        if row.type in INTEGERS and not row.entry:
            assert member.type.cname == {"u": "uint", "i": "int"}[row.type[0]] + row.type[1:] + "_t"


def test_the_numbers_of_types_targets_and_statuses_are_those_of_the_code() -> None:
    for number, name, _, _ in TYPES:
        assert getattr(lib, f"HIL_MSG_{name}") == number
    targets = tables("5. Targets")
    assert len(targets) == lib.TARGET_CHECKS + 1
    for number_text, name, _ in targets:
        assert getattr(lib, f"TARGET_{name.upper()}") == int(number_text)
    statuses = tables("6. Status codes")
    assert len(statuses) == 1 - lib.HIL_ERR_IO
    for number_text, name, _ in statuses:
        assert getattr(lib, name.strip("`")) == int(number_text)


def test_the_limits_are_those_of_the_code() -> None:
    limits = [int(value) for _, value in tables("7. Limits")[:8]]
    assert limits == [
        lib.WIRE_PAYLOAD_MAX,
        lib.WIRE_RAW_MAX,
        lib.WIRE_FRAME_MAX,
        lib.MESSAGE_IO_MAX,
        lib.MESSAGE_DATA_MAX,
        lib.MESSAGE_SPANS_MAX,
        lib.MESSAGE_RAILS_MAX,
        lib.MESSAGE_READINGS_MAX,
    ]


def test_every_request_and_every_answer_has_a_worked_example() -> None:
    want = set()
    for number, _, request, answer in TYPES:
        if request != "-":
            want.add((number, request))
        want.add((number | lib.HIL_MSG_ANSWER, answer))
    assert {(e.type, e.layout) for e in EXAMPLES} == want


@each_example
def test_python_makes_the_worked_bytes(example: Example) -> None:
    raw = struct.pack("<BBH", example.version, example.type, example.seq)
    raw += python_pack(example.layout, example.fields)
    raw += struct.pack("<I", google_crc32c.value(raw))
    assert b"\0" + cobs.encode(raw) + b"\0" == example.wire


@each_example
def test_python_takes_the_worked_bytes_apart(example: Example) -> None:
    assert example.wire[0] == 0
    assert example.wire.index(0, 1) == len(example.wire) - 1
    raw = cobs.decode(example.wire[1:-1])
    assert struct.unpack("<I", raw[-4:])[0] == google_crc32c.value(raw[:-4])
    header = struct.unpack("<BBH", raw[:4])
    assert header == (example.version, example.type, example.seq)
    assert python_unpack(example.layout, raw[4:-4]) == example.fields


@each_example
def test_c_makes_the_worked_bytes(example: Example) -> None:
    payload = b"" if example.layout == "none" else c_pack(example.layout, example.fields)
    assert c_encode(example.version, example.type, example.seq, payload) == example.wire


@each_example
def test_c_takes_the_worked_bytes_apart(example: Example) -> None:
    decoder, frame = ffi.new("hil_wire_decoder_t *"), ffi.new("hil_wire_frame_t *")
    used = ffi.new("size_t *")
    lib.wire_decoder_init(decoder)
    result = lib.wire_decoder_push(decoder, example.wire, len(example.wire), used, frame)
    assert used[0] == len(example.wire)
    assert (frame.version, frame.type) == (example.version, example.type)
    if example.version != lib.WIRE_VERSION:
        assert result == lib.HIL_ERR_VERSION
        return
    assert result == 1
    assert frame.seq == example.seq
    payload = bytes(ffi.buffer(frame.payload, frame.len))
    if example.layout == "none":
        assert payload == b""
    else:
        assert c_unpack(example.layout, payload) == example.fields


def smallest(layout: str, **given: int) -> bytes:
    """A payload with the given values, the least legal ones elsewhere, and as many entries as it
    says."""
    fields: dict[str, Value] = {}
    for row in LAYOUTS[layout]:
        if row.type == "text":
            fields[row.name] = ""
        elif row.type == "hil_rail_t":
            fields[row.name] = [("", 0, 0)] * fields[row.counted_by]
        elif row.type == "hil_reading_t":
            fields[row.name] = [(1, "", 0)] * fields[row.counted_by]
        elif row.type == "bytes":
            fields[row.name] = bytes(fields[row.counted_by] if row.entry else int(row.size))
        elif row.entry:
            fields[row.name] = [0] * fields[row.counted_by]
        else:
            least = row.range[0] if row.range else 0
            fields[row.name] = given.get(row.name, least)
    return python_pack(layout, fields)


@each_layout
def test_c_accepts_both_ends_of_each_range_and_nothing_beyond(layout: str) -> None:
    assert c_status(layout, smallest(layout)) == lib.HIL_OK
    for row in LAYOUTS[layout]:
        if row.range is None:
            continue
        low, high = row.range
        assert c_status(layout, smallest(layout, **{row.name: low})) == lib.HIL_OK
        assert c_status(layout, smallest(layout, **{row.name: high})) == lib.HIL_OK
        assert c_status(layout, smallest(layout, **{row.name: high + 1})) == lib.HIL_ERR_PAYLOAD
        if low > 0 or row.type.startswith("i"):
            assert c_status(layout, smallest(layout, **{row.name: low - 1})) == lib.HIL_ERR_PAYLOAD


@each_layout
def test_c_refuses_one_byte_too_few_and_one_too_many(layout: str) -> None:
    payload = smallest(layout)
    assert c_status(layout, payload[:-1]) == lib.HIL_ERR_PAYLOAD
    assert c_status(layout, payload + b"\0") == lib.HIL_ERR_PAYLOAD


@each_layout
def test_c_takes_any_value_where_the_document_gives_no_range(layout: str) -> None:
    for row in LAYOUTS[layout]:
        if row.range is None and not row.entry and row.type in INTEGERS:
            ones = -1 if row.type.startswith("i") else 2 ** (8 * int(row.size)) - 1
            payload = smallest(layout, **{row.name: ones})
            assert c_unpack(layout, payload)[row.name] == ones


def test_the_kinds_for_target_cpu_end_at_three() -> None:
    cpu = lib.TARGET_CPU
    assert c_status("hil_arm_t", smallest("hil_arm_t", target=cpu, kind=3)) == lib.HIL_OK
    assert c_status("hil_arm_t", smallest("hil_arm_t", target=cpu, kind=4)) == lib.HIL_ERR_PAYLOAD
    assert c_status("hil_arm_t", smallest("hil_arm_t", target=cpu - 1, kind=5)) == lib.HIL_OK


def test_the_arithmetic_of_overhead_holds() -> None:
    def longest(payload_len: int) -> int:
        payload = b"\x55" * payload_len
        return max(len(c_encode(1, 0x88, seq, payload)) for seq in range(0x0101, 0x0140))

    assert [longest(n) - n for n in (0, 246, 247, 1024)] == [11, 11, 12, 15]
    assert longest(7 + 1008) == 1030
    whole, rest = divmod(2**20, 1008)
    total = whole * longest(7 + 1008) + longest(7 + rest)
    assert (whole + 1, total) == (1041, 1_071_475)
    assert f"{total:,}".replace(",", " ") in " ".join(SPEC.split())
    for baud, byte_s, alone, by_read, share in tables("7. Limits")[8:]:
        rate = int(baud.replace(" ", "")) / 10
        assert float(byte_s.replace(" ", "")) == rate
        assert float(alone.split()[0]) == pytest.approx(2**20 / rate, abs=0.006)
        assert float(by_read.split()[0]) == pytest.approx((total + 20) / rate, abs=0.006)
        assert 2**20 / (total + 20) == pytest.approx(float(share.split()[0]) / 100, abs=0.0006)
        assert 2**20 / (total + 20) >= 0.95


@pytest.mark.parametrize(
    "make",
    [
        lambda: encoding.load_request("w" * 4000, 1),
        lambda: encoding.load_request("w" * 17, 1),
        lambda: encoding.step_request(1, bytes(257)),
        lambda: encoding.write_request(messages.Region.STATE, 0, bytes(4000)),
    ],
)
def test_bytes_that_are_longer_than_their_field_are_refused(make: Callable[[], bytes]) -> None:
    with pytest.raises(KernelError, match="too long"):
        make()
