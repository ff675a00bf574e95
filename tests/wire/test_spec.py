"""csrc/SPEC.md against the C code, and against a second implementation in Python.

The layout tables and the worked bytes are read from the document. Each worked frame is checked
four ways: made and taken apart by the C code, made and taken apart by `struct`, PyPI `cobs` and
`google_crc32c`, which know nothing of the C code but the document's tables."""

from __future__ import annotations

import struct
from collections.abc import Callable

import google_crc32c
import pytest
from cobs import cobs

from hil._kernel import ffi, lib
from hil.errors import KernelError
from hil.wire import encoding, messages
from tests.wire.spec import (
    EXAMPLES,
    INTEGERS,
    LAYOUTS,
    SPEC,
    TYPES,
    VERSION,
    Example,
    Value,
    c_encode,
    c_pack,
    c_status,
    c_unpack,
    python_pack,
    python_unpack,
    tables,
)

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.name)
each_layout = pytest.mark.parametrize(
    "layout", [n for n in LAYOUTS if n not in {"hil_rail_t", "hil_reading_t"}]
)


def test_the_document_was_understood() -> None:
    assert VERSION == lib.WIRE_VERSION
    assert len(LAYOUTS) == 41
    assert len(TYPES) == 33
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
    limits = [int(value) for _, value in tables("7. Limits")[:12]]
    assert limits == [
        lib.WIRE_PAYLOAD_MAX,
        lib.WIRE_RAW_MAX,
        lib.WIRE_FRAME_MAX,
        lib.MESSAGE_IO_MAX,
        lib.MESSAGE_DATA_MAX,
        lib.MESSAGE_SPANS_MAX,
        lib.MESSAGE_RAILS_MAX,
        lib.MESSAGE_READINGS_MAX,
        lib.MESSAGE_STDERR_MAX,
        lib.MESSAGE_PART_MAX,
        lib.MESSAGE_PACKED_MAX,
        lib.CAMPAIGN_EXPERIMENTS_MAX,
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
    for baud, byte_s, alone, by_read, share in tables("7. Limits")[17:]:
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
        lambda: encoding.load_request("w" * 16, 1),  # no room for the zero behind it
        lambda: encoding.step_request(1, bytes(257)),
        lambda: encoding.write_request(messages.Region.STATE, 0, bytes(4000)),
    ],
)
def test_bytes_that_are_longer_than_their_field_are_refused(make: Callable[[], bytes]) -> None:
    with pytest.raises(KernelError, match="too long"):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: encoding.load_request("infer", -1),
        lambda: encoding.step_request(2**64, b""),
        lambda: encoding.id_request(2**32),
        lambda: encoding.read_request(messages.Region.STATE, -1, 1),
    ],
)
def test_an_integer_that_does_not_fit_its_field_is_refused(make: Callable[[], bytes]) -> None:
    with pytest.raises(KernelError):
        make()


def test_a_name_that_contains_a_zero_is_refused() -> None:
    with pytest.raises(KernelError, match="zero"):
        encoding.load_request("infer\0x", 1)
